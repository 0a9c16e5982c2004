"""Work that wants a GPU: which queue it waits in, and what becomes of it when no GPU is left."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.pipeline.workitems import OPEN, Work
from gransk.results.tables import Workitem
from gransk.site.config_machine import WorkersSection
from gransk.site.database import Database
from gransk.site.executors import gpu_worker_expected
from gransk.site.workflows import QueueName

CHECK_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass
class GpuQueue:
    """The queue of work that wants a GPU, as each worker tends it.

    Parameters
    ----------
    section : WorkersSection
        ``config.workers``.
    """

    section: WorkersSection
    _looked_at: float = 0.0

    def applications(self, session: Session) -> frozenset[str]:
        """Applications whose new work goes to the GPU's queue; none where nobody is expected."""
        wanted = frozenset(self.section.gpu_applications)
        return wanted if wanted and self._expected(session) else frozenset()

    def run_once(self, database: Database) -> int:
        """Give work that waits for a GPU to ordinary workers, where none is expected any more.

        A row gets another attempt, as with a change of priority: its new workflow stands in the
        ordinary queue, and the old one finds itself unwanted.

        Returns
        -------
        int
            How many rows.
        """
        if not self.section.gpu_applications or time.monotonic() - self._looked_at < CHECK_SECONDS:
            return 0
        self._looked_at = time.monotonic()
        with database.read() as session:
            if self._expected(session):
                return 0
        left = _waiting()
        if not left:
            return 0
        with database.begin() as session:
            rows = select(Workitem).where(
                Workitem.state.in_(OPEN),
                Workitem.application.in_(self.section.gpu_applications),
            )
            # Looked at again under the lock: another worker may have done it.
            moved = [
                row
                for row in session.scalars(rows.with_for_update())
                if Work.of(row).workflow_id in left
            ]
            for row in moved:
                row.attempt += 1
        if moved:
            log.warning("no worker takes work for a GPU: %d studies go to the others", len(moved))
        return len(moved)

    def _expected(self, session: Session) -> bool:
        return gpu_worker_expected(session, self.section.gpu_wait_minutes)


def _waiting() -> frozenset[str]:
    """Ids of the workflows in the GPU's queue that nobody has taken."""
    found = DBOS.list_workflows(
        queue_name=QueueName.ANALYSE_GPU.value,
        status="ENQUEUED",
        load_input=False,
        load_output=False,
    )
    return frozenset(one.workflow_id for one in found)
