"""Density: the dense part of drawn breasts, categories, the mean of an exam, the model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mammogram_objects import instance_of, mammogram
from mammogram_phantom import NIPPLE, PIXEL_MM, drawn

from gransk.core.errors import InvalidValueError
from gransk.core.models import ModelLibrary
from mammo.image.anatomy import find_anatomy
from mammo.image.density import (
    MODEL_ID,
    Category,
    ViewDensity,
    brightest,
    category,
    exam_density,
    features,
    view_density,
)
from mammo.image.grid import SPACING_MM, prepare
from mammo.view import Laterality, Projection, Source, View
from training.mammo.films import cbis_mass

MODELS = Path(__file__).parents[2] / "onnx_models"
FILMS = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / "mg" / "cbis_mass"
INSTANCE = instance_of(mammogram())
LAST_PERCENTILE, MEDIAN, FIRST_BAND, AREA = 12, 6, 13, 28
NOTHING = np.zeros((2, 2), dtype=bool)


def seen(**changes):
    prepared = prepare(drawn(**changes), (PIXEL_MM, PIXEL_MM))
    return prepared, find_anatomy(prepared, Projection.MLO)


def ellipse(prepared, share):
    """Where `drawn` drew dense tissue, on the prepared grid."""
    y, x = np.mgrid[: prepared.grey.shape[0], : prepared.grey.shape[1]]
    at = prepared.to_native(np.stack([x + 0.5, y + 0.5], axis=-1)) * PIXEL_MM
    across = (at[..., 0] - NIPPLE[0] * 0.6) / (NIPPLE[0] * np.sqrt(share))
    down = (at[..., 1] - NIPPLE[1]) / (140 * np.sqrt(share))
    return (across**2 + down**2 < 0.25) & prepared.breast


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_brightest_part_is_the_dense_tissue_without_the_muscle(share):
    prepared, anatomy = seen(dense_share=share, muscle=(40.0, 60.0))
    truth = ellipse(prepared, share) & ~anatomy.pectoral
    breast = prepared.breast & ~anatomy.pectoral
    percent = 100 * truth.sum() / breast.sum()
    dense = brightest(prepared, anatomy.pectoral, percent)
    assert not (dense & ~breast).any()
    assert dense.sum() / breast.sum() == pytest.approx(percent / 100, abs=0.02)
    assert 2 * (dense & truth).sum() / (dense.sum() + truth.sum()) > 0.85


def test_nothing_is_dense_at_no_percent_and_the_skin_never_is():
    prepared, anatomy = seen()
    assert not brightest(prepared, anatomy.pectoral, 0.0).any()
    whole = brightest(prepared, anatomy.pectoral, 100.0)
    last = prepared.grey.shape[1] - 1 - np.argmax(prepared.breast[:, ::-1], axis=1)
    rows = np.nonzero(prepared.breast.any(axis=1))[0]
    inner = np.clip(last[rows] - round(1.0 / SPACING_MM), 0, None)
    assert whole[rows, inner].mean() < 0.05


def test_categories_begin_at_their_limits():
    assert [category(p) for p in (0, 10.3, 10.5, 32.9, 33.1, 64.7, 64.9, 100)] == [
        Category.A, Category.A, Category.B, Category.B,
        Category.C, Category.C, Category.D, Category.D,
    ]  # fmt: skip


def of(side, projection, percent):
    view = View(INSTANCE, Laterality(side), Projection(projection), Source.FILM)
    return view, ViewDensity(percent, NOTHING)


def test_an_exam_is_the_mean_of_its_views():
    exam = exam_density([of("R", "CC", 40), of("R", "MLO", 60), of("L", "CC", 80)])
    assert exam.percent == pytest.approx(60)
    assert exam.category is Category.C
    assert exam.breasts == ((Laterality.RIGHT, 50.0), (Laterality.LEFT, 80.0))
    with pytest.raises(InvalidValueError):
        exam_density([])
    with pytest.raises(InvalidValueError):
        ViewDensity(101, NOTHING)


def test_features_are_of_the_breast_without_its_muscle():
    prepared, anatomy = seen(muscle=(45.0, 100.0))
    without = features(prepared, anatomy.pectoral)
    assert without.shape == (35,)
    assert without.dtype == np.float32
    area = (prepared.breast & ~anatomy.pectoral).sum() * SPACING_MM**2 / 1e4
    assert without[AREA] == pytest.approx(area, rel=0.03)
    whole = features(prepared, np.zeros_like(anatomy.pectoral))
    assert whole[AREA] > area + 0.15
    # The muscle is the brightest there is.
    assert whole[LAST_PERCENTILE] > without[LAST_PERCENTILE] + 0.05


def test_features_of_denser_tissue_are_brighter_and_of_rougher_tissue_rougher():
    plain, dense, rough = (
        features(prepared, anatomy.pectoral)
        for prepared, anatomy in (
            seen(muscle=None), seen(muscle=None, dense_share=0.8), seen(muscle=None, texture=0.1)
        )
    )  # fmt: skip
    assert dense[MEDIAN] > plain[MEDIAN] + 0.1
    assert rough[FIRST_BAND] > 1.5 * plain[FIRST_BAND]


def test_a_breast_with_next_to_no_depth_has_features_all_the_same():
    image = np.zeros((400, 60), dtype=np.float32)
    image[40:360, :45] = np.random.default_rng(0).uniform(0.4, 1, (320, 45))
    prepared = prepare(image, (0.5, 0.5))
    assert np.isfinite(features(prepared, np.zeros_like(prepared.breast))).all()


@pytest.fixture(scope="module")
def model():
    return ModelLibrary(MODELS, 1).load(MODEL_ID)


def test_denser_films_have_higher_percentages(model):
    if not FILMS.exists():
        pytest.skip("the training films are not there: set GRANSK_DATA")
    films = cbis_mass(FILMS)
    means = []
    for label in (1, 4):
        percents = []
        for film in [f for f in films if f.density == label][:12]:
            prepared = film.prepared()
            anatomy = find_anatomy(prepared, Projection(film.view))
            percents.append(view_density(prepared, anatomy, model).percent)
        means.append(np.mean(percents))
    assert means[0] < 20
    assert means[1] > 45


def test_the_shipped_model_stays_within_its_range(model):
    far = np.array([np.full(35, 50.0), np.full(35, -50.0)], dtype=np.float32)
    told = model.run({"features": far})["percent"]
    assert ((told >= 0) & (told <= 100)).all()


def test_the_dense_part_is_as_large_as_the_model_tells(model):
    prepared, anatomy = seen()
    density = view_density(prepared, anatomy, model)
    breast = prepared.breast & ~anatomy.pectoral
    share = 100 * density.dense.sum() / breast.sum()
    # The skin is never dense: it caps what can be shown.
    assert share == pytest.approx(min(density.percent, share + 3), abs=3)
    assert share <= density.percent + 3
