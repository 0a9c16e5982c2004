"""Which programme an exam belongs to: what was said of it, and what counts.

Explicit words count before the codes of the order, a person's before those of a machine or a
file, and of one rank the latest. Nothing is guessed: where nobody said it, it is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.core.programme import UNKNOWN, Programme
from gransk.results.tables import ExamProgramme, ProgrammeSource, ProgrammeStatement
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

RANKS = {
    ProgrammeSource.ORDER: 0,
    ProgrammeSource.FILE: 1,
    ProgrammeSource.MACHINE: 1,
    ProgrammeSource.PERSON: 2,
}
"""Whose word counts first: the highest rank that says anything."""


class Conflict(StrEnum):
    """Why somebody should look at an exam's programme."""

    NONE = ""
    DISAGREE = "disagree"
    """Sources say different programmes, or the order's codes do."""
    SHARED = "shared"
    """Studies of several patients bear the accession number: words about it do not count."""


def say(
    session: Session,
    source: ProgrammeSource,
    programmes: Collection[Programme],
    actor: str,
    among: Sequence[ProgrammeStatement],
    *,
    accession_number: str = "",
    study_key: str | None = None,
) -> ProgrammeStatement | None:
    """Add a statement about an exam; one that stands already is not written again.

    Parameters
    ----------
    session : Session
    source : ProgrammeSource
    programmes : collection of Programme
        One; none takes back what this rank said before; several where an order contradicts
        itself.
    actor : str
        Account, machine or process.
    among : sequence of ProgrammeStatement
        What was said of the exam before, of `statements`.
    accession_number, study_key : str, optional
        What it is about: one of the two.

    Returns
    -------
    ProgrammeStatement or None
        The new one, to be written with the session; None where it stands already.
    """
    said = sorted(programmes)
    rank = [row for row in among if RANKS[ProgrammeSource(row.source)] == RANKS[source]]
    own = [row for row in rank if (row.accession_number, row.study_key)
           == (accession_number, study_key)]  # fmt: skip
    if all((rows[-1].programmes if rows else []) == said for rows in (rank, own)):
        return None
    new = ProgrammeStatement(
        accession_number=accession_number,
        study_key=study_key,
        source=source,
        programmes=said,
        actor=actor,
        at=utcnow(),
    )
    session.add(new)
    return new


def settle(
    session: Session,
    row: ExamProgramme,
    said: Sequence[ProgrammeStatement],
    shared: bool,
    actor: str,
) -> None:
    """Decide anew what counts at a study, and note where that changed.

    Call it late in a transaction: the event log is locked until it ends.

    Parameters
    ----------
    session : Session
    row : ExamProgramme
        Of `rows`.
    said : sequence of ProgrammeStatement
        About the study or its accession number, in order.
    shared : bool
        Whether studies of other patients bear the accession number too.
    actor : str
        Who made it change.
    """
    counted = [one for one in said if one.study_key == row.study_key or not shared]
    chosen, conflict = _choose(counted)
    if len(counted) < len(said):
        conflict = Conflict.SHARED
    programme = None if chosen is None or len(chosen.programmes) != 1 else chosen.programmes[0]
    before = (row.programme, row.conflict)
    row.programme, row.conflict = programme, conflict.value
    row.source = None if chosen is None else chosen.source
    row.said_by = None if chosen is None else chosen.actor
    row.said_at = None if chosen is None else chosen.at
    session.add(row)
    if before != (row.programme, row.conflict):
        data = {"programme": programme or UNKNOWN, "source": row.source, "conflict": row.conflict}
        record(session, actor, EventKind.PROGRAMME_CHANGED, row.study_key, data)


def rows(session: Session, study_keys: Collection[str]) -> dict[str, ExamProgramme]:
    """What counts at studies; one that nobody spoke of gets a new row, not written yet."""
    query = select(ExamProgramme).where(ExamProgramme.study_key.in_(study_keys))
    found = {row.study_key: row for row in session.scalars(query)}
    new = (key for key in study_keys if key not in found)
    return found | {
        key: ExamProgramme(study_key=key, programme=None, conflict=Conflict.NONE.value)
        for key in new
    }


def statements(
    session: Session, accession_numbers: Collection[str], study_keys: Collection[str]
) -> Sequence[ProgrammeStatement]:
    """Everything that was said of accession numbers or of studies, in order."""
    numbers = [number for number in accession_numbers if number]
    about = or_(
        ProgrammeStatement.accession_number.in_(numbers),
        ProgrammeStatement.study_key.in_(study_keys),
    )
    chosen = select(ProgrammeStatement).where(about)
    return session.scalars(chosen.order_by(ProgrammeStatement.number)).all()


def programme_of(session: Session, study_key: str) -> Programme | None:
    """The programme that counts at a study; None where it is unknown."""
    row = session.get(ExamProgramme, study_key)
    return None if row is None or row.programme is None else Programme(row.programme)


def said_programme(session: Session, study_key: str) -> Programme | None:
    """What a person, list or machine said that counts at a study; None where its order decides."""
    row = session.get(ExamProgramme, study_key)
    if row is None or row.programme is None or row.source == ProgrammeSource.ORDER:
        return None
    return Programme(row.programme)


def _choose(
    said: Sequence[ProgrammeStatement],
) -> tuple[ProgrammeStatement | None, Conflict]:
    """The statement that counts, and whether another that stands says otherwise."""
    latest = {RANKS[ProgrammeSource(row.source)]: row for row in said}
    standing = [latest[rank] for rank in sorted(latest, reverse=True) if latest[rank].programmes]
    if not standing:
        return None, Conflict.NONE
    first = standing[0]
    differs = any(row.programmes != first.programmes for row in standing)
    return first, Conflict.DISAGREE if differs or len(first.programmes) > 1 else Conflict.NONE
