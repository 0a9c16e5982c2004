"""The workflow *analyse*: from an open row of the worklist to a sealed report."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from dbos import DBOS
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.tables import SeenStudy
from gransk.core.reasons import Reason
from gransk.pipeline import protocol, workitems
from gransk.pipeline.answers import Answers
from gransk.pipeline.gpu import GpuQueue
from gransk.pipeline.jobs import job_of, shadows_of
from gransk.pipeline.priors import held
from gransk.pipeline.room import insist, let_workflows_wait, wait_for_room
from gransk.pipeline.supervise import Callbacks, Ended, How
from gransk.pipeline.trying import LIMITS, Patience, Tools, Try
from gransk.pipeline.workitems import OPEN, Work
from gransk.registry import beside
from gransk.results import edits
from gransk.results.starter import Open, Starter
from gransk.results.store import NewObject, seal_report
from gransk.results.tables import Workitem
from gransk.site.database import Database
from gransk.site.events import EventKind
from gransk.site.workflows import QueueName, workflow

log = logging.getLogger(__name__)

NAME = "analyse"
PROGRESS_SECONDS = 1.0
QUEUED = 200
"""So many of the waiting rows stand in the durable queue at once, the most urgent."""


def register(tools: Tools) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched."""
    workers = tools.config.workers
    let_workflows_wait(tools.config.database.workflows_url)

    @DBOS.step(name="analyse_once")
    def once(item: str, generation: int, attempt: int) -> dict[str, Any]:
        wait_for_room(tools.config, tools.stopping)
        with tools.busy:
            how, detail = _Try(tools, Work(item, generation, attempt)).run()
        if how == How.STOPPED:
            # The worker ends now; its work is pending still and will be recovered.
            threading.Event().wait()
        return {"how": how.value, "detail": detail, "at": time.time()}

    @DBOS.step(name="analyse_give_up")
    def give_up(item: str, generation: int, attempt: int, reason: str, detail: str) -> None:
        def change(session: Session) -> None:
            row = workitems.locked(session, Work(item, generation, attempt))
            if row is not None:
                workitems.fail(session, row, Reason(reason), detail)

        insist(tools.database, change, tools.stopping)

    @workflow(NAME)
    def analyse(item: str, generation: int, attempt: int) -> str:
        patience = Patience(workers.retries, workers.retry_seconds)
        while True:
            result = once(item, generation, attempt)
            how = How(result["how"])
            if how in (How.DONE, How.REFUSED, How.UNWANTED):
                return how.value
            pause = patience.pause(how, float(result["at"]))
            if pause is None:
                reason = Reason.WITHDRAWN if how == How.MISSING else Reason.INTERNAL_ERROR
                give_up(item, generation, attempt, reason.value, result["detail"])
                return "failed"
            DBOS.sleep(pause)


def starter(database: Database, gpu: GpuQueue) -> Starter:
    """Starts a workflow for every open row of the worklist."""
    return Starter(
        database,
        QueueName.ANALYSE,
        NAME,
        lambda session: open_rows(session, gpu.applications(session)),
        lost,
    )


def open_rows(session: Session, on_gpu: frozenset[str] = frozenset()) -> list[Open]:
    """The running rows and the most urgent of the waiting; none that waits for earlier studies.

    ``on_gpu`` are the applications whose work goes to workers that take work for a GPU.
    """
    waiting = held(session)
    found = _window(session, Workitem.application.not_in(on_gpu), waiting, None)
    if on_gpu:
        wants = Workitem.application.in_(on_gpu)
        found += _window(session, wants, waiting, QueueName.ANALYSE_GPU)
    return found


def _window(
    session: Session, which: ColumnElement[bool], waiting: set[str], queue: QueueName | None
) -> list[Open]:
    """The first `QUEUED` rows: a look must not cost more the more of them wait."""
    query = (
        select(Workitem.id, Workitem.generation, Workitem.attempt, Workitem.priority)
        .where(Workitem.state.in_(OPEN), which)
        .order_by(Workitem.state, Workitem.priority.desc(), Workitem.created_at)
        .limit(QUEUED + len(waiting))
    )
    return [
        Open(
            Work(row.id, row.generation, row.attempt).workflow_id,
            tuple(row[:3]),
            rank(row.priority),
            queue=queue,
        )
        for row in session.execute(query)
        if row.id not in waiting
    ]


