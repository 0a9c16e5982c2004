"""A synthetic chest: signed distances of its parts, and trees of vessels and airways.

Coordinates are mm, LPS, with the origin in the middle of the chest. A signed
distance is positive inside; it is near enough to true distance at the surface for
partial volume.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

CAVITY_MM = (132.0, 90.0)
APEX_MM = 128.0
BODY_MM = (166.0, 116.0)
VERTEBRA_MM = 25.0
RIB_STEP_MM = 27.0
# Centre x, y; top z; half-widths; height of each diaphragm dome, right then left.
DOMES = ((-62.0, -2.0, -58.0, 78.0, 88.0, 62.0), (66.0, 2.0, -70.0, 76.0, 86.0, 58.0))
HILA = ((-36.0, 8.0, 8.0), (38.0, 10.0, 14.0))


@dataclass(frozen=True)
class Plane:
    """One axial plane of points, shapes (1, columns) and (rows, 1), and its z."""

    x: FloatArray
    y: FloatArray
    z: FloatArray | float


def _ellipse(p: Plane, x0: float, y0: float, a: float, b: float, power: float = 2.0) -> FloatArray:
    """Distance inside a superellipse, measured along the ray from its centre."""
    x, y = np.abs(p.x - x0), np.abs(p.y - y0)
    if power == 2.0:
        radius = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    else:
        radius = ((x / a) ** power + (y / b) ** power) ** np.float32(1 / power)
    length = np.sqrt(x**2 + y**2) / np.maximum(radius, 1e-3)
    result: FloatArray = ((1 - radius) * np.maximum(length, min(a, b))).astype(np.float32)
    return result


def _ellipsoid(
    p: Plane, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> FloatArray:
    u = [(c - m) / r for c, m, r in zip((p.x, p.y, p.z), centre, radii, strict=True)]
    radius = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
    result: FloatArray = ((1 - radius) * np.float32(np.mean(radii))).astype(np.float32)
    return result


def _taper(z: FloatArray | float) -> npt.NDArray[np.floating[Any]]:
    """How much narrower the chest is at a height: 1 up to z = 10, 0 at the apex."""
    share = np.clip((np.asarray(z) - 10) / (APEX_MM - 10), 0, 1)
    return np.asarray(np.sqrt(np.maximum(1 - share**2.4, 1e-4)))


def body(p: Plane) -> FloatArray:
    """The skin."""
    return _ellipse(p, 0, 2, *BODY_MM, power=2.5)


def muscle(p: Plane) -> FloatArray:
    """Inside of the subcutaneous fat."""
    return _ellipse(p, 0, 4, BODY_MM[0] - 13, BODY_MM[1] - 11, power=2.4)


def cavity(p: Plane) -> FloatArray:
    """Inside of the rib cage."""
    t = _taper(p.z)
    a, b = CAVITY_MM[0] * t, CAVITY_MM[1] * (0.25 + 0.75 * t)
    x, y = np.abs(p.x), np.abs(p.y - 8 * (1 - t))
    radius = ((x / a) ** 2.3 + (y / b) ** 2.3) ** np.float32(1 / 2.3)
    length = np.sqrt(x**2 + y**2) / np.maximum(radius, 1e-3)
    result: FloatArray = ((1 - radius) * np.minimum(length, a)).astype(np.float32)
    return result


def heart(p: Plane) -> FloatArray:
    """The heart with its great vessels' roots."""
    return _ellipsoid(p, (24.0, -22.0, -48.0), (60.0, 52.0, 60.0))


def aorta(p: Plane) -> FloatArray:
    """Ascending and descending aorta; the arch is drawn as tubes."""
    z = np.asarray(p.z)
    down = np.where(z < 52, 12.5 - np.hypot(p.x - 22, p.y - 40), -50.0)
    up = np.where((z < 52) & (z > -30), 15.0 - np.hypot(p.x + 10, p.y + 12), -50.0)
    result: FloatArray = np.maximum(down, up).astype(np.float32)
    return result


def arch() -> list[Tube]:
    """The aortic arch, from the ascending to the descending aorta."""
    angles = np.linspace(0, np.pi, 9)
    middle, half = np.array([6.0, 14.0, 50.0]), np.array([16.0, 26.0, 0.0])
    points = [middle - np.cos(a) * half + np.array([0, 0, 20 * np.sin(a)]) for a in angles]
    return [Tube(a, b, 12.5) for a, b in itertools.pairwise(points)]


def mediastinum(p: Plane) -> FloatArray:
    """The column between the lungs, wide at the back and narrow behind the sternum."""
    z = np.asarray(p.z)
    width = 20 + 12 / (1 + np.exp(-(p.y + 10) / 14)) + 8 * np.exp(-(((z - 15) / 40) ** 2))
    front = 0.22 + 0.78 / (1 + np.exp(-(p.y + 58) / 9))
    distance: FloatArray = (width * front - np.abs(p.x - 3)).astype(np.float32)
    return distance


