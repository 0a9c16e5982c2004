"""The ledger of the reading room: entries in, and everything that follows in one transaction.

Nothing is ever edited: an exam is what its entries fold to, and its row, its tasks and the
release of its reports are brought in step as an entry is written.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.reading.book import Book
from gransk.reading.entries import Arrival, Entry, Kind, TaskKind
from gransk.reading.exam import Exam, Given, State, TaskState
from gransk.reading.exam_tables import EntryRow, ExamRow, TaskRow
from gransk.reading.machine import BrokenLedgerError, fold
from gransk.reading.plan import Plan, PlanReason, PolicyKind
from gransk.reading.readers import qualifications
from gransk.reading.refusals import LedgerError, Refusal
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Event

LOAD = datetime.timedelta(hours=24)
"""How far back the draw counts what people were given."""

UNRELEASED = frozenset({PolicyKind.SHADOW, PolicyKind.DOUBLE_READING})
"""Under these no report of the AI is released, not even after the decision."""

KEPT_AS_SHADOW = frozenset({PlanReason.LATE, PlanReason.DECLINED})

Make = Callable[[Book], None]
"""Adds entries to an exam's open ledger."""


def arrive(
    session: Session, study_key: str, arrival: Arrival, at: datetime.datetime | None = None
) -> Exam:
    """An exam enters the reading room; it is there already where another process was first.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    """
    if session.get(ExamRow, study_key) is not None:
        return exam_of(session, study_key)
    now = at or utcnow()
    book = _book(session, study_key, arrival.unit, None)
    exam = book.add(Entry(Kind.ARRIVED, arrival, now))
    row = ExamRow(study_key=study_key, **cached(book))
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        if session.get(ExamRow, study_key) is None:
            raise
        return exam_of(session, study_key)
    _write(session, row, book)
    return exam


def write(session: Session, study_key: str, make: Make, version: int | None = None) -> Exam:
    """Add entries to an exam's ledger, and whatever follows from them.

    Parameters
    ----------
    session : Session
        Of `Database.begin`; others wait for the event log until it ends.
    study_key : str
    make : callable
        Given the open ledger; adds entries to it.
    version : int, optional
        Number of entries that the caller saw. For those alone who may see everything: to
        readers the number would tell what others did.

    Raises
    ------
    LedgerError
        ``no_exam``; ``changed`` where other entries came first; what `checking.check` refuses.
    """
    row = session.get(ExamRow, study_key, with_for_update=True, populate_existing=True)
    if row is None:
        raise LedgerError(Refusal.NO_EXAM)
    if version is not None and version != row.entries:
        raise LedgerError(Refusal.CHANGED)
    exam = exam_of(session, study_key)
    if exam.entries != row.entries:
        raise BrokenLedgerError(
            f"exam {study_key} has {exam.entries} entries, its row says {row.entries}: restore "
            "the database from a backup"
        )
    book = _book(session, study_key, row.unit, exam)
    make(book)
    if book.new:
        at = book.new[-1].at
        exam = book.settle(at)
        _write(session, row, book)
    return exam


def settle(session: Session, study_key: str, at: datetime.datetime | None = None) -> Exam:
    """Give an exam to somebody where nobody was there for it before."""

    def make(book: Book) -> None:
        book.settle(at or utcnow())

    return write(session, study_key, make)


def exam_of(session: Session, study_key: str) -> Exam:
    """The exam that its entries fold to.

    Raises
    ------
    LedgerError
        ``no_exam``.
    """
    found = entries(session, study_key)
    if not found:
        raise LedgerError(Refusal.NO_EXAM)
    return fold(found)


def entries(session: Session, study_key: str) -> list[Entry]:
    """The entries of an exam, in order."""
    return [_entry(row) for row in _rows(session, study_key)]


def _rows(session: Session, study_key: str) -> Sequence[EntryRow]:
    query = select(EntryRow).where(EntryRow.study_key == study_key).order_by(EntryRow.place)
    return session.scalars(query).all()


def _entry(row: EntryRow) -> Entry:
    return Entry.read(row.kind, row.content, row.at, row.actor, row.role, row.reason)


