"""Synthetic nodules of known volume in real scans: found, and measured how well.

    python -m bench.nodule.inserted SCAN [SCAN ..] [--repeats 3] [--kinds solid] [--slices-mm 1.25]

Each SCAN is a folder of one DICOM series that no training saw. Solid, part-solid
and ground glass nodules of 3 to 30 mm are drawn into it: inside the lung, at its
wall, at a vessel, and at a fissure (which is drawn too). They are blurred and
noisy as the scan itself. Detection rates have 95 % Clopper-Pearson intervals.
Volume and diameter are those of the most probable mark on the nodule, whatever
its probability, outlined and measured as the application does; bias is the mean
error, its limits are 1.96 standard deviations to each side.

``--slices-mm`` resamples the scans before anything is drawn, so that thin slices
can be tested in scans that lack them: the nodules are then truly sampled so, their
surroundings interpolated.

What this does not show: real nodules have rims, spicules and pleural tags, and a
broader base on the wall; these have smooth edges and one density. False marks
are not counted, as nobody marked the scans' own nodules.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.nodule.alterations import thickness
from bench.nodule.analysis import MODELS, Analyser, Found
from bench.nodule.curve import proportion_interval
from bench.nodule.scans import read_hosts
from bench.nodule.tables import heading
from bench.nodule.truth import Nodule, Texture, Tier
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs
from training.nodule.insertion import KINDS, Inserted, Kind, Scanner, Shape, insert
from training.nodule.places import PLACES, Ground

SIZES_MM = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)
ROUGHNESS = 0.3
A_SCAN = 18
TEXTURES = {
    "solid": Texture.SOLID, "part-solid": Texture.PART_SOLID, "ground glass": Texture.GROUND_GLASS,
}  # fmt: skip
THIN_MM, LARGE_MM = 1.5, 6.0

Wanted = tuple[float, Kind, str]


@dataclass(frozen=True)
class Planted:
    """An inserted nodule as truth.

    Parameters
    ----------
    nodule : Nodule
        Its diameter is the long axis.
    inserted : Inserted
    """

    nodule: Nodule
    inserted: Inserted

    @property
    def mean_diameter_mm(self) -> float:
        return float(np.mean(self.inserted.shape.axes_mm))


@dataclass(frozen=True)
class Result:
    """What was found of an inserted nodule.

    Parameters
    ----------
    planted : Planted
    slice_mm : float
        Distance between slices.
    probability : float
        -1 where no mark lies on it.
    volume_error : float
        Share of the true volume; NaN where no mark lies on it.
    diameter_error_mm : float
        Of the mean diameter; NaN likewise.
    """

    planted: Planted
    slice_mm: float
    probability: float
    volume_error: float
    diameter_error_mm: float


def plan(
    count: int, rng: np.random.Generator, kinds: Sequence[Kind] = KINDS
) -> Iterator[list[Wanted]]:
    """What goes into each of some scans; every size, kind and place in turn."""
    every: list[Wanted] = list(product(SIZES_MM, kinds, PLACES))
    deck: list[Wanted] = []
    for _ in range(count):
        while len(deck) < A_SCAN:
            deck += [every[n] for n in rng.permutation(len(every))]
        drawn, deck = deck[:A_SCAN], deck[A_SCAN:]
        yield sorted(drawn, key=lambda w: -w[0])


def fill(
    scan: Volume, lungs: npt.NDArray[np.bool_], wanted: Sequence[Wanted], rng: np.random.Generator
) -> tuple[Volume, list[Planted]]:
    """A copy of a scan with nodules drawn in; those that found no place are left out."""
    ground, scanner = Ground.of(scan, lungs), Scanner.of(scan, lungs)
    spacing = np.asarray(scan.geometry.spacing)
    hu = scan.hu.copy()
    taken: list[tuple[npt.NDArray[np.float64], float]] = []
    planted = []
    for diameter, kind, place in wanted:
        shape = Shape.drawn(diameter, ROUGHNESS, rng)
        centre = ground.find(place, shape, taken, rng)
        if centre is None:
            continue
        taken.append((centre * spacing, diameter / 2))
        k, j, i = (float(v) for v in centre)
        one = Inserted((k, j, i), shape, kind, place)
        insert(hu, scan.geometry.spacing, one, scanner, rng)
        x, y, z = (float(v) for v in scan.geometry.to_lps(centre))
        truth = Nodule((x, y, z), shape.axes_mm[0], True, TEXTURES[kind], place)
        planted.append(Planted(truth, one))
    return replace(scan, hu=hu), planted


def look(found: Found, planted: Sequence[Planted]) -> list[Result]:
    """Each nodule's most probable mark, measured."""
    results = []
    for one in planted:
        candidate = found.on(one.nodule.centre_lps_mm, one.nodule.diameter_mm / 2)
        probability, volume, diameter = -1.0, float("nan"), float("nan")
        if candidate is not None:
            measured = found.measure(candidate)
            probability = candidate.probability
            volume = measured.volume_mm3 / one.inserted.shape.volume_mm3 - 1
            diameter = measured.mean_diameter_mm - one.mean_diameter_mm
        slice_mm = found.volume.geometry.spacing[0]
        results.append(Result(one, slice_mm, probability, volume, diameter))
    return results


