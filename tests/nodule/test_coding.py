"""A measured nodule as coded measurements and properties."""

from __future__ import annotations

import pytest
from nodule_synthetic import Ball, block, index_of

from nodule.coding import PROPERTIES, measurements, qualities
from nodule.measurement import measure
from nodule.morphology import MorphologyReading
from nodule.segmentation import segment
from nodule.uncertainty import ErrorModel


@pytest.fixture(scope="module")
def measured():
    volume = block(Ball((0, 0, 0), 14), (1.25, 0.7, 0.7))
    return measure(volume, segment(volume, index_of(volume, Ball((0, 0, 0), 14))))


def test_numbers_and_their_planes_are_named(measured):
    found = {m.name: m for m in measurements(measured, ErrorModel((1.25, 0.7, 0.7)))}
    assert found["long_axis_mm"].value == pytest.approx(measured.long_axis.length_mm, abs=0.01)
    assert "axial" in found["long_axis_mm"].method
    assert measured.greatest.view.value in found["greatest_plane_long_axis_mm"].method
    assert found["longest_diameter_3d_mm"].concept.scheme == "IBSI"
    assert found["mean_diameter_mm"].concept.value == "RID50155"
    assert found["mean_hu"].concept.value == "112181"
    assert "solid_part_volume_mm3" not in found
    assert "pleural_contact_percent" not in found
    low, high = found["volume_mm3"].interval
    assert low < 1437 < high


def test_properties_have_codes_and_unknown_ones_are_left_out(measured):
    found = {q.name: q for q in qualities(measured)}
    assert found["texture"].value.value == "RID5741"
    assert found["perifissural"].value.value == "NOT-ASSESSED"
    assert found["perifissural_reason"].value.value == "NO-LUNGS"
    assert "side" not in found
    assert found["lobe"].value.value == "UNCERTAIN"
    for name, (concept, values) in PROPERTIES.items():
        assert len({(c.scheme, c.value) for c in values.values()}) == len(values)
        if name in found:
            assert found[name].concept == concept


def test_a_models_word_on_looks_is_added(measured):
    looks = MorphologyReading(0.1, 0.2, 0.7, calcified=0.1, spiculated=0.6, lobulated=0.3,
                              malignancy=0.4)  # fmt: skip
    numbers = {m.name: m for m in measurements(measured, ErrorModel((1.0, 0.7, 0.7)), looks)}
    expected = {"ground_glass": 0.1, "part_solid": 0.2, "solid": 0.7}
    expected |= {"calcified": 0.1, "spiculated": 0.6, "lobulated": 0.3}
    for name, value in expected.items():
        assert numbers[f"{name}_probability"].value == value
        assert numbers[f"{name}_probability"].unit.value == "1"
