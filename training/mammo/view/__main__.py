"""Train and write ``onnx_models/mammo-view``: ``python -m training.mammo.view --data ...``."""

from __future__ import annotations

import argparse
import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gransk.core.errors import RefusalError
from mammo.exam.familiar import NAMES, features
from mammo.exam.recognise import MODEL_ID, SHAPE, thumbnail
from training.mammo.films import FOLDS, Film, cbis_mass, folds
from training.mammo.view.card import card_of, interval
from training.mammo.view.fit import Samples, fit
from training.mammo.view.network import Exported
from training.nodule.card_file import write_card

REFUSED_FILMS = 0.005
"""Share of unseen training films that the limit may refuse."""


def main() -> None:
    """Read films, cross-validate by patient, train on all, write model and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with mg/cbis_mass")
    parser.add_argument("--out", type=Path, default=Path("onnx_models") / MODEL_ID)
    options = parser.parse_args()

    films = cbis_mass(options.data / "mg" / "cbis_mass")
    kept, samples = samples_of(films)
    print(f"{len(films)} films, {len(films) - len(kept)} without a breast that is found")
    fold_of = folds(films)
    fold = np.array([fold_of[film.patient] for film in kept])
    mlo, right, apart = cross_validated(samples, fold)
    limit = float(np.quantile(apart, 1 - REFUSED_FILMS))
    measured = {
        "view": (int(((mlo > 0.5) == samples.mlo).sum()), len(kept)),
        "view, at least 0.9 certain": _certain(mlo, samples.mlo),
        "breast": (int((right == samples.right).sum()), len(kept)),
        "refused": (int((apart > limit).sum()), len(kept)),
    }
    for name, (count, of) in measured.items():
        print(f"{name}: {count} of {of}, {count / of:.4f} {interval(count, of)}")

    middle = float(np.median(apart))
    digest = write_onnx(Exported(fit(samples, middle)), options.out)
    patients = len({film.patient for film in kept})
    card = card_of(digest, limit / (limit + middle), measured, patients, datetime.date.today())
    write_card(card, options.out)


def samples_of(films: list[Film]) -> tuple[list[Film], Samples]:
    """Films in which a breast is found, as the recogniser sees them."""
    kept, rows = [], []
    for film, row in _seen(films):
        kept.append(film)
        rows.append(row)
    return kept, Samples(
        images=np.array([row[0] for row in rows], dtype=np.float32),
        features=np.array([row[1] for row in rows], dtype=np.float32),
        mirrored=np.array([row[2] for row in rows]),
        right=np.array([film.side == "R" for film in kept]),
        mlo=np.array([film.view == "MLO" for film in kept]),
    )


def _seen(films: list[Film]) -> Iterator[tuple[Film, tuple[Any, Any, bool]]]:
    for film in films:
        try:
            prepared = film.prepared()
        except RefusalError:
            continue
        yield film, (thumbnail(prepared), features(prepared), prepared.mirrored)


def cross_validated(
    samples: Samples, fold: npt.NDArray[np.int_]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Of films of unseen patients: probability of MLO, right or not, distance."""
    mlo, apart = np.zeros(len(samples)), np.zeros(len(samples))
    right = np.zeros(len(samples), dtype=bool)
    for held in range(FOLDS):
        unseen = samples[fold == held]
        fitted = fit(samples[fold != held])
        mlo[fold == held] = fitted.mlo(unseen)
        right[fold == held] = np.array(fitted.right)[unseen.mirrored.astype(int)] > 0.5
        apart[fold == held] = fitted.distance(unseen)
        print(f"fold {held}: {len(unseen)} films", flush=True)
    return mlo, right, apart


def _certain(mlo: npt.NDArray[Any], truth: npt.NDArray[np.bool_]) -> tuple[int, int]:
    certain = np.maximum(mlo, 1 - mlo) >= 0.9
    return int(((mlo > 0.5) == truth)[certain].sum()), int(certain.sum())


def write_onnx(exported: Exported, folder: Path) -> str:
    """Write ``model.onnx``; returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    given = (torch.zeros(2, 1, *SHAPE), torch.zeros(2), torch.zeros(2, len(NAMES)))
    names = ("image", "mirrored", "features"), ("right", "mlo", "strangeness")
    torch.onnx.export(
        exported.eval(), given, str(path), input_names=list(names[0]),
        output_names=list(names[1]), opset_version=17, dynamo=False,
        dynamic_axes={name: {0: "n"} for group in names for name in group},
    )  # fmt: skip
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
