"""Facts of exams: said by accession number or at a study, and read from images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.exam_facts import FLAGS, NO, YES, Fact, Round, facts_of
from gransk.core.study import Study
from gransk.pipeline.programmes import Stated, chunks, of_several_patients, studies_by_number
from gransk.results import exam_facts
from gransk.results.tables import ExamFact, FactSource
from gransk.site.config_reading import ReadingSection
from gransk.site.events import SYSTEM, EventKind, record

READ = (Fact.IMPLANT, Fact.UNIT, Fact.AGE, Fact.EQUIPMENT)
"""Facts that images say."""


def choices(fact: Fact, units: Collection[str]) -> tuple[str, ...]:
    """Every value that a fact may be said to have; none of one that images alone say."""
    if fact in FLAGS:
        return (YES, NO)
    if fact is Fact.UNIT:
        return tuple(units)
    return tuple(Round) if fact is Fact.ROUND else ()


def state_exams(
    session: Session,
    said: Mapping[str, Mapping[Fact, str]],
    source: FactSource,
    actor: str,
) -> Stated:
    """Say facts of exams, by accession number; they may arrive later.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    said : mapping of accession number to mapping of Fact to str
        Of `choices`; empty takes back what was said.
    source : FactSource
    actor : str
        Who says it.
    """
    added: Counter[str] = Counter()
    exams = touched = 0
    for numbers in chunks(list(said)):
        studies = studies_by_number(session, numbers)
        touched += sum(map(len, studies.values()))
        before = _Said(session, studies)
        changed = []
        for number in numbers:
            known = before.of(number, [study.key for study in studies[number]])
            new = [
                fact
                for fact, value in said[number].items()
                if exam_facts.say(
                    session, source, fact, value, actor, known, accession_number=number
                )
            ]
            added.update(fact.value for fact in new)
            if new:
                changed.append(number)
        exams += len(changed)
        session.flush()
        _settle(session, {number: studies[number] for number in changed})
    if added:
        data = {"source": source.value, "facts": dict(sorted(added.items()))}
        record(session, actor, EventKind.EXAM_FACTS_STATED, actor, data)
    return Stated(exams, touched)


def state_study(
    session: Session, study: SeenStudy, fact: Fact, value: str, source: FactSource, actor: str
) -> bool:
    """Say one fact of one study; whether it was new."""
    known = said_of(session, study)
    if exam_facts.say(session, source, fact, value, actor, known, study_key=study.key) is None:
        return False
    data = {"source": source.value, "facts": {fact.value: 1}}
    record(session, actor, EventKind.EXAM_FACTS_STATED, study.key, data)
    settle(session, study)
    return True


def read_images(session: Session, seen: SeenStudy, headers: Study, section: ReadingSection) -> None:
    """Read what the images of a study that settled say; what they say no more is taken back."""
    found = facts_of(headers, section.matches)
    known = said_of(session, seen)
    for fact in READ:
        value = found.get(fact, "")
        exam_facts.say(session, FactSource.IMAGES, fact, value, SYSTEM, known, study_key=seen.key)
    settle(session, seen)


def said_of(session: Session, study: SeenStudy) -> Sequence[ExamFact]:
    """Everything that was said of a study or of its accession number, in order."""
    return exam_facts.statements(session, [study.accession_number.strip()], [study.key])


def settle(session: Session, study: SeenStudy) -> None:
    """Decide anew what counts at a study and at those that share its accession number."""
    number = study.accession_number.strip()
    studies = studies_by_number(session, [number])[number]
    session.flush()
    _settle(session, {number: studies if study in studies else [*studies, study]})


def _settle(session: Session, exams: Mapping[str, Sequence[SeenStudy]]) -> None:
    said = _Said(session, exams)
    rows = exam_facts.rows(session, [study.key for found in exams.values() for study in found])
    for number, studies in exams.items():
        counted = "" if of_several_patients(studies) else number
        for study in studies:
            words = said.of(counted, [study.key])
            exam_facts.settle(session, study.key, rows.get(study.key), words)


class _Said:
    """What was said of studies and their accession numbers.

    Parameters
    ----------
    session : Session
    exams : mapping of accession number to sequence of SeenStudy
    """

    def __init__(self, session: Session, exams: Mapping[str, Sequence[SeenStudy]]) -> None:
        keys = [study.key for found in exams.values() for study in found]
        self._rows: dict[tuple[str, str | None], list[ExamFact]] = {}
        for row in exam_facts.statements(session, exams, keys):
            self._rows.setdefault((row.accession_number, row.study_key), []).append(row)

    def of(self, number: str, keys: Sequence[str]) -> list[ExamFact]:
        """About an accession number and some studies, in order."""
        about: list[tuple[str, str | None]] = [("", key) for key in keys]
        if number:
            about.append((number, None))
        found = (row for subject in about for row in self._rows.get(subject, ()))
        return sorted(found, key=lambda row: row.number)
