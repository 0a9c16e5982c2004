"""What happens when intake hands a study over: rows of the worklist.

Each handler works in the session of its caller, so that a study is noted as
handed over in the same transaction that makes its rows. Starting the work is
the starter's business: a crash between the two loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.identity import Changed
from gransk.archive.tables import Purpose, SeenStudy
from gransk.core.application import Application, FollowsUp, KnownStudy
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline import exam_facts, programmes
from gransk.pipeline.priors import STEP, changed, in_work, show_waiting, shown_wrong
from gransk.pipeline.workitems import FAILURES, OPEN, fail, refuse, wait
from gransk.results import origins
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import FindingAct, Report, Workitem, WorkState
from gransk.site.config import ProgrammeSection
from gransk.site.config_archives import PriorsSection
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

_RETRIED = FAILURES | {Reason.WITHDRAWN}
"""With these a study that comes back is tried again."""


@dataclass(frozen=True)
class Rules:
    """What of the configuration says how studies are handed over.

    Parameters
    ----------
    settings_version : int
        Under which new work is done.
    section : PriorsSection
        ``config.priors``.
    programme : ProgrammeSection
        ``config.programme``.
    reading : ReadingSection
        ``config.reading``.
    """

    settings_version: int
    section: PriorsSection = field(default_factory=PriorsSection)
    programme: ProgrammeSection = field(default_factory=ProgrammeSection)
    reading: ReadingSection = field(default_factory=ReadingSection)


class Handlers:
    """The pipeline's answers to intake and to the search for earlier studies.

    Parameters
    ----------
    applications : mapping of str to Application
        By id.
    rules : Rules or callable
        ``rules(session)``: those of the transaction that hands a study over.
    moved : callable, optional
        What else follows where a study became another identity's; True where somebody said so.
    touched : callable, optional
        Did a person do anything at a study, beside what is known here?
    """

    def __init__(
        self,
        applications: Mapping[str, Application],
        rules: Rules | Callable[[Session], Rules],
        moved: Callable[[Session, Changed, bool], None] | None = None,
        touched: Callable[[Session, str], bool] | None = None,
    ) -> None:
        self.applications = applications
        self._rules = (lambda _: rules) if isinstance(rules, Rules) else rules
        self.moved = moved
        self.touched = touched

    def complete(self, headers: Study) -> bool | None:
        """Is the exam complete? None where no application reads it."""
        mine = [app for app in self.applications.values() if _verdict(app, headers) is None]
        return all(_ready(app, headers) for app in mine) if mine else None

    def submit(self, session: Session, seen: SeenStudy, headers: Study, incomplete: bool) -> None:
        """Queue a settled study for every application that reads it.

        The same input again changes nothing; another input is a new
        generation, whose report will supersede the earlier one.
        """
        rules = self._rules(session)
        known = {
            item.application: item
            for item in session.scalars(
                select(Workitem).where(Workitem.study_key == seen.key).with_for_update()
            )
        }
        verdicts = {app.id: _verdict(app, headers) for app in self.applications.values()}
        wanted = {
            name: verdict
            for name, verdict in verdicts.items()
            if verdict != Reason.NO_APPLICATION or name in known
        }
        if not wanted:
            wanted = {"": Reason.NO_APPLICATION}
        elif "" in known:
            session.delete(known.pop(""))
            session.flush()
        for name, verdict in wanted.items():
            item = known.get(name)
            if item is None:
                item = self._new_item(session, seen, name)
            elif item.fingerprint == seen.fingerprint and item.incomplete == incomplete:
                if item.state == WorkState.WITHDRAWN:
                    _return(session, item, seen)
                elif _unreported(session, item) and seen.purpose != Purpose.PRIOR:
                    wait(item)
                    item.attempt += 1
                continue
            else:
                item.generation += 1
                item.attempt = 0
            item.settings_version = rules.settings_version
            self._renew(session, item, seen, incomplete, verdict)
        self._look_for_priors(session, seen, verdicts, rules.section)
        programmes.read_order(session, seen, headers, rules.programme)
        exam_facts.read_images(session, seen, headers, rules.reading)
        origins.read_images(session, seen.key, headers)

    def withdraw(self, session: Session, seen: SeenStudy) -> None:
        """The study was deleted from the archive."""
        for item in _items(session, seen):
            if item.state == WorkState.WITHDRAWN:
                continue
            if item.state in OPEN:
                item.reason = Reason.WITHDRAWN.value
            item.state = WorkState.WITHDRAWN
            item.step, item.share = "", 0.0
            item.finished_at = utcnow()
            if item.report_key:
                withdraw_report(session, item.report_key, item.study_key)
            data = {"application": item.application}
            record(session, SYSTEM, EventKind.ANALYSIS_WITHDRAWN, item.study_key, data)
        programmes.settle(session, seen, SYSTEM)
        exam_facts.settle(session, seen)

    def restore(self, session: Session, seen: SeenStudy) -> None:
        """The study was deleted and came back unchanged."""
        for item in _items(session, seen):
            if item.state == WorkState.WITHDRAWN:
                _return(session, item, seen)
            elif (
                item.state == WorkState.READY and item.report_key and seen.purpose != Purpose.PRIOR
            ):
                restore_report(session, item.report_key)
        programmes.settle(session, seen, SYSTEM)
        exam_facts.settle(session, seen)

    def identified(self, session: Session, changed: Changed, said: bool) -> None:
        """A study became another identity's, by its images or because somebody said so."""
        if self.moved is not None:
            self.moved(session, changed, said)

    def absorb(self, session: Session, kept: SeenStudy, other: SeenStudy) -> bool:
        """Two rows are one study: what is known of ``other`` becomes ``kept``'s.

        False, and nothing is done, where a person acted at ``other``: what was said of it stays
        where it was said.
        """
        if self.touched is not None and self.touched(session, other.key):
            return False
        acts = select(FindingAct.number).where(FindingAct.study_key == other.key)
        if session.scalars(acts.limit(1)).first() is not None:
            return False
        mine = {item.application: item for item in _items(session, kept)}
        for item in _items(session, other):
            if item.report_key:
                withdraw_report(session, item.report_key, item.study_key)
            into = mine.get(item.application)
            if into is not None:
                reports = update(Report).where(Report.workitem_id == item.id)
                session.execute(reports.values(workitem_id=into.id))
            item.report_key = item.analysis_key = None
            item.state, item.reason = WorkState.WITHDRAWN, Reason.WITHDRAWN.value
            item.step, item.share, item.finished_at = "", 0.0, utcnow()
        other.orthanc_id, other.deleted_at = "", utcnow()
        other.pending, other.instances = False, 0
        session.flush()
        data = {"kept": kept.key}
        record(session, SYSTEM, EventKind.STUDY_DELETED, other.key, data)
        return True

    def priors_wanted(self, headers: Study, known: list[KnownStudy]) -> list[str]:
        """Study Instance UIDs of those that applications compare with, most wanted first."""
        wanted: dict[str, None] = {}
        for application in self.applications.values():
            if isinstance(application, FollowsUp) and _verdict(application, headers) is None:
                wanted.update(dict.fromkeys(_wanted(application, headers, known)))
        return list(wanted)

    def priors_changed(
        self, session: Session, study_key: str, added: Iterable[str], gone: bool
    ) -> None:
        """Other earlier studies are usable than before."""
        changed(session, study_key, added, gone)

    def in_work(self, session: Session, study_keys: Iterable[str]) -> bool:
        """Is any of the studies in work?"""
        return in_work(session, study_keys)

    def show_waiting(self, database: Database) -> None:
        """Write into the rows which of them wait for earlier studies."""
        with database.read() as session:
            wrong = bool(shown_wrong(session))
        if wrong:
            with database.begin() as session:
                show_waiting(session)

    def _look_for_priors(
        self,
        session: Session,
        seen: SeenStudy,
        verdicts: Mapping[str, Reason | None],
        section: PriorsSection,
    ) -> None:
        """In the transaction that queues the study, so that no worker starts before."""
        # Its patient may be another than before: whoever is compared with it looks again.
        priors.ask_again(session, priors.dependents(session, seen.key))
        if not section.most or seen.purpose == Purpose.PRIOR:
            return
        if any(
            verdict is None and isinstance(self.applications[name], FollowsUp)
            for name, verdict in verdicts.items()
        ):
            priors.ask(session, seen, section.wait_minutes)
            for item in _items(session, seen):
                if item.state == WorkState.WAITING:
                    item.step = STEP

    def _new_item(self, session: Session, seen: SeenStudy, application: str) -> Workitem:
        item = Workitem(
            id=digest([seen.key, application])[:32],
            study_key=seen.key,
            application=application,
            reason=None,
            detail="",
            generation=0,
            attempt=0,
            deaths=0,
            analysis_key=None,
            report_key=None,
            created_at=utcnow(),
        )
        session.add(item)
        return item

    def _renew(
        self,
        session: Session,
        item: Workitem,
        seen: SeenStudy,
        incomplete: bool,
        verdict: Reason | None,
    ) -> None:
        wait(item)
        item.priority = seen.priority
        item.incomplete = incomplete
        item.fingerprint, item.read_as = seen.fingerprint, seen.read_as
        item.images_at = seen.changed_at
        session.flush()
        if verdict is None:
            data = {
                "application": item.application,
                "generation": item.generation,
                "settings": item.settings_version,
            }
            record(session, SYSTEM, EventKind.ANALYSIS_QUEUED, item.study_key, data)
        else:
            (fail if verdict in FAILURES else refuse)(session, item, verdict, "")


