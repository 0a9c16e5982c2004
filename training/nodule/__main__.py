"""From data to the shipped detector in one command.

    python -m training.nodule --data ../shared/data --scans ct_lung_segmentation/Dataset/Images \\
        --more more_scans --out onnx_models/nodule-detector

``--scans`` is the image folder of a clone of github.com/cailleyfactor/ct_lung_segmentation
(LCTSC). ``--more`` holds three folders of DICOM files: ``R01-001`` (the series THORAX 1.0 B45f
of github.com/bhklab/readii, tests/NSCLC_Radiogenomics), ``C3N-00247``
(github.com/deep-learning-with-pytorch/dlwpt-code, data/p1ch4/volumetric-dicom) and
``MSB-01068`` (github.com/stepha-mar/Colon).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from gransk.core.models import ModelLibrary
from nodule.detector import Detector
from training.nodule import fit, sources
from training.nodule.card import card
from training.nodule.card_file import write_card
from training.nodule.export import write_onnx
from training.nodule.lesions import own_lesions
from training.nodule.marks import false_marks, sensitivity, threshold_for
from training.nodule.network import SpotNet
from training.nodule.samples import Sample, from_cutout, from_scan, synthetic
from training.nodule.table import Table
from training.nodule.validation import Plan, Reads, by_kind, cpm, cpm_interval, read_all, report

STEPS = 5000
PASTED_A_SCAN = 900
SYNTHETIC = 400
FALSE_MARKS_A_SCAN = 0.5


def training_samples(arguments: argparse.Namespace) -> Table:
    """Every sample to learn from; read from ``--samples`` where that file exists."""
    kept: Path | None = arguments.samples
    if kept is not None and kept.exists():
        return Table.read(kept)
    rng = np.random.default_rng(arguments.seed)
    search = sources.search(arguments)
    nodules = sources.nodules(arguments, "train")
    made: list[Sample] = []
    for case, scan in sources.whole_scans(arguments, "train"):
        made += from_scan(case, scan, own_lesions(case, scan), nodules, PASTED_A_SCAN, search, rng)
        print(f"{case}: {len(made)} samples", flush=True)
    for nodule in nodules:
        made += from_cutout(nodule, search, rng)
    made += [synthetic(rng) for _ in range(SYNTHETIC)]
    print(dict(Counter(s.kind for s in made)), flush=True)
    table = Table.of(made)
    if kept is not None:
        table.save(kept)
    return table


def validated(net: SpotNet, folder: Path, arguments: argparse.Namespace) -> tuple[str, Reads]:
    """Write a network as ONNX, read the validation scans with it: its SHA-256 and the reads."""
    digest = write_onnx(net, folder)
    write_card(card(digest, 0.5, []), folder)
    model = ModelLibrary(folder.parent, arguments.threads).load(folder.name)
    nodules = sources.nodules(arguments, "val")
    detector = Detector(sources.search(arguments), model, threshold=0.0)
    return digest, read_all(detector, sources.hosts(arguments), nodules, Plan())


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the lung nodule detector.")
    sources.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--samples", type=Path, help="npz: samples are kept there and reused")
    arguments = parser.parse_args()
    train = training_samples(arguments)
    net = fit.fit(train, arguments.steps, arguments.seed, arguments.threads)
    digest, done = validated(net, arguments.out, arguments)
    print(report(done))
    threshold = threshold_for(done.reads, FALSE_MARKS_A_SCAN)
    threshold = float(min(1.0, np.ceil(threshold * 1e4) / 1e4))
    rows = by_kind(done.targets, [p >= threshold for r in done.reads for p in r.found])
    curve = (cpm(done.reads), cpm_interval(done.reads), len(done.targets))
    write_card(card(digest, threshold, rows, curve), arguments.out)
    hits, count = sensitivity(done.reads, threshold)
    marks = false_marks(done.reads, threshold)
    print(f"threshold {threshold}: {hits}/{count} pasted nodules, {marks:.2f} false marks a scan")


if __name__ == "__main__":
    main()
