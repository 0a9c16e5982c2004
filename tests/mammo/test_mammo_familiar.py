"""What looks like no mammogram is refused; what looks like one is not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mammo_drawn_views import SPACING, drawn
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage import data as photographs

from gransk.core.application import model_folder
from gransk.core.decode import read_dataset
from gransk.core.errors import RefusalError
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.exam.familiar import NAMES, features
from mammo.exam.recognise import MODEL_ID, Recogniser
from mammo.image.grid import prepare
from mammo.image.pixels import read_pixels

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data"))
real = pytest.mark.skipif(not (DATA / "mg").is_dir(), reason="the shared data are not there")


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(ModelLibrary(model_folder(), threads=1).load(MODEL_ID))


def dicom(path: Path) -> Instance:
    with path.open("rb") as stream:
        dataset = read_dataset(stream)
    return Instance(dataset, lambda: dataset)


def refused(recogniser: Recogniser, pixels: np.ndarray) -> Reason | None:
    try:
        recogniser.check(prepare(pixels, (240 / pixels.shape[0],) * 2))
    except RefusalError as why:
        return why.reason
    return None


def document() -> np.ndarray:
    page = Image.new("L", (850, 1100), 0)
    pen = ImageDraw.Draw(page)
    for row in range(60, 1000, 24):
        pen.text((60, row), "Henvisning til klinisk mammografi " * 4, fill=255)
    return np.asarray(page)


def noise() -> np.ndarray:
    return gaussian_filter(np.random.default_rng(0).normal(size=(600, 480)), 3)


def photograph() -> np.ndarray:
    return np.asarray(Image.fromarray(photographs.astronaut()).convert("L"))


@pytest.mark.parametrize("make", [document, noise, photograph])
def test_what_is_no_mammogram_is_refused(recogniser, make):
    assert refused(recogniser, make()) in (Reason.OUT_OF_DISTRIBUTION, Reason.NO_BREAST)


def test_a_subtraction_image_is_stranger_than_its_mammogram(recogniser):
    pixels = drawn("CC")
    inside = pixels > 0.05
    depth = distance_transform_edt(np.pad(inside, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    rim = np.where(inside, 0.3 + 0.7 * np.exp(-depth / 4), 0)
    plain, subtracted = (recogniser.strangeness(prepare(p, SPACING)) for p in (pixels, rim))
    assert subtracted > plain
    assert subtracted > recogniser.limit


@real
def test_a_real_digital_image_and_films_are_not_refused(recogniser):
    one = dicom(DATA / "mg" / "ge_senographe_essential_r_mlo.dcm")
    recogniser.check(read_pixels(one).prepared())
    from training.mammo.films import cbis_mass

    films = cbis_mass(DATA / "mg" / "cbis_mass")[7::80]
    strange = [recogniser.strangeness(film.prepared()) > recogniser.limit for film in films]
    assert sum(strange) <= 1


@real
def test_ct_slices_are_refused(recogniser):
    slices = sorted((DATA / "ct").rglob("*.dcm"))[20::120]
    assert slices
    for path in slices:
        hu = dicom(path).load().pixel_array
        window = np.clip((hu.astype(float) - hu.min()) / 1600, 0, 1)
        assert refused(recogniser, window) is not None


def test_features_are_named_finite_and_do_not_depend_on_the_side():
    one, other = (features(prepare(drawn("MLO", m), SPACING)) for m in (False, True))
    assert one.shape == (len(NAMES),) == (33,)
    assert np.isfinite(one).all()
    assert np.allclose(one, other, atol=0.05)
    named = dict(zip(NAMES, one.tolist(), strict=True))
    assert named["chest_wall"] > 0.9
    assert named["gap_chest"] < 0.1
    assert named["gap_nipple"] > 0.3
    assert named["layer_0"] < named["layer_4"]


def test_a_bright_rim_shows_in_the_layers_below_the_skin():
    pixels = drawn("CC")
    inside = pixels > 0.05
    depth = distance_transform_edt(np.pad(inside, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    rim = prepare(np.where(inside, 0.3 + 0.7 * np.exp(-depth / 8), 0), SPACING)
    named = dict(zip(NAMES, features(rim).tolist(), strict=True))
    assert named["layer_1"] > 0 > named["layer_4"]
