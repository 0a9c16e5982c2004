"""Calendar months."""

from __future__ import annotations

import calendar
import datetime

from gransk.core.errors import InvalidValueError


def add_months(date: datetime.date, months: int) -> datetime.date:
    """The same day some months later; the month's last day where it has no such day."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    day = min(date.day, calendar.monthrange(year, month + 1)[1])
    return datetime.date(year, month + 1, day)


def months_between(start: datetime.date, end: datetime.date) -> int:
    """Whole calendar months from a date to a later one.

    Raises
    ------
    InvalidValueError
        Where the end is before the start.
    """
    if end < start:
        raise InvalidValueError("months_between", (start, end), "an end after the start")
    months = 12 * (end.year - start.year) + end.month - start.month
    return months if add_months(start, months) <= end else months - 1
