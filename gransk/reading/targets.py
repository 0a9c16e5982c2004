"""The response target: in how many working days of its arrival an exam should be decided.

Working days are Monday to Friday. Public holidays count as working days: a board that goes by
this warns a day early, never a day late.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gransk.reading.policy import Room

USUAL_DAYS = 10
"""Where the site has no policies."""
SOON_DAYS = 2
"""Working days before the target from which on an exam is due soon."""


def due_on(arrived: datetime.date, days: int) -> datetime.date:
    """The last day of the target of an exam that arrived on a day."""
    return _moved(arrived, days, "preceding")


def first_arrival(due: datetime.date, days: int) -> datetime.date:
    """The first day whose exams are due on a day or later; those of earlier days are due before."""
    return _moved(due, -days, "forward")


def soon_until(today: datetime.date) -> datetime.date:
    """What is due until this day is due soon."""
    return _moved(today, SOON_DAYS, "preceding")


def days_over(due: datetime.date, today: datetime.date) -> int:
    """Working days since a target passed; 0 before."""
    return max(0, int(np.busday_count(due, today)))


def _moved(day: datetime.date, days: int, roll: str) -> datetime.date:
    found: datetime.date = np.busday_offset(day, days, roll=roll).astype(datetime.date)  # type: ignore[call-overload]
    return found


@dataclass(frozen=True)
class Limit:
    """An instant before which exams arrived, another one for exams of some policies.

    Parameters
    ----------
    at : datetime
    of : mapping of str to datetime
        By name of a policy, where it differs.
    """

    at: datetime.datetime
    of: Mapping[str, datetime.datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Targets:
    """The targets of a site.

    Parameters
    ----------
    zone : tzinfo, optional
        Of the site's days; None: of the machine.
    days : int
        Of exams without a plan, or by a policy that is not named.
    of : mapping of str to int
        By name of a policy, where it differs.
    """

    zone: datetime.tzinfo | None = None
    days: int = USUAL_DAYS
    of: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def by(cls, room: Room | None, zone: datetime.tzinfo | None) -> Targets:
        """Those of the policies in force; what has no plan yet goes by the shortest."""
        if room is None:
            return cls(zone)
        by_policy = {policy.name: policy.target_working_days for policy in room.policies}
        used = {by_policy[rule.policy] for rule in room.rules if rule.policy is not None}
        shortest = min(used, default=USUAL_DAYS)
        return cls(zone, shortest, {n: days for n, days in by_policy.items() if days != shortest})

    def due(self, arrived: datetime.datetime, policy: str = "") -> datetime.date:
        """The last day of an exam's target."""
        return due_on(arrived.astimezone(self.zone).date(), self.of.get(policy, self.days))

    def before(self, due: datetime.date) -> Limit:
        """Exams that are due before a day arrived before this."""
        return Limit(
            self.midnight(first_arrival(due, self.days)),
            {name: self.midnight(first_arrival(due, days)) for name, days in self.of.items()},
        )

    def overdue(self, today: datetime.date) -> Limit:
        """Exams whose target has passed arrived before this."""
        return self.before(today)

    def soon(self, today: datetime.date) -> Limit:
        """Exams whose target passes within `SOON_DAYS`, or has passed, arrived before this."""
        return self.before(_moved(today, SOON_DAYS + 1, "preceding"))

    def midnight(self, day: datetime.date) -> datetime.datetime:
        """When a day of the site begins."""
        return datetime.datetime.combine(day, datetime.time(), self.zone).astimezone(datetime.UTC)
