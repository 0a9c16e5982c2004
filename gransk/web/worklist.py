"""The reading worklist as data: one row for each study and application."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydicom.uid import SegmentationStorage
from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session

from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.application import Application
from gransk.core.programme import UNKNOWN, Programme
from gransk.core.reasons import Reason, text
from gransk.reading import urgent
from gransk.reading.seeing import Looker, hidden
from gransk.results.tables import (
    Delivery,
    DeliveryState,
    ExamProgramme,
    Report,
    ReportObject,
    Workitem,
    WorkState,
)
from gransk.results.urgency import Urgency
from gransk.site.config_priority import PrioritySection

PAGE_SIZE = 50
SHOWN: tuple[WorkState, ...] = tuple(
    state for state in WorkState if state is not WorkState.WITHDRAWN
)
"""States that the worklist shows unless one is asked for by name."""


class Blinded(StrEnum):
    """The one state of a study of which a person sees that it is here, and nothing else."""

    TO_READ = "to_read"


State = WorkState | Blinded

LineOf = Callable[[Session, Workitem, Application, str], str | None]
"""Findings of a ready study in one line, in a language."""


class Query(BaseModel):
    """What a person asks of the worklist: filter, order and page."""

    model_config = ConfigDict(frozen=True)

    state: WorkState | Blinded | Literal[""] = ""
    programme: Programme | Literal["unknown", ""] = ""
    search: Annotated[str, Field(max_length=128)] = ""
    sort: Literal["received", "patient", "study_date", "state", "priority"] = "received"
    order: Literal["asc", "desc"] = "desc"
    page: Annotated[int, Field(ge=1, le=100_000)] = 1


@dataclass(frozen=True)
class Row:
    """One line of the worklist.

    ``study.patient_name`` and its like are DICOM text as it came; ``findings``
    is None where there are none to show, sealed and released. Of what a person may not see, the
    row has no item, and what it shows depends on the images alone.
    """

    study: SeenStudy
    item: Workitem | None
    state: State
    reason: str
    line: str | None
    application: str
    opens_at: str = ""
    """Series of ours that the viewer opens first, delivered to the archive; empty where none is."""
    programme: ExamProgramme | None = None
    """None where nobody said anything of it."""

    urgency: Urgency | None = None
    """Where the site's rules moved the unread study up."""

    images_at: datetime.datetime | None = None
    """Of a row without an item, when its last image came; the study's own time where absent."""

    @property
    def urgent_before(self) -> bool:
        """Was it an earlier report of this row that moved the study up?"""
        moved, item = self.urgency, self.item
        if moved is None or item is None or item.application != moved.application:
            return False
        return item.report_key != moved.report_key

    @property
    def received_at(self) -> datetime.datetime:
        return self.item.images_at if self.item else self.images_at or self.study.changed_at


@dataclass(frozen=True)
class Page:
    """One page of rows, the number of all that match, and the studies in each state.

    ``programmes`` tells whether the programme of any exam is known, so that asking makes sense.
    """

    rows: list[Row]
    total: int
    counts: dict[State, int]
    query: Query
    programmes: bool = False

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


MOVED = 100
"""What a level of the site's rules weighs beside a person's priority (`gransk.archive.studies`)."""

# A study that was seen but not yet handed to the pipeline is waiting.
STATE: ColumnElement[str] = func.coalesce(Workitem.state, WorkState.WAITING.value)
RECEIVED = func.coalesce(Workitem.images_at, SeenStudy.changed_at)


def _state(who: Looker | None) -> ColumnElement[str]:
    """The state that a person sees."""
    if who is None:
        return STATE
    return case((hidden(who, SeenStudy.key), Blinded.TO_READ.value), else_=STATE)


def _sort(name: str, who: Looker | None) -> ColumnElement[Any]:
    """What a list is ordered by; the same of everything that a person may not see."""
    if name == "state":
        return case(
            {state.value: n for n, state in enumerate((*WorkState, *Blinded))}, value=_state(who)
        )
    if name == "priority":
        given = func.coalesce(Workitem.priority, SeenStudy.priority)
        moved = MOVED * _moved(who)
        priority = given if who is None else case((hidden(who, SeenStudy.key), 0), else_=given)
        return case((moved > priority, moved), else_=priority)
    return {
        "received": RECEIVED,
        "patient": func.lower(SeenStudy.patient_name),
        "study_date": SeenStudy.study_date + SeenStudy.study_time,
    }[name]


