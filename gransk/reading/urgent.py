"""Studies that move up by the site's rules, while nobody has read them.

A report that is released before the exam is read may make the study urgent: the report may be
seen, so its place may too. In the reading room that is where the policy shows marks to readers;
in all other exams no report is released before the decision.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from gransk.core.application import Application
from gransk.core.urgent import hold
from gransk.reading.entries import TaskKind
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.results.announcing import News, announce_news
from gransk.results.blobs import BlobStore
from gransk.results.edits import report_signature
from gransk.results.message_tables import AnnouncementKind
from gransk.results.report_content import report_content
from gransk.results.tables import ActKind, FindingAct, Report, Workitem
from gransk.results.told_reports import PriorityTold
from gransk.results.urgency import Level, Urgency
from gransk.site.config import Config
from gransk.site.config_messages import Subject
from gransk.site.config_priority import PriorityRule
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record

RANKS = {Level.HIGH: 1, Level.STAT: 2}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Raiser:
    """Moves a study up where its report, as it is released, holds what a rule asks for.

    Parameters
    ----------
    blobs : BlobStore
    rules : tuple of PriorityRule
    sizes : mapping of application to mapping of str to str
        `Presentation.sizes` of each.
    language : str
        Of the reason in messages.
    destinations : tuple of str
        Names of ``messages.destinations`` that are told priority.
    """

    blobs: BlobStore
    rules: tuple[PriorityRule, ...]
    sizes: Mapping[str, Mapping[str, str]]
    language: str
    destinations: tuple[str, ...]

    def __call__(self, session: Session, item: Workitem, report: Report) -> None:
        """Raise a study.

        As `gransk.reading.report_telling.ReportTeller` does, it lets a release be tried again
        where findings cannot be read now: what is urgent must not be passed over for a moment's
        fault. Findings that make no sense raise no study, and stop no release.

        Raises
        ------
        BlobError, OSError
            Where the findings cannot be read now.
        """
        rules = [rule for rule in self.rules if rule.application == item.application]
        if not rules or not _unread(session, item, report):
            return
        try:
            rule = self._holding(session, item, report, rules)
        except (KeyError, ValueError) as error:
            log.error("study %s cannot be ranked: %s", item.study_key, type(error).__name__)
            return
        if rule is not None:
            self._raise(session, item, report, rule)

    def _holding(
        self, session: Session, item: Workitem, report: Report, rules: Iterable[PriorityRule]
    ) -> PriorityRule | None:
        """The rule that counts: the first of the highest level that holds."""
        content = report_content(session, self.blobs, item, report)
        sizes = self.sizes.get(item.application, {})
        found = [
            rule for rule in rules if hold(rule.when, content.findings, content.follow_up, sizes)
        ]
        return max(found, key=lambda rule: RANKS[Level(rule.level)], default=None)

    def _raise(self, session: Session, item: Workitem, report: Report, rule: PriorityRule) -> None:
        row = session.get(Urgency, item.study_key, with_for_update=True, populate_existing=True)
        level = Level(rule.level)
        before = None if row is None else RANKS[Level(row.level)]
        if before is not None and RANKS[level] < before:
            return
        # What stands already is told no second time; its reason is now this report's.
        known = row is not None and before == RANKS[level] and not _signed_since(session, row)
        row = row or Urgency(study_key=item.study_key)
        row.level, row.rule, row.application = level, rule.name, item.application
        row.report_key, row.at = report.key, utcnow()
        session.add(row)
        session.flush()
        if known:
            return
        data = {"level": level.value, "rule": rule.name, "report": report.key}
        record(session, SYSTEM, EventKind.STUDY_URGENT, item.study_key, data)
        if self.destinations:
            self._announce(session, row, rule)

    def _announce(self, session: Session, row: Urgency, rule: PriorityRule) -> None:
        told = PriorityTold(
            study_key=row.study_key,
            application=row.application,
            report_key=row.report_key,
            level=Level(row.level),
            rule=row.rule,
            words=rule.words(self.language),
            at=row.at,
        )
        news = News(
            AnnouncementKind.PRIORITY,
            row.study_key,
            told,
            EventKind.PRIORITY_ANNOUNCED,
            {"level": told.level.value},
            application=row.application,
        )
        announce_news(session, news, self.destinations)


def make_raiser(
    config: Config, blobs: BlobStore, applications: Mapping[str, Application]
) -> Raiser:
    """By the site's rules, for the installed applications."""
    return Raiser(
        blobs,
        config.priority.rules,
        {name: one.presentation.sizes for name, one in applications.items()},
        config.language,
        config.messages.names(Subject.PRIORITY),
    )