def limits(errors: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and it less and plus 1.96 standard deviations; NaN for fewer than two."""
    values = np.asarray(errors)
    if len(values) < 2:
        return (float("nan"),) * 3
    mean, spread = float(values.mean()), 1.96 * float(values.std(ddof=1))
    return mean, mean - spread, mean + spread


def row(name: str, results: Sequence[Result], threshold: float) -> str:
    """One class: found at the operating point, volume and diameter bias."""
    hits = sum(r.probability >= threshold for r in results)
    low, high = proportion_interval(hits, len(results))
    text = f"{name:32s} {len(results):4d}  {hits / len(results):4.2f} ({low:.2f} to {high:.2f})"
    measured = [r for r in results if r.probability >= 0]
    if len(measured) > 1:
        volume = limits([100 * r.volume_error for r in measured])
        width = limits([r.diameter_error_mm for r in measured])
        text += f"  {len(measured):4d}  {volume[0]:+6.1f} ({volume[1]:+.1f} to {volume[2]:+.1f})"
        text += f"   {width[0]:+5.2f} ({width[1]:+.2f} to {width[2]:+.2f})"
    return text


def classes(results: Sequence[Result]) -> Iterator[tuple[str, list[Result]]]:
    """By kind and size, by place, and the solid ones that the aim names."""
    yield "all", list(results)
    for kind in KINDS:
        alike = [r for r in results if r.planted.inserted.kind == kind]
        yield kind, alike
        for size in SIZES_MM:
            same = [r for r in alike if r.planted.inserted.shape.diameter_mm == size]
            yield f"  {kind} {size:g} mm", same
    large = [
        r
        for r in results
        if r.planted.inserted.kind == "solid" and r.planted.inserted.shape.diameter_mm >= LARGE_MM
    ]
    for place in PLACES:
        yield f"at: {place}", [r for r in results if r.planted.inserted.place == place]
        there = [r for r in large if r.planted.inserted.place == place]
        yield f"  solid >= {LARGE_MM:g} mm at: {place}", there
    thin = [r for r in large if r.slice_mm <= THIN_MM + 0.01]
    yield f"solid >= {LARGE_MM:g} mm, slices <= {THIN_MM:g} mm", thin
    thick = [r for r in large if r.slice_mm > THIN_MM + 0.01]
    yield f"solid >= {LARGE_MM:g} mm, slices > {THIN_MM:g} mm", thick


def table(results: Sequence[Result], threshold: float) -> str:
    """Every class that occurs."""
    lines = [
        f"{'':32s}    n  found (95 % interval)   n  volume error %, mean (95 % limits)"
        "   mean diameter error mm (95 % limits)"
    ]
    return "\n".join(lines + [row(n, r, threshold) for n, r in classes(results) if r])


def main() -> None:
    parser = argparse.ArgumentParser(description="Inserted nodules found and measured.")
    parser.add_argument("scans", type=Path, nargs="+", help="folders, one DICOM series each")
    parser.add_argument("--repeats", type=int, default=3, help="fillings of each scan")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--slices-mm", type=float, help="resample the scans to such slices first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    analyser = Analyser(arguments.models, arguments.threads)
    rng = np.random.default_rng(arguments.seed)
    results: list[Result] = []
    plans = plan(arguments.repeats * len(arguments.scans), rng, arguments.kinds)
    for name, scan in read_hosts(arguments.scans):
        if arguments.slices_mm:
            scan = thickness(arguments.slices_mm)(scan)
        lungs = segment_lungs(scan)
        for _ in range(arguments.repeats):
            filled, planted = fill(scan, lungs, next(plans), rng)
            results += look(analyser.find(filled), planted)
            print(
                f"{name}  slices {scan.geometry.spacing[0]:.2f} mm  {len(planted)} inserted",
                flush=True,
            )
    print(heading(Tier.SYNTHETIC, f"n = {len(results)} nodules in {len(arguments.scans)} scans"))
    print(f"operating point {analyser.operating_point:.3f}\n")
    print(table(results, analyser.operating_point))


if __name__ == "__main__":
    main()
