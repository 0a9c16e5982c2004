"""Removing fetched studies after their time; only what came because we asked ever goes."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.orthanc import NotInArchiveError, Orthanc
from gransk.archive.prior_loop import Pipeline, keep_on
from gransk.archive.remote import Remote
from gransk.archive.tables import FetchState, Prior, PriorFetch, PriorState, Purpose, SeenStudy
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

REMOVAL_SECONDS = 10.0
POSTPONED = datetime.timedelta(minutes=10)


class PriorRemover:
    """Removes fetched studies after their time; their findings stay.

    Parameters
    ----------
    database : Database
    orthanc : Orthanc
    remotes : sequence of Remote
    pipeline : Pipeline
    """

    def __init__(
        self, database: Database, orthanc: Orthanc, remotes: Sequence[Remote], pipeline: Pipeline
    ) -> None:
        self._database = database
        self._orthanc = orthanc
        self._remotes = remotes
        self._pipeline = pipeline

    def run(self, stop: threading.Event) -> None:
        """Remove until told to stop."""
        keep_on(self.run_once, stop, REMOVAL_SECONDS, "removing earlier studies")

    def run_once(self) -> None:
        """Remove all that is due, and what is left of studies that were given up.

        Raises
        ------
        ArchiveError
            Where our own archive does not answer.
        """
        due = select(PriorFetch.study_instance_uid).where(
            PriorFetch.state == FetchState.HERE, PriorFetch.remove_at <= utcnow()
        )
        begun = select(PriorFetch.study_instance_uid).where(PriorFetch.state == FetchState.REMOVING)
        left = (
            select(PriorFetch.study_instance_uid)
            .join(SeenStudy, SeenStudy.study_instance_uid == PriorFetch.study_instance_uid)
            .where(PriorFetch.state == FetchState.FAILED, SeenStudy.purpose == Purpose.PRIOR)
            .where(SeenStudy.deleted_at.is_(None))
        )
        with self._database.read() as session:
            found = [list(session.scalars(query)) for query in (due, begun, left)]
        for uid in found[0]:
            if self._begin(uid):
                self._remove(uid)
        for uid in found[1]:
            self._remove(uid)
        for uid in found[2]:
            if not delete_ours(self._orthanc, uid, self._remotes):
                with self._database.begin() as session:
                    keep_for_reading(session, uid)

    def _begin(self, uid: str) -> bool:
        """Say that the study goes, before it does, so that nobody takes it for a loss."""
        with self._database.begin() as session:
            fetch = session.get_one(PriorFetch, uid, with_for_update=True)
            if fetch.state != FetchState.HERE:
                return False
            rows = rows_of(session, uid)
            keys = [seen.key for seen in rows]
            keys += [key for prior in keys for key in priors.dependents(session, prior)]
            if self._pipeline.in_work(session, keys):
                fetch.remove_at = utcnow() + POSTPONED
                return False
            fetch.state = FetchState.REMOVING
            for seen in rows:
                seen.deleted_at, seen.pending = utcnow(), False
                record(session, SYSTEM, EventKind.PRIOR_REMOVED, seen.key)
            return True

    def _remove(self, uid: str) -> None:
        with self._database.read() as session:
            last_update = session.get_one(PriorFetch, uid).last_update
        kept = not delete_ours(self._orthanc, uid, self._remotes, last_update)
        with self._database.begin() as session:
            fetch = session.get_one(PriorFetch, uid, with_for_update=True)
            if kept:
                keep_for_reading(session, uid)
                return
            fetch.state, fetch.removed_at = FetchState.REMOVED, utcnow()
            for seen in rows_of(session, uid):
                seen.deleted_at, seen.pending, seen.instances = fetch.removed_at, False, 0
            if wanted_by(session, uid):
                fetch.state, fetch.attempts = FetchState.WAITING, 0
                fetch.asked_at = fetch.next_at = utcnow()


def delete_ours(
    orthanc: Orthanc, uid: str, remotes: Sequence[Remote], last_update: str | None = None
) -> bool:
    """Delete a study whose every object came because we asked.

    Returns
    -------
    bool
        False where one came otherwise, or after ``last_update``; then nothing is deleted.
    """
    found = orthanc.find_studies(uid)
    for orthanc_id in found:
        try:
            listed = orthanc.study(orthanc_id)
            if last_update is not None and str(listed.get("LastUpdate", "")) > last_update:
                return False
            for instance in orthanc.instances(orthanc_id):
                metadata = orthanc.metadata(instance.orthanc_id)
                if not any(remote.sent(metadata) for remote in remotes):
                    return False
        except NotInArchiveError:
            continue
    for orthanc_id in found:
        try:
            orthanc.delete_study(orthanc_id)
        except NotInArchiveError:
            continue
    return True


def keep_for_reading(session: Session, uid: str) -> None:
    """Somebody sent the study, too: it stays, and is read."""
    fetch = session.get_one(PriorFetch, uid, with_for_update=True)
    fetch.state, fetch.remove_at = FetchState.KEPT, None
    for seen in rows_of(session, uid):
        priors.read(session, seen, SYSTEM)


def wanted_by(session: Session, uid: str) -> list[SeenStudy]:
    """The studies that wait to be compared with one."""
    query = (
        select(SeenStudy)
        .join(Prior, Prior.study_key == SeenStudy.key)
        .where(Prior.study_instance_uid == uid, Prior.state == PriorState.WANTED)
        .order_by(SeenStudy.key)
    )
    return list(session.scalars(query))


def rows_of(session: Session, uid: str) -> list[SeenStudy]:
    """Our rows of a study that was fetched."""
    query = select(SeenStudy).where(
        SeenStudy.study_instance_uid == uid, SeenStudy.purpose == Purpose.PRIOR
    )
    return list(session.scalars(query))
