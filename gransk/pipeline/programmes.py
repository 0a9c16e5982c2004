"""The programme of exams: said by accession number or at a study, and read from orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
TOGETHER = 500
"""Exams that are asked for at once; SQLite takes so many values in one question."""


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
    for numbers in chunks(list(said)):
        studies = studies_by_number(session, numbers)
        touched += sum(map(len, studies.values()))
        exams = _Exams(session, studies)
        changed = []
        for number in numbers:
            programme = said[number]
            words = [] if programme is None else [programme]
            known = exams.said(number, *(study.key for study in studies[number]))
            if programmes.say(session, source, words, actor, known, accession_number=number):
                added.append(programme)
                changed.append(number)
        session.flush()
        _Exams(session, {number: studies[number] for number in changed}).settle(session, actor)
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
    known = said_of(session, study)
    if not programmes.say(session, person, words, actor, known, study_key=study.key):
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
    known = said_of(session, seen)
    programmes.say(session, ProgrammeSource.ORDER, words, SYSTEM, known, study_key=seen.key)
    settle(session, seen, SYSTEM)


def said_of(session: Session, study: SeenStudy) -> Sequence[ProgrammeStatement]:
    """Everything that was said of a study or of its accession number, in order."""
    return programmes.statements(session, [study.accession_number.strip()], [study.key])


def settle(session: Session, study: SeenStudy, actor: str) -> None:
    """Decide anew what counts at a study and at those that share its accession number."""
    number = study.accession_number.strip()
    studies = studies_by_number(session, [number])[number]
    session.flush()
    every = studies if study in studies else [*studies, study]
    _Exams(session, {number: every}).settle(session, actor)


def chunks(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many accession numbers as may be asked for at once."""
    return (numbers[n : n + TOGETHER] for n in range(0, len(numbers), TOGETHER))


class _Exams:
    """Studies by accession number, with what was said of them.

    Parameters
    ----------
    session : Session
    studies : mapping of accession number to sequence of SeenStudy
    """

    def __init__(self, session: Session, studies: Mapping[str, Sequence[SeenStudy]]) -> None:
        self.studies = studies
        keys = [study.key for found in studies.values() for study in found]
        self._said: dict[tuple[str, str | None], list[ProgrammeStatement]] = {}
        for one in programmes.statements(session, studies, keys):
            self._said.setdefault((one.accession_number, one.study_key), []).append(one)

    def said(self, number: str, *keys: str) -> list[ProgrammeStatement]:
        """About an accession number and some studies, in order."""
        about = [(number, None)] if number else []
        found = [self._said.get(name, []) for name in (*about, *(("", key) for key in keys))]
        return sorted((one for each in found for one in each), key=lambda one: one.number)

    def settle(self, session: Session, actor: str) -> None:
        """Decide what counts at every study."""
        keys = [study.key for found in self.studies.values() for study in found]
        rows = programmes.rows(session, keys)
        for number, studies in self.studies.items():
            shared = of_several_patients(studies)
            for study in studies:
                said = self.said(number, study.key)
                programmes.settle(session, rows[study.key], said, shared, actor)


def of_several_patients(studies: Iterable[SeenStudy]) -> bool:
    """Whether present studies that bear one accession number are not all of one patient."""
    present = (study for study in studies if study.deleted_at is None)
    return len({(study.patient_id, study.issuer_of_patient_id) for study in present}) > 1


def studies_by_number(session: Session, numbers: Collection[str]) -> dict[str, list[SeenStudy]]:
    """Studies by the accession number that they bear; a number that none bears has none."""
    found: dict[str, list[SeenStudy]] = {number: [] for number in numbers}
    wanted = [number for number in numbers if number]
    query = select(SeenStudy).where(SeenStudy.accession_number.in_(wanted))
    for study in session.scalars(query.order_by(SeenStudy.key).with_for_update()):
        found[study.accession_number].append(study)
    return found
