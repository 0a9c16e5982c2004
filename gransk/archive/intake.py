"""How studies are noticed, waited for and handed over.

A study is handed over in the transaction that notes it as settled. Nothing is
remembered in memory alone but what may be asked for again, so a crash anywhere
loses nothing.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.archive import priors, studies
from gransk.archive.correcting import held, queue, state_of
from gransk.archive.identity import Changed, Identities, Who
from gransk.archive.identity_tables import CorrectionState
from gransk.archive.inputs import FileFacts, Inputs, read_identity, read_inputs
from gransk.archive.orthanc import (
    ArchiveError,
    ArchiveFaultError,
    ArchiveRefusedError,
    NotInArchiveError,
    Orthanc,
)
from gransk.archive.status import Cause, State, Status
from gransk.archive.tables import Archive, Purpose, SeenStudy
from gransk.archive.watch import Watch
from gransk.core.errors import GranskError
from gransk.core.study import Study
from gransk.core.waiting import backoff
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.free_disk import least_free_disk
from gransk.site.live import InForce, Made, in_force

log = logging.getLogger(__name__)

ATTEND_SECONDS = 5.0
PREPARE_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
_MB = 1 << 20


class Handlers(Protocol):
    """What intake tells, each within its own transaction (``complete`` without one)."""

    def complete(self, headers: Study) -> bool | None:
        """Is the exam complete? None where no application reads it."""

    def submit(self, session: Session, seen: SeenStudy, headers: Study, incomplete: bool) -> None:
        """The study is settled, with other input than at the last call."""

    def withdraw(self, session: Session, seen: SeenStudy) -> None:
        """A study that was submitted is gone from the archive."""

    def restore(self, session: Session, seen: SeenStudy) -> None:
        """A withdrawn study is back with the same input."""

    def identified(self, session: Session, changed: Changed, said: bool) -> None:
        """A study became another identity's, by its images or because somebody said so."""

    def absorb(self, session: Session, kept: SeenStudy, other: SeenStudy) -> bool:
        """Two rows turned out to be one study; False where ``other`` must stay."""


@dataclass
class _Retry:
    """A study that a fault of ours kept from being settled."""

    times: int
    after: float