def _items(session: Session, seen: SeenStudy) -> list[Workitem]:
    query = select(Workitem).where(Workitem.study_key == seen.key).with_for_update()
    return list(session.scalars(query))


def _unreported(session: Session, item: Workitem) -> bool:
    """Was the row analysed as an earlier study, so that no report of it stands?"""
    if item.state != WorkState.READY:
        return False
    report = session.get(Report, item.report_key) if item.report_key else None
    return report is None or report.withdrawn_at is not None


def _return(session: Session, item: Workitem, seen: SeenStudy) -> None:
    """A withdrawn row as it was before: its report, its refusal, or its place in the queue.

    Only a row that was in work carries the reason *withdrawn*. What returns as an earlier
    study is analysed anew, as sealed already, and its report stays withdrawn.
    """
    if seen.purpose == Purpose.PRIOR and item.reason is None:
        wait(item)
        item.attempt += 1
    elif item.reason is None and item.report_key is not None:
        restore_report(session, item.report_key)
        item.state, item.share = WorkState.READY, 1.0
        if session.get_one(Report, item.report_key).released_at is None:
            # Its release may have ended while it was withdrawn: another is wanted.
            item.attempt += 1
    elif item.reason is not None and item.reason not in _RETRIED:
        item.state = WorkState.NOT_ANALYSED
    else:
        wait(item)
        item.attempt += 1


def _verdict(application: Application, headers: Study) -> Reason | None:
    """What an application says of a study; its own fault must not stop intake."""
    try:
        return application.accepts(headers)
    except Exception as error:  # noqa: BLE001
        log.error("%s cannot judge a study: %s", application.id, type(error).__name__)
        return Reason.INTERNAL_ERROR


def _wanted(application: FollowsUp, headers: Study, known: list[KnownStudy]) -> tuple[str, ...]:
    """What an application would compare with; its own fault costs the comparison alone."""
    try:
        return application.priors_wanted(headers, known)
    except Exception as error:  # noqa: BLE001
        log.error("an application cannot choose earlier studies: %s", type(error).__name__)
        return ()


def _ready(application: Application, headers: Study) -> bool:
    try:
        return application.ready(headers)
    except Exception as error:  # noqa: BLE001
        log.error("%s cannot judge a study: %s", application.id, type(error).__name__)
        return False
