"""The demonstration: a study sent to Orthanc over a real C-STORE, once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from gransk.archive.orthanc import Orthanc
from gransk.archive.orthanc_config import LOOPBACK_AET
from gransk.cli.processes import gransk_command
from gransk.core.errors import GranskError
from gransk.delivery.dimse import Peer, send
from gransk.site.config_machine import OrthancSection

CALLING_AET = LOOPBACK_AET


class NoStudyError(GranskError):
    """The folder given holds no DICOM study."""


def find_studies(folder: Path) -> dict[str, list[Path]]:
    """DICOM files below a folder, by Study Instance UID.

    Parameters
    ----------
    folder : Path
        A folder or one file. What is not DICOM, or is a DICOMDIR, is passed over.
    """
    studies: dict[str, list[Path]] = {}
    paths = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    for path in paths:
        try:
            header = dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
        except (InvalidDicomError, OSError):
            continue
        uid = str(header.get("StudyInstanceUID", ""))
        if uid:
            studies.setdefault(uid, []).append(path)
    return studies


def choose(study: Path | None, data: Path, phantom: Path) -> dict[str, list[Path]]:
    """The demonstration's studies: one given, else those of the data folder, else a phantom.

    Parameters
    ----------
    study : Path, optional
        What the user named.
    data : Path
        Where local data lies; may be absent.
    phantom : Path
        Where a phantom is written when there is nothing else.

    Raises
    ------
    NoStudyError
        Where the study that the user named holds no DICOM.
    """
    if study is not None:
        found = find_studies(study)
        if not found:
            raise NoStudyError(f"{study} holds no DICOM study; name a folder of DICOM files")
        return found
    found = find_studies(data) if data.is_dir() else {}
    if found:
        return found
    if not find_studies(phantom):
        subprocess.run(gransk_command("phantom", str(phantom)), check=True)
    return find_studies(phantom)


def send_missing(
    studies: dict[str, list[Path]],
    orthanc: Orthanc,
    section: OrthancSection,
    progress: Callable[[int, int], None],
) -> int:
    """Send the studies that Orthanc does not hold whole; how many were sent.

    Parameters
    ----------
    studies : dict
        Files by Study Instance UID.
    orthanc : Orthanc
        Asked what it already holds.
    section : OrthancSection
        Where its DICOM door is.
    progress : callable
        Told files sent and files to send.

    Raises
    ------
    UnavailableError, RefusedError
        Where Orthanc does not take an object.
    """
    peer = Peer(section.aet, section.dicom_host, section.dicom_port, CALLING_AET)
    missing = {uid: files for uid, files in studies.items() if not _held(orthanc, uid, len(files))}
    total, done = sum(map(len, missing.values())), 0
    for files in missing.values():
        send(files, peer, partial(_add, progress, done, total))
        done += len(files)
    return len(missing)


def _add(progress: Callable[[int, int], None], before: int, total: int, count: int) -> None:
    progress(before + count, total)


def _held(orthanc: Orthanc, uid: str, files: int) -> bool:
    study = orthanc.find_study(uid)
    return study is not None and orthanc.instance_count(study) >= files
