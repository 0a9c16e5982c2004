"""Image quality of the training films: figures, and how many fall beyond the limits.

    python -m bench.mammo.quality --data ../shared/data [--every 1]

The limits of `mammo.image.quality` were set on these films and say how unlike them an image is: no
person rated their quality. ``--every 3`` reads every third patient. Shares have exact binomial
intervals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from mammo.image.anatomy import Anatomy, find_anatomy
from mammo.image.grid import prepare
from mammo.image.pixels import Pixels, SpacingSource
from mammo.image.quality import (
    LIMITS,
    MUSCLE_SHORT_MM,
    NIPPLE_LINE_MM,
    Measured,
    measure,
)
from mammo.image.turning import Turn
from mammo.view import Projection
from training.mammo.films import Film, cbis_mass


def measured(film: Film) -> tuple[Measured, Anatomy]:
    """Figures and anatomy of one training film."""
    stored, spacing = film.pixels()
    image = (stored.astype(np.float32) / 255).astype(np.float32)
    pixels = Pixels(image, spacing, SpacingSource.SCANNED, Turn(stored.shape))
    prepared = prepare(image, spacing)
    anatomy = find_anatomy(prepared, Projection(film.view))
    return measure(pixels, prepared, anatomy, Projection(film.view)), anatomy


def share(name: str, hits: int, count: int) -> str:
    """A share with its exact 95 % interval."""
    low, high = binomtest(hits, count).proportion_ci()
    return f"{name}: {hits} of {count}, {hits / count:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Image quality of the training films.")
    parser.add_argument("--data", type=Path, required=True, help="holds mg/cbis_mass/")
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    films = cbis_mass(arguments.data / "mg" / "cbis_mass")
    patients = set(sorted({film.patient for film in films})[:: arguments.every])
    films = [film for film in films if film.patient in patients]
    figures = [measured(film) for film in films]
    refused: Counter[int] = Counter()
    print(f"{len(films)} films; percentiles 0, 0.5, 5, 50, 95, 99.5, 100")
    for limit in LIMITS:
        values = np.array([getattr(m, limit.name) for m, _ in figures])
        spread = np.percentile(values, [0, 0.5, 5, 50, 95, 99.5, 100])
        print(f"{limit.name}: " + " ".join(f"{v:.3g}" for v in spread))
        beyond = [limit.passed(v, limit.refuse) for v in values]
        refused.update(n for n, hit in enumerate(beyond) if hit)
        advised = sum(limit.passed(v, limit.advise) for v in values)
        print("  " + share(f"advice ({limit.advise:g})", advised, len(films)))
        if limit.refuse is not None:
            print("  " + share(f"refused ({limit.refuse:g})", sum(beyond), len(films)))
    print(share("refused for any reason", len(refused), len(films)))
    _positioning(films, [anatomy for _, anatomy in figures])


def _positioning(films: list[Film], found: list[Anatomy]) -> None:
    reach = [a.muscle_to_line_mm for f, a in zip(films, found, strict=True) if f.view == "MLO"]
    seen = [r for r in reach if r is not None]
    print(share("MLO without a muscle", len(reach) - len(seen), len(reach)))
    short = sum(r < -MUSCLE_SHORT_MM for r in seen)
    print(share(f"muscle ends more than {MUSCLE_SHORT_MM:g} mm above the line", short, len(seen)))
    print(share("muscle ends above the line", sum(r < 0 for r in seen), len(seen)))
    profile = sum(a.in_profile for a in found)
    print(share("nipple in profile", profile, len(found)))
    lines: dict[str, dict[str, Anatomy]] = {}
    for film, anatomy in zip(films, found, strict=True):
        lines.setdefault(f"{film.exam}_{film.breast}", {})[film.view] = anatomy
    pairs = [v for v in lines.values() if len(v) == 2]
    if not pairs:
        return
    apart = np.array([v["CC"].line_mm - v["MLO"].line_mm for v in pairs])
    print(
        f"posterior nipple line, CC less MLO: median {np.median(apart):.1f} mm, 5th to 95th "
        f"percentile {np.percentile(apart, 5):.1f} to {np.percentile(apart, 95):.1f} mm"
    )
    beyond = int((np.abs(apart) > NIPPLE_LINE_MM).sum())
    print(share(f"lines that differ by more than {NIPPLE_LINE_MM:g} mm", beyond, len(pairs)))
    hidden = [not (v["CC"].in_profile or v["MLO"].in_profile) for v in pairs]
    print(share("breasts with the nipple in profile in no view", sum(hidden), len(pairs)))
    missed = [
        int(abs(far) > NIPPLE_LINE_MM)
        + int(no)
        + int((v["MLO"].muscle_to_line_mm or 0) < -MUSCLE_SHORT_MM)
        for v, far, no in zip(pairs, apart, hidden, strict=True)
    ]
    for count, words in ((1, "one criterion missed"), (2, "two or three: new images advised")):
        hits = sum(m == 1 if count == 1 else m >= 2 for m in missed)
        print(share(f"breasts, {words}", hits, len(pairs)))


if __name__ == "__main__":
    main()