def _book(session: Session, study_key: str, unit: str, exam: Exam | None) -> Book:
    def loads(task: TaskKind, at: datetime.datetime) -> Mapping[str, int]:
        since = at - LOAD
        if task is TaskKind.FIRST:
            return drawn_of_late(session, unit, since)
        return given_of_late(session, unit, task, since)

    return Book(study_key, qualifications(session, unit), loads, exam)


def drawn_of_late(session: Session, unit: str, since: datetime.datetime) -> dict[str, int]:
    """How often each reader was drawn, asked or not."""
    found: dict[str, int] = {}
    for column in (ExamRow.drawn_first, ExamRow.drawn_second):
        query = (
            select(column, func.count())
            .where(ExamRow.unit == unit, ExamRow.opened_at >= since, column.is_not(None))
            .group_by(column)
        )
        for account, count in session.execute(query):
            found[str(account)] = found.get(str(account), 0) + count
    return found


def given_of_late(
    session: Session, unit: str, task: TaskKind, since: datetime.datetime
) -> dict[str, int]:
    """How many tasks of a kind each person was given."""
    query = (
        select(TaskRow.account, func.count())
        .where(TaskRow.unit == unit, TaskRow.kind == task, TaskRow.given_at >= since)
        .group_by(TaskRow.account)
    )
    return {account: count for account, count in session.execute(query)}


# What follows in the same transaction


def _write(session: Session, row: ExamRow, book: Book) -> None:
    exam = book.exam
    if exam is None:
        return
    first = exam.entries - len(book.new) + 1
    stored = [
        EntryRow(
            study_key=book.study_key,
            place=place,
            kind=entry.kind.value,
            actor=entry.actor,
            role=entry.role,
            at=entry.at,
            reason=entry.reason,
            content=entry.content.model_dump(mode="json"),
            salt=secrets.token_hex(16),
        )
        for place, entry in enumerate(book.new, first)
    ]
    session.add_all(stored)
    for name, value in cached(book).items():
        if getattr(row, name) != value:
            setattr(row, name, value)
    _note_tasks(session, book.study_key, exam, book.new[-1].at)
    session.flush()
    for one in stored:
        data = {"entry": one.number, "digest": digest_of(one)}
        record(session, one.actor, EventKind(f"reading_{one.kind}"), one.study_key, data)


def cached(book: Book) -> dict[str, Any]:
    """What an exam's row says, as its entries make it."""
    exam = book.exam
    if exam is None:
        raise KeyError(book.study_key)
    first, second = (*exam.drawn, None, None)[:2]
    missing = book.missing
    return {
        "unit": exam.unit,
        "application": exam.application,
        "state": exam.state.value,
        "plan": None if exam.plan is None else exam.plan.model_dump(mode="json"),
        "images": exam.images,
        "arrived_at": exam.arrived_at,
        "opens_at": exam.opens_at,
        "opened_at": exam.opened_at,
        "decided_at": exam.decided_at,
        "verdict": None if exam.outcome is None else exam.outcome.verdict.value,
        "drawn_first": first,
        "drawn_second": second,
        "sealed_as": _sealed_as(exam),
        "missing": "" if missing is None else missing.value,
        "reports_at": reports_at(exam),
        "alerts": exam.alerts,
        "entries": exam.entries,
    }


def _sealed_as(exam: Exam) -> str | None:
    sealed = exam.late_ai or exam.ai
    if sealed is None:
        return None
    return sealed.opinion.analysis_key or sealed.opinion.reason


def reports_at(exam: Exam) -> datetime.datetime | None:
    """From when reports of an exam may leave the result store; None while they are held.

    At opening where the policy shows marks to readers, else with the decision; never as
    shadow, where the woman declines, and where the AI has no part.
    """
    plan = exam.plan
    if plan is None or exam.opened_at is None or not _releases(plan):
        return None
    if plan.shows_marks:
        return exam.opened_at
    return exam.decided_at if exam.state is State.DECIDED else None


def _releases(plan: Plan) -> bool:
    return plan.kind not in UNRELEASED and not KEPT_AS_SHADOW & set(plan.reasons)


