"""Released reports go out: each is announced once, and what becomes of it."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from gransk.core.application import Application, Presentation
from gransk.results.announcing import News, announce_news
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.dicom.texts import TEXTS
from gransk.results.message_tables import (
    Announcement,
    AnnouncementKind,
    OutgoingMessage,
    ToldReport,
)
from gransk.results.report_content import ReportContent, report_content
from gransk.results.tables import Report, ReportObject, Workitem
from gransk.results.told_reports import (
    ObjectTold,
    ReportTold,
    Status,
    findings_told,
    study_advice,
)
from gransk.site.config import Config
from gransk.site.config_messages import Subject
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportTeller:
    """Announces a report as it is released (a hook of `release_report`), and what follows.

    Parameters
    ----------
    blobs : BlobStore
    applications : mapping of str to Application
        By id.
    language : str
        Of texts.
    destinations : tuple of str
        Names of ``messages.destinations`` that are told findings. Without one nothing is
        announced: who is told later begins with what is released then.
    """

    blobs: BlobStore
    applications: Mapping[str, Application]
    language: str
    destinations: tuple[str, ...]

    def __call__(self, session: Session, item: Workitem, report: Report) -> None:
        """Announce a report.

        Findings whose file is missing, damaged or out of reach raise, so that the release is
        tried again and then shows as failed work: the file may come back, and a first report
        that is released untold would never be told. Findings that are whole and make no sense
        never will: they are told of in the log, and the report is released.

        Raises
        ------
        BlobError, OSError
            Where the findings cannot be read now.
        """
        application = self.applications.get(item.application)
        if not self.destinations or application is None:
            return
        try:
            content = report_content(session, self.blobs, item, report)
        except (KeyError, ValueError) as error:
            log.error("study %s is not announced: %s", item.study_key, type(error).__name__)
            return
        known = session.get(ToldReport, item.id, with_for_update=True)
        told = self._told(session, item, report, content, application.presentation, known)
        self._announce(session, item, told, known)

    def run_once(self, database: Database) -> int:
        """Announce what became of told reports: gone, or standing again; how many.

        One that stands again and is held is told as withdrawn, if that was not told yet.
        """
        if not self.destinations:
            return 0
        with database.read() as session:
            found = list(session.scalars(_changed()))
        for workitem in found:
            try:
                with database.begin() as session:
                    self._again(session, workitem)
            except (BlobError, OSError) as error:
                # It is found again the next time; the others must not wait for it.
                log.error("row %s is not told again: %s", workitem, type(error).__name__)
        return len(found)

    def _again(self, session: Session, workitem: str) -> None:
        query = _changed().where(ToldReport.workitem_id == workitem).with_for_update(of=ToldReport)
        if session.scalar(query) is None:
            return
        item = session.get_one(Workitem, workitem)
        known = session.get_one(ToldReport, workitem)
        report = session.get_one(Report, item.report_key or known.report_key)
        if report.withdrawn_at is None and report.released_at is not None:
            self(session, item, report)
            return
        told = ReportTold(
            study_key=item.study_key,
            application=item.application,
            report_key=known.report_key,
            status=Status.WITHDRAWN,
            at=report.withdrawn_at or utcnow(),
        )
        self._announce(session, item, told, known)

    def _told(
        self,
        session: Session,
        item: Workitem,
        report: Report,
        content: ReportContent,
        presentation: Presentation,
        known: ToldReport | None,
    ) -> ReportTold:
        findings, follow_up = content.findings, content.follow_up
        objects = session.scalars(
            select(ReportObject)
            .where(ReportObject.report_key == report.key)
            .order_by(ReportObject.kind, ReportObject.sop_instance_uid)
        )
        text = follow_up.text.get(self.language, "") if follow_up is not None else ""
        return ReportTold(
            study_key=item.study_key,
            application=item.application,
            report_key=report.key,
            status=_status(content, known),
            at=_since(report, content, known),
            incomplete=report.incomplete,
            research=findings.research,
            notices=tuple(
                TEXTS[name][self.language]
                for name, holds in (
                    ("research", findings.research),
                    ("incomplete", report.incomplete),
                )
                if holds
            ),
            models=tuple(f"{model.id} {model.version}" for model in findings.models),
            measurements=tuple(m for m in findings.measurements if m.name in WHOLE),
            qualities=tuple(q for q in findings.qualities if q.name in WHOLE),
            findings=findings_told(
                content, presentation.sizes, presentation.key_qualities, self.language
            ),
            advice=study_advice(follow_up, self.language),
            line=presentation.line(findings, self.language),
            text=text,
            objects=tuple(
                ObjectTold(
                    kind=one.kind,
                    sop_class_uid=one.sop_class_uid,
                    sop_instance_uid=one.sop_instance_uid,
                    series_instance_uid=one.series_instance_uid,
                )
                for one in objects
            ),
        )

    def _announce(
        self, session: Session, item: Workitem, told: ReportTold, known: ToldReport | None
    ) -> None:
        news = News(
            AnnouncementKind.FINDINGS,
            item.study_key,
            told,
            EventKind.FINDINGS_ANNOUNCED,
            {"report": told.report_key, "status": told.status.value},
            application=item.application,
        )
        made = announce_news(session, news, self.destinations)
        row = known or ToldReport(workitem_id=item.id, final=False)
        row.report_key, row.announcement = told.report_key, made.number
        row.withdrawn = told.status is Status.WITHDRAWN
        row.final = row.final or told.status is Status.FINAL
        session.add(row)
        session.flush()


def make_report_teller(
    config: Config, blobs: BlobStore, applications: Mapping[str, Application]
) -> ReportTeller:
    """Tells whom the configuration names, of the installed applications."""
    findings = config.messages.names(Subject.FINDINGS)
    return ReportTeller(blobs, applications, config.language, findings)


def tell_again(
    session: Session, study_key: str, identity: str, destinations: Collection[str]
) -> int:
    """Tell the reports of a study anew, whose patient has another identifier now; how many.

    Who was never told of one is not told now, as with decisions. The objects are those of
    before: what is made under the new identity is told when it is released.
    """
    query = (
        select(ToldReport, Announcement)
        .join(Announcement, Announcement.number == ToldReport.announcement)
        .join(Report, Report.key == ToldReport.report_key)
        .where(Announcement.study_key == study_key)
        .where(ToldReport.withdrawn.is_(False), Report.withdrawn_at.is_(None))
        .order_by(ToldReport.announcement)
        .with_for_update(of=ToldReport)
    )
    again = 0
    for row, last in session.execute(query).all():
        report = ReportTold.model_validate(last.content)
        if report.identity.partition(".")[0] == identity:
            continue
        status = Status.CORRECTED if row.final else report.status
        update = {"status": status, "identity": f"{identity}.{last.number}"}
        news = News(
            AnnouncementKind.FINDINGS,
            study_key,
            report.model_copy(update=update),
            EventKind.FINDINGS_ANNOUNCED,
            {"report": report.report_key, "status": status.value},
            application=last.application,
        )
        told = _told_of(session, last)
        names = [name for name in destinations if name in told]
        row.announcement = announce_news(session, news, names).number
        session.flush()
        again += 1
    return again


def _told_of(session: Session, last: Announcement) -> set[str]:
    """Destinations that were told of a study's report, or for which a message is made."""
    query = (
        select(OutgoingMessage.destination)
        .join(Announcement, Announcement.number == OutgoingMessage.announcement)
        .where(
            Announcement.study_key == last.study_key,
            Announcement.kind == AnnouncementKind.FINDINGS,
            Announcement.application == last.application,
            OutgoingMessage.sha256.is_not(None),
        )
    )
    return set(session.scalars(query))


