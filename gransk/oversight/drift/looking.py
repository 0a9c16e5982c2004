"""The loop's look: counts what may be counted, draws the charts, raises and ends alarms."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from gransk.oversight.alarm_tables import AlarmKind
from gransk.oversight.alarms import end_alarm, open_alarms, raise_alarm
from gransk.oversight.drift import outcomes, watching
from gransk.oversight.drift.counted import count_new
from gransk.oversight.drift.outcomes import Outcomes
from gransk.oversight.drift.tables import DriftChart
from gransk.oversight.drift.watching import Counted, Found, Raised
from gransk.reading.past_keeping import Closed
from gransk.results.observed import PROBABILITY
from gransk.site.config_monitoring import DriftSection
from gransk.site.database import Database, utcnow

KINDS = (AlarmKind.DRIFT, AlarmKind.CALIBRATION, AlarmKind.OPERATING_POINT)
OUTCOMES = "outcomes"
PLACE_OF_OUTCOMES = 100_000

Entering = Callable[[Session], Collection[str]]
"""Keys of exams that are about to enter the reading room."""
Past = Callable[[Session, datetime.date], Sequence[Closed]]
"""Every exam that has ended, by date."""


class DriftWatcher:
    """Looks for drift; for one caller at a time.

    Parameters
    ----------
    database : Database
    section : DriftSection
    zone : tzinfo, optional
        The site's; None: the machine's own.
    entering : Entering
    past : Past
    """

    def __init__(
        self,
        database: Database,
        section: DriftSection,
        zone: datetime.tzinfo | None,
        entering: Entering,
        past: Past,
    ) -> None:
        self._database = database
        self._section = section
        self._zone = zone
        self._entering = entering
        self._past = past

    def run_once(self) -> int:
        """Look once; how many alarms last."""
        now = utcnow()
        with self._database.read() as session:
            entering = self._entering(session)
        with self._database.begin() as session:
            count_new(session, entering, now)
        with self._database.read() as session:
            every = watching.counted(session, self._zone)
            today = now.astimezone(self._zone).date()
            ended = self._past(session, today)
        charts = watching.watch(every, self._section)
        told = outcomes.told_exams(ended, now)
        results = outcomes.outcomes(told, _probabilities(every), self._section, today)
        alarms = [one.alarm for one in charts if one.alarm is not None]
        alarms += outcomes.raised(results, self._section)
        with self._database.begin() as session:
            _keep(session, charts, results, now)
            _settle(session, alarms)
        return len(alarms)


def _probabilities(every: Sequence[Counted]) -> dict[str, float]:
    """Calibrated probabilities by study key; of several analyses the last one's."""
    return {
        one.study_key: float(one.facts[PROBABILITY]) for one in every if PROBABILITY in one.facts
    }


def _keep(
    session: Session, charts: Sequence[Found], results: Sequence[Outcomes], now: datetime.datetime
) -> None:
    session.execute(delete(DriftChart))
    for place, one in enumerate(charts):
        watched = one.watched
        session.add(
            DriftChart(
                about=one.about,
                application=watched.application,
                unit=watched.unit,
                place=place,
                content=watching.content_of(one),
                at=now,
            )
        )
    for place, found in enumerate(results):
        session.add(
            DriftChart(
                about=found.about,
                application=OUTCOMES,
                unit=found.unit,
                place=PLACE_OF_OUTCOMES + place,
                content=outcomes.content_of(found),
                at=now,
            )
        )


def stand_down(database: Database) -> None:
    """Where nobody looks for drift any more: no alarm of it lasts."""
    with database.begin() as session:
        _settle(session, [])


def _settle(session: Session, alarms: Sequence[Raised]) -> None:
    """Raise what is out of control; end what is so no more."""
    for one in alarms:
        raise_alarm(
            session, one.kind, one.about, one.figures,
            since=one.since, shown=one.shown, studies=one.studies,
        )  # fmt: skip
    lasting = {(one.kind, one.about) for one in alarms}
    for kind in KINDS:
        for row in open_alarms(session, kind):
            if (kind, row.about) not in lasting:
                end_alarm(session, kind, row.about)
