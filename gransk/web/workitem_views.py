"""Workitems as somebody may see them: which, and with what in them.

A person sees what is on the own list, and of the rest what `gransk.web.seeing` shows. A machine
with a token sees what a listed DICOM peer could learn: of exams in the reading room nothing until
their reports are released. A machine of ``reading.systems`` that names a reader sees what the
reader does.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from fastapi import HTTPException, Request
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, case, exists, not_, or_, select
from sqlalchemy.orm import Session

from gransk.archive.orthanc import ArchiveError
from gransk.archive.tables import SeenStudy
from gransk.reading.exam_tables import ExamRow
from gransk.reading.rooms import in_force
from gransk.reading.seeing import Looker, hidden, looker, sees_results
from gransk.reading.targets import Targets
from gransk.reading.urgent import standing, standing_among
from gransk.reading.working_days import WorkingDays
from gransk.results.made import made_of
from gransk.results.step_acts import CODES, code, date_time, person_code
from gransk.results.step_rules import (
    CLASS,
    INSTANCE,
    MODIFIED,
    OPEN,
    PERFORMED,
    PERFORMERS,
    PRIORITY,
    PROGRESS,
    READINESS,
    STATE,
    STATION,
    TRANSACTION,
    Attributes,
    element,
    items,
)
from gransk.results.steps import Step, StepKind
from gransk.site.database import utcnow
from gransk.site.people import find_account
from gransk.site.tables import Account
from gransk.web.access import Caller
from gransk.web.permissions import Permission, permissions
from gransk.web.seeing import MACHINE, holds_back
from gransk.web.wiring import Wiring

READER_HEADER = "x-gransk-reader"
"""The reader for whom a machine of ``reading.systems`` calls."""
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
INPUT, STUDY = "00404021", "0020000D"
ENDED_WITHIN = datetime.timedelta(days=30)
"""What ended before is in no list."""
CHUNK = 500
LABELS = {
    StepKind.READ: "Read exam",
    StepKind.SIGNATURE: "Sign report",
    StepKind.ANALYSIS: "Analyse",
    StepKind.OTHER: "",
}
EMPTY = (
    "00741210", "00404026", "00404027", "00400400", "00100024", "00101002", "00380010", "00380014",
    "00081080", "00081084", PROGRESS, PERFORMED,
)  # fmt: skip
"""Attributes that our own workitems must have, and have nothing to say in."""
REQUEST_EMPTY = ("00080051", "00400026", "00400027", "00401001", "00321064")


@dataclass(frozen=True)
class Viewer:
    """Who asks for workitems.

    Parameters
    ----------
    name : str
        ``person:`` or ``machine:`` and a name.
    account : str
        Whose list it is; empty of a machine that calls for nobody.
    looker : Looker
    may : frozenset of Permission
    """

    name: str
    account: str
    looker: Looker
    may: frozenset[Permission]

    @property
    def machine(self) -> bool:
        return not self.account


def viewer_of(known: Wiring, session: Session, caller: Caller, reader: str = "") -> Viewer:
    """Who calls, and for whom.

    Raises
    ------
    HTTPException
        403 where a machine names a reader and may not, or nobody who reads.
    """
    account = caller.account
    if caller.machine is not None and reader:
        account = _reader(known, session, caller.machine.name, reader)
    if account is None:
        name = caller.machine.name if caller.machine else ""
        return Viewer(f"machine:{name}", "", MACHINE, caller.may)
    who = looker(session, account.name, account.roles, known.entering)
    return Viewer(f"person:{account.name}", account.name, who, permissions(account.roles))


def _reader(known: Wiring, session: Session, machine: str, reader: str) -> Account:
    found = find_account(session, reader)
    systems = known.config.reading.systems
    if machine not in systems or found is None or not found.active:
        raise HTTPException(403)
    if Permission.READING not in permissions(found.roles):
        raise HTTPException(403)
    return found


def reader_of(request: Request) -> str:
    """The reader that a request names."""
    return request.headers.get(READER_HEADER, "")[:64]


def shown(known: Wiring, session: Session, who: Viewer) -> ColumnElement[bool]:
    """Which workitems somebody may see, as a condition on `Step`.

    What was created before its study came is about that study as soon as it is here.
    """
    hides = holds_back(known, session) if who.machine else partial(hidden, who.looker)
    came = exists().where(
        SeenStudy.study_instance_uid == Step.study_instance_uid, hides(SeenStudy.key)
    )
    key = cast("SQLColumnExpression[str]", Step.study_key)
    told = case((Step.study_key.is_(None), not_(came)), else_=not_(hides(key)))
    if who.machine:
        return or_(Step.creator == who.name, and_(Step.kind != StepKind.READ, told))
    own = and_(Step.kind == StepKind.READ, Step.account == who.account, not_(Step.taken_back))
    return or_(own, told)


def found(
    known: Wiring, session: Session, who: Viewer, uid: str, lock: bool = False
) -> Step | None:
    """A workitem that somebody may see; None also where it is not for them."""
    query = select(Step).where(Step.uid == uid, shown(known, session, who))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).first()


def everything(
    known: Wiring,
    session: Session,
    who: Viewer,
    *conditions: ColumnElement[bool],
    part: tuple[int, int] | None = None,
) -> Sequence[Step]:
    """Workitems that somebody may see, in the order in which they could be done.

    Without those that ended long ago, which can still be retrieved; ``part`` is where to begin
    and how many, where not all are wanted.
    """
    lately = or_(Step.state.in_(OPEN), Step.changed_at > utcnow() - ENDED_WITHIN)
    query = select(Step).where(shown(known, session, who), lately, *conditions)
    query = query.order_by(Step.scheduled_at, Step.uid)
    if part is not None:
        query = query.offset(part[0]).limit(part[1])
    return session.scalars(query).all()


class Composer:
    """Puts together what workitems say: what clients gave, and what stands in our tables now.

    Parameters
    ----------
    known : Wiring
    session : Session
    who : Viewer
        Of the urgency of a study only who may see its results is told.
    address : str
        Root of our DICOMweb.
    """

    def __init__(self, known: Wiring, session: Session, who: Viewer, address: str) -> None:
        self._known, self._session, self._who = known, session, who
        self._address = address
        self._studies: dict[str, SeenStudy | None] = {}
        self._units: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._urgent: dict[str, bool] = {}
        zone, section = known.config.zone, known.config.reading
        today = utcnow().astimezone(zone).date()
        working = WorkingDays(section.holidays)
        self._targets = Targets.by(in_force(session, today), zone, working)

    def prepare(self, steps: Sequence[Step]) -> None:
        """Look up in few queries what many workitems are about."""
        keys = sorted({step.study_key for step in steps if step.study_key is not None})
        for first in range(0, len(keys), CHUNK):
            some = keys[first : first + CHUNK]
            studies = self._session.scalars(select(SeenStudy).where(SeenStudy.key.in_(some)))
            self._studies |= {study.key: study for study in studies}
            units = select(ExamRow.study_key, ExamRow.unit).where(ExamRow.study_key.in_(some))
            self._units |= {key: unit for key, unit in self._session.execute(units)}
            moved = standing_among(self._session, some)
            self._urgent |= {key: key in moved for key in some}

    def __call__(self, step: Step, images: bool = False) -> Attributes:
        """All attributes of a workitem.

        Parameters
        ----------
        step : Step
        images : bool
            Whether the archive is asked which images there are.
        """
        study = self._study(step.study_key)
        given = dict(step.attributes)
        if step.kind in (StepKind.READ, StepKind.SIGNATURE) and study is not None:
            given = self._ours(step, study, images) | given
        if PERFORMED in given and step.kind != StepKind.OTHER and study is not None:
            given[PERFORMED] = self._performed(given, study)
        given.pop(TRANSACTION, None)
        return (
            {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
            | given
            | element(CLASS, UPS_PUSH)
            | element(INSTANCE, step.uid)
            | element(STATE, step.state)
            | element(MODIFIED, date_time(step.changed_at))
        )

    def _study(self, key: str | None) -> SeenStudy | None:
        if key is None:
            return None
        if key not in self._studies:
            self._studies[key] = self._session.get(SeenStudy, key)
        return self._studies[key]

    def _name(self, account: str) -> str:
        if account not in self._names:
            row = find_account(self._session, account)
            self._names[account] = account if row is None else row.full_name
        return self._names[account]

    def _ours(self, step: Step, study: SeenStudy, images: bool) -> Attributes:
        made: Attributes = {}
        for tag in EMPTY:
            made |= element(tag)
        made |= (
            element(PRIORITY, self._priority(study))
            | element("00741204", LABELS[step.kind])
            | element("00741202", self._worklist(step))
            | element("00404005", date_time(step.scheduled_at))
            | element("00404018", code(CODES[step.kind]))
            | element(READINESS, "READY")
            | element(STATION)
            | element(PERFORMERS)
            | element(INPUT, *self._input(study, images))
            | element(STUDY, study.study_instance_uid)
            | _patient(study)
            | element("0040A370", _request(study))
        )
        if step.kind == StepKind.READ:
            made |= element("00404011", self._due(step)) | element(
                PERFORMERS, self._human(step.account, made["00741202"])
            )
        return made

    def _priority(self, study: SeenStudy) -> str:
        """HIGH of what a person made urgent, or the rules while unread, to who may see why."""
        who, urgent = self._who, self._moved_up(study.key)
        raised = study.priority > 0
        if not (urgent or raised):
            return "MEDIUM"
        if who.machine or not self._blind(study):
            return "HIGH"
        told = urgent and sees_results(self._session, who.looker, study.key)
        return "HIGH" if told else "MEDIUM"

    def _moved_up(self, key: str) -> bool:
        if key not in self._urgent:
            self._urgent[key] = standing(self._session, key) is not None
        return self._urgent[key]

    def _blind(self, study: SeenStudy) -> bool:
        key = select(SeenStudy.key).where(
            SeenStudy.key == study.key, hidden(self._who.looker, SeenStudy.key)
        )
        return self._session.scalar(key) is not None

    def _worklist(self, step: Step) -> str:
        key = step.study_key or ""
        if step.kind == StepKind.READ and key not in self._units:
            exam = self._session.get(ExamRow, key)
            self._units[key] = "" if exam is None else exam.unit
        return self._units.get(key, "") or "Gransk"

    def _due(self, step: Step) -> str:
        last = self._targets.due(step.scheduled_at) + datetime.timedelta(days=1)
        return date_time(self._targets.midnight(last))

    def _human(self, account: str, unit: Attributes) -> Attributes:
        return (
            element("00404009", person_code(account))
            | element("00404037", {"Alphabetic": self._name(account)})
            | {"00404036": {"vr": "LO", "Value": unit.get("Value", ["Gransk"])}}
        )

    def _input(self, study: SeenStudy, images: bool) -> list[Attributes]:
        retrieve = element("00081190", f"{self._address}/studies/{study.study_instance_uid}")
        base = (
            element("0040E020", "DICOM")
            | element(STUDY, study.study_instance_uid)
            | element("0040E025", retrieve)
        )
        series = self._series(study) if images else []
        return [base | one for one in series] or [base]

    def _series(self, study: SeenStudy) -> list[Attributes]:
        """Series and images of a study without our results; none where the archive is silent."""
        ours = {series for series, _ in made_of(self._session, study.key)}
        orthanc = self._known.orthanc
        try:
            series = {
                str(one["ID"]): str(one["MainDicomTags"].get("SeriesInstanceUID", ""))
                for one in orthanc.study_series(study.orthanc_id)
            }
            by_series: dict[str, list[str]] = {}
            classes: dict[str, str] = {}
            for one in orthanc.instances(study.orthanc_id):
                uid = series.get(one.series_id, "")
                if not uid or uid in ours:
                    continue
                if uid not in classes:
                    classes[uid] = orthanc.metadata(one.orthanc_id).get("SopClassUid", "")
                by_series.setdefault(uid, []).append(one.sop_instance_uid)
        except ArchiveError:
            return []
        return [
            element("0020000E", uid)
            | element(
                "00081199",
                *(
                    element("00081150", classes[uid]) | element("00081155", one)
                    for one in sorted(instances)
                ),
            )
            for uid, instances in sorted(by_series.items())
        ]

    def _performed(self, given: Attributes, study: SeenStudy) -> Attributes:
        """What was performed, its output named by the study too."""
        done = [dict(one) for one in items(given, PERFORMED)]
        for one in done:
            if items(one, "00404033"):
                one["00404033"] = {
                    "vr": "SQ",
                    "Value": [
                        item | element(STUDY, study.study_instance_uid)
                        for item in items(one, "00404033")
                    ],
                }
        return element(PERFORMED, *done)[PERFORMED]  # type: ignore[no-any-return]


def _patient(study: SeenStudy) -> Attributes:
    return (
        element("00100010", {"Alphabetic": study.patient_name} if study.patient_name else None)
        | element("00100020", study.patient_id)
        | element("00100021", study.issuer_of_patient_id)
        | element("00100030", study.patient_birth_date)
        | element("00100040", study.patient_sex)
    )


def _request(study: SeenStudy) -> Attributes:
    made: Attributes = {}
    for tag in REQUEST_EMPTY:
        made |= element(tag)
    return made | (
        element(STUDY, study.study_instance_uid)
        | element("00080050", study.accession_number)
        | element("00321060", study.description)
    )
