"""Whole courses of two to five years: on time, early, late and missed controls."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from guideline_cases import BASELINE, said, situation

from nodule.growth.dates import add_months
from nodule.guidelines.engine import advise
from nodule.guidelines.table import guidelines


def walk(name: str, nodule: str, scans: str) -> list[str]:
    """The advice after each scan; categories are remembered from scan to scan."""
    told: list[str] = []
    course = scans.split()
    previous, since = None, None
    for count in range(1, len(course) + 1):
        given = situation(name, nodule, " ".join(course[:count]))
        given = dataclasses.replace(given, previous_category=previous, category_since=since)
        told.append(said(guidelines()[name], given)[1])
        option = advise(guidelines()[name], given).options[0]
        previous, since = option.category, option.since
    return told


COURSES = [
    # Solid, 6 to 8 mm, high risk: on time, then early and late, then missed.
    ("fleischner-2017", "solid single high", "0:7 9:7 21:7",
     ["ct 6-12 from 0", "ct 18-24 from 0", "end_of_follow_up"]),
    ("fleischner-2017", "solid single high", "0:7 4:7 8:7 16:7 25:7",
     ["ct 6-12 from 0", "ct 6-12 from 0", "ct 18-24 from 0", "ct 18-24 from 0",
      "end_of_follow_up"]),
    ("fleischner-2017", "solid single high", "0:7 14:7 24:7",
     ["ct 6-12 from 0", "ct 18-24 from 0", "end_of_follow_up"]),
    ("fleischner-2017", "solid single high", "0:7 20:7", ["ct 6-12 from 0", "end_of_follow_up"]),
    # It grows in the second year.
    ("fleischner-2017", "solid single low", "0:6 9:6.5 21:8",
     ["ct 6-12 from 0", "consider ct 18-24 from 0", "guideline_silent after_growth"]),
    # Creeping over a limit of size keeps its place in the course.
    ("fleischner-2017", "solid single high", "0:5.4 12:5.6 20:5.6",
     ["optional ct 12 from 0", "ct 18-24 from 0", "end_of_follow_up"]),
    # Ground glass for five years; an early control, and one left out.
    ("fleischner-2017", "ground_glass single", "0:9 8:9 24:9 48:9 60:9",
     ["ct 6-12 from 0", "ct 24 from 0", "ct 48 from 0", "ct 60 from 0", "end_of_follow_up"]),
    ("fleischner-2017", "ground_glass single", "0:9 3:9 11:9 49:9 62:9",
     ["ct 6-12 from 0", "ct 6-12 from 0", "ct 24 from 0", "ct 60 from 0", "end_of_follow_up"]),
    # Part-solid, yearly for five years; its solid part reaches 6 mm in the third.
    ("fleischner-2017", "part_solid single", "0:9s4 4:9s4 12:9s4 24:9s4 36:9s4 48:9s4 60:9s4",
     ["ct 3-6 from 0", "ct 12 from 0", "ct 24 from 0", "ct 36 from 0", "ct 48 from 0",
      "ct 60 from 0", "end_of_follow_up"]),
    ("fleischner-2017", "part_solid single", "0:9s4 4:9s4 14:9s4 30:9s6",
     ["ct 3-6 from 0", "ct 12 from 0", "ct 24 from 0", "highly_suspicious"]),
    ("fleischner-2017", "ground_glass multiple", "0:5 3:5 24:5 48:5",
     ["ct 3-6 from 0", "consider ct 24 from 0", "consider ct 48 from 0", "end_of_follow_up"]),
    # By volume the end is at 1 year, by diameter at 2.
    ("bts-2015", "solid", "0:v200 3:v210 12:v220",
     ["ct 3 from 0", "ct 12 from 0", "end_of_follow_up"]),
    ("bts-2015", "solid", "0:7 3:7 12:7 24:7",
     ["ct 3 from 0", "ct 12 from 0", "ct 24 from 0", "end_of_follow_up"]),
    ("bts-2015", "solid", "0:v200 2:v200 4:v200 8:v200 15:v200",
     ["ct 3 from 0", "ct 3 from 0", "ct 12 from 0", "ct 12 from 0", "end_of_follow_up"]),
    ("bts-2015", "solid", "0:v200 26:v200", ["ct 3 from 0", "end_of_follow_up"]),
    ("bts-2015", "solid brock=5", "0:v400 3:v400 12:v650",
     ["ct 3 from 0", "ct 12 from 0", "by_preference biopsy+ct_surveillance"]),
    ("bts-2015", "ground_glass brock=8", "0:9 3:9 12:9 24:9 48:9",
     ["ct 3 from 0", "by_risk ct+biopsy+excision 12 from 0",
      "by_risk ct+biopsy+excision 24 from 0", "by_risk ct+biopsy+excision 48 from 0",
      "guideline_silent end_for_subsolid"]),
    # 4A, 3, 2, yearly; in the fifth year it grows.
    ("lung-rads-2022", "solid", "0:9 3:9 9:9 21:9 33:9 45:9 57:11",
     ["4A ct+pet_ct 3 from 0", "3 ct 6 from 3", "2 ct 12 from 9", "2 ct 12 from 21",
      "2 ct 12 from 33", "2 ct 12 from 45", "4B further_work_up"]),
    # Early controls change nothing; a late one does.
    ("lung-rads-2022", "solid", "0:9 2:9 3:9 8:9 20:9",
     ["4A ct+pet_ct 3 from 0", "4A ct+pet_ct 3 from 0", "3 ct 6 from 3", "3 ct 6 from 3",
      "2 ct 12 from 20"]),
    ("lung-rads-2022", "solid", "0:7 4:7 13:7 37:7",
     ["3 ct 6 from 0", "3 ct 6 from 0", "2 ct 12 from 13",
      "2 ct 12 from 37 [long_interval]"]),
    ("lung-rads-2022", "part_solid", "0:5.5s3 12:6.4s3 18:6.4s3 30:6.4s5",
     ["2 ct 12 from 0", "3 ct 6 from 12 [limit_crossed]", "2 ct 12 from 18",
      "4B further_work_up"]),
    ("nelson", "solid", "0:v100 3:v110 15:v200",
     ["indeterminate", "negative", "ct_short_interval"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "nodule", "scans", "told"), COURSES)
def test_a_course(name, nodule, scans, told):
    assert walk(name, nodule, scans) == told


def test_an_interval_is_a_date_and_can_be_overdue():
    given = situation("fleischner-2017", "solid single high", "0:7 9:7")
    option = advise(guidelines()["fleischner-2017"], given).options[0]
    assert option.counted_from == BASELINE
    assert option.due == (datetime.date(2025, 7, 15), datetime.date(2026, 1, 15))
    assert not option.overdue(datetime.date(2026, 1, 15))
    assert option.overdue(datetime.date(2026, 1, 16))
    ended = situation("fleischner-2017", "solid single high", "0:7 20:7")
    assert (
        not advise(guidelines()["fleischner-2017"], ended)
        .options[0]
        .overdue(add_months(BASELINE, 600))
    )
