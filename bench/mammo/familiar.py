"""How many images of each kind are refused as no mammogram like those of the training.

``python -m bench.mammo.familiar --data ../shared/data --keep NAME=FOLDER --refuse NAME=FOLDER``:
films, real digital images and simulations are to be kept; chest radiographs, CT slices,
photographs, documents, noise and contrast subtraction images to be refused. Noise, documents and
photographs are drawn or come with scikit-image; CT slices and digital images from the shared data.
``NAME=FOLDER:1`` turns pictures counterclockwise by a quarter; ``--most N`` takes at most N images
of each kind, evenly spread. An image in which no breast is found counts as refused. Intervals are
exact, images taken as independent.

Measured with: ``DIDSR/msynth-release`` (``docs/images:1``, simulations by VICTRE),
``abdolazizsalimi/PGU_DataMining_1402`` (``finalProject``, contrast subtraction),
``aws-samples/mammography-classification-workshop`` (``mammography-images/raw-jpg``: DDSM normals,
and in its folders ``NAO`` radiographs and slices of other parts of the body).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest
from skimage import data as photographs

from bench.mammo.pictures import all_prepared, files_of, of_film, spread
from gransk.core.application import model_folder
from gransk.core.decode import read_dataset
from gransk.core.errors import GranskError
from gransk.core.models import ModelLibrary
from mammo.exam.recognise import MODEL_ID, Recogniser
from mammo.image.grid import Prepared

Pixels = npt.NDArray[np.generic]
PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "cat", "chelsea", "clock", "coffee", "coins", "grass",
    "gravel", "horse", "hubble_deep_field", "immunohistochemistry", "moon", "page", "retina",
    "rocket", "text",
)  # fmt: skip
DRAWN = 100
EVERY_SLICE = 6
WINDOWS = ((-600.0, 1500.0), (40.0, 400.0))


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--refuse", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--models", type=Path, default=model_folder())
    options = parser.parse_args()
    recogniser = Recogniser(ModelLibrary(options.models, threads=1).load(MODEL_ID))
    print(f"refused above {recogniser.limit:.4f}")
    for title, folders in (("to be kept", options.keep), ("to be refused", options.refuse)):
        for name, images in (_folder(text, options.most) for text in folders):
            line(f"{name} ({title})", images, recogniser)
    digital = all_prepared(sorted((options.data / "mg").glob("*.dcm")))
    line("real digital images (to be kept)", (image for _, image in digital), recogniser)
    for name, drawn in (
        ("CT slices", ct_slices(options.data / "ct", options.most)),
        ("photographs", photos()),
        ("documents", documents()),
        ("noise", noise()),
    ):
        line(f"{name} (to be refused)", map(_prepared, drawn), recogniser)


def line(name: str, images: Iterable[Prepared | None], recogniser: Recogniser) -> None:
    """How many of some images are refused."""
    strange = [1.0 if image is None else recogniser.strangeness(image) for image in images]
    if not strange:
        print(f"{name}: none there")
        return
    refused = sum(value > recogniser.limit for value in strange)
    low, high = binomtest(refused, len(strange)).proportion_ci(method="exact")
    quarters = ", ".join(f"{q:.3f}" for q in np.quantile(strange, (0, 0.25, 0.5, 0.75, 1)))
    print(
        f"{name}: {refused} of {len(strange)} refused, {refused / len(strange):.3f} "
        f"({low:.3f} to {high:.3f}); strangeness {quarters}",
        flush=True,
    )


def _folder(text: str, most: int) -> tuple[str, Iterator[Prepared | None]]:
    name, _, place = text.partition("=")
    folder, _, quarters = place.partition(":")
    found = all_prepared(spread(files_of(Path(folder)), most), int(quarters or 0))
    return name, (image for _, image in found)


def _prepared(pixels: Pixels) -> Prepared | None:
    try:
        return of_film(pixels)
    except GranskError:
        return None


def ct_slices(folder: Path, most: int = 0) -> Iterator[Pixels]:
    """Every sixth slice of whole scans, in lung and soft tissue window."""
    for path in spread(sorted(folder.rglob("*.dcm"))[::EVERY_SLICE], most // len(WINDOWS)):
        with path.open("rb") as stream:
            dataset = read_dataset(stream)
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        for centre, width in WINDOWS:
            yield np.clip((hu - centre + width / 2) / width, 0, 1)


def photos() -> Iterator[Pixels]:
    """The photographs that come with scikit-image, each also mirrored and turned."""
    for name in PHOTOGRAPHS:
        try:
            picture = np.asarray(getattr(photographs, name)())
        except (AttributeError, OSError, ModuleNotFoundError):
            continue  # not shipped with this version
        grey = np.asarray(Image.fromarray(picture.astype(np.uint8)).convert("L"))
        yield grey
        yield np.rot90(grey)


def documents(seed: int = 0) -> Iterator[Pixels]:
    """Pages with lines of text, black on white or white on black."""
    dice = np.random.default_rng(seed)
    for number in range(DRAWN):
        page = Image.new("L", (850, 1100), 255)
        pen = ImageDraw.Draw(page)
        for row in range(60, int(dice.integers(300, 1050)), int(dice.integers(16, 40))):
            words = ("".join(dice.choice(list("abcdefghilmnorstu"), 6)) for _ in range(12))
            pen.text((60, row), " ".join(words), fill=0)
        pixels = np.asarray(page)
        yield pixels if number % 2 else 255 - pixels


def noise(seed: int = 0) -> Iterator[Pixels]:
    """Noise of several grains."""
    dice = np.random.default_rng(seed)
    for number in range(DRAWN):
        yield gaussian_filter(dice.normal(size=(600, 480)), (0, 1, 4, 16)[number % 4])


if __name__ == "__main__":
    main()