def rank(priority: int) -> int:
    """The queue's order, where the lowest goes first, of the worklist's priority."""
    return max(1, 1000 - priority)


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its row open: a person must look at it."""
    item, generation, attempt = row.arguments
    found = workitems.locked(session, Work(str(item), int(generation), int(attempt)))
    if found is not None:
        workitems.fail(session, found, Reason.INTERNAL_ERROR, f"workflow ended as {status}")
    return found is not None


class _Try(Try):
    """One try at one piece of work."""

    def __init__(self, tools: Tools, work: Work) -> None:
        super().__init__(tools, work.workflow_id)
        self.work = work
        self.reported = ("", 0.0)

    def start(self, scratch: Path) -> protocol.Job | tuple[How, str]:
        """Say that the work runs, which counts a death; the job, or why there is none."""
        config = self.tools.config
        with self.tools.database.begin() as session:
            item = workitems.locked(session, self.work)
            seen = session.get(SeenStudy, item.study_key) if item is not None else None
            if item is not None and seen is None:
                return How.MISSING, "the study is unknown"
            item = workitems.start(session, self.work, config.workers.max_deaths)
            if item is None or seen is None:
                return How.UNWANTED, ""
            lost = item.deaths >= config.workers.max_deaths
            why = Reason.WORKER_LOST if lost else None
            job = job_of(session, config, item, seen, scratch)
            return job.model_copy(update={"no_comparing": why})

    def in_child(self, job: protocol.Job, scratch: Path) -> tuple[How, str]:
        answers = Answers(self.tools.database, self.tools.blobs, self.work, scratch)
        ended = self._child(job, answers)
        beyond = ended.how == How.REFUSED and ended.reason in LIMITS
        if beyond and answers.following and job.no_comparing is None:
            # Its neighbours, not the study itself, went beyond the limits.
            shutil.rmtree(scratch)
            scratch.mkdir()
            ended = self._child(job.model_copy(update={"no_comparing": ended.reason}), answers)
        return self._conclude(ended, answers)

    def _child(self, job: protocol.Job, answers: Answers) -> Ended:
        ended = self.child(job, Callbacks(self._progress, answers.reply, answers.seal))
        log.info("work %s: %s, peak %d MB", self.name, ended.how, ended.peak_mb)
        return ended

    def clear_deaths(self, session: Session) -> None:
        workitems.clear_deaths(session, work=self.work)

    def _conclude(self, ended: Ended, answers: Answers) -> tuple[How, str]:
        if ended.how == How.DONE and answers.analysis_key:
            return self._seal(ended, answers)
        if ended.how == How.REFUSED and ended.reason is not None:
            with self.tools.database.begin() as session:
                item = workitems.locked(session, self.work)
                if item is None:
                    return How.UNWANTED, ""
                end = workitems.fail if ended.reason in workitems.FAILURES else workitems.refuse
                end(session, item, ended.reason, ended.detail)
                _tell_dependents(session, item)
        return ended.how, ended.detail

    def _progress(self, step: str, share: float) -> bool:
        """Show progress about once a second; learn whether the work is still wanted."""
        now = time.monotonic()
        if step == self.reported[0] and now - self.reported[1] < PROGRESS_SECONDS:
            return True
        self.reported = (step, now)
        with self.tools.database.begin() as session:
            return workitems.progress(session, self.work, step, share)

    def _seal(self, ended: Ended, answers: Answers) -> tuple[How, str]:
        blobs = self.tools.blobs
        objects = [
            NewObject(
                kind=made.kind,
                sop_class_uid=made.sop_class_uid,
                sop_instance_uid=made.sop_instance_uid,
                series_instance_uid=made.series_instance_uid,
                stored=blobs.put(Path(made.file).read_bytes()),
            )
            for made in ended.objects
        ]
        told = None if ended.follow_up is None else blobs.put(Path(ended.follow_up).read_bytes())
        analysis, report = answers.analysis_key, answers.report_key
        with self.tools.database.begin() as session:
            item = workitems.locked(session, self.work)
            if item is None:
                return How.UNWANTED, ""
            before = item.analysis_key
            if report:
                created = answers.created
                seal_report(session, item, report, analysis, created, objects, told)
            others_look = before != analysis or edits.acts(
                session, item.study_key, item.application
            )
            item.analysis_key = analysis
            item.overrides = None if answers.overrides is None else list(answers.overrides)
            workitems.ready(session, item)
            meant = [one for one in shadows_of(session, item) if one.name in answers.shadows]
            beside.shadowed(session, item, meant)
            if others_look:
                _tell_dependents(session, item)
        self.tools.look.set()
        return How.DONE, ""


def _tell_dependents(session: Session, item: Workitem) -> None:
    """Studies that this one is a prior of have a new report made from their kept findings."""
    for study_key in priors.dependents(session, item.study_key):
        workitems.tell_again(session, study_key, item.application, EventKind.PRIOR_ARRIVED)
