"""How nodules look, by the model and by LIDC-IDRI's readers.

    python -m bench.nodule.morphology --data ../shared/data [--write-card]

Nodules of at least three readers of the test patients of ``training/nodule/split.csv``,
whom no fit, calibration or choice saw, in their own slices, are outlined by the model
``nodule-segmenter`` from a point about 1 mm beside the middle and judged from that
outline. Beside each figure stands a simple peer: diameter, density, or the texture
that :mod:`nodule.measurement` finds. Intervals are 95 % bootstraps by patient.

What this does not show: truth is what readers said of images, not pathology;
readers of one study of the years 2000 to 2010, who partly disagree with each
other. Median ratings between 2 and 4 are in no AUC of malignancy. Nodules that a
detector misses or invents are not judged here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from bench.nodule.cards import row, write_rows
from gransk.core.errors import ModelError
from gransk.core.findings import Mask
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval, mean_interval
from gransk.core.statistics.figure import FloatArray, IntArray
from gransk.core.volume import Volume
from nodule.lungs import segment_lungs
from nodule.measurement import Texture, measure
from nodule.morphology import MODEL_ID, Morphology, MorphologyReading
from nodule.segmenter import MODEL_ID as SEGMENTER_ID
from nodule.segmenter import Segmenter
from training.nodule.cutouts import Cutout, read_nodules
from training.nodule.morphology.ratings import FEWEST_READERS, TEXTURES, Ratings, read_ratings
from training.nodule.morphology.samples import outlined
from training.nodule.scans import load
from training.nodule.split import cases

COMMAND = "python -m bench.nodule.morphology --data ../shared/data"
DATA = (
    f"LIDC-IDRI crops, test patients, nodules of at least {FEWEST_READERS} readers; readers' "
    "ratings, not pathology"
)
BINS = (0.0, 0.05, 0.15, 0.3, 0.5, 0.7, 1.0)
KINDS = (Texture.GROUND_GLASS, Texture.PART_SOLID, Texture.SOLID)


@dataclass(frozen=True)
class Judged:
    """One nodule: what readers said, what the model says, what peers need."""

    patient: str
    ratings: Ratings
    reading: MorphologyReading | None
    readers_mm: float
    outline_mm: float
    mean_hu: float
    dense_hu: float
    measured: Texture | None

    @property
    def kind(self) -> int:
        """The model's texture as an index of TEXTURES."""
        if self.reading is None:
            raise ModelError("no model judged this nodule")
        return KINDS.index(self.reading.texture)


def judged(
    nodule: Cutout, ratings: Ratings, segmenter: Segmenter, morphology: Morphology | None,
    rng: np.random.Generator,
) -> Judged:  # fmt: skip
    """Judge one nodule from its crop."""
    mask = outlined(nodule, segmenter, rng)
    k, j, i = nodule.centre
    point = (float(k), float(j), float(i))
    found = measure(nodule.volume, mask)
    inside = hu_inside(nodule.volume, mask)
    return Judged(
        patient=nodule.patient,
        ratings=ratings,
        reading=morphology.judge(nodule.volume, point, mask) if morphology else None,
        readers_mm=nodule.diameter_mm,
        outline_mm=found.long_axis.length_mm,
        mean_hu=float(inside.mean()),
        dense_hu=float(np.percentile(inside, 95)),
        measured=found.texture,
    )


def hu_inside(volume: Volume, mask: Mask) -> npt.NDArray[np.float32]:
    """HU of a mask's voxels."""
    array = mask.to_array()
    box = tuple(slice(o, o + n) for o, n in zip(mask.origin, array.shape, strict=True))
    return volume.hu[box][array]


def judged_part(
    data: Path, part: str, segmenter: Segmenter, morphology: Morphology | None,
    rng: np.random.Generator,
) -> list[Judged]:  # fmt: skip
    """Every nodule of at least three readers of a part of the patients."""
    folder = data / "lidc_nodules"
    ratings = read_ratings(folder)
    nodules = read_nodules(folder, set(cases("LIDC-IDRI", part)), FEWEST_READERS)
    return [
        judged(n, ratings[n.name], segmenter, morphology, rng) for n in nodules if n.name in ratings
    ]


