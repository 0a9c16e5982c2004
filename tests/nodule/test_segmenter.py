from pathlib import Path

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest, index_of
from test_segmentation import ball_mask, dice, full
from threshold_model import threshold_model

from gransk.core.errors import InvalidValueError, ModelError
from gransk.core.models import ModelLibrary
from nodule.lungs import segment_lungs
from nodule.segmentation import segment
from nodule.segmenter import MODEL_ID, SIZE, STEPS_MM, Segmenter, cube

MODELS = Path(__file__).parents[2] / "onnx_models"
SPACINGS = [(0.7, 0.6, 0.6), (1.25, 0.7, 0.7), (2.5, 0.75, 0.75), (3.0, 0.9, 0.9)]


@pytest.fixture
def dense(tmp_path):
    """Takes what is denser than -400 HU, so that only the way round the network counts."""
    return Segmenter(threshold_model(tmp_path), 0.5)


@pytest.fixture(scope="module")
def shipped():
    return Segmenter(ModelLibrary(MODELS, 1).load(MODEL_ID))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_cube_shows_the_scan_at_the_right_place_and_air_outside_it(spacing):
    volume = block(Ball((0.0, 0.0, 0.0), 10), spacing)
    j, i = np.indices(volume.hu.shape)[1:]
    volume.hu[:] = -800 + 3 * j + 5 * i
    centre = np.array([1.0, 24.3, 25.6])
    seen = cube(volume, centre, STEPS_MM[0])
    reach = (np.arange(SIZE) - (SIZE - 1) / 2) * STEPS_MM[0]
    across = (
        -800 + 3 * (centre[1] + reach[:, None] / spacing[1]) + 5 * (centre[2] + reach / spacing[2])
    )
    inside = reach / spacing[0] + centre[0] >= 0
    beyond = reach / spacing[0] + centre[0] < -0.5
    assert np.allclose(seen[inside], across, atol=1)
    assert beyond.any()
    assert (seen[beyond] == -1000).all()


@pytest.mark.parametrize("spacing", SPACINGS[1:])
@pytest.mark.parametrize("diameter", [6.0, 15.0, 30.0, 40.0])
def test_a_ball_of_any_size_is_outlined_whole_on_the_scans_grid(dense, spacing, diameter):
    ball = Ball((0.4, -0.3, 0.2), diameter)
    volume = block(ball, spacing)
    k, j, i = index_of(volume, ball)
    mask = dense.segment(volume, (k, j + 1.0 / spacing[1], i))
    assert dice(full(volume, mask), ball_mask(volume, ball)) > (0.8 if diameter < 8 else 0.93)


def test_what_does_not_fit_the_wide_cube_gets_the_classical_outline(dense):
    ball = Ball((0.0, 0.0, 0.0), 56)
    volume = block(ball, (2.5, 1.2, 1.2))
    centre = index_of(volume, ball)
    assert dense.segment(volume, centre) == segment(volume, centre)


def test_where_the_network_sees_nothing_the_classical_outline_is_given(dense):
    ball = Ball((0.0, 0.0, 0.0), 12, -600.0)
    volume = block(ball, (1.25, 0.7, 0.7))
    centre = index_of(volume, ball)
    mask = dense.segment(volume, centre)
    assert mask == segment(volume, centre)
    assert dice(full(volume, mask), ball_mask(volume, ball)) > 0.85


def test_only_the_part_that_holds_the_point_is_taken(dense):
    ball = Ball((0.0, 0.0, 0.0), 8)
    volume = block(ball, (1.0, 0.7, 0.7))
    k, j, i = (round(v) for v in index_of(volume, ball))
    volume.hu[k - 1 : k + 2, j + 12 : j + 16, i - 2 : i + 2] = 30
    mask = full(volume, dense.segment(volume, (k, j, i)))
    assert not mask[:, j + 10 :].any()
    assert dice(mask, ball_mask(volume, ball)) > 0.85


def test_nothing_far_outside_the_lungs_is_nodule(dense):
    ball = Ball((0.0, 0.0, 0.0), 10)
    volume = block(ball, (1.0, 0.7, 0.7))
    centre = index_of(volume, ball)
    lungs = np.ones(volume.hu.shape, bool)
    edge = round(centre[2])
    lungs[:, :, edge + 1 :] = False
    mask = full(volume, dense.segment(volume, centre, lungs))
    assert mask[:, :, edge + 1].any()
    assert not mask[:, :, edge + 1 + int(3.5 / 0.7) :].any()


def test_a_point_outside_the_scan_or_lungs_of_another_scan_are_refused(dense):
    volume = block(Ball((0, 0, 0), 4), (2.5, 0.7, 0.7))
    with pytest.raises(InvalidValueError):
        dense.segment(volume, (-3.0, 5.0, 5.0))
    with pytest.raises(InvalidValueError):
        dense.segment(volume, (2.0, 5.0, 5.0), np.ones((2, 2, 2), bool))


def test_a_threshold_is_needed_and_lies_between_0_and_1(tmp_path):
    model = threshold_model(tmp_path)
    with pytest.raises(ModelError):
        Segmenter(model)
    with pytest.raises(InvalidValueError):
        Segmenter(model, 1.0)


@pytest.mark.parametrize("spacing", SPACINGS[1:3])
@pytest.mark.parametrize("diameter", [6.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("hu", [30.0, -600.0])
def test_the_shipped_network_outlines_balls(shipped, spacing, diameter, hu):
    ball = Ball((0.4, -0.3, 0.2), diameter, hu)
    volume = block(ball, spacing)
    k, j, i = index_of(volume, ball)
    mask = shipped.segment(volume, (k, j + 1.0 / spacing[1], i))
    assert dice(full(volume, mask), ball_mask(volume, ball)) > (0.7 if diameter < 8 else 0.8)


def test_the_shipped_network_leaves_the_wall_and_the_vessel_out(shipped):
    ball = Ball((0.0, 0.0, -110.0), 16)
    volume = chest([ball], vessels=0)
    lungs = segment_lungs(volume)
    mask = full(volume, shipped.segment(volume, index_of(volume, ball), lungs))
    assert mask.sum() < 1.4 * ball_mask(volume, ball).sum()
    ball = Ball((0.0, 0.0, 0.0), 12)
    volume = block(ball, (1.0, 0.7, 0.7))
    middle = [(n - 1) / 2 for n in volume.hu.shape]
    k, j, _ = np.indices(volume.hu.shape)
    volume.hu[np.hypot((k - middle[0]) * 1.0, (j - middle[1]) * 0.7) < 1.6] = 30
    mask = full(volume, shipped.segment(volume, index_of(volume, ball)))
    assert dice(mask, ball_mask(volume, ball)) > 0.85
