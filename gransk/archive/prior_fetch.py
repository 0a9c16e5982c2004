"""Bringing earlier studies into our archive.

The row of a fetch is committed before the remote archive is asked, so that what arrives is
known as a prior from its first image on. A retrieval that is cut, by whatever, is asked for
again.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Sequence

from pydicom import Dataset
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.archive.headers import dataset
from gransk.archive.intake import place
from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.archive.patients import Identifier, Patient, agree, identifiers
from gransk.archive.prior_loop import keep_on, retry_at
from gransk.archive.prior_removal import delete_ours, keep_for_reading, wanted_by
from gransk.archive.remote import Remote, RemoteError, RemoteGoneError, StoppedError, Visit
from gransk.archive.remote_dicomweb import DicomwebArchive
from gransk.archive.remote_dimse import DimseArchive
from gransk.archive.tables import FetchState, PriorFetch
from gransk.core.errors import GranskError
from gransk.core.reasons import Reason
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
STRICT_TRIES = 3
"""So often a study must come whole; then without the objects that fail each time."""
_MB = 1 << 20


class MismatchError(GranskError):
    """What arrives is of another patient."""


def make_remotes(config: Config, orthanc: Orthanc) -> list[Remote]:
    """The configured remote archives, in their order.

    Raises
    ------
    ConfigurationError
        Where a secret cannot be read.
    """
    return [
        DimseArchive(archive, config.orthanc)
        if archive.kind == "dimse"
        else DicomwebArchive(archive, orthanc)
        for archive in config.priors.archives
    ]


def recover(database: Database, remotes: Sequence[Remote]) -> None:
    """After a start: what was under way is asked for again, of archives that still exist."""
    names = {remote.name for remote in remotes}
    query = select(PriorFetch).where(PriorFetch.state.in_((FetchState.WAITING, FetchState.RUNNING)))
    with database.begin() as session:
        for fetch in session.scalars(query):
            fetch.state, fetch.next_at = FetchState.WAITING, utcnow()
            fetch.sources = [name for name in fetch.sources if name in names]
            if not fetch.sources:
                _give_up(fetch, Reason.PRIOR_UNREACHABLE, "the archive is not configured any more")


class PriorFetcher:
    """Fetches from one remote archive, one study at a time.

    Parameters
    ----------
    config : Config
    database : Database
    orthanc : Orthanc
        Ours.
    remote : Remote
    """

    def __init__(
        self, config: Config, database: Database, orthanc: Orthanc, remote: Remote
    ) -> None:
        self._section = config.priors
        self._least_free = config.intake.min_free_disk_mb * _MB
        self._database = database
        self._orthanc = orthanc
        self._remote = remote
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Fetch until told to stop; no fault of an archive ends this."""
        self._stop = stop
        keep_on(self.run_once, stop, PAUSE_SECONDS, f"fetching from {self._remote.name}")

    def run_once(self) -> None:
        """Fetch every study that is due.

        Raises
        ------
        ArchiveError
            Where our own archive does not answer.
        """
        while not self._stop.is_set():
            with self._database.read() as session:
                uid = next(iter(self._due(session)), None)
            if uid is None or not self._room():
                return
            self._fetch(uid)

    def _due(self, session: Session) -> list[str]:
        query = (
            select(PriorFetch)
            .where(PriorFetch.state == FetchState.WAITING, PriorFetch.next_at <= utcnow())
            .order_by(PriorFetch.priority.desc(), PriorFetch.asked_at)
        )
        return [
            fetch.study_instance_uid
            for fetch in session.scalars(query)
            if fetch.sources[fetch.attempts % len(fetch.sources)] == self._remote.name
        ]

    def _room(self) -> bool:
        free = self._orthanc.facts().free_bytes
        return free is None or free >= self._least_free

    def _fetch(self, uid: str) -> None:
        if not self._begin(uid, self._orthanc.find_studies(uid)):
            return
        with self._database.read() as session:
            attempts = session.get_one(PriorFetch, uid).attempts
            patients = _patients(session, uid, self._section.issuer)

        def admit(header: Dataset) -> None:
            who = Patient.of_image(header)
            if not any(agree(one, who, same, self._section.issuer) for one, same in patients):
                raise MismatchError("an object is of another patient")

        visit = Visit(
            admit, lambda: _count(self._orthanc, uid), self._stop.is_set, attempts > STRICT_TRIES
        )
        try:
            self._remote.retrieve(uid, visit)
            self._arrived(uid, admit)
        except MismatchError as error:
            self._end(uid, Reason.PRIOR_IDENTITY_MISMATCH, str(error))
        except RemoteGoneError as error:
            self._without_source(uid, str(error))
        except StoppedError:
            return  # asked for again at the next start
        except RemoteError as error:
            self._again(uid, str(error))
        except ArchiveError as error:
            self._again(uid, str(error))
            raise
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 (a fault of ours must not leave it under way)
            self._again(uid, place(error))

    def _begin(self, uid: str, held: list[str]) -> bool:
        """Say that the study is asked for, before it is."""
        with self._database.begin() as session:
            fetch = session.get_one(PriorFetch, uid, with_for_update=True)
            if fetch.state != FetchState.WAITING:
                return False
            if not wanted_by(session, uid):
                fetch.state, fetch.removed_at = FetchState.REMOVED, utcnow()
                return False
            if held and fetch.attempts == 0:
                fetch.state = FetchState.KEPT  # it came meanwhile, and not because we asked
                return False
            fetch.state, fetch.attempts = FetchState.RUNNING, fetch.attempts + 1
            return True

    def _arrived(self, uid: str, admit: Callable[[Dataset], None]) -> None:
        """Look at what is here now: whose it is, and that it came as we asked.

        Raises
        ------
        RemoteError
            Where nothing is here.
        MismatchError
            Where an object is of another patient.
        """
        found = self._orthanc.find_studies(uid)
        if not found:
            raise RemoteError("sent nothing to our archive")
        count, foreign, last_update = 0, False, ""
        for orthanc_id in found:
            for instance_id, tags in self._orthanc.tags(orthanc_id).items():
                admit(dataset(tags))
                count += 1
                foreign |= not self._remote.sent(self._orthanc.metadata(instance_id))
            listed = self._orthanc.study(orthanc_id)
            last_update = max(last_update, str(listed.get("LastUpdate", "")))
        now = utcnow()
        with self._database.begin() as session:
            fetch = _running(session, uid)
            if fetch is None:
                return  # a person took it for one to read meanwhile
            fetch.state, fetch.reason, fetch.detail = FetchState.HERE, None, ""
            fetch.ended_at, fetch.last_update = now, last_update
            fetch.remove_at = now + datetime.timedelta(days=self._section.keep_days)
            if foreign:
                keep_for_reading(session, uid)
            data = {"archive": self._remote.name, "objects": count}
            for seen in wanted_by(session, uid):
                record(session, SYSTEM, EventKind.PRIOR_FETCHED, seen.key, data)

    def _again(self, uid: str, detail: str) -> None:
        log.warning("archive %s: a study did not arrive: %s", self._remote.name, detail)
        with self._database.begin() as session:
            fetch = _running(session, uid)
            if fetch is None:
                return
            longest = datetime.timedelta(hours=self._section.search_hours)
            over = fetch.asked_at + longest <= utcnow()
            if not over:
                fetch.state, fetch.detail = FetchState.WAITING, detail
                fetch.next_at = retry_at(fetch.attempts)
        if over:
            self._end(uid, Reason.PRIOR_UNREACHABLE, detail)

    def _without_source(self, uid: str, detail: str) -> None:
        """This archive has it no more; another may."""
        with self._database.begin() as session:
            fetch = _running(session, uid)
            if fetch is None:
                return
            fetch.sources = [name for name in fetch.sources if name != self._remote.name]
            others = bool(fetch.sources)
            if others:
                fetch.state = FetchState.WAITING
        if not others:
            self._end(uid, Reason.PRIOR_GONE, detail)

    def _end(self, uid: str, reason: Reason, detail: str) -> None:
        """Give a study up: what of it arrived goes again, now or with the next removals."""
        with self._database.begin() as session:
            fetch = _running(session, uid)
            if fetch is None:
                return
            _give_up(fetch, reason, detail)
        if not delete_ours(self._orthanc, uid, [self._remote]):
            with self._database.begin() as session:
                keep_for_reading(session, uid)


def _give_up(fetch: PriorFetch, reason: Reason, detail: str) -> None:
    fetch.state, fetch.reason, fetch.detail = FetchState.FAILED, reason.value, detail[:2000]
    fetch.ended_at = utcnow()


def _running(session: Session, uid: str) -> PriorFetch | None:
    """The fetch, locked; None where it is not ours to end any more."""
    fetch = session.get_one(PriorFetch, uid, with_for_update=True, populate_existing=True)
    return fetch if fetch.state == FetchState.RUNNING else None


def _patients(
    session: Session, uid: str, issuer: str
) -> list[tuple[Patient, frozenset[Identifier]]]:
    """Whose the study must be: the patients that want it, with all their identifiers."""
    mine = {Patient.of_study(seen) for seen in wanted_by(session, uid)}
    return [(one, identifiers(session, one.identifier(issuer))) for one in mine]


def _count(orthanc: Orthanc, uid: str) -> int:
    """How many objects of a study are here; as far as our archive answers."""
    try:
        return sum(orthanc.instance_count(study) for study in orthanc.find_studies(uid))
    except ArchiveError:
        return 0
