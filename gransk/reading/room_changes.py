"""What another version of a room changes: for which units, and which limits."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field, model_validator

from gransk.reading.plan import PolicyKind
from gransk.reading.policy import DECIDING, Limit, Name, Part, Policy, Room

SIMULATED = ("recall_from", "double_from")
"""Limits that decide who is recalled or read by two people."""


class Evidence(Part):
    """What one unit's own past would have been with a policy and its limits.

    Parameters
    ----------
    unit : str
    kind : PolicyKind
    limits : dict of str to Limit
        Those of `SIMULATED` that the policy has.
    first, last : date
        Of the exams that it counts.
    exams, cancers : int
    figures : dict
        As the simulator tells them: recall, detection, arbitration, readings.
    made_on : date
    """

    unit: Name
    kind: PolicyKind
    limits: dict[str, Limit]
    first: datetime.date
    last: datetime.date
    exams: int = Field(ge=1)
    cancers: int = Field(ge=0)
    figures: dict[str, Any] = Field(min_length=1)
    made_on: datetime.date

    @model_validator(mode="after")
    def _check(self) -> Evidence:
        if not self.first <= self.last <= self.made_on:
            raise ValueError("first, last and made_on must follow each other")
        return self


Limited = tuple[PolicyKind, tuple[tuple[str, Limit], ...]]
"""A kind with its limits."""


def affected_units(before: Room | None, after: Room, units: Collection[str]) -> list[str]:
    """Units for which something changes; every unit where it is none of them in particular."""
    changed = [u for u in units if _seen(before, u) != _seen(after, u)]
    return changed or list(units)


def same(before: Room | None, after: Room) -> bool:
    """Whether two versions differ in nothing but their first day."""
    return before is not None and _content(before) == _content(after)


def new_limits(before: Room | None, after: Room, unit: str) -> set[Limited]:
    """Limits that a unit's exams would be decided by and are not now, studies left out."""
    return _limits(after, unit) - (set() if before is None else _limits(before, unit))


def simulated(simulation: Evidence) -> Limited:
    """What a simulation is evidence of."""
    return simulation.kind, _ordered(simulation.limits)


def counting_units(room: Room, units: Collection[str]) -> list[str]:
    """Units where the AI counts by a rule that is no study's."""
    return [unit for unit in units if any(policy.counts for policy in _policies(room, unit))]


def _content(room: Room) -> dict[str, Any]:
    return room.model_dump(mode="json", exclude={"valid_from"})


def _seen(room: Room | None, unit: str) -> dict[str, Any]:
    """Everything of a room that a unit's exams may meet."""
    rules = room.rules_for(unit) if room is not None else ()
    if room is None or not rules:
        return {}
    return _content(room) | {
        "policies": None,
        "rules": [
            {
                "when": rule.when.model_dump(mode="json", exclude={"units"}),
                "policy": rule.policy and room.policy(rule.policy).model_dump(mode="json"),
                "study": rule.study and rule.study.model_dump(mode="json"),
            }
            for rule in rules
        ],
    }


def _policies(room: Room, unit: str) -> list[Policy]:
    """Policies that decide for a unit's exams, studies left out."""
    rules = (rule for rule in room.rules_for(unit) if rule.study is None)
    return [room.policy(rule.policy) for rule in rules if rule.policy is not None]


def _limits(room: Room, unit: str) -> set[Limited]:
    deciding = (policy for policy in _policies(room, unit) if policy.kind in DECIDING)
    return {(policy.kind, _ordered(policy.limits)) for policy in deciding}


def _ordered(limits: Mapping[str, Limit]) -> tuple[tuple[str, Limit], ...]:
    return tuple((name, limits[name]) for name in SIMULATED if name in limits)
