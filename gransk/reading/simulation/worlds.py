"""What could have become of one past exam under another policy: every course the past allows.

The past tells what the first reader said, what the AI's score was, and what an arbiter said where
there was one. Where a policy asks for what the past does not hold (an arbiter's word on opinions
that never met, a second reader's where one person read), both answers are possible, and both are
followed.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field, model_validator

from gransk.core.findings import Frozen
from gransk.core.screening import Breast, Verdict
from gransk.reading.past import PastExam, PastRead
from gransk.reading.plan import Differing, PolicyKind

Limit = int | Literal["category"]
BOTH = (Verdict.NORMAL, Verdict.RECALL)


class Scenario(Frozen):
    """What of a policy decides here; names as in `gransk.reading.policy.Policy`.

    Parameters
    ----------
    kind : PolicyKind
    recall_from : int or ``category``, optional
        From which score on the AI says recall: of a counted read, or as a safety net.
    double_from : int or ``category``, optional
        From which score on two people read: triage.
    marks_from : int or ``category``, optional
        From which score on readers see marks.
    differing : Differing
        Lesions are compared as breasts: past reads hold no places.
    """

    kind: PolicyKind
    recall_from: Limit | None = None
    double_from: Limit | None = None
    marks_from: Limit | None = None
    differing: Differing = Differing.VERDICT

    @classmethod
    def of(cls, policy: BaseModel) -> Scenario:
        """The part of a policy that decides here."""
        return cls.model_validate(policy.model_dump(include=set(cls.model_fields)))

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        needs = {
            PolicyKind.REPLACE_READER: "recall_from",
            PolicyKind.SAFETY_NET: "recall_from",
            PolicyKind.TRIAGE: "double_from",
        }.get(self.kind)
        if needs is not None and getattr(self, needs) is None:
            raise ValueError(f"{needs}: {self.kind} needs it")
        for limit in (self.recall_from, self.double_from, self.marks_from):
            if isinstance(limit, int) and not 1 <= limit <= 10:
                raise ValueError("limits are scores from 1 to 10")
        return self


class World(NamedTuple):
    """One possible course of an exam: what a policy would have made of it."""

    recalled: bool
    arbitrated: bool
    readings: int


class Way(NamedTuple):
    """How a world came about: the verdicts in it that the past does not hold."""

    world: World
    second: Verdict | None = None
    arbiter: Verdict | None = None


class Unknown(StrEnum):
    """What the past cannot tell of an exam."""

    ARBITER = "arbiter"
    SECOND_READER = "second_reader"


class Course(Frozen):
    """Every way that an exam could have gone, and why there may be more than one."""

    ways: tuple[Way, ...] = Field(min_length=1)
    unknown: frozenset[Unknown] = frozenset()
    kept_arbiter: bool = False
    """The past's arbiter is taken to decide the same."""
    marks_differ: bool = False
    """Marks are shown where they were not, or the other way about."""
    alone: bool = False
    """One person reads, and is taken to read as one of two."""

    @property
    def worlds(self) -> frozenset[World]:
        """What could have become of it."""
        return frozenset(way.world for way in self.ways)

    def range(self, what: Literal["recalled", "arbitrated", "readings"]) -> tuple[int, int]:
        """Lowest and highest over the worlds."""
        values = [int(getattr(way.world, what)) for way in self.ways]
        return min(values), max(values)


def reaches(exam: PastExam, limit: Limit | None) -> bool | None:
    """Does the exam's score reach a limit? None where the AI has no opinion that may count."""
    ai = exam.ai
    if limit is None or ai is None or not ai.in_time or exam.humans_only:
        return None
    if limit == "category":
        return ai.high
    return None if ai.score is None else ai.score >= limit


def as_it_was(exam: PastExam) -> World:
    """The world that happened."""
    return World(exam.recalled, exam.arbitration is not None, exam.human_readings)


def can_be_told(exam: PastExam) -> bool:
    """Does the past hold what every policy starts from? Technical repeats are left out."""
    said = (*exam.first_verdicts, exam.decision)
    return bool(exam.reads) and exam.decision is not None and Verdict.TECHNICAL not in said


