"""Diameters in a plane, in the greatest plane and in space."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nodule.axes import View, axes, greatest_plane, longest_mm, maximum_transverse_mm, plane_axes

SPACING = (1.0, 0.5, 0.5)


def ellipsoid(radii_mm, spacing=SPACING, turn=0.0):
    """Share of each voxel in an ellipsoid, turned about the left-right axis by an angle."""
    counts = [2 * int(np.ceil((max(radii_mm) + 3) / s)) + 1 for s in spacing]
    k, j, i = (
        g * s
        for g, s in zip(
            np.meshgrid(*[np.arange(n) - n // 2 for n in counts], indexing="ij"),
            spacing,
            strict=True,
        )
    )
    u, v = np.cos(turn) * k + np.sin(turn) * j, np.cos(turn) * j - np.sin(turn) * k
    away = np.sqrt((u / radii_mm[0]) ** 2 + (v / radii_mm[1]) ** 2 + (i / radii_mm[2]) ** 2)
    return np.clip((1 - away) * min(radii_mm) + 0.5, 0, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("radii", "view", "long_axis", "short_axis"),
    [
        ((4, 8, 5), View.AXIAL, 16, 10),
        ((9, 4, 6), View.CORONAL, 18, 12),
        ((9, 6, 4), View.SAGITTAL, 18, 12),
    ],
)
def test_the_plane_of_greatest_dimension_is_taken(radii, view, long_axis, short_axis):
    shares = ellipsoid(radii)
    axial = plane_axes(shares, (0, 0, 0), SPACING, View.AXIAL)
    assert axial.long_axis.length_mm == pytest.approx(2 * max(radii[1:]), abs=0.25)
    found = greatest_plane(shares, (0, 0, 0), SPACING, axial)
    assert found.view is view
    assert found.long_axis.length_mm == pytest.approx(long_axis, abs=0.3)
    assert found.short_axis.length_mm == pytest.approx(short_axis, abs=0.3)
    assert found.mean_mm == pytest.approx((long_axis + short_axis) / 2, abs=0.3)


def test_a_ball_is_measured_in_the_axial_plane_even_where_slices_are_coarse():
    for spacing in ((2.5, 0.7, 0.7), (1.25, 0.7, 0.7)):
        shares = ellipsoid((6, 6, 6), spacing)
        axial = plane_axes(shares, (0, 0, 0), spacing, View.AXIAL)
        assert greatest_plane(shares, (0, 0, 0), spacing, axial) is axial


def test_diameters_in_space_follow_a_turned_nodule():
    shares = ellipsoid((10, 4, 4), turn=np.radians(35))
    assert longest_mm(shares, SPACING) == pytest.approx(20, abs=0.4)
    axial = plane_axes(shares, (0, 0, 0), SPACING, View.AXIAL)
    assert axial.long_axis.length_mm < 13
    assert maximum_transverse_mm(shares, SPACING) >= axial.long_axis.length_mm - 1e-6


def test_the_longest_transverse_diameter_may_lie_beside_the_largest_slice():
    array = np.zeros((5, 40, 40), bool)
    array[1, 10:22, 10:22] = True
    array[3, 20:22, 5:35] = True
    axial = plane_axes(array, (7, 0, 0), (1.0, 1.0, 1.0), View.AXIAL)
    assert axial.index == 8
    assert axial.long_axis.length_mm < 18
    assert maximum_transverse_mm(array, (1.0, 1.0, 1.0)) > 29


def test_the_edge_runs_where_the_share_is_half():
    for shift in (0.0, 0.2, 0.4):
        row = np.clip(6.0 + shift - np.abs(np.arange(21) - 10.0), 0, 1)
        plane = np.pad(np.repeat(row[None], 3, axis=0), ((1, 1), (0, 0))).astype(np.float32)
        long_axis, _ = axes(plane, (1.0, 1.0), (0, 0))
        assert abs(long_axis.end[0] - long_axis.start[0]) == pytest.approx(11 + 2 * shift, abs=0.2)


def test_planes_name_the_scans_own_indices():
    shares = ellipsoid((9, 4, 6))
    origin = (30, 100, 200)
    found = plane_axes(shares, origin, SPACING, View.CORONAL)
    assert found.index == 100 + shares.shape[1] // 2
    assert found.long_axis.start[0] > 200


def test_a_large_nodule_takes_little_time():
    shares = ellipsoid((15, 15, 15), (0.6, 0.6, 0.6))
    started = time.process_time()
    axial = plane_axes(shares, (0, 0, 0), (0.6, 0.6, 0.6), View.AXIAL)
    greatest_plane(shares, (0, 0, 0), (0.6, 0.6, 0.6), axial)
    maximum_transverse_mm(shares, (0.6, 0.6, 0.6))
    longest_mm(shares, (0.6, 0.6, 0.6))
    assert time.process_time() - started < 1.0
