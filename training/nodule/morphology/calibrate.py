"""Logits turned into probabilities that come true on patients whom the network did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from training.nodule.morphology.ratings import TEXTURES

FloatArray = npt.NDArray[np.float64]

# Keeps the scale near to one where few cases tell of it. Shifts are free, so that the mean
# probability is the share of cases.
PRIOR = 0.002
KINDS = len(TEXTURES)


@dataclass(frozen=True)
class Calibration:
    """Logit * scale + shift, for the seven logits."""

    scale: FloatArray
    shift: FloatArray

    def texture(self, logits: FloatArray) -> FloatArray:
        """Probabilities of the textures, shape (n, 3)."""
        moved = logits[:, :KINDS] * self.scale[:KINDS] + self.shift[:KINDS]
        return np.asarray(softmax(moved, axis=1))

    def rest(self, logits: FloatArray) -> FloatArray:
        """Calcified, spiculated, lobulated, malignancy, shape (n, 4)."""
        moved = logits[:, KINDS:] * self.scale[KINDS:] + self.shift[KINDS:]
        return np.asarray(expit(moved))


def calibrate(
    logits: FloatArray, texture: npt.NDArray[np.int64], rest: npt.NDArray[np.floating]
) -> Calibration:
    """Platt scaling, and for texture one temperature with a shift a kind.

    Parameters
    ----------
    logits : ndarray, shape (n, 7)
        Of nodules whose patients the network did not see.
    texture : ndarray of int, shape (n,)
        Kinds by the readers.
    rest : ndarray, shape (n, 4)
        Calcified, spiculated, lobulated as 0 or 1, suspicion from 0 to 1.
    """
    rows = np.arange(len(logits))

    def texture_loss(x: FloatArray) -> float:
        sure = log_softmax(logits[:, :KINDS] * np.exp(x[0]) + np.append(x[1:], 0), axis=1)
        return float(-sure[rows, texture].mean() + PRIOR * x[0] ** 2)

    best = minimize(texture_loss, np.zeros(KINDS)).x
    scale, shift = [float(np.exp(best[0]))] * KINDS, [*best[1:], 0.0]
    for column in range(rest.shape[1]):
        z, y = logits[:, KINDS + column], rest[:, column]

        def loss(x: FloatArray, z: FloatArray = z, y: FloatArray = y) -> float:
            moved = z * np.exp(x[0]) + x[1]
            return float((np.logaddexp(0, moved) - y * moved).mean() + PRIOR * x[0] ** 2)

        best = minimize(loss, np.zeros(2)).x
        scale.append(float(np.exp(best[0])))
        shift.append(float(best[1]))
    return Calibration(np.array(scale), np.array(shift))
