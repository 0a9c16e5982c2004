"""The scans and nodules of each part of the split."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from gransk.core.models import ModelLibrary
from gransk.core.volume import Volume
from nodule.search import MODEL_ID, Search
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.lesions import own_lesions
from training.nodule.scans import load
from training.nodule.split import cases
from training.nodule.validation import Host

MORE = ("NSCLC-Radiogenomics", "CPTAC", "CMB-CRC")
FEWEST_READERS = {"train": 2, "val": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where data lie: the same for every command of this package."""
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--scans", type=Path, required=True, help="holds Case_000/ and so on")
    parser.add_argument(
        "--more", type=Path, required=True, help="holds R01-001/, C3N-00247/ and MSB-01068/"
    )
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)


def whole_scans(arguments: argparse.Namespace, part: str) -> Iterator[tuple[str, Volume]]:
    """Each whole scan of a part with its case's name."""
    for case in cases("LCTSC", part):
        yield case, load(arguments.scans / case)
    for source in MORE:
        for case in cases(source, part):
            yield case, load(arguments.more / case)


def search(arguments: argparse.Namespace) -> Search:
    """The search that ships, of the folder of models given."""
    return Search(ModelLibrary(arguments.models, arguments.threads).load(MODEL_ID))


def nodules(arguments: argparse.Namespace, part: str) -> list[Cutout]:
    """LIDC-IDRI's nodules of a part, of at least two (train) or three (val) readers."""
    patients = set(cases("LIDC-IDRI", part))
    return read_nodules(arguments.data / "lidc_nodules", patients, FEWEST_READERS[part])


def hosts(arguments: argparse.Namespace) -> Iterator[Host]:
    """The validation scans."""
    for case, scan in whole_scans(arguments, "val"):
        yield Host.of(case, scan, own_lesions(case, scan))
