"""Scans with known nodules, from whichever data set they come."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench.nodule.scans import find_scan
from gransk.core.errors import InvalidValueError
from gransk.core.volume import Volume

FEWEST_READERS = 3


class Tier(StrEnum):
    """What a figure was measured on; figures of two tiers are never put together."""

    REAL = "real whole scans"
    SEMI_SYNTHETIC = "semi-synthetic: real nodules pasted into other scans"
    SYNTHETIC = "synthetic nodules inserted into real scans"


class Texture(StrEnum):
    """Texture by the readers' median rating: 1 ground glass, 5 solid."""

    GROUND_GLASS = "ground glass"
    PART_SOLID = "part-solid"
    SOLID = "solid"
    UNKNOWN = "texture not known"

    @classmethod
    def of(cls, rating: float | None) -> Texture:
        """Ratings to 2 are ground glass, those from 4.5 solid."""
        if rating is None or rating != rating:
            return cls.UNKNOWN
        if rating <= 2:
            return cls.GROUND_GLASS
        return cls.PART_SOLID if rating < 4.5 else cls.SOLID


@dataclass(frozen=True)
class Nodule:
    """A known nodule.

    Parameters
    ----------
    centre_lps_mm : tuple of float
        mm, LPS.
    diameter_mm : float
        Longest axial diameter, of the reader who drew it longest; a mark hits
        within half of it.
    counted : bool
        Whether it is to be found; marks on others are neither hit nor false.
    texture : Texture
    place : str
        ``wall``, ``vessel`` .. where it is known, else empty.

    Raises
    ------
    InvalidValueError
        Where the diameter is not positive.
    """

    centre_lps_mm: tuple[float, float, float]
    diameter_mm: float
    counted: bool = True
    texture: Texture = Texture.UNKNOWN
    place: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.diameter_mm < 1000:
            raise InvalidValueError("Nodule.diameter_mm", self.diameter_mm, "a length in mm")


@dataclass(frozen=True)
class Case:
    """A scan with what is known of it.

    Parameters
    ----------
    name : str
        Printed; of the patient or the series.
    patient : str
        Scans of one patient are resampled together.
    load : callable
        Gives the scan.
    nodules : tuple of Nodule
    """

    name: str
    patient: str
    load: Callable[[], Volume] = field(repr=False)
    nodules: tuple[Nodule, ...] = ()


def read_folder(data: Path) -> Iterator[Case]:
    """Cases of a folder of DICOM series with a ``nodules.json``.

    Each entry has ``patient`` (the subfolder's name), ``series_uid`` (may be
    absent where the subfolder holds one series) and ``nodules``, each with
    ``centre_lps_mm``, ``longest_axial_mm`` by reader, ``readers`` and, where
    known, ``texture`` by reader.

    Raises
    ------
    InvalidValueError
        Where an entry lacks what it needs.
    """
    for entry in json.loads((data / "nodules.json").read_text(encoding="utf-8")):
        try:
            patient, series = str(entry["patient"]), entry.get("series_uid")
            nodules = tuple(_nodule(n) for n in entry["nodules"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidValueError(
                "nodules.json", str(error), "patient and nodules, as in docs/evaluation.md"
            ) from error
        yield Case(patient, patient, _loader(data / patient, series), nodules)


def _loader(folder: Path, series: str | None) -> Callable[[], Volume]:
    return lambda: find_scan(folder, series).volume()


def _nodule(entry: dict[str, Any]) -> Nodule:
    x, y, z = (float(v) for v in entry["centre_lps_mm"])
    ratings = entry.get("texture")
    return Nodule(
        centre_lps_mm=(x, y, z),
        diameter_mm=max(entry["longest_axial_mm"]),
        counted=entry["readers"] >= FEWEST_READERS,
        texture=Texture.of(statistics.median(ratings) if ratings else None),
    )
