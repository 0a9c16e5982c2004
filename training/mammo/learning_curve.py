"""What more films would bring: networks fitted to a part of the patients.

    python -m training.mammo.learning_curve --data ../shared/data/mg/cbis_mass --kept folds

At 0.3 mm, for some folds of patients: networks fitted to a share of the other folds' patients,
as long as the whole (in epochs), read the fold that they never saw. ``--kept`` holds what is
fitted, the networks of `training.mammo` for the whole among it. Intervals draw patients; the
networks of one share are one draw of training patients each, so that steps between shares hold
that chance too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from training.mammo.__main__ import COARSE, kept_or, network, weights
from training.mammo.card import MEASURES
from training.mammo.curves import Curves
from training.mammo.films import Film, cbis_mass, folds
from training.mammo.fit import CPU, fit
from training.mammo.measures import Read, interval
from training.mammo.network import Detector
from training.mammo.samples import example
from training.mammo.validation import read_raw, reader


def part(films: list[Film], share: float, seed: int) -> list[Film]:
    """Films of a share of the patients."""
    patients = sorted({film.patient for film in films})
    rng = np.random.default_rng(seed)
    kept = set(rng.permutation(patients)[: round(share * len(patients))].tolist())
    return [film for film in films if film.patient in kept]


def fitted(
    films: list[Film], of: dict[str, int], fold: int, share: float, kept: Path, device: torch.device
) -> Detector:
    """The network of a fold, fitted to a share of the others' patients."""
    if share == 1:
        return network(fold, films, of, COARSE, kept, device)

    def some() -> Detector:
        seen = part([film for film in films if of[film.patient] != fold], share, fold)
        examples = [example(film, COARSE.spacing_mm) for film in seen]
        return fit(examples, COARSE, fold, weights(), device)

    return kept_or(kept / f"share{share}-fold{fold}.pt", some)


def main() -> None:
    """Print the figures of each share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--kept", type=Path, required=True, help="fitted networks")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1.0])
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default=CPU, help="cpu or cuda")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = cbis_mass(options.data)
    of = dict(folds(films))
    for share in options.shares:
        reads: list[Read] = []
        for fold in options.folds:
            net = fitted(films, of, fold, share, options.kept, options.device)
            by = reader([(net, COARSE.spacing_mm)])
            unseen = [film for film in films if of[film.patient] == fold]
            reads += [read_raw(by, film).read(Curves()) for film in unseen]
        print(f"{share:.0%} of the other folds' patients, {len(reads)} films", flush=True)
        for name, measure in MEASURES:
            low, high = interval(reads, measure)
            print(f"  {name:50s} {measure(reads):.3f} ({low:.3f} to {high:.3f})", flush=True)


if __name__ == "__main__":
    main()
