"""Does a detector that learned from film see the same masses on digital images?

    python -m bench.mammo.digital --data ../shared/data --images NAME=FOLDER

No digital image with a known mass is at hand. So masses of training films, as what they add to
the grey round them, are planted at random places of real digital images, and as a control in
films of other patients; each is looked for by the networks that saw neither. Printed is how many
are marked at the card's operating point, and how many marks the images bear without anything
planted. ``NAME=FOLDER`` adds images (``:1`` turns pictures counterclockwise by a quarter), such as
the simulations of ``DIDSR/msynth-release`` (``docs/images:1``).

A planted mass has a seam, a film's grain and another breast round it: compare the lines with each
other, and none with the figures of real masses. Intervals are exact,
of one mass a patient; of the few images they tell nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.stats import binomtest

from bench.mammo.made_pairs import background, hole_about
from bench.mammo.pictures import all_prepared, files_of
from bench.mammo.reading import members
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared
from mammo.marks.detector import MODEL_IDS, Detector
from training.mammo.films import Film, cbis_mass, folds

TRIES = 400


@dataclass(frozen=True)
class Planted:
    """What a mass adds to the grey round it.

    Parameters
    ----------
    patient : str
    fold : int
        Whose networks saw neither the mass nor the control film.
    adds : ndarray of float, shape (rows, columns)
    where : ndarray of bool, same shape
        The mass with 3 mm about it.
    box : (x0, y0, x1, y1)
        Of the mass, within ``adds``.
    """

    patient: str
    fold: int
    adds: FloatArray
    where: BoolArray
    box: tuple[float, float, float, float]


def mass_of(film: Film, fold: int) -> Planted | None:
    """The mass of a film with one outlined mass; None where it has none or it lies at the edge."""
    prepared = film.prepared()
    mass = film.outlined(prepared)
    if mass is None or len(film.boxes) != 1 or not mass.any():
        return None
    hole, _, wide = hole_about(mass)
    if prepared.breast[hole].mean() < 0.99:
        return None
    soft = ndimage.gaussian_filter(hole[wide].astype(float), 1.2 / SPACING_MM)
    adds = (prepared.grey[wide] - background(prepared, hole, wide)) * soft
    rows, columns = np.nonzero(mass[wide])
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return Planted(film.patient, fold, adds.astype(np.float32), hole[wide], box)


def plant(
    onto: Prepared, planted: Planted, taken: BoolArray, rng: np.random.Generator
) -> tuple[Prepared, tuple[float, float, float, float]] | None:
    """A mass at a random place of the breast, and its box; None where there is no room.

    Parameters
    ----------
    onto : Prepared
    planted : Planted
    taken : ndarray of bool
        Where nothing may be planted.
    rng : Generator
    """
    height, width = planted.adds.shape
    rows, columns = onto.grey.shape
    if height > rows or width > columns:
        return None
    for _ in range(TRIES):
        top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
        there = (slice(top, top + height), slice(left, left + width))
        if onto.breast[there][planted.where].all() and not taken[there][planted.where].any():
            grey = onto.grey.copy()
            grey[there] = np.where(onto.breast[there], np.clip(grey[there] + planted.adds, 0, 1), 0)
            x0, y0, x1, y1 = planted.box
            return dataclasses.replace(onto, grey=grey), (x0 + left, y0 + top, x1 + left, y1 + top)
    return None


def is_marked(detector: Detector, image: Prepared, box: tuple[float, ...], least: float) -> bool:
    """Does a mark of at least this probability have its centre in the box?"""
    centres = [m.centre for m in detector.detect(image, 0).marks if m.probability >= least]
    return any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in centres)


@dataclass(frozen=True)
class Bench:
    """Masses, who looks for them, and from which probability a mark counts."""

    masses: Sequence[Planted]
    detectors: Sequence[Detector]
    least: float

    def found(self, image: Prepared, taken: BoolArray, n: int, seed: int) -> bool | None:
        """Is mass ``n`` marked on an image? None where there is no room for it."""
        mass = self.masses[n]
        made = plant(image, mass, taken, np.random.default_rng((seed, n)))
        return made and is_marked(self.detectors[mass.fold], *made, self.least)

    def bare(self, image: Prepared) -> float:
        """Marks on an image as it is, the mean over the networks of the folds."""
        counts = [
            sum(m.probability >= self.least for m in d.detect(image, 0).marks)
            for d in self.detectors
        ]
        return float(np.mean(counts))


def line(name: str, found: Sequence[bool | None], bare: Sequence[float]) -> str:
    """Masses marked, with their interval, and marks without any."""
    counted = [f for f in found if f is not None]
    if not counted:
        return f"{name:28s} no room for any mass"
    low, high = binomtest(sum(counted), len(counted)).proportion_ci(method="exact")
    share = f"{sum(counted) / len(counted):.2f} ({low:.2f} to {high:.2f}; {len(counted)} masses)"
    return f"{name:28s} {share:34s} {np.mean(bare):6.2f} ({len(bare)} images)"


def control(bench: Bench, films: Sequence[Film], of: Mapping[str, int]) -> str:
    """Each mass in a film of another patient of its fold, away from that film's own."""

    def one(n: int) -> tuple[bool | None, float]:
        mass = bench.masses[n]
        rng = np.random.default_rng((7, n))
        others = [f for f in films if of[f.patient] == mass.fold and f.patient != mass.patient]
        film = others[int(rng.integers(len(others)))]
        image = film.prepared()
        taken = np.zeros(image.grey.shape, dtype=bool)
        margin = 5 / SPACING_MM
        for x0, y0, x1, y1 in film.boxes_on(image):
            rows = slice(max(0, int(y0 - margin)), int(y1 + margin))
            taken[rows, max(0, int(x0 - margin)) : int(x1 + margin)] = True
        marks = bench.detectors[mass.fold].detect(image, 0).marks
        clear = sum(
            m.probability >= bench.least and not taken[int(m.centre[1]), int(m.centre[0])]
            for m in marks
        )
        return bench.found(image, taken, n, 1), float(clear)

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(one, range(len(bench.masses))))
    return line("films, masses of others", [f for f, _ in told], [b for _, b in told])


