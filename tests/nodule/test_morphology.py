import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nodule_synthetic import Ball, block
from scipy.special import expit

from bench.nodule.morphology import auc, bins, confusion, judged_part, kappa
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval
from gransk.core.volume import Volume
from nodule.measurement import Texture
from nodule.morphology import BATCH, MODEL_ID, VIEW_STEPS_MM, Morphology, MorphologyReading, view
from nodule.segmentation import segment
from nodule.segmenter import MODEL_ID as SEGMENTER_ID
from nodule.segmenter import Segmenter
from training.nodule.morphology.calibrate import calibrate
from training.nodule.morphology.ratings import Ratings

MODELS = Path(__file__).parents[2] / "onnx_models"
DATA = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[2] / "../shared/data"))
READING = MorphologyReading(0.1, 0.2, 0.7, 0.3, 0.4, 0.5, 0.6)


@pytest.fixture(scope="module")
def morphology():
    return Morphology(ModelLibrary(MODELS, threads=1).load(MODEL_ID))


def middle(volume):
    k, j, i = ((n - 1) / 2 for n in volume.hu.shape)
    return k, j, i


def ball(diameter_mm, hu=30.0, spacing=(2.0, 0.7, 0.7)):
    """A ball in a block of lung, and its outline."""
    volume = block(Ball((0.0, 0.0, 0.0), diameter_mm, hu), spacing)
    return volume, segment(volume, middle(volume))


def without_slices(volume, mask, below, above):
    """The volume from some slices below the mask to some above it, and the mask there."""
    first = mask.origin[0] - below
    hu = volume.hu[first : mask.origin[0] + mask.shape[0] + above].copy()
    part = Volume(hu, replace(volume.geometry, shape=hu.shape))
    return part, Mask.from_array(mask.to_array(), (below, *mask.origin[1:]))


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize("name", ["ground_glass", "calcified", "spiculated", "malignancy"])
def test_a_reading_refuses_what_is_no_probability(name, value):
    with pytest.raises(InvalidValueError):
        replace(READING, **{name: value})


def test_a_reading_refuses_textures_whose_sum_is_not_one():
    with pytest.raises(InvalidValueError):
        replace(READING, solid=0.6)


def test_the_texture_is_the_most_probable():
    assert READING.texture is Texture.SOLID
    assert replace(READING, ground_glass=0.7, solid=0.1).texture is Texture.GROUND_GLASS
    assert replace(READING, part_solid=0.7, solid=0.2).texture is Texture.PART_SOLID


@pytest.mark.parametrize("spacing", [(2.5, 0.8, 0.8), (1.0, 0.6, 0.6), (0.6, 0.4, 0.4)])
@pytest.mark.parametrize(("below", "above"), [(0, 0), (0, 3), (2, 0), (1, 1)])
def test_missing_slices_beside_the_nodule_change_nothing(morphology, spacing, below, above):
    volume, mask = ball(9, spacing=spacing)
    rng = np.random.default_rng(0)
    volume = Volume(volume.hu + rng.normal(0, 60, volume.hu.shape).astype(np.float32),
                    volume.geometry)  # fmt: skip
    whole = morphology.judge(volume, middle(volume), mask)
    part, moved = without_slices(volume, mask, below, above)
    assert part.hu.shape[0] < volume.hu.shape[0]
    assert np.array_equal(view(part, moved), view(volume, mask))
    assert morphology.judge(part, middle(part), moved) == whole


def test_the_view_shows_the_ball_in_its_middle_at_its_size_and_air_beyond():
    volume, mask = ball(12)
    hu, share = view(volume, mask)
    assert hu[7, 20:28, 20:28].mean() == pytest.approx(30, abs=15)
    seen = share.sum() * np.prod(VIEW_STEPS_MM)
    assert seen == pytest.approx(mask.to_array().sum() * np.prod(volume.geometry.spacing), rel=0.1)
    assert np.all(hu[0] == -1000)
    assert np.all(share[0] == 0)
    assert hu[7, 2, 2] == pytest.approx(-850, abs=60)


