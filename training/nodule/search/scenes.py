"""Scans with nodules pasted in, on the search network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gransk.core.volume import Volume
from nodule.search import STRIDE, Lattice
from training.nodule.cutouts import Cutout
from training.nodule.marks import Truth
from training.nodule.samples import packed
from training.nodule.validation import Host, with_nodules

FloatArray = npt.NDArray[np.float32]

# Subsolid and small nodules are lost first: they are drawn more often.
SUBSOLID_WEIGHT, SMALL_WEIGHT, SMALL_MM = 2.5, 1.5, 8.0
NODULES_A_SCENE = 45
POINTS = 20000


@dataclass(frozen=True)
class Scene:
    """A lung with what is known of it.

    Parameters
    ----------
    hu : ndarray of uint8, shape (slices, rows, columns)
        -1000 HU as 0 and 400 HU as 255, steps of 2, 1 and 1 mm.
    inside : ndarray of int64, shape (n, 3)
        Some points of the lungs, slice, row and column.
    nodules : ndarray of float64, shape (n, 4)
        Centres in points of ``hu`` and radii in mm.
    ignored : ndarray of float64, shape (m, 4)
        What may be a nodule and teaches nothing.
    """

    hu: npt.NDArray[np.uint8]
    inside: npt.NDArray[np.int64]
    nodules: npt.NDArray[np.float64]
    ignored: npt.NDArray[np.float64]


def _balls(truths: Sequence[Truth], scan: Volume, lattice: Lattice) -> npt.NDArray[np.float64]:
    rows = []
    for truth in truths:
        index = np.asarray(scan.geometry.to_index(truth.centre_lps_mm))
        point = (index - lattice.start) / lattice.per_point
        rows.append([*point, truth.diameter_mm / 2])
    return np.array(rows).reshape(-1, 4)


def scene(host: Host, nodules: Sequence[Cutout], rng: np.random.Generator) -> Scene:
    """A copy of a host with nodules pasted in."""
    weight = [
        (SUBSOLID_WEIGHT if n.texture < 4.5 else 1.0)
        * (SMALL_WEIGHT if n.diameter_mm < SMALL_MM else 1.0)
        for n in nodules
    ]
    drawn = rng.choice(
        len(nodules), 3 * NODULES_A_SCENE, replace=False, p=np.array(weight) / sum(weight)
    )
    pasted = with_nodules(host, [nodules[n] for n in drawn], NODULES_A_SCENE, rng)
    lattice = Lattice.of(pasted.volume, pasted.lungs)
    points = np.argwhere(lattice.inside) * (1, STRIDE, STRIDE)
    return Scene(
        packed(lattice.hu),
        rng.permutation(points)[:POINTS],
        _balls([t.truth for t in pasted.targets], pasted.volume, lattice),
        _balls(pasted.own, pasted.volume, lattice),
    )
