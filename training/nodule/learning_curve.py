"""Validation CPM against the share of training patients whose nodules are learnt from.

    python -m training.nodule.learning_curve --data ../shared/data \\
        --scans ct_lung_segmentation/Dataset/Images --more more_scans

Every share is fitted with the same few steps, fewer than the shipped network's, on the same
scans and synthetic samples: the curve tells what more nodules would bring, not how
good the shipped network is. Each row prints the share, its nodules, and the CPM with the 95 %
bootstrap interval over the validation nodules.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from training.nodule import fit, sources
from training.nodule.__main__ import training_samples, validated
from training.nodule.table import FROM_NODULES, of_share
from training.nodule.validation import cpm, cpm_interval

SHARES = (0.125, 0.5, 1.0)
STEPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description="Validation CPM against training nodules.")
    sources.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each fit")
    parser.add_argument("--samples", type=Path, help="npz: samples are kept there and reused")
    arguments = parser.parse_args()
    table = training_samples(arguments)
    patient_of = {n.name: n.patient for n in sources.nodules(arguments, "train")}
    for share in SHARES:
        part = table.part(of_share(table, patient_of, share, arguments.seed))
        net = fit.fit(part, arguments.steps, arguments.seed, arguments.threads)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "nodule-detector"
            _, done = validated(net, place, arguments)
        learnt = {s for k, s in zip(part.kind, part.source, strict=True) if k in FROM_NODULES}
        low, high = cpm_interval(done.reads)
        print(
            f"{share:g} of the patients, {len(learnt)} nodules, {arguments.steps} steps: "
            f"CPM {cpm(done.reads):.3f} ({low:.3f} to {high:.3f}), {len(done.targets)} nodules",
            flush=True,
        )


if __name__ == "__main__":
    main()
