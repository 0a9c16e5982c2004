"""Whole chest CT series from folders, read as the application reads them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from gransk.archive.folder import read_paths
from gransk.core.ct import frames_of, lay_out, read_volume
from gransk.core.errors import InvalidValueError
from gransk.core.findings import FrameRef
from gransk.core.study import Instance
from gransk.core.volume import Geometry, Volume
from training.nodule.scans import load
from training.nodule.split import SPLIT

MEMORY_MB = 8192


@dataclass(frozen=True)
class Scan:
    """One series, its pixels not yet read.

    Parameters
    ----------
    instances : tuple of Instance
    geometry : Geometry
        From the headers.
    frames : tuple of FrameRef
        The image of each slice.
    patient : str
        Patient ID.
    """

    instances: tuple[Instance, ...] = field(repr=False)
    geometry: Geometry
    frames: tuple[FrameRef, ...] = field(repr=False)
    patient: str

    def volume(self) -> Volume:
        """Read the pixels.

        Raises
        ------
        RefusalError
            Where the images are no volume in HU.
        """
        return read_volume(self.instances, MEMORY_MB)[0]


def find_scan(folder: Path, series_uid: str | None = None) -> Scan:
    """The series of that UID below a folder, or its largest of CT images.

    Raises
    ------
    InvalidValueError
        Where there is no such series.
    RefusalError
        Where the images do not stack to a volume.
    """
    series: dict[str, list[Instance]] = {}
    for instance in read_paths([folder]).instances:
        if instance.header.get("Modality") == "CT":
            series.setdefault(instance.series_instance_uid, []).append(instance)
    wanted = series_uid or max(series, key=lambda uid: len(series[uid]), default="")
    if wanted not in series:
        raise InvalidValueError("folder", folder.name, f"one that holds CT series {wanted}".strip())
    chosen = tuple(series[wanted])
    layout = lay_out((f for i in chosen for f in frames_of(i)), MEMORY_MB)
    return Scan(
        instances=chosen,
        geometry=layout.geometry,
        frames=tuple(frame.reference for frame in layout.frames),
        patient=str(chosen[0].header.get("PatientID", "")),
    )


def read_hosts(folders: Iterable[Path]) -> Iterator[tuple[str, Volume]]:
    """Name and volume of scans that nodules are put into, each folder one axial series.

    They are read as training reads them, as some public ones lack UIDs.

    Raises
    ------
    InvalidValueError
        Where training saw the scan: its folder or patient is in the committed split.
    """
    seen = trained()
    for folder in folders:
        names = {folder.name} | {
            str(pydicom.dcmread(path, specific_tags=["PatientID"]).get("PatientID", ""))
            for path in sorted(folder.glob("*.dcm"))[:1]
        }
        if names & seen:
            raise InvalidValueError("scan", folder.name, "one that no training or tuning saw")
        yield folder.name, load(folder)


def trained() -> frozenset[str]:
    """Patients and scans that training or tuning may have seen."""
    with SPLIT.open(newline="", encoding="utf-8") as file:
        return frozenset(r["case"] for r in csv.DictReader(file) if r["part"] != "test")
