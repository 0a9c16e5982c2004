"""Workitems in step with the room: what people were given, and reports that wait for a signature.

The tables of reading and of results are the truth. `follow` looks what they say and what the
workitems say, and makes the difference: a crash anywhere, or two processes at once, change
nothing but the time.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import Any

from pydicom.uid import generate_uid
from sqlalchemy import ColumnElement, String, and_, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from gransk.reading.exam import ENDED, TaskState
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.results.edits import report_signature
from gransk.results.step_acts import (
    DISCONTINUED,
    REASON,
    REASON_CODES,
    Reported,
    cancelled,
    code,
    end,
    performed,
    person_code,
    tell,
    tell_state,
)
from gransk.results.step_rules import OPEN, PROGRESS, Attributes, StepState, element, items, value
from gransk.results.steps import Step, StepEvent, StepKind
from gransk.results.tables import Report, ReportObject, Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, head, take_turn
from gransk.site.tables import Event

SIGNED_WITHIN = datetime.timedelta(days=30)
"""Nobody waits for the signature of a report that was released before."""
EVENTS_KEPT = datetime.timedelta(days=14)
"""Who opens no channel for so long is told no more of what happened before."""
AT_ONCE = 500
"""New workitems of one look, which others wait for; the rest come with the next."""
STEP_PERCENT = 5
"""A progress that rose less is not told."""

Keys = Sequence[str] | None
"""Studies that are looked at; None for all."""
OPEN_STEP = Step.state.in_(OPEN)


class Follower:
    """Keeps workitems in step, and looks only at what the event log says has changed.

    Whatever workitems follow is written with an event of its study in the same transaction.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = -1

    def __call__(self, entering: Collection[str] = (), at: datetime.datetime | None = None) -> int:
        """Look, and bring up what lags behind; returns how many changed.

        Parameters
        ----------
        entering : collection of str
            Study keys of exams that are about to enter the reading room: of their analysis
            nothing is told.
        at : datetime, optional
            This instant where absent.
        """
        now = at or utcnow()
        with self._database.read() as session:
            number, _ = head(session)
            keys = self._changed(session)
            if not _lag(session, now, keys):
                self._seen = number
                return 0
        with self._database.begin() as session:
            done = follow(session, now, entering, keys)
        if done < AT_ONCE:
            self._seen = number
        return done

    def _changed(self, session: Session) -> Keys:
        """Studies with new events; None where all are to be looked at."""
        if self._seen < 0:
            return None
        query = select(Event.subject).where(Event.number > self._seen).distinct()
        found = sorted(session.scalars(query.limit(AT_ONCE + 1)))
        return found if len(found) <= AT_ONCE else None


def keep_in_step(
    database: Database, entering: Collection[str] = (), at: datetime.datetime | None = None
) -> int:
    """Bring all workitems in step once, whatever changed."""
    return Follower(database)(entering, at)


def follow(
    session: Session, at: datetime.datetime, entering: Collection[str] = (), keys: Keys = None
) -> int:
    """Bring workitems in step, in a transaction of `Database.begin`; returns how many changed."""
    take_turn(session)
    return (
        _new_reads(session, at, keys)
        + _ended_reads(session, at, keys)
        + _reports(session, at, keys)
        + _without_report(session, at, keys)
        + analyses(session, at, entering)
    )


def forget(session: Session, at: datetime.datetime) -> None:
    """Remove events that nobody is told of any more.

    The newest stays: SQLite would give its number, which channels go by, once more.
    """
    last = select(func.max(StepEvent.number)).scalar_subquery()
    old = select(StepEvent).where(StepEvent.at < at - EVENTS_KEPT, StepEvent.number < last)
    for event in session.scalars(old):
        session.delete(event)


def _lag(session: Session, at: datetime.datetime, keys: Keys) -> bool:
    asked = select(Step.uid).where(OPEN_STEP, Step.kind == StepKind.ANALYSIS)
    found = (_tasks_without_step(keys), _steps_without_task(keys), _unlisted(at, keys),
             _left_over(keys), asked)  # fmt: skip
    return any(session.execute(query.limit(1)).first() is not None for query in found)


def _of(column: Any, keys: Keys) -> list[ColumnElement[bool]]:
    return [] if keys is None else [column.in_(keys)]


# Reads


