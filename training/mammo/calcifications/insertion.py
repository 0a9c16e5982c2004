"""Simulated clusters in real films, as the film and its scanner would have shown them.

Specks are painted on a grid of about 0.05 mm, the native pixels of the films: the depth of calcium
that a ray meets. Depth becomes brightness in proportion (optical density falls by the film's
gradient times the logarithm of the exposure, and 8-bit values follow density), less where the
film is already nearly white. The film's sharpness blurs it; then it is averaged down to the stored
pixels, added, and compressed as the stored film was.

Brightness: hydroxyapatite (2.5 g per cubic centimetre) attenuates some 1.5 to 2.1 per mm more
than tissue at 18 to 20 keV, scatter leaves about 0.65 of it, and a film gradient of 3 to 3.5 over
a range of 2 to 2.5 densities makes that 0.5 to 1 of the film's range for 1 mm. `BRIGHTNESS` is
drawn around this, wide, because vendors, spectra and films differ. These constants are assumptions
of the simulation, not measured on these films.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from mammo.image.grid import SPACING_MM, Prepared, prepare
from training.mammo.calcifications.specks import Ball, Cluster, Points, Shape, cluster, speck
from training.mammo.films import Film

Pixels = npt.NDArray[np.float32]
Spacing = tuple[float, float]

FINE_MM = 0.05
BRIGHTNESS = (0.45, 1.6)
"""Share of the breast's grey range that 1 mm of calcium adds, least and most."""
SHARPNESS_MM = (0.04, 0.08)
"""Standard deviation of the film's blur: a modulation of one half at 2.3 to 4.7 pairs a mm."""
EDGE_MM = 6.0
APART_MM = 12.0
SHOULDER = 0.6


