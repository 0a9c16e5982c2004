"""The workflow *beside*: one study analysed under other settings, to be compared alone.

It begins only where no ordinary study waits or runs, in a queue of its own, and its child takes
the processor only where nothing else wants it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.reasons import Reason
from gransk.pipeline import protocol
from gransk.pipeline.analyse import open_rows
from gransk.pipeline.jobs import job_of
from gransk.pipeline.room import insist, wait_for_room
from gransk.pipeline.supervise import Callbacks, Ended, How
from gransk.pipeline.trying import LIMITS, Patience, Tools, Try
from gransk.registry import beside
from gransk.registry.beside import Run
from gransk.registry.beside_tables import BesideRun, RunState
from gransk.results.blobs import BlobStore
from gransk.results.starter import RESTARTED_OFTEN, Open, Starter
from gransk.results.store import seal_analysis
from gransk.results.tables import Analysis
from gransk.site.database import Database
from gransk.site.workflows import QueueName, workflow

NAME = "beside"
TOGETHER = 20
"""Rows that wait in the queue at once; the others wait in the table."""
LOOK_SECONDS = 1.0


def register(tools: Tools) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched."""
    workers = tools.config.workers

    @DBOS.step(name="beside_once")
    def once(ident: str, attempt: int) -> dict[str, Any]:
        wait_for_room(tools.config, tools.stopping)
        with tools.busy:
            how, detail = _Try(tools, Run(ident, attempt)).run()
        if how == How.STOPPED:
            # The worker ends now; its work is pending still and will be recovered.
            threading.Event().wait()
        return {"how": how.value, "detail": detail, "at": time.time()}

    @DBOS.step(name="beside_give_up")
    def give_up(ident: str, attempt: int, gone: bool, detail: str) -> None:
        state = RunState.GONE if gone else RunState.FAILED
        reason = Reason.WITHDRAWN if gone else Reason.INTERNAL_ERROR

        def change(session: Session) -> None:
            row = beside.locked(session, Run(ident, attempt))
            if row is not None:
                beside.end(session, row, state, reason, detail)

        insist(tools.database, change, tools.stopping)

    @workflow(NAME)
    def run(ident: str, attempt: int) -> str:
        patience = Patience(workers.retries, workers.retry_seconds)
        while True:
            result = once(ident, attempt)
            how = How(result["how"])
            if how in (How.DONE, How.REFUSED, How.UNWANTED):
                return how.value
            pause = None if how == How.MISSING else patience.pause(how, float(result["at"]))
            if pause is None:
                give_up(ident, attempt, how == How.MISSING, result["detail"])
                return "failed"
            DBOS.sleep(pause)


def starter(database: Database) -> Starter:
    """Starts a workflow for open rows, while no ordinary study is in work."""
    return Starter(database, QueueName.BESIDE, NAME, waiting_rows, lost)


