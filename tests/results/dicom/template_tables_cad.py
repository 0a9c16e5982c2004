"""Rows of TID 4000 and TID 4100 and of what they include, as PS3.16 (2026a) has them.

The columns are those of the standard: row with its nesting, relationship with parent, value type,
concept name, VM, requirement type, condition, value set. Rows that stand by reference have
``R-`` before the relationship. How columns are written: `template_rows`.
"""

TABLES = """
TID 4000 Mammography CAD Document Root; closed; ordered
1    |                 | CONTAINER | 111036 DCM | 1   | M  |                               |
>2   | HAS CONCEPT MOD | INCLUDE   | TID 1204   | 1   | M  |                               |
>3   | CONTAINS        | CONTAINER | 111028 DCM | 1   | M  |                               |
>>4  | CONTAINS        | INCLUDE   | TID 4020   | 1-n | M  |                               | $side = CID 6022; $view = CID 4014; $modifier = CID 4015
>5   | CONTAINS        | INCLUDE   | TID 4001   | 1   | M  |                               |
>6   | CONTAINS        | CODE      | 111064 DCM | 1   | M  |                               | CID 6042
>>7  | INFERRED FROM   | INCLUDE   | TID 4015   | 1   | MC | unless value 111225           | $detection = CID 6014
>8   | CONTAINS        | CODE      | 111065 DCM | 1   | M  |                               | CID 6042
>>9  | INFERRED FROM   | INCLUDE   | TID 4016   | 1   | MC | unless value 111225           | $analysis = CID 6043

TID 4001 Mammography CAD Overall Impression/Recommendation; closed; ordered
1    |                 | CODE      | 111017 DCM | 1   | M  |                               | CID 6047
>2   | HAS PROPERTIES  | INCLUDE   | TID 4002   | 1   | U  |                               |
>3   | INFERRED FROM   | INCLUDE   | TID 4003   | 1-n | MC | if value 111242 111244        |

TID 4002 Mammography CAD Impression/Recommendation Body; closed; ordered
1    |                 | CODE      | 111005 DCM | 1-n | MC | any of 1 3 5 6 8 9            | CID 6026
>2   | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 6022
3    |                 | CODE      | 111023 DCM | 1-n | MC | any of 1 3 5 6 8 9            | CID 6002
>4   | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 6022
5    |                 | TEXT      | 111033 DCM | 1   | MC | any of 1 3 5 6 8 9            |
6    |                 | CODE      | 111053 DCM | 1-n | MC | any of 1 3 5 6 8 9            | CID 6028
>7   | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 6022
8    |                 | NUM       | 111055 DCM | 1   | MC | any of 1 3 5 6 8 9            | UNITS CID 6046
9    |                 | DATE      | 111054 DCM | 1   | MC | any of 1 3 5 6 8 9            |
10   |                 | NUM       | 111013 DCM | 1   | UC | only with 1 3 5               | UNITS %; 0-100
11   |                 | INCLUDE   | TID 4019   | 1-n | M  |                               |
12   |                 | NUM       | CID 6142   | 1-n | U  |                               |
>13  | HAS CONCEPT MOD | CODE      | 272741003 SCT | 1 | U |                               | CID 6022
>14  | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | M  |                               | CID 6140
>15  | INFERRED FROM   | TEXT      | 112034 DCM | 1   | U  |                               |

TID 4003 Mammography CAD Individual Impression/Recommendation; closed; ordered
1    |                 | CONTAINER | 111034 DCM | 1   | M  |                               |
>2   | HAS CONCEPT MOD | CODE      | 111056 DCM | 1   | M  |                               | CID 6034
>3   | CONTAINS        | INCLUDE   | TID 4002   | 1   | U  |                               |
>4   | CONTAINS        | INCLUDE   | TID 4004   | 1-n | MC | any of 4 5                    |
>5   | CONTAINS        | INCLUDE   | TID 4006   | 1-n | MC | any of 4 5                    |

TID 4004 Mammography CAD Composite Feature; closed; ordered
1    |                 | CODE      | 111015 DCM | 1   | M  |                               | CID 6016
>2   | HAS CONCEPT MOD | CODE      | 111056 DCM | 1   | M  |                               | CID 6034
>3   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
>4   | HAS PROPERTIES  | INCLUDE   | TID 4005   | 1   | M  |                               |
>5   | INFERRED FROM   | INCLUDE   | TID 4004   | 1-n | MC | two of 5 6                    |
>6   | INFERRED FROM   | INCLUDE   | TID 4006   | 1-n | MC | two of 5 6                    |
>7   | HAS OBS CONTEXT | INCLUDE   | TID 4022   | 1   | MC | other report                  |

TID 4005 Mammography CAD Composite Feature Body; closed; ordered
1    |                 | CODE      | 111016 DCM | 1   | M  |                               | CID 6035; contralateral asymmetry
2    |                 | CODE      | 111057 DCM | 1   | M  |                               | CID 6036
3    |                 | INCLUDE   | TID 4019   | 1   | M  |                               |
4    |                 | NUM       | 111011 DCM | 1   | U  |                               | UNITS %; 0-100
5    |                 | NUM       | 111047 DCM | 1   | UC | only unless value 111102      | UNITS %; 0-100
6    |                 | CODE      | 111042 DCM | 1-n | U  |                               | BCID 6030
7    |                 | INCLUDE   | TID 1400   | 1-n | U  |                               |
8    |                 | INCLUDE   | TID 1401   | 1-n | U  |                               |
9    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |
10   |                 | INCLUDE   | TID 4021   | 1-n | U  |                               |
11   |                 | NUM       | CID 6037   | 1-n | UC | only if row 1 111153          |
>12  | R-INFERRED FROM | NUM       | -          | 2   | U  |                               |
13   |                 | CODE      | 111049 DCM | 1-n | UC | only if row 1 111153          | CID 6038
>14  | HAS PROPERTIES  | TEXT      | 111021 DCM | 1   | U  |                               |
>15  | R-INFERRED FROM | CODE      | -          | 2   | M  |                               |
16   |                 | CODE      | 111048 DCM | 1   | U  |                               | CID 6020
17   |                 | CODE      | 111014 DCM | 1   | U  |                               | CID 6018
18   |                 | CODE      | 111020 DCM | 1   | U  |                               | CID 6024
19   |                 | CODE      | 111035 DCM | 1   | UC | only if value 129788004 129793001 | CID 6008
20   |                 | CODE      | 107644003 SCT | 1 | UC | only if value 129788004 129793001 | CID 6004
21   |                 | CODE      | 112233002 SCT | 1-n | UC | only if value 129788004 129793001 | CID 6006
22   |                 | CODE      | 111009 DCM | 1-n | UC | only if value 129769006 129770007 | CID 6010
23   |                 | CODE      | 111008 DCM | 1   | UC | only if value 129769006       | CID 6012
24   |                 | NUM       | 111038 DCM | 1   | UC | only if value 129769006       | UNITS 1; >0
25   |                 | NUM       | CID 6142   | 1-n | U  |                               |
>26  | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | M  |                               | CID 6140
>27  | INFERRED FROM   | TEXT      | 112034 DCM | 1   | U  |                               |

TID 4006 Mammography CAD Single Image Finding; closed; ordered
1    |                 | CODE      | 111059 DCM | 1   | M  |                               | CID 6014
>2   | HAS CONCEPT MOD | CODE      | 111056 DCM | 1   | M  |                               | CID 6034
>>3  | HAS PROPERTIES  | NUM       | 111071 DCM | 1   | UC | only if value 111151          |
>4   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
>5   | HAS PROPERTIES  | INCLUDE   | TID 4019   | 1   | M  |                               |
>6   | HAS PROPERTIES  | NUM       | 111012 DCM | 1   | U  |                               | UNITS %; 0-100
>7   | HAS PROPERTIES  | NUM       | 111047 DCM | 1   | UC | only unless value 129715009 111100 24142002 111099 111101 111102 | UNITS %; 0-100
>8   | HAS PROPERTIES  | INCLUDE   | TID 4021   | 1   | MC | unless value 129715009 111100 111101 |
>9   | HAS PROPERTIES  | INCLUDE   | TID 4007   | 1   | MC | iff value 129715009           |
>10  | R-INFERRED FROM | CODE      | -          | 1-n | UC | only if value 129715009       |
>13  | HAS PROPERTIES  | INCLUDE   | TID 4010   | 1   | UC | only if value 129769006       |
>14  | HAS PROPERTIES  | INCLUDE   | TID 4011   | 1   | UC | only if value 129793001       |
>15  | HAS PROPERTIES  | CODE      | 111297 DCM | 1   | UC | only if value 24142002        | CID 6039
>16  | HAS PROPERTIES  | INCLUDE   | TID 4012   | 1   | MC | iff value 111102              |
>17  | HAS PROPERTIES  | INCLUDE   | TID 4013   | 1   | MC | iff value 111099              |
>22  | HAS PROPERTIES  | NUM       | CID 6142   | 1-n | U  |                               |
>>23 | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | M  |                               | CID 6140
>>24 | INFERRED FROM   | TEXT      | 112034 DCM | 1   | U  |                               |
>25  | INFERRED FROM   | INCLUDE   | TID 4006   | 1-n | UC | only if value 129769006       |
>26  | HAS OBS CONTEXT | INCLUDE   | TID 4022   | 1   | MC | other report                  |

TID 4007 Mammography CAD Breast Composition; closed; ordered
1    |                 | CODE      | 129715009 SCT | 1 | MC | any of 1 2                   | CID 6000
2    |                 | NUM       | 111046 DCM | 1   | MC | any of 1 2                    | UNITS %; 0-100

TID 4010 Mammography CAD Calcification Cluster; closed; ordered
1    |                 | CODE      | 111009 DCM | 1-n | MC | any of 1 2 3 4 5              | CID 6010
2    |                 | CODE      | 111008 DCM | 1   | MC | any of 1 2 3 4 5              | CID 6012
3    |                 | NUM       | 111038 DCM | 1   | MC | any of 1 2 3 4 5              | UNITS 1; >0
4    |                 | INCLUDE   | TID 1400   | 1-n | MC | any of 1 2 3 4 5              |
5    |                 | INCLUDE   | TID 1401   | 1-n | MC | any of 1 2 3 4 5              |
6    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |

TID 4011 Mammography CAD Density; closed; ordered
1    |                 | CODE      | 111035 DCM | 1   | MC | any of 1 2 3 4 5              | CID 6008
2    |                 | CODE      | 107644003 SCT | 1 | MC | any of 1 2 3 4 5             | CID 6004
3    |                 | CODE      | 112233002 SCT | 1-n | MC | any of 1 2 3 4 5           | CID 6006
4    |                 | INCLUDE   | TID 1400   | 1-n | MC | any of 1 2 3 4 5              |
5    |                 | INCLUDE   | TID 1401   | 1-n | MC | any of 1 2 3 4 5              |
6    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |

TID 4012 Mammography CAD Non-lesion; closed; ordered
1    |                 | CODE      | 111039 DCM | 1   | M  |                               | CID 6040
2    |                 | INCLUDE   | TID 1400   | 1-n | U  |                               |
3    |                 | INCLUDE   | TID 1401   | 1-n | U  |                               |
4    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |

TID 4013 Mammography CAD Selected Region; closed; ordered
1    |                 | TEXT      | 111058 DCM | 1   | M  |                               |
2    |                 | INCLUDE   | TID 1400   | 1-n | U  |                               |
3    |                 | INCLUDE   | TID 1401   | 1-n | U  |                               |
4    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |

TID 4015 CAD Detections Performed; closed; ordered
1    |                 | CONTAINER | 111063 DCM | 1   | MC | iff value 111222 111223       |
>2   | CONTAINS        | INCLUDE   | TID 4017   | 1-n | M  |                               | $detection = $detection
3    |                 | CONTAINER | 111025 DCM | 1   | MC | iff value 111224 111223       |
>4   | CONTAINS        | INCLUDE   | TID 4017   | 1-n | M  |                               | $detection = $detection

TID 4016 CAD Analyses Performed; closed; ordered
1    |                 | CONTAINER | 111062 DCM | 1   | MC | iff value 111222 111223       |
>2   | CONTAINS        | INCLUDE   | TID 4018   | 1-n | M  |                               | $analysis = $analysis
3    |                 | CONTAINER | 111024 DCM | 1   | MC | iff value 111224 111223       |
>4   | CONTAINS        | INCLUDE   | TID 4018   | 1-n | M  |                               | $analysis = $analysis

TID 4017 CAD Detection Performed; closed; ordered
1    |                 | CODE      | 111022 DCM | 1   | M  |                               | $detection
>2   | HAS PROPERTIES  | INCLUDE   | TID 4019   | 1   | M  |                               |
>3   | HAS PROPERTIES  | IMAGE     | -          | 1-n | MC | any of 3 4 5 6; chest         |
>4   | R-HAS PROPERTIES | IMAGE    | -          | 1-n | MC | any of 3 4 5 6                | library
>5   | HAS PROPERTIES  | UIDREF    | 112002 DCM | 1-n | MC | any of 3 4 5 6; chest         |
>6   | HAS PROPERTIES  | SCOORD    | 111030 DCM | 1-n | MC | any of 3 4 5 6                |
>>7  | SELECTED FROM   | IMAGE     | -          | 1   | MC | one of 7 8; chest             |
>>8  | R-SELECTED FROM | IMAGE     | -          | 1   | MC | one of 7 8                    | library

TID 4018 CAD Analysis Performed; closed; ordered
1    |                 | CODE      | 111004 DCM | 1   | M  |                               | $analysis
>2   | HAS PROPERTIES  | INCLUDE   | TID 4019   | 1   | M  |                               |
>3   | HAS PROPERTIES  | IMAGE     | -          | 1-n | MC | any of 3 4 5 6; chest         |
>4   | R-HAS PROPERTIES | IMAGE    | -          | 1-n | MC | any of 3 4 5 6                | library
>5   | HAS PROPERTIES  | UIDREF    | 112002 DCM | 1-n | MC | any of 3 4 5 6; chest         |
>6   | HAS PROPERTIES  | SCOORD    | 111030 DCM | 1-n | MC | any of 3 4 5 6                |
>>7  | SELECTED FROM   | IMAGE     | -          | 1   | MC | one of 7 8; chest             |
>>8  | R-SELECTED FROM | IMAGE     | -          | 1   | MC | one of 7 8                    | library

TID 4020 CAD Image Library Entry; open; ordered
1    |                 | IMAGE     | -          | 1   | M  |                               |
>2   | HAS ACQ CONTEXT | CODE      | 111027 DCM | 1   | MC | header ImageLaterality        | $side
>3   | HAS ACQ CONTEXT | CODE      | 111031 DCM | 1   | MC | header ViewCodeSequence       | $view
>>4  | HAS CONCEPT MOD | CODE      | 111032 DCM | 1-n | MC | header ViewCodeSequence/ViewModifierCodeSequence | $modifier
>5   | HAS ACQ CONTEXT | TEXT      | 111044 DCM | 1   | MC | header PatientOrientation     |
>6   | HAS ACQ CONTEXT | TEXT      | 111043 DCM | 1   | MC | header PatientOrientation     |
>7   | HAS ACQ CONTEXT | DATE      | 111060 DCM | 1   | MC | header StudyDate              |
>8   | HAS ACQ CONTEXT | TIME      | 111061 DCM | 1   | MC | header StudyTime              |
>9   | HAS ACQ CONTEXT | DATE      | 111018 DCM | 1   | MC | header ContentDate            |
>10  | HAS ACQ CONTEXT | TIME      | 111019 DCM | 1   | MC | header ContentTime            |
>11  | HAS ACQ CONTEXT | NUM       | 111026 DCM | 1   | MC | header ImagerPixelSpacing PixelSpacing | UNITS um mm; >0
>12  | HAS ACQ CONTEXT | NUM       | 111066 DCM | 1   | MC | header ImagerPixelSpacing PixelSpacing | UNITS um mm; >0
>13  | HAS ACQ CONTEXT | NUM       | 112011 DCM | 1   | UC |                               | UNITS deg
>14  | HAS ACQ CONTEXT | NUM       | 112012 DCM | 1   | UC |                               | UNITS deg
>15  | HAS ACQ CONTEXT | NUM       | 112226 DCM | 1   | UC |                               | UNITS mm
>16  | HAS ACQ CONTEXT | NUM       | 112225 DCM | 1   | UC |                               | UNITS mm
>17  | HAS ACQ CONTEXT | UIDREF    | 112227 DCM | 1   | UC |                               |
>18  | HAS ACQ CONTEXT | NUM       | 110901 DCM | 1   | UC |                               | UNITS mm
>19  | HAS ACQ CONTEXT | NUM       | 110902 DCM | 1   | MC | with 18                       | UNITS mm
>20  | HAS ACQ CONTEXT | NUM       | 110903 DCM | 1   | MC | with 18                       | UNITS mm
>21  | HAS ACQ CONTEXT | NUM       | 110904 DCM | 1   | UC |                               | UNITS {-1:1}
>22  | HAS ACQ CONTEXT | NUM       | 110905 DCM | 1   | MC | with 21                       | UNITS {-1:1}
>23  | HAS ACQ CONTEXT | NUM       | 110906 DCM | 1   | MC | with 21                       | UNITS {-1:1}
>24  | HAS ACQ CONTEXT | NUM       | 110907 DCM | 1   | MC | with 21                       | UNITS {-1:1}
>25  | HAS ACQ CONTEXT | NUM       | 110908 DCM | 1   | MC | with 21                       | UNITS {-1:1}
>26  | HAS ACQ CONTEXT | NUM       | 110909 DCM | 1   | MC | with 21                       | UNITS {-1:1}
>27  | HAS ACQ CONTEXT | NUM       | 110910 DCM | 1   | UC |                               | UNITS {pixels}
>28  | HAS ACQ CONTEXT | NUM       | 110911 DCM | 1   | MC | with 27                       | UNITS {pixels}

TID 4021 Mammography CAD Geometry; closed; ordered
1    |                 | SCOORD    | 111010 DCM | 1   | M  |                               | POINT
>2   | R-SELECTED FROM | IMAGE     | -          | 1   | M  |                               | library
3    |                 | SCOORD    | 111041 DCM | 1   | U  |                               | same image
>4   | R-SELECTED FROM | IMAGE     | -          | 1   | M  |                               | library
5    |                 | SCOORD    | CID 6166   | 1-n | U  |                               | same image
>6   | R-SELECTED FROM | IMAGE     | -          | 1   | M  |                               | library

TID 4022 CAD Observation Context; closed; ordered
1    |                 | COMPOSITE | 111040 DCM | 1   | MC | other report                  |
>2   | HAS CONCEPT MOD | INCLUDE   | TID 1204   | 1   | M  |                               |
3    |                 | INCLUDE   | TID 1001   | 1   | M  |                               |

TID 4100 Chest CAD Document Root; closed; ordered
1    |                 | CONTAINER | 112000 DCM | 1   | M  |                               |
>2   | HAS CONCEPT MOD | INCLUDE   | TID 1204   | 1   | M  |                               |
>3   | CONTAINS        | CONTAINER | 111028 DCM | 1   | U  |                               |
>>4  | CONTAINS        | INCLUDE   | TID 4020   | 1-n | M  |                               | $side = CID 244; $view = CID 4010; $modifier = CID 4011
>5   | CONTAINS        | INCLUDE   | TID 4101   | 1   | M  |                               |
>6   | CONTAINS        | CODE      | 111064 DCM | 1   | M  |                               | CID 6042
>>7  | INFERRED FROM   | INCLUDE   | TID 4015   | 1   | MC | unless value 111225           | $detection = CID 6101 6102
>8   | CONTAINS        | CODE      | 111065 DCM | 1   | M  |                               | CID 6042
>>9  | INFERRED FROM   | INCLUDE   | TID 4016   | 1   | MC | unless value 111225           | $analysis = CID 6137

TID 4101 Chest CAD Findings Summary; closed; ordered
1    |                 | CODE      | 111017 DCM | 1   | M  |                               | CID 6047
>2   | INFERRED FROM   | INCLUDE   | TID 4102   | 1-n | U  |                               |
>3   | INFERRED FROM   | INCLUDE   | TID 4104   | 1-n | U  |                               |
>4   | HAS PROPERTIES  | INCLUDE   | TID 4106   | 1-n | U  |                               |

TID 4102 Chest CAD Composite Feature; closed; ordered
1    |                 | CODE      | 111015 DCM | 1   | M  |                               | CID 6101
>2   | HAS CONCEPT MOD | CODE      | 112023 DCM | 1   | U  |                               | CID 6102
>3   | HAS CONCEPT MOD | TEXT      | 112050 DCM | 1   | U  |                               |
>4   | HAS CONCEPT MOD | CODE      | 112003 DCM | 1   | MC | iff value 112005              | CID 6100
>5   | HAS CONCEPT MOD | CODE      | 112037 DCM | 1   | UC | only if value 111102          | CID 6139
>6   | HAS CONCEPT MOD | CODE      | 112038 DCM | 1   | UC |                               | CID 6115
>7   | HAS CONCEPT MOD | CODE      | 111056 DCM | 1   | M  |                               | CID 6034
>8   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
>9   | HAS OBS CONTEXT | CODE      | 112016 DCM | 1   | U  |                               | CID 6145
>10  | HAS OBS CONTEXT | INCLUDE   | TID 4022   | 1   | MC | other report                  |
>11  | HAS OBS CONTEXT | INCLUDE   | TID 4019   | 1   | M  |                               |
>12  | HAS PROPERTIES  | INCLUDE   | TID 4103   | 1   | M  |                               |
>13  | INFERRED FROM   | INCLUDE   | TID 4102   | 1-n | MC | two of 13 14                  |
>14  | INFERRED FROM   | INCLUDE   | TID 4104   | 1-n | MC | two of 13 14                  |

TID 4103 Chest CAD Composite Feature Body; closed; ordered
1    |                 | CODE      | 111016 DCM | 1   | M  |                               | CID 6035
2    |                 | CODE      | 111057 DCM | 1   | M  |                               | CID 6036
3    |                 | NUM       | 111011 DCM | 1   | U  |                               | UNITS %; 0-100
4    |                 | INCLUDE   | TID 4107   | 1   | U  |                               |
5    |                 | INCLUDE   | TID 1400   | 1-n | U  |                               |
6    |                 | INCLUDE   | TID 1401   | 1-n | U  |                               |
7    |                 | INCLUDE   | TID 1402   | 1-n | U  |                               |
8    |                 | INCLUDE   | TID 4105   | 1   | U  |                               |
9    |                 | NUM       | CID 6133   | 1-n | UC | only if row 1 111153          | same units
>10  | R-INFERRED FROM | NUM       | -          | 2   | U  |                               |
11   |                 | CODE      | 111049 DCM | 1-n | UC | only if row 1 111153          | CID 6134
>12  | HAS PROPERTIES  | TEXT      | 111021 DCM | 1   | U  |                               |
>13  | R-INFERRED FROM | CODE      | -          | 2   | M  |                               |

TID 4104 Chest CAD Single Image Finding; closed; ordered
1    |                 | CODE      | 111059 DCM | 1   | M  |                               | CID 6101
>2   | HAS CONCEPT MOD | CODE      | 112024 DCM | 1   | U  |                               | CID 6102
>3   | HAS CONCEPT MOD | TEXT      | 112050 DCM | 1   | U  |                               |
>4   | HAS CONCEPT MOD | CODE      | 112003 DCM | 1   | MC | iff value 112005              | CID 6100
>5   | HAS CONCEPT MOD | CODE      | 112037 DCM | 1   | UC | only if value 111102          | CID 6139
>6   | HAS CONCEPT MOD | CODE      | 111056 DCM | 1   | M  |                               | CID 6034
>>7  | HAS PROPERTIES  | NUM       | 111071 DCM | 1   | UC | only if value 111151          |
>8   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
>9   | HAS OBS CONTEXT | CODE      | 112016 DCM | 1   | U  |                               | CID 6145
>10  | HAS OBS CONTEXT | INCLUDE   | TID 4022   | 1   | MC | other report                  |
>11  | HAS OBS CONTEXT | INCLUDE   | TID 4019   | 1   | M  |                               |
>12  | HAS PROPERTIES  | NUM       | 111012 DCM | 1   | U  |                               | UNITS %; 0-100
>13  | HAS PROPERTIES  | TEXT      | 111058 DCM | 1   | MC | iff value 111099              |
>14  | HAS PROPERTIES  | INCLUDE   | TID 4107   | 1   | MC | unless value 111101           |
>15  | HAS PROPERTIES  | INCLUDE   | TID 1400   | 1-n | U  |                               |
>16  | HAS PROPERTIES  | INCLUDE   | TID 1401   | 1-n | U  |                               |
>17  | HAS PROPERTIES  | INCLUDE   | TID 1402   | 1-n | U  |                               |
>18  | HAS PROPERTIES  | INCLUDE   | TID 4105   | 1   | U  |                               |
>19  | INFERRED FROM   | IMAGE     | -          | 1   | MC | iff value 111101              |
>20  | R-INFERRED FROM | IMAGE     | -          | 1   | MC | only if value 111101          | library
>21  | INFERRED FROM   | SCOORD    | 111030 DCM | 1-n | MC | only if value 111101          |

TID 4105 Chest CAD Descriptors; closed; ordered
1    |                 | CODE      | 112025 DCM | 1   | U  |                               | CID 6118
2    |                 | CODE      | 112026 DCM | 1   | U  |                               | CID 6107
3    |                 | CODE      | 112015 DCM | 1   | U  |                               | CID 6119
4    |                 | CODE      | 112007 DCM | 1   | U  |                               | CID 6120
5    |                 | CODE      | 112014 DCM | 1   | U  |                               | CID 6121
6    |                 | CODE      | 112009 DCM | 1-n | U  |                               | CID 6122
7    |                 | CODE      | 112027 DCM | 1   | U  |                               | CID 6123
8    |                 | CODE      | 112013 DCM | 1   | U  |                               | CID 6124
9    |                 | CODE      | 272741003 SCT | 1 | U |                               | CID 244
10   |                 | CODE      | 112006 DCM | 1-n | U  |                               | CID 6128
11   |                 | CODE      | 112028 DCM | 1   | U  |                               | CID 6108
12   |                 | CODE      | 112008 DCM | 1-n | U  |                               | CID 6129
13   |                 | CODE      | 246112005 SCT | 1 | U |                               | CID 6130
14   |                 | CODE      | 112010 DCM | 1   | U  |                               | CID 6131
15   |                 | CODE      | 112030 DCM | 1   | U  |                               | CID 6132
16   |                 | NUM       | CID 6142   | 1-n | U  |                               |
>17  | HAS CONCEPT MOD | CODE      | 121401 DCM | 1   | M  |                               | CID 6140
>18  | INFERRED FROM   | NUM       | 112032 DCM | 1   | U  |                               | UNITS [hnsf'U]
>19  | INFERRED FROM   | TEXT      | 112034 DCM | 1   | U  |                               |
20   |                 | NUM       | CID 6141   | 1-n | U  |                               | UNITS [hnsf'U]

TID 4106 Response Evaluation; closed; ordered
1    |                 | CONTAINER | 112020 DCM | 1   | M  |                               |
>2   | HAS OBS CONTEXT | CODE      | 112021 DCM | 1   | M  |                               | 112022 112029
>3   | CONTAINS        | CODE      | 112048 DCM | 1   | U  |                               | CID 6143
>4   | CONTAINS        | CODE      | 112049 DCM | 1   | U  |                               | CID 6143
>5   | CONTAINS        | NUM       | 112051 DCM | 1   | U  |                               |

TID 4107 Chest CAD Geometry; closed; ordered
1    |                 | SCOORD    | 111010 DCM | 1   | MC | any of 1 4                    | POINT
>2   | SELECTED FROM   | IMAGE     | -          | 1   | MC | one of 2 3                    |
>3   | R-SELECTED FROM | IMAGE     | -          | 1   | MC | one of 2 3                    | library
4    |                 | SCOORD    | 111041 DCM | 1   | MC | any of 1 4                    | same image
>5   | SELECTED FROM   | IMAGE     | -          | 1   | MC | one of 5 6                    |
>6   | R-SELECTED FROM | IMAGE     | -          | 1   | MC | one of 5 6                    | library

TID 1400 Linear Measurement; open; ordered
1    |                 | NUM       | CID 7470   | 1   | M  |                               | UNITS CID 7460
>2   | INFERRED FROM   | SCOORD    | 121055 DCM | 1   | UC |                               | POLYLINE CIRCLE ELLIPSE
>5   | INFERRED FROM   | SCOORD    | 121230 DCM | 2-n | UC |                               | POINT
>8   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |

TID 1401 Area Measurement; open; ordered
1    |                 | NUM       | CID 7471   | 1   | M  |                               | UNITS CID 7461; >0
>8   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |

TID 1402 Volume Measurement; open; ordered
1    |                 | NUM       | CID 7472   | 1   | M  |                               | UNITS CID 7462; >0
>8   | HAS OBS CONTEXT | INCLUDE   | TID 4108   | 1   | U  |                               |
"""