def images_line(bench: Bench, name: str, images: Sequence[Prepared]) -> str:
    """Each mass in one of some images after the other."""

    def one(n: int) -> bool | None:
        image = images[n % len(images)]
        return bench.found(image, np.zeros(image.grey.shape, dtype=bool), n, 2)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, range(len(bench.masses))))
        bare = list(pool.map(bench.bare, images))
    return line(name, found, bare)


def main() -> None:
    """Print a line for each kind of image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--masses", type=int, default=200)
    parser.add_argument("--models", type=Path, default=model_folder())
    options = parser.parse_args()
    films = cbis_mass(options.data / "mg" / "cbis_mass")
    of = folds(films)
    models = ModelLibrary(options.models, threads=1)
    detectors = members(models)
    order = np.random.default_rng(0).permutation(len(films))
    masses: dict[str, Planted] = {}
    for n in order:
        film = films[n]
        if len(masses) < options.masses and film.patient not in masses:
            mass = mass_of(film, of[film.patient])
            if mass is not None:
                masses[film.patient] = mass
    bench = Bench(list(masses.values()), detectors, models.load(MODEL_IDS[0]).threshold)
    print(f"{len(masses)} masses of as many patients, marks from {bench.least:.3f} on")
    print(f"{'planted in':28s} {'marked':34s} marks without any planted")
    print(control(bench, films, of), flush=True)
    for path in sorted((options.data / "mg").glob("*.dcm")):
        real = [image for _, image in all_prepared([path]) if image is not None]
        print(images_line(bench, f"digital, {path.stem[:18]}", real), flush=True)
    for text in options.images:
        name, _, place = text.partition("=")
        folder, _, quarters = place.partition(":")
        told = all_prepared(files_of(Path(folder)), int(quarters or 0))
        shown = [image for _, image in told if image is not None]
        print(images_line(bench, name, shown) if shown else f"{name}: none there", flush=True)


if __name__ == "__main__":
    main()
