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

import numpy as np
import numpy.typing as npt

from training.nodule import fit, sources
from training.nodule.__main__ import training_samples, validated
from training.nodule.validation import cpm, cpm_interval

SHARES = (0.125, 0.5, 1.0)
FROM_NODULES = ("cutout", "pasted nodule", "beside")
STEPS = 300


def of_share(
    table: fit.Table, patient_of: dict[str, str], share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Rows of a share of the patients, and those that come from no nodule.

    A smaller share's patients are among those of a larger one.
    """
    patients = sorted(set(patient_of.values()))
    order = np.random.default_rng(seed).permutation(len(patients))
    kept = {patients[n] for n in order[: round(share * len(patients))]}
    return np.array(
        [
            kind not in FROM_NODULES or patient_of[source] in kept
            for kind, source in zip(table.kind, table.source, strict=True)
        ]
    )


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
