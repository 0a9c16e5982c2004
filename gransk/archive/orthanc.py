"""Orthanc's REST API, as far as Gransk uses it. Runs on Orthanc 1.10.1 and later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import requests
from orthanc_api_client import HttpClient
from orthanc_api_client import exceptions as api
from requests.adapters import HTTPAdapter

from gransk.core.errors import GranskError
from gransk.site.config_machine import OrthancSection

CHUNK = 1 << 18
PAGE = 500
CONNECT_SECONDS = 3.0
"""Longest wait for a connection; reading waits for the configured time."""


class ArchiveError(GranskError):
    """Root of what can go wrong between us and the archive."""


class ArchiveUnavailableError(ArchiveError):
    """The archive does not answer now; the same call may succeed later."""


class NotOrthancError(ArchiveUnavailableError):
    """Something answers in the archive's place, but not as Orthanc does."""


class ArchiveFaultError(ArchiveUnavailableError):
    """The archive answers that it failed: a damaged file of its own, or a full disk."""


class ArchiveRefusedError(ArchiveError):
    """The archive answers that it will not: credentials, or what was asked of it."""


class ArchiveSignInError(ArchiveRefusedError):
    """The archive does not take our credentials: until somebody sets them right."""


class NotInArchiveError(ArchiveError):
    """The archive holds no such thing (any more)."""


@dataclass(frozen=True)
class Change:
    """One line of the change log."""

    number: int
    kind: str
    level: str
    orthanc_id: str


@dataclass(frozen=True)
class Changes:
    """A page of the change log.

    ``last`` is the number of the newest change that was read, or, where the
    page is empty, of the newest that the archive ever wrote.
    """

    changes: tuple[Change, ...]
    done: bool
    last: int


@dataclass(frozen=True)
class StoredInstance:
    """One instance as the archive lists it.

    ``file_id`` changes whenever the instance is stored anew.
    """

    orthanc_id: str
    series_id: str
    sop_instance_uid: str
    file_id: str
    size: int


@dataclass(frozen=True)
class ArchiveFacts:
    """What our plugin says of the archive it runs in."""

    identity: str
    free_bytes: int | None


class _Client(HttpClient):  # type: ignore[misc]
    """The client without its own repeated tries: whoever calls us tries again later."""

    def __init__(self, section: OrthancSection, connections: int) -> None:
        super().__init__(section.url + "/", section.username, section.password())
        self._http_session.trust_env = False
        if section.certificate_file is not None:
            self._http_session.verify = str(section.certificate_file)
        adapter = HTTPAdapter(max_retries=0, pool_maxsize=connections)
        for scheme in ("http://", "https://"):
            self._http_session.mount(scheme, adapter)