@dataclass(frozen=True)
class Planted:
    """A cluster that is in a film now.

    Parameters
    ----------
    cluster : Cluster
    brightness : float
        Share of the breast's grey range for 1 mm of calcium.
    contrast : float
        Median over its specks of the added grey at the speck, in units of the standard deviation
        of the film's fine structure around the cluster. Both on the prepared grid.
    shown : float
        The same of what is left of the added grey when the film is compressed again.
    places : ndarray, shape (n, 2)
        Column and row of its specks on the prepared grid.
    """

    cluster: Cluster
    brightness: float
    contrast: float
    shown: float
    places: Points = field(repr=False)

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row, prepared grid."""
        column, row = self.places.mean(axis=0)
        return float(column), float(row)

    @property
    def size_mm(self) -> float:
        """Largest distance between two of its specks."""
        far = self.places[:, None] - self.places[None]
        return float(np.hypot(far[..., 0], far[..., 1]).max()) * SPACING_MM


@dataclass(frozen=True)
class Scene:
    """A film with simulated clusters, prepared.

    Parameters
    ----------
    prepared : Prepared
    planted : tuple of Planted
    specks : ndarray of float32
        What the specks added, on the prepared grid; lone ones too.
    """

    prepared: Prepared
    planted: tuple[Planted, ...]
    specks: Pixels = field(repr=False)


def generator(seed: int, key: str) -> np.random.Generator:
    """Of the scene of one film."""
    return np.random.default_rng([seed, *key.encode()])


def painted(balls: list[Ball], origin_mm: Points, shape: tuple[int, int], mm: Spacing) -> Pixels:
    """Depth of calcium in mm on a grid whose corner lies at ``origin_mm`` (x, y)."""
    depth = np.zeros(shape, dtype=np.float32)
    for ball in balls:
        x, y = ball.x - origin_mm[0], ball.y - origin_mm[1]
        reach = ball.long + max(mm)
        top, bottom = max(0, int((y - reach) / mm[0])), min(shape[0], int((y + reach) / mm[0]) + 2)
        left, right = max(0, int((x - reach) / mm[1])), min(shape[1], int((x + reach) / mm[1]) + 2)
        if top >= bottom or left >= right:
            continue
        down = (np.arange(top, bottom) + 0.5)[:, None] * mm[0] - y
        across = (np.arange(left, right) + 0.5)[None] * mm[1] - x
        cos, sin = np.cos(ball.angle), np.sin(ball.angle)
        u = (across * cos + down * sin) / ball.long
        v = (down * cos - across * sin) / ball.wide
        inside = np.sqrt(np.clip(1 - u**2 - v**2, 0, None))
        depth[top:bottom, left:right] += (2 * ball.wide * ball.share * inside).astype(np.float32)
    return depth


def shown(
    balls: list[Ball], at: tuple[float, float], mm: Spacing, blur_mm: float
) -> tuple[Pixels, int, int]:
    """Depth in mm as stored pixels show it, and the row and column of its corner.

    Parameters
    ----------
    balls : list of Ball
    at : (float, float)
        x and y in mm of the cluster's middle in the stored image.
    mm : (float, float)
        Between stored rows and between stored columns.
    blur_mm : float
    """
    reach = max(max(abs(b.x), abs(b.y)) + b.long for b in balls) + 6 * blur_mm
    first = [int(np.floor((at[1] - reach) / mm[0])), int(np.floor((at[0] - reach) / mm[1]))]
    last = [int(np.ceil((at[1] + reach) / mm[0])), int(np.ceil((at[0] + reach) / mm[1]))]
    # Each stored pixel is made of whole native ones.
    parts = [max(1, round(step / FINE_MM)) for step in mm]
    fine = (mm[0] / parts[0], mm[1] / parts[1])
    rows, columns = last[0] - first[0], last[1] - first[1]
    origin = np.array([first[1] * mm[1] - at[0], first[0] * mm[0] - at[1]])
    depth = painted(balls, origin, (rows * parts[0], columns * parts[1]), fine)
    depth = ndimage.gaussian_filter(depth, (blur_mm / fine[0], blur_mm / fine[1]))
    mean = depth.reshape(rows, parts[0], columns, parts[1]).mean(axis=(1, 3))
    return np.asarray(mean, dtype=np.float32), first[0], first[1]


def scene(film: Film, clusters: int, lone: int, rng: np.random.Generator) -> Scene:
    """Plant clusters, and lone specks that are none, into a film.

    A place is at least `EDGE_MM` inside the breast and `APART_MM` from the others; where there is
    no room, fewer are planted.
    """
    pixels, mm = film.pixels()
    clean = prepare(pixels, mm)
    low, high = _range(pixels, clean)
    room = ndimage.distance_transform_edt(np.pad(clean.breast, 1))[1:-1, 1:-1] * SPACING_MM
    taken: list[tuple[float, float]] = []
    added = np.zeros(pixels.shape, dtype=np.float32)
    notes = []
    blur = rng.uniform(*SHARPNESS_MM)
    for number in range(clusters + lone):
        place = _place(clean, room, taken, rng)
        if place is None:
            continue
        taken.append(place)
        brightness = float(np.exp(rng.uniform(*np.log(BRIGHTNESS))))
        one = cluster(rng) if number < clusters else None
        specks = one.specks if one else (_lone(rng),)
        stored = clean.to_native(place) * (mm[1], mm[0])
        depth, top, left = shown([b for s in specks for b in s], tuple(stored), mm, blur)
        _add(added, depth * brightness * (high - low), top, left)
        if one:
            sign = -1 if clean.mirrored else 1
            notes.append((one, brightness, place + one.places * (sign, 1) / SPACING_MM))
    added *= 1 - SHOULDER * np.clip((pixels - low) / (high - low), 0, 1) ** 2
    prepared = prepare(compressed(film, pixels + added), mm)
    specks_on = _on(prepared, added, mm) / (high - low)
    if (prepared.offset_px, prepared.grey.shape) != (clean.offset_px, clean.grey.shape):
        # So much was added that the breast's outline moved: nothing lies where it was put.
        return Scene(prepared, (), specks_on)
    change = prepared.grey - clean.grey
    planted = tuple(
        Planted(c, b, _contrast(clean, specks_on, p), _contrast(clean, change, p), p)
        for c, b, p in notes
    )
    return Scene(prepared, planted, specks_on)


def compressed(film: Film, pixels: Pixels) -> npt.NDArray[np.uint8]:
    """As the stored film was compressed, where it is a JPEG."""
    whole = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    stored = Image.open(film.image)
    tables = getattr(stored, "quantization", None)
    if not tables:
        return whole
    file = io.BytesIO()
    Image.fromarray(whole).save(file, "JPEG", qtables={0: tables[0]})
    return np.asarray(Image.open(file))


def _range(pixels: npt.NDArray[np.uint8], clean: Prepared) -> tuple[float, float]:
    """Stored greys that the prepared film shows as 0 and 1."""
    down, across = np.nonzero(clean.breast)
    step = max(1, len(down) // 20000)
    native = clean.to_native(np.stack([across[::step], down[::step]], axis=1) + 0.5)
    columns = np.clip(native[:, 0].astype(int), 0, pixels.shape[1] - 1)
    rows = np.clip(native[:, 1].astype(int), 0, pixels.shape[0] - 1)
    low, high = np.percentile(pixels[rows, columns], (1.0, 99.5))
    return float(low), float(high)


def _place(
    clean: Prepared, room: Pixels, taken: list[tuple[float, float]], rng: np.random.Generator
) -> tuple[float, float] | None:
    """A random place; of two, the brighter one: calcifications lie in glandular tissue."""
    rows, columns = np.nonzero(room[::8, ::8] > EDGE_MM)
    if not len(rows):
        return None
    best = None
    for _ in range(12):
        n = rng.integers(len(rows))
        row, column = int(rows[n]) * 8, int(columns[n]) * 8
        far = [np.hypot(column - c, row - r) * SPACING_MM for c, r in taken]
        if far and min(far) < APART_MM:
            continue
        if best is None:
            best = (row, column)
            continue
        if clean.grey[row, column] > clean.grey[best]:
            best = (row, column)
        break
    return None if best is None else (float(best[1]), float(best[0]))


def _lone(rng: np.random.Generator) -> tuple[Ball, ...]:
    """One calcification by itself, fine or coarse."""
    size = float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
    shape = Shape.PUNCTATE if rng.random() < 0.7 else Shape.PLEOMORPHIC
    if size < 0.6:
        return speck(shape, size, (0.0, 0.0), 0.0, rng)
    half = size / 2
    return (Ball(0.0, 0.0, half * rng.uniform(1, 1.3), half * 0.8, rng.uniform(0, np.pi), 0.5),)


def _add(added: Pixels, piece: Pixels, top: int, left: int) -> None:
    rows = slice(max(0, top), max(0, min(added.shape[0], top + piece.shape[0])))
    columns = slice(max(0, left), max(0, min(added.shape[1], left + piece.shape[1])))
    added[rows, columns] += piece[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def _on(prepared: Prepared, stored: Pixels, mm: Spacing) -> Pixels:
    """A map of stored pixels on the prepared grid, averaged as `prepare` does."""
    from gransk.core.raster import resized

    extent = (stored.shape[0] * mm[0], stored.shape[1] * mm[1])
    whole = resized(stored, (round(extent[0] / SPACING_MM), round(extent[1] / SPACING_MM)))
    left, top = (int(v) for v in prepared.offset_px)
    rows, columns = prepared.grey.shape
    piece = whole[top : top + rows, left : left + columns]
    return np.ascontiguousarray(piece[:, ::-1] if prepared.mirrored else piece)


def _contrast(clean: Prepared, added: Pixels, places: Points) -> float:
    rows, columns = added.shape
    at = np.clip(places.astype(int), 1, (columns - 2, rows - 2))
    tops = [added[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in at]
    (x0, y0), (x1, y1) = at.min(axis=0) - 15, at.max(axis=0) + 15
    around = clean.grey[max(0, y0) : y1, max(0, x0) : x1]
    fine = around - ndimage.gaussian_filter(around, 2.0)
    return max(0.0, float(np.median(tops) / max(1e-3, fine.std())))
