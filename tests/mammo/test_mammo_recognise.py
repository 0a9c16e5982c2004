"""Breast and view from the image, and how the model of it is made."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mammo_drawn_views import SPACING, drawn
from mammo_headers import image

from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.exam.choice import assemble
from mammo.exam.familiar import NAMES
from mammo.exam.recognise import MODEL_ID, SHAPE, Recogniser, thumbnail
from mammo.image.grid import prepare

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / "mg"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(ModelLibrary(model_folder(), threads=1).load(MODEL_ID))


@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_drawn_breast_is_recognised(recogniser, view, mirrored):
    look = recogniser.look(prepare(drawn(view, mirrored), SPACING))
    assert (look.mlo > 0.5) == (view == "MLO")
    assert (look.right > 0.5) == mirrored


def test_the_breast_is_no_more_certain_than_its_rule_held_in_the_films(recogniser):
    for mirrored in (False, True):
        right = recogniser.look(prepare(drawn("MLO", mirrored), SPACING)).right
        assert 0.7 < max(right, 1 - right) < 0.8


def test_the_exam_says_what_was_read_from_the_image(recogniser):
    one = image("R", "")
    prepared = prepare(drawn("MLO", mirrored=True), SPACING)
    exam = assemble([one], lambda _: recogniser.look(prepared))
    assert [view.name for view in exam.views] == ["R MLO"]
    assert 0.5 < exam.views[0].certainty < 1
    assert exam.notes[1].code == "view_from_image"


def test_the_network_sees_the_same_whatever_the_pixel_size():
    pixels = drawn("MLO")
    one, other = (thumbnail(prepare(pixels, (mm, mm))) for mm in (0.45, 0.55))
    assert one.shape == SHAPE
    assert np.abs(one - other).mean() < 0.03


def test_proportions_are_kept_and_the_chest_wall_is_at_the_left():
    prepared = prepare(drawn("CC", mirrored=True), SPACING)
    seen = thumbnail(prepared)
    assert seen[:, 0].max() > 0
    rows, columns = np.nonzero(seen > 0)
    shown = (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
    assert shown == pytest.approx(prepared.grey.shape[0] / prepared.grey.shape[1], rel=0.05)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared mammograms are not there")
def test_films_are_recognised(recogniser):
    from training.mammo.films import cbis_mass

    films = cbis_mass(DATA / "cbis_mass")[::60]
    good = [(recogniser.look(f.prepared()).mlo > 0.5) == (f.view == "MLO") for f in films]
    assert sum(good) >= len(good) - 1


def test_what_is_exported_is_what_was_fitted(tmp_path):
    torch = pytest.importorskip("torch")
    from training.mammo.view.__main__ import cross_validated, write_onnx
    from training.mammo.view.fit import Samples, fit
    from training.mammo.view.network import Exported

    dice = np.random.default_rng(0)
    mlo = np.arange(80) % 2 == 0
    images = dice.uniform(0, 0.3, (80, *SHAPE)).astype(np.float32)
    images[mlo, :20, :16] += 0.6
    samples = Samples(images, dice.normal(size=(80, len(NAMES))).astype(np.float32), mlo, mlo, mlo)
    probability, right, apart = cross_validated(samples, np.arange(80) % 5)
    assert ((probability > 0.5) == mlo).all()
    assert (right == mlo).all()
    assert (apart > 0).all()
    fitted = replace(fit(samples), middle=30.0)
    write_onnx(Exported(fitted), tmp_path)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    given = {
        "image": images[:, None],
        "mirrored": mlo.astype(np.float32),
        "features": samples.features,
    }
    right_, mlo_, strange = session.run(["right", "mlo", "strangeness"], given)
    assert np.allclose(mlo_, fitted.mlo(samples), atol=1e-4)
    assert np.allclose(right_, np.where(mlo, *fitted.right[::-1]), atol=1e-5)
    apart = fitted.distance(samples)
    assert np.allclose(strange, apart / (apart + 30.0), atol=1e-3)
    assert torch.get_num_threads() >= 1
