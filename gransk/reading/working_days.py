"""Working days: Monday to Friday, without the public holidays of the site's country."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import holidays
import numpy as np

MARGIN_YEARS = 2
"""Further than any target reaches: 100 working days (`gransk.reading.policy.Policy`)."""


@dataclass(frozen=True)
class WorkingDays:
    """Which days somebody is at work.

    Parameters
    ----------
    country : str
        Whose public holidays nobody works on: ISO 3166-1, and after a hyphen a part of it, as
        ``DK`` or ``DE-BY``, of those that the library ``holidays`` knows. Empty: every Monday to
        Friday is a working day.
    """

    country: str = ""

    def moved(
        self, day: datetime.date, days: int, roll: Literal["preceding", "forward"]
    ) -> datetime.date:
        """A day some working days later, or before where negative.

        Parameters
        ----------
        day : date
        days : int
        roll : str
            To which working day one that is none goes first.
        """
        calendar = _calendar(self.country, day.year - MARGIN_YEARS, day.year + MARGIN_YEARS)
        found: datetime.date = np.busday_offset(day, days, roll=roll, busdaycal=calendar).astype(
            datetime.date
        )
        return found

    def between(self, first: datetime.date, last: datetime.date) -> int:
        """Working days from a day on until before another; negative where that is earlier."""
        years = (min(first, last).year, max(first, last).year)
        return int(np.busday_count(first, last, busdaycal=_calendar(self.country, *years)))


MONDAY_TO_FRIDAY = WorkingDays()


@lru_cache(maxsize=64)
def _calendar(country: str, first: int, last: int) -> np.busdaycalendar:
    if not country:
        return np.busdaycalendar()
    name, _, part = country.partition("-")
    free = holidays.country_holidays(name, part or None, years=range(first, last + 1))
    return np.busdaycalendar(holidays=sorted(free))
