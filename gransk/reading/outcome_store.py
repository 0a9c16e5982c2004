"""What became of women, kept: said by lists and systems, the last word about an exam counts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.reading.outcomes import ACCESSION, STUDY, Name, Outcome
from gransk.reading.policy_tables import OutcomeStatement
from gransk.results.tables import FactSource
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

TOGETHER = 400
"""Exams that are asked for at once; SQLite takes so many values in one question."""


def state_outcomes(
    session: Session, said: Mapping[Name, Outcome], source: FactSource, actor: str
) -> int:
    """Say what became of exams; how many were new.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    said : mapping of Name to Outcome
    source : FactSource
    actor : str
    """
    known = outcomes_of(session, list(said))
    new = {name: outcome for name, outcome in said.items() if known.get(name) != outcome}
    for (column, value), outcome in new.items():
        session.add(
            OutcomeStatement(
                accession_number=value if column == ACCESSION else "",
                study_instance_uid=value if column == STUDY else "",
                cancer=outcome.cancer,
                content=outcome.model_dump(mode="json"),
                source=source,
                actor=actor,
                at=utcnow(),
            )
        )
    if new:
        data = {"source": source.value, "outcomes": len(new)}
        record(session, actor, EventKind.OUTCOMES_STATED, actor, data)
    return len(new)


def outcomes_of(session: Session, names: Collection[Name]) -> dict[Name, Outcome]:
    """What became of exams; those of which nobody knows are left out."""
    found: dict[Name, Outcome] = {}
    for some in _chunks(list(names)):
        wanted = {column: [v for c, v in some if c == column] for column in (ACCESSION, STUDY)}
        query = select(OutcomeStatement).where(
            or_(
                OutcomeStatement.accession_number.in_(wanted[ACCESSION]),
                OutcomeStatement.study_instance_uid.in_(wanted[STUDY]),
            )
        )
        for row in session.scalars(query.order_by(OutcomeStatement.number)):
            found[name_of(row)] = Outcome.model_validate(row.content)
    return found


def name_of(row: OutcomeStatement) -> Name:
    """How a statement calls its exam."""
    if row.study_instance_uid:
        return STUDY, row.study_instance_uid
    return ACCESSION, row.accession_number


def _chunks(names: Sequence[Name]) -> Iterator[Sequence[Name]]:
    return (names[n : n + TOGETHER] for n in range(0, len(names), TOGETHER))
