"""The policies that are simulated: each an entry of a site's policies, as a site writes it."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from bench.programme import sources
from gransk.core.programme import Programme
from gransk.reading.plan import PolicyKind, StudyKind
from gransk.reading.policy import CATEGORY, Policy, Room, Rule, StudyMark, When

VALID_FROM = datetime.date(2026, 1, 1)
AT_SPECIFICITY = 1 - sources.AI_AT_READER_SPECIFICITY[1]
AT_SENSITIVITY = 1 - sources.AI_AT_READER_SENSITIVITY[1]


class Simulated(NamedTuple):
    """A policy, where the calibration says high, and whether readers follow what they are shown.

    Parameters
    ----------
    name : str
    policy : Policy
    high : float
        Share of the healthy on the high side of the calibration's limit.
    follow : bool
        Whether readers who see the AI's opinion or marks go half by them; else they are not
        moved by them at all.
    """

    name: str
    policy: Policy
    high: float = AT_SPECIFICITY
    follow: bool = False


DOUBLE = Simulated("double reading", Policy(name="double", kind=PolicyKind.DOUBLE_READING))
_MASAI = Policy(name="masai", kind=PolicyKind.TRIAGE, double_from=10, marks_from=8)
_CAPITAL = Policy(
    name="capital", kind=PolicyKind.TRIAGE, double_from=8, marks_from=8, experienced_alone=True
)
_CAPITAL_FIRST = _CAPITAL.model_copy(update={"name": "capital-first", "double_from": 6})
_TWICE = _CAPITAL.model_copy(update={"name": "twice", "arbitrates_single_recall": True})
_REPLACE = Policy(name="replace", kind=PolicyKind.REPLACE_READER, recall_from=CATEGORY)
_NET = Policy(name="net", kind=PolicyKind.SAFETY_NET, recall_from=CATEGORY)
_SUPPORT = Policy(name="support", kind=PolicyKind.DECISION_SUPPORT, marks_from=1)

ALL = (
    DOUBLE,
    Simulated("replace reader, its specificity", _REPLACE),
    Simulated("replace reader, its sensitivity", _REPLACE, AT_SENSITIVITY),
    Simulated("triage, double from 10", _MASAI),
    Simulated("triage, double from 10, marks followed", _MASAI, follow=True),
    Simulated("triage, double from 6", _CAPITAL_FIRST),
    Simulated("triage, double from 8", _CAPITAL),
    Simulated("triage, double from 8, recalls arbitrated", _TWICE),
    Simulated("triage, double from 8, marks followed", _CAPITAL, follow=True),
    Simulated("safety net, opinion followed", _NET, follow=True),
    Simulated("decision support", _SUPPORT),
    Simulated("decision support, marks followed", _SUPPORT, follow=True),
    Simulated("shadow", Policy(name="shadow", kind=PolicyKind.SHADOW, recall_from=CATEGORY)),
)


def room_of(policy: Policy) -> Room:
    """A site's version that reads every screening exam by one policy, as a simulation."""
    study = StudyMark(
        kind=StudyKind.SIMULATION, reference="bench.programme", until=datetime.date(2099, 12, 31)
    )
    rule = Rule(when=When(programmes=(Programme.SCREENING,)), policy=policy.name, study=study)
    return Room(valid_from=VALID_FROM, policies=(policy,), rules=(rule,), version=1)
