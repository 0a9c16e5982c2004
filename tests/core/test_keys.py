"""Keys: equal for equal inputs, different for whatever can change a result."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import UID

from gransk.core.keys import analysis_key, attribute_values, report_key, uid

KEY = {
    "application": "a",
    "version": "1",
    "model_digests": {"m": "0"},
    "settings": {"threshold": 0.5},
    "image_digests": ["x", "y"],
}


def test_order_of_images_does_not_matter() -> None:
    assert analysis_key(**KEY) == analysis_key(**{**KEY, "image_digests": ["y", "x"]})


@pytest.mark.parametrize(
    "change",
    [
        {"application": "b"},
        {"version": "2"},
        {"model_digests": {"m": "1"}},
        {"settings": {"threshold": 0.6}},
        {"image_digests": ["x"]},
        {"image_digests": ["x", "z"]},
    ],
)
def test_what_can_change_findings_changes_the_key(change: dict[str, object]) -> None:
    assert analysis_key(**KEY) != analysis_key(**{**KEY, **change})


def test_the_patient_changes_the_report_alone() -> None:
    first, second = Dataset(), Dataset()
    first.PatientName, second.PatientName = "Madsen^Åse", "Madsen^Aase"
    assert report_key("k", first) != report_key("k", second)
    second.PatientName = "Madsen^Åse"
    second.InstanceNumber = 7
    assert report_key("k", first) == report_key("k", second)
    assert report_key("k", first) != report_key("k", first, {"language": "da"})


def test_malformed_values_enter_as_their_bytes() -> None:
    header = Dataset()
    tag = Tag("PatientWeight")
    header[tag] = RawDataElement(tag, "DS", 4, b"abcd", 0, False, True)
    assert "abcd" in attribute_values(header, ["PatientWeight"])["PatientWeight"]


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_uids_are_valid_and_follow_from_their_parts(one: list[str], other: list[str]) -> None:
    assert UID(uid(*one)).is_valid
    assert (uid(*one) == uid(*other)) == (one == other)
