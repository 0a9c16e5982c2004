"""Breast density: a regression by patient, shipped as ONNX.

    python -m training.mammo.density --data ../shared/data --out onnx_models/mammo-density

Ridge regression of features of `mammo.image.density.features` and their squares on the density (1
to 4) that a radiologist gave the examination. Each fold's films are told by the regression of the
other four; these scores go to ``density_out_of_fold.csv`` beside this file, which ``python -m
bench.mammo.density`` reads. What ships is fitted to all films. Features and the strength of the
ridge were chosen on the same folds. A convolutional network of 30,000 weights (pixels of 3.2 mm,
20 epochs) ranked the films of fold 0 no better: rank correlation 0.65 against 0.69.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mammo.image.anatomy import find_anatomy
from mammo.image.density import LIMITS, MODEL_ID, features
from mammo.view import Projection
from training.mammo.agreement import kappa
from training.mammo.films import FOLDS, Film, cbis_mass, folds
from training.nodule.card_file import write_card

OUT_OF_FOLD = Path(__file__).with_name("density_out_of_fold.csv")
RIDGE = 10.0
FARTHEST = 3.0
"""Deviations beyond which a feature counts no more."""

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Regression:
    """Score of standardised features and their squares."""

    mean: Array = field(repr=False)
    deviation: Array = field(repr=False)
    weights: Array = field(repr=False)
    constant: float

    def scores(self, x: Array) -> Array:
        """About 1 to 4."""
        return np.asarray(self.constant + _terms(x, self.mean, self.deviation) @ self.weights)


def _terms(x: Array, mean: Array, deviation: Array) -> Array:
    z = np.clip((x - mean) / deviation, -FARTHEST, FARTHEST)
    return np.concatenate([z, z**2], axis=1)


def fitted(x: Array, density: Labels) -> Regression:
    """Ridge regression; the squares are centred by the constant."""
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    terms = _terms(x, mean, deviation)
    centre = terms.mean(axis=0)
    around = terms - centre
    square = around.T @ around + RIDGE * np.eye(terms.shape[1])
    weights = np.linalg.solve(square, around.T @ (density - density.mean()))
    return Regression(mean, deviation, weights, float(density.mean() - centre @ weights))


def best_cuts(scores: Array, density: Labels) -> tuple[float, float, float]:
    """Three cuts of the scores with the highest sum of linear and quadratic kappa.

    From cuts that give each class its share, one is moved at a time.
    """
    cuts = [float(np.quantile(scores, (density < k).mean())) for k in (2, 3, 4)]
    for _ in range(3):
        for n in range(3):
            tried = np.linspace(cuts[n] - 0.4, cuts[n] + 0.4, 41)
            values = []
            for cut in tried:
                told = np.digitize(scores, sorted([*cuts[:n], cut, *cuts[n + 1 :]]))
                values.append(sum(kappa(density - 1, told, power) for power in (1, 2)))
            cuts[n] = float(tried[int(np.argmax(values))])
    low, middle, high = sorted(cuts)
    return low, middle, high


def percent(scores: Array, cuts: Sequence[float]) -> Array:
    """Linear between the cuts, which are `mammo.image.density.LIMITS`, and as far beyond them."""
    low, middle, high = cuts
    knots = (2 * low - middle, low, middle, high, 2 * high - middle)
    return np.interp(scores, knots, (0.0, *LIMITS, 100.0))


class Percent(nn.Module):
    """The regression and `percent`, as it ships."""

    def __init__(self, regression: Regression, cuts: Sequence[float]) -> None:
        super().__init__()
        for name in ("mean", "deviation", "weights"):
            values = torch.tensor(getattr(regression, name), dtype=torch.float32)
            self.register_buffer(name, values)
        self.constant = regression.constant
        low, middle, high = cuts
        self.knots = (2 * low - middle, low, middle, high, 2 * high - middle)
        self.levels = (0.0, *LIMITS, 100.0)

    def forward(self, x: Tensor) -> Tensor:
        z = ((x - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)
        score = self.constant + torch.cat([z, z**2], dim=1) @ self.weights
        total = torch.zeros_like(score)
        for n in range(4):
            start, end = self.knots[n], self.knots[n + 1]
            rise = self.levels[n + 1] - self.levels[n]
            total = total + rise * ((score - start) / (end - start)).clamp(0, 1)
        return total


def features_of(films: Sequence[Film]) -> Array:
    """Features of each film, shape (films, features)."""
    found = []
    for n, film in enumerate(films):
        prepared = film.prepared()
        pectoral = find_anatomy(prepared, Projection(film.view)).pectoral
        found.append(features(prepared, pectoral))
        if n % 100 == 99:
            print(f"{n + 1} of {len(films)} films read", flush=True)
    return np.stack(found).astype(np.float64)


def out_of_fold(x: Array, density: Labels, fold: Labels) -> Array:
    """Each film's score by the regression of the other folds."""
    scores = np.zeros(len(x))
    for n in range(FOLDS):
        scores[fold == n] = fitted(x[fold != n], density[fold != n]).scores(x[fold == n])
    return scores


