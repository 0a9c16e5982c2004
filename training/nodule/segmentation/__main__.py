"""Trains the network that outlines nodules, and writes it with its card.

    python -m training.nodule.segmentation --data ../shared/data \
        --scans ct_lung_segmentation/Dataset/Images --out onnx_models/nodule-segmenter

``--data`` holds ``lidc_nodules``; ``--scans`` holds the whole scans of LCTSC from
``cailleyfactor/ct_lung_segmentation``, into which nodules are pasted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from gransk.core.models import ModelLibrary
from training.nodule.card_file import write_card
from training.nodule.segmentation.crops import read_outlined, read_scenes
from training.nodule.segmentation.export import COMMAND, card, write_onnx
from training.nodule.segmentation.fit import fit
from training.nodule.segmentation.tune import Scores, best, scores
from training.nodule.split import cases

FEWEST_READERS = {"train": 2, "val": 3}
DATA = "LIDC-IDRI nodules of at least 3 readers, validation patients, half with slices continued"


def performance(chosen: Scores, seed: int) -> list[dict[str, Any]]:
    """Rows of the card; the interval is a bootstrap over nodules."""
    rng = np.random.default_rng(seed)
    rows = []
    for measure, values in (
        ("mean Dice against the readers' majority", chosen.dice),
        ("mean volume as share of the readers'", chosen.volume),
    ):
        means = rng.choice(values, (2000, len(values))).mean(axis=1)
        low, high = (round(float(v), 3) for v in np.percentile(means, [2.5, 97.5]))
        rows.append(
            {
                "measure": measure,
                "value": round(float(values.mean()), 3),
                "interval": [low, high],
                "data": DATA,
                "cases": len(values),
                "command": COMMAND,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the lung nodule outliner.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--scans", type=Path, required=True, help="holds Case_000/ and so on")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    folder = arguments.data / "lidc_nodules"
    nodules = {
        part: read_outlined(folder, set(cases("LIDC-IDRI", part)), fewest)
        for part, fewest in FEWEST_READERS.items()
    }
    rng = np.random.default_rng(arguments.seed)
    scenes = read_scenes(arguments.scans, cases("LCTSC", "train"), rng)
    print(f"{len(nodules['train'])} nodules, {len(scenes)} scans", flush=True)
    net = fit(nodules["train"], scenes, arguments.steps, arguments.seed, arguments.threads)
    digest = write_onnx(net, arguments.out)
    write_card(card(digest, 0.5, []), arguments.out)
    model = ModelLibrary(arguments.out.parent, arguments.threads).load(arguments.out.name)
    found = scores(model, nodules["val"], arguments.seed)
    for s in found:
        print(
            f"threshold {s.threshold:.2f}: Dice {s.dice.mean():.3f} mean "
            f"{np.median(s.dice):.3f} median, median volume {np.median(s.volume):.3f}"
        )
    chosen = best(found)
    write_card(card(digest, chosen.threshold, performance(chosen, arguments.seed)), arguments.out)
    print(f"chosen: {chosen.threshold}")


if __name__ == "__main__":
    main()
