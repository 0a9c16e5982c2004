"""From rows to workflows: every open row has a workflow that will end it.

The tables are the truth and the queue follows them. A row is written first;
then a starter sees that it is open and starts its workflow under an id that the
row decides, so that a crash between the two, or two starters, change nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbos import DBOS, EnqueueOptions
from sqlalchemy.orm import Session

from gransk.site.database import Database
from gransk.site.workflows import PROTOCOL, QueueName

log = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
RESTARTED_OFTEN = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
"""Workers ended more often while the workflow slept than one workflow is taken up again."""
ENDED = ("SUCCESS", "ERROR", "CANCELLED", RESTARTED_OFTEN)
BATCH = 500


@dataclass(frozen=True)
class Open:
    """One open row.

    Parameters
    ----------
    workflow_id : str
        Decided by the row alone: the same work always has the same id.
    arguments : tuple of str or int
        Of the workflow.
    priority : int
        From 1; the lowest is started first.
    partition : str, optional
        Of a partitioned queue.
    queue : QueueName, optional
        Another than the starter's own.
    """

    workflow_id: str
    arguments: tuple[str | int, ...]
    priority: int = 1
    partition: str | None = None
    queue: QueueName | None = None


class Starter:
    """Starts the workflows of one kind of row.

    Parameters
    ----------
    database : Database
    queue : QueueName
    workflow : str
        Its name at DBOS.
    rows : callable
        ``rows(session)``: the open rows, most urgent first.
    lost : callable
        ``lost(session, row, status)``: the row's workflow has ended. Where
        the row is open still, says so where a person sees it and returns True.
    """

    def __init__(
        self,
        database: Database,
        queue: QueueName,
        workflow: str,
        rows: Callable[[Session], Sequence[Open]],
        lost: Callable[[Session, Open, str], bool],
    ) -> None:
        self.database = database
        self.queue = queue
        self.workflow = workflow
        self.rows = rows
        self.lost = lost
        self._started: set[str] = set()
        self._checked_at = time.monotonic()

    def run_once(self) -> int:
        """Start what is not started; the number of workflows started."""
        with self.database.read() as session:
            rows = self.rows(session)
        if time.monotonic() - self._checked_at > CHECK_SECONDS:
            self._checked_at = time.monotonic()
            self._check(rows)
        new = [row for row in rows if row.workflow_id not in self._started]
        for row in new:
            self._start(row)
        self._started = {row.workflow_id for row in rows}
        return len(new)

    def _start(self, row: Open) -> None:
        options: EnqueueOptions = {
            "queue_name": (row.queue or self.queue).value,
            "workflow_name": self.workflow,
            "workflow_id": row.workflow_id,
            "app_version": PROTOCOL,
        }
        if row.partition is None:
            options["priority"] = row.priority
        else:
            options["queue_partition_key"] = row.partition
        DBOS.enqueue_workflow_with_options(options, *row.arguments)

    def _check(self, rows: Sequence[Open]) -> None:
        """Find rows whose workflow is unknown to the queue, or ended and left them open."""
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            statuses = {
                status.workflow_id: status.status
                for status in DBOS.list_workflows(
                    workflow_ids=[row.workflow_id for row in batch],
                    load_input=False,
                    load_output=False,
                )
            }
            for row in batch:
                status = statuses.get(row.workflow_id)
                if status is None:
                    self._started.discard(row.workflow_id)
                elif status in ENDED:
                    with self.database.begin() as session:
                        lost = self.lost(session, row, status)
                    if lost:
                        log.error("workflow %s ended as %s, its row open", row.workflow_id, status)