def _unread(session: Session, item: Workitem, report: Report) -> bool:
    exam = session.get(ExamRow, item.study_key)
    if exam is not None:
        return exam.reports_at is not None and exam.decided_at is None
    return report_signature(session, item.study_key, item.application, report) is None


def _signed_since(session: Session, row: Urgency) -> bool:
    """Was the study read after it became urgent, and so is it unread anew?"""
    signed = select(FindingAct.number).where(
        FindingAct.study_key == row.study_key,
        FindingAct.application == row.application,
        FindingAct.kind == ActKind.SIGN,
        FindingAct.at >= row.at,
    )
    return session.scalar(signed.limit(1)) is not None


def stands() -> ColumnElement[bool]:
    """Is a row of `Urgency` to be shown still: unread, its report neither withdrawn nor held?"""
    room = select(ExamRow.study_key).where(
        ExamRow.study_key == Urgency.study_key,
        or_(ExamRow.reports_at.is_(None), ExamRow.decided_at.is_not(None)),
    )
    back, item = aliased(FindingAct), aliased(Workitem)
    signed = (
        select(FindingAct.number)
        .join(
            item,
            and_(
                item.study_key == FindingAct.study_key,
                item.application == FindingAct.application,
                item.analysis_key == FindingAct.analysis_key,
            ),
        )
        .where(
            FindingAct.study_key == Urgency.study_key,
            FindingAct.application == Urgency.application,
            FindingAct.kind == ActKind.SIGN,
            ~exists(select(back.number).where(back.withdraws == FindingAct.number)),
        )
    )
    gone = select(Report.key).where(
        Report.key == Urgency.report_key,
        or_(Report.withdrawn_at.is_not(None), Report.released_at.is_(None)),
    )
    return and_(~exists(room), ~exists(signed), ~exists(gone))


def standing(session: Session, study_key: str) -> Urgency | None:
    """How urgent an unread study is; None where it has its ordinary place."""
    query = select(Urgency).where(Urgency.study_key == study_key, stands())
    return session.scalars(query).first()


def standing_among(session: Session, study_keys: Collection[str]) -> dict[str, Urgency]:
    """The same of several studies, by key."""
    query = select(Urgency).where(Urgency.study_key.in_(study_keys), stands())
    return {row.study_key: row for row in session.scalars(query)}


def rank() -> ColumnElement[int]:
    """How far a study moves up, where `Urgency` is joined from outside: 0 for its own place."""
    levels = {level.value: number for level, number in RANKS.items()}
    return case(
        (Urgency.study_key.is_(None), 0),
        (stands(), func.coalesce(case(levels, value=Urgency.level), 0)),
        else_=0,
    )


def rank_of_task() -> ColumnElement[int]:
    """The same for a line of a person's own list, a `TaskRow`.

    Only of a first read whose policy shows marks while one reads: everything else has its place
    by arrival, whatever the AI says.
    """
    shows = exists(
        select(ExamRow.study_key).where(
            ExamRow.study_key == TaskRow.study_key,
            ExamRow.opened_at.is_not(None),
            ExamRow.decided_at.is_(None),
            ExamRow.plan["shows_marks"].as_boolean(),
        )
    )
    return case((and_(TaskRow.kind == TaskKind.FIRST, shows), rank()), else_=0)