def waiting_rows(session: Session) -> list[Open]:
    """The rows that may begin, the oldest first; what runs stays among them."""
    query = (
        select(BesideRun.id, BesideRun.attempt)
        .where(BesideRun.state.in_(beside.OPEN))
        .order_by(BesideRun.state, BesideRun.created_at, BesideRun.id)
        .limit(TOGETHER)
    )
    if open_rows(session):
        query = query.where(BesideRun.state == RunState.RUNNING)
    return [Open(Run(*row).workflow_id, tuple(row)) for row in session.execute(query)]


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its row open: begun anew, or given up."""
    ident, attempt = row.arguments
    run = Run(str(ident), int(attempt))
    found = beside.locked(session, run)
    if found is None:
        return False
    if status == RESTARTED_OFTEN:
        beside.later(session, run)
        return False
    beside.end(session, found, RunState.FAILED, Reason.INTERNAL_ERROR, f"workflow ended: {status}")
    return True


class _Try(Try):
    """One try at one row."""

    def __init__(self, tools: Tools, run: Run) -> None:
        super().__init__(tools, run.workflow_id)
        self.work = run
        self.looked = 0.0

    def start(self, scratch: Path) -> protocol.Job | tuple[How, str]:
        config = self.tools.config
        with self.tools.database.begin() as session:
            row = beside.locked(session, self.work)
            if row is None:
                return How.UNWANTED, ""
            if open_rows(session):
                beside.later(session, self.work)
                return How.UNWANTED, "ordinary work goes first"
            seen = session.get(SeenStudy, row.study_key)
            item = beside.item_of(session, row)
            if seen is None or seen.deleted_at is not None or item is None:
                return How.MISSING, "the study is in the archive no more"
            if beside.start(session, self.work, config.workers.max_deaths) is None:
                return How.UNWANTED, ""
            if item.analysis_key is not None:
                row.active_analysis = item.analysis_key
            job = job_of(session, config, item, seen, scratch)
            return job.model_copy(update={"shadows": (), "beside": dict(row.settings)})

    def in_child(self, job: protocol.Job, scratch: Path) -> tuple[How, str]:
        answers = _Answers(self.tools.database, self.tools.blobs, job.application, scratch)
        ended = self.child(job, Callbacks(self._wanted, answers.reply, answers.seal))
        return self._conclude(ended, answers.analysis_key)

    def clear_deaths(self, session: Session) -> None:
        beside.clear_deaths(session, run=self.work)

    def _conclude(self, ended: Ended, analysis_key: str) -> tuple[How, str]:
        refused = ended.how == How.REFUSED and ended.reason is not None
        if not refused and not (ended.how == How.DONE and analysis_key):
            return ended.how, ended.detail
        with self.tools.database.begin() as session:
            row = beside.locked(session, self.work)
            if row is None:
                return How.UNWANTED, ""
            if refused:
                beyond = ended.reason in LIMITS
                state = RunState.FAILED if beyond else RunState.REFUSED
                beside.end(session, row, state, ended.reason, ended.detail)
            else:
                row.own_analysis = analysis_key
                beside.end(session, row, RunState.READY)
        self.tools.look.set()
        return ended.how, ended.detail

    def _wanted(self, step: str, share: float) -> bool:
        """Learn about once a second whether it was stopped."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return True
        self.looked = now
        with self.tools.database.read() as session:
            row = session.get(BesideRun, self.work.id)
            return row is not None and Run.of(row) == self.work and row.state in beside.OPEN


class _Answers:
    """The conversation with the child: its findings are sealed, and nothing more is told it."""

    def __init__(
        self, database: Database, blobs: BlobStore, application: str, scratch: Path
    ) -> None:
        self.database = database
        self.blobs = blobs
        self.application = application
        self.scratch = scratch
        self.analysis_key = ""

    def reply(self, question: protocol.Question) -> protocol.Reply:
        """Answer a question of the child's."""
        if not isinstance(question, protocol.Asked):
            raise TypeError(f"a child that makes no report asks: {question.kind}")
        self.analysis_key = question.analysis_key
        with self.database.read() as session:
            kept = session.get(Analysis, question.analysis_key)
            if kept is None:
                return protocol.Answer()
            sha256s = kept.findings_sha256, kept.pictures_sha256
        findings, pictures = (self._file(sha256) for sha256 in sha256s)
        return protocol.Answer(findings=findings, pictures=pictures)

    def seal(self, result: protocol.Result) -> None:
        """Seal the findings as soon as they are there."""
        if not isinstance(result, protocol.Found):
            raise TypeError(f"a child that makes no report tells: {result.kind}")
        findings = self.blobs.put((self.scratch / "findings.json").read_bytes())
        pictures = self.blobs.put((self.scratch / "pictures.npz").read_bytes())
        with self.database.begin() as session:
            seal_analysis(
                session, self.analysis_key, self.application, findings, pictures, result.seconds
            )

    def _file(self, sha256: str) -> str:
        self.blobs.get(sha256)
        return str(self.blobs.path(sha256))