def test_a_nodule_of_one_thin_slice_is_seen():
    volume, _ = ball(10, spacing=(0.5, 0.7, 0.7))
    k, j, i = (int(m) for m in middle(volume))
    mask = Mask.from_array(np.ones((1, 5, 5), bool), (k, j - 2, i - 2))
    assert view(volume, mask)[1].max() > 0.9


def test_a_nodule_at_the_edge_of_the_scan_is_seen():
    volume, mask = ball(10)
    k, j, i = mask.origin
    hu = volume.hu[:, j:, i:].copy()
    part = Volume(hu, replace(volume.geometry, shape=hu.shape))
    moved = Mask.from_array(mask.to_array(), (k, 0, 0))
    whole, cut = view(volume, mask), view(part, moved)
    assert np.allclose(whole[:, :, 26:, 26:], cut[:, :, 26:, 26:], atol=1)


def test_a_mask_that_is_empty_or_outside_is_refused():
    volume, mask = ball(10)
    with pytest.raises(InvalidValueError):
        view(volume, Mask.from_array(np.zeros((2, 2, 2), bool), (0, 0, 0)))
    with pytest.raises(InvalidValueError):
        view(volume, Mask.from_array(mask.to_array(), (volume.hu.shape[0] - 1, 0, 0)))


def test_without_a_mask_the_nodule_is_outlined_first(morphology):
    volume, mask = ball(10)
    at = middle(volume)
    assert morphology.judge(volume, at) == morphology.judge(volume, at, mask)


def test_many_nodules_are_judged_in_order(morphology):
    volume, mask = ball(10)
    small = Mask.from_array(np.ones((1, 3, 3), bool), (2, 5, 5))
    masks = [mask if n % 3 else small for n in range(BATCH + 5)]
    readings = morphology.judge_all(volume, masks)
    for one, reading in zip(masks, readings, strict=True):
        alone = morphology.judge(volume, middle(volume), one)
        assert reading.malignancy == pytest.approx(alone.malignancy, abs=1e-4)
    assert readings[0] != readings[1]
    assert morphology.judge_all(volume, []) == []


def test_balls_have_the_texture_of_their_density(morphology):
    solid = morphology.judge(*(b := ball(10, 30.0))[:1], middle(b[0]), b[1])
    glass = morphology.judge(*(b := ball(14, -620.0))[:1], middle(b[0]), b[1])
    assert solid.texture is Texture.SOLID
    assert glass.texture is Texture.GROUND_GLASS


def test_dense_balls_are_calcified_and_large_ones_suspicious(morphology):
    def judged(diameter_mm, hu):
        volume, mask = ball(diameter_mm, hu)
        return morphology.judge(volume, middle(volume), mask)

    assert judged(8, 700.0).calcified > 0.7
    assert judged(8, 20.0).calcified < 0.4
    assert judged(22, 20.0).malignancy > judged(5, 20.0).malignancy + 0.15


def test_the_shipped_model_is_small_and_says_that_it_repeats_readers(morphology):
    folder = MODELS / MODEL_ID
    card = ModelLibrary(MODELS).card(MODEL_ID)
    assert (folder / card.file).stat().st_size < 2 * 2**20
    assert card.research
    assert any("no probability of cancer" in limit for limit in card.limits)


@pytest.mark.parametrize(
    ("texture", "kind"), [(1, 0), (2, 0), (2.5, 1), (3.5, 1), (4, 2), (5, 2)]
)  # fmt: skip
def test_ratings_of_texture_make_three_kinds(texture, kind):
    assert Ratings(3, texture, 6, 1, 1).kind == kind


def test_traits_are_what_half_of_the_readers_saw():
    assert Ratings(1, 5, 6, 2.5, 2.5).traits == (False, False, False)
    assert Ratings(1, 5, 4.5, 3, 1).traits == (True, True, False)
    assert Ratings(5, 5, 6, 1, 3).traits == (False, False, True)
    assert [Ratings(m, 5, 6, 1, 1).suspicion for m in (1, 3, 5)] == [0, 0.5, 1]


