"""Side and lobe of points in the lungs against what is known.

    python -m bench.nodule.place --scans Dataset/Images --masks Dataset/Segmentations

The scans and manual lung masks are those of cailleyfactor/ct_lung_segmentation (LCTSC,
CC BY 3.0). Side: the manual mask, shrunk until it falls into two pieces of at least a
quarter of it each, tells which points belong to one lung; each piece's middle tells
its side. Scans whose masks do not fall apart are left out and counted. Lobe: no lobes are
outlined, so only the share of each lung that each lobe gets, without the margin of
uncertainty, is compared with those of
32 volunteers lying on their backs (Yamada 2020, Respiration 99:598, table 3).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.volume import Geometry
from nodule.lungs import segment_lungs
from nodule.place import Answer, Lobe, LungMap, Side
from training.nodule.scans import load

BoolArray = npt.NDArray[np.bool_]

POINTS = 2000
MOST_SHRINKING = 6
LEAST_PIECE = 0.25
KNOWN = {
    (Side.RIGHT, Lobe.UPPER): 33.4,
    (Side.RIGHT, Lobe.MIDDLE): 17.4,
    (Side.RIGHT, Lobe.LOWER): 49.4,
    (Side.LEFT, Lobe.UPPER): 49.8,
    (Side.LEFT, Lobe.LOWER): 50.0,
}


def pieces(mask: BoolArray) -> list[BoolArray] | None:
    """Both lungs of a mask, shrunk until they fall apart; None where they do not."""
    shrunk = mask[:, ::4, ::4]
    for _ in range(MOST_SHRINKING):
        labels, count = ndimage.label(shrunk)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        large = np.argsort(sizes)[::-1][:2] + 1
        if count >= 2 and sizes[large - 1].min() >= LEAST_PIECE * sizes.sum():
            return [labels == n for n in large]
        shrunk = ndimage.binary_erosion(shrunk)
    return None


def sample(
    mask: BoolArray, stride: Sequence[int], geometry: Geometry, rng: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Points of a mask, mm, LPS."""
    index = np.argwhere(mask)
    chosen = index[rng.permutation(len(index))[:POINTS]] * stride
    return [(float(x), float(y), float(z)) for x, y, z in geometry.to_lps(chosen)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Side and lobe of points in the lungs.")
    parser.add_argument("--scans", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    right = total = left_out = 0
    unsure: list[np.floating] = []
    unsure_upper: list[np.floating] = []
    shares: dict[tuple[Side, Lobe], list[float]] = {}
    for folder in sorted(p for p in arguments.scans.iterdir() if p.is_dir()):
        scan = load(folder)
        try:
            lungs = segment_lungs(scan)
        except RefusalError as refusal:
            print(f"{folder.name}: {refusal}", flush=True)
            continue
        places = LungMap(lungs, scan.geometry)
        known = np.load(arguments.masks / f"{folder.name}_seg.npz")["masks"].astype(bool)
        if (known[::-1] & lungs).sum() > (known & lungs).sum():
            known = known[::-1]
        both = pieces(known)
        if both is None:
            left_out += 1
        else:
            middle = np.mean([np.argwhere(p)[:, 2].mean() for p in both])
            for piece in both:
                wanted = Side.LEFT if np.argwhere(piece)[:, 2].mean() > middle else Side.RIGHT
                told = [places.side(p) for p in sample(piece, (1, 4, 4), scan.geometry, rng)]
                right += sum(side is wanted for side in told)
                total += len(told)
        points = sample(lungs, (1, 1, 1), scan.geometry, rng)
        told_lobes = [(places.side(p), places.lobe(p, margin=0.0)) for p in points]
        unsure.append(np.mean([places.lobe(p) is Lobe.UNCERTAIN for p in points]))
        unsure_upper.append(np.mean([places.upper_lobe(p) is Answer.UNCERTAIN for p in points]))
        for side in Side:
            own = [lobe for s, lobe in told_lobes if s is side]
            for lobe in (Lobe.UPPER, Lobe.MIDDLE, Lobe.LOWER):
                shares.setdefault((side, lobe), []).append(own.count(lobe) / max(1, len(own)))
    print(f"side: {right} of {total} points right ({100 * right / max(1, total):.2f} %); "
          f"{left_out} scans left out")  # fmt: skip
    print(f"share of the lungs where the lobe is uncertain: {100 * np.mean(unsure):.0f} %, "
          f"where the upper lobe is: {100 * np.mean(unsure_upper):.0f} %")  # fmt: skip
    print("share of its lung, %: mean, standard deviation over scans, known mean")
    for (side, lobe), values in shares.items():
        mean, deviation = 100 * np.mean(values), 100 * np.std(values)
        known_share = str(KNOWN.get((side, lobe), ""))
        print(f"  {side.value:6s} {lobe.value:10s} {mean:5.1f} {deviation:5.1f}  {known_share}")


if __name__ == "__main__":
    main()
