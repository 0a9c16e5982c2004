"""The coefficients of the probability that a nodule lies at a fissure.

    python -m training.nodule.fissure --scans ct_lung_segmentation/Dataset/Images \\
        --more more_scans

Solid nodules of 4 to 9.5 mm are drawn into the training scans of LCTSC (3 mm, resampled to
1.25 or 2 mm in turn: truly sampled nodules in interpolated surroundings) and into R01-001 (1 mm,
and resampled to 2 mm), at synthetic sheets, near them, inside the lung, at vessels and at walls,
then outlined and measured as the application does. A weighted logistic regression gives the
coefficients that stand in `nodule.fissure`; those printed here have the same data left out by
scan. Truth is synthetic; no radiologist's word on perifissural nodules was at hand. Where
something like a fissure was seen before anything was drawn, nodules without a drawn sheet
teach nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu

from gransk.core.models import ModelLibrary
from gransk.core.volume import Volume
from nodule.fissure import features
from nodule.segmenter import MODEL_ID, Segmenter
from training.nodule.scans import load
from training.nodule.sheets import PLACES, Drawn, draw
from training.nodule.slices import thickness
from training.nodule.split import cases

Points = npt.NDArray[np.float64]

THIN_CASE = "R01-001"
SLICES_MM = (1.25, 2.0)
# Of 837 nodules that are not calcified, 234 lay at a fissure (Ahn 2010, Radiology 254:949).
# The other places share the rest.
AT_FISSURE = 234 / 837
RIDGE = 1.0


def hosts(scans: Path, more: Path) -> Iterator[tuple[str, Volume]]:
    """Training scans: those of thick slices resampled to each thickness in turn."""
    for number, case in enumerate(cases("LCTSC", "train")):
        yield case, thickness(SLICES_MM[number % 2])(load(scans / case))
    for case in cases("NSCLC-Radiogenomics", "train"):
        scan = load(more / case)
        yield case, scan
        yield case, thickness(SLICES_MM[-1])(scan)


def fit(x: Points, y: npt.NDArray[np.bool_], weight: Points) -> Points:
    """Intercept and weights of a logistic regression, its weights kept small by a ridge.

    Parameters
    ----------
    x : ndarray, shape (n, m)
    y : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
    """
    rows = np.column_stack([np.ones(len(x)), x])

    def loss(b: Points) -> float:
        wrong = np.logaddexp(0, np.where(y, -1, 1) * (rows @ b))
        return float((weight * wrong).sum() + RIDGE * (b[1:] ** 2).sum() / 2)

    return np.asarray(minimize(loss, np.zeros(rows.shape[1]), method="BFGS").x)


def weights(drawn: Sequence[Drawn]) -> Points:
    """Of each nodule: those at a fissure get their known share, other places equal parts."""
    count = Counter(d.place for d in drawn)
    others = [place for place in count if place != "fissure"]
    share = {place: (1 - AT_FISSURE) / len(others) for place in others} | {"fissure": AT_FISSURE}
    return np.array([share[d.place] / count[d.place] * len(drawn) for d in drawn])


def auc(score: Points, positive: npt.NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, ties half."""
    yes, no = score[positive], score[~positive]
    return float(mannwhitneyu(yes, no).statistic / (len(yes) * len(no)))


def left_out(drawn: Sequence[Drawn]) -> Points:
    """Each nodule's score by the regression on the other scans."""
    x, y = np.array([features(d.sheet) for d in drawn]), at_fissure(drawn)
    weight, names = weights(drawn), np.array([d.host for d in drawn])
    score = np.zeros(len(drawn))
    for name in np.unique(names):
        own = names == name
        b = fit(x[~own], y[~own], weight[~own])
        score[own] = b[0] + x[own] @ b[1:]
    return score


def at_fissure(drawn: Sequence[Drawn]) -> npt.NDArray[np.bool_]:
    """Whether a sheet was drawn that touches the nodule."""
    return np.array([d.place == "fissure" for d in drawn])


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the probability of a place at a fissure.")
    parser.add_argument("--scans", type=Path, required=True, help="holds Case_000/ and so on")
    parser.add_argument("--more", type=Path, required=True, help=f"holds {THIN_CASE}/")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--count", type=int, default=10, help="nodules of each place and scan")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    segmenter = Segmenter(ModelLibrary(arguments.models, 1).load(MODEL_ID))
    rng = np.random.default_rng(arguments.seed)
    drawn: list[Drawn] = []
    for name, scan in hosts(arguments.scans, arguments.more):
        drawn += draw(name, scan, segmenter, arguments.count, rng)
        print(f"{name} {scan.geometry.spacing[0]:.2f} mm: {len(drawn)} nodules", flush=True)
    doubtful = sum(d.doubtful and d.place != "fissure" for d in drawn)
    drawn = [d for d in drawn if d.place == "fissure" or not d.doubtful]
    print(f"{doubtful} left out, as something like a fissure was there before")
    y = at_fissure(drawn)
    b = fit(np.array([features(d.sheet) for d in drawn]), y, weights(drawn))
    print("coefficients: " + ", ".join(f"{value:.2f}" for value in b))
    score = left_out(drawn)
    for place in PLACES[1:]:
        used = y | np.array([d.place == place for d in drawn])
        print(f"AUC by scans left out, fissure against {place}: {auc(score[used], y[used]):.3f} "
              f"({y.sum()} and {(used & ~y).sum()})")  # fmt: skip


if __name__ == "__main__":
    main()
