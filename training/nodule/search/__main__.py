"""From data to the shipped search in one command.

    python -m training.nodule.search --data ../shared/data \\
        --scans ct_lung_segmentation/Dataset/Images --more more_scans \\
        --out onnx_models/nodule-search

The folders are those of ``python -m training.nodule``, which then takes this search's spots.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gransk.core.models import ModelLibrary
from nodule.search import MOST, Search, Spot
from training.nodule import sources
from training.nodule.card import SEMI_SYNTHETIC, proportion
from training.nodule.card_file import write_card
from training.nodule.lesions import own_lesions
from training.nodule.search.export import COMMAND, card, write_onnx
from training.nodule.search.fit import fit
from training.nodule.search.scenes import Scene, scene
from training.nodule.validation import Host, PastedScan, Plan, Target, by_kind, with_nodules

STEPS = 3500
# The one scan of thin slices is used twice as often.
SCENES_A_SCAN, SCENES_A_THIN_SCAN, THIN_MM = 6, 12, 2.0
SPOTS = (50, 100, MOST)


def training_scenes(arguments: argparse.Namespace) -> list[Scene]:
    """Every training scan several times over with other nodules pasted in."""
    nodules = sources.nodules(arguments, "train")
    scenes: list[Scene] = []
    for case, scan in sources.whole_scans(arguments, "train"):
        host = Host.of(case, scan, own_lesions(case, scan))
        rng = np.random.default_rng([arguments.seed, len(scenes)])
        thin = scan.geometry.spacing[0] < THIN_MM
        for _ in range(SCENES_A_THIN_SCAN if thin else SCENES_A_SCAN):
            scenes.append(scene(host, nodules, rng))
        print(f"{case}: {len(scenes)} scenes", flush=True)
    return scenes


def on(target: Target, scan: PastedScan, spots: Sequence[Spot]) -> bool:
    """Does a spot lie on a nodule?"""
    return any(
        np.linalg.norm(scan.volume.geometry.to_lps(s.index) - target.truth.centre_lps_mm)
        <= target.truth.diameter_mm / 2
        for s in spots
    )


def measured(search: Search, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of the card: validation nodules with a spot on them, by number of spots and kind."""
    nodules = sources.nodules(arguments, "val")
    plan = Plan()
    rng = np.random.default_rng(plan.seed)
    targets: list[Target] = []
    seen: dict[int, list[bool]] = {count: [] for count in SPOTS}
    for host in sources.hosts(arguments):
        for _ in range(plan.repeats):
            scan = with_nodules(host, nodules, plan.nodules_a_scan, rng)
            spots = search.find(scan.volume, scan.lungs)
            print(f"{host.name}: {len(spots)} spots", flush=True)
            targets += scan.targets
            for count in SPOTS:
                seen[count] += [on(t, scan, spots[:count]) for t in scan.targets]
    rows = []
    for count in SPOTS:
        for group in by_kind(targets, seen[count]):
            hits, cases = group["hits"], group["cases"]
            print(f"{count:4} spots, {group['kind']:14} {hits}/{cases} {hits / cases:.3f}")
            rows.append(
                {
                    "measure": f"nodules with a spot, {count} spots a scan, {group['kind']}",
                    "value": round(hits / cases, 3),
                    "interval": [round(v, 3) for v in proportion(hits, cases)],
                    "data": SEMI_SYNTHETIC,
                    "cases": cases,
                    "command": COMMAND,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the search for lung nodules.")
    sources.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    net = fit(training_scenes(arguments), arguments.steps, arguments.seed, arguments.threads)
    digest = write_onnx(net, arguments.out)
    write_card(card(digest, []), arguments.out)
    model = ModelLibrary(arguments.out.parent, arguments.threads).load(arguments.out.name)
    write_card(card(digest, measured(Search(model), arguments)), arguments.out)


if __name__ == "__main__":
    main()