def _moved(who: Looker | None) -> ColumnElement[int]:
    """How far the site's rules move a study up; nothing of what a person may not see."""
    rank = urgent.rank()
    return rank if who is None else case((hidden(who, SeenStudy.key), 0), else_=rank)


def _joined(query: Query, *columns: Any) -> Select[Any]:
    joined = (
        select(*columns)
        .select_from(SeenStudy)
        .outerjoin(Workitem, Workitem.study_key == SeenStudy.key)
    )
    if not query.programme:
        return joined
    return joined.outerjoin(ExamProgramme, ExamProgramme.study_key == SeenStudy.key)


def _matches(search: str) -> ColumnElement[bool]:
    """Every word of the search is in the name, the ID or the accession number."""
    text_of = (
        SeenStudy.patient_name,
        SeenStudy.patient_id,
        SeenStudy.accession_number,
    )
    return and_(
        *(
            or_(
                *(
                    func.lower(cast(column, String)).contains(word, autoescape=True)
                    for column in text_of
                )
            )
            for word in search.lower().replace(",", " ").replace("^", " ").split()
        )
    )


def _conditions(query: Query, who: Looker | None, with_state: bool) -> list[ColumnElement[bool]]:
    # A study that never had images to analyse holds reports alone.
    conditions: list[ColumnElement[bool]] = [
        or_(Workitem.id.is_not(None), SeenStudy.pending, SeenStudy.settled_fingerprint != ""),
        SeenStudy.purpose != Purpose.PRIOR,
    ]
    if query.search.strip():
        conditions.append(_matches(query.search))
    if query.programme == UNKNOWN:
        conditions.append(ExamProgramme.programme.is_(None))
    elif query.programme:
        conditions.append(ExamProgramme.programme == query.programme)
    if with_state and query.state:
        conditions.append(_state(who).is_not_distinct_from(query.state.value))
    if query.state != WorkState.WITHDRAWN:
        conditions.append(SeenStudy.deleted_at.is_(None))
        conditions.append(STATE.is_distinct_from(WorkState.WITHDRAWN.value))
    return conditions


def page(
    session: Session,
    query: Query,
    language: str,
    installed: dict[str, Application],
    line_of: LineOf,
    who: Looker | None = None,
) -> Page:
    """One page of the worklist.

    Parameters
    ----------
    session : Session
    query : Query
    language : str
        ``da`` or ``en``, of the findings' line and the reasons.
    installed : dict
        Applications by id, for their presentation.
    line_of : callable
        Findings of a ready study in one line.
    who : Looker, optional
        Whose list it is; None for one that nothing is hidden from.
    """
    counts = _counts(session, query, who)
    total = counts.get(query.state, 0) if query.state else sum(_shown(counts).values())
    column = _sort(query.sort, who)
    # Keys are sorted first and rows read after: sorting whole rows is slow.
    first = [_moved(who).desc()] if query.sort == "received" else []
    ordered = (
        _joined(query, SeenStudy.key, Workitem.id, _state(who))
        .outerjoin(Urgency, Urgency.study_key == SeenStudy.key)
        .where(*_conditions(query, who, with_state=True))
        .order_by(
            *first,
            column.desc() if query.order == "desc" else column.asc(),
            RECEIVED.desc(),
            SeenStudy.key,
        )
        .limit(PAGE_SIZE)
        .offset((query.page - 1) * PAGE_SIZE)
    )
    rows = session.execute(ordered).all()
    blinded = {key for key, _, state in rows if state == Blinded.TO_READ}
    keys = [(key, item) for key, item, _ in rows]
    studies = {s.key: s for s in _by(session, SeenStudy, SeenStudy.key, [k for k, _ in keys])}
    items = {i.id: i for i in _by(session, Workitem, Workitem.id, [i for _, i in keys if i])}
    found = [(studies[key], items.get(item)) for key, item in keys]
    reports = _reports(session, [item.report_key for _, item in found if item])
    known = {p.study_key: p for p in _by(session, ExamProgramme, ExamProgramme.study_key,
                                         [study.key for study, _ in found])}  # fmt: skip
    moved = urgent.standing_among(session, [study.key for study, _ in found])
    shown = [
        to_read(study, item, known.get(study.key))
        if study.key in blinded
        else make_row(
            session, study, item, language, installed, line_of, known.get(study.key), reports, moved
        )
        for study, item in found
    ]
    any_known = select(ExamProgramme.study_key).where(ExamProgramme.programme.is_not(None)).limit(1)
    return Page(shown, total, counts, query, session.scalar(any_known) is not None)


