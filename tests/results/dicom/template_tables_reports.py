"""Rows of TID 1500 and of what it includes, as PS3.16 (2026a) has them; see `template_tables_cad`.

Rows for what we never write (waveforms, fetuses, radiotherapy structure sets ..) are left out:
their templates are extensible, and such an item would pass as an extension.
"""

TABLES = """
TID 1204 Language of Content Item and Descendants; closed; ordered
1    | HAS CONCEPT MOD | CODE      | 121049 DCM | 1   | M  |                               | CID 5000
>2   | HAS CONCEPT MOD | CODE      | 121046 DCM | 1   | U  |                               | CID 5001

TID 4019 Algorithm Identification; closed; ordered
1    |                 | TEXT      | 111001 DCM | 1   | M  |                               |
1b   |                 | CODE      | 111001 DCM | 1   | U  |                               |
2    |                 | TEXT      | 111003 DCM | 1   | M  |                               |
2b   |                 | TEXT      | 122405 DCM | 1   | U  |                               |
3    |                 | TEXT      | 111002 DCM | 1-n | U  |                               |
4    |                 | CODE      | 111000 DCM | 1   | U  |                               |

TID 4108 Tracking Identifier; closed; ordered
1    |                 | TEXT      | 112039 DCM | 1   | MC | any of 1 2                    |
2    |                 | UIDREF    | 112040 DCM | 1   | MC | any of 1 2                    |

TID 1001 Observation Context; open; ordered
1    |                 | INCLUDE   | TID 1002   | 1-n | U  |                               |

TID 1002 Observer Context; open; free
1    | HAS OBS CONTEXT | CODE      | 121005 DCM | 1   | MC | if row TID-1004-1             | CID 270
2    |                 | INCLUDE   | TID 1003   | 1   | MC | if row 1 121006               |
3    |                 | INCLUDE   | TID 1004   | 1   | MC | if row 1 121007               |

TID 1003 Person Observer Identifying Attributes; open; free
1    | HAS OBS CONTEXT | PNAME     | 121008 DCM | 1   | M  |                               |
2    | HAS OBS CONTEXT | TEXT      | 121009 DCM | 1   | U  |                               |
3    | HAS OBS CONTEXT | CODE      | 121010 DCM | 1   | U  |                               | BCID 7452
4    | HAS OBS CONTEXT | CODE      | 121011 DCM | 1   | U  |                               | BCID 7453

TID 1004 Device Observer Identifying Attributes; open; free
1    | HAS OBS CONTEXT | UIDREF    | 121012 DCM | 1   | M  |                               |
2    | HAS OBS CONTEXT | TEXT      | 121013 DCM | 1   | U  |                               |
3    | HAS OBS CONTEXT | TEXT      | 121014 DCM | 1   | U  |                               |
4    | HAS OBS CONTEXT | TEXT      | 121015 DCM | 1   | U  |                               |
5    | HAS OBS CONTEXT | TEXT      | 121016 DCM | 1   | U  |                               |
6    | HAS OBS CONTEXT | TEXT      | 121017 DCM | 1   | U  |                               |
7    | HAS OBS CONTEXT | CODE      | 113876 DCM | 1-n | U  |                               | CID 7445

TID 1500 Measurement Report; open; free
1    |                 | CONTAINER | CID 7021   | 1   | M  |                               |
>2   | HAS CONCEPT MOD | INCLUDE   | TID 1204   | 1   | U  |                               |
>3   | HAS OBS CONTEXT | INCLUDE   | TID 1001   | 1   | M  |                               |
>4   | HAS CONCEPT MOD | CODE      | 121058 DCM | 1-n | U  |                               | BCID 100
>5   | CONTAINS        | INCLUDE   | TID 1600   | 1   | U  |                               |
>6   | CONTAINS        | CONTAINER | 126010 DCM | 1   | MC | any of 6 10 12                |
>>6b | HAS CONCEPT MOD | INCLUDE   | TID 4019   | 1   | U  |                               |
>>7  | CONTAINS        | INCLUDE   | TID 1410   | 1-n | U  |                               |
>>9  | CONTAINS        | INCLUDE   | TID 1501   | 1-n | U  |                               |
>10  | CONTAINS        | CONTAINER | 126011 DCM | 1   | MC | any of 6 10 12                |
>>10b | HAS CONCEPT MOD | INCLUDE  | TID 4019   | 1   | U  |                               |
>12  | CONTAINS        | CONTAINER | C0034375 UMLS | 1 | MC | any of 6 10 12               |
>>12b | HAS CONCEPT MOD | INCLUDE  | TID 4019   | 1   | U  |                               |
>>13 | CONTAINS        | CODE      | -          | 1-n | U  |                               |
>>14 | CONTAINS        | TEXT      | -          | 1-n | U  |                               |

TID 1410 Planar ROI Measurements and Qualitative Evaluations; open; free
1    |                 | CONTAINER | 125007 DCM | 1   | M  |                               | TID 1410
>1b  | HAS OBS CONTEXT | TEXT      | C67447 NCIt | 1  | U  |                               |
>2   | HAS OBS CONTEXT | TEXT      | 112039 DCM | 1   | U  |                               |
>3   | HAS OBS CONTEXT | UIDREF    | 112040 DCM | 1   | U  |                               |
>3a  | CONTAINS        | CODE      | 276214006 SCT | 1 | U |                               |
>3b  | CONTAINS        | CODE      | 121071 DCM | 1   | U  |                               |
>3c  | CONTAINS        | CODE      | 130400 DCM | 1   | U  |                               |
>4   | HAS OBS CONTEXT | INCLUDE   | TID 1502   | 1   | U  |                               |
>5   | CONTAINS        | SCOORD    | 111030 DCM | 1   | MC | one of 5 7 7b                 | not MULTIPOINT
>>6  | SELECTED FROM   | IMAGE     | -          | 1   | M  |                               |
>7   | CONTAINS        | IMAGE     | 121214 DCM | 1   | MC | one of 5 7 7b                 |
>7b  | CONTAINS        | SCOORD3D  | 111030 DCM | 1   | MC | one of 5 7 7b                 |
>8   | CONTAINS        | IMAGE     | 121233 DCM | 1   | MC | iff row 7                     |
>9   | CONTAINS        | IMAGE     | 121200 DCM | 1   | U  |                               |
>10  | CONTAINS        | COMPOSITE | 126100 DCM | 1   | U  |                               |
>11  | CONTAINS        | INCLUDE   | TID 1419   | 1   | U  |                               |
>12  | CONTAINS        | CODE      | -          | 1-n | U  |                               |
>13  | CONTAINS        | TEXT      | -          | 1-n | U  |                               |

TID 1419 ROI Measurements; open; free
1    | HAS CONCEPT MOD | CODE      | 370129005 SCT | 1 | U |                               |
2    | HAS CONCEPT MOD | CODE      | 363698007 SCT | 1-n | U |                             |
>3   | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 244
>4   | HAS CONCEPT MOD | CODE      | 106233006 SCT | 1 | U |                               |
4b   | HAS CONCEPT MOD | INCLUDE   | TID 4019   | 1   | U  |                               |
5    |                 | NUM       | -          | 1-n | M  |                               |
>7   | HAS CONCEPT MOD | CODE      | 370129005 SCT | 1 | U |                               |
>8   | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | U  |                               |
>9   | HAS CONCEPT MOD | CODE      | 363698007 SCT | 1-n | U |                             |
>12  | HAS PROPERTIES  | INCLUDE   | TID 310    | 1   | U  |                               |
>20  | HAS CONCEPT MOD | INCLUDE   | TID 4019   | 1   | U  |                               |

TID 1501 Measurement and Qualitative Evaluation Group; open; free
1    | CONTAINS        | CONTAINER | 125007 DCM | 1   | M  |                               | TID 1501
>1b  | HAS OBS CONTEXT | TEXT      | C67447 NCIt | 1  | U  |                               |
>2   | HAS OBS CONTEXT | TEXT      | 112039 DCM | 1   | U  |                               |
>3   | HAS OBS CONTEXT | UIDREF    | 112040 DCM | 1   | U  |                               |
>3a  | CONTAINS        | CODE      | 276214006 SCT | 1 | U |                               |
>3b  | CONTAINS        | CODE      | 121071 DCM | 1   | U  |                               |
>4   | HAS OBS CONTEXT | INCLUDE   | TID 1502   | 1   | U  |                               |
>5   | HAS CONCEPT MOD | CODE      | 370129005 SCT | 1 | U |                               |
>6   | HAS CONCEPT MOD | CODE      | 363698007 SCT | 1-n | U |                             |
>>7  | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 244
>9b  | HAS CONCEPT MOD | INCLUDE   | TID 4019   | 1   | U  |                               |
>10  | CONTAINS        | INCLUDE   | TID 300    | 1-n | U  |                               |
>10b | CONTAINS        | IMAGE     | -          | 1-n | U  |                               |
>10c | CONTAINS        | SCOORD    | -          | 1-n | U  |                               |
>>10d | SELECTED FROM  | IMAGE     | -          | 1   | M  |                               |
>11  | CONTAINS        | CODE      | -          | 1-n | U  |                               |
>12  | CONTAINS        | TEXT      | -          | 1-n | U  |                               |

TID 1502 Time Point Context; open; free
1    | HAS OBS CONTEXT | TEXT      | 126070 DCM | 1   | U  |                               |
2    | HAS OBS CONTEXT | TEXT      | 126071 DCM | 1   | U  |                               |
3    | HAS OBS CONTEXT | TEXT      | C2348792 UMLS | 1 | M |                               |
4    | HAS OBS CONTEXT | CODE      | 126072 DCM | 1-n | U  |                               | BCID 6146
5    | HAS OBS CONTEXT | NUM       | 126073 DCM | 1   | U  |                               | UNITS 1
6    | HAS OBS CONTEXT | NUM       | 128740 DCM | 1   | U  |                               |
>7   | HAS CONCEPT MOD | CODE      | 128741 DCM | 1   | M  |                               | CID 280

TID 1600 Image Library; open; free
1    |                 | CONTAINER | 111028 DCM | 1   | M  |                               |
>2   | CONTAINS        | CONTAINER | 126200 DCM | 1-n | U  |                               |
>>3  | HAS ACQ CONTEXT | INCLUDE   | TID 1602   | 1   | U  |                               |
>>4  | CONTAINS        | INCLUDE   | TID 1601   | 1-n | U  |                               |

TID 1601 Image Library Entry; open; free
1    |                 | IMAGE     | -          | 1   | M  |                               |
>2   | HAS ACQ CONTEXT | INCLUDE   | TID 1602   | 1   | U  |                               |

TID 1602 Image Library Entry Descriptors; open; free
1    | HAS ACQ CONTEXT | CODE      | 121139 DCM | 1   | U  |                               | CID 29
2    | HAS ACQ CONTEXT | CODE      | 123014 DCM | 1   | U  |                               |
3    | HAS ACQ CONTEXT | CODE      | 111027 DCM | 1   | U  |                               | CID 244
4    | HAS ACQ CONTEXT | DATE      | 111060 DCM | 1   | U  |                               |
5    | HAS ACQ CONTEXT | TIME      | 111061 DCM | 1   | U  |                               |
6    | HAS ACQ CONTEXT | DATE      | 111018 DCM | 1   | U  |                               |
7    | HAS ACQ CONTEXT | TIME      | 111019 DCM | 1   | U  |                               |
8    | HAS ACQ CONTEXT | DATE      | 126201 DCM | 1   | U  |                               |
9    | HAS ACQ CONTEXT | TIME      | 126202 DCM | 1   | U  |                               |
10   | HAS ACQ CONTEXT | UIDREF    | 112227 DCM | 1   | U  |                               |
11   | HAS ACQ CONTEXT | NUM       | 110910 DCM | 1   | U  |                               | UNITS {pixels}
12   | HAS ACQ CONTEXT | NUM       | 110911 DCM | 1   | U  |                               | UNITS {pixels}

TID 300 Measurement; open; ordered
1    |                 | NUM       | -          | 1   | M  |                               |
>3   | HAS CONCEPT MOD | CODE      | 370129005 SCT | 1 | U |                               |
>4   | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | U  |                               |
>5   | HAS CONCEPT MOD | CODE      | 363698007 SCT | 1-n | U |                             |
>8   | HAS PROPERTIES  | INCLUDE   | TID 310    | 1   | U  |                               |
>17  | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
>19  | HAS CONCEPT MOD | INCLUDE   | TID 4019   | 1   | U  |                               |

TID 310 Measurement Properties; open; ordered
1    |                 | CODE      | 121402 DCM | 1   | U  |                               | CID 222
4    |                 | CODE      | 121403 DCM | 1   | U  |                               | CID 220
5    |                 | NUM       | CID 225    | 1-n | U  |                               |
6    |                 | CODE      | 121404 DCM | 1   | U  |                               | CID 224
"""
