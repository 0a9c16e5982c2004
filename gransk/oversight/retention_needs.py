"""Which large objects are needed, and since when others are not.

An object goes only where everything that names it may go. So whatever is not known here, such as
a table that comes later, keeps what it names.

Kept for ever as evidence: findings, comparisons, what reports tell beside them, structured
reports (SR, CAD), rejection notes, whatever a person signed, and opinions that were sealed in the
reading room. A study keeps everything while it is held, in work, on its way to a destination,
before a reader, or to be followed up.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import String, column, inspect, or_, select, table
from sqlalchemy.orm import Session

from gransk.core.object_kinds import ObjectKind
from gransk.oversight.retention_tables import StudyHold
from gransk.reading.entries import Kind
from gransk.reading.exam import ENDED
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.tables import OPEN as FOLLOWED
from gransk.reading.tables import FollowUpRow
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.results.tables import (
    ActKind,
    Analysis,
    Blob,
    Delivery,
    DeliveryState,
    FindingAct,
    KeptComparison,
    Report,
    ReportObject,
    Workitem,
    WorkState,
)

EVIDENCE = (ObjectKind.SR, ObjectKind.CAD)
IN_WORK = (WorkState.WAITING, WorkState.RUNNING, WorkState.FAILED)
UNDELIVERED = (DeliveryState.WAITING, DeliveryState.FAILED, DeliveryState.RECALL)
UNSENT = (MessageState.WAITING, MessageState.FAILED)


class Why(StrEnum):
    """Why an object may go."""

    FALLEN = "fallen"
    """Of a report that was superseded or withdrawn."""
    MESSAGE = "message"
    """The body or answer of a message that was sent."""
    UNNAMED = "unnamed"
    """Nothing names it: the work that made it was never finished."""


@dataclass(frozen=True)
class Spent:
    """An object that nothing needs.

    Parameters
    ----------
    sha256 : str
    size : int
    why : Why
    since : datetime
        Since when.
    """

    sha256: str
    size: int
    why: Why
    since: datetime.datetime


def spent(session: Session) -> list[Spent]:
    """Every kept object that nothing needs, the one that was needed least lately first."""
    asked = _Asked(session)
    names: dict[str, list[tuple[Why, datetime.datetime] | None]] = {}
    for sha256, may_go in asked.references():
        names.setdefault(sha256, []).append(may_go)
    found = []
    for blob in session.scalars(select(Blob).where(Blob.removed_at.is_(None))):
        reasons = names.get(blob.sha256)
        if reasons is None:
            found.append(Spent(blob.sha256, blob.size, Why.UNNAMED, blob.created_at))
        elif all(reasons):
            why, since = max((one for one in reasons if one), key=lambda one: one[1])
            found.append(Spent(blob.sha256, blob.size, why, since))
    return sorted(found, key=lambda one: (one.since, one.sha256))


def busy_studies(session: Session) -> set[str]:
    """Studies of which nothing goes now, whatever its age."""
    of_report = select(Workitem.study_key).join(Report, Report.workitem_id == Workitem.id)
    queries = (
        select(StudyHold.study_key).where(StudyHold.lifted_at.is_(None)),
        select(Workitem.study_key).where(Workitem.state.in_(IN_WORK)),
        of_report.join(Delivery, Delivery.report_key == Report.key).where(
            or_(Delivery.state.in_(UNDELIVERED), Delivery.trying.is_not(None))
        ),
        of_report.where(
            Report.released_at.is_(None),
            Report.withdrawn_at.is_(None),
            Workitem.report_key == Report.key,
        ),
        select(OutgoingMessage.study_key).where(OutgoingMessage.state.in_(UNSENT)),
        select(ExamRow.study_key).where(ExamRow.state.not_in(ENDED)),
        select(FollowUpRow.study_key).where(FollowUpRow.state.in_(FOLLOWED)),
    )
    return {key for query in queries for key in session.scalars(query)}


class _Asked:
    """What the rows say, read once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.busy = busy_studies(session)
        self.items = {item.id: item for item in session.scalars(select(Workitem))}
        self.reports = {one.key: one for one in session.scalars(select(Report))}
        self.kept_reports, self.kept_analyses = self._sealed()
        self.fell = dict(self._fell())
        self.spent_analyses = dict(self._spent_analyses())

    def references(self) -> Iterator[tuple[str, tuple[Why, datetime.datetime] | None]]:
        """Each place where an object is named; None where it is needed there."""
        known: dict[str, Iterable[tuple[str, tuple[Why, datetime.datetime] | None]]] = {
            ReportObject.__tablename__: self._objects(),
            Analysis.__tablename__: self._analyses(),
            KeptComparison.__tablename__: self._comparisons(),
            OutgoingMessage.__tablename__: self._messages(),
        }
        for name, columns in naming_columns(self.session):
            if name in known:
                yield from known[name]
                continue
            for one in columns:
                named = select(column(one, String)).select_from(table(name))
                named = named.where(column(one).is_not(None)).distinct()
                yield from ((str(sha256), None) for sha256 in self.session.scalars(named))
        told = select(Report.follow_up_sha256).where(Report.follow_up_sha256.is_not(None))
        yield from ((str(sha256), None) for sha256 in self.session.scalars(told))

    def _sealed(self) -> tuple[set[str], set[str]]:
        """Reports and analyses that stand as evidence: signed, or sealed before people read."""
        signed = select(FindingAct).where(FindingAct.kind == ActKind.SIGN)
        acts = self.session.scalars(signed).all()
        reports = {act.report_key for act in acts}
        analyses = {act.analysis_key for act in acts}
        entries = select(EntryRow.content).where(
            EntryRow.kind.in_([Kind.AI_SEALED.value, Kind.LATE_AI.value])
        )
        for content in self.session.scalars(entries):
            for key, value in _values(content):
                if key == "report_key":
                    reports.add(value)
                elif key == "analysis_key":
                    analyses.add(value)
        analyses |= {self.reports[key].analysis_key for key in reports if key in self.reports}
        return reports, analyses

    def _fell(self) -> Iterator[tuple[str, datetime.datetime]]:
        """Reports that stand no more, and since when."""
        followed: dict[str, datetime.datetime] = {}
        for one in self.reports.values():
            if one.supersedes is not None:
                at = followed.get(one.supersedes)
                followed[one.supersedes] = max(one.created_at, at or one.created_at)
        for key, one in self.reports.items():
            item = self.items[one.workitem_id]
            if item.study_key in self.busy or key in self.kept_reports:
                continue
            if item.report_key != key:
                yield key, max(filter(None, (followed.get(key), one.withdrawn_at, one.created_at)))
            elif one.withdrawn_at is not None:
                yield key, one.withdrawn_at

    def _spent_analyses(self) -> Iterator[tuple[str, datetime.datetime]]:
        """Analyses of which no report stands, and since when."""
        of: dict[str, list[str]] = {}
        for key, one in self.reports.items():
            of.setdefault(one.analysis_key, []).append(key)
        standing = {
            item.analysis_key
            for item in self.items.values()
            if item.report_key is None or item.report_key not in self.fell
        }
        for key, reports in of.items():
            if key in standing or key in self.kept_analyses:
                continue
            if all(report in self.fell for report in reports):
                yield key, max(self.fell[report] for report in reports)

    def _objects(self) -> Iterator[tuple[str, tuple[Why, datetime.datetime] | None]]:
        for made in self.session.scalars(select(ReportObject)):
            at = self.fell.get(made.report_key)
            goes = at is not None and made.kind not in EVIDENCE
            yield made.sha256, (Why.FALLEN, at) if goes and at is not None else None

    def _analyses(self) -> Iterator[tuple[str, tuple[Why, datetime.datetime] | None]]:
        for one in self.session.scalars(select(Analysis)):
            at = self.spent_analyses.get(one.key)
            yield one.findings_sha256, None
            yield one.pictures_sha256, None if at is None else (Why.FALLEN, at)

    def _comparisons(self) -> Iterator[tuple[str, tuple[Why, datetime.datetime] | None]]:
        for one in self.session.scalars(select(KeptComparison)):
            at = self.spent_analyses.get(one.current_analysis)
            yield one.comparison_sha256, None
            yield one.pictures_sha256, None if at is None else (Why.FALLEN, at)

    def _messages(self) -> Iterator[tuple[str, tuple[Why, datetime.datetime] | None]]:
        for one in self.session.scalars(select(OutgoingMessage)):
            at = one.sent_at or one.created_at
            needed = one.state in UNSENT or one.study_key in self.busy
            for sha256 in filter(None, (one.sha256, one.answer_sha256)):
                yield sha256, None if needed else (Why.MESSAGE, at)


def naming_columns(session: Session) -> list[tuple[str, list[str]]]:
    """Every table that names objects of the store, and by which columns.

    The database says so, not the code that happens to be loaded: a command loads few tables.
    """
    found: dict[str, list[str]] = {}
    for (_, name), keys in inspect(session.connection()).get_multi_foreign_keys().items():
        for key in keys:
            if key["referred_table"] == Blob.__tablename__:
                found.setdefault(name, []).extend(key["constrained_columns"])
    return sorted(found.items())


def _values(content: object) -> Iterator[tuple[str, str]]:
    """Every text in JSON, with its key."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            if isinstance(value, str):
                yield str(key), value
            else:
                yield from _values(value)
    elif isinstance(content, Collection) and not isinstance(content, str):
        for value in content:
            yield from _values(value)
