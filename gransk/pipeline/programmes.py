"""The programme of exams: said by accession number or at a study, and read from orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.programme import UNKNOWN, Programme, order_of, programmes_of
from gransk.core.study import Study
from gransk.results import programmes
from gransk.results.tables import ProgrammeSource, ProgrammeStatement
from gransk.site.config import ProgrammeSection
from gransk.site.events import SYSTEM, EventKind, record

LONGEST = 64
"""Of an accession number; DICOM allows 16 characters (PS3.5 6.2, SH)."""


@dataclass(frozen=True)
class Stated:
    """What became of statements: how many were new, and how many studies they are about now."""

    added: int
    studies: int


def accession(text: str) -> str:
    """An accession number as it is matched.

    Raises
    ------
    InvalidValueError
        Where it is none. The message does not repeat it.
    """
    number = text.strip()
    if not 1 <= len(number) <= LONGEST or "\\" in number or not number.isprintable():
        raise InvalidValueError(
            "accession number", f"{len(number)} characters", f"1 to {LONGEST}, no backslash"
        )
    return number


def state_exams(
    session: Session,
    said: Mapping[str, Programme | None],
    source: ProgrammeSource,
    actor: str,
) -> Stated:
    """Say which programmes exams belong to, by accession number; they may arrive later.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    said : mapping of accession number to Programme or None
        None takes back what this rank said before.
    source : ProgrammeSource
    actor : str
        Who says it.
    """
    added: list[Programme | None] = []
    touched = 0
    for number, programme in said.items():
        studies = _studies(session, number)
        touched += len(studies)
        words = [] if programme is None else [programme]
        known = programmes.statements(session, number, [study.key for study in studies])
        if programmes.say(session, source, words, actor, known, accession_number=number):
            added.append(programme)
        _settle(session, number, studies, actor)
    if added:
        counts = Counter(programme or UNKNOWN for programme in added)
        data = {"source": source.value, "programmes": dict(sorted(counts.items()))}
        record(session, actor, EventKind.PROGRAMME_STATED, actor, data)
    return Stated(len(added), touched)


def state_study(
    session: Session, study: SeenStudy, programme: Programme | None, actor: str
) -> bool:
    """What a person says at the page of a study; whether it was new."""
    words = [] if programme is None else [programme]
    person = ProgrammeSource.PERSON
    if not programmes.say(session, person, words, actor, said_of(session, study),
                          study_key=study.key):  # fmt: skip
        return False
    data = {"source": person.value, "programmes": {programme or UNKNOWN: 1}}
    record(session, actor, EventKind.PROGRAMME_STATED, study.key, data)
    settle(session, study, actor)
    return True


def read_order(
    session: Session, seen: SeenStudy, headers: Study, section: ProgrammeSection
) -> None:
    """Read the programme of a study that settled from its images, by the site's tables."""
    words = programmes_of(order_of(headers), section.by_code, section.by_text)
    programmes.say(session, ProgrammeSource.ORDER, words, SYSTEM, said_of(session, seen),
                   study_key=seen.key)  # fmt: skip
    settle(session, seen, SYSTEM)


def said_of(session: Session, study: SeenStudy) -> Sequence[ProgrammeStatement]:
    """Everything that was said of a study or of its accession number, in order."""
    return programmes.statements(session, study.accession_number.strip(), [study.key])


def settle(session: Session, study: SeenStudy, actor: str) -> None:
    """Decide anew what counts at a study and at those that share its accession number."""
    number = study.accession_number.strip()
    studies = {other.key: other for other in _studies(session, number)} | {study.key: study}
    _settle(session, number, list(studies.values()), actor)


def _settle(session: Session, number: str, studies: Sequence[SeenStudy], actor: str) -> None:
    present = [study for study in studies if study.deleted_at is None]
    shared = len({(study.patient_id, study.issuer_of_patient_id) for study in present}) > 1
    for study in studies:
        programmes.settle(session, study.key, number, shared, actor)


def _studies(session: Session, number: str) -> Sequence[SeenStudy]:
    if not number:
        return ()
    chosen = select(SeenStudy).where(SeenStudy.accession_number == number)
    return session.scalars(chosen.order_by(SeenStudy.key)).all()
