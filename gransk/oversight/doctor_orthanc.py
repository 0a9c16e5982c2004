"""The doctor's look at Orthanc: reachable, which version, what doors stand open."""

from __future__ import annotations

import datetime
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from gransk.archive.orthanc import (
    ArchiveError,
    ArchiveFaultError,
    ArchiveRefusedError,
    NotInArchiveError,
    NotOrthancError,
    Orthanc,
)
from gransk.archive.orthanc_config import read_template
from gransk.archive.prior_fetch import make_remotes
from gransk.archive.remote import RemoteError
from gransk.core.errors import ConfigurationError
from gransk.oversight.doctor import LOOPBACK, Check, Level, Result
from gransk.site.config import Config
from gransk.site.database import utcnow

SUPPORTED_FROM = (1, 10, 1)
LAST_FLAWED = (1, 12, 10)
"""Releases up to this one have published flaws that let a remote machine run code."""

CLOCK_SECONDS = 30
PROBE_SECONDS = 5
REFUSED = (0x0122, 0x0124)
UNKNOWN_AET = "GRANSK-DOCTOR"
"""An AE title that no site lists."""


def check_orthanc(config: Config) -> Iterator[Result]:
    """Orthanc over HTTP."""
    try:
        orthanc = Orthanc(config.orthanc)
        try:
            system, plugins = orthanc.system(), orthanc.plugins()
            identity = orthanc.facts().identity
            web = "dicom-web" not in plugins or orthanc.answers(config.orthanc.dicomweb_root)
        finally:
            orthanc.close()
    except (ArchiveError, ConfigurationError) as error:
        values = {"url": config.orthanc.url, "file": str(config.orthanc.password_file)}
        yield Result("orthanc", Level.FAIL, _trouble(error), values)
        return
    yield Result("orthanc", Level.OK, "orthanc_up", {"url": config.orthanc.url})
    yield version_result(str(system.get("Version", "?")))
    yield _access(config, system)
    missing = [name for name in ("python", "dicom-web") if name not in plugins]
    if missing:
        names = {"names": ", ".join(missing)}
        yield Result("orthanc_plugins", Level.FAIL, "plugins_missing", names)
    else:
        yield Result("orthanc_plugins", Level.OK, "plugins_good")
    if not web:
        root = {"root": config.orthanc.url + config.orthanc.dicomweb_root}
        yield Result("orthanc_plugins", Level.FAIL, "dicomweb_missing", root)
    aets = {"theirs": str(system.get("DicomAet", "")), "ours": config.orthanc.aet}
    if aets["theirs"] and aets["theirs"] != aets["ours"]:
        yield Result("dicom_door", Level.WARN, "aet_differs", aets)
    if identity:
        yield Result("gransk_plugin", Level.OK, "gransk_plugin_good")
    else:
        yield Result("gransk_plugin", Level.WARN, "gransk_plugin_missing")
    yield from _clock(config)


def check_dicom_door(config: Config) -> Iterator[Result]:
    """Orthanc's DICOM door: does it take images from a stranger?"""
    orthanc = config.orthanc
    place = {"host": orthanc.dicom_host, "port": orthanc.dicom_port}
    try:
        socket.create_connection((orthanc.dicom_host, orthanc.dicom_port), PROBE_SECONDS).close()
    except OSError:
        yield Result("dicom_door", Level.FAIL, "door_closed", place)
        return
    if _takes_from_strangers(config):
        yield Result("dicom_door", Level.WARN, "door_open")
    else:
        yield Result("dicom_door", Level.OK, "door_guarded")
    yield from _hosts(config)


def check_prior_archives(config: Config) -> Iterator[Result]:
    """The remote archives that earlier studies are fetched from; nothing where none is named."""
    if not config.priors.archives:
        return
    orthanc = Orthanc(config.orthanc)
    try:
        for remote in make_remotes(config, orthanc):
            try:
                remote.echo()
            except RemoteError as error:
                values = {"name": remote.name, "error": str(error)}
                yield Result("prior_archives", Level.WARN, "prior_archive_silent", values)
            else:
                values = {"name": remote.name}
                yield Result("prior_archives", Level.OK, "prior_archive_good", values)
    finally:
        orthanc.close()


_TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (ConfigurationError, "orthanc_secret"),
    (ArchiveRefusedError, "orthanc_refuses"),
    (NotInArchiveError, "orthanc_strange"),
    (NotOrthancError, "orthanc_strange"),
    (ArchiveFaultError, "orthanc_fault"),
)


def _trouble(error: Exception) -> str:
    """Which text tells of an error; Orthanc silent where none is nearer."""
    return next((seen for kind, seen in _TROUBLES if isinstance(error, kind)), "orthanc_down")


CHECKS: tuple[Check, ...] = (check_orthanc, check_dicom_door, check_prior_archives)


def version_result(version: str) -> Result:
    """What is known of a version of Orthanc."""
    values = {"version": version}
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+).*", version)
    if match is None:
        return Result("orthanc_version", Level.WARN, "version_unknown", values)
    number = tuple(int(part) for part in match.groups())
    if number < SUPPORTED_FROM:
        return Result("orthanc_version", Level.FAIL, "version_old", values)
    if number <= LAST_FLAWED:
        return Result("orthanc_version", Level.WARN, "version_flawed", values)
    return Result("orthanc_version", Level.OK, "version_good", values)


def _takes_from_strangers(config: Config) -> bool:
    """Does a C-STORE under an unlisted AE title get as far as the object itself?

    The object has no patient, study or series, so that no archive keeps it: one
    that would take it answers with a failure of the object, one that would not
    refuses before (PS3.4 B.2.3: 0x0122, 0x0124) or answers nothing.
    """
    stranger = AE(UNKNOWN_AET)
    stranger.acse_timeout = stranger.network_timeout = PROBE_SECONDS
    stranger.dimse_timeout = stranger.connection_timeout = PROBE_SECONDS
    stranger.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    orthanc = config.orthanc
    door = stranger.associate(orthanc.dicom_host, orthanc.dicom_port, ae_title=orthanc.aet)
    if not door.is_established:
        return False
    try:
        if not door.accepted_contexts:
            return False
        status = door.send_c_store(_nothing()).get("Status")
    finally:
        door.release()
    return status is not None and status not in REFUSED


def _nothing() -> Dataset:
    """An object that names itself and nothing else."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid(prefix=None)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _access(config: Config, system: dict[str, Any]) -> Result:
    """Does it answer strangers? ``IsHttpServerSecure`` is Orthanc's own word for it."""
    answer = httpx.get(f"{config.orthanc.url}/system", timeout=PROBE_SECONDS, trust_env=False)
    anonymous = answer.status_code == httpx.codes.OK
    local = urlsplit(config.orthanc.url).hostname in LOOPBACK
    if system.get("IsHttpServerSecure") is False or (anonymous and not local):
        return Result("orthanc_access", Level.FAIL, "access_open")
    if anonymous:
        return Result("orthanc_access", Level.WARN, "access_local")
    return Result("orthanc_access", Level.OK, "access_closed")


def _clock(config: Config) -> Iterator[Result]:
    """Orthanc's clock against ours; both in UTC."""
    orthanc = config.orthanc
    answer = httpx.get(
        f"{orthanc.url}/tools/now",
        auth=(orthanc.username, orthanc.password()),
        timeout=PROBE_SECONDS,
        trust_env=False,
    )
    theirs = datetime.datetime.strptime(answer.text.strip(), "%Y%m%dT%H%M%S")
    seconds = abs((utcnow() - theirs.replace(tzinfo=datetime.UTC)).total_seconds())
    values = {"seconds": round(seconds)}
    if seconds > CLOCK_SECONDS:
        yield Result("clock", Level.WARN, "clock_differs", values)
    else:
        yield Result("clock", Level.OK, "clock_good", values)


def _hosts(config: Config) -> Iterator[Result]:
    """Is a sender known by more than its AE title? Known where we start Orthanc ourselves."""
    path = config.data_folder / "orthanc" / "orthanc.json"
    if not path.is_file():
        return
    values = read_template(path)
    if values.get("DicomCheckModalityHost") or values.get("DicomTlsEnabled"):
        yield Result("dicom_hosts", Level.OK, "hosts_checked")
    else:
        yield Result("dicom_hosts", Level.WARN, "hosts_unchecked")
