"""Muscle, nipple and posterior nipple line, on drawn breasts and on a real one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mammogram_objects import read
from mammogram_phantom import NIPPLE, PIXEL_MM, drawn

from mammo.image.anatomy import find_anatomy
from mammo.image.grid import SPACING_MM, prepare
from mammo.image.pixels import read_pixels
from mammo.view import Projection

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data"))


def found(image, projection=Projection.MLO):
    prepared = prepare(image, (PIXEL_MM, PIXEL_MM))
    return prepared, find_anatomy(prepared, projection)


def native_mm(prepared, point):
    return prepared.to_native(point) * PIXEL_MM


@pytest.mark.parametrize("muscle", [(45.0, 100.0), (30.0, 130.0), (50.0, 80.0)])
def test_the_muscles_edge_is_found_where_it_was_drawn(muscle):
    prepared, anatomy = found(drawn(muscle))
    edge = native_mm(prepared, anatomy.edge)
    drawn_at = muscle[0] * (1 - edge[:, 1] / muscle[1])
    high = edge[:, 1] < 0.8 * muscle[1]
    assert np.abs(edge[high, 0] - drawn_at[high]).mean() < 2.0
    truth = muscle[0] * muscle[1] / 2
    assert anatomy.pectoral.sum() * SPACING_MM**2 == pytest.approx(truth, rel=0.12)
    assert not (anatomy.pectoral & ~prepared.breast).any()


def test_a_muscle_that_is_not_there_is_not_found():
    _, anatomy = found(drawn(muscle=None))
    assert anatomy.edge == ()
    assert not anatomy.pectoral.any()
    assert anatomy.muscle_to_line_mm is None


def test_no_muscle_is_looked_for_in_cc():
    _, anatomy = found(drawn(), Projection.CC)
    assert anatomy.edge == ()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_nipple_is_found_on_the_skin(mirrored):
    image = drawn()
    prepared, anatomy = found(image[:, ::-1] if mirrored else image)
    assert prepared.mirrored is mirrored
    column, row = native_mm(prepared, anatomy.nipple)
    if mirrored:
        column = image.shape[1] * PIXEL_MM - column
    assert row == pytest.approx(NIPPLE[1], abs=4.0)
    assert column == pytest.approx(NIPPLE[0] + 5, abs=4.0)
    assert anatomy.in_profile


def test_a_nipple_that_does_not_stand_out_is_the_most_protruding_point():
    prepared, anatomy = found(drawn(nipple_mm=0), Projection.CC)
    assert not anatomy.in_profile
    assert native_mm(prepared, anatomy.nipple)[1] == pytest.approx(NIPPLE[1], abs=8.0)


def test_the_posterior_nipple_line_in_cc_runs_straight_to_the_edge():
    _, anatomy = found(drawn(), Projection.CC)
    assert anatomy.line_end == (0.0, anatomy.nipple[1])
    assert anatomy.line_mm == pytest.approx(NIPPLE[0] + 5, abs=4.0)


def test_the_posterior_nipple_line_in_mlo_ends_at_the_muscle_at_a_right_angle():
    prepared, anatomy = found(drawn((50.0, 170.0)))
    line = np.subtract(anatomy.nipple, anatomy.line_end)
    along = np.subtract(anatomy.edge[-1], anatomy.edge[0])
    cosine = line @ along / np.linalg.norm(line) / np.linalg.norm(along)
    assert abs(cosine) < 0.02
    column, row = native_mm(prepared, anatomy.line_end)
    assert column == pytest.approx(50 * (1 - row / 170), abs=3.0)
    assert anatomy.muscle_to_line_mm > 0


def test_a_muscle_that_ends_above_the_line_is_told_by_how_much():
    _, short = found(drawn((20.0, 50.0)))
    _, longer = found(drawn((20.0, 75.0)))
    assert short.muscle_to_line_mm < longer.muscle_to_line_mm < 0
    # The line meets the image's edge before the muscle.
    assert short.line_end[0] == pytest.approx(0, abs=1e-6)


def test_a_real_right_mlo():
    path = DATA / "mg" / "ge_senographe_essential_r_mlo.dcm"
    if not path.exists():
        pytest.skip("the GE image is not there: set GRANSK_DATA")
    prepared = read_pixels(read(path.read_bytes())).prepared()
    anatomy = find_anatomy(prepared, Projection.MLO)
    inside, beside = anatomy.pectoral, prepared.breast & ~anatomy.pectoral
    assert 0.03 < inside.sum() / prepared.breast.sum() < 0.5
    assert prepared.grey[inside].mean() > prepared.grey[beside].mean() + 0.1
