"""From films to the shipped finder of calcification clusters in one command.

    python -m training.mammo.calcifications --data ../shared/data \\
        --out onnx_models/mammo-calcifications [--members 1]

One network is fitted for each fold of patients, or for the first ``--members`` folds alone; the
model that ships has one. Every figure of the card is of simulated clusters in films of folds that
the network never saw.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

import torch

from gransk.core.models import ModelLibrary
from mammo.marks.calcifications import Calcifications
from training.mammo.calcifications.card import card
from training.mammo.calcifications.export import write_onnx
from training.mammo.calcifications.fit import STEPS
from training.mammo.calcifications.measures import (
    OPERATING_RATE,
    rows,
    simulated,
    threshold_for,
)
from training.mammo.calcifications.members import trained
from training.mammo.films import FOLDS, cbis_mass, folds
from training.nodule.card_file import write_card

EVERY = 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the finder of calcification clusters.")
    parser.add_argument("--data", type=Path, required=True, help="holds mg/cbis_mass")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--members", type=int, default=FOLDS, help="networks, one a fold")
    parser.add_argument("--every", type=int, default=EVERY, help="measure on every so many films")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="keeps networks that are ready, to go on from")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    films = cbis_mass(arguments.data / "mg" / "cbis_mass")
    nets = trained(films, arguments.members, arguments.steps, arguments.seed, arguments.work)
    digest = write_onnx(nets, arguments.out)
    patients = len({film.patient for film in films})
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    write_card(card(digest, len(nets), patients, 0.5, [], today), arguments.out)
    model = ModelLibrary(arguments.out.parent, arguments.threads).load(arguments.out.name)
    finders = [Calcifications(model, member) for member in range(len(nets))]
    fold = folds(films, arguments.seed)
    reads = simulated(films[:: arguments.every], fold, finders, arguments.seed)
    threshold = threshold_for(reads, OPERATING_RATE)
    told = rows(reads, threshold, "simulated")
    for row in told:
        low, high = row.interval
        print(f"{row.measure:75} {row.value:.3f} ({low:.3f} to {high:.3f}), {row.cases}")
    write_card(card(digest, len(nets), patients, threshold, told, today), arguments.out)


if __name__ == "__main__":
    main()
