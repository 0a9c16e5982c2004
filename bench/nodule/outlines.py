"""Outlines and texture of lung nodules against LIDC-IDRI's readers.

    python -m bench.nodule.outlines --data ../shared/data [--part val]

Segments each nodule of at least three readers from a point about 1 mm beside its
middle, in its own few slices and without a lung mask, and compares with the
voxels that at least half of the readers outlined. The HU of some slices are
estimates (``hu.csv``). No lung mask is given, as the slices show too little of
the lungs: attached walls are cut by shape alone here, in a whole scan by the
lungs too.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nodule.measurement import measure
from nodule.segmentation import segment
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.split import cases

SIZES_MM = ((3, 6), (6, 10), (10, 20), (20, 60), (3, 60))


def overlap(nodule: Cutout, rng: np.random.Generator) -> tuple[float, float, str]:
    """Dice, volume as share of the readers' and texture of one nodule."""
    spacing = np.asarray(nodule.volume.geometry.spacing)
    point = nodule.centre + rng.normal(0, 1, 3) / spacing
    k, j, i = np.clip(point, 0, np.asarray(nodule.mask.shape) - 1)
    mask = segment(nodule.volume, (float(k), float(j), float(i)))
    array, origin = mask.to_array(), mask.origin
    inside = nodule.mask[tuple(slice(o, o + n) for o, n in zip(origin, array.shape, strict=True))]
    dice = 2 * (array & inside).sum() / (array.sum() + nodule.mask.sum())
    found = measure(nodule.volume, mask)
    share = found.volume_mm3 / (nodule.mask.sum() * nodule.volume.geometry.voxel_volume_mm3)
    return float(dice), float(share), str(found.texture or "uncertain")


def interval(values: npt.NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    means = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description="Nodule outlines against readers.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/")
    parser.add_argument("--part", choices=("train", "val", "test"), default="val")
    arguments = parser.parse_args()
    patients = set(cases("LIDC-IDRI", arguments.part))
    nodules = read_nodules(arguments.data / "lidc_nodules", patients, 3)
    rng = np.random.default_rng(0)
    results = [overlap(n, rng) for n in nodules]
    dice = np.array([r[0] for r in results])
    share = np.array([r[1] for r in results])
    size = np.array([n.diameter_mm for n in nodules])
    print("diameter mm    n   mean Dice  95 % interval   median   under 0.4   median volume share")
    for low, high in SIZES_MM:
        at = (size >= low) & (size < high)
        if at.any():
            least, most = interval(dice[at], rng)
            print(
                f"{low:5d} to {high:<3d} {at.sum():5d}   {dice[at].mean():9.3f}  "
                f"{least:.3f} to {most:.3f}  {np.median(dice[at]):7.3f}   "
                f"{(dice[at] < 0.4).mean():9.3f}   {np.median(share[at]):19.2f}"
            )
    print("\ntexture by readers' median (1 ground glass, 5 solid)")
    for first, last in ((1.0, 2.0), (2.5, 4.0), (4.5, 5.0)):
        same = [r[2] for n, r in zip(nodules, results, strict=True) if first <= n.texture <= last]
        print(f"  {first:g} to {last:g}: {dict(Counter(same).most_common())}")


if __name__ == "__main__":
    main()