def _same_task() -> ColumnElement[bool]:
    return and_(
        Step.kind == StepKind.READ,
        Step.study_key == TaskRow.study_key,
        Step.account == TaskRow.account,
        Step.task == cast(TaskRow.round, String).concat(":").concat(TaskRow.kind),
        Step.given_at == TaskRow.given_at,
    )


def _tasks_without_step(keys: Keys) -> Any:
    return (
        select(TaskRow, ExamRow.application)
        .join(ExamRow, ExamRow.study_key == TaskRow.study_key)
        .where(TaskRow.state == TaskState.ASSIGNED, *_of(TaskRow.study_key, keys))
        .where(~exists().where(_same_task()))
        .order_by(TaskRow.arrived_at, TaskRow.study_key)
    )


def _steps_without_task(keys: Keys) -> Any:
    held = exists().where(_same_task(), TaskRow.state == TaskState.ASSIGNED)
    open_ = select(Step).where(OPEN_STEP, Step.kind == StepKind.READ, *_of(Step.study_key, keys))
    return open_.where(~held).order_by(Step.uid)


def _new_reads(session: Session, at: datetime.datetime, keys: Keys) -> int:
    found = session.execute(_tasks_without_step(keys).limit(AT_ONCE)).all()
    for task, application in found:
        step = _made(
            StepKind.READ, task.study_key, application, task.account,
            f"{task.round}:{task.kind}", task.given_at, task.arrived_at, at,
        )  # fmt: skip
        session.add(step)
        tell_state(session, step, at)
        human = element("00404009", person_code(task.account)) | element("00404036", task.unit)
        tell(session, step, Reported.ASSIGNED, human, at)
    return len(found)


def _ended_reads(session: Session, at: datetime.datetime, keys: Keys) -> int:
    found = session.scalars(_steps_without_task(keys)).all()
    for step in found:
        done = select(TaskRow).where(_same_task(), Step.uid == step.uid)
        task = session.scalars(done).first()
        if task is not None and task.state == TaskState.DONE:
            end(session, step, StepState.COMPLETED, task.ended_at or at)
        else:
            step.taken_back = True
            end(session, step, StepState.CANCELED, at)
    return len(found)


# Reports that wait for a signature


def _unlisted(at: datetime.datetime, keys: Keys) -> Any:
    """Rows whose released report is not looked at yet."""
    known = exists().where(
        Step.kind == StepKind.SIGNATURE,
        Step.study_key == Workitem.study_key,
        Step.task == Report.key,
    )
    return (
        select(Workitem, Report)
        .join(Report, Report.key == Workitem.report_key)
        .where(
            Workitem.state == WorkState.READY,
            Report.released_at > at - SIGNED_WITHIN,
            Report.withdrawn_at.is_(None),
            ~_in_room(Workitem.study_key),
            ~known,
            *_of(Workitem.study_key, keys),
        )
        .order_by(Report.released_at, Report.key)
    )


def _in_room(key: Any) -> ColumnElement[bool]:
    return exists().where(ExamRow.study_key == key)


def _left_over(keys: Keys) -> Any:
    """Open workitems of reports that nobody will sign: gone, withdrawn, or read in the room."""
    row = exists().where(
        Workitem.study_key == Step.study_key,
        Workitem.application == Step.application,
        Workitem.state != WorkState.WITHDRAWN,
    )
    lost = or_(~row, _in_room(Step.study_key))
    signed = Step.kind == StepKind.SIGNATURE
    return select(Step).where(OPEN_STEP, signed, lost, *_of(Step.study_key, keys))


def _reports(session: Session, at: datetime.datetime, keys: Keys) -> int:
    found = session.execute(_unlisted(at, keys).limit(AT_ONCE)).all()
    for item, report in found:
        signed = report_signature(session, item.study_key, item.application, report)
        query = select(Step).where(
            OPEN_STEP,
            Step.kind == StepKind.SIGNATURE,
            Step.study_key == item.study_key,
            Step.application == item.application,
        )
        step = session.scalars(query).first()
        fresh = step is None
        if step is None:
            step = _made(
                StepKind.SIGNATURE, item.study_key, item.application, "", report.key,
                report.created_at, report.released_at or at, at,
            )  # fmt: skip
            session.add(step)
        step.task = report.key
        if signed is not None:
            end(session, step, StepState.COMPLETED, signed.at)
        elif fresh:
            tell_state(session, step, at)
    return len(found)


