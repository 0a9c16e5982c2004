"""A site's own exams for a calibration: from the result store or a folder, with outcomes."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.application import Application, Context, Progress
from gransk.core.calibration import Calibrates, Outcome, OwnExam
from gransk.core.errors import InvalidValueError, RefusalError, UnreadableInputError
from gransk.core.findings import Findings
from gransk.core.keys import selection_key
from gransk.core.models import ModelLibrary
from gransk.core.programme import Programme, order_of, programmes_of
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.reading.outcomes import ACCESSION, STUDY
from gransk.reading.outcomes import read_outcomes as read_list
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import ExamProgramme, Workitem, WorkState
from gransk.site.config import ProgrammeSection


@dataclass(frozen=True)
class Named:
    """An exam with the names by which a table of outcomes may call it."""

    exam: OwnExam
    study_instance_uid: str
    accession_number: str


@dataclass(frozen=True)
class Gathered:
    """Exams, and how many studies were left out for which cause."""

    exams: list[Named] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Period:
    """Days from and to, both included; None is open."""

    start: datetime.date | None = None
    end: datetime.date | None = None

    def holds(self, day: datetime.date | None) -> bool:
        """Is the day within? A study without a date is, so that it is not forgotten."""
        if day is None:
            return True
        return not (self.start and day < self.start) and not (self.end and day > self.end)


def from_store(
    session: Session, blobs: BlobStore, application: Application, period: Period
) -> Gathered:
    """Screening exams of the result store that came to an application, analysed or not.

    Exams whose programme is another or unknown are left out, as are studies that left the
    archive and those that were fetched to compare with.
    """
    found = Gathered()
    query = (
        select(SeenStudy, Workitem, ExamProgramme.programme)
        .join(Workitem, Workitem.study_key == SeenStudy.key)
        .outerjoin(ExamProgramme, ExamProgramme.study_key == SeenStudy.key)
        .where(
            Workitem.application == application.id,
            SeenStudy.purpose != Purpose.PRIOR,
            SeenStudy.deleted_at.is_(None),
        )
        .order_by(SeenStudy.study_date, SeenStudy.key)
    )
    for study, item, programme in session.execute(query):
        day = _day(study.study_date)
        if not period.holds(day):
            continue
        if programme != Programme.SCREENING:
            found.left_out[programme or "unknown"] += 1
            continue
        findings = _sealed(session, blobs, item)
        exam = own_exam(application, day, findings)
        found.exams.append(Named(exam, study.study_instance_uid, study.accession_number.strip()))
    return found


def from_studies(
    studies: Iterable[Study],
    application: Application,
    models: ModelLibrary,
    settings: Any,
    orders: ProgrammeSection,
    period: Period,
    progress: Progress,
) -> Gathered:
    """Analyse every study of a folder that is the application's.

    They count as screening, since whoever gave the folder says so; those whose order says
    another programme, by the site's table, are left out.
    """
    found = Gathered()
    for study in studies:
        verdict = application.accepts(study)
        header = study.series[0].instances[0].header
        day = _day(str(header.get("StudyDate", "")))
        said = programmes_of(order_of(study), orders.by_code, orders.by_text)
        if verdict == Reason.NO_APPLICATION or not period.holds(day):
            continue
        if said and said != (Programme.SCREENING,):
            found.left_out["/".join(said)] += 1
            continue
        findings = None
        if verdict is None:
            findings = _analysed(study, application, models, settings, progress)
        exam = own_exam(application, day, findings)
        accession = str(header.get("AccessionNumber", "") or "").strip()
        found.exams.append(Named(exam, study.uid, accession))
    return found


def own_exam(
    application: Application, day: datetime.date | None, findings: Findings | None
) -> OwnExam:
    """An exam with the score that is calibrated and what made it."""
    if findings is None or not isinstance(application, Calibrates):
        return OwnExam(day)
    return OwnExam(
        date=day,
        score=application.raw_score(findings),
        version=findings.application_version,
        models={model.id: model.sha256 for model in findings.models},
    )


def read_outcomes(path: Path) -> dict[tuple[str, str], Outcome]:
    """Outcomes by (column, name): each exam named by accession number or Study Instance UID.

    Raises
    ------
    UnreadableInputError
        Names every line that is wrong, and repeats no value.
    """
    listed = read_list(path).items()
    return {name: Outcome(one.cancer, one.follow_up_months) for name, one in listed}


def joined(
    exams: Iterable[Named], outcomes: Mapping[tuple[str, str], Outcome]
) -> tuple[list[OwnExam], int]:
    """Exams with their outcomes, and how many outcomes are of no exam here.

    An accession number that several exams bear names none of them.
    """
    listed = list(exams)
    bears = Counter(one.accession_number for one in listed)
    used: set[tuple[str, str]] = set()
    found = []
    for one in listed:
        names = [(STUDY, one.study_instance_uid)]
        if one.accession_number and bears[one.accession_number] == 1:
            names.append((ACCESSION, one.accession_number))
        known = [name for name in names if name in outcomes]
        used.update(known)
        found.append(replace(one.exam, outcome=outcomes[known[0]]) if known else one.exam)
    return found, len(outcomes) - len(used)


def _sealed(session: Session, blobs: BlobStore, item: Workitem) -> Findings | None:
    """Findings of a ready study; None where there are none to be read."""
    if item.state != WorkState.READY or item.analysis_key is None:
        return None
    try:
        return read_findings(session, blobs, item.analysis_key)
    except (BlobError, KeyError, ValidationError):
        return None


def _analysed(
    study: Study,
    application: Application,
    models: ModelLibrary,
    settings: Any,
    progress: Progress,
) -> Findings | None:
    """Findings of a study; None where it is refused or its images cannot be read."""
    try:
        selection = application.select(study, settings)
        key = selection_key(application, selection, settings, models)
        return application.analyse(study, selection, Context(models, settings, progress, key))
    except (RefusalError, UnreadableInputError, InvalidValueError, MemoryError, OSError):
        return None


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text.strip().replace(".", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None
