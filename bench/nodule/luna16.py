"""LUNA16: MetaImage scans with ``annotations.csv`` (luna16.grand-challenge.org)."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from bench.nodule.truth import Case, Nodule
from gransk.core.ct import LOWEST_HU
from gransk.core.errors import InvalidValueError
from gransk.core.volume import Geometry, Volume

TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2",
    "MET_INT": "i4", "MET_UINT": "u4", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
LARGEST_BYTES = 4 << 30
COUNTED, EXCLUDED = "annotations.csv", "annotations_excluded.csv"


def read_luna16(folder: Path) -> Iterator[Case]:
    """Cases of a folder of LUNA16: ``*.mhd`` anywhere below it, and ``annotations.csv``.

    The nodules of ``annotations.csv`` had at least three readers. Findings of
    ``annotations_excluded.csv`` (from the challenge's evaluation script), where it
    is there, are neither hits nor false. Centres are LPS in mm, as ITK's.

    Raises
    ------
    InvalidValueError
        Where there is no scan.
    """
    scans = sorted(folder.rglob("*.mhd"))
    if not scans:
        raise InvalidValueError("folder", str(folder), "LUNA16's .mhd files")
    nodules = _annotations(folder / COUNTED, counted=True)
    if (folder / EXCLUDED).exists():
        for series, found in _annotations(folder / EXCLUDED, counted=False).items():
            nodules.setdefault(series, []).extend(found)
    for path in scans:
        yield Case(path.stem, path.stem, partial(read_metaimage, path),
                   tuple(nodules.get(path.stem, ())))  # fmt: skip


def _annotations(path: Path, counted: bool) -> dict[str, list[Nodule]]:
    found: dict[str, list[Nodule]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            diameter = float(row["diameter_mm"])
            if diameter <= 0:
                # The excluded findings under 3 mm have no diameter.
                diameter = 3.0
            centre = (float(row["coordX"]), float(row["coordY"]), float(row["coordZ"]))
            found.setdefault(row["seriesuid"], []).append(Nodule(centre, diameter, counted))
    return found


def read_metaimage(path: Path) -> Volume:
    """A three-dimensional MetaImage of HU with one file of pixels beside its header.

    Slices are put in order from feet to head.

    Raises
    ------
    InvalidValueError
        Where the header lacks a field or says what this reader does not know.
    """
    header = _header(path)
    sizes = tuple(int(n) for n in _numbers(header, "DimSize", 3))
    kind = TYPES.get(header.get("ElementType", ""))
    data = header.get("ElementDataFile", "")
    if kind is None or header.get("NDims") != "3" or min(sizes) < 1:
        raise InvalidValueError(path.name, header.get("ElementType"), "one 3-D image of numbers")
    if int(header.get("ElementNumberOfChannels", "1")) != 1 or Path(data).name != data:
        raise InvalidValueError("ElementDataFile", data, "a file in the header's folder")
    order = ">" if _true(header, "BinaryDataByteOrderMSB", "ElementByteOrderMSB") else "<"
    wanted = int(np.prod(sizes)) * np.dtype(kind).itemsize
    if wanted > LARGEST_BYTES:
        raise InvalidValueError("DimSize", sizes, f"at most {LARGEST_BYTES} bytes")
    content = (path.parent / data).read_bytes()
    if _true(header, "CompressedData"):
        content = zlib.decompressobj().decompress(content, wanted)
    if len(content) < wanted:
        raise InvalidValueError(data, len(content), f"{wanted} bytes")
    skip = int(header.get("HeaderSize", "0"))
    start = len(content) - wanted if skip == -1 else skip
    stored = np.frombuffer(content, order + kind, count=int(np.prod(sizes)), offset=start)
    return _volume(header, stored.reshape(sizes[::-1]).astype(np.float32))


def _volume(
    header: dict[str, str], hu: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> Volume:
    spacing = _numbers(header, "ElementSpacing", 3)
    place = "Offset" if "Offset" in header else "Position" if "Position" in header else "Origin"
    origin = np.array(_numbers(header, place, 3))
    axes = np.eye(3)
    for name in ("TransformMatrix", "Rotation", "Orientation"):
        if name in header:
            axes = np.array(_numbers(header, name, 9)).reshape(3, 3)
    if axes[2, 2] < 0:
        # The third axis runs from head to feet: turn it.
        origin = origin + axes[2] * spacing[2] * (hu.shape[0] - 1)
        hu, axes[2] = np.ascontiguousarray(hu[::-1]), -axes[2]
    np.maximum(hu, np.float32(LOWEST_HU), out=hu)
    i, j, k = ((float(a), float(b), float(c)) for a, b, c in axes)
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    x, y, z = (float(v) for v in origin)
    return Volume(hu, Geometry(shape, (x, y, z), (spacing[2], spacing[1], spacing[0]), (k, j, i)))


def _header(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def _numbers(header: dict[str, str], name: str, count: int) -> tuple[float, ...]:
    try:
        found = tuple(float(v) for v in header.get(name, "").split())
    except ValueError:
        found = ()
    if len(found) != count:
        raise InvalidValueError(name, header.get(name), f"{count} numbers")
    return found


def _true(header: dict[str, str], *names: str) -> bool:
    return any(header.get(name, "").lower() == "true" for name in names)