def _counts(session: Session, query: Query, who: Looker | None) -> dict[State, int]:
    """Studies in each state; "to read" only where something is, or is asked for."""
    state = _state(who).label("shown")
    counts: dict[State, int] = dict.fromkeys(SHOWN, 0)
    if query.state == Blinded.TO_READ:
        counts[Blinded.TO_READ] = 0
    counting = _joined(query, state, func.count()).where(*_conditions(query, who, with_state=False))
    for found, count in session.execute(counting.group_by("shown")):
        counts[Blinded.TO_READ if found == Blinded.TO_READ else WorkState(found)] = count
    return counts


def _shown(counts: dict[State, int]) -> dict[State, int]:
    """What the worklist shows unless a state is asked for by name."""
    return {state: count for state, count in counts.items() if state is not WorkState.WITHDRAWN}


def to_read(study: SeenStudy, item: Workitem | None, programme: ExamProgramme | None) -> Row:
    """The line of a study of which the person may see that it is here, and nothing else."""
    return Row(
        study=study,
        item=None,
        state=Blinded.TO_READ,
        reason="",
        line=None,
        application="",
        programme=programme,
        images_at=item.images_at if item else None,
    )


def _by(session: Session, table: Any, column: Any, values: list[str]) -> Any:
    return session.scalars(select(table).where(column.in_(values)))


def _reports(session: Session, report_keys: list[str | None]) -> dict[str, str]:
    """Released reports, and the series of each that the viewer opens first."""
    keys = [key for key in report_keys if key]
    found = dict.fromkeys(
        session.scalars(
            select(Report.key).where(
                Report.key.in_(keys),
                Report.released_at.is_not(None),
                Report.withdrawn_at.is_(None),
            )
        ),
        "",
    )
    delivered = (
        select(ReportObject.report_key, ReportObject.series_instance_uid)
        .join(Delivery, Delivery.sop_instance_uid == ReportObject.sop_instance_uid)
        .where(
            ReportObject.report_key.in_(found),
            ReportObject.sop_class_uid == SegmentationStorage,
            Delivery.state == DeliveryState.SENT,
        )
    )
    return found | {key: series for key, series in session.execute(delivered)}


def make_row(
    session: Session,
    study: SeenStudy,
    item: Workitem | None,
    language: str,
    installed: dict[str, Application],
    line_of: LineOf,
    programme: ExamProgramme | None = None,
    reports: dict[str, str] | None = None,
    moved: Mapping[str, Urgency] | None = None,
) -> Row:
    """The line of one study; findings show only once their report is released."""
    if item is None:
        return Row(study, None, WorkState.WAITING, "", None, "", programme=programme)
    if moved is None:
        moved = urgent.standing_among(session, [study.key])
    if reports is None:
        reports = _reports(session, [item.report_key])
    application = installed.get(item.application)
    title = application.presentation.title[language] if application else item.application
    line = None
    if application and item.state == WorkState.READY and item.report_key in reports:
        line = line_of(session, item, application, language)
    return Row(
        study=study,
        item=item,
        state=WorkState(item.state),
        reason=reason_text(item.reason, language),
        line=line,
        application=title,
        opens_at=reports.get(str(item.report_key), "") if line is not None else "",
        programme=programme,
        urgency=moved.get(study.key),
    )


def urgent_json(urgency: Urgency | None, rules: PrioritySection) -> dict[str, str] | None:
    """Why a study moved up, as JSON."""
    if urgency is None:
        return None
    words = {language: rules.words(urgency.rule, language) for language in ("da", "en")}
    return {"level": urgency.level, "rule": urgency.rule, **words}


def reason_text(code: str | None, language: str) -> str:
    """The text of a reason code; a code of another version stays as it is."""
    if not code:
        return ""
    try:
        return text(Reason(code), language)
    except ValueError:
        return code
