"""What the board shows: counts by state and age, exams, load, what stands still."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.delivery import messages
from gransk.reading import day, lists, troubles
from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import State, TaskState
from gransk.reading.exam_tables import ExamRow, ReaderRow, TaskRow
from gransk.reading.gate import last_pause
from gransk.reading.lists import Count, Line, Load, Wanted
from gransk.reading.machine import TABLE
from gransk.reading.rooms import in_force
from gransk.reading.targets import Limit, Targets
from gransk.reading.troubles import Stuck, Trouble
from gransk.reading.working_days import WorkingDays
from gransk.results.message_tables import AnnouncementKind, OutgoingMessage
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.web.access import Caller
from gransk.web.reading.overseeing import acting

DIFFERED_DAYS = 28
UNDELIVERED = 20
AGES = ("today", "soon", "overdue")
Name = Annotated[str, Field(max_length=64)]


class Asked(BaseModel):
    """What a person asks of the board."""

    model_config = ConfigDict(frozen=True)

    unit: Name = ""
    state: State | Literal[""] = ""
    """Decided: today."""
    age: Literal["", "today", "soon", "overdue"] = ""
    trouble: Trouble | Literal[""] = ""
    reader: Name = ""
    page: Annotated[int, Field(ge=1, le=100_000)] = 1

    @property
    def filtered(self) -> bool:
        """Is anything left out?"""
        return bool(self.unit or self.state or self.age or self.trouble or self.reader)


@dataclass(frozen=True)
class Given:
    """What somebody has of an exam and has not done."""

    task: TaskKind
    account: str


@dataclass(frozen=True)
class Patient:
    """Whose an exam is, as its images say."""

    name: str
    patient_id: str
    accession: str


@dataclass(frozen=True)
class Row:
    """An exam of the board."""

    line: Line
    patient: Patient | None
    due: datetime.date
    late: int
    """Working days since the target passed; 0 before."""
    soon: bool
    given: tuple[Given, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    acts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ages:
    """How many exams of a state there are: all, of today, due soon, overdue."""

    state: State | None
    total: int = 0
    today: int = 0
    soon: int = 0
    overdue: int = 0


@dataclass(frozen=True)
class UnitNow:
    """A unit as it stands."""

    name: str
    reads: bool
    """Whether the person reads in it, so that its undecided exams are hidden."""
    open: int
    overdue: int
    decided: tuple[day.Decided, ...]
    paused: bool
    paused_by: str
    paused_at: datetime.datetime | None
    paused_why: str
    may_act: bool

    @property
    def today(self) -> int:
        return sum(one.today for one in self.decided)

    @property
    def recalls_today(self) -> int:
        return sum(one.recalls_today for one in self.decided)


@dataclass(frozen=True)
class Message:
    """A decision that is not delivered."""

    id: str
    study_key: str
    destination: str
    state: str
    tries: int
    error: str
    created_at: datetime.datetime


@dataclass(frozen=True)
class Board:
    """Everything on the board."""

    asked: Asked
    rows: tuple[Row, ...]
    total: int
    ages: tuple[Ages, ...]
    units: tuple[UnitNow, ...]
    troubles: Mapping[Trouble, int]
    loads: tuple[Load, ...]
    messages: tuple[Message, ...]
    targets: Targets
    names: Mapping[str, str] = field(repr=False)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // lists.PAGE))


def board(
    session: Session,
    section: ReadingSection,
    caller: Caller,
    asked: Asked,
    zone: datetime.tzinfo | None,
    names: Mapping[str, str],
) -> Board:
    """The board as a person may see it."""
    now = utcnow()
    today = now.astimezone(zone).date()
    targets = Targets.by(in_force(session, today), zone, WorkingDays(section.holidays))
    gone = troubles.gone(session)
    limits = (Limit(targets.midnight(today)), targets.soon(today), targets.overdue(today))
    counts = lists.counts(session, caller.name, limits)
    shown = [one for one in counts if asked.unit in ("", one.unit)]
    wanted = _wanted(asked, targets, now, gone)
    first = (asked.page - 1) * lists.PAGE
    lines = lists.board(session, caller.name, wanted, lists.PAGE, first)
    asked_units = (asked.unit,) if asked.unit else ()
    return Board(
        asked=asked,
        rows=tuple(_rows(session, section, caller, lines, targets, today, gone)),
        total=lists.count_board(session, caller.name, wanted),
        ages=tuple(_ages(shown)),
        units=tuple(_units(session, section, caller, counts, targets.midnight(today))),
        troubles=troubles.count(session, caller.name, asked_units, now, gone),
        loads=tuple(_loads(session, caller, asked, targets.midnight(today))),
        messages=tuple(_messages(session, caller)),
        targets=targets,
        names=names,
    )


def row_of(
    session: Session,
    section: ReadingSection,
    caller: Caller,
    study_key: str,
    zone: datetime.tzinfo | None,
) -> Row:
    """One exam as the board has it.

    Raises
    ------
    KeyError
        Where there is none.
    """
    line = lists.line_of(session, caller.name, study_key)
    if line is None:
        raise KeyError(study_key)
    today = utcnow().astimezone(zone).date()
    targets = Targets.by(in_force(session, today), zone, WorkingDays(section.holidays))
    (row,) = _rows(session, section, caller, [line], targets, today, troubles.gone(session))
    return row


def _wanted(asked: Asked, targets: Targets, now: datetime.datetime, gone: troubles.Gone) -> Wanted:
    today = now.astimezone(targets.zone).date()
    midnight = targets.midnight(today)
    before = {"soon": targets.soon(today), "overdue": targets.overdue(today)}.get(asked.age)
    return Wanted(
        units=(asked.unit,) if asked.unit else (),
        states=(State(asked.state),) if asked.state else (),
        reader=asked.reader,
        since=midnight if asked.age == "today" else None,
        before=before,
        decided_since=midnight if asked.state == State.DECIDED else None,
        only=troubles.condition(Trouble(asked.trouble), now, gone) if asked.trouble else None,
    )


def _ages(counts: Sequence[Count]) -> list[Ages]:
    """One line a state that is there; what is hidden is one line."""
    found = []
    for state in (None, *lists.OPEN):
        of_state = [one for one in counts if one.state == state]
        if of_state:
            before_today, soon, overdue = (
                sum(one.older[place] for one in of_state) for place in range(3)
            )
            total = sum(one.total for one in of_state)
            found.append(Ages(state, total, total - before_today, soon - overdue, overdue))
    return found


def _rows(
    session: Session,
    section: ReadingSection,
    caller: Caller,
    lines: Sequence[Line],
    targets: Targets,
    today: datetime.date,
    gone: troubles.Gone,
) -> list[Row]:
    keys = [line.study_key for line in lines]
    told = [line.study_key for line in lines if line.state is not None]
    patients = _patients(session, keys)
    given = _given(session, told)
    stuck = troubles.of_exams(session, told, utcnow(), gone)
    alone = _alone(session, told)
    rows = []
    for line in lines:
        due = targets.due(line.arrived_at, line.policy)
        ended = line.state in (State.DECIDED, State.WITHDRAWN)
        late = 0 if ended else targets.days_over(due, today)
        soon = not (late or ended) and due <= targets.soon_until(today)
        key = line.study_key
        may = acting(section, caller, line.unit) is not None
        acts = _acts(line, bool(given.get(key)), key in alone) if may else ()
        rows.append(
            Row(
                line, patients.get(key), due, late, soon,
                tuple(given.get(key, ())), tuple(stuck.get(key, ())), acts,
            )
        )  # fmt: skip
    return rows


def _acts(line: Line, given: bool, alone: bool) -> tuple[str, ...]:
    """What may be done to an exam in its state."""
    possible = (
        ("reassign", Kind.REASSIGNED, given or bool(line.missing)),
        ("return", Kind.RETURNED_TO_HUMANS, alone),
        ("withdraw", Kind.WITHDRAWN, True),
    )
    return tuple(
        act for act, kind, makes_sense in possible if makes_sense and line.state in TABLE[kind]
    ) if line.state is not None else ()  # fmt: skip


def _patients(session: Session, keys: Sequence[str]) -> dict[str, Patient]:
    query = select(
        SeenStudy.key, SeenStudy.patient_name, SeenStudy.patient_id, SeenStudy.accession_number
    ).where(SeenStudy.key.in_(keys))
    return {key: Patient(*values) for key, *values in session.execute(query)}


def _given(session: Session, keys: Sequence[str]) -> dict[str, list[Given]]:
    found: dict[str, list[Given]] = {}
    # By the exams alone, which is the shortest way into the table.
    query = (
        select(TaskRow.study_key, TaskRow.kind, TaskRow.account, TaskRow.state)
        .where(TaskRow.study_key.in_(keys))
        .order_by(TaskRow.kind, TaskRow.account)
    )
    for key, kind, account, state in session.execute(query):
        if state == TaskState.ASSIGNED:
            found.setdefault(key, []).append(Given(TaskKind(kind), account))
    return found


def _alone(session: Session, keys: Sequence[str]) -> set[str]:
    """Exams that one person reads, or in which the AI counts; those that wait may become so."""
    query = select(ExamRow.study_key, ExamRow.plan).where(ExamRow.study_key.in_(keys))
    return {
        key
        for key, plan in session.execute(query)
        if plan is None or plan["human_reads"] == 1 or plan["ai_counts"]
    }


def _units(
    session: Session,
    section: ReadingSection,
    caller: Caller,
    counts: Sequence[Count],
    midnight: datetime.datetime,
) -> list[UnitNow]:
    since = midnight - datetime.timedelta(days=DIFFERED_DAYS)
    decided = day.decided(session, caller.name, since, midnight)
    own = lists.blind_units(session, caller.name)
    names = dict.fromkeys([*section.names, *(one.unit for one in counts)])
    found = []
    for name in names:
        of_unit = [one for one in counts if one.unit == name]
        pause = last_pause(session, name)
        paused = pause if pause is not None and pause.paused else None
        found.append(
            UnitNow(
                name=name,
                reads=name in own,
                open=sum(one.total for one in of_unit),
                overdue=sum(one.older[2] for one in of_unit),
                decided=tuple(one for one in decided if one.unit == name),
                paused=paused is not None,
                paused_by="" if paused is None else paused.actor,
                paused_at=None if paused is None else paused.at,
                paused_why="" if paused is None else paused.reason,
                may_act=name in section.names and acting(section, caller, name) is not None,
            )
        )
    return found


def _loads(
    session: Session, caller: Caller, asked: Asked, midnight: datetime.datetime
) -> list[Load]:
    """Every reader with a load, and those of the list who have none."""
    loads = lists.workload(session, caller.name, midnight)
    known = {(one.unit, one.account) for one in loads}
    own = lists.blind_units(session, caller.name)
    query = select(ReaderRow.unit, ReaderRow.account).where(
        ReaderRow.active, ReaderRow.reads | ReaderRow.arbitrates, ReaderRow.unit.not_in(own)
    )
    idle = [Load(*who, 0, 0) for who in session.execute(query) if tuple(who) not in known]
    every = [one for one in (*loads, *idle) if asked.unit in ("", one.unit)]
    return sorted(every, key=lambda one: (one.unit, -one.open, one.account))


def _messages(session: Session, caller: Caller) -> list[Message]:
    rows = undelivered(session, caller.name, UNDELIVERED)
    return [
        Message(
            row.id, row.study_key, row.destination, row.state, row.tries, row.error, row.created_at
        )
        for row in rows
    ]


def undelivered(session: Session, account: str, limit: int) -> list[OutgoingMessage]:
    """Decisions that are not delivered, of exams that a person may see.

    That a technical repeat was told would tell of an exam that is not decided.
    """
    decisions = messages.only_of(AnnouncementKind.DECISION)
    rows = messages.undelivered(session, limit, decisions)
    hides = lists.hidden_keys(session, account, {row.study_key for row in rows})
    return [row for row in rows if row.study_key not in hides]
