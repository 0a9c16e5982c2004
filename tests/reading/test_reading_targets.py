"""The response target: working days, and limits that agree with each exam's own day."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from gransk.reading.policy import Room
from gransk.reading.targets import Targets, days_over, due_on, first_arrival, soon_until

FRIDAY = datetime.date(2026, 3, 6)
COPENHAGEN = ZoneInfo("Europe/Copenhagen")


def working(day, days):
    """Some working days after a day, one after the other."""
    while days:
        day += datetime.timedelta(days=1)
        days -= day.weekday() < 5
    return day


def test_ten_working_days_are_two_weeks():
    assert due_on(FRIDAY, 10) == datetime.date(2026, 3, 20)
    saturday = FRIDAY + datetime.timedelta(days=1)
    assert due_on(saturday, 1) == datetime.date(2026, 3, 9)
    for offset in range(14):
        day = FRIDAY + datetime.timedelta(days=offset)
        for days in (1, 2, 5, 10):
            assert due_on(day, days) == working(day, days)


@pytest.mark.parametrize("days", [1, 3, 10])
def test_limits_divide_exams_as_their_days_do(days):
    targets = Targets(COPENHAGEN, days)
    for offset in range(14):
        today = FRIDAY + datetime.timedelta(days=offset)
        overdue, soon = targets.overdue(today).at, targets.soon(today).at
        assert first_arrival(today, days) == overdue.astimezone(COPENHAGEN).date()
        for before in range(35):
            arrived = datetime.datetime.combine(
                today - datetime.timedelta(days=before), datetime.time(23, 30), COPENHAGEN
            )
            due = targets.due(arrived)
            assert (arrived < overdue) is (due < today), (today, arrived)
            assert (arrived < soon) is (due <= soon_until(today)), (today, arrived)
            assert (days_over(due, today) > 0) is (due < today)


def test_targets_of_policies():
    assert Targets.by(None, None).days == 10
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
    found = Targets.by(room, COPENHAGEN)
    assert (found.days, dict(found.of)) == (5, {"usual": 10, "unused": 2})
    monday = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
    assert found.due(monday) == datetime.date(2026, 3, 9)
    assert found.due(monday, "usual") == datetime.date(2026, 3, 16)
    limit = found.overdue(datetime.date(2026, 3, 16))
    assert limit.at.astimezone(COPENHAGEN).date() == datetime.date(2026, 3, 9)
    assert limit.of["usual"].astimezone(COPENHAGEN).date() == datetime.date(2026, 3, 2)
