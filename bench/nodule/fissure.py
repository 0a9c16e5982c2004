"""How well a place at a fissure is told, on synthetic nodules in scans that the fit did not see.

    python -m bench.nodule.fissure SCAN [SCAN ..] [--count 10] [--slices-mm 1.25 2]

Each SCAN is a folder of one axial DICOM series. Solid nodules of 4 to 9.5 mm are drawn at
synthetic sheets that they touch, 3 to 8 mm from such sheets, inside the lung, at vessels and
at the wall, then outlined and measured as the application does. ``--slices-mm`` resamples scans
of slices over 2 mm too, as the application tells nothing there: truly sampled nodules in
interpolated surroundings. AUC ranks by the probability, also where the application would not
tell it (no sheet seen well enough; slices over 2 mm). Its 95 % intervals are bootstrap, scans
drawn first, then nodules; those of shares are Clopper-Pearson. Calibration weighs the places as
`training.nodule.fissure` does (28 % at a fissure, the rest in equal parts), its intervals do not.

Where something like a fissure was seen before anything was drawn, the truth of nodules without
a drawn sheet is not known: they have a row of their own and count nowhere else.

What this does not show: truth is synthetic, and so is its base rate. Real fissures are
incomplete, doubled and wavy, and rarely seen in slices of 3 mm. No radiologist's word on
perifissural nodules was at hand, and round nodules were drawn where typical ones
are lens-shaped or triangular.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom

from bench.nodule.analysis import MODELS
from bench.nodule.curve import proportion_interval
from bench.nodule.tables import heading
from bench.nodule.truth import Tier
from gransk.core.errors import InvalidValueError
from gransk.core.models import ModelLibrary
from gransk.core.volume import Volume
from nodule.fissure import THICKEST_SLICES_MM, probability
from nodule.place import Answer
from nodule.segmenter import MODEL_ID, Segmenter
from training.nodule.fissure import at_fissure, auc, weights
from training.nodule.scans import load
from training.nodule.sheets import PLACES, Drawn, draw
from training.nodule.slices import thickness
from training.nodule.split import SPLIT

IntArray = npt.NDArray[np.int64]

CLASSES: dict[str, Callable[[float], bool]] = {
    "thin, to 1.5 mm": lambda mm: mm <= 1.51,
    "2 mm": lambda mm: 1.51 < mm <= THICKEST_SLICES_MM + 0.01,
    "3 mm, where the application tells nothing": lambda mm: mm > THICKEST_SLICES_MM + 0.01,
}
BINS = (0.0, 0.2, 0.45, 0.7, 1.0)
RESAMPLES = 1000


def read_unseen(folders: Sequence[Path]) -> Iterator[tuple[str, Volume]]:
    """Name and volume of each scan.

    Raises
    ------
    InvalidValueError
        Where the fit saw it: its folder or patient is in the split's training part.
    """
    with SPLIT.open(newline="", encoding="utf-8") as file:
        seen = {r["case"] for r in csv.DictReader(file) if r["part"] == "train"}
    for folder in folders:
        names = {folder.name} | {
            str(pydicom.dcmread(path, specific_tags=["PatientID"]).get("PatientID", ""))
            for path in sorted(folder.glob("*.dcm"))[:1]
        }
        if names & seen:
            raise InvalidValueError("scan", folder.name, "one that the fit did not see")
        yield folder.name, load(folder)


def interval(
    hosts: Sequence[str], figure: Callable[[IntArray], float], seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of a figure of rows: scans drawn, then rows of each."""
    rng = np.random.default_rng(seed)
    names, owner = np.unique(np.asarray(hosts), return_inverse=True)
    rows = [np.flatnonzero(owner == n) for n in range(len(names))]
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(rows), size=len(rows))
        values.append(figure(np.concatenate([rng.choice(rows[n], len(rows[n])) for n in drawn])))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def answers(name: str, drawn: Sequence[Drawn]) -> str:
    """How many are assessed, and what is said of them."""
    said = Counter(d.measured.perifissural.answer for d in drawn)
    text = f"{name:18s} {len(drawn):4d}"
    for answer in (Answer.YES, Answer.UNCERTAIN, Answer.NO, Answer.NOT_ASSESSED):
        low, high = proportion_interval(said[answer], len(drawn))
        text += f"   {said[answer] / len(drawn):4.2f} ({low:.2f} to {high:.2f})"
    return text


