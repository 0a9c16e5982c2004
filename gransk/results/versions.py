"""Versions of a study's report as other systems follow it: one line for each change after release.

What is in this table is released: it is written in the transaction that releases a report,
takes it back, or lets it stand again.
"""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from gransk.results import edits
from gransk.results.tables import FindingAct, Report, Workitem
from gransk.site.database import Base, UtcDateTime, utcnow


class ReportStatus(StrEnum):
    """HL7 FHIR R4, code system ``diagnostic-report-status``, as far as it comes about here."""

    PARTIAL = "partial"
    """Nobody verified it, or images are missing."""
    PRELIMINARY = "preliminary"
    """A person went through findings, and nobody signed."""
    FINAL = "final"
    AMENDED = "amended"
    """Signed; another one was signed before."""
    CORRECTED = "corrected"
    """Signed; one of the same content was signed before, about another patient or study."""
    CANCELLED = "cancelled"
    """Taken back, and never signed."""
    ENTERED_IN_ERROR = "entered-in-error"
    """Taken back after it was signed."""


SIGNED = (ReportStatus.FINAL, ReportStatus.AMENDED, ReportStatus.CORRECTED)
WITHDRAWN = (ReportStatus.CANCELLED, ReportStatus.ENTERED_IN_ERROR)


class ReportVersion(Base):
    """One version of the report of a row of the worklist; never changed."""

    __tablename__ = "report_version"

    workitem_id: Mapped[str] = mapped_column(ForeignKey("workitem.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1."""
    report_key: Mapped[str] = mapped_column(ForeignKey("report.key"))
    status: Mapped[ReportStatus] = mapped_column(String(16))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When it was released, taken back, or let stand again."""

    __table_args__ = (Index("ix_report_version_at", "at", "workitem_id"),)


def note_version(
    session: Session, report: Report, at: datetime.datetime | None = None
) -> ReportVersion | None:
    """Write the version that a report is now; None where it is not released, or nothing changed.

    Parameters
    ----------
    session : Session
        Of `Database.begin`, where the report was released, taken back or let stand again.
    report : Report
    at : datetime, optional
        When that was; now, where it is not given.
    """
    if report.released_at is None:
        return None
    item = session.get_one(Workitem, report.workitem_id, with_for_update=True)
    before = versions_of(session, report.workitem_id)
    status = _status(session, item, report, before)
    last = before[-1] if before else None
    if last is not None and (last.report_key, last.status) == (report.key, status):
        return None
    now = at or utcnow()
    if last is not None and now <= last.at:
        now = last.at + datetime.timedelta(microseconds=1)
    version = ReportVersion(
        workitem_id=item.id,
        number=1 if last is None else last.number + 1,
        report_key=report.key,
        status=status,
        at=now,
    )
    session.add(version)
    session.flush()
    return version


def versions_of(session: Session, workitem_id: str) -> list[ReportVersion]:
    """Every version of a row's report, the first first."""
    query = select(ReportVersion).where(ReportVersion.workitem_id == workitem_id)
    return list(session.scalars(query.order_by(ReportVersion.number)))


def catch_up(session: Session) -> int:
    """Write the versions of reports that were released before this table was; how many."""
    known = select(ReportVersion.report_key)
    query = (
        select(Report)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .where(Report.released_at.is_not(None), Report.key.not_in(known))
        .where(Workitem.report_key == Report.key)
        .order_by(Report.released_at, Report.key)
    )
    found = session.scalars(query).all()
    made = [note_version(session, one, one.withdrawn_at or one.released_at) for one in found]
    return sum(one is not None for one in made)


def _status(
    session: Session, item: Workitem, report: Report, before: list[ReportVersion]
) -> ReportStatus:
    signed = [one for one in before if one.status in SIGNED]
    if report.withdrawn_at is not None:
        return ReportStatus.ENTERED_IN_ERROR if signed else ReportStatus.CANCELLED
    if edits.report_signature(session, item.study_key, item.application, report) is None:
        looked = not report.incomplete and _looked(session, item, report)
        return ReportStatus.PRELIMINARY if looked else ReportStatus.PARTIAL
    others = [one for one in signed if one.report_key != report.key]
    if not others:
        return ReportStatus.FINAL
    other = session.get_one(Report, others[-1].report_key)
    same = (other.analysis_key, other.follow_up_sha256) == (
        report.analysis_key,
        report.follow_up_sha256,
    )
    return ReportStatus.CORRECTED if same and not _between(session, item, other, report) else (
        ReportStatus.AMENDED
    )  # fmt: skip


def _looked(session: Session, item: Workitem, report: Report) -> bool:
    """Did a person say anything of the findings of the report's analysis?"""
    acts = edits.standing(
        edits.acts(session, item.study_key, item.application, report.analysis_key)
    )
    return any(act.analysis_key == report.analysis_key for act in acts)


def _between(session: Session, item: Workitem, other: Report, report: Report) -> bool:
    """Did a person do something between two reports?"""
    query = select(FindingAct.number).where(
        FindingAct.study_key == item.study_key,
        FindingAct.application == item.application,
        FindingAct.at > other.created_at,
        FindingAct.at <= (report.released_at or report.created_at),
    )
    return session.scalar(query.limit(1)) is not None