WHOLE = frozenset({"exam_score", "score_category"})
"""Measurements and properties of the exam as a whole that are told."""


def _status(content: ReportContent, known: ToldReport | None) -> Status:
    """How a report is told: a final one is only ever corrected."""
    if known is not None and known.final:
        return Status.CORRECTED
    return Status.PRELIMINARY if content.signature is None else Status.FINAL


def _since(report: Report, content: ReportContent, known: ToldReport | None) -> datetime.datetime:
    """When what is told came to be so; of one that stands again, now."""
    if known is not None and known.withdrawn:
        return utcnow()
    signed = None if content.signature is None else content.signature.at
    return max(filter(None, (signed, report.released_at)), default=report.created_at)


def _changed() -> Select[str]:
    """Workitems of which something else holds than was told last."""
    held = and_(Report.released_at.is_(None), ToldReport.report_key == Report.key)
    gone = and_(or_(Report.withdrawn_at.is_not(None), held), ToldReport.withdrawn.is_(False))
    other = or_(ToldReport.report_key != Report.key, ToldReport.withdrawn)
    stands = and_(Report.withdrawn_at.is_(None), Report.released_at.is_not(None))
    return (
        select(ToldReport.workitem_id)
        .join(Workitem, Workitem.id == ToldReport.workitem_id)
        .join(Report, Report.key == Workitem.report_key)
        .where(or_(gone, and_(stands, other)))
        .order_by(ToldReport.announcement)
    )
