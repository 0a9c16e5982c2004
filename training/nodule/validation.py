"""Semi-synthetic reads: validation nodules pasted into scans that no training saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.volume import Volume
from nodule.detector import Candidate, Detector, apart
from nodule.lungs import segment_lungs
from training.nodule.cutouts import Cutout, paste
from training.nodule.marks import Read, Truth, read
from training.nodule.samples import places_in

BoolArray = npt.NDArray[np.bool_]

FALSE_MARKS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
WALL_MM = 3.0
APART_MM = 15.0
SIZES_MM = ((3.0, 6.0), (6.0, 10.0), (10.0, 60.0))
# Readers' median texture: 1 ground glass to 5 solid.
TEXTURES = (("ground glass", 0.0, 2.1), ("part-solid", 2.1, 4.1), ("solid", 4.1, 5.1))


@dataclass(frozen=True)
class Target:
    """A pasted nodule, with what its kind is told from.

    Parameters
    ----------
    truth : Truth
        Its place and size.
    texture : float
        Readers' median, 1 ground glass to 5 solid.
    wall : bool
        Whether it reaches within 3 mm of the lungs' edge.
    """

    truth: Truth
    texture: float
    wall: bool


@dataclass(frozen=True)
class PastedScan:
    """A scan with nodules pasted in.

    Parameters
    ----------
    name : str
        The scan.
    volume : Volume
        With the nodules.
    lungs : ndarray of bool
        As the detector's way finds them in that volume.
    targets : tuple of Target
        To be found.
    own : tuple of Truth
        Nodules and tumours of the scan's own patient: marks there are neither
        hits nor false.
    """

    name: str
    volume: Volume
    lungs: BoolArray
    targets: tuple[Target, ...]
    own: tuple[Truth, ...]


@dataclass(frozen=True)
class Host:
    """A scan that nodules are pasted into.

    Parameters
    ----------
    name : str
        The scan.
    scan : Volume
        As it is.
    own : tuple of Truth
        Nodules and tumours of its patient.
    lungs : ndarray of bool
        Its lungs.
    depth_mm : ndarray of float
        Distance to the lungs' edge, 0 outside.
    """

    name: str
    scan: Volume
    own: tuple[Truth, ...]
    lungs: BoolArray
    depth_mm: npt.NDArray[np.floating]

    @classmethod
    def of(cls, name: str, scan: Volume, own: Sequence[Truth]) -> Host:
        lungs = segment_lungs(scan)
        depth = ndimage.distance_transform_edt(lungs, sampling=scan.geometry.spacing)
        return cls(name, scan, tuple(own), lungs, depth)


@dataclass(frozen=True)
class Plan:
    """How validation scans are made: reads of each, nodules in each, seed."""

    repeats: int = 3
    nodules_a_scan: int = 40
    seed: int = 7


@dataclass(frozen=True)
class Reads:
    """Every read, every target in the same order, and whether a spot lay on it."""

    reads: tuple[Read, ...]
    targets: tuple[Target, ...]
    seen: tuple[bool, ...]


def with_nodules(
    host: Host, nodules: Sequence[Cutout], count: int, rng: np.random.Generator
) -> PastedScan:
    """A copy of a scan with some nodules pasted apart from each other and from its own."""
    scan = host.scan
    places = places_in(host.lungs, rng)
    hu = scan.hu.copy()
    targets: list[Target] = []
    for number in rng.permutation(len(nodules))[: 2 * count]:
        nodule = nodules[number]
        done = paste(nodule, scan, host.lungs, places, rng)
        if done is None:
            continue
        x, y, z = (float(v) for v in scan.geometry.to_lps(done.centre))
        new = Truth((x, y, z), nodule.diameter_mm, counted=True)
        if any(_close(new, other) for other in [t.truth for t in targets] + list(host.own)):
            continue
        box = tuple(slice(a, a + n) for a, n in zip(done.start, done.hu.shape, strict=True))
        hu[box] = done.hu
        inside = host.depth_mm[tuple(np.round(done.centre).astype(int))]
        wall = bool(inside < nodule.diameter_mm / 2 + WALL_MM)
        targets.append(Target(new, nodule.texture, wall))
        if len(targets) == count:
            break
    pasted = replace(scan, hu=hu)
    return PastedScan(host.name, pasted, segment_lungs(pasted), tuple(targets), host.own)


def _close(one: Truth, other: Truth) -> bool:
    away = np.linalg.norm(np.subtract(one.centre_lps_mm, other.centre_lps_mm))
    return bool(away < (one.diameter_mm + other.diameter_mm) / 2 + APART_MM)


def judged(scan: PastedScan, found: Sequence[Candidate]) -> Read:
    """Hits and false marks of one scan."""
    return read(found, [t.truth for t in scan.targets] + list(scan.own))


def sensitivity_at(reads: Sequence[Read], marks: float) -> float:
    """Share of targets above all but that many false marks a scan, rounded to whole marks."""
    false = np.sort([p for r in reads for p in r.false])[::-1]
    found = np.array([p for r in reads for p in r.found])
    rank = int(marks * len(reads))
    least = false[rank] if rank < len(false) else -0.5
    return float((found > least).mean())


def cpm(reads: Sequence[Read]) -> float:
    """Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false marks a scan (LUNA16)."""
    return float(np.mean([sensitivity_at(reads, m) for m in FALSE_MARKS]))


def kinds(target: Target) -> list[str]:
    """The groups that a target is counted in."""
    size = [f"{a:g} to {b:g} mm" for a, b in SIZES_MM if a <= target.truth.diameter_mm < b]
    texture = [name for name, a, b in TEXTURES if a < target.texture <= b]
    return ["all", *size, *texture, "at a wall" if target.wall else "inside"]


def by_kind(targets: Sequence[Target], hit: Sequence[bool]) -> list[dict[str, Any]]:
    """Hits and cases of each group."""
    order = ["all", *(f"{a:g} to {b:g} mm" for a, b in SIZES_MM), *(t[0] for t in TEXTURES),
             "at a wall", "inside"]  # fmt: skip
    rows = []
    for kind in order:
        group = [h for t, h in zip(targets, hit, strict=True) if kind in kinds(t)]
        if group:
            rows.append({"kind": kind, "hits": sum(group), "cases": len(group)})
    return rows


def read_all(
    detector: Detector, hosts: Iterable[Host], nodules: Sequence[Cutout], plan: Plan
) -> Reads:
    """Read every host with nodules pasted in, several times with other nodules.

    Parameters
    ----------
    detector : Detector
        Of threshold 0.
    hosts : iterable of Host
        Scans of the validation part.
    nodules : sequence of Cutout
        Of the validation part.
    plan : Plan
        How often and how many.
    """
    rng = np.random.default_rng(plan.seed)
    reads, targets, seen = [], [], []
    for host in hosts:
        for _ in range(plan.repeats):
            scan = with_nodules(host, nodules, plan.nodules_a_scan, rng)
            spots = detector.search.find(scan.volume, scan.lungs)
            reads.append(judged(scan, apart(detector.judge(scan.volume, spots))))
            places = [scan.volume.geometry.to_lps(s.index) for s in spots]
            targets += scan.targets
            seen += [_touched(t.truth, places) for t in scan.targets]
            print(f"{host.name}: {len(spots)} spots, {len(scan.targets)} nodules", flush=True)
    return Reads(tuple(reads), tuple(targets), tuple(seen))


def _touched(truth: Truth, places: Sequence[npt.ArrayLike]) -> bool:
    away = np.linalg.norm(np.asarray(places) - truth.centre_lps_mm, axis=1)
    return bool((away <= truth.diameter_mm / 2).any())


def cpm_interval(reads: Sequence[Read], seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the CPM over the nodules; scans stay as they are."""
    rng = np.random.default_rng(seed)
    found = np.array([p for r in reads for p in r.found])
    false = np.sort([p for r in reads for p in r.false])[::-1]
    ranks = [int(m * len(reads)) for m in FALSE_MARKS]
    least = np.array([false[n] if n < len(false) else -0.5 for n in ranks])
    share = (found[:, None] > least).mean(axis=1)
    means = [share[rng.integers(len(share), size=len(share))].mean() for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def report(done: Reads) -> str:
    """Where nodules are lost, and the curve, as text."""
    false = np.sort([p for r in done.reads for p in r.false])[::-1]
    found = [p for r in done.reads for p in r.found]
    tables = {"among the spots": by_kind(done.targets, done.seen)}
    for marks in (1, 2, 8):
        rank = marks * len(done.reads)
        least = false[rank] if rank < len(false) else -0.5
        name = f"at {marks} false marks"
        tables[name] = by_kind(done.targets, [p > least for p in found])
    lines = [f"{'':14}" + "".join(f"{name:>20}" for name in tables)]
    for rows in zip(*tables.values(), strict=True):
        shares = [f"{r['hits']}/{r['cases']} {r['hits'] / r['cases']:.2f}" for r in rows]
        lines.append(f"{rows[0]['kind']:14}" + "".join(f"{text:>20}" for text in shares))
    curve = ", ".join(f"{m:g}: {sensitivity_at(done.reads, m):.3f}" for m in FALSE_MARKS)
    low, high = cpm_interval(done.reads)
    lines.append(f"sensitivity at false marks a scan  {curve}")
    lines.append(f"CPM {cpm(done.reads):.3f} ({low:.3f} to {high:.3f}), {len(done.reads)} reads")
    return "\n".join(lines)
