"""Images in our own archive under another identity: fetched, changed, stored.

What is to be done stands in a table before any file is changed, and each step may be done again:
a crash anywhere loses nothing and leaves nothing twice.
"""

from __future__ import annotations

import datetime
import logging
import threading

from sqlalchemy import select

from gransk.archive.changing import is_ours, under
from gransk.archive.correcting import Absorb
from gransk.archive.identity import Who
from gransk.archive.identity_tables import CorrectionState, IdentityCorrection
from gransk.archive.orthanc import (
    ArchiveRefusedError,
    NotInArchiveError,
    Orthanc,
    StoredInstance,
)
from gransk.archive.prior_loop import keep_on
from gransk.archive.studies import notice
from gransk.archive.tables import SeenStudy
from gransk.core.errors import GranskError, UnreadableInputError
from gransk.core.waiting import backoff
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 300.0
ROUNDS = 20
"""How often a study is listed again because images came while it was changed."""


class Corrector:
    """Changes images in our own archive.

    Parameters
    ----------
    database : Database
    orthanc : Orthanc
    absorb : callable
        Of `gransk.pipeline.handlers.Handlers`.
    """

    def __init__(self, database: Database, orthanc: Orthanc, absorb: Absorb) -> None:
        self._database = database
        self._orthanc = orthanc
        self._absorb = absorb

    def run(self, stop: threading.Event) -> None:
        """Change what is to be changed until told to stop; no fault of an archive ends this."""
        keep_on(self.run_once, stop, PAUSE_SECONDS, "correction of images")

    def run_once(self) -> None:
        """Everything that is due."""
        query = (
            select(IdentityCorrection.orthanc_id)
            .where(
                IdentityCorrection.state == CorrectionState.WAITING,
                IdentityCorrection.next_at <= utcnow(),
            )
            .order_by(IdentityCorrection.at)
        )
        with self._database.read() as session:
            due = session.scalars(query).all()
        for orthanc_id in due:
            self._try(orthanc_id)

    def _try(self, orthanc_id: str) -> None:
        try:
            self._correct(orthanc_id)
        except (UnreadableInputError, ArchiveRefusedError) as error:
            self._fail(orthanc_id, str(error))
        except GranskError as error:
            self._postpone(orthanc_id, str(error))

    def _correct(self, orthanc_id: str) -> None:
        with self._database.read() as session:
            row = session.get_one(IdentityCorrection, orthanc_id)
            seen = session.get(SeenStudy, row.study_key)
        if seen is None or row.state != CorrectionState.WAITING:
            return
        who = Who.of(seen)
        checked: set[str] = set()
        changed: set[str] = set()
        target = orthanc_id
        for _ in range(ROUNDS):
            todo = [one for one in self._listed(orthanc_id) if one.file_id not in checked]
            if not todo:
                break
            passed = {one.sop_instance_uid for one in todo}
            todo = [one for one in todo if self._changeable(one, who)]
            for one in todo:
                content = under(self._orthanc.file(one.orthanc_id), who)
                if content is not None:
                    stored = self._orthanc.store(content)
                    target = str(self._orthanc.series_of(stored)["ParentStudy"])
                    changed.add(one.sop_instance_uid)
                    if target != orthanc_id:
                        self._take(seen.key, target)
                        self._orthanc.delete_instance(one.orthanc_id)
            checked |= {
                one.file_id for one in self._listed(orthanc_id) if one.sop_instance_uid in passed
            }
        self._end(orthanc_id, seen.key, who, len(changed))

    def _changeable(self, one: StoredInstance, who: Who) -> bool:
        """Is it to be changed? Raises where it cannot be, before anything is.

        An object that an earlier try stored under the new identity may stand here still.
        """
        content = self._orthanc.file(one.orthanc_id)
        if is_ours(content):
            return False
        return under(content, who) is not None

    def _listed(self, orthanc_id: str) -> list[StoredInstance]:
        try:
            return self._orthanc.instances(orthanc_id)
        except NotInArchiveError:
            return []

    def _take(self, key: str, orthanc_id: str) -> None:
        """The study lies under another id of Orthanc's from now on."""
        with self._database.begin() as session:
            seen = session.get_one(SeenStudy, key, with_for_update=True, populate_existing=True)
            if seen.orthanc_id == orthanc_id:
                return
            query = select(SeenStudy).where(
                SeenStudy.archive == seen.archive, SeenStudy.orthanc_id == orthanc_id
            )
            for other in session.scalars(query).all():
                if not self._absorb(session, seen, other):
                    raise ArchiveRefusedError(
                        "the study is here under that identity already, and people worked on it"
                    )
            seen.orthanc_id = orthanc_id
            notice(seen, utcnow())

    def _end(self, orthanc_id: str, key: str, who: Who, changed: int) -> None:
        """Done, unless it is to be somebody else's again by now."""
        with self._database.begin() as session:
            row = session.get_one(IdentityCorrection, orthanc_id, with_for_update=True)
            seen = session.get(SeenStudy, key, with_for_update=True, populate_existing=True)
            if seen is None or Who.of(seen) != who:
                return
            row.state, row.error = CorrectionState.DONE, ""
            row.target = seen.orthanc_id if seen.orthanc_id != orthanc_id else ""
            notice(seen, utcnow())
            if changed:
                data = {"objects": changed}
                record(session, SYSTEM, EventKind.IMAGES_CORRECTED, key, data)

    def _fail(self, orthanc_id: str, error: str) -> None:
        with self._database.begin() as session:
            row = session.get_one(IdentityCorrection, orthanc_id, with_for_update=True)
            row.state, row.error = CorrectionState.FAILED, error[:500]
            seen = session.get(SeenStudy, row.study_key)
            if seen is not None:
                notice(seen, utcnow())
            data = {"error": row.error[:200]}
            record(session, SYSTEM, EventKind.IMAGES_NOT_CORRECTED, row.study_key, data)
        log.error("images of study %s are not corrected: %s", row.study_key, error)

    def _postpone(self, orthanc_id: str, error: str) -> None:
        with self._database.begin() as session:
            row = session.get_one(IdentityCorrection, orthanc_id, with_for_update=True)
            row.tries += 1
            row.error = error[:500]
            wait = backoff(1.0, row.tries, LONGEST_WAIT_SECONDS)
            row.next_at = utcnow() + datetime.timedelta(seconds=wait)
        log.warning("images of study %s wait to be corrected: %s", row.study_key, error)
