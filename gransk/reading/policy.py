"""A site's policies and rules: who reads which exam, and what part the AI has.

`Room` is the whole of it in one dated version: policies by name, and rules that choose one for
an exam, the first that fits. What follows for one exam is `gransk.reading.planning.plan`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.exam_facts import FLAGS, OLDEST_YEARS, Fact, Round
from gransk.core.programme import Programme
from gransk.reading.plan import COUNTING, Arbitration, Differing, PolicyKind, StudyKind

NAME = r"^[a-z0-9_-]{1,64}$"
Name = Annotated[str, Field(pattern=NAME)]
Words = Annotated[str, Field(min_length=10, max_length=500)]
"""Somebody's reason, long enough to be one."""
Age = Annotated[int, Field(ge=0, le=OLDEST_YEARS)]
CATEGORY: Literal["category"] = "category"
Limit = Annotated[int, Field(ge=1, le=10, strict=True)] | Literal["category"]
"""From an exam score on, 1 to 10; ``category``: where the site's calibration says high."""
AnyProgramme = Programme | Literal["unknown"]


class Part(BaseModel):
    """A part of a room: JSON values, unknown keys refused, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Policy(Part):
    """How an exam is read.

    Parameters
    ----------
    name : str
    kind : PolicyKind
    recall_from : Limit, optional
        From which score on the AI says recall: of a counted read, or beside a safety net.
    double_from : Limit, optional
        From which score on two people read, one below: triage.
    marks_from : Limit, optional
        From which score on readers see the AI's marks; 1 is always.
    waiting_minutes : int
        An exam opens so long after its last image, whether the AI is ready or not.
    experienced_alone : bool
        Whether a person who reads alone must be experienced.
    arbitrates_single_recall : bool
        Whether a recall by one person who reads alone goes to arbitration: triage.
    differing : Differing
    arbitration : Arbitration
    target_working_days : int
        In which the decision should be made.
    """

    name: Name
    kind: PolicyKind
    recall_from: Limit | None = None
    double_from: Limit | None = None
    marks_from: Limit | None = None
    waiting_minutes: int = Field(default=60, ge=0, le=10080, strict=True)
    experienced_alone: bool = False
    arbitrates_single_recall: bool = False
    differing: Differing = Differing.VERDICT
    arbitration: Arbitration = Arbitration.THIRD_READER
    target_working_days: int = Field(default=10, ge=1, le=100, strict=True)

    @model_validator(mode="after")
    def _check(self) -> Policy:
        needs, may = _LIMITS[self.kind]
        for limit in LIMITS:
            given = getattr(self, limit) is not None
            if limit in needs and not given:
                raise PydanticCustomError("limit", f"{limit}, as {self.kind} has it")
            if given and limit not in may:
                raise PydanticCustomError("limit", f"no {limit}, as {self.kind} has none")
        if self.experienced_alone and not self.counts:
            raise PydanticCustomError(
                "alone", f"no experienced_alone, as nobody reads alone under {self.kind}"
            )
        if self.arbitrates_single_recall and self.kind is not PolicyKind.TRIAGE:
            raise PydanticCustomError(
                "alone", f"no arbitrates_single_recall, as two opinions stand under {self.kind}"
            )
        return self

    @property
    def counts(self) -> bool:
        """Whether the AI's opinion is a reading, or spares one."""
        return self.kind in COUNTING

    @property
    def limits(self) -> dict[str, Limit]:
        """Limits of the score that the policy has, by name."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: value for name, value in found.items() if value is not None}


LIMITS = ("recall_from", "double_from", "marks_from")
_LIMITS: dict[PolicyKind, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(needs), frozenset({*needs, *may}))
    for kind, needs, may in (
        (PolicyKind.DOUBLE_READING, (), ()),
        (PolicyKind.REPLACE_READER, ("recall_from",), ()),
        (PolicyKind.TRIAGE, ("double_from",), ("marks_from",)),
        (PolicyKind.SAFETY_NET, ("recall_from",), ()),
        (PolicyKind.DECISION_SUPPORT, ("marks_from",), ()),
        (PolicyKind.SHADOW, (), ("recall_from",)),
    )
}
"""Limits that each kind needs, and those that it may have."""
DECIDING = frozenset({*COUNTING, PolicyKind.SAFETY_NET})
"""Kinds whose limits change what is decided: another limit needs a simulation."""


class When(Part):
    """Which exams a rule is for: every part that is given must fit.

    Parameters
    ----------
    programmes : tuple of Programme or ``unknown``
        ``unknown`` is an exam whose programme nobody said.
    units : tuple of str
        Empty: every unit.
    age_from, age_to : int, optional
        Whole years, both included.
    rounds : tuple of Round
        Empty: every round.
    treated : bool, optional
        Breast cancer treated earlier.
    """

    programmes: tuple[AnyProgramme, ...] = Field(min_length=1)
    units: tuple[Name, ...] = ()
    age_from: Age | None = None
    age_to: Age | None = None
    rounds: tuple[Round, ...] = ()
    treated: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> When:
        if None not in (self.age_from, self.age_to) and self.age_from > self.age_to:  # type: ignore[operator]
            raise PydanticCustomError("ages", "age_from no higher than age_to")
        return self


class StudyMark(Part):
    """Exams of a simulation or an approved study: research models may count, unvalidated.

    Parameters
    ----------
    kind : StudyKind
    reference : str
        Who approved it and under which number, or what is simulated.
    until : date
        The last day.
    """

    kind: StudyKind
    reference: Words
    until: datetime.date


class Rule(Part):
    """Which policy some exams are read by.

    Parameters
    ----------
    when : When
    policy : str, optional
        Its name; None: these exams stay outside of the reading room.
    study : StudyMark, optional
    """

    when: When
    policy: Name | None
    study: StudyMark | None = None


class KnownBy(StrEnum):
    """How a site knows that something is not so of a woman."""

    STATED = "stated"
    """Somebody says so of each exam."""
    IMAGES = "images"
    """Every image says so."""
    EXCEPTIONS = "exceptions"
    """The list or system that names an exam's programme tells where it is so, and is silent
    elsewhere."""


class Knowing(Part):
    """How a fact is known that keeps an exam with two people.

    Parameters
    ----------
    by : KnownBy
    because : str
        On what the site relies; needed unless it is stated of each exam.
    """

    by: KnownBy = KnownBy.STATED
    because: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _check(self) -> Knowing:
        if self.by is not KnownBy.STATED and len(self.because.strip()) < 10:
            raise PydanticCustomError("because", f"because: on what the site relies for {self.by}")
        return self


class Facts(Part):
    """How the site knows that a breast has no implant, was not treated, and nobody declined."""

    implant: Knowing = Knowing()
    treated: Knowing = Knowing()
    declines_ai: Knowing = Knowing()

    @model_validator(mode="after")
    def _check(self) -> Facts:
        for fact in FLAGS - {Fact.IMPLANT}:
            if self.of(fact).by is KnownBy.IMAGES:
                raise PydanticCustomError("images", f"no images for {fact}: they do not say it")
        return self

    def of(self, fact: Fact) -> Knowing:
        """How a fact that is yes or no is known."""
        known: Knowing = getattr(self, fact.value)
        return known


class Minimum(Part):
    """What a local validation must hold before a model may count.

    Parameters
    ----------
    exams, cancers : int
        Of the unit, with known outcome.
    follow_up_months : int
        From when on an exam without cancer counts as known.
    """

    exams: int = Field(ge=1, strict=True)
    cancers: int = Field(ge=1, strict=True)
    follow_up_months: int = Field(default=24, ge=1, le=120, strict=True)


class Room(Part):
    """Every policy and rule of a site in one dated version.

    Parameters
    ----------
    valid_from : date
        The first day.
    application : str
        Whose exams it is about.
    policies : tuple of Policy
    rules : tuple of Rule
        The first that fits chooses; exams that none fits stay outside of the reading room.
    facts : Facts
    minimum : dict of str to Minimum
        Of local validations, by application; of others too, whose models would spare a
        person's confirmation.
    version : int
        Given when it is kept, and no part of the document; 0 before.
    """

    valid_from: datetime.date
    application: Name = "mammo"
    policies: tuple[Policy, ...] = Field(min_length=1)
    rules: tuple[Rule, ...] = Field(min_length=1)
    facts: Facts = Facts()
    minimum: dict[Name, Minimum] = Field(default_factory=dict)
    version: int = Field(default=0, ge=0, exclude=True)

    @field_validator("policies")
    @classmethod
    def _unique(cls, values: tuple[Policy, ...]) -> tuple[Policy, ...]:
        if len({policy.name for policy in values}) != len(values):
            raise PydanticCustomError("unique", "policies whose names differ")
        return values

    @model_validator(mode="after")
    def _check(self) -> Room:
        known = {policy.name: policy for policy in self.policies}
        for number, rule in enumerate(self.rules, start=1):
            if rule.policy is None:
                if rule.study is not None:
                    raise PydanticCustomError("study", f"a policy for the study of rule {number}")
                continue
            if rule.policy not in known:
                raise PydanticCustomError("policy", f"a policy of the list for rule {number}")
            if known[rule.policy].counts:
                self._check_counting(number, rule)
        return self

    def _check_counting(self, number: int, rule: Rule) -> None:
        if rule.when.programmes != (Programme.SCREENING,):
            raise PydanticCustomError(
                "screening", f"screening alone for rule {number}, as AI counts under {rule.policy}"
            )
        if rule.study is None and self.application not in self.minimum:
            raise PydanticCustomError(
                "minimum",
                f"minimum.{self.application} for rule {number}, as AI counts under {rule.policy}",
            )

    def policy(self, name: str) -> Policy:
        """A policy by its name.

        Raises
        ------
        KeyError
            Where there is none.
        """
        return {policy.name: policy for policy in self.policies}[name]

    def rules_for(self, unit: str) -> tuple[Rule, ...]:
        """Rules that may choose for a unit's exams, in order."""
        return tuple(r for r in self.rules if not r.when.units or unit in r.when.units)

    def unknown_units(self, units: Iterable[str]) -> list[str]:
        """Names of units in the rules that the site does not have."""
        named = {unit for rule in self.rules for unit in rule.when.units}
        return sorted(named - set(units))

    def document(self) -> dict[str, Any]:
        """Everything but the version, as JSON values."""
        return self.model_dump(mode="json")