def write_out_of_fold(films: Sequence[Film], scores: Array, fold: Labels, path: Path) -> None:
    """Percent of each film, its cuts chosen on the scores of the other folds' films."""
    density = np.array([film.density for film in films])
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["key", "fold", "score", "percent"])
        for n in range(FOLDS):
            told = percent(scores, best_cuts(scores[fold != n], density[fold != n]))
            for row in np.flatnonzero(fold == n):
                table.writerow([films[row].key, n, f"{scores[row]:.4f}", f"{told[row]:.2f}"])


def export(net: Percent, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(
        net.eval(), (torch.rand(2, len(net.mean)),), str(path), input_names=["features"],
        output_names=["percent"], dynamic_axes={"features": {0: "n"}, "percent": {0: "n"}},
        opset_version=17, dynamo=False,
    )  # fmt: skip
    return hashlib.sha256(path.read_bytes()).hexdigest()


def card(sha256: str, films: Sequence[Film], count: int) -> dict[str, Any]:
    """``card.yaml`` without its figures."""
    return {
        "id": MODEL_ID,
        "version": "0.1.0",
        "task": "Tells the percent dense area of a breast on one mammographic view",
        "file": "model.onnx",
        "sha256": sha256,
        "research": True,
        "inputs": [
            {
                "name": "features",
                "dtype": "float32",
                "shape": ["n", count],
                "meaning": "of mammo.image.density.features: percentiles and bands of details "
                "of grey in the breast without muscle, on pixels of 0.8 mm, and its size",
            }
        ],
        "outputs": [
            {
                "name": "percent",
                "dtype": "float32",
                "shape": ["n"],
                "unit": "%",
                "meaning": "0 to 100; categories b, c and d begin at 10.4, 33.0 and 64.8",
            }
        ],
        "training_data": [
            {
                "name": "CBIS-DDSM mass training films",
                "source": "https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY",
                "licence": "CC-BY-3.0",
                "patients": len({film.patient for film in films}),
                "attribution": "Lee RS et al. 2016, Curated Breast Imaging Subset of DDSM, The "
                "Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.7O02S9CY",
            }
        ],
        "performance": [],
        "licence": "CC-BY-4.0",
        "limits": [
            "Research only: not a medical device, not for clinical decisions.",
            "Learned from scanned film of four scanners; digital images were not measured.",
            "One label an examination: CC and MLO of a breast always have the same, so that the "
            "agreement of two readings is not known from these films.",
            "Every film holds a mass.",
            "The percentage is a scale of categories, with published median areas of each; it was "
            "learned from no outline of dense tissue.",
        ],
        "created": datetime.datetime.now(datetime.UTC).date(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the breast density model.")
    parser.add_argument("--data", type=Path, required=True, help="holds mg/cbis_mass/")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    arguments = parser.parse_args()
    films = [f for f in cbis_mass(arguments.data / "mg" / "cbis_mass") if f.density]
    fold_of = folds(films)
    fold = np.array([fold_of[film.patient] for film in films])
    density = np.array([film.density for film in films])
    x = features_of(films)
    scores = out_of_fold(x, density, fold)
    write_out_of_fold(films, scores, fold, OUT_OF_FOLD)
    net = Percent(fitted(x, density), best_cuts(scores, density))
    write_card(card(export(net, arguments.out), films, x.shape[1]), arguments.out)


if __name__ == "__main__":
    main()
