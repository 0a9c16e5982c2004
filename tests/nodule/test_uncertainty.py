"""95 % limits of sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gransk.core.errors import InvalidValueError
from nodule.uncertainty import ErrorModel

THIN, THICK = (1.0, 0.7, 0.7), (2.5, 0.7, 0.7)


@given(st.floats(10, 20000), st.floats(0.5, 3.0), st.booleans(), st.booleans())
def test_a_volume_lies_within_its_limits(mm3, step, subsolid, attached):
    low, high = ErrorModel((step, 0.7, 0.7), subsolid, attached).volume(mm3)
    assert 0 < low < mm3 < high
    assert low * high == pytest.approx(mm3**2, rel=0.02)


def test_a_second_scan_of_a_large_nodule_differs_by_a_quarter_at_most():
    low, high = ErrorModel(THIN).volume(4000.0)
    assert 4000 * 1.17 < high < 4000 * 1.25
    assert 4000 / 1.25 < low < 4000 / 1.17


def test_limits_widen_for_small_thick_subsolid_and_attached():
    def width(model, mm3=100.0):
        low, high = model.volume(mm3)
        return high / low

    thin = width(ErrorModel(THIN))
    assert width(ErrorModel(THIN), 1000.0) < thin < width(ErrorModel(THIN), 30.0)
    assert thin < width(ErrorModel(THICK))
    assert thin < width(ErrorModel(THIN, subsolid=True))
    assert thin < width(ErrorModel(THIN, attached=True))


@given(st.floats(2, 40), st.floats(0.5, 3.0))
def test_diameters_across_slices_are_less_certain(mm, step):
    model = ErrorModel((step, 0.7, 0.7))
    low, high = model.in_plane(mm)
    wide_low, wide_high = model.in_space(mm)
    assert 0 <= wide_low <= low < mm < high <= wide_high


def test_spacings_must_be_lengths():
    with pytest.raises(InvalidValueError):
        ErrorModel((0.0, 0.7, 0.7))
