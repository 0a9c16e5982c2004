"""From data to every nodule model with its card in one command.

    python -m training.nodule.everything --data ../shared/data \\
        --scans ct_lung_segmentation/Dataset/Images --more more_scans --out onnx_models

Trains the search, the detector that judges its spots, the outliner and the model of a nodule's
looks, one after the other, each as its own command does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from nodule.detector import MODEL_ID as DETECTOR
from nodule.morphology import MODEL_ID as MORPHOLOGY
from nodule.search import MODEL_ID as SEARCH
from nodule.segmenter import MODEL_ID as SEGMENTER
from training.nodule import sources

STEPS = (
    ("training.nodule.search", SEARCH, ("data", "scans", "more", "seed", "threads")),
    ("training.nodule", DETECTOR, ("data", "scans", "more", "models", "seed", "threads")),
    ("training.nodule.segmentation", SEGMENTER, ("data", "scans", "seed", "threads")),
    ("training.nodule.morphology", MORPHOLOGY, ("data", "scans", "models", "seed", "threads")),
)


def commands(arguments: argparse.Namespace) -> list[list[str]]:
    """Each training with the arguments it takes, in the order that they build on each other."""
    values = {**vars(arguments), "models": arguments.out}
    return [
        [sys.executable, "-m", module, "--out", str(arguments.out / model)]
        + [part for name in names for part in (f"--{name}", str(values[name]))]
        for module, model, names in STEPS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train every nodule model.")
    sources.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of models")
    for command in commands(parser.parse_args()):
        print(" ".join(command[1:]), flush=True)
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
