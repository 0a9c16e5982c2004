"""Marks of calcification clusters on one breast image, by a small ONNX network.

The network learnt from simulated clusters alone (`training.mammo.calcifications`). It cannot tell
malignant from benign, and no training data here could teach it: `NOT_ESTIMATED`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from gransk.core.errors import InvalidValueError
from gransk.core.models import Model
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared
from mammo.marks.mark import Kind, Mark, Point
from mammo.marks.outlines import circle
from mammo.marks.peaks import peaks

MODEL_ID = "mammo-calcifications"
STRIDE, SPECK_STRIDE = 8, 4
MULTIPLE = 32
NOT_ESTIMATED = 0.0
"""Malignancy of every cluster: it adds nothing to a score. Readers must be told that malignancy is
not estimated, never that it is 0 %."""
APART_MM = 10.0
LIMIT = 10
LEAST = 0.02
NEAR_MM = 6.0
GAP_MM = 4.0
"""Specks nearer to each other than this are of one cluster."""
REACH_MM = 25.0
SPECK_LEVEL = 0.35
FEWEST = 3
UNKNOWN_MM = 6.0


@dataclass(frozen=True)
class Maps:
    """What the networks say of one image, averaged over them.

    Parameters
    ----------
    cluster : ndarray, shape (rows, columns)
        Of cells of ``STRIDE`` prepared pixels: the middle of a cluster.
    specks : ndarray, shape (2 x rows, 2 x columns)
        Of cells of ``SPECK_STRIDE`` prepared pixels: holding a speck.
    """

    cluster: FloatArray = field(repr=False)
    specks: FloatArray = field(repr=False)


class Calcifications:
    """Finds clusters of calcifications.

    Parameters
    ----------
    model : Model
        The model ``mammo-calcifications``: the networks of five folds of patients in one file.
    member : int, optional
        One network alone, for measuring it on the fold that it never saw; all where not given.
    """

    def __init__(self, model: Model, member: int | None = None) -> None:
        self._model = model
        self.member = member

    @property
    def threshold(self) -> float:
        """Least probability that is reported: the card's operating point."""
        return self._model.threshold

    def maps(self, prepared: Prepared) -> Maps:
        """Run the networks on the image as it is."""
        rows, columns = (-(-n // MULTIPLE) * MULTIPLE for n in prepared.grey.shape)
        film = np.zeros((1, 1, rows, columns), dtype=np.float32)
        film[0, 0, : prepared.grey.shape[0], : prepared.grey.shape[1]] = prepared.grey
        told = self._model.run({"film": film})
        chosen = slice(None) if self.member is None else slice(self.member, self.member + 1)
        return Maps(
            np.asarray(told["cluster"][chosen, 0].mean(0), np.float32),
            np.asarray(told["specks"][chosen, 0].mean(0), np.float32),
        )

    def detect(self, prepared: Prepared, view: int) -> tuple[Mark, ...]:
        """Marks on one image, most probable first, all above a floor far below the threshold.

        Parameters
        ----------
        prepared : Prepared
        view : int
            Index of the view, for its marks.
        """
        if prepared.grey.size == 0:
            raise InvalidValueError("prepared", prepared.grey.shape, "an image")
        maps = self.maps(prepared)
        apart = APART_MM / (STRIDE * SPACING_MM)
        marks = []
        for column, row, probability in peaks(maps.cluster, apart, LEAST, LIMIT):
            centre = (column * STRIDE, row * STRIDE)
            outline, size_mm = hull(maps.specks, centre)
            marks.append(
                Mark(
                    view=view,
                    kind=Kind.CALCIFICATIONS,
                    centre=centre,
                    outline=outline,
                    size_mm=size_mm,
                    probability=probability,
                    malignancy=NOT_ESTIMATED,
                )
            )
        return tuple(marks)


def hull(specks: FloatArray, centre: Point) -> tuple[tuple[Point, ...], float]:
    """Convex outline of the specks round a mark, prepared pixels, and its longest diameter in mm.

    Specks belong together that lie nearer than `GAP_MM` to each other, beginning near the mark.
    Where fewer than `FEWEST` cells hold specks, a circle of 6 mm.
    """
    cell_mm = SPECK_STRIDE * SPACING_MM
    column, row = centre[0] / SPECK_STRIDE, centre[1] / SPECK_STRIDE
    reach = int(REACH_MM / cell_mm)
    top, left = max(0, int(row) - reach), max(0, int(column) - reach)
    box = specks[top : int(row) + reach + 1, left : int(column) + reach + 1]
    down, across = np.mgrid[0 : box.shape[0], 0 : box.shape[1]] + 0.5
    far = np.hypot(down - (row - top), across - (column - left)) * cell_mm
    found = _together((box >= SPECK_LEVEL) & (far <= REACH_MM), far, cell_mm)
    if found is None or found.sum() < FEWEST:
        return circle(centre, UNKNOWN_MM)
    rows, columns = np.nonzero(found)
    # A quarter of every cell, so that a row of cells has an area too.
    corners = np.array([(x, y) for x in (0.25, 0.75) for y in (0.25, 0.75)])
    points = (np.stack([columns + left, rows + top], axis=1)[:, None] + corners).reshape(-1, 2)
    points = points * SPECK_STRIDE
    try:
        polygon = points[ConvexHull(points).vertices]
    except QhullError:
        return circle(centre, UNKNOWN_MM)
    outline = tuple((float(x), float(y)) for x, y in polygon)
    return outline, float(pdist(polygon).max()) * SPACING_MM


def _together(bright: BoolArray, far: npt.NDArray[np.float64], cell_mm: float) -> BoolArray | None:
    steps = max(1, round(GAP_MM / cell_mm / 2))
    disk = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), steps)
    labels, count = ndimage.label(ndimage.binary_dilation(bright, disk), np.ones((3, 3)))
    labels[~bright] = 0
    if not count:
        return None
    nearest = ndimage.minimum(far, labels, range(1, count + 1))
    best = int(np.argmin(nearest))
    return np.asarray(labels == best + 1, dtype=bool) if nearest[best] <= NEAR_MM else None
