"""What is known of an exam beside its programme: what was said, and what counts.

A person's word counts before those of a machine or a list, these before the images, and of
one rank the latest. One exception errs on the safe side: where a fact is yes or no (earlier
treatment, an implant, no AI wished), any yes that stands counts, unless a person says no.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.core.exam_facts import FLAGS, YES, Fact, checked
from gransk.results.tables import ExamFact, ExamKnown, FactSource
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow

RANKS = {
    FactSource.IMAGES: 0,
    FactSource.FILE: 1,
    FactSource.MACHINE: 1,
    FactSource.PERSON: 2,
}
"""Whose word counts first: the highest rank that says anything."""


class Standing(NamedTuple):
    """What counts, and by whose word."""

    value: str
    source: FactSource


def say(
    session: Session,
    source: FactSource,
    fact: Fact,
    value: str,
    actor: str,
    among: Sequence[ExamFact],
    *,
    accession_number: str = "",
    study_key: str | None = None,
) -> ExamFact | None:
    """Add a statement about an exam; one that stands already is not written again.

    Parameters
    ----------
    session : Session
    source : FactSource
    fact : Fact
    value : str
        Empty takes back what this rank said before.
    actor : str
        Account, machine or process.
    among : sequence of ExamFact
        What was said of the exam before, of `statements`.
    accession_number, study_key : str, optional
        What it is about: one of the two.

    Returns
    -------
    ExamFact or None
        The new one, to be written with the session; None where it stands already.

    Raises
    ------
    InvalidValueError
        Where the fact has no such value.
    """
    word = checked(fact, value) if value else ""
    rank = [row for row in among if row.fact == fact and _rank(row) == RANKS[source]]
    own = [row for row in rank if (row.accession_number, row.study_key)
           == (accession_number, study_key)]  # fmt: skip
    if all((rows[-1].value if rows else "") == word for rows in (rank, own)):
        return None
    new = ExamFact(
        accession_number=accession_number,
        study_key=study_key,
        fact=fact,
        value=word,
        source=source,
        actor=actor,
        at=utcnow(),
    )
    session.add(new)
    return new


def standing(said: Sequence[ExamFact]) -> dict[Fact, Standing]:
    """Which facts count among everything that was said of one exam, in order."""
    found = ((fact, _choose(fact, [row for row in said if row.fact == fact])) for fact in Fact)
    return {fact: chosen for fact, chosen in found if chosen is not None}


def settle(
    session: Session, study_key: str, row: ExamKnown | None, said: Sequence[ExamFact]
) -> bool:
    """Decide anew what counts at a study; whether that changed.

    Parameters
    ----------
    session : Session
    study_key : str
    row : ExamKnown, optional
        What counted before.
    said : sequence of ExamFact
        What counts among, in order.
    """
    facts = {fact.value: [one.value, one.source.value] for fact, one in standing(said).items()}
    if (row.facts if row else {}) == facts:
        return False
    if row is None:
        session.add(ExamKnown(study_key=study_key, facts=facts, at=utcnow()))
    else:
        row.facts, row.at = facts, utcnow()
    return True


def statements(
    session: Session, accession_numbers: Collection[str], study_keys: Collection[str]
) -> Sequence[ExamFact]:
    """Everything that was said of accession numbers or of studies, in order."""
    numbers = [number for number in accession_numbers if number]
    about = or_(ExamFact.accession_number.in_(numbers), ExamFact.study_key.in_(study_keys))
    return session.scalars(select(ExamFact).where(about).order_by(ExamFact.number)).all()


def rows(session: Session, study_keys: Collection[str]) -> dict[str, ExamKnown]:
    """What counts at studies; one of which nothing is known is left out."""
    query = select(ExamKnown).where(ExamKnown.study_key.in_(study_keys))
    return {row.study_key: row for row in session.scalars(query)}


def known_of(session: Session, study_key: str) -> Mapping[Fact, Standing]:
    """The facts that count at a study; what nobody said is left out."""
    return standing_of(session.get(ExamKnown, study_key))


def exam_unit(session: Session, study_key: str, section: ReadingSection) -> str:
    """Whose exam it is; empty where that is unknown.

    A site of one unit that matches no images has it all.
    """
    found = known_of(session, study_key).get(Fact.UNIT)
    return found.value if found else section.only_unit


def said_unit(session: Session, study_key: str) -> str:
    """Whose exam somebody said that it is; empty where the images alone may tell."""
    found = known_of(session, study_key).get(Fact.UNIT)
    return found.value if found and found.source is not FactSource.IMAGES else ""


def standing_of(row: ExamKnown | None) -> Mapping[Fact, Standing]:
    """The facts that a row says count; none without one."""
    facts = {} if row is None else row.facts
    return {Fact(fact): Standing(value, FactSource(by)) for fact, (value, by) in facts.items()}


def _rank(row: ExamFact) -> int:
    return RANKS[FactSource(row.source)]


def _choose(fact: Fact, said: Sequence[ExamFact]) -> Standing | None:
    latest = {_rank(row): row for row in said}
    stands = [latest[rank] for rank in sorted(latest, reverse=True) if latest[rank].value]
    if not stands:
        return None
    first = stands[0]
    if fact in FLAGS and _rank(first) < RANKS[FactSource.PERSON]:
        first = next((row for row in stands if row.value == YES), first)
    return Standing(first.value, FactSource(first.source))