def vertebra(p: Plane) -> FloatArray:
    """Vertebral bodies and arches, without the canal."""
    disc = np.abs(((np.asarray(p.z) + 500) % VERTEBRA_MM) - VERTEBRA_MM / 2)
    bone = _ellipse(p, 0, 64, 19, 14)
    arch = np.minimum(_ellipse(p, 0, 88, 17, 13), -_ellipse(p, 0, 85, 10, 9))
    spine = np.minimum(4 - np.abs(p.x), 12 - np.abs(p.y - 104))
    wings = np.minimum(4.5 - np.abs(p.y - 88 + 0.25 * np.abs(p.x)), 32 - np.abs(p.x))
    rest = np.maximum(np.maximum(arch, spine), wings)
    rest = np.where(np.hypot(p.x, p.y - 85) < 9, -5, rest)
    return np.maximum(np.where(disc > 2.5, bone, -5), np.where(disc > 7, rest, -5)).astype(
        np.float32
    )


def spine_column(p: Plane) -> FloatArray:
    """Soft tissue round the spine, discs included."""
    return np.maximum(_ellipse(p, 0, 66, 23, 18), _ellipse(p, 0, 96, 34, 24)).astype(np.float32)


def diaphragm(p: Plane) -> FloatArray:
    """Above the domes, in mm."""
    above = None
    for x0, y0, top, a, b, height in DOMES:
        surface = top - height * (((p.x - x0) / a) ** 2 + ((p.y - y0) / b) ** 2)
        side = np.where((p.x < 3) == (x0 < 0), (np.asarray(p.z) - surface) * 0.75, 1e3)
        above = side if above is None else np.minimum(above, side)
    return np.asarray(above, dtype=np.float32)


class Parts(NamedTuple):
    """Distances that several tissues share; ``lungs`` is inside both lungs."""

    cavity: FloatArray
    diaphragm: FloatArray
    heart: FloatArray
    mediastinum: FloatArray
    column: FloatArray
    aorta: FloatArray
    lungs: FloatArray


def parts(p: Plane) -> Parts:
    """The chest's large parts."""
    whole, above = cavity(p), diaphragm(p)
    others = heart(p), mediastinum(p), spine_column(p), aorta(p)
    inside = np.minimum(whole - 3, above)
    for part, gap in zip(others, (2, 0, 0, 2), strict=True):
        inside = np.minimum(inside, -part - np.float32(gap))
    return Parts(whole, above, *others, inside.astype(np.float32))


def ribs(p: Plane, inside: FloatArray) -> FloatArray:
    """Ribs slope forward and down round the cavity, whose distance is given."""
    outside = -inside
    angle = np.arctan2(p.x, p.y)
    drop = 34 * (1 - np.cos(angle))
    height = np.asarray(p.z) + drop
    off = ((height + 500) % RIB_STEP_MM) - RIB_STEP_MM / 2
    front = np.abs(angle) > 2.75
    bone = 1 - np.sqrt(((outside - 5.0) / 4.2) ** 2 + (off / 6.5) ** 2)
    result: FloatArray = np.where(front, -5, bone * 5.0).astype(np.float32)
    return result


def sternum(p: Plane) -> FloatArray:
    """The breast bone, in front of the cavity."""
    height = np.asarray(p.z)
    plate = _ellipse(p, 0, -CAVITY_MM[1] - 6.0, 18, 6.5)
    return np.where((height > -70) & (height < 75), plate, -5).astype(np.float32)


def scapulae(p: Plane) -> FloatArray:
    """Shoulder blades behind the upper ribs."""
    x = np.abs(p.x)
    line = np.abs((x - 95) * 0.62 + (p.y - 82) * 0.78)
    plate = np.minimum(3.5 - line, 30 - np.hypot(x - 95, p.y - 82))
    return np.where(np.asarray(p.z) > 15, plate, -5).astype(np.float32)


def table(p: Plane) -> FloatArray:
    """The scanner's table: two thin curved shells below the back."""
    curve = BODY_MM[1] + 8 - 0.0012 * p.x**2
    shell = np.maximum(0.9 - np.abs(p.y - curve), 0.9 - np.abs(p.y - curve - 22))
    return np.where(np.abs(p.x) < 190, shell, -5).astype(np.float32)


@dataclass(frozen=True)
class Tube:
    """A straight piece of vessel or airway; ends in mm, radius in mm."""

    start: Vector
    end: Vector
    radius: float


def at(points: Vector) -> FloatArray:
    """Signed distance inside the lungs of loose points, shape (n, 3) as x, y, z."""
    x, y, z = (points[:, n].astype(np.float32) for n in range(3))
    return parts(Plane(x, y, z)).lungs


