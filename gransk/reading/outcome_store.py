"""What became of women after their exams: said by lists and systems, the last word counts."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.reading.policy_tables import OutcomeStatement
from gransk.results.tables import FactSource
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

TOGETHER = 500
"""Exams that are asked for at once; SQLite takes so many values in one question."""


class Detection(StrEnum):
    """How a cancer came to light."""

    SCREEN = "screen"
    """At the exam."""
    INTERVAL = "interval"
    """After it, before the next one."""


class Outcome(BaseModel):
    """What became of a woman after one exam.

    Parameters
    ----------
    outcome_date : date
        Of the diagnosis; without cancer, the last day until which it is known that there was
        none.
    cancer : bool
    detection : Detection, optional
    size_mm : float, optional
        Largest diameter.
    invasive, node_positive : bool, optional
    stage : str, optional
        As the register writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    outcome_date: datetime.date
    cancer: bool
    detection: Detection | None = None
    size_mm: float | None = Field(default=None, gt=0, le=500)
    invasive: bool | None = None
    node_positive: bool | None = None
    stage: str | None = Field(default=None, pattern=r"^[A-Za-z0-9 .+-]{1,16}$")

    @model_validator(mode="after")
    def _check(self) -> Outcome:
        told = self.model_dump(exclude={"outcome_date", "cancer"})
        if not self.cancer and any(value is not None for value in told.values()):
            raise ValueError("without cancer there is no detection, size, node or stage")
        if self.cancer and self.detection is None:
            raise ValueError("a cancer was found at screening or in the interval")
        return self


def state_outcomes(
    session: Session, said: Mapping[str, Outcome], source: FactSource, actor: str
) -> int:
    """Say what became of exams, by accession number; how many were new.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    said : mapping of accession number to Outcome
    source : FactSource
    actor : str
    """
    added = 0
    for numbers in _chunks(list(said)):
        known = outcomes_of(session, numbers)
        for number in numbers:
            if known.get(number) != said[number]:
                session.add(
                    OutcomeStatement(
                        accession_number=number,
                        study_key=None,
                        source=source,
                        actor=actor,
                        at=utcnow(),
                        **said[number].model_dump(),
                    )
                )
                added += 1
    if added:
        data = {"source": source.value, "outcomes": added}
        record(session, actor, EventKind.OUTCOMES_STATED, actor, data)
    return added


def outcomes_of(session: Session, accession_numbers: Collection[str]) -> dict[str, Outcome]:
    """What became of exams, by accession number; those of which nobody knows are left out."""
    found: dict[str, Outcome] = {}
    for numbers in _chunks(list(accession_numbers)):
        query = select(OutcomeStatement).where(OutcomeStatement.accession_number.in_(numbers))
        for row in session.scalars(query.order_by(OutcomeStatement.number)):
            found[row.accession_number] = outcome_of(row)
    return found


def outcome_of(row: OutcomeStatement) -> Outcome:
    """A statement's outcome."""
    return Outcome(**{name: getattr(row, name) for name in Outcome.model_fields})


def _chunks(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    return (numbers[n : n + TOGETHER] for n in range(0, len(numbers), TOGETHER))
