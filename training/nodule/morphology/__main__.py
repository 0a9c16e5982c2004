"""From data to the shipped morphology model in one command.

    python -m training.nodule.morphology --data ../shared/data \\
        --scans ct_lung_segmentation/Dataset/Images --out onnx_models/nodule-morphology

``--scans`` is the image folder of a clone of github.com/cailleyfactor/ct_lung_segmentation
(LCTSC). Nodules are outlined by the model ``nodule-segmenter`` in ``--models``, as in use.
Takes some 8 minutes and 2 GiB on one CPU core of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gransk.core.models import ModelLibrary
from nodule.segmenter import MODEL_ID as SEGMENTER_ID
from nodule.segmenter import Segmenter
from training.nodule.card_file import write_card
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.morphology import fit
from training.nodule.morphology.calibrate import Calibration, calibrate
from training.nodule.morphology.card import card
from training.nodule.morphology.export import write_onnx
from training.nodule.morphology.network import OUTPUTS
from training.nodule.morphology.ratings import FEWEST_READERS, Ratings, read_ratings
from training.nodule.morphology.samples import Sample, from_crop, from_scan
from training.nodule.scans import load
from training.nodule.split import cases

PASTED_A_SCAN = 120


def rated(data: Path, part: str, fewest_readers: int) -> list[tuple[Cutout, Ratings]]:
    """Nodules of a part of the patients with their ratings."""
    folder = data / "lidc_nodules"
    ratings = read_ratings(folder)
    nodules = read_nodules(folder, set(cases("LIDC-IDRI", part)), fewest_readers)
    return [(n, ratings[n.name]) for n in nodules if n.name in ratings]


def fitting_samples(
    data: Path, scans: Path, segmenter: Segmenter, rng: np.random.Generator
) -> list[Sample]:
    """Every sample of the training patients."""
    nodules = rated(data, "train", 1)
    made = [s for nodule, ratings in nodules for s in from_crop(nodule, ratings, segmenter, rng)]
    print(f"{len(nodules)} nodules, {len(made)} samples", flush=True)
    for case in cases("LCTSC", "train"):
        made += from_scan(load(scans / case), nodules, PASTED_A_SCAN, segmenter, rng)
        print(f"{case}: {len(made)} samples", flush=True)
    return made


def judged_samples(
    data: Path, part: str, segmenter: Segmenter, rng: np.random.Generator
) -> list[Sample]:
    """Nodules of at least three readers of a part of the patients, outlined as in use."""
    nodules = rated(data, part, FEWEST_READERS)
    return [next(from_crop(nodule, ratings, segmenter, rng)) for nodule, ratings in nodules]


def targets(table: fit.Table) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """What the four outputs beside texture should be, shape (n, 4)."""
    return np.column_stack([table.traits, table.suspicion])


def report(name: str, table: fit.Table, logits: fit.FloatArray, fitted: Calibration) -> list[str]:
    """How nodules of some patients are told apart, one line an output."""
    kinds = fitted.texture(logits).argmax(1)
    lines = [f"{name}: texture right {(kinds == table.texture).mean():.3f}"]
    for output, given, wanted in zip(OUTPUTS, fitted.rest(logits).T, targets(table).T, strict=True):
        yes, no = given[wanted >= 0.75], given[wanted <= 0.25]
        above = (yes[:, None] > no).mean() + (yes[:, None] == no).mean() / 2
        lines.append(
            f"  {output} AUC {above:.3f} ({len(yes)} against {len(no)}), expected "
            f"{given.mean():.3f}, observed {wanted.mean():.3f}, "
            f"Brier {((given - wanted) ** 2).mean():.4f}"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the nodule morphology model.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--scans", type=Path, required=True, help="holds Case_000/ and so on")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    outliner = ModelLibrary(arguments.models, arguments.threads).load(SEGMENTER_ID)
    segmenter = Segmenter(outliner)
    rng = np.random.default_rng(arguments.seed)
    tune, own = (
        fit.Table.of(judged_samples(arguments.data, part, segmenter, rng))
        for part in ("val", "train")
    )
    train = fit.Table.of(fitting_samples(arguments.data, arguments.scans, segmenter, rng))
    net = fit.fit(train, arguments.steps, arguments.seed, arguments.threads)
    logits = fit.logits_of(net, tune)
    fitted = calibrate(logits, tune.texture, targets(tune))
    print("\n".join(report("validation", tune, logits, fitted)))
    print("\n".join(report("training", own, fit.logits_of(net, own), fitted)), flush=True)
    digest = write_onnx(net, fitted, arguments.out)
    write_card(card(digest, len(tune.views), outliner.card.version), arguments.out)


if __name__ == "__main__":
    main()
