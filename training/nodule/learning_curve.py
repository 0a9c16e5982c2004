"""Validation CPM against the nodules and the whole scans that the detector learns from.

    python -m training.nodule.learning_curve --data ../shared/data \\
        --scans ct_lung_segmentation/Dataset/Images --more more_scans

First by share of the training patients whose nodules are learnt from, then by the number of
whole scans that they are pasted into and whose vessels they are told from. The search is the one
that ships: it learnt from all of them. Every row is fitted anew for the same number of steps and
prints the CPM with the 95 % bootstrap interval over the validation nodules.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from training.nodule import __main__ as detection
from training.nodule import fit, sources
from training.nodule.table import FROM_NODULES, Table, of_scans, of_share
from training.nodule.validation import cpm, cpm_interval

SHARES = (0.125, 0.5, 1.0)
SCANS = (3, 6)


def main() -> None:
    parser = argparse.ArgumentParser(description="Validation CPM against training nodules.")
    sources.add_arguments(parser)
    parser.add_argument("--steps", type=int, default=detection.STEPS, help="of each fit")
    parser.add_argument("--samples", type=Path, help="npz: samples are kept there and reused")
    arguments = parser.parse_args()
    table = detection.training_samples(arguments)
    patient_of = {n.name: n.patient for n in sources.nodules(arguments, "train")}
    scans = len({h for h in table.host if h})
    for share in SHARES:
        rows = of_share(table, patient_of, share, arguments.seed)
        print_row(f"{share:g} of the patients, {scans} scans", table.part(rows), arguments)
    for count in SCANS:
        part = table.part(of_scans(table, count, arguments.seed))
        print_row(f"all patients, {count} scans", part, arguments)


def print_row(name: str, part: Table, arguments: argparse.Namespace) -> None:
    """Fit on a part of the samples and print how well it does on the validation scans."""
    net = fit.fit(part, arguments.steps, arguments.seed, arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        _, done = detection.validated(net, Path(folder) / "nodule-detector", arguments)
    learnt = {s for k, s in zip(part.kind, part.source, strict=True) if k in FROM_NODULES}
    low, high = cpm_interval(done.reads)
    print(
        f"{name}, {len(learnt)} nodules, {arguments.steps} steps: "
        f"CPM {cpm(done.reads):.3f} ({low:.3f} to {high:.3f}), {len(done.targets)} nodules",
        flush=True,
    )


if __name__ == "__main__":
    main()
