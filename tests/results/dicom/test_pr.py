"""Presentation states: graphics and text alone, read and rendered by dcmtk."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import (
    COLUMNS,
    ROWS,
    SPACING,
    by_kind,
    ct_headers,
    findings_of,
    make,
    nodule,
    read,
    tool,
    with_pixels,
)
from PIL import Image, ImageDraw
from pydicom import Dataset

from gransk.core.findings import FrameRef, Region
from gransk.results.acts import Signature
from gransk.results.dicom.objects import Predecessor

SIGNATURE = Signature(
    person="Dorte Doctor",
    role="radiologist",
    at=datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC),
)
K = 5
"""Of the slice in the middle of the first nodule."""


def states(headers: list[Dataset], findings, **changes) -> list[Dataset]:
    return [read(o) for o in make(headers, findings, **changes) if o.kind == "PR"]


def rendered(image: Path, state: Path | None = None, saved: Path | None = None) -> bytes:
    """The image as dcmtk shows it: alone, or under a presentation state."""
    given = [] if state is None else ["--pstate", state]
    kept = [] if saved is None else ["--save-pstate", saved]
    out = image.with_suffix(".pgm")
    done = subprocess.run(
        [tool("dcmp2pgm"), *given, *kept, image, out], capture_output=True, check=True
    )
    assert done.stderr == b"", done.stderr
    return out.read_bytes()


def table(name: str) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    item.LUTExplanation = name
    item.add_new("LUTData", "OW", np.sqrt(np.arange(4096) * 4095).astype("<u2").tobytes())
    return item


def none(header: Dataset, k: int) -> None:
    """An image that says nothing of its display."""


def window(header: Dataset, k: int) -> None:
    header.WindowCenter, header.WindowWidth = "-600", "1500"


def windows(header: Dataset, k: int) -> None:
    header.WindowCenter, header.WindowWidth = ["40", "-600"], [str(300 + 50 * k), "1500"]


def some(header: Dataset, k: int) -> None:
    if k % 2:
        window(header, k)


def sigmoid(header: Dataset, k: int) -> None:
    window(header, k)
    header.VOILUTFunction = "SIGMOID"


def rescaled(header: Dataset, k: int) -> None:
    window(header, k)
    header.RescaleIntercept, header.RescaleSlope = "-1024", "1.5"
    del header.RescaleType


def voi_table(header: Dataset, k: int) -> None:
    window(header, k)
    header.VOILUTSequence = [table("CURVED"), table("OTHER")]


def white(header: Dataset, k: int) -> None:
    window(header, k)
    header.PhotometricInterpretation = "MONOCHROME1"


@pytest.mark.parametrize(
    "shown", [none, window, windows, some, sigmoid, rescaled, voi_table, white]
)
def test_dcmtk_shows_the_images_as_they_are_without_it(shown, tmp_path):
    headers = with_pixels(ct_headers())
    for k, header in enumerate(headers):
        shown(header, k)
    findings = findings_of(headers, nodule(1, headers, (K, 30, 40)))
    made = by_kind(make(headers, findings), "PR")
    state, bare = tmp_path / "pr.dcm", tmp_path / "bare.dcm"
    state.write_bytes(made.content)
    touched = read(made)
    touched.SoftcopyVOILUTSequence = [Dataset()]
    touched.SoftcopyVOILUTSequence[0].WindowCenter = "77"
    touched.SoftcopyVOILUTSequence[0].WindowWidth = "99"
    touched.save_as(bare)
    for k in (K, K + 1):
        image = tmp_path / f"{k}.dcm"
        pydicom.dcmwrite(image, headers[k], enforce_file_format=True)
        alone = rendered(image)
        assert rendered(image, state) == alone
        assert rendered(image, bare) != alone
    check = subprocess.run([tool("dcmpschk"), state], capture_output=True, text=True, check=False)
    assert "Test passed" in check.stderr


def test_nothing_but_graphics_and_text(headers, two_nodules):
    (state,) = states(headers, two_nodules)
    for keyword in (
        "ImageRotation", "ImageHorizontalFlip", "ShutterShape", "MaskSubtractionSequence",
        "PresentationLUTSequence", "SoftcopyVOILUTSequence", "GraphicGroupSequence",
        "ICCProfile", "BitmapDisplayShutter", "PresentationPixelMagnificationRatio",
    ):  # fmt: skip
        assert keyword not in state, keyword
    assert not any(0x6000 <= element.tag.group <= 0x60FF for element in state)
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaTopLeftHandCorner) == [1, 1]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]
    assert area.PresentationSizeMode == "SCALE TO FIT"
    assert [float(v) for v in area.PresentationPixelSpacing] == list(SPACING)
    assert state.PresentationLUTShape == "IDENTITY"
    assert (state.RescaleIntercept, state.RescaleSlope, state.RescaleType) == (0, 1, "HU")


def test_dcmtk_reads_the_outlines_where_the_findings_are(tmp_path):
    """dcmtk's own writing of the state it read: each outline covers the finding's voxels.

    Its tools draw no annotations (dcmp2pgm's manual), so what they read is filled here.
    """
    headers = with_pixels(ct_headers())
    lesion = nodule(1, headers, (K, 30, 40))
    lesion = lesion.model_copy(update={"regions": lesion.regions[1:]})
    made = by_kind(make(headers, findings_of(headers, lesion)), "PR")
    state, saved, image = (tmp_path / name for name in ("pr.dcm", "saved.dcm", "image.dcm"))
    state.write_bytes(made.content)
    pydicom.dcmwrite(image, headers[K], enforce_file_format=True)
    rendered(image, state, saved)
    marks = [
        item
        for item in pydicom.dcmread(saved).GraphicAnnotationSequence
        if item.GraphicLayer == "FINDINGS"
    ]
    uids = [str(header.SOPInstanceUID) for header in headers]
    shown = {uids.index(m.ReferencedImageSequence[0].ReferencedSOPInstanceUID): m for m in marks}
    box, (k0, j0, i0) = lesion.mask.to_array(), lesion.mask.origin
    assert set(shown) == {k0 + n for n in range(len(box)) if box[n].any()}
    for k, mark in shown.items():
        (graphic,) = mark.GraphicObjectSequence
        assert (graphic.GraphicType, graphic.GraphicAnnotationUnits) == ("POLYLINE", "PIXEL")
        points = np.array(graphic.GraphicData).reshape(-1, 2)
        assert np.array_equal(points[0], points[-1])
        scale = 8
        canvas = Image.new("1", (COLUMNS * scale, ROWS * scale))
        ImageDraw.Draw(canvas).polygon([tuple(p * scale) for p in points], fill=1)
        inside = np.asarray(canvas)
        voxels = np.zeros((ROWS, COLUMNS), bool)
        voxels[j0 : j0 + box.shape[1], i0 : i0 + box.shape[2]] = box[k - k0]
        large = voxels.repeat(scale, 0).repeat(scale, 1)
        shared = (inside & large).sum() / (inside | large).sum()
        # A contour cuts the corners of voxels: of a single one it leaves a half.
        assert shared > (0.85 if voxels.sum() > 20 else 0.45), (k, shared)
        assert mark.TextObjectSequence[0].UnformattedTextValue == "Nodule 1"


def test_names_and_how_the_report_stands(headers, two_nodules):
    before = Predecessor("1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4.5")
    (state,) = states(
        headers, two_nodules, language="da", incomplete=True, predecessors=[before],
        signature=SIGNATURE,
    )  # fmt: skip
    names = {
        text.UnformattedTextValue
        for item in state.GraphicAnnotationSequence
        if item.GraphicLayer == "FINDINGS"
        for text in item.TextObjectSequence
    }
    assert names == {"Nodule 1", "Nodule 2"}
    (said,) = [i for i in state.GraphicAnnotationSequence if i.GraphicLayer == "STATUS"]
    words = said.TextObjectSequence[0].UnformattedTextValue
    for part in (
        "Til forskningsbrug", "Undersøgelsen var ikke komplet", "Erstatter en tidligere rapport",
        f"Underskrevet af {SIGNATURE.person}",
    ):  # fmt: skip
        assert part in words
    assert str(state.ContentCreatorName) == SIGNATURE.person
    named = {
        graphic.TrackingUID
        for item in state.GraphicAnnotationSequence
        for graphic in item.get("GraphicObjectSequence") or ()
    }
    assert named == {finding.tracking_uid for finding in two_nodules.findings}


def test_one_state_for_each_matrix_and_none_for_colours(headers):
    headers[7].Rows = ROWS + 2
    headers[8].PhotometricInterpretation = "RGB"
    regions = tuple(
        Region(sop_instance_uid=str(h.SOPInstanceUID), points=((1, 1), (5, 1), (5, 5)))
        for h in headers[6:9]
    )
    finding = nodule(1, headers, (K, 30, 40)).model_copy(update={"mask": None, "regions": regions})
    made = states(headers, findings_of(headers, finding))
    assert [one.InstanceNumber for one in made] == [1, 2]
    assert len({one.SeriesInstanceUID for one in made}) == 1
    named = [
        str(image.ReferencedSOPInstanceUID)
        for one in made
        for image in one.ReferencedSeriesSequence[0].ReferencedImageSequence
    ]
    assert named == [str(h.SOPInstanceUID) for h in headers[6:8]]


def test_no_finding_no_state(headers):
    assert states(headers, findings_of(headers)) == []


def test_a_finding_without_a_place_is_not_drawn(headers):
    finding = nodule(1, headers, (K, 30, 40)).model_copy(
        update={"regions": (), "mask": None, "centre_lps_mm": None}
    )
    assert states(headers, findings_of(headers, finding)) == []


def test_an_outline_beyond_the_image_ends_at_its_edge(headers):
    region = Region(
        sop_instance_uid=str(headers[0].SOPInstanceUID),
        points=((-3.0, -2.0), (COLUMNS + 9.0, 5.0), (4.0, ROWS + 7.0)),
    )
    finding = nodule(1, headers, (K, 30, 40)).model_copy(
        update={"regions": (region,), "mask": None}
    )
    (state,) = states(headers, findings_of(headers, finding))
    data = np.array(
        state.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicData
    ).reshape(-1, 2)
    assert data.min() == 0
    assert (data.max(axis=0) == [COLUMNS, ROWS]).all()


def test_frames_of_a_multiframe_image_are_named(headers):
    header = headers[0]
    header.SOPClassUID, header.NumberOfFrames = "1.2.840.10008.5.1.4.1.1.2.1", 3
    header.PerFrameFunctionalGroupsSequence = []
    for n in range(3):
        group, shown = Dataset(), Dataset()
        shown.WindowCenter, shown.WindowWidth = "40", str(300 + 100 * (n // 2))
        group.FrameVOILUTSequence = [shown]
        header.PerFrameFunctionalGroupsSequence.append(group)
    uid, series = str(header.SOPInstanceUID), str(header.SeriesInstanceUID)
    frames = tuple(
        FrameRef(
            sop_class_uid=str(header.SOPClassUID), sop_instance_uid=uid,
            series_instance_uid=series, frame=n,
        )
        for n in (1, 2, 3)
    )  # fmt: skip
    regions = tuple(
        Region(sop_instance_uid=uid, frame=n, points=((1, 1), (5, 1), (5, 5))) for n in (2, 3)
    )
    finding = nodule(1, headers, (K, 30, 40)).model_copy(update={"mask": None, "regions": regions})
    found = findings_of(headers, finding).model_copy(update={"frames": frames})
    (state,) = states([header], found)
    (image,) = state.ReferencedSeriesSequence[0].ReferencedImageSequence
    assert image.ReferencedSOPClassUID == header.SOPClassUID
    assert list(image.ReferencedFrameNumber) == [2, 3]
    marks = [i for i in state.GraphicAnnotationSequence if i.GraphicLayer == "FINDINGS"]
    assert [m.ReferencedImageSequence[0].ReferencedFrameNumber for m in marks] == [2, 3]
    told = {
        float(item.WindowWidth): item.ReferencedImageSequence[0].ReferencedFrameNumber
        for item in state.SoftcopyVOILUTSequence
    }
    assert told == {300.0: 2, 400.0: 3}


@pytest.mark.parametrize("width", ["0", "-5", "wide", ""])
def test_a_window_that_is_none_is_left_out(headers, two_nodules, width):
    with pydicom.config.disable_value_validation():
        for header in headers:
            header.WindowCenter = "40"
            header.add_new("WindowWidth", "LO", width)
    (state,) = states(headers, two_nodules)
    assert "SoftcopyVOILUTSequence" not in state