class Intake:
    """Notices studies, waits until they are complete, hands them over.

    Parameters
    ----------
    settings : Config or InForce
    database : Database
    orthanc : Orthanc
    handlers : Handlers
    """

    def __init__(
        self, settings: Config | InForce, database: Database, orthanc: Orthanc, handlers: Handlers
    ) -> None:
        live = in_force(settings)
        # What intake itself goes by are machine keys.
        self._config = config = live.config
        self._database = database
        self._orthanc = orthanc
        self._handlers = handlers
        self._facts = FileFacts(orthanc)
        self._nudged = threading.Event()
        self._status = Status(State.STARTING, Cause.NONE, utcnow())
        self._judged: dict[str, datetime.datetime] = {}
        self._learnt: dict[str, datetime.datetime] = {}
        self._retries: dict[str, _Retry] = {}
        self._identities = Made(
            live,
            lambda now: Identities(now.identity, now.priors.issuer),
            lambda now: (now.identity, now.priors.issuer),
        )
        seconds = config.intake.reconcile_seconds
        self._watch = Watch(orthanc, database, handlers.withdraw, seconds, handlers.absorb)
        self._due: datetime.datetime | None = None
        self._attend_next = 0.0

    def status(self) -> Status:
        return self._status

    def nudge(self) -> None:
        """Look at the archive now; any thread may call this, as often as it likes."""
        self._nudged.set()

    def run(self, stop: threading.Event) -> None:
        """Take studies in until told to stop; no fault of the archive ends this."""
        pause = self._config.intake.poll_seconds
        while not stop.is_set():
            self._nudged.clear()
            ok = self._try_once()
            pause = self._config.intake.poll_seconds if ok else min(max(pause, 0.5) * 2, 5.0)
            deadline = time.monotonic() + (self._until_due(pause) if ok else pause)
            while not stop.is_set() and time.monotonic() < deadline:
                if self._nudged.wait(min(0.2, max(0.0, deadline - time.monotonic()))):
                    self._watch.count_soon()
                    break
        self._become(State.STOPPED, Cause.NONE)

    def _until_due(self, pause: float) -> float:
        """The pause, shortened where there is something to do before."""
        count = self._watch.seconds_to_count()
        if count is not None:
            pause = min(pause, count)
        if self._due is not None:
            pause = min(pause, (self._due - utcnow()).total_seconds())
        return max(0.05, pause)

    def run_once(self) -> None:
        """One look at the archive.

        Raises
        ------
        ArchiveError
            Where it does not answer or refuses us; nothing is lost.
        """
        facts = self._orthanc.facts()
        self._watch.look(facts.identity)
        self._attend()
        if self._room(facts.free_bytes):
            self._settle()

    def _attend(self) -> None:
        """Say now and then that there is somebody here."""
        if time.monotonic() < self._attend_next:
            return
        self._attend_next = time.monotonic() + ATTEND_SECONDS
        with self._database.begin() as session:
            row = session.get(Archive, self._orthanc.name)
            if row is not None:
                row.attended_at = utcnow()

    def _try_once(self) -> bool:
        try:
            self.run_once()
        except ArchiveRefusedError as error:
            self._fail(Cause.ARCHIVE_REFUSES, str(error))
        except ArchiveError as error:
            self._fail(Cause.ARCHIVE_UNAVAILABLE, str(error))
        except SQLAlchemyError as error:
            self._fail(Cause.DATABASE_FAILED, type(error).__name__)
        except Exception as error:  # noqa: BLE001 (the next look may succeed; status says it)
            self._fail(Cause.INTERNAL_ERROR, place(error))
        else:
            return True
        return False

    def _fail(self, cause: Cause, text: str) -> None:
        if self._status.cause != cause:
            log.error("intake: %s", text)
        self._become(State.UNAVAILABLE, cause)

    def _become(self, state: State, cause: Cause) -> None:
        if (state, cause) != (self._status.state, self._status.cause):
            self._status = Status(state, cause, utcnow())

    def _room(self, archive_free: int | None) -> bool:
        """Is there room for work? Says so where that changed."""
        least = self._config.intake.min_free_disk_mb * _MB
        self._config.data_folder.mkdir(parents=True, exist_ok=True)
        cause = Cause.NONE
        if least_free_disk(self._config).free < least:
            cause = Cause.DISK_FULL
        elif archive_free is not None and archive_free < least:
            cause = Cause.ARCHIVE_DISK_FULL
        state = State.PAUSED if cause else State.RUNNING
        was_paused = self._status.state == State.PAUSED
        self._become(state, cause)
        if was_paused != (state == State.PAUSED):
            kind = EventKind.INTAKE_PAUSED if cause else EventKind.INTAKE_RESUMED
            with self._database.begin() as session:
                record(session, SYSTEM, kind, self._orthanc.name, {"cause": cause.value})
        return not cause

    def _settle(self) -> None:
        """Hand over every study that waited long enough."""
        query = (
            select(SeenStudy)
            .where(SeenStudy.archive == self._orthanc.name, SeenStudy.pending)
            .order_by(SeenStudy.priority.desc(), SeenStudy.noticed_at)
        )
        with self._database.read() as session:
            waiting = [
                seen
                for seen in session.scalars(query)
                if not (priors.arriving(session, seen) or held(session, seen.key))
            ]
        quiet = datetime.timedelta(seconds=self._config.intake.quiet_seconds)
        self._due = min(
            (due for seen in waiting if (due := seen.noticed_at + quiet) > utcnow()), default=None
        )
        self._learnt = {s.key: at for s in waiting if (at := self._learnt.get(s.key))}
        self._judged = {s.key: at for s in waiting if (at := self._judged.get(s.key))}
        self._retries = {s.key: r for s in waiting if (r := self._retries.get(s.key))}
        for seen in waiting:
            if seen.noticed_at + quiet > utcnow():
                self._prepare(seen)
                continue
            retry = self._retries.get(seen.key)
            judged = self._judged.get(seen.key) == seen.noticed_at
            if (judged and not self._waited(seen)) or (retry and time.monotonic() < retry.after):
                continue
            self._try_to_settle(seen)

    def _prepare(self, seen: SeenStudy) -> None:
        """While the last seconds of quiet pass: ask what settling will need."""
        breathing = datetime.timedelta(seconds=PREPARE_SECONDS)
        if seen.noticed_at + breathing > utcnow() or self._learnt.get(seen.key) == seen.noticed_at:
            return
        self._learnt[seen.key] = seen.noticed_at
        with suppress(NotInArchiveError, ArchiveFaultError):  # settling will say it
            self._facts.learn(seen.orthanc_id)

    def _try_to_settle(self, seen: SeenStudy) -> None:
        """Keep one study's fault from stopping the others; it is tried again later."""
        key = seen.key
        try:
            self._settle_one(seen)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 (others must be settled; logged, retried)
            if isinstance(error, ArchiveError):
                self._orthanc.system()  # raises where the archive, not the study, is the fault
            times = self._retries[key].times + 1 if key in self._retries else 1
            pause = backoff(1.0, times, LONGEST_RETRY_SECONDS)
            self._retries[key] = _Retry(times, time.monotonic() + pause)
            log.error(
                "study %s cannot be settled, next try in %.0f s: %s", key, pause, place(error)
            )

    def _waited(self, seen: SeenStudy) -> bool:
        longest = datetime.timedelta(seconds=self._config.intake.incomplete_after_seconds)
        return utcnow() - seen.noticed_at >= longest

    def _settle_one(self, seen: SeenStudy) -> None:
        try:
            listed = self._orthanc.study(seen.orthanc_id)
            inputs = read_inputs(self._orthanc, seen.orthanc_id, self._facts)
            known = inputs.fingerprint == seen.fingerprint
            identity = None if known else read_identity(self._orthanc, inputs)
        except NotInArchiveError:
            if not self._watch.lose(seen.key):
                raise
            return
        key = self._merged(seen)
        self._remove_copies(key, listed, inputs)
        headers = inputs.headers
        if headers is None:
            complete: bool | None = None
        elif inputs.fingerprint == seen.settled_fingerprint:
            complete = True
        else:
            complete = self._handlers.complete(headers)
        hold = complete is False and not self._waited(seen)
        with self._database.begin() as session:
            row = session.get_one(SeenStudy, key, with_for_update=True)
            if held(session, key):
                return
            was = Who.of(row)
            studies.update(row, inputs, identity)
            if identity is not None and headers and self._identify(session, row, was, headers):
                return
            row.last_update = str(listed.get("LastUpdate", ""))
            if headers is None:
                self._without_images(session, row)
            elif not hold:
                row.pending = False
                self._hand_over(session, row, headers, complete is False, inputs.pictures)
        if hold:
            self._judged[key] = seen.noticed_at

    def _remove_copies(self, key: str, listed: Mapping[str, Any], inputs: Inputs) -> None:
        """Remove what Orthanc copied of our own objects into a study under a new UID.

        They tell of the study under its old UID, and nobody knows them by their new ones.
        """
        with self._database.read() as session:
            row = session.get_one(SeenStudy, key)
        uid = str(listed.get("MainDicomTags", {}).get("StudyInstanceUID", ""))
        if not row.settled_fingerprint or uid == row.study_instance_uid:
            return
        for instance in inputs.ours:
            with suppress(NotInArchiveError):
                if self._orthanc.metadata(instance).get("ModifiedFrom"):
                    self._orthanc.delete_instance(instance)

    def _identify(self, session: Session, row: SeenStudy, was: Who, headers: Study) -> bool:
        """Whose the study is by its images and by what was said; True where images wait for it.

        ``was`` is whose it was here before.
        """
        images = Who.of(row)
        identities = self._identities()
        said, word = identities.stated(session, images, row.first_seen_at, row.key)
        studies.write_patient(row, asdict(said))
        known = bool(row.settled_fingerprint)
        before = was if known else images
        differs = bool(before.differs(said))
        if differs:
            actor = word.actor if word is not None else self._orthanc.name
            number = None if word is None else word.number
            identities.note(session, row.key, before, said, actor, number)
        identities.tell(session)
        if differs and known:
            self._handlers.identified(session, Changed(row, before), word is not None)
        if not identities.corrects or row.purpose == Purpose.PRIOR:
            return False
        corrected = state_of(session, row)
        if corrected is None:
            stale = bool(images.differs(said))
        else:
            stale = corrected == CorrectionState.DONE and _others(headers, said)
        if not stale:
            return False
        queue(session, row)
        row.fingerprint = ""  # its images are read again when they are changed
        return True

    def _merged(self, seen: SeenStudy) -> str:
        """A study under a new Orthanc id whose old one went meanwhile keeps the old row."""
        if seen.settled_fingerprint:
            return seen.key
        with self._database.read() as session:
            others = studies.forerunners(session, seen)
        old = next((other for other in others if self._watch.gone(other)), None)
        if old is None:
            return seen.key
        with self._database.begin() as session:
            row = session.get_one(SeenStudy, old.key)
            row.orthanc_id = seen.orthanc_id
            studies.notice(row, seen.noticed_at)
            session.delete(session.get_one(SeenStudy, seen.key))
        return old.key

    def _without_images(self, session: Session, row: SeenStudy) -> None:
        """Only reports are left, or were ever there: nothing to analyse."""
        row.pending = False
        if row.settled_fingerprint and row.deleted_at is None:
            self._watch.withdraw(session, row)

    def _hand_over(
        self,
        session: Session,
        row: SeenStudy,
        headers: Study,
        incomplete: bool,
        pictures: str,
    ) -> None:
        returned = row.deleted_at is not None
        row.deleted_at = None
        if returned:
            record(session, SYSTEM, EventKind.STUDY_RETURNED, row.key)
        if row.fingerprint == row.settled_fingerprint:
            if returned:
                self._handlers.restore(session, row)
            return
        if row.settled_fingerprint:
            record(session, SYSTEM, EventKind.STUDY_CHANGED, row.key)
        kind = EventKind.STUDY_INCOMPLETE if incomplete else EventKind.STUDY_READY
        record(session, SYSTEM, kind, row.key, {"images": row.images})
        same = bool(row.settled_fingerprint) and row.pictures == pictures
        row.read_as = (row.read_as or row.settled_fingerprint) if same else ""
        row.pictures, row.settled_fingerprint = pictures, row.fingerprint
        self._handlers.submit(session, row, headers, incomplete)


def _others(headers: Study, said: Who) -> bool:
    """Did images come that name another patient than the corrected ones?"""
    wanted = (said.patient_id, said.birth_date, said.sex)
    keywords = ("PatientID", "PatientBirthDate", "PatientSex")
    return any(
        tuple(str(one.header.get(keyword) or "").strip() for keyword in keywords) != wanted
        for one in headers.instances
    )


def place(error: Exception) -> str:
    """Kind and place of a fault; its text might hold a patient's data.

    Our own errors never do.
    """
    if isinstance(error, GranskError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
