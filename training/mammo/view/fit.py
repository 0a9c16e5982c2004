"""Fitting what tells MLO from CC, and the distance from ordinary films.

One layer over cells of a small image is enough: the pectoral muscle of an MLO fills the upper
corner at the chest wall, and a CC is even from top to bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

CELL = 4
"""Pixels of `mammo.exam.recognise.thumbnail` that one cell averages over, each way."""
GAMMAS = (0.6, 1.0, 1.6)
"""Each film is seen in these contrasts: film is to stand for digital images."""
PENALTY = 10.0
SHRINKAGE = 0.05
Array = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Samples:
    """Films as the recogniser sees them.

    Parameters
    ----------
    images : ndarray, shape (n, rows, columns)
    features : ndarray, shape (n, features)
    mirrored, right, mlo : ndarray of bool, shape (n,)
    """

    images: Array = field(repr=False)
    features: Array = field(repr=False)
    mirrored: Flags = field(repr=False)
    right: Flags = field(repr=False)
    mlo: Flags = field(repr=False)

    def __getitem__(self, chosen: npt.NDArray[np.generic]) -> Samples:
        return Samples(
            self.images[chosen],
            self.features[chosen],
            self.mirrored[chosen],
            self.right[chosen],
            self.mlo[chosen],
        )

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Fitted:
    """What was learnt from films.

    Parameters
    ----------
    weights, offset : ndarray, shape (cells,), and float
        Of the logit of MLO.
    right : (float, float)
        Share of right breasts among films with the chest wall at the left and at the right.
    means, factors : ndarray, shape (groups, features) and (groups, features, features)
        Of ordinary CC and MLO films: a factor times the difference from the mean has the squared
        Mahalanobis distance as its squared length.
    middle : float
        The distance that is given as a strangeness of 0.5.
    """

    weights: Array = field(repr=False)
    offset: float
    right: tuple[float, float]
    means: Array = field(repr=False)
    factors: Array = field(repr=False)
    middle: float = 1.0

    def mlo(self, samples: Samples) -> npt.NDArray[np.float64]:
        """Probability of MLO, shape (n,)."""
        return np.asarray(expit(cells(samples.images) @ self.weights + self.offset))

    def distance(self, samples: Samples) -> npt.NDArray[np.float64]:
        """Squared Mahalanobis distance to the nearer group, shape (n,)."""
        apart = samples.features[:, None, :].astype(float) - self.means[None]
        turned = np.einsum("gij,ngj->ngi", self.factors, apart)
        return np.asarray((turned**2).sum(axis=-1).min(axis=1))


def fit(samples: Samples, middle: float = 1.0) -> Fitted:
    """Learn from films; the same films give the same."""
    weights, offset = _fit_view(samples)
    return Fitted(weights, offset, _shares_right(samples), *_gaussians(samples), middle)


def cells(images: Array) -> npt.NDArray[np.float64]:
    """Means of cells, shape (n, cells)."""
    n, rows, columns = images.shape
    split = images.reshape(n, rows // CELL, CELL, columns // CELL, CELL)
    return np.asarray(split.mean(axis=(2, 4)).reshape(n, -1), dtype=float)


def _fit_view(samples: Samples) -> tuple[Array, float]:
    """Logistic regression with squared penalty, intercept free."""
    seen = np.concatenate([cells(samples.images**gamma) for gamma in GAMMAS])
    seen = np.column_stack([seen, np.ones(len(seen))])
    sign = np.tile(np.where(samples.mlo, 1.0, -1.0), len(GAMMAS))
    penalty = np.append(np.full(seen.shape[1] - 1, PENALTY / len(seen)), 0.0)

    def loss(w: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (seen @ w)
        value = np.logaddexp(0, -margin).mean() + (penalty * w**2).sum() / 2
        return float(value), -(sign * expit(-margin)) @ seen / len(seen) + penalty * w

    found = minimize(loss, np.zeros(seen.shape[1]), jac=True, method="L-BFGS-B",
                     options={"maxiter": 500}).x  # fmt: skip
    return found[:-1].astype(np.float32), float(found[-1])


def _shares_right(samples: Samples) -> tuple[float, float]:
    """Share of right breasts with the chest wall at the left and at the right (add-one rule)."""
    left, right = (
        (samples.right[samples.mirrored == side].sum() + 1) / ((samples.mirrored == side).sum() + 2)
        for side in (False, True)
    )
    return float(left), float(right)


def _gaussians(samples: Samples) -> tuple[Array, Array]:
    means, factors = [], []
    for group in (~samples.mlo, samples.mlo):
        values = samples.features[group].astype(float)
        spread = values.std(axis=0) + 1e-6
        scaled = (values - values.mean(axis=0)) / spread
        correlation = np.cov(scaled, rowvar=False)
        correlation = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(spread))
        means.append(values.mean(axis=0))
        # L L^T = correlation, so |L^-1 x|^2 = x^T correlation^-1 x.
        factors.append(np.linalg.inv(np.linalg.cholesky(correlation)) / spread)
    return np.array(means, dtype=np.float32), np.array(factors, dtype=np.float32)
