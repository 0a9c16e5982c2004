"""The response target: working days, and limits that agree with each exam's own day."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from gransk.reading.policy import Room
from gransk.reading.targets import Targets
from gransk.reading.working_days import MONDAY_TO_FRIDAY, WorkingDays

FRIDAY = datetime.date(2026, 3, 6)
COPENHAGEN = ZoneInfo("Europe/Copenhagen")
DENMARK = WorkingDays("DK")
EASTER = {datetime.date(2026, 4, day) for day in (2, 3, 6)}
"""Thursday, Friday and Monday."""


def working(day, days, free=()):
    """Some working days after a day, one after the other."""
    while days:
        day += datetime.timedelta(days=1)
        days -= day.weekday() < 5 and day not in free
    return day


def test_ten_working_days_are_two_weeks():
    assert MONDAY_TO_FRIDAY.moved(FRIDAY, 10, "preceding") == datetime.date(2026, 3, 20)
    saturday = FRIDAY + datetime.timedelta(days=1)
    assert MONDAY_TO_FRIDAY.moved(saturday, 1, "preceding") == datetime.date(2026, 3, 9)
    for offset in range(14):
        day = FRIDAY + datetime.timedelta(days=offset)
        for days in (1, 2, 5, 10):
            assert MONDAY_TO_FRIDAY.moved(day, days, "preceding") == working(day, days)


def test_public_holidays_are_no_working_days():
    for offset in range(28):
        day = datetime.date(2026, 3, 16) + datetime.timedelta(days=offset)
        for days in (1, 2, 10):
            assert DENMARK.moved(day, days, "preceding") == working(day, days, EASTER)
    assert DENMARK.between(datetime.date(2026, 4, 1), datetime.date(2026, 4, 8)) == 2
    assert MONDAY_TO_FRIDAY.between(datetime.date(2026, 4, 1), datetime.date(2026, 4, 8)) == 5
    turn = datetime.date(2026, 12, 23)
    assert DENMARK.moved(turn, 5, "preceding") == datetime.date(2026, 12, 31)
    assert DENMARK.moved(turn, 6, "preceding") == datetime.date(2027, 1, 4)


def test_a_part_of_a_country_has_holidays_of_its_own():
    epiphany = datetime.date(2026, 1, 6)
    after = epiphany + datetime.timedelta(days=1)
    assert WorkingDays("DE-BY").between(epiphany, after) == 0
    assert WorkingDays("DE").between(epiphany, after) == 1


@pytest.mark.parametrize(
    ("today", "country"),
    [(FRIDAY, ""), (datetime.date(2026, 3, 30), "DK"), (datetime.date(2026, 12, 21), "DK")],
)
@pytest.mark.parametrize("days", [1, 3, 10])
def test_limits_divide_exams_as_their_days_do(today, country, days):
    targets = Targets(COPENHAGEN, days, working=WorkingDays(country))
    for _ in range(14):
        overdue, soon = targets.overdue(today).at, targets.soon(today).at
        for before in range(35):
            arrived = datetime.datetime.combine(
                today - datetime.timedelta(days=before), datetime.time(23, 30), COPENHAGEN
            )
            due = targets.due(arrived)
            assert (arrived < overdue) is (due < today), (today, arrived)
            assert (arrived < soon) is (due <= targets.soon_until(today)), (today, arrived)
            assert (targets.days_over(due, today) > 0) is (due < today)
        today += datetime.timedelta(days=1)


def test_targets_of_policies():
    assert Targets.by(None, None, DENMARK).days == 10
    days = {"usual": 10, "fast": 5, "unused": 2}
    room = Room(
        valid_from=FRIDAY,
        policies=[
            {"name": name, "kind": "double_reading", "target_working_days": number}
            for name, number in days.items()
        ],
        rules=[
            {"when": {"programmes": ["screening"], "age_from": 50}, "policy": "usual"},
            {"when": {"programmes": ["clinical"]}, "policy": "fast"},
        ],
    )
    found = Targets.by(room, COPENHAGEN, DENMARK)
    assert found.working == DENMARK
    assert (found.days, dict(found.of)) == (5, {"usual": 10, "unused": 2})
    monday = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
    assert found.due(monday) == datetime.date(2026, 3, 9)
    assert found.due(monday, "usual") == datetime.date(2026, 3, 16)
    limit = found.overdue(datetime.date(2026, 3, 16))
    assert limit.at.astimezone(COPENHAGEN).date() == datetime.date(2026, 3, 9)
    assert limit.of["usual"].astimezone(COPENHAGEN).date() == datetime.date(2026, 3, 2)
