"""From a heat map to places."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from mammo.image.grid import FloatArray


def peaks(
    heat: FloatArray, apart: float, least: float, limit: int
) -> list[tuple[float, float, float]]:
    """The strongest local maxima, none nearer to a stronger one than ``apart``.

    Parameters
    ----------
    heat : ndarray, shape (rows, columns)
        0 to 1.
    apart : float
        In cells.
    least : float
        Least value of a maximum.
    limit : int
        Most maxima.

    Returns
    -------
    list of (column, row, value)
        Strongest first, in cells: the top left corner of the top left cell is (0, 0). The place
        is the centre of gravity of the maximum and the eight cells around it.
    """
    tops = (heat >= ndimage.maximum_filter(heat, 3, mode="constant")) & (heat >= least)
    rows, columns = np.nonzero(tops)
    order = np.argsort(-heat[rows, columns], kind="stable")
    kept: list[tuple[int, int]] = []
    for n in order:
        row, column = int(rows[n]), int(columns[n])
        if all((row - r) ** 2 + (column - c) ** 2 >= apart**2 for r, c in kept):
            kept.append((row, column))
        if len(kept) == limit:
            break
    padded = np.pad(heat, 1)
    found = []
    for row, column in kept:
        near = padded[row : row + 3, column : column + 3]
        total = float(near.sum())
        across = float((near.sum(0) * (-1, 0, 1)).sum()) / total
        down = float((near.sum(1) * (-1, 0, 1)).sum()) / total
        found.append((column + 0.5 + across, row + 0.5 + down, float(heat[row, column])))
    return found
