"""A remote archive over DIMSE: C-FIND and C-MOVE (PS3.4 Annex C)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from gransk.archive.remote import (
    MOST_ANSWERS,
    SERIES_KEYS,
    STUDY_KEYS,
    Listed,
    RemoteError,
    RemoteGoneError,
    StoppedError,
    Visit,
)
from gransk.site.config_archives import PriorArchive
from gransk.site.config_machine import OrthancSection

VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PENDING = (0xFF00, 0xFF01)
SOME_FAILED = 0xB000
LOOK_SECONDS = 1.0


class DimseArchive:
    """A remote archive that knows us by AE title.

    It sends what a C-MOVE asks for to our Orthanc, by itself.

    Parameters
    ----------
    archive : PriorArchive
        Of kind ``dimse``.
    orthanc : OrthancSection
        The destination of a C-MOVE; its AE title is ours unless ``calling_aet`` is set.
    """

    def __init__(self, archive: PriorArchive, orthanc: OrthancSection) -> None:
        self.name = archive.name
        self._archive = archive
        self._aet = archive.aet or ""
        self._calling = archive.calling_aet or orthanc.aet
        self._destination = orthanc.aet
        self._seconds = archive.timeout_seconds

    def echo(self) -> None:
        with self._associated(VERIFICATION) as association:
            _check(_status(association.send_c_echo()), "C-ECHO")

    def find(self, patient_id: str) -> list[Listed]:
        found = self._studies("PatientID", patient_id)
        return [one if one.modalities else one.with_series(self._series(one)) for one in found]

    def retrieve(self, study_instance_uid: str, visit: Visit) -> None:
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        query.StudyInstanceUID = study_instance_uid
        # It may say nothing until all is sent, so we look at what arrives instead.
        with self._associated(STUDY_ROOT_MOVE, None) as association:
            move = _Move(association, query, self._destination)
            move.start()
            self._watch(move, visit)
        try:
            move.judge(visit.lenient)
        except RemoteError as error:
            if not self._studies("StudyInstanceUID", study_instance_uid):
                raise RemoteGoneError("has no such study any more") from error
            raise

    def sent(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get("Origin") == "DicomProtocol" and metadata.get("RemoteAET") == self._aet

    def _studies(self, keyword: str, value: str) -> list[Listed]:
        found = map(Listed.of, self._query("STUDY", STUDY_KEYS, {keyword: value}))
        return [listed for listed in found if listed is not None]

    def _series(self, study: Listed) -> list[Dataset]:
        uid = study.study_instance_uid
        return self._query("SERIES", SERIES_KEYS, {"StudyInstanceUID": uid})

    def _query(self, level: str, keys: Sequence[str], values: Mapping[str, str]) -> list[Dataset]:
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword, value in (dict.fromkeys(keys, "") | dict(values)).items():
            setattr(query, keyword, value)
        if not all(value.isascii() for value in values.values()):
            query.SpecificCharacterSet = "ISO_IR 192"
        found: list[Dataset] = []
        with self._associated(STUDY_ROOT_FIND) as association:
            for answer, identifier in association.send_c_find(query, STUDY_ROOT_FIND):
                status = _status(answer)
                if status not in PENDING:
                    _check(status, "C-FIND")
                    break
                if identifier is not None:
                    found.append(identifier)
                if len(found) > MOST_ANSWERS:
                    raise RemoteError(f"lists more than {MOST_ANSWERS} studies of one patient")
        return found

    def _watch(self, move: _Move, visit: Visit) -> None:
        """Wait for the end; break off where nothing comes any more, or we shall stop."""
        seen, since = (0, 0), time.monotonic()
        while not move.ended.wait(LOOK_SECONDS):
            now = (visit.arrived(), move.answers)
            if now != seen:
                seen, since = now, time.monotonic()
            if visit.stopped():
                move.abort()
                raise StoppedError("told to stop")
            if time.monotonic() - since > self._seconds:
                move.abort()
                raise RemoteError(f"sent nothing for {self._seconds:g} s")

    @contextmanager
    def _associated(self, model: str, answer_seconds: float | None = -1.0) -> Iterator[Association]:
        entity = AE(self._calling)
        entity.connection_timeout = entity.acse_timeout = self._seconds
        entity.dimse_timeout = self._seconds if answer_seconds == -1.0 else answer_seconds
        entity.network_timeout = None
        entity.add_requested_context(model)
        archive = self._archive
        try:
            association = entity.associate(archive.host, archive.port, ae_title=self._aet)
        except (OSError, RuntimeError, ValueError) as error:
            raise RemoteError(f"cannot be reached: {type(error).__name__}") from error
        if not association.is_established:
            raise RemoteError(
                f"{self._aet} at {archive.host}:{archive.port} accepts no association; is it "
                f"running, and does it know {self._calling}?"
            )
        try:
            yield association
        except (RuntimeError, ValueError) as error:
            raise RemoteError(f"broke off: {type(error).__name__}") from error
        finally:
            if association.is_established:
                association.release()


class _Move(threading.Thread):
    """One C-MOVE, whose answers are waited for beside."""

    def __init__(self, association: Association, query: Dataset, destination: str) -> None:
        super().__init__(daemon=True)
        self._association = association
        self._query = query
        self._destination = destination
        self.ended = threading.Event()
        self.answers = 0
        self._last = Dataset()

    def run(self) -> None:
        association, query = self._association, self._query
        try:
            for answer, _ in association.send_c_move(query, self._destination, STUDY_ROOT_MOVE):
                self.answers += 1
                self._last = answer
        except (RuntimeError, ValueError):
            self._last = Dataset()
        finally:
            self.ended.set()

    def abort(self) -> None:
        self._association.abort()
        self.ended.wait(LOOK_SECONDS)

    def judge(self, lenient: bool) -> None:
        """What the last answer says of the whole (PS3.4 C.4.2.1.5)."""
        status = _status(self._last)
        failed = int(self._last.get("NumberOfFailedSuboperations") or 0)
        done = int(self._last.get("NumberOfCompletedSuboperations") or 0)
        warned = int(self._last.get("NumberOfWarningSuboperations") or 0)
        if status == SOME_FAILED or (status == 0 and failed):
            if not lenient or not done + warned:
                raise RemoteError(f"{failed} of {failed + done + warned} objects failed")
            return
        _check(status, "C-MOVE")
        told = "NumberOfCompletedSuboperations" in self._last
        if told and not done + warned:
            raise RemoteGoneError("has no such study any more")


def _status(answer: Dataset) -> int:
    status = answer.get("Status")
    if status is None:
        raise RemoteError("ended the association without an answer")
    return int(status)


def _check(status: int, service: str) -> None:
    if status != 0:
        raise RemoteError(f"answered {service} with status 0x{status:04X}")
