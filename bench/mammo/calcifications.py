"""How well clusters of calcifications are found: simulated ones, or a folder of real ones.

    python -m bench.mammo.calcifications --data ../shared/data
    python -m bench.mammo.calcifications --data ../shared/data --real CBIS_DDSM_FOLDER

Without ``--real`` every figure is of *simulated* clusters in the training films, each film read by
the network of the fold that never saw its patient; false marks are those on the same films without
simulated clusters, where real calcifications and dust are labelled by nobody.

``--real`` reads the calcification cases of CBIS-DDSM as it ships, with all networks together;
patients that taught a network are left out. ``--part test`` are the official test films: to
report on, never to choose anything by. ``--sheet`` draws simulated clusters beside the same places
without them, for eyes to judge.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.image.grid import FloatArray
from mammo.marks.calcifications import MODEL_ID, Calcifications
from mammo.marks.mark import Kind
from training.mammo.archives import cbis_ddsm, of_kinds
from training.mammo.calcifications.insertion import scene
from training.mammo.calcifications.measures import Read, real, rows, simulated
from training.mammo.films import Film, cbis_mass, folds

EVERY = 1
HALF_PX = 64
ENLARGED = 256


def report(reads: Sequence[Read], threshold: float, kind: str) -> str:
    """Every figure with its interval and how many it is of."""
    patients = len({read.patient for read in reads})
    lines = [f"{kind} clusters: {len(reads)} films of {patients} patients"]
    for row in rows(reads, threshold, kind):
        low, high = row.interval
        lines.append(f"{row.measure:78s} {row.value:6.3f} ({low:.3f} to {high:.3f})  {row.cases}")
    return "\n".join(lines)


def sheet(films: Sequence[Film], path: Path, seed: int) -> None:
    """Pairs of places, without and with a simulated cluster, in the same window."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in rng.permutation(len(films))[:12]:
        made = scene(films[number], 1, 0, rng)
        for one in made.planted:
            column, row = (int(v) for v in one.centre)
            with_it = _around(made.prepared.grey, column, row)
            without = _around(films[number].prepared().grey, column, row)
            low, high = np.percentile(with_it, (1, 99.9))
            both = np.concatenate([without, with_it], axis=1)
            grey = np.clip((both - low) / max(high - low, 1e-6), 0, 1) * 255
            picture = Image.fromarray(grey.astype(np.uint8)).resize((2 * ENLARGED, ENLARGED))
            told = f"{one.cluster.shape} {one.size_mm:.0f} mm, contrast {one.shown:.1f}"
            ImageDraw.Draw(picture).text((3, 3), f"simulated: {told}", fill=255)
            pairs.append(np.asarray(picture))
    lines = [np.concatenate(pairs[n : n + 3], axis=1) for n in range(0, len(pairs) // 3 * 3, 3)]
    Image.fromarray(np.concatenate(lines)).save(path)


def _around(grey: FloatArray, column: int, row: int) -> FloatArray:
    wide = np.pad(grey, HALF_PX)
    return wide[row : row + 2 * HALF_PX, column : column + 2 * HALF_PX]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="holds mg/cbis_mass")
    parser.add_argument("--real", type=Path, help="CBIS-DDSM as it ships")
    parser.add_argument("--part", choices=("train", "test"), default="train")
    parser.add_argument("--models", type=Path, default=model_folder())
    parser.add_argument("--every", type=int, default=EVERY, help="every so many films")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet and stop")
    arguments = parser.parse_args()
    films = cbis_mass(arguments.data / "mg" / "cbis_mass")
    if arguments.sheet:
        sheet(films, arguments.sheet, arguments.seed)
        return
    model = ModelLibrary(arguments.models, threads=1).load(MODEL_ID)
    if arguments.real:
        taught = {film.patient for film in films}
        cases = cbis_ddsm(arguments.real, arguments.part, ("calcification",))
        fresh = [f for f in of_kinds(cases, (Kind.CALCIFICATIONS,)) if f.patient not in taught]
        print(report(real(fresh, Calcifications(model)), model.threshold, "real"))
        return
    members = [Calcifications(model, n) for n in range(int(model.card.outputs[0].shape[0]))]
    fold = folds(films, arguments.seed)
    reads = simulated(films[:: arguments.every], fold, members, arguments.seed)
    print(report(reads, model.threshold, "simulated"))


if __name__ == "__main__":
    main()
