"""Asking for storage commitment: N-ACTION to a destination, and answers on the same association.

PS3.4 J.3.2 (N-ACTION, Action Type 1) and J.3.3 (N-EVENT-REPORT, Event Type 1 and 2).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from pydicom import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.association import Association
from sqlalchemy.exc import OperationalError

from gransk.core.errors import place
from gransk.core.waiting import backoff
from gransk.delivery.commitment import Answer, Committer, Request, take_answer
from gransk.delivery.destination import UnavailableError
from gransk.delivery.dicom import peer_of
from gransk.delivery.dimse import VERIFICATION, associate
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination
from gransk.site.database import Database

log = logging.getLogger(__name__)

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")
"""The class, and its one well-known instance (PS3.4 J.3.5)."""
LOOK_SECONDS = 3.0
"""Between two looks for what is to be asked; meanwhile a report's objects come together."""
PROBE_SECONDS = 30.0
"""How often a destination that an answer is awaited from is looked for."""
LONGEST_AWAY_SECONDS = 300.0
HEARD = 1000
REQUEST, SUCCEEDED, FAILED = 1, 1, 2
NOT_AUTHORISED, INVALID = 0x0124, 0x0115
SUCCESS, PROCESSING_FAILURE, UNKNOWN_TYPE, UNKNOWN_TRANSACTION = 0x0000, 0x0110, 0x0113, 0x0112


class Asker:
    """Asks one destination for as long as the service runs.

    Parameters
    ----------
    database : Database
    destination : DicomDestination
    section : CommitmentSection
    answers : Answers
        The door's too, so that an answer there ends the waiting here.
    """

    def __init__(
        self,
        database: Database,
        destination: DicomDestination,
        section: CommitmentSection,
        answers: Answers,
    ) -> None:
        self.rows = Committer(database, destination, section)
        self.destination = destination
        self.section = section
        self.answers = answers
        self._away = 0
        self._failed = 0.0
        self._next_try = 0.0
        self._probed = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop; a database that fails is tried again."""
        begun = False
        while not stop.is_set():
            try:
                if not begun:
                    self.rows.begin()
                    begun = True
                self.run_once()
            except OperationalError as error:
                log.warning("the database did not answer: %s", type(error.orig).__name__)
            except Exception as error:  # noqa: BLE001
                # Whatever a peer does, it is asked again.
                log.error("storage commitment, %s: %s", self.destination.name, place(error))
            stop.wait(LOOK_SECONDS)

    def run_once(self) -> None:
        """Ask what is to be asked now, and see whether the destination is there."""
        self.rows.tidy(gives_up=not self._away)
        if time.monotonic() < self._next_try:
            return
        more = self.rows.has_more()
        probes = self.rows.waits() and time.monotonic() - self._probed >= PROBE_SECONDS
        if not more and not probes:
            return
        self._probed = time.monotonic()
        try:
            association = associate(
                peer_of(self.destination),
                # Who knows no storage commitment takes this association all the same, and can be
                # told from one who is away.
                {(PUSH_MODEL, ImplicitVRLittleEndian), VERIFICATION},
                [(evt.EVT_N_EVENT_REPORT, self._take)],
            )
        except UnavailableError as error:
            self._is_away(str(error))
            return
        try:
            if self._away:
                self._away = 0
                self.rows.has_returned(time.monotonic() - self._failed)
            self._ask_all(association)
        finally:
            if association.is_established:
                association.release()

    def _ask_all(self, association: Association) -> None:
        while (request := self.rows.next_request()) is not None:
            error = self._ask(association, request)
            if error:
                log.warning("storage commitment, %s: %s", self.destination.name, error)
                self.rows.was_refused(request, error)
                return
            self.rows.was_taken(request)
            self.answers.wait_for(request.transaction_uid, self.section.wait_seconds)

    def _ask(self, association: Association, request: Request) -> str:
        """Make one request; what went wrong, empty where it was taken."""
        asked = Dataset()
        asked.TransactionUID = request.transaction_uid
        asked.ReferencedSOPSequence = [_reference(*one) for one in request.objects]
        try:
            status, _ = association.send_n_action(asked, REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        except (ValueError, RuntimeError) as error:
            return f"storage commitment cannot be asked for: {error}"
        if "Status" not in status:
            return "the peer ended the association without an answer to storage commitment"
        if status.Status != SUCCESS:
            return f"storage commitment was refused with status 0x{status.Status:04X}"
        return ""

    def _take(self, event: evt.Event) -> tuple[int, Dataset | None]:
        return self.answers.take(event, (self.destination.name,))

    def _is_away(self, why: str) -> None:
        if not self._away:
            log.warning("storage commitment, %s: %s", self.destination.name, why)
        self._away += 1
        wait = backoff(LOOK_SECONDS, self._away, LONGEST_AWAY_SECONDS)
        now = time.monotonic()
        self._next_try = now + wait
        if self._away > 1:
            self.rows.was_away(now - self._failed)
        self._failed = now


class Answers:
    """Takes N-EVENT-REPORTs, on whatever association they come."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._news = threading.Condition()
        self._heard: set[str] = set()

    def take(self, event: evt.Event, destinations: Collection[str]) -> tuple[int, Dataset | None]:
        """The status of one, given once the answer is committed here.

        ``destinations`` are those, by name, that the association speaks for.
        """
        if event.event_type not in (SUCCEEDED, FAILED):
            return UNKNOWN_TYPE, None
        try:
            answer = answer_of(event.event_information)
        except (AttributeError, ValueError, TypeError, NotImplementedError) as error:
            log.warning("storage commitment: an answer cannot be read: %s", type(error).__name__)
            return INVALID, None
        try:
            with self.database.begin() as session:
                known = take_answer(session, destinations, answer)
        except OperationalError as error:
            log.warning("the database did not answer: %s", type(error.orig).__name__)
            return PROCESSING_FAILURE, None
        if not known:
            log.warning("storage commitment: an answer to nothing that was asked")
            return UNKNOWN_TRANSACTION, None
        with self._news:
            if len(self._heard) > HEARD:
                self._heard.clear()
            self._heard.add(answer.transaction_uid)
            self._news.notify_all()
        return SUCCESS, None

    def wait_for(self, transaction_uid: str, seconds: float) -> None:
        """Wait a little for the answer to one request."""
        with self._news:
            self._news.wait_for(lambda: transaction_uid in self._heard, seconds)


def answer_of(said: Dataset) -> Answer:
    """What an N-EVENT-REPORT says.

    Raises
    ------
    AttributeError, ValueError, TypeError
        Where it has no transaction, or a reference without a UID.
    """
    committed = [str(one.ReferencedSOPInstanceUID) for one in said.get("ReferencedSOPSequence", [])]
    failed = {
        str(one.ReferencedSOPInstanceUID): int(one.get("FailureReason", PROCESSING_FAILURE))
        for one in said.get("FailedSOPSequence", [])
    }
    return Answer(str(said.TransactionUID), frozenset(committed) - failed.keys(), failed)


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
