"""Which objects are input, and Orthanc's tags as pydicom headers."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from tiny import CT, DOSE_SR, SC, SEG, SR

from gransk.archive.headers import dataset, is_input

DERIVED = ["DERIVED", "SECONDARY"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"SOPClassUID": CT, "Modality": "CT"}, True),
        ({"SOPClassUID": CT, "Modality": "CT", "Manufacturer": "Gransk"}, True),
        ({"SOPClassUID": CT, "SeriesDescription": "Low dose chest"}, True),
        ({"SOPClassUID": CT, "SeriesDescription": "Dose info", "ImageType": DERIVED}, False),
        ({"SOPClassUID": CT, "ImageType": [*DERIVED, "DOSE_INFO"]}, False),
        ({"SOPClassUID": CT, "ImageType": [*DERIVED, "MIP"]}, True),
        ({"SOPClassUID": SR, "Modality": "SR"}, False),
        ({"SOPClassUID": DOSE_SR, "Modality": "SR"}, False),
        ({"SOPClassUID": SEG, "Modality": "SEG"}, False),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1", "Modality": "PR"}, False),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1", "Modality": "DOC"}, False),
        ({"SOPClassUID": SC, "Modality": "OT", "Manufacturer": "Gransk"}, False),
        ({"SOPClassUID": SC, "Modality": "OT", "Manufacturer": "Other"}, True),
        ({"SOPClassUID": SC, "SeriesDescription": "Patient Protocol"}, False),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2", "Modality": "MG"}, True),
        ({}, True),
    ],
)
def test_input(values: dict[str, Any], wanted: bool) -> None:
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    assert is_input(header) is wanted


def tag(value: Any, kind: str = "String") -> dict[str, Any]:
    return {"Name": "any", "Type": kind, "Value": value}


def test_values_have_their_types() -> None:
    header = dataset(
        {
            "0010,0010": tag("Ærø^Åse"),
            "0020,0032": tag("-1.5\\2\\3e1"),
            "0028,0010": tag("512"),
            "0028,0120": tag("-2000"),
            "0028,1050": tag("40\\50"),
            "0008,0008": tag("ORIGINAL\\PRIMARY"),
            "0008,0005": tag("ISO_IR 192"),
        },
        "1.2.840.10008.1.2.4.80",
    )
    assert str(header.PatientName) == "Ærø^Åse"
    assert list(header.ImagePositionPatient) == [-1.5, 2.0, 30.0]
    assert (header.Rows, header.PixelPaddingValue) == (512, -2000)
    assert list(header.WindowCenter) == [40, 50]
    assert list(header.ImageType) == ["ORIGINAL", "PRIMARY"]
    assert header.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.80"


def test_sequences() -> None:
    item = {
        "0018,9074": tag("20240101"),
        "0008,1140": tag([{"0008,1155": tag("1.2.3")}], "Sequence"),
    }
    header = dataset({"5200,9230": tag([item], "Sequence")})
    inner = header.PerFrameFunctionalGroupsSequence[0]
    assert inner.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "1.2.3"


def test_damaged_tags_are_left_out() -> None:
    header = dataset(
        {
            "0028,0010": tag("many"),
            "0020,0032": tag("a\\b\\c"),
            "0009,1001": tag("private"),
            "7fe0,0010": tag(None, "Null"),
            "0040,a730": tag("not a list", "Sequence"),
            "nonsense": tag("x"),
            "0010,0020": "x",
            "0008,0060": tag("CT"),
            "0008,0018": tag("not a UID"),
        }
    )
    assert {element.keyword for element in header} == {"Modality", "SOPInstanceUID"}


def test_deep_nesting_ends() -> None:
    tags: dict[str, Any] = {"0008,0060": tag("CT")}
    for _ in range(200):
        tags = {"0040,a730": tag([tags], "Sequence")}
    assert "ContentSequence" in dataset(tags)


@pytest.mark.parametrize(
    ("characters", "parts"),
    [
        ("ISO_IR 13", ["DERIVED", "SECONDARY"]),
        ("ISO 2022 IR 13¥ISO 2022 IR 87", ["DERIVED", "SECONDARY"]),
        ("ISO_IR 138", "DERIVED¥SECONDARY"),
    ],
)
def test_a_yen_sign_separates_where_it_is_drawn_for_the_separator(
    characters: str, parts: Any
) -> None:
    header = dataset(
        {
            "0008,0005": tag(characters),
            "0008,0008": tag("DERIVED¥SECONDARY"),
            "0008,1140": tag([{"0008,0008": tag("DERIVED¥SECONDARY")}], "Sequence"),
        }
    )
    assert header.ImageType == parts
    assert header.ReferencedImageSequence[0].ImageType == parts