def test_calibration_makes_over_sure_logits_come_true():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1.5, (4000, 7))
    rest = (rng.random((4000, 4)) < expit(true[:, 3:] - 1)).astype(float)
    kinds = (true[:, :3] + rng.gumbel(size=(4000, 3))).argmax(1)
    fitted = calibrate(3 * true, kinds, rest)
    assert fitted.scale == pytest.approx(np.full(7, 1 / 3), rel=0.12)
    assert fitted.shift[3:] == pytest.approx(np.full(4, -1), abs=0.15)
    given = fitted.rest(3 * true)[:, 0]
    high = given > 0.7
    assert given[high].mean() == pytest.approx(rest[high, 0].mean(), abs=0.05)
    assert fitted.texture(3 * true).sum(axis=1) == pytest.approx(np.ones(4000))


def test_calibrated_probabilities_of_rare_kinds_have_their_share_as_mean():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (300, 7))
    rest = (rng.random((300, 4)) < expit(logits[:, 3:] - 4)).astype(float)
    kinds = np.r_[np.zeros(9, int), np.ones(4, int), np.full(287, 2)]
    fitted = calibrate(logits, kinds, rest)
    assert rest.mean() < 0.1
    assert fitted.rest(logits).mean(axis=0) == pytest.approx(rest.mean(axis=0), abs=1e-3)
    share = np.bincount(kinds) / 300
    assert fitted.texture(logits).mean(axis=0) == pytest.approx(share, abs=1e-3)


def test_auc_and_kappa_have_their_known_values():
    score = np.array([0.1, 0.4, 0.35, 0.8])
    assert auc(score, np.array([False, False, True, True])) == 0.75
    assert auc(np.ones(4), np.array([False, True, True, False])) == 0.5
    assert math.isnan(auc(score, np.ones(4, bool)))
    wanted = np.array([0, 0, 1, 1, 2, 2])
    assert kappa(wanted, wanted) == 1
    assert kappa(np.array([0, 1, 1, 2, 2, 0]), wanted) == pytest.approx(0.25)
    assert confusion(np.array([2, 2]), np.array([0, 2])).tolist() == [[0, 0, 1], [0, 0, 0],
                                                                      [0, 0, 1]]  # fmt: skip


def test_the_interval_draws_patients_and_not_nodules():
    values = np.arange(40.0)
    alone = interval(["same"] * 40, lambda rows: float(values[rows].mean()))
    assert alone == (values.mean(), values.mean())
    low, high = interval([str(n) for n in range(40)], lambda rows: float(values[rows].mean()))
    assert low < values.mean() < high
    pairs = interval([str(n // 20) for n in range(40)], lambda rows: float(values[rows].mean()))
    assert pairs == (9.5, 29.5)


def test_bins_hold_every_case_once():
    score = np.array([0.0, 0.04, 0.2, 0.7, 1.0])
    lines = bins(score, np.array([0.0, 1.0, 0.0, 1.0, 1.0]))
    assert [line.split("n")[1].split()[0] for line in lines] == ["2", "1", "2"]
    assert "observed 0.500" in lines[0]


@pytest.mark.skipif(
    not (DATA / "lidc_nodules").is_dir(), reason=f"no lidc_nodules in {DATA}; set GRANSK_DATA"
)
def test_readers_ratings_of_patients_never_fitted_are_repeated(morphology):
    segmenter = Segmenter(ModelLibrary(MODELS, threads=1).load(SEGMENTER_ID))
    found = judged_part(DATA, "test", segmenter, morphology, np.random.default_rng(0))
    clear = [j for j in found if abs(j.ratings.malignancy - 3) >= 1]
    worry = np.array([j.reading.malignancy for j in clear])
    assert auc(worry, np.array([j.ratings.malignancy > 3 for j in clear])) > 0.85
    calcified = np.array([j.reading.calcified for j in found])
    assert auc(calcified, np.array([j.ratings.traits[0] for j in found])) > 0.85