def auc(score: FloatArray, positive: npt.NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, ties half; NaN without either."""
    yes, no = score[positive], score[~positive]
    if not len(yes) or not len(no):
        return float("nan")
    return float(mannwhitneyu(yes, no, method="asymptotic").statistic / (len(yes) * len(no)))


def kappa(given: IntArray, wanted: IntArray) -> float:
    """Cohen's kappa of three kinds, not weighted."""
    table = confusion(given, wanted) / len(given)
    chance = float(table.sum(axis=0) @ table.sum(axis=1))
    return float((np.trace(table) - chance) / (1 - chance)) if chance < 1 else float("nan")


def confusion(given: IntArray, wanted: IntArray) -> IntArray:
    """Counts: rows what readers said, columns what was given."""
    table = np.zeros((3, 3), np.int64)
    np.add.at(table, (wanted, given), 1)
    return table


def bins(score: FloatArray, truth: FloatArray) -> list[str]:
    """Expected against observed, one line a bin that holds cases."""
    lines = []
    for low, high in itertools.pairwise(BINS):
        at = (score >= low) & ((score < high) | (high == 1.0))
        if at.any():
            lines.append(
                f"    {low:.2f} to {high:.2f}   n {at.sum():3d}   expected {score[at].mean():.3f}"
                f"   observed {truth[at].mean():.3f}"
            )
    return lines


@dataclass(frozen=True)
class Figure:
    """A figure with its interval."""

    measure: str
    value: float
    within: tuple[float, float]
    cases: int

    def line(self) -> str:
        low, high = self.within
        return f"  {self.measure}: {self.value:.3f} ({low:.3f} to {high:.3f}), n {self.cases}"

    def entry(self) -> dict[str, Any]:
        """As an entry of the card."""
        return row(self.measure, self.value, self.within, DATA, self.cases, COMMAND)


def ranked(
    name: str, found: Sequence[Judged], score: Callable[[Judged], float],
    positive: Callable[[Judged], bool],
) -> Figure:  # fmt: skip
    """AUC of a score with its interval."""
    scores = np.array([score(j) for j in found])
    yes = np.array([positive(j) for j in found])
    within = interval([j.patient for j in found], lambda rows: auc(scores[rows], yes[rows]))
    return Figure(f"{name} AUC, {yes.sum()} against {(~yes).sum()}", auc(scores, yes), within,
                  len(found))  # fmt: skip


def output(found: Judged, name: str) -> float:
    """One of the model's probabilities."""
    return float(getattr(found.reading, name))


def malignancy(found: Sequence[Judged]) -> list[Figure]:
    """Readers' suspicion: rated 4 and more against 2 and less."""
    clear = [j for j in found if j.ratings.malignancy >= 4 or j.ratings.malignancy <= 2]

    def suspicious(one: Judged) -> bool:
        return one.ratings.malignancy >= 4

    figures = [
        ranked("readers' suspicion (rated 4-5 against 1-2)", clear,
               lambda j: output(j, "malignancy"), suspicious),
        ranked("peer: readers' diameter for suspicion", clear, lambda j: j.readers_mm, suspicious),
        ranked("peer: outline's diameter for suspicion", clear, lambda j: j.outline_mm,
               suspicious),
    ]  # fmt: skip
    small = [j for j in clear if j.readers_mm < 10]
    figures.append(
        ranked("readers' suspicion under 10 mm", small, lambda j: output(j, "malignancy"),
               suspicious)
    )  # fmt: skip
    figures.append(
        ranked("peer: readers' diameter under 10 mm", small, lambda j: j.readers_mm, suspicious)
    )
    given = np.array([output(j, "malignancy") for j in found])
    rated = np.array([j.ratings.suspicion for j in found])
    off = 4 * np.abs(given - rated)
    within = mean_interval([j.patient for j in found], off)
    figures.append(
        Figure("mean error of suspicion in points of rating", float(off.mean()), within, len(found))
    )
    plain = 4 * np.abs(rated - rated.mean())
    within = mean_interval([j.patient for j in found], plain)
    figures.append(
        Figure("peer: mean error of always the mean rating", float(plain.mean()), within,
               len(found))
    )  # fmt: skip
    print("\n".join(["malignancy", *(f.line() for f in figures), *bins(given, rated)]))
    return figures


def trait(
    name: str, index: int, found: Sequence[Judged], peers: dict[str, Callable[[Judged], float]]
) -> list[Figure]:
    """AUC, Brier score and calibration of a trait that readers saw or did not see."""

    def seen(one: Judged) -> bool:
        return one.ratings.traits[index]

    figures = [ranked(name, found, lambda j: output(j, name), seen)]
    figures += [ranked(f"peer: {p} for {name}", found, score, seen) for p, score in peers.items()]
    given = np.array([output(j, name) for j in found])
    truth = np.array([float(seen(j)) for j in found])
    who = [j.patient for j in found]
    for text, value in (
        (f"{name} Brier score", (given - truth) ** 2),
        (f"peer: {name} Brier score of always the share", (truth.mean() - truth) ** 2),
    ):
        figures.append(Figure(text, float(value.mean()), mean_interval(who, value), len(found)))
    print("\n".join([name, *(f.line() for f in figures), *bins(given, truth)]))
    return figures


def _kappa_within(who: Sequence[str], given: IntArray, wanted: IntArray) -> tuple[float, float]:
    return interval(who, lambda rows: kappa(given[rows], wanted[rows]))


def density_cuts(found: Sequence[Judged]) -> tuple[float, float]:
    """Mean HU that part ground glass from part-solid from solid with the best kappa."""
    hu = np.array([j.mean_hu for j in found])
    wanted = np.array([j.ratings.kind for j in found])
    steps = np.arange(-750, 0, 25.0)
    pairs = [(float(low), float(high)) for low in steps for high in steps if low < high]
    return max(pairs, key=lambda cuts: kappa(np.digitize(hu, cuts), wanted))


def texture(found: Sequence[Judged], cuts: tuple[float, float]) -> list[Figure]:
    """Three kinds of texture against the readers' and against two peers."""
    wanted = np.array([j.ratings.kind for j in found])
    given = np.array([j.kind for j in found])
    dense = np.digitize([j.mean_hu for j in found], cuts).astype(np.int64)
    # The measured texture is at times none; readers mostly say solid, so it counts as that.
    measured = np.array([KINDS.index(j.measured or Texture.SOLID) for j in found])
    figures = []
    print(f"texture (rows: readers, columns: given; {', '.join(TEXTURES)})")
    for name, kinds in (
        ("texture kappa", given),
        (f"peer: kappa of mean HU cut at {cuts[0]:g} and {cuts[1]:g}", dense),
        ("peer: kappa of the measured texture, solid where it gives none", measured),
    ):
        within = _kappa_within([j.patient for j in found], kinds, wanted)
        figures.append(Figure(name, kappa(kinds, wanted), within, len(found)))
        print(figures[-1].line())
        print("\n".join(f"    {row}" for row in confusion(kinds, wanted).tolist()))
    for number, name in enumerate(("ground_glass", "part_solid", "solid")):
        score = np.array([output(j, name) for j in found])
        print(f"  {name}, expected against observed")
        print("\n".join(bins(score, (wanted == number).astype(float))))
    none = sum(j.measured is None for j in found)
    print(f"  the measured texture is none in {none} of {len(found)}")
    return figures


def whole_scans(folder: Path, segmenter: Segmenter, morphology: Morphology) -> None:
    """Readings in whole scans beside the readers', one line a nodule."""
    print("whole scans (nodules of at least 3 readers): readers' rating, then the reading")
    for entry in json.loads((folder / "nodules.json").read_text(encoding="utf-8")):
        scan = load(folder / entry["patient"])
        lungs = segment_lungs(scan)
        for nodule in entry["nodules"]:
            if nodule["readers"] < FEWEST_READERS:
                continue
            k, j, i = (float(v) for v in scan.geometry.to_index(nodule["centre_lps_mm"]))
            mask = segmenter.segment(scan, (k, j, i), lungs)
            began = time.monotonic()
            reading = morphology.judge(scan, (k, j, i), mask)
            took = time.monotonic() - began
            print(
                f"  {entry['patient']}  {max(nodule['longest_axial_mm']):4.1f} mm  malignancy "
                f"{nodule['malignancy']} as {1 + 4 * reading.malignancy:.1f}, texture "
                f"{nodule['texture']} as {reading.texture}, calcified {reading.calcified:.2f}, "
                f"spiculated {reading.spiculated:.2f}  ({1000 * took:.0f} ms)"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="Nodule morphology against readers.")
    parser.add_argument("--data", type=Path, required=True, help="holds lidc_nodules/ and ct/")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--part", choices=("val", "test"), default="test")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    if arguments.write_card and arguments.part != "test":
        parser.error("only figures of the test part go to the card")
    library = ModelLibrary(arguments.models, threads=arguments.threads)
    segmenter = Segmenter(library.load(SEGMENTER_ID))
    morphology = Morphology(library.load(MODEL_ID))
    rng = np.random.default_rng(0)
    cuts = density_cuts(judged_part(arguments.data, "val", segmenter, None, rng))
    found = judged_part(arguments.data, arguments.part, segmenter, morphology, rng)
    print(f"{len(found)} nodules of {len({j.patient for j in found})} patients, {arguments.part}")
    figures = malignancy(found)
    size = {"readers' diameter": lambda j: j.readers_mm}
    density = {"mean HU": lambda j: j.mean_hu, "95th percentile of HU": lambda j: j.dense_hu}
    figures += trait("calcified", 0, found, density)
    figures += trait("spiculated", 1, found, size)
    figures += trait("lobulated", 2, found, size)
    figures += texture(found, cuts)
    if arguments.write_card:
        write_rows(arguments.models / MODEL_ID, [f.entry() for f in figures])
    whole_scans(arguments.data / "ct", segmenter, morphology)


if __name__ == "__main__":
    main()
