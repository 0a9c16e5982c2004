"""A study's files from the archive to this machine's disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from gransk.archive.files import read_file
from gransk.archive.headers import is_input
from gransk.archive.orthanc import ArchiveFaultError, NotInArchiveError, Orthanc
from gransk.archive.tables import SeenStudy
from gransk.core.decode import DAMAGED, drop_unreadable
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.identity import MANUFACTURER
from gransk.core.study import Instance, Study

THREADS = 4
DEFER_BYTES = 1 << 20
"""Values larger than this stay on disk until someone asks for them."""


def fetch_study(
    orthanc: Orthanc, seen: SeenStudy, folder: Path, reports: Path | None = None
) -> Study:
    """Fetch every input image of a study.

    Parameters
    ----------
    orthanc : Orthanc
    seen : SeenStudy
        Its ``orthanc_id`` and ``study_instance_uid`` are used.
    folder : Path
        Receives the files ``000001.dcm`` ... ; made where it is missing. The
        study's images are read from there until the folder is removed.
    reports : Path, optional
        Receives our own structured reports of the study; they are left out otherwise.

    Raises
    ------
    ArchiveUnavailableError
        Where the archive does not answer.
    NotInArchiveError
        Where the study, or an image of it, is gone.
    UnreadableInputError
        Where an image cannot be read as DICOM, or none is left.
    OSError
        Where the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if reports is not None:
        reports.mkdir(parents=True, exist_ok=True)
    listed = sorted(orthanc.instances(seen.orthanc_id), key=lambda i: i.sop_instance_uid)
    if not listed:
        raise NotInArchiveError("the archive holds no image of the study")
    paths = [folder / f"{number:06}.dcm" for number in range(1, len(listed) + 1)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(_download, orthanc), [i.orthanc_id for i in listed], paths))
    instances = []
    for path in paths:
        header = read_header(path)
        if is_input(header):
            instances.append(_instance(header, path))
        elif reports is not None and _is_our_report(header):
            path.replace(reports / path.name)
        else:
            path.unlink()
    if not instances:
        raise UnreadableInputError("the study holds no image that may be analysed")
    return Study.from_instances(instances)


def _is_our_report(header: Dataset) -> bool:
    return bool(header.get("Modality") == "SR" and header.get("Manufacturer") == MANUFACTURER)


def _download(orthanc: Orthanc, instance_id: str, path: Path) -> None:
    try:
        orthanc.download(instance_id, path)
    except ArchiveFaultError as error:
        raise UnreadableInputError(f"the archive cannot read {path.name}: {error}") from error


def read_header(path: Path) -> Dataset:
    """Everything of a DICOM file but its pixel data.

    Raises
    ------
    UnreadableInputError
        Where it is not DICOM or damaged; the message holds nothing of its content.
    OSError
        Where the disk refuses.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, defer_size=DEFER_BYTES)
    except (InvalidDicomError, RecursionError, *DAMAGED) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableInputError(
            f"{path.name} cannot be read as DICOM ({type(error).__name__})"
        ) from error
    drop_unreadable(header)
    if "SOPInstanceUID" not in header:
        raise UnreadableInputError(f"{path.name} holds no DICOM object")
    return header


def _instance(header: Dataset, path: Path) -> Instance:
    try:
        return Instance(header=header, load=partial(read_file, path))
    except InvalidValueError as error:
        raise UnreadableInputError(f"{path.name}: {error}") from error