def _without_report(session: Session, at: datetime.datetime, keys: Keys) -> int:
    found = session.scalars(_left_over(keys)).all()
    for step in found:
        step.taken_back = True
        end(session, step, StepState.CANCELED, at)
    return len(found)


def _made(
    kind: StepKind,
    study_key: str,
    application: str,
    account: str,
    task: str,
    given_at: datetime.datetime,
    scheduled_at: datetime.datetime,
    at: datetime.datetime,
) -> Step:
    return Step(
        uid=str(generate_uid(prefix=None)), kind=kind, study_key=study_key,
        study_instance_uid="", application=application, account=account, task=task,
        given_at=given_at, creator=SYSTEM, state=StepState.SCHEDULED, transaction_uid=None,
        performer="", taken_back=False, attributes={}, scheduled_at=scheduled_at, created_at=at,
        changed_at=scheduled_at,
    )  # fmt: skip


# Applications that a client asked for


def analyses(session: Session, at: datetime.datetime, entering: Collection[str]) -> int:
    """Tell of the analyses that clients asked for; returns how many went on."""
    query = (
        select(Step, Workitem, ExamRow)
        .join(
            Workitem,
            and_(Workitem.study_key == Step.study_key, Workitem.application == Step.application),
        )
        .outerjoin(ExamRow, ExamRow.study_key == Step.study_key)
        .where(OPEN_STEP, Step.kind == StepKind.ANALYSIS)
        .order_by(Step.uid)
    )
    return sum(
        _analysed(session, step, item, exam, at)
        for step, item, exam in session.execute(query).all()
        if item.study_key not in entering
    )


def _analysed(
    session: Session, step: Step, item: Workitem, exam: ExamRow | None, at: datetime.datetime
) -> bool:
    """Tell of an analysis what may be told; of an exam in the room nothing before its reports."""
    report = session.get(Report, item.report_key) if item.report_key else None
    released = report is not None and report.released_at is not None
    if exam is not None and exam.reports_at is None:
        if exam.state not in ENDED:
            return False
        # Decided, and the policy keeps the AI to itself: there will be no output.
        return _complete(session, step, at, ())
    if report is not None and released and item.state == WorkState.READY:
        return _complete(session, step, at, output(session, report))
    if item.state in (WorkState.FAILED, WorkState.NOT_ANALYSED, WorkState.WITHDRAWN):
        why = element(REASON, item.reason or item.state) | element(REASON_CODES, code(DISCONTINUED))
        step.attributes = step.attributes | cancelled(step.attributes, at, why)
        end(session, step, StepState.CANCELED, at)
        return True
    return _progress(session, step, item, at)


def _complete(
    session: Session, step: Step, at: datetime.datetime, made: Sequence[Attributes]
) -> bool:
    step.attributes = step.attributes | performed(step, at, made)
    end(session, step, StepState.COMPLETED, at)
    return True


def output(session: Session, report: Report) -> list[Attributes]:
    """What a released report consists of, as items of an Output Information Sequence.

    One item for each series (PS3.3 Table 10-3b); the study's UID is the caller's to add.
    """
    query = (
        select(ReportObject)
        .where(ReportObject.report_key == report.key)
        .order_by(ReportObject.series_instance_uid, ReportObject.sop_instance_uid)
    )
    by_series: dict[str, list[Attributes]] = {}
    for one in session.scalars(query):
        reference = element("00081150", one.sop_class_uid) | element(
            "00081155", one.sop_instance_uid
        )
        by_series.setdefault(one.series_instance_uid, []).append(reference)
    return [
        element("0040E020", "DICOM") | element("0020000E", series) | element("00081199", *objects)
        for series, objects in by_series.items()
    ]


def _progress(session: Session, step: Step, item: Workitem, at: datetime.datetime) -> bool:
    if item.state != WorkState.RUNNING:
        return False
    share = round(100 * item.share)
    before = (items(step.attributes, PROGRESS) or [{}])[0]
    if share < int(float(value(before, "00741004") or 0)) + STEP_PERCENT:
        return False
    now = element("00741004", share) | element("00741006", item.step)
    step.attributes = step.attributes | element(PROGRESS, now)
    step.changed_at = at
    tell(session, step, Reported.PROGRESS, element(PROGRESS, now), at)
    return True
