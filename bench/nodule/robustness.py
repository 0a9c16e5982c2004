"""What other slices, noise, kernels and grids do to detection and volume.

    python -m bench.nodule.robustness SCAN [SCAN ..] --what inserted
    python -m bench.nodule.robustness SCAN [SCAN ..] --what pasted --data ../shared/data
    python -m bench.nodule.robustness --what real --data ../shared/data/ct

Each SCAN is a folder of one DICOM series that no training saw. Nodules are put
into it once, as in `bench.nodule.inserted` or `bench.nodule.pasted`; ``real``
takes scans with nodules of their own instead. The scan is then altered in each
way and read again. Sensitivity is that at the operating point, with its 95 %
Clopper-Pearson interval; false marks are all marks at the operating point away
from the nodules, the scan's own unmarked nodules
included, so that only their change tells. The volume of each nodule with a mark
in both is compared with that in the unaltered scan.

What this does not show: altered images are not scans. Slices thinner than the
scan's own are interpolated, added noise has no streaks, and a blurred or
sharpened kernel keeps the first kernel's noise pattern.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.nodule import inserted, pasted
from bench.nodule.alterations import ALTERATIONS
from bench.nodule.analysis import MODELS, Analyser
from bench.nodule.curve import Curve, Scored, proportion_interval, score
from bench.nodule.froc import unseen
from bench.nodule.inserted import limits
from bench.nodule.scans import read_hosts
from bench.nodule.tables import heading
from bench.nodule.truth import Nodule, Tier, read_folder
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs

UNALTERED = "unaltered"
TIERS = {"real": Tier.REAL, "pasted": Tier.SEMI_SYNTHETIC, "inserted": Tier.SYNTHETIC}


@dataclass(frozen=True)
class Reading:
    """One altered scan.

    Parameters
    ----------
    scored : Scored
    volumes_mm3 : tuple of float
        Of each nodule to be found; NaN where no mark lies on it.
    """

    scored: Scored
    volumes_mm3: tuple[float, ...]


def read(analyser: Analyser, name: str, scan: Volume, nodules: Sequence[Nodule]) -> Reading:
    """Detect, and measure each nodule from its most probable mark."""
    found = analyser.find(scan)
    volumes = []
    for nodule in (n for n in nodules if n.counted):
        candidate = found.on(nodule.centre_lps_mm, nodule.diameter_mm / 2)
        volumes.append(
            found.measure(candidate).volume_mm3 if candidate is not None else float("nan")
        )
    return Reading(score(name, found.candidates, nodules), tuple(volumes))


def row(
    name: str, readings: Sequence[Reading], before: Sequence[Reading], threshold: float
) -> str:  # fmt: skip
    """One alteration against the unaltered scans."""
    curve = Curve([r.scored for r in readings])
    share, rate = curve.at(threshold)
    cases = len(curve.nodules)
    low, high = proportion_interval(round(share * cases), cases)
    text = f"{name:30s}  {share:4.2f} ({low:.2f} to {high:.2f})   {rate:6.2f}"
    if readings is before:
        return text
    new = np.concatenate([r.volumes_mm3 for r in readings])
    old = np.concatenate([r.volumes_mm3 for r in before])
    both = np.isfinite(new) & np.isfinite(old)
    mean, least, most = limits(list(100 * (new[both] / old[both] - 1)))
    return text + f"   {both.sum():4d}  {mean:+6.1f} ({least:+.1f} to {most:+.1f})"


def known(arguments: argparse.Namespace) -> Iterator[tuple[str, Volume, tuple[Nodule, ...]]]:
    """Name, scan and nodules: real ones, or those put in."""
    rng = np.random.default_rng(arguments.seed)
    if arguments.what == "real":
        for case in unseen(read_folder(arguments.data), {})[0]:
            yield case.name, case.load(), case.nodules
        return
    cutouts = pasted.read_part(arguments.data, arguments.part) if arguments.what == "pasted" else []
    plans = inserted.plan(len(arguments.scans), rng)
    for name, scan in read_hosts(arguments.scans):
        lungs = segment_lungs(scan)
        if arguments.what == "pasted":
            filled, nodules = pasted.fill(scan, lungs, cutouts, rng)
        else:
            filled, planted = inserted.fill(scan, lungs, next(plans), rng)
            nodules = [p.nodule for p in planted]
        yield name, filled, tuple(nodules)


def main() -> None:
    parser = argparse.ArgumentParser(description="Detection and volume in altered scans.")
    parser.add_argument("scans", type=Path, nargs="*", help="folders, one DICOM series each")
    parser.add_argument("--what", choices=TIERS, default="inserted")
    parser.add_argument(
        "--data", type=Path, help="pasted: holds lidc_nodules/; real: holds nodules.json"
    )
    parser.add_argument("--part", choices=("train", "val", "test"), default="test")
    parser.add_argument("--only", nargs="*", choices=ALTERATIONS, help="these alterations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.what != "inserted" and arguments.data is None:
        parser.error(f"--what {arguments.what} needs --data")
    if (arguments.what == "real") == bool(arguments.scans):
        parser.error("name scans to put nodules into, and none with --what real")
    analyser = Analyser(arguments.models, arguments.threads)
    names = [UNALTERED, *(arguments.only or ALTERATIONS)]
    readings: dict[str, list[Reading]] = {name: [] for name in names}
    for scan_name, scan, nodules in known(arguments):
        for name in names:
            altered = scan if name == UNALTERED else ALTERATIONS[name](scan)
            readings[name].append(read(analyser, scan_name, altered, nodules))
            print(f"{scan_name}  {name}", flush=True)
    before = readings[UNALTERED]
    count = sum(len(r.scored.targets) for r in before)
    part = f" (part {arguments.part})" if arguments.what == "pasted" else ""
    print(heading(TIERS[arguments.what], f"n = {count} nodules{part} in {len(before)} scans"))
    print(f"operating point {analyser.operating_point:.3f}\n")
    print(
        f"{'':30s}  sensitivity            false marks      n  volume change %, mean (95 % limits)"
    )
    for name in names:
        print(row(name, readings[name], before, analyser.operating_point))


if __name__ == "__main__":
    main()
