"""The views that the morphology network learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.findings import Mask
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs
from nodule.morphology import view
from nodule.segmenter import Segmenter
from training.nodule.cutouts import Cutout, paste
from training.nodule.morphology.ratings import Ratings
from training.nodule.samples import places_in

BoolArray = npt.NDArray[np.bool_]

WINDOW_MM = 40.0


@dataclass(frozen=True)
class Sample:
    """One view with what readers said of its nodule.

    Parameters
    ----------
    view : ndarray of float16, shape (2, 15, 48, 48)
        From :func:`nodule.morphology.view`.
    ratings : Ratings
        Readers' medians.
    readers : int
        How many readers marked the nodule.
    pasted : bool
        Whether it was pasted into another scan, which cuts off what leaves the outline.
    """

    view: npt.NDArray[np.float16]
    ratings: Ratings
    readers: int
    pasted: bool


def outlined(nodule: Cutout, segmenter: Segmenter, rng: np.random.Generator) -> Mask:
    """The outline as in use, from a point about 1 mm beside the middle."""
    spacing = np.asarray(nodule.volume.geometry.spacing)
    point = nodule.centre + rng.normal(0, 1, 3) / spacing
    k, j, i = np.clip(point, 0, np.asarray(nodule.mask.shape) - 1)
    return segmenter.segment(nodule.volume, (float(k), float(j), float(i)))


def disturbed(nodule: Cutout, rng: np.random.Generator) -> Mask:
    """The readers' outline, wider or narrower, at times short of an end slice."""
    mask = nodule.mask
    pixels = max(1, round(0.8 / nodule.volume.geometry.spacing[1]))
    cross = ndimage.generate_binary_structure(3, 1)
    cross[0], cross[2] = False, False
    change = rng.integers(3)
    if change == 1:
        mask = ndimage.binary_dilation(mask, cross, iterations=pixels)
    if change == 2:
        mask = ndimage.binary_erosion(mask, cross, iterations=pixels)
    used = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(used) > 2 and rng.random() < 0.3:
        mask = mask.copy()
        mask[used[int(rng.choice([0, -1]))]] = False
    return Mask.from_array(mask if mask.any() else nodule.mask, (0, 0, 0))


def from_crop(
    nodule: Cutout, ratings: Ratings, segmenter: Segmenter, rng: np.random.Generator
) -> Iterator[Sample]:
    """A nodule in its own slices, once with the outline as in use and once with the readers'."""
    for mask in (outlined(nodule, segmenter, rng), disturbed(nodule, rng)):
        seen = view(nodule.volume, mask).astype(np.float16)
        yield Sample(seen, ratings, nodule.readers, pasted=False)


def from_scan(
    scan: Volume, nodules: list[tuple[Cutout, Ratings]], count: int, segmenter: Segmenter,
    rng: np.random.Generator,
) -> Iterator[Sample]:  # fmt: skip
    """Nodules drawn at random, pasted into a scan and outlined there."""
    lungs = segment_lungs(scan)
    places = places_in(lungs, rng)
    for number in rng.integers(len(nodules), size=count):
        nodule, ratings = nodules[number]
        done = paste(nodule, scan, lungs, places, rng)
        if done is None:
            continue
        reach = np.ceil(WINDOW_MM / np.asarray(scan.geometry.spacing)).astype(int)
        low = np.maximum(done.start - reach, 0)
        box = tuple(slice(a, b) for a, b in zip(low, done.start + done.hu.shape + reach,
                                                strict=True))  # fmt: skip
        hu = scan.hu[box].copy()
        at = done.start - low
        hu[tuple(slice(a, a + n) for a, n in zip(at, done.hu.shape, strict=True))] = done.hu
        part = Volume(hu, replace(scan.geometry, shape=(hu.shape[0], hu.shape[1], hu.shape[2])))
        point = done.centre - low + rng.normal(0, 1, 3) / scan.geometry.spacing
        k, j, i = np.clip(point, 0, np.asarray(hu.shape) - 1)
        mask = segmenter.segment(part, (float(k), float(j), float(i)), lungs[box])
        yield Sample(view(part, mask).astype(np.float16), ratings, nodule.readers, pasted=True)