def rank(drawn: Sequence[Drawn], others: Sequence[str]) -> str:
    """AUC of nodules at a sheet against those at other places."""
    used = [d for d in drawn if d.place in ("fissure", *others)]
    score, y = np.array([probability(d.sheet) for d in used]), at_fissure(used)
    if y.all() or not y.any():
        return "not known"

    def figure(rows: IntArray) -> float:
        own = y[rows]
        return float("nan") if own.all() or not own.any() else auc(score[rows], own)

    low, high = interval([d.host for d in used], figure)
    return f"{auc(score, y):.2f} ({low:.2f} to {high:.2f})  n = {y.sum()} and {(~y).sum()}"


def calibration(drawn: Sequence[Drawn]) -> list[str]:
    """Probability told against the share at a sheet, one line a bin that holds nodules."""
    weight, y = weights(drawn), at_fissure(drawn)
    given = [d.measured.perifissural.probability for d in drawn]
    told = np.array([np.nan if p is None else p for p in given])
    lines = []
    for low, high in itertools.pairwise(BINS):
        own = (told >= low) & ((told < high) | (high == BINS[-1]))
        if not own.any():
            continue
        few, many = proportion_interval(int(y[own].sum()), int(own.sum()))
        lines.append(
            f"  {low:.2f} to {high:.2f}: {own.sum():4d} nodules, told "
            f"{np.average(told[own], weights=weight[own]):.2f}, at a sheet "
            f"{np.average(y[own], weights=weight[own]):.2f}; {y[own].sum()} of them "
            f"({few:.2f} to {many:.2f})"
        )
    return lines or ["  none told"]


def report(drawn: Sequence[Drawn]) -> str:
    """Every thickness that occurs."""
    lines = []
    for name, holds in CLASSES.items():
        own = [d for d in drawn if holds(d.slice_mm)]
        if not own:
            continue
        known = [d for d in own if d.place == "fissure" or not d.doubtful]
        hosts = len({d.host for d in own})
        lines += ["", f"slices {name}: {hosts} scans", ""]
        lines.append(f"{'':18s}    n   yes                   uncertain             no          "
                     "          not assessed")  # fmt: skip
        lines += [
            answers(f"at: {place}", there)
            for place in PLACES
            if (there := [d for d in known if d.place == place])
        ]
        if doubt := [d for d in own if d.place != "fissure" and d.doubtful]:
            lines.append(answers("at: a sheet before", doubt))
        lines += ["", f"AUC, fissure against all others: {rank(known, PLACES[1:])}"]
        lines += [f"AUC, fissure against {place}: {rank(known, [place])}" for place in PLACES[1:]]
        lines += ["calibration:", *calibration(known)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="How well a place at a fissure is told.")
    parser.add_argument("scans", type=Path, nargs="+", help="folders, one DICOM series each")
    parser.add_argument("--count", type=int, default=10, help="nodules of each place and scan")
    parser.add_argument("--slices-mm", type=float, nargs="*", default=[],
                        help="resample scans of thick slices to them")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    segmenter = Segmenter(ModelLibrary(arguments.models, arguments.threads).load(MODEL_ID))
    rng = np.random.default_rng(arguments.seed)
    drawn: list[Drawn] = []
    for name, scan in read_unseen(arguments.scans):
        thick = scan.geometry.spacing[0] > THICKEST_SLICES_MM + 0.01
        for slice_mm in (None, *(arguments.slices_mm if thick else ())):
            altered = scan if slice_mm is None else thickness(slice_mm)(scan)
            drawn += draw(name, altered, segmenter, arguments.count, rng)
            print(f"{name}  slices {altered.geometry.spacing[0]:.2f} mm", flush=True)
    print(heading(Tier.SYNTHETIC, f"n = {len(drawn)} nodules in {len(arguments.scans)} scans"))
    print("Truth is synthetic: sheets were drawn. No radiologist's word on perifissural nodules\n"
          "was at hand, and real fissures are rarely seen in slices of 3 mm.")  # fmt: skip
    print(report(drawn))


if __name__ == "__main__":
    main()