class Orthanc:
    """The archive.

    Every method raises ArchiveUnavailableError where Orthanc does not answer,
    ArchiveRefusedError where it declines, NotInArchiveError where it does not
    hold what was named.

    Parameters
    ----------
    section : OrthancSection
        ``config.orthanc``. The password is read from its file.
    connections : int
        How many threads may use this object at once.
    """

    def __init__(self, section: OrthancSection, connections: int = 8) -> None:
        self.name = section.name
        self.url = section.url
        self._timeout = (CONNECT_SECONDS, section.timeout_seconds)
        self._client = _Client(section, connections)

    def close(self) -> None:
        self._client.close()

    def system(self) -> dict[str, Any]:
        """``/system``: version, AE title, ports."""
        return dict(self._json("GET", "/system"))

    def plugins(self) -> list[str]:
        """Names of the loaded plugins."""
        return list(self._json("GET", "/plugins"))

    def answers(self, dicomweb_root: str) -> bool:
        """Does DICOMweb answer under a path?"""
        try:
            self._call("GET", f"{dicomweb_root.lstrip('/')}/studies?limit=1")
        except NotInArchiveError:
            return False
        return True

    def statistics(self) -> dict[str, Any]:
        """``/statistics``: counts and sizes."""
        return dict(self._json("GET", "/statistics"))

    def facts(self) -> ArchiveFacts:
        """Identity and free room, from our plugin; empty where it is not loaded."""
        try:
            answer = self._json("GET", "/gransk/archive")
        except NotInArchiveError:
            return ArchiveFacts("", None)
        free = answer.get("free_bytes")
        return ArchiveFacts(str(answer.get("identity", "")), free if free is None else int(free))

    def changes(self, since: int, limit: int = PAGE) -> Changes:
        """The change log after a number."""
        answer = self._json("GET", f"/changes?since={since}&limit={limit}")
        changes = tuple(
            Change(int(c["Seq"]), str(c["ChangeType"]), str(c["ResourceType"]), str(c["ID"]))
            for c in answer["Changes"]
        )
        return Changes(changes, bool(answer["Done"]), int(answer["Last"]))

    def last_change(self) -> int:
        """Number of the newest change that the archive ever wrote."""
        return int(self._json("GET", "/changes?last")["Last"])

    def study_ids(self) -> list[str]:
        """Orthanc ids of every study."""
        return [str(study) for study in self._json("GET", "/studies")]

    def study(self, orthanc_id: str) -> dict[str, Any]:
        """One study: main tags of study and patient, ``LastUpdate``, ``Series``."""
        return dict(self._json("GET", f"/studies/{orthanc_id}"))

    def studies(self) -> Iterator[dict[str, Any]]:
        """Every study as ``study`` gives it, read page by page."""
        yield from self._pages("/studies")

    def all_series(self) -> Iterator[dict[str, Any]]:
        """Every series: ``ParentStudy``, ``Instances`` (ids), main tags."""
        yield from self._pages("/series")

    def study_series(self, orthanc_id: str) -> list[dict[str, Any]]:
        """The series of one study."""
        return list(self._json("GET", f"/studies/{orthanc_id}/series?expand"))

    def series_of(self, instance_id: str) -> dict[str, Any]:
        """The series that holds an instance."""
        return dict(self._json("GET", f"/instances/{instance_id}/series"))

    def instance_count(self, orthanc_id: str) -> int:
        """Number of instances in a study."""
        return int(self._json("GET", f"/studies/{orthanc_id}/statistics")["CountInstances"])

    def instances(self, orthanc_id: str) -> list[StoredInstance]:
        """The instances of one study, in one call."""
        return [
            StoredInstance(
                orthanc_id=str(i["ID"]),
                series_id=str(i["ParentSeries"]),
                sop_instance_uid=str(i["MainDicomTags"].get("SOPInstanceUID", "")),
                file_id=str(i["FileUuid"]),
                size=int(i["FileSize"]),
            )
            for i in self._json("GET", f"/studies/{orthanc_id}/instances?expand")
        ]

    def tags(self, orthanc_id: str) -> dict[str, dict[str, Any]]:
        """The tags of every instance of a study, by Orthanc id, in one call."""
        return dict(self._json("GET", f"/studies/{orthanc_id}/instances-tags"))

    def instance_tags(self, instance_id: str) -> dict[str, Any]:
        """The tags of one instance."""
        return dict(self._json("GET", f"/instances/{instance_id}/tags"))

    def md5(self, instance_id: str) -> str:
        """MD5 of an instance's file, as Orthanc noted it when storing."""
        return self._text(f"/instances/{instance_id}/attachments/dicom/md5")

    def file(self, instance_id: str) -> bytes:
        """An instance's file."""
        return b"".join(self._stream(instance_id))

    def download(self, instance_id: str, path: Path) -> None:
        """Stream an instance's file to disk.

        Raises
        ------
        OSError
            Where the disk refuses.
        """
        with path.open("wb") as file:
            for chunk in self._stream(instance_id):
                file.write(chunk)

    def store(self, content: bytes) -> str:
        """Store one DICOM object; its Orthanc id.

        Storing the same object again replaces it.
        """
        headers = {"Content-Type": "application/dicom"}
        response = self._call("POST", "/instances", data=content, headers=headers)
        answer = self._parse(response)
        if not isinstance(answer, dict) or answer.get("Status") not in ("Success", "AlreadyStored"):
            raise ArchiveRefusedError("Orthanc did not store the object")
        return str(answer["ID"])

    def delete_study(self, orthanc_id: str) -> None:
        self._call("DELETE", f"/studies/{orthanc_id}")

    def delete_instance(self, orthanc_id: str) -> None:
        self._call("DELETE", f"/instances/{orthanc_id}")

    def find_instance(self, sop_instance_uid: str) -> str | None:
        """Orthanc id of the instance with a SOP Instance UID, if it is there."""
        found = self._parse(self._call("POST", "/tools/lookup", data=sop_instance_uid))
        return next((str(r["ID"]) for r in found if r["Type"] == "Instance"), None)

    def find_study(self, study_instance_uid: str) -> str | None:
        """Orthanc id of the study with a Study Instance UID, if it is there."""
        found = self._parse(self._call("POST", "/tools/lookup", data=study_instance_uid))
        return next((str(r["ID"]) for r in found if r["Type"] == "Study"), None)

    def find_studies(self, study_instance_uid: str) -> list[str]:
        """Orthanc ids of every study with a Study Instance UID: one for each Patient ID."""
        found = self._parse(self._call("POST", "/tools/lookup", data=study_instance_uid))
        return [str(r["ID"]) for r in found if r["Type"] == "Study"]

    def metadata(self, instance_id: str) -> dict[str, str]:
        """What Orthanc noted when it stored an instance: ``Origin``, ``RemoteAET``, ..."""
        found = self._json("GET", f"/instances/{instance_id}/metadata?expand")
        return {str(key): str(value) for key, value in found.items()}

    def modified_from(self, study_id: str) -> str:
        """Orthanc's id of the study that it made this one of (``/modify``); empty where of none."""
        try:
            return self._text(f"/studies/{study_id}/metadata/ModifiedFrom")
        except NotInArchiveError:
            return ""

    def study_metadata(self, orthanc_id: str) -> dict[str, str]:
        """Metadata of a study, user-defined ones too, by name."""
        found = self._json("GET", f"/studies/{orthanc_id}/metadata?expand")
        return {str(key): str(value) for key, value in found.items()}

    def set_study_metadata(self, orthanc_id: str, name: str, value: str) -> None:
        """Write a user-defined metadata of a study; its name or its number from 1024 on."""
        self._call("PUT", f"/studies/{orthanc_id}/metadata/{name}", data=value)

    def remove_study_metadata(self, orthanc_id: str, name: str) -> None:
        """Remove a user-defined metadata of a study."""
        self._call("DELETE", f"/studies/{orthanc_id}/metadata/{name}")

    def has_labels(self) -> bool:
        """Can studies have labels: Orthanc from 1.12 on, where its database keeps them?"""
        return bool(self.system().get("HasLabels", False))

    def labels(self, orthanc_id: str) -> list[str]:
        """Labels of a study."""
        return [str(one) for one in self._json("GET", f"/studies/{orthanc_id}/labels")]

    def set_label(self, orthanc_id: str, label: str) -> None:
        self._call("PUT", f"/studies/{orthanc_id}/labels/{label}", data=b"")

    def remove_label(self, orthanc_id: str, label: str) -> None:
        self._call("DELETE", f"/studies/{orthanc_id}/labels/{label}")

    def modalities(self) -> dict[str, Any]:
        """The remote DICOM nodes that Orthanc knows."""
        return dict(self._json("GET", "/modalities?expand"))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        since = 0
        while page := self._json("GET", f"{path}?expand&since={since}&limit={PAGE}"):
            yield from page
            since += len(page)

    def _stream(self, instance_id: str) -> Iterator[bytes]:
        response = self._call("GET", f"/instances/{instance_id}/file", stream=True)
        try:
            yield from response.iter_content(CHUNK)
        except requests.RequestException as error:
            raise ArchiveUnavailableError(
                f"Orthanc at {self.url} stopped in the middle of a file; it is fetched again"
            ) from error
        finally:
            response.close()

    def _text(self, path: str) -> str:
        return str(self._call("GET", path).text).strip()

    def _json(self, method: str, path: str) -> Any:
        return self._parse(self._call(method, path))

    def _parse(self, response: requests.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise NotOrthancError(
                f"{self.url} answered something that is not JSON; is it Orthanc?"
            ) from error

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        send = getattr(self._client, method.lower())
        try:
            response = send(path, timeout=self._timeout, **options)
        except (api.OrthancApiException, requests.RequestException) as error:
            self._fail(path, error)
        except ValueError as error:  # the client parses some error answers unguarded
            self._fail(path, error)
        if response is None:  # the client swallows the kinds of failure it does not know
            raise ArchiveUnavailableError(f"Orthanc at {self.url} broke off while answering")
        return response  # type: ignore[no-any-return]

    def _fail(self, path: str, error: Exception) -> NoReturn:
        place = "/".join(path.split("?")[0].split("/")[:2])
        status = getattr(error, "http_status_code", None)
        if isinstance(error, api.NotAuthorized):
            raise ArchiveSignInError(
                f"Orthanc at {self.url} refuses our credentials; orthanc.username and "
                "orthanc.password_file must agree with its RegisteredUsers"
            ) from error
        if status == 404:
            raise NotInArchiveError(f"Orthanc holds nothing at {place}/...") from error
        if status is not None and 400 <= int(status) < 500:
            raise ArchiveRefusedError(f"Orthanc refused {place} with status {status}") from error
        if status is not None and int(status) not in (502, 503, 504):
            raise ArchiveFaultError(
                f"Orthanc failed at {place} with status {status}; its own log says why"
            ) from error
        cause = f"status {status}" if status else type(error).__name__
        raise ArchiveUnavailableError(
            f"Orthanc at {self.url} does not answer ({cause}); is it running? see orthanc.url"
        ) from error
