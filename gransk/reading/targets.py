"""The response target: in how many working days of its arrival an exam should be decided.

Working days are those of `gransk.reading.working_days`. Where the site names no country, public
holidays count as working days: a board that goes by this warns a day early, never a day late.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from gransk.reading.policy import Room
from gransk.reading.working_days import WorkingDays

USUAL_DAYS = 10
"""Where the site has no policies."""
SOON_DAYS = 2
"""Working days before the target from which on an exam is due soon."""


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
    working : WorkingDays
    """

    zone: datetime.tzinfo | None = None
    days: int = USUAL_DAYS
    of: Mapping[str, int] = field(default_factory=dict)
    working: WorkingDays = field(default_factory=WorkingDays)

    @classmethod
    def by(
        cls,
        room: Room | None,
        zone: datetime.tzinfo | None,
        working: WorkingDays,
    ) -> Targets:
        """Those of the policies in force; what has no plan yet goes by the shortest."""
        if room is None:
            return cls(zone, working=working)
        by_policy = {policy.name: policy.target_working_days for policy in room.policies}
        used = {by_policy[rule.policy] for rule in room.rules if rule.policy is not None}
        shortest = min(used, default=USUAL_DAYS)
        others = {name: days for name, days in by_policy.items() if days != shortest}
        return cls(zone, shortest, others, working)

    def due(self, arrived: datetime.datetime, policy: str = "") -> datetime.date:
        """The last day of an exam's target."""
        arrival = arrived.astimezone(self.zone).date()
        return self.working.moved(arrival, self.of.get(policy, self.days), "preceding")

    def before(self, due: datetime.date) -> Limit:
        """Exams that are due before a day arrived before this."""
        return Limit(
            self._first_arrival(due, self.days),
            {name: self._first_arrival(due, days) for name, days in self.of.items()},
        )

    def overdue(self, today: datetime.date) -> Limit:
        """Exams whose target has passed arrived before this."""
        return self.before(today)

    def soon(self, today: datetime.date) -> Limit:
        """Exams whose target passes within `SOON_DAYS`, or has passed, arrived before this."""
        return self.before(self.working.moved(today, SOON_DAYS + 1, "preceding"))

    def soon_until(self, today: datetime.date) -> datetime.date:
        """What is due until this day is due soon."""
        return self.working.moved(today, SOON_DAYS, "preceding")

    def days_over(self, due: datetime.date, today: datetime.date) -> int:
        """Working days since a target passed; 0 before."""
        return max(0, self.working.between(due, today))

    def midnight(self, day: datetime.date) -> datetime.datetime:
        """When a day of the site begins."""
        return datetime.datetime.combine(day, datetime.time(), self.zone).astimezone(datetime.UTC)

    def _first_arrival(self, due: datetime.date, days: int) -> datetime.datetime:
        """When the first day begins whose exams are due on a day or later."""
        return self.midnight(self.working.moved(due, -days, "forward"))
