"""What noise, blur, contrast, spacing, compression and another vendor's look change.

    python -m bench.mammo.robustness --data ../shared/data/mg/cbis_mass --films 200

The same films are read as they are and altered, each by the network that never saw its patient;
printed are the figures of each, and how far the probability of malignancy of a film moves.
Alterations are simulated: another vendor's images may differ in ways that these do not show.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from scipy.special import expit

from bench.mammo.reading import marked, members
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.image.grid import prepare
from mammo.marks.detector import Detector
from training.mammo.films import Film, cbis_mass, folds
from training.mammo.measures import Read, film_auc, sensitivity

Grey = npt.NDArray[np.float32]
Spacing = tuple[float, float]
Altered = Callable[[Grey, Spacing, np.random.Generator], tuple[Grey, Spacing]]


def _noise(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    inside = grey > 10
    noisy = grey + rng.normal(0, 6, grey.shape).astype(np.float32) * inside
    return np.clip(noisy, 0, 255), spacing


def _blur(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    return np.asarray(ndimage.gaussian_filter(grey, [0.3 / s for s in spacing])), spacing


def _flat(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    return (255 * (grey / 255) ** 0.6).astype(np.float32), spacing


def _hard(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    return (255 * (grey / 255) ** 1.7).astype(np.float32), spacing


def _wrong_scale(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    return grey, (spacing[0] * 1.1, spacing[1] * 1.1)


def _jpeg(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    stream = io.BytesIO()
    Image.fromarray(grey.round().astype(np.uint8)).save(stream, "JPEG", quality=30)
    return np.asarray(Image.open(stream), dtype=np.float32), spacing


def _vendor(grey: Grey, spacing: Spacing, rng: np.random.Generator) -> tuple[Grey, Spacing]:
    """A sigmoid curve and thickness taken out, as digital systems show a breast."""
    inside = ndimage.gaussian_filter((grey > 10).astype(np.float32), 20)
    slow = ndimage.gaussian_filter(grey, 20) / np.maximum(inside, 0.05)
    level = (grey - 0.7 * slow) / 60
    return np.where(grey > 10, 255 * expit(level), 0).astype(np.float32), spacing


ALTERATIONS: Mapping[str, Altered] = {
    "as it is": lambda grey, spacing, rng: (grey, spacing),
    "noise, 6 of 255": _noise,
    "blur, 0.3 mm": _blur,
    "flatter, gamma 0.6": _flat,
    "harder, gamma 1.7": _hard,
    "spacing wrong by 10 %": _wrong_scale,
    "JPEG, quality 30": _jpeg,
    "digital look": _vendor,
}


def read_altered(detector: Detector, film: Film, altered: Altered, seed: int) -> Read:
    """One film altered and read."""
    pixels, spacing = film.pixels()
    rng = np.random.default_rng(seed)
    prepared = prepare(*altered(pixels.astype(np.float32), spacing, rng))
    return marked(film, prepared, detector.detect(prepared, 0))


def line(name: str, reads: Sequence[Read], before: Sequence[Read]) -> str:
    """Figures of one alteration, and how far it moves a film's probability."""
    moved = [abs(a.malignancy - b.malignancy) for a, b in zip(reads, before, strict=True)]
    return (
        f"{name:22s} {sensitivity(reads, 1, malignant=False):5.3f}   "
        f"{sensitivity(reads, 1, malignant=True):9.3f}   {film_auc(reads):8.3f}   "
        f"{np.median(moved):6.3f} {np.percentile(moved, 95):6.3f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--models", type=Path, default=model_folder())
    arguments = parser.parse_args()
    films = cbis_mass(arguments.data)
    fold = folds(films)
    drawn = np.random.default_rng(1).permutation(len(films))[: arguments.films]
    some = [films[n] for n in sorted(drawn)]
    detectors = members(ModelLibrary(arguments.models, threads=1))
    print(f"{len(some)} films; found at 1 false mark a film; moved: median and 95th percentile")
    print(f"{'':22s} all     malignant   film AUC   moved")
    before: list[Read] = []
    with ThreadPoolExecutor(2) as pool:
        for name, altered in ALTERATIONS.items():
            reads = list(
                pool.map(
                    lambda item, a=altered: read_altered(
                        detectors[fold[item[1].patient]], item[1], a, item[0]
                    ),
                    enumerate(some),
                )
            )
            before = before or reads
            print(line(name, reads, before), flush=True)


if __name__ == "__main__":
    main()
