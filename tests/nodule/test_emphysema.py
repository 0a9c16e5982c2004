"""The share of lung below -950 HU, and what makes it doubtful."""

from __future__ import annotations

import numpy as np
import pytest

from gransk.core.errors import InvalidValueError
from nodule.emphysema import NAME, cautions, measurement, share_below


def scan() -> tuple[np.ndarray, np.ndarray]:
    """Ten slices of lung at -850 HU, air outside."""
    hu = np.full((10, 20, 20), -1000, np.float32)
    lungs = np.zeros(hu.shape, bool)
    lungs[:, 5:15, 5:15] = True
    hu[lungs] = -850
    return hu, lungs


def test_the_share_is_that_of_the_lungs_alone():
    hu, lungs = scan()
    assert share_below(hu, lungs) == 0
    hu[:3, 5:10, 5:15] = -960
    assert share_below(hu, lungs) == pytest.approx(15)
    found = measurement(hu, lungs)
    assert (found.name, found.value, found.unit.value) == (NAME, 15.0, "%")


@pytest.mark.parametrize(("value", "share"), [(-950, 0), (-950.5, 100)])
def test_the_threshold_itself_is_not_below(value, share):
    hu, lungs = scan()
    hu[lungs] = value
    assert share_below(hu, lungs) == share


def test_without_lungs_there_is_no_share():
    hu, lungs = scan()
    for wrong in (lungs & False, lungs[:5]):
        with pytest.raises(InvalidValueError):
            share_below(hu, wrong)


@pytest.mark.parametrize(
    ("thickness", "kernel", "codes"),
    [
        (1.0, "B30f", []),
        (1.5, "STANDARD", []),
        (2.0, "B30f", ["emphysema_thick_slices"]),
        (1.0, "B70f", ["emphysema_sharp_kernel"]),
        (3.0, "??", ["emphysema_thick_slices", "emphysema_kernel_unknown"]),
    ],
)
def test_thick_slices_and_kernels_are_cautioned(thickness, kernel, codes):
    assert [note.code for note in cautions(thickness, kernel)] == codes
