"""A remote archive over DICOMweb: QIDO-RS and WADO-RS (PS3.18)."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from typing import Any

import httpx
from pydicom import Dataset
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from gransk.archive.orthanc import Orthanc
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
from gransk.core.decode import read_dataset
from gransk.core.errors import UnreadableInputError
from gransk.site.config_archives import PriorArchive

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
MOST_BYTES = 1 << 31
"""Of one object."""
MOST_LISTED = 1 << 26
"""Bytes of an answer to a query."""
CHUNK = 1 << 18


class DicomwebArchive:
    """A remote archive whose objects pass through our hands into our Orthanc.

    Parameters
    ----------
    archive : PriorArchive
        Of kind ``dicomweb``.
    orthanc : Orthanc
        Where objects are stored.

    Raises
    ------
    ConfigurationError
        Where a secret cannot be read.
    """

    def __init__(self, archive: PriorArchive, orthanc: Orthanc) -> None:
        self.name = archive.name
        self._archive = archive
        self._orthanc = orthanc
        self._secret = archive.secret()

    def echo(self) -> None:
        self._query({"limit": "1", "PatientID": "GRANSK-DOCTOR"})

    def find(self, patient_id: str) -> list[Listed]:
        # Repeated, for servers that take a list with commas for one name.
        asked = {"PatientID": patient_id, "includefield": STUDY_KEYS, "limit": str(MOST_ANSWERS)}
        answers = self._query(asked)
        found = (Listed.of(_dataset(answer)) for answer in answers[:MOST_ANSWERS])
        return [
            one if one.modalities else one.with_series(self._series(one))
            for one in found
            if one is not None
        ]

    def retrieve(self, study_instance_uid: str, visit: Visit) -> None:
        def keep(content: bytes) -> None:
            if visit.stopped():
                raise StoppedError("told to stop")
            visit.admit(_header(content, study_instance_uid))
            self._orthanc.store(content)

        with self._asked(f"/studies/{study_instance_uid}", {}, AS_STORED) as answer:
            if answer.status_code == httpx.codes.PARTIAL_CONTENT and not visit.lenient:
                raise RemoteError("gives a part of the study")
            _read_parts(answer, keep)

    def sent(self, metadata: Mapping[str, str]) -> bool:
        return metadata.get("Origin") == "RestApi"

    def _series(self, study: Listed) -> list[Dataset]:
        path = f"/studies/{study.study_instance_uid}/series"
        return [_dataset(one) for one in self._query({"includefield": SERIES_KEYS}, path)]

    def _query(self, parameters: Mapping[str, Any], path: str = "/studies") -> list[Any]:
        content = bytearray()
        with self._asked(path, parameters, "application/dicom+json") as answer:
            if answer.status_code == httpx.codes.NO_CONTENT:
                return []
            for chunk in answer.iter_bytes(CHUNK):
                content += chunk
                if len(content) > MOST_LISTED:
                    raise RemoteError("answers a query without end")
        try:
            found = json.loads(bytes(content))
        except (ValueError, RecursionError) as error:
            raise RemoteError("answers a query with something that is not JSON") from error
        if not isinstance(found, list):
            raise RemoteError("answers a query with something that is no list")
        return found

    @contextmanager
    def _asked(
        self, path: str, parameters: Mapping[str, Any], accept: str
    ) -> Iterator[httpx.Response]:
        archive = self._archive
        headers = {"accept": accept}
        if archive.token_file is not None:
            headers["authorization"] = f"Bearer {self._secret}"
        auth = (archive.username, self._secret) if archive.username else None
        try:
            with (
                httpx.Client(
                    verify=self._trust(), timeout=archive.timeout_seconds, trust_env=False
                ) as client,
                client.stream(
                    "GET", f"{archive.url}{path}", params=parameters, headers=headers, auth=auth
                ) as answer,
            ):
                _check(answer, path)
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise RemoteError(f"does not answer ({type(error).__name__})") from error

    def _trust(self) -> ssl.SSLContext:
        path = self._archive.certificate_file
        try:
            return ssl.create_default_context(cafile=None if path is None else str(path))
        except (OSError, ssl.SSLError) as error:
            raise RemoteError(f"certificate_file {path} cannot be read") from error


def _check(answer: httpx.Response, path: str) -> None:
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE) and path != "/studies":
        raise RemoteGoneError("has no such study any more")
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise RemoteError(f"refuses our credentials (status {answer.status_code})")
    if not answer.is_success:
        raise RemoteError(f"answered with status {answer.status_code}")


def _read_parts(answer: httpx.Response, keep: Callable[[bytes], None]) -> None:
    """Call ``keep`` with every part of a multipart answer, as it passes."""
    kind = Message()
    kind["content-type"] = answer.headers.get("content-type", "")
    if kind.get_content_type() == "application/dicom":
        keep(answer.read())
        return
    boundary = kind.get_param("boundary")
    if kind.get_content_maintype() != "multipart" or not isinstance(boundary, str):
        raise RemoteError("answers WADO-RS with something that is not multipart")
    parts = _Parts(boundary)
    try:
        for chunk in answer.iter_bytes(CHUNK):
            for content in parts.write(chunk):
                keep(content)
    except FormParserError as error:
        raise RemoteError("answers WADO-RS with something that is not multipart") from error
    if not parts.ended:
        raise RemoteError("stopped in the middle of a study")


class _Parts:
    """The parts of a multipart body that comes in pieces."""

    def __init__(self, boundary: str) -> None:
        self.ended = False
        self._content = bytearray()
        self._whole: list[bytes] = []
        self._parser = MultipartParser(
            boundary.encode("latin-1", "replace"),
            {"on_part_data": self._data, "on_part_end": self._part, "on_end": self._end},
        )

    def write(self, chunk: bytes) -> list[bytes]:
        """The parts that end within a piece."""
        self._parser.write(chunk)
        whole, self._whole = self._whole, []
        return whole

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]
        if len(self._content) > MOST_BYTES:
            raise RemoteError("sends an object without end")

    def _part(self) -> None:
        self._whole.append(bytes(self._content))
        self._content.clear()

    def _end(self) -> None:
        self.ended = True


def _header(content: bytes, study_instance_uid: str) -> Dataset:
    try:
        header = read_dataset(io.BytesIO(content), pixels=False)
    except UnreadableInputError as error:
        raise RemoteError("sends something that is no DICOM object") from error
    if str(header.get("StudyInstanceUID", "")) != study_instance_uid:
        raise RemoteError("sends an object of another study")
    return header


def _dataset(answer: Any) -> Dataset:
    """An answer to a query as a dataset (PS3.18 F.2); empty where it is damaged."""
    try:
        return Dataset.from_json(answer)
    except Exception:  # noqa: BLE001 (pydicom raises many kinds; one answer must not cost the others)
        return Dataset()
