"""Scans that follow-ups are made of: those that set the error model, and those that measure.

``scans.csv`` names each scan, which is one patient, once.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pydicom

from bench.nodule.truth import FEWEST_READERS
from gransk.core.errors import InvalidValueError
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.insertion import Scanner
from training.nodule.places import Ground
from training.nodule.scans import load
from training.nodule.slices import placed
from training.nodule.split import cases

Part = Literal["setting", "measuring"]
PARTS: tuple[Part, ...] = ("setting", "measuring")
SCANS = Path(__file__).with_name("scans.csv")
# Patients of the training split whose nodules are pasted into a part's scans.
NODULES_OF: dict[Part, str] = {"setting": "val", "measuring": "test"}
DEFAULT_KERNEL = "STANDARD"
FIELD_MARGIN_MM = 25.0


@dataclass(frozen=True)
class Own:
    """A nodule that the scan has itself, by at least three readers.

    Parameters
    ----------
    centre_mm : tuple of float
        LPS.
    diameter_mm : float
        Longest axial one.
    texture : float
        Readers' median, 1 ground glass to 5 solid.
    """

    centre_mm: tuple[float, float, float]
    diameter_mm: float
    texture: float


@dataclass(frozen=True)
class Host:
    """A scan with what is needed to make follow-ups of it.

    Parameters
    ----------
    name : str
    volume : Volume
    kernel : str
        Convolution Kernel as the scanner wrote it.
    own : tuple of Own
    """

    name: str
    volume: Volume = field(repr=False)
    kernel: str
    own: tuple[Own, ...] = ()

    @cached_property
    def lungs(self) -> npt.NDArray[np.bool_]:
        return segment_lungs(self.volume)

    @cached_property
    def ground(self) -> Ground:
        return Ground.of(self.volume, self.lungs)

    @cached_property
    def scanner(self) -> Scanner:
        return Scanner.of(self.volume, self.lungs)


def names(part: Part) -> list[str]:
    """Scans of a part."""
    with SCANS.open(newline="", encoding="utf-8") as file:
        return [row["scan"] for row in csv.DictReader(file) if row["part"] == part]


def find_folders(part: Part, roots: Iterable[Path]) -> dict[str, Path]:
    """Folder of each scan of a part that lies below some folders.

    Raises
    ------
    InvalidValueError
        Where none of them is there.
    """
    places = list(roots)
    found = {name: root / name for name in names(part) for root in places if (root / name).is_dir()}
    if not found:
        raise InvalidValueError("scans", [p.name for p in places], f"folders of {names(part)}")
    return found


def read_host(folder: Path) -> Host:
    """Read a scan; its own nodules are those of ``nodules.json`` beside its folder."""
    first = pydicom.dcmread(next(iter(sorted(folder.glob("*.dcm")))), stop_before_pixels=True)
    kernel = first.get("ConvolutionKernel", "")
    kernel = kernel if isinstance(kernel, str) else next(iter(kernel or ()), "")
    scan = _chest(load(folder))
    return Host(folder.name, scan, kernel or DEFAULT_KERNEL, tuple(_own(folder)))


def _chest(scan: Volume) -> Volume:
    """The scan as a smaller field of view shows it: round the lungs, every slice whole."""
    shadow = np.any(segment_lungs(scan), axis=0)
    used, across = np.flatnonzero(np.any(shadow, axis=1)), np.flatnonzero(np.any(shadow, axis=0))
    margin = np.ceil(FIELD_MARGIN_MM / np.asarray(scan.geometry.spacing[1:])).astype(int)
    low = [max(0, int(u[0] - m)) for u, m in zip((used, across), margin, strict=True)]
    high = [int(u[-1] + m + 1) for u, m in zip((used, across), margin, strict=True)]
    hu = np.ascontiguousarray(scan.hu[:, low[0] : high[0], low[1] : high[1]])
    return placed(scan, hu, (0.0, float(low[0]), float(low[1])), scan.geometry.spacing)


def _own(folder: Path) -> Iterable[Own]:
    known = folder.parent / "nodules.json"
    entries = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else []
    for entry in entries:
        for nodule in entry["nodules"] if entry["patient"] == folder.name else ():
            if nodule["readers"] >= FEWEST_READERS:
                x, y, z = (float(v) for v in nodule["centre_lps_mm"])
                wide = float(np.median(nodule["longest_axial_mm"]))
                yield Own((x, y, z), wide, float(np.median(nodule["texture"])))


def cutouts(data: Path, part: Part) -> list[Cutout]:
    """Nodules of LIDC-IDRI, of at least three readers, that are pasted into a part's scans."""
    patients = set(cases("LIDC-IDRI", NODULES_OF[part]))
    return read_nodules(data / "lidc_nodules", patients, FEWEST_READERS)