def decisive(exam: PastExam, scenario: Scenario) -> Hashable:
    """What `course` goes by: exams of one scenario in which it is equal take the same courses."""
    limits = (scenario.recall_from, scenario.double_from, scenario.marks_from)
    return (
        tuple((read.verdict, read.breasts) for read in exam.reads),
        None if exam.arbitration is None else exam.arbitration.verdict,
        tuple(reaches(exam, limit) for limit in limits),
        None if exam.ai is None else exam.ai.breasts,
        exam.marks_shown,
    )


def course(exam: PastExam, scenario: Scenario) -> Course:
    """Every course that an exam could have taken under a policy.

    Exams whose AI has no opinion, was late, or may not count are read by two people.
    """
    ai = _ai_says(exam, scenario)
    counts = scenario.kind is PolicyKind.REPLACE_READER and ai is not None
    spared = scenario.kind is PolicyKind.TRIAGE and reaches(exam, scenario.double_from) is False
    alone = counts or spared
    seconds: tuple[PastRead | None, ...] = (None,)
    unknown = set()
    if not alone:
        known = exam.reads[1:]
        seconds = known or tuple(PastRead(verdict=verdict) for verdict in BOTH)
        if not known:
            unknown.add(Unknown.SECOND_READER)
    ways: list[Way] = []
    for second in seconds:
        opinions = [exam.reads[0], *([second] if second else []), *([ai] if counts and ai else [])]
        people = len(opinions) - counts
        guessed = second.verdict if second and Unknown.SECOND_READER in unknown else None
        if _must_be_settled(opinions, None if counts else ai, scenario):
            ways += [
                Way(World(verdict is Verdict.RECALL, True, people + 1), guessed, doubt)
                for verdict, doubt in _arbiters(exam)
            ]
            if exam.arbitration is None:
                unknown.add(Unknown.ARBITER)
        else:
            ways.append(Way(World(opinions[0].verdict is Verdict.RECALL, False, people), guessed))
    return Course(
        ways=tuple(ways),
        unknown=frozenset(unknown),
        kept_arbiter=exam.arbitration is not None and any(way.world.arbitrated for way in ways),
        marks_differ=bool(reaches(exam, scenario.marks_from)) is not exam.marks_shown,
        alone=alone,
    )


def _ai_says(exam: PastExam, scenario: Scenario) -> PastRead | None:
    """The AI's opinion at the scenario's limit, where the policy asks for one."""
    if scenario.kind not in (PolicyKind.REPLACE_READER, PolicyKind.SAFETY_NET):
        return None
    high = reaches(exam, scenario.recall_from)
    if high is None or exam.ai is None:
        return None
    if not high:
        return PastRead(verdict=Verdict.NORMAL)
    return PastRead(verdict=Verdict.RECALL, breasts=exam.ai.breasts)


def _must_be_settled(opinions: list[PastRead], net: PastRead | None, scenario: Scenario) -> bool:
    """Do the first opinions differ, or does the safety net object to a normal exam?"""
    verdicts = {opinion.verdict for opinion in opinions}
    if len(verdicts) > 1:
        return True
    if verdicts == {Verdict.NORMAL}:
        return net is not None and net.verdict is Verdict.RECALL
    return scenario.differing is not Differing.VERDICT and _no_breast_shared(opinions)


def _no_breast_shared(opinions: list[PastRead]) -> bool:
    """Do two recalls name no breast in common? One that names none is not held against it."""
    named: list[frozenset[Breast]] = [one.breasts for one in opinions if one.breasts]
    return len(named) > 1 and not frozenset.intersection(*named)


def _arbiters(exam: PastExam) -> tuple[tuple[Verdict, Verdict | None], ...]:
    """What an arbiter may say, and beside it again where the past does not hold it."""
    if exam.arbitration is not None:
        return ((exam.arbitration.verdict, None),)
    return tuple((verdict, verdict) for verdict in BOTH)
