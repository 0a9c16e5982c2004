"""Agreement of ordered categories."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def kappa(
    truth: npt.NDArray[np.int64], told: npt.NDArray[np.int64], power: int, classes: int = 4
) -> float:
    """Weighted kappa of classes from 0 (Cohen 1968, Psychological Bulletin 70:213).

    Parameters
    ----------
    truth, told : ndarray of int, same length
    power : int
        1 for linear weights, 2 for quadratic ones.
    classes : int, optional

    Returns
    -------
    float
        NaN where chance alone agrees wholly.
    """
    seen = np.zeros((classes, classes))
    np.add.at(seen, (truth, told), 1)
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) ** power
    chance = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
    expected = float((apart * chance).sum())
    return 1 - float((apart * seen).sum()) / expected if expected else float("nan")
