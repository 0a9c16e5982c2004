"""Altered scans: what changes and what stays where it was."""

from __future__ import annotations

import numpy as np
import pytest
from nodule_synthetic import Ball, block, chest

from bench.nodule.alterations import ALTERATIONS, blur, noise, pixels, sharpen, shift, thickness
from bench.nodule.curve import Scored, Target
from bench.nodule.robustness import Reading, row
from bench.nodule.truth import Nodule

SPACING = (2.0, 0.7, 0.7)


@pytest.fixture(scope="module")
def scan():
    return block(Ball((1.0, 0.5, -0.7), 14.0), SPACING, noise_hu=0)


def middle_lps(volume):
    """Centre of mass of what is denser than lung."""
    weight = np.clip(volume.hu + 700, 0, None).astype(float)
    index = np.array([(weight * axis).sum() for axis in np.indices(weight.shape)]) / weight.sum()
    return volume.geometry.to_lps(index)


@pytest.mark.parametrize("name", [n for n in ALTERATIONS if "metal" not in n])
def test_nodules_stay_in_their_place(scan, name):
    altered = ALTERATIONS[name](scan)
    assert middle_lps(altered) == pytest.approx(middle_lps(scan), abs=0.3)
    assert altered.hu.min() >= -1024


@pytest.mark.parametrize("slice_mm", [1.0, 3.0, 5.0])
def test_slices_have_the_thickness_asked_for_and_means_are_kept(scan, slice_mm):
    altered = thickness(slice_mm)(scan)
    assert altered.geometry.spacing == (slice_mm, *SPACING[1:])
    assert altered.hu.shape[0] == round(scan.hu.shape[0] * 2.0 / slice_mm)
    mass = (altered.hu + 850).sum(dtype=float) * altered.geometry.voxel_volume_mm3
    before = (scan.hu + 850).sum(dtype=float) * scan.geometry.voxel_volume_mm3
    assert mass == pytest.approx(before, rel=0.02)


def test_a_slice_twice_as_thick_is_the_mean_of_two(scan):
    altered = thickness(4.0)(scan)
    assert altered.hu[3] == pytest.approx((scan.hu[6] + scan.hu[7]) / 2, abs=1e-2)
    assert altered.geometry.origin[2] == pytest.approx(scan.geometry.origin[2] + 1.0)


def test_noise_is_as_strong_as_asked_and_repeats(scan):
    added = noise(20.0)(scan).hu - scan.hu
    lung = scan.hu < -800
    assert added[lung].std() == pytest.approx(20, rel=0.05)
    assert np.array_equal(noise(20.0)(scan).hu, noise(20.0)(scan).hu)


def test_blur_lowers_and_sharpening_raises_the_steepest_edge(scan):
    def steepest(volume):
        return np.abs(np.diff(volume.hu, axis=2)).max()

    assert steepest(blur(1.0)(scan)) < 0.8 * steepest(scan)
    assert steepest(sharpen(1.5)(scan)) > 1.2 * steepest(scan)


def test_a_shifted_grid_starts_half_a_voxel_later(scan):
    altered = shift(0.5)(scan)
    assert altered.geometry.to_lps((0, 0, 0)) == pytest.approx(scan.geometry.to_lps((0.5,) * 3))


def test_metal_streaks_through_the_slices_that_hold_it_and_no_others():
    chest_scan = chest(vessels=0, spacing=(10.0, 2.4, 2.4))
    altered = ALTERATIONS["metal rods along the spine"](chest_scan)
    changed = np.abs(altered.hu - chest_scan.hu).max(axis=(1, 2)) > 0
    assert changed.sum() == 7
    assert changed[len(changed) // 2]
    k = len(changed) // 2
    assert (altered.hu[k] == 3071).sum() > 10
    lung = chest_scan.hu[k] < -800
    lung &= chest_scan.hu[k] > -900
    assert np.std((altered.hu - chest_scan.hu)[k][lung]) > 30


def test_a_patient_on_the_belly_is_the_same_scan_turned(scan):
    turned = ALTERATIONS["lying on the belly"](scan)
    assert (turned.hu == scan.hu[:, ::-1, ::-1]).all()
    assert turned.geometry.to_lps((0, 0, 0)) == pytest.approx(
        scan.geometry.to_lps((0, scan.hu.shape[1] - 1, scan.hu.shape[2] - 1))
    )


def test_pixels_have_the_size_asked_for(scan):
    assert pixels(0.9)(scan).geometry.spacing[1:] == pytest.approx((0.9, 0.9), rel=0.02)


def reading(probabilities, volumes, false=()):
    targets = tuple(Target(Nodule((0.0, 0.0, 0.0), 8.0), p) for p in probabilities)
    return Reading(Scored("a", targets, tuple(false)), tuple(volumes))


def test_a_row_compares_nodules_with_a_mark_in_both():
    before = [reading([0.9, 0.9, -1.0], [100.0, 200.0, float("nan")], [0.6])]
    after = [reading([0.9, 0.2, 0.9], [110.0, 220.0, 50.0], [0.6, 0.9])]
    assert row("unaltered", before, before, 0.5).split()[1:] == [
        "0.67",
        "(0.09",
        "to",
        "0.99)",
        "1.00",
    ]
    text = row("x", after, before, 0.5)
    assert text.split()[1:6] == ["0.67", "(0.09", "to", "0.99)", "2.00"]
    assert text.split()[6:] == ["2", "+10.0", "(+10.0", "to", "+10.0)"]