def grow_tree(
    rng: np.random.Generator,
    side: int,
    leaves: int,
    leaf_mm: float,
    keep_free: list[tuple[Vector, float]],
) -> list[Tube]:
    """A branching tree from the hilum of one lung.

    Parameters
    ----------
    rng : numpy.random.Generator
    side : int
        0 right, 1 left.
    leaves : int
        Ends of the tree.
    leaf_mm : float
        Radius of the thinnest branches.
    keep_free : list of (centre, radius)
        Balls in mm that no branch may enter.
    """
    hilum = np.array(HILA[side]) + rng.normal(0, 2, 3)
    targets = _targets(rng, side, leaves)
    targets = targets[np.argsort(np.linalg.norm(targets - hilum, axis=1))]
    nodes, parents, path = [hilum], [-1], [0.0]
    ends: list[int] = []
    for target in targets:
        places = np.array(nodes)
        cost = np.linalg.norm(places - target, axis=1) + 0.35 * np.array(path)
        near = int(np.argmin(cost))
        points = _wander(rng, places[near], target)
        if any(_enters(points, centre, radius) for centre, radius in keep_free):
            continue
        for point in points:
            path.append(path[near] + float(np.linalg.norm(point - nodes[near])))
            nodes.append(point)
            parents.append(near)
            near = len(nodes) - 1
        ends.append(near)
    return _tubes(nodes, parents, ends, leaf_mm)


def _targets(rng: np.random.Generator, side: int, count: int) -> Vector:
    found = np.zeros((0, 3))
    while len(found) < count:
        low = (-130, -88, -128) if side == 0 else (0, -88, -128)
        high = (0, 88, 124) if side == 0 else (130, 88, 124)
        points = rng.uniform(low, high, (4 * count, 3))
        found = np.concatenate([found, points[at(points) > 4]])
    return found[:count]


def _wander(rng: np.random.Generator, start: Vector, end: Vector) -> list[Vector]:
    """Points on a slightly winding way, the end included."""
    length = float(np.linalg.norm(end - start))
    steps = max(1, round(length / 7))
    sway = rng.normal(0, 0.035 * length, 3)
    return [
        start + (end - start) * s + sway * np.sin(np.pi * s) for s in (np.arange(steps) + 1) / steps
    ]


def _enters(points: list[Vector], centre: Vector, radius: float) -> bool:
    return bool((np.linalg.norm(np.array(points) - centre, axis=1) < radius + 3.5).any())


def _tubes(nodes: list[Vector], parents: list[int], ends: list[int], leaf_mm: float) -> list[Tube]:
    """Radii by Murray's law with the lungs' exponent of about 2.7."""
    flow = np.zeros(len(nodes))
    flow[ends] = 1
    for node in range(len(nodes) - 1, 0, -1):
        flow[parents[node]] += flow[node]
    radius = leaf_mm * np.maximum(flow, 0.2) ** (1 / 2.7)
    return [
        Tube(nodes[parent], nodes[node], float(radius[node]))
        for node, parent in enumerate(parents)
        if parent >= 0
    ]


def airways(rng: np.random.Generator) -> list[Tube]:
    """Trachea, main bronchi and five further generations; radii of the lumen."""
    carina = np.array([2.0, 14.0, 40.0])
    tubes = [Tube(np.array([0.0, 4.0, 190.0]), carina, 8.5)]
    for hilum, outward in zip(HILA, (-1, 1), strict=True):
        root = np.array(hilum)
        tubes.append(Tube(carina, root, 6.0))
        for direction in ((0.4, -0.3, 0.9), (0.7, -0.7, -0.2), (0.5, 0.45, -0.75)):
            way = np.array(direction) * (outward, 1, 1)
            _fork(rng, root, way / np.linalg.norm(way), 24.0, 3.4, 5, tubes)
    return tubes


def airway_walls(lumen: list[Tube]) -> list[Tube]:
    """Outer walls; the smallest airways have none that could be seen."""
    return [Tube(t.start, t.end, 1.25 * t.radius + 0.35) for t in lumen if t.radius > 1]


def _fork(
    rng: np.random.Generator, start: Vector, way: Vector, length: float, radius: float,
    generations: int, tubes: list[Tube],
) -> None:  # fmt: skip
    end = start + way * length
    tubes.append(Tube(start, end, radius))
    if generations <= 1:
        return
    aside = np.cross(way, rng.normal(0, 1, 3))
    aside /= np.linalg.norm(aside)
    for sign in (-1, 1):
        new = way + sign * 0.6 * aside
        _fork(rng, end, new / np.linalg.norm(new), 0.75 * length, 0.72 * radius, generations - 1,
              tubes)  # fmt: skip
