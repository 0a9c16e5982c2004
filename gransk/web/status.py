"""The status strip: queue, workers, intake, Orthanc."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from gransk.archive.priors import prior_keys
from gransk.reading.seeing import Looker, hidden
from gransk.results.tables import Workitem, WorkState
from gransk.site.executors import heard_of
from gransk.web.wiring import Wiring


@dataclass(frozen=True)
class Status:
    """How the suite is; ``intake_stopped`` and ``orthanc`` are empty where all is well
    and where Orthanc is silent."""

    waiting: int
    running: int
    workers: int
    intake_stopped: str
    orthanc: str


def status(known: Wiring, language: str, who: Looker) -> Status:
    """How the suite is now; the intake's cause in ``language``.

    What ``who`` may not see is not counted: when an analysis ended would tell of it.
    """
    orthanc = known.version()
    intake = known.intake.status() if known.intake else None
    seconds = known.config.workers.lost_after_seconds
    with known.database.read() as session:
        counts = dict(
            session.execute(
                select(Workitem.state, func.count())
                .where(Workitem.state.in_([WorkState.WAITING, WorkState.RUNNING]))
                .where(Workitem.study_key.not_in(prior_keys()))
                .where(~hidden(who, Workitem.study_key))
                .group_by(Workitem.state)
            ).all()
        )
        return Status(
            waiting=counts.get(WorkState.WAITING, 0),
            running=counts.get(WorkState.RUNNING, 0),
            workers=session.scalar(select(func.count()).where(heard_of(seconds))) or 0,
            intake_stopped=intake.text(language) if intake and intake.cause else "",
            orthanc=orthanc,
        )
