"""Where a released report goes: the site's rules, asked with what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.calibration import EXAM_SCORE
from gransk.core.followup import renamed
from gransk.results import edits
from gransk.results.acts import edited
from gransk.results.blobs import BlobStore
from gransk.results.exam_facts import exam_unit
from gransk.results.origins import origin_of
from gransk.results.routing import ReportFacts, Wanted, asks_findings, route
from gransk.results.store import locked_report, queue_deliveries, read_findings
from gransk.results.tables import Delivery, Report, Workitem
from gransk.results.tracks import tracking
from gransk.site.config_destinations import Destination, Outcome
from gransk.site.config_reading import ReadingSection
from gransk.site.events import EventKind, record

Route = Callable[[Session, Workitem, Report], Wanted]
"""Where a report goes, asked in the transaction that releases it."""


class Router:
    """The destinations of a site, and which reports go to each.

    Parameters
    ----------
    destinations : sequence of Destination
        ``config.destinations``.
    blobs : BlobStore
    reading : ReadingSection
        ``config.reading``: whose exam a study is.
    """

    def __init__(
        self, destinations: Sequence[Destination], blobs: BlobStore, reading: ReadingSection
    ) -> None:
        self.destinations = tuple(destinations)
        self._blobs = blobs
        self._reading = reading

    def __call__(self, session: Session, item: Workitem, report: Report) -> Wanted:
        """Where a report goes.

        Raises
        ------
        BlobError
            Where a rule asks what the report says, and its findings cannot be read.
        """
        facts = self.facts(session, item, report)
        return route(self.destinations, facts, _earlier(session, item, report))

    def facts(self, session: Session, item: Workitem, report: Report) -> ReportFacts:
        """What rules ask of a report; its findings are read only where one asks for them."""
        places, modalities = origin_of(session, item.study_key)
        outcome: Outcome | None = None
        score: float | None = None
        if asks_findings(self.destinations):
            found = read_findings(session, self._blobs, report.analysis_key)
            score = found.measured(EXAM_SCORE)
            named = renamed(found, tracking(session, report.analysis_key))
            told = edited(named, edits.acts(session, item.study_key, item.application))
            outcome = "findings" if told.standing else "none"
        return ReportFacts(
            application=item.application,
            outcome=outcome,
            score=score,
            modalities=modalities,
            places=places,
            unit=exam_unit(session, item.study_key, self._reading),
        )


def route_again(
    session: Session, report_key: str, by: str, router: Route, only: Sequence[str] = ()
) -> dict[str, int]:
    """Send a report that stands where the rules of today want it and it never went.

    A destination that is added later is sent nothing of the past by itself; this is how a person
    asks for it.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    report_key : str
    by : str
        Who asks.
    router : Route
    only : sequence of str
        Destinations; empty: all.

    Returns
    -------
    dict of str to int
        Objects that were queued, by destination; empty where the report is not released, was
        withdrawn or superseded, or is everywhere already.
    """
    locked = locked_report(session, report_key)
    if locked is None:
        return {}
    item, report = locked
    if report.released_at is None or report.withdrawn_at is not None:
        return {}
    if item.report_key != report_key:
        return {}
    wanted = router(session, item, report)
    queued = {
        name: queue_deliveries(session, report_key, {name: kinds})
        for name, kinds in wanted.items()
        if not only or name in only
    }
    found = {name: count for name, count in queued.items() if count}
    if found:
        data = {"report": report_key, "destinations": sorted(found)}
        record(session, by, EventKind.REPORT_ROUTED, item.study_key, data)
    return found


def _earlier(session: Session, item: Workitem, report: Report) -> set[str]:
    """Destinations where another report of the study and application may be, or was."""
    query = (
        select(Delivery.destination)
        .join(Report, Report.key == Delivery.report_key)
        .where(Report.workitem_id == item.id, Report.key != report.key)
        .where(Delivery.tried_at.is_not(None))
        .distinct()
    )
    return set(session.scalars(query))