def _note_tasks(session: Session, study_key: str, exam: Exam, at: datetime.datetime) -> None:
    query = select(TaskRow).where(TaskRow.study_key == study_key)
    known = {(row.round, str(row.kind), row.account): row for row in session.scalars(query)}
    for given in exam.tasks:
        row = known.get((given.round, given.task.value, given.account))
        if row is None:
            row = _task(study_key, exam, given, at)
            session.add(row)
        elif row.state != given.state:
            again = given.state is TaskState.ASSIGNED
            row.given_at = at if again else row.given_at
            row.ended_at = None if again else at
            row.state = given.state


def _task(study_key: str, exam: Exam, given: Given, at: datetime.datetime) -> TaskRow:
    return TaskRow(
        study_key=study_key,
        round=given.round,
        kind=given.task.value,
        account=given.account,
        state=given.state.value,
        unit=exam.unit,
        arrived_at=exam.arrived_at,
        given_at=at,
        ended_at=None if given.state is TaskState.ASSIGNED else at,
        looked_at=None,
    )


# Is all as it was written?


def digest_of(row: EntryRow) -> str:
    """Digest of an entry, which the event log keeps."""
    return digest(
        [
            row.number, row.study_key, row.place, row.kind, row.actor, row.role,
            row.at.astimezone(datetime.UTC).isoformat(timespec="microseconds"), row.reason,
            row.content, row.salt,
        ]
    )  # fmt: skip


def wrong_rows(session: Session) -> list[str]:
    """Study keys whose row or tasks are not what their entries make."""
    query = select(ExamRow).order_by(ExamRow.study_key)
    return [row.study_key for row in session.scalars(query).all() if not _in_step(session, row)]


def _in_step(session: Session, row: ExamRow) -> bool:
    try:
        exam = exam_of(session, row.study_key)
    except (LedgerError, BrokenLedgerError, ValidationError):
        return False
    book = Book(row.study_key, {}, lambda _task, _at: {}, exam)
    tasks = session.scalars(select(TaskRow).where(TaskRow.study_key == row.study_key))
    kept = {(one.round, one.kind, one.account, one.state) for one in tasks}
    wanted = {(one.round, one.task.value, one.account, one.state.value) for one in exam.tasks}
    return kept == wanted and all(
        getattr(row, name) == value for name, value in cached(book).items()
    )


def changed_entries(session: Session) -> list[int]:
    """Numbers of entries that are not what the event log says was written."""
    kinds = [f"reading_{kind.value}" for kind in Kind]
    events = select(Event.data).where(Event.kind.in_(kinds))
    told = {data["entry"]: data["digest"] for data in session.scalars(events)}
    rows = select(EntryRow).order_by(EntryRow.number).execution_options(yield_per=500)
    wrong = [
        row.number for row in session.scalars(rows) if told.pop(row.number, None) != digest_of(row)
    ]
    return sorted([*wrong, *told])


def broken_seals(session: Session) -> list[int]:
    """Numbers of entries by which an AI's opinion was not sealed, once, before people read.

    Of an opinion that is not the one its hash was made of, that was sealed after the exam had
    opened, and of a read that names another than was sealed when it was made.
    """
    kinds = (Kind.ARRIVED, Kind.AI_SEALED, Kind.OPENED, Kind.IMAGES_CHANGED, *NAMING)
    query = (
        select(EntryRow)
        .where(EntryRow.kind.in_([kind.value for kind in kinds]))
        .order_by(EntryRow.study_key, EntryRow.place)
        .execution_options(yield_per=500)
    )
    wrong: list[int] = []
    exam, seal, is_open = "", "", False
    for row in session.scalars(query):
        kind = Kind(row.kind)
        if row.study_key != exam or kind in (Kind.ARRIVED, Kind.IMAGES_CHANGED):
            exam, seal, is_open = row.study_key, "", False
        if kind is Kind.OPENED:
            is_open = True
        elif kind is Kind.AI_SEALED:
            seal = str(row.content.get("seal", ""))
            if is_open or not _fits(row):
                wrong.append(row.number)
        elif kind in NAMING and row.content.get("seal") != seal:
            wrong.append(row.number)
    return sorted(wrong)


NAMING = (Kind.READ, Kind.CORRECTED, Kind.SAFETY_CHANGED)
"""Entries that name the opinion that was sealed when they were made."""


def _fits(row: EntryRow) -> bool:
    """Is the opinion the one that its seal was made of?"""
    try:
        _entry(row)
    except ValidationError:
        return False
    return True
