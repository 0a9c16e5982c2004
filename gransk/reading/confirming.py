"""Whether models may spare a person's confirmation: the gate, asked of one report.

A site may let advice be in force before a radiologist has signed it (`follow_up.after: released`).
Then the models behind it stand where a person would, and the same gate holds them as those of
the reading room (`gransk.reading.gate`): a signed local validation at the unit of exactly these
models, none of them research, the unit's AI not paused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy.orm import Session

from gransk.reading import rooms
from gransk.reading.gate import may_count
from gransk.reading.plan import PlanReason
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.exam_facts import exam_unit
from gransk.results.store import read_findings
from gransk.results.tables import Report, Workitem
from gransk.site.config import Config
from gransk.site.database import utcnow

Confirmation = Callable[[Session, Workitem, Report], tuple[PlanReason, ...]]
"""Why the models of a report may not spare a person's confirmation; empty where they may."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpareConfirmation:
    """Asks the gate for the models of a report.

    Parameters
    ----------
    config : Config
    blobs : BlobStore
        With the findings of sealed analyses, which name their models.
    """

    config: Config
    blobs: BlobStore

    def __call__(self, session: Session, item: Workitem, report: Report) -> tuple[PlanReason, ...]:
        """Why the models may not; findings that cannot be read spare nothing."""
        try:
            models = read_findings(session, self.blobs, report.analysis_key).models
        except (BlobError, KeyError, OSError, ValidationError) as error:
            log.error("models of study %s are not known: %s", item.study_key, type(error).__name__)
            return (PlanReason.NOT_VALIDATED,)
        today = utcnow().astimezone(self.config.zone).date()
        room = rooms.in_force(session, today)
        unit = exam_unit(session, item.study_key, self.config.reading)
        return may_count(session, room, unit, item.application, models, today)
