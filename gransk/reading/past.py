"""Exams that were read: what validation, simulation and indicators are counted from.

A record holds what an exam's ledger says after its decision, or an imported list, or a simulated
programme; nothing here knows which. Keys are pseudonymous.
"""

from __future__ import annotations

import datetime
from enum import StrEnum

from pydantic import Field, model_validator

from gransk.core.exam_facts import Round
from gransk.core.findings import Frozen
from gransk.core.programme import Programme
from gransk.core.screening import Breast, Verdict
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.plan import PolicyKind

LONGEST_KEY = 128


class Density(StrEnum):
    """Of BI-RADS."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"


class PastRead(Frozen):
    """What one person, or a meeting, said of an exam.

    Parameters
    ----------
    reader : str
        Account or pseudonym; empty where it is not known.
    verdict : Verdict
    breasts : frozenset of Breast
        Which a recall is for; empty where it is not told.
    """

    reader: str = Field(default="", max_length=LONGEST_KEY)
    verdict: Verdict
    breasts: frozenset[Breast] = frozenset()

    @model_validator(mode="after")
    def _check(self) -> PastRead:
        if self.breasts and self.verdict is not Verdict.RECALL:
            raise ValueError("breasts: only of a recall")
        return self


class PastAi(Frozen):
    """What the AI gave for an exam, sealed or as shadow.

    Parameters
    ----------
    score : float, optional
        Exam score, 1 to 10; None where it had no opinion.
    high : bool, optional
        On which side of the site's calibrated limit the score lies.
    probability : float, optional
    breasts : frozenset of Breast
        Those with a mark.
    said : Verdict, optional
        By the policy of the time; None where it had no opinion or no policy asked for one.
    model : str
        What made it: application, version and models in one name.
    in_time : bool
        Whether it was there when the exam opened.
    """

    score: float | None = Field(default=None, ge=1, le=10)
    high: bool | None = None
    probability: float | None = Field(default=None, ge=0, le=1)
    breasts: frozenset[Breast] = frozenset()
    said: Verdict | None = None
    model: str = Field(default="", max_length=LONGEST_KEY)
    in_time: bool = True

    @model_validator(mode="after")
    def _check(self) -> PastAi:
        if self.said is Verdict.TECHNICAL:
            raise ValueError("said: normal or recall")
        return self


class PastExam(Frozen):
    """One exam, its reads, and what became of the woman; None is not known.

    Parameters
    ----------
    exam, woman : str
        Pseudonymous keys.
    date : date
        Of the images.
    unit : str
    programme : Programme, optional
    round : Round, optional
    age : int, optional
        Whole years.
    density : Density, optional
    equipment : str
    previous_on : date, optional
        Of her screening before this one.
    dose_mgy : float, optional
        Mean glandular dose of the exam.
    humans_only : bool
        Two people read it under every policy: incomplete, implant, treated, declined, refused.
    policy : str
        By which it was read; empty where none is known.
    policy_version : int
    kind : PolicyKind
        Of that policy.
    marks_shown : bool
        Whether readers saw the AI's marks while they read.
    ai_counted : bool
        Whether the AI's opinion was one of the first opinions.
    reads : tuple of PastRead
        People's first opinions, the first reader first; one or two.
    ai : PastAi, optional
    arbitration : PastRead, optional
        Of the third reader or the meeting.
    decision : Verdict, optional
        None while there is none.
    working_days : int, optional
        From images to decision.
    outcome : Outcome, optional
    """

    exam: str = Field(min_length=1, max_length=LONGEST_KEY)
    woman: str = Field(min_length=1, max_length=LONGEST_KEY)
    date: datetime.date
    unit: str = Field(min_length=1, max_length=LONGEST_KEY)
    programme: Programme | None = None
    round: Round | None = None
    age: int | None = Field(default=None, ge=0, le=130)
    density: Density | None = None
    equipment: str = Field(default="", max_length=LONGEST_KEY)
    previous_on: datetime.date | None = None
    dose_mgy: float | None = Field(default=None, gt=0, le=100)
    humans_only: bool = False
    policy: str = Field(default="", max_length=64)
    policy_version: int = Field(default=0, ge=0)
    kind: PolicyKind = PolicyKind.DOUBLE_READING
    marks_shown: bool = False
    ai_counted: bool = False
    reads: tuple[PastRead, ...] = Field(default=(), max_length=2)
    ai: PastAi | None = None
    arbitration: PastRead | None = None
    decision: Verdict | None = None
    working_days: int | None = Field(default=None, ge=0)
    outcome: Outcome | None = None

    @model_validator(mode="after")
    def _check(self) -> PastExam:
        readers = [read.reader for read in self.reads if read.reader]
        if len(set(readers)) < len(readers):
            raise ValueError("reads: of different people")
        if self.ai_counted and (self.ai is None or self.ai.said is None):
            raise ValueError("ai_counted: only an opinion counts")
        if self.previous_on is not None and self.previous_on >= self.date:
            raise ValueError("previous_on: before the exam")
        if self.round is Round.FIRST and self.previous_on is not None:
            raise ValueError("previous_on: none before a first round")
        if self.decision is not None or self.arbitration is not None:
            self._check_decision()
        return self

    def _check_decision(self) -> None:
        if not self.reads:
            raise ValueError("decision: none without a read")
        if self.arbitration is not None:
            if self.decision is not self.arbitration.verdict:
                raise ValueError("decision: what the arbitration says")
            return
        said = set(self.first_verdicts)
        if len(said) > 1:
            raise ValueError("decision: opinions that differ need an arbitration")
        if self.decision not in said:
            raise ValueError("decision: what the first opinions say where they agree")

    @property
    def first_verdicts(self) -> tuple[Verdict, ...]:
        """Of every first opinion that counted, people's before the AI's."""
        found = [read.verdict for read in self.reads]
        if self.ai_counted and self.ai is not None and self.ai.said is not None:
            found.append(self.ai.said)
        return tuple(found)

    @property
    def recalled(self) -> bool:
        """Was she recalled? Technical recalls are counted apart."""
        return self.decision is Verdict.RECALL

    @property
    def cancer(self) -> bool:
        """Is a cancer known, found at this exam or until the next one?"""
        return self.outcome is not None and self.outcome.cancer

    @property
    def detected(self) -> bool:
        """Was a cancer found by the recall from this exam?

        Where the outcome does not say when, a cancer of a woman who was recalled counts so.
        """
        if self.outcome is None or not self.outcome.cancer:
            return False
        found = self.outcome.found
        return found is Found.SCREENING or (found is None and self.recalled)

    @property
    def interval_cancer(self) -> bool:
        """Was a cancer found after this exam had ended without it, before the next screening?"""
        return self.cancer and not self.detected

    @property
    def human_readings(self) -> int:
        """Readings by people: first opinions and arbitration, a meeting counted once."""
        return len(self.reads) + (self.arbitration is not None)

    def known(self, follow_up_months: float) -> bool:
        """Is it known whether she had cancer?"""
        return self.outcome is not None and self.outcome.known(follow_up_months)
