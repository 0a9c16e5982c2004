"""Pixels of a mammogram as displayed, their size, and images that are not upright."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mammogram_objects import SECONDARY_CAPTURE, breast, instance_of, lut, mammogram, read
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.image.pixels import SpacingSource, read_pixels

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data"))
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def shown(pixels=RAMP, **changes):
    return read_pixels(instance_of(mammogram(pixels, **changes))).image


def test_without_a_window_all_values_are_shown():
    image = shown()
    assert image.dtype == np.float32
    assert (image[0, 0], image[-1, -1]) == (0, 1)
    assert image[32, 0] == pytest.approx(2048 / 4095)


def test_windows_as_the_standard_computes_them():
    # PS3.3 C.11.2.1.2.1: linear, c 2048, w 4096: x is shown as x / 4095.
    linear = shown(WindowCenter="2048", WindowWidth="4096")
    assert linear[32, 0] == pytest.approx(2048 / 4095, abs=1e-6)
    narrow = shown(WindowCenter="2048", WindowWidth="101").ravel()
    assert narrow[1997] == 0
    assert narrow[2048] == pytest.approx((2048 - 2047.5) / 100 + 0.5, abs=1e-6)
    assert narrow[2098] == 1
    exact = shown(WindowCenter="2048", WindowWidth="100", VOILUTFunction="LINEAR_EXACT").ravel()
    assert exact[2048] == pytest.approx(0.5)
    assert exact[2073] == pytest.approx(0.75)
    sigmoid = shown(WindowCenter="2048", WindowWidth="400", VOILUTFunction="SIGMOID").ravel()
    assert sigmoid[2148] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)


def test_the_first_of_several_windows_counts():
    several = shown(WindowCenter=["2000", "3000"], WindowWidth=["500", "100"])
    np.testing.assert_array_equal(several, shown(WindowCenter="2000", WindowWidth="500"))
    assert np.ptp(several - shown(WindowCenter="3000", WindowWidth="100")) > 0.5


def test_a_window_outside_of_all_values_is_left_out_with_a_note():
    pixels = read_pixels(instance_of(mammogram(RAMP, WindowCenter="60000", WindowWidth="10")))
    assert np.ptp(pixels.image) == 1
    assert [note.code for note in pixels.notes] == ["window_left_out"]


def test_monochrome1_and_inverse_shape_are_one_inversion():
    dark = 1 - shown()
    both = shown(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    np.testing.assert_allclose(both, dark, atol=1e-6)
    np.testing.assert_allclose(shown(PhotometricInterpretation="MONOCHROME1"), dark, atol=1e-6)
    np.testing.assert_allclose(shown(PresentationLUTShape="INVERSE"), dark, atol=1e-6)


def test_rescale_and_modality_table_come_before_the_window():
    window = {"WindowCenter": "-1000", "WindowWidth": "401"}
    rescaled = shown(RescaleSlope="-2", RescaleIntercept="3000", **window).ravel()
    # 2000 becomes -1000, the middle of the window; larger stored values are darker.
    assert rescaled[2000] == pytest.approx(0.50125)
    assert rescaled[2050] < rescaled[1950]
    table = np.concatenate([np.zeros(2000), np.full(100, 500), np.linspace(600, 999, 1996)])
    changed = shown(ModalityLUTSequence=[lut(table)], WindowCenter="500", WindowWidth="1000")
    assert changed.ravel()[1999] == 0
    assert changed.ravel()[2050] == pytest.approx(0.5, abs=0.01)


def test_the_voi_table_comes_before_the_window_and_its_ends_are_kept():
    table = np.linspace(0, 4000, 1000)[::-1]
    image = shown(
        VOILUTSequence=[lut(table, 1000, 12), lut(table[::-1], 1000, 12)],
        WindowCenter="100", WindowWidth="100",
    ).ravel()  # fmt: skip
    assert image[0] == image[1000] == 1
    assert image[1500] == pytest.approx(0.5, abs=0.01)
    assert image[1999] == image[4000] == 0


def test_a_damaged_table_is_not_used():
    broken = lut(np.arange(16))
    broken.LUTDescriptor = [4096, 0, 16]
    np.testing.assert_array_equal(shown(VOILUTSequence=[broken]), shown())


def test_signed_values_and_a_table_that_begins_below_zero():
    signed = (RAMP.astype(np.int32) - 2048).astype(np.int16)
    np.testing.assert_allclose(shown(signed), shown(), atol=1e-6)
    table = lut(np.arange(4096), 65536 - 2048)
    window = {"WindowCenter": "0", "WindowWidth": "10"}
    np.testing.assert_allclose(shown(signed, VOILUTSequence=[table], **window), shown(), atol=1e-6)


def test_overlays_are_left_out_also_in_unused_bits_and_out_of_bounds():
    ds = mammogram(RAMP | 0x8000, BitsStored=12, HighBit=11)
    for tag, vr, value in (
        (0x60000010, "US", 64), (0x60000011, "US", 64), (0x60000040, "CS", "G"),
        (0x60000050, "SS", [1, 1]), (0x60000100, "US", 16), (0x60000102, "US", 15),
        (0x60020010, "US", 101), (0x60020011, "US", 101), (0x60020050, "SS", [-25, -25]),
        (0x60023000, "OW", b"\xff" * 10),
    ):  # fmt: skip
        ds.add_new(tag, vr, value)
    np.testing.assert_allclose(read_pixels(instance_of(ds)).image, shown(), atol=1e-6)


def test_padding_becomes_background():
    padded = RAMP.copy()
    padded[:8] = 4095
    image = shown(padded, PixelPaddingValue=4095)
    assert image[:8].max() == 0
    assert image[-1, -2] == 1
    ranged = shown(PixelPaddingValue=0, PixelPaddingRangeLimit=1023).ravel()
    assert ranged[:1024].max() == 0
    # What is left is stretched alone.
    assert ranged[2560] == pytest.approx(0.5, abs=0.01)


def test_padding_is_background_where_the_image_is_inverted():
    padded = (4000 - breast().astype(int)).astype(np.uint16)
    padded[:20] = 0
    image = shown(padded, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert image[:20].max() == 0
    assert image[60, 10] > image[180, 10] > 0.4


def test_eight_bits_and_one_value():
    assert shown((RAMP // 16).astype(np.uint8))[-1, 0] == pytest.approx(252 / 255, abs=0.02)
    assert shown(np.full((64, 64), 7, np.uint16)).max() == 0


@pytest.mark.parametrize(
    "syntax",
    [uid.RLELossless, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.ImplicitVRLittleEndian],
)
def test_every_syntax_shows_the_same(syntax):
    ds = mammogram()
    if syntax == uid.ImplicitVRLittleEndian:
        ds.file_meta.TransferSyntaxUID = syntax
    else:
        ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(read_pixels(instance_of(ds)).image, shown(breast()))


def test_jpeg_lossless_shows_the_same(tmp_path):
    mammogram().save_as(tmp_path / "a.dcm", enforce_file_format=True)
    subprocess.run(["dcmcjpeg", "+e1", tmp_path / "a.dcm", tmp_path / "b.dcm"], check=True)
    packed = read_pixels(read((tmp_path / "b.dcm").read_bytes()))
    np.testing.assert_array_equal(packed.image, shown(breast()))


def refused(ds: Dataset) -> Reason:
    with pytest.raises(RefusalError) as caught:
        read_pixels(instance_of(ds))
    return caught.value.reason


def test_what_cannot_be_decoded_is_refused_with_its_code():
    short = mammogram()
    short.PixelData = short.PixelData[:1000]
    assert refused(short) is Reason.UNDECODABLE_PIXELS
    unknown = mammogram()
    unknown.file_meta.TransferSyntaxUID = uid.MPEG2MPML
    unknown.PixelData = encapsulate([b"film"])
    unknown["PixelData"].is_undefined_length = True
    assert refused(unknown) is Reason.UNSUPPORTED_TRANSFER_SYNTAX


def test_films_of_seven_thousand_rows_are_read_and_endless_ones_refused():
    tall = np.tile(np.arange(8, dtype=np.uint16) * 100, (7143, 1))
    assert shown(tall).shape == (7143, 8)
    assert refused(mammogram(np.zeros((8193, 2), np.uint16))) is Reason.INCONSISTENT_IMAGES


def test_a_file_that_is_gone_is_refused():
    def gone():
        raise FileNotFoundError("gone")

    with pytest.raises(RefusalError) as caught:
        read_pixels(Instance(instance_of(mammogram()).header, gone))
    assert caught.value.reason is Reason.UNDECODABLE_PIXELS


def test_one_frame_is_read_and_several_are_refused():
    one = read_pixels(instance_of(mammogram(NumberOfFrames="1")))
    np.testing.assert_array_equal(one.image, shown(breast()))
    two = mammogram(NumberOfFrames="2")
    two.PixelData = two.PixelData * 2
    assert refused(two) is Reason.TOMOSYNTHESIS


def spacing(**changes):
    pixels = read_pixels(instance_of(mammogram(**changes)))
    return pixels.spacing_mm, pixels.spacing_source


def test_spacing_at_the_detector_is_divided_by_the_magnification():
    assert spacing() == ((0.7, 0.7), SpacingSource.IMAGER)
    found, source = spacing(
        ImagerPixelSpacing=["0.1", "0.2"], EstimatedRadiographicMagnificationFactor="1.25"
    )
    assert found == pytest.approx((0.08, 0.16))
    assert source is SpacingSource.IMAGER
    # A factor below 1 is none.
    assert spacing(EstimatedRadiographicMagnificationFactor="0")[0] == (0.7, 0.7)


def test_calibrated_spacing_counts_and_a_copy_of_the_detectors_does_not():
    calibrated = {"PixelSpacing": ["0.7", "0.7"], "PixelSpacingCalibrationType": "GEOMETRY"}
    magnified = {"EstimatedRadiographicMagnificationFactor": "1.4"}
    assert spacing(**calibrated, **magnified) == ((0.7, 0.7), SpacingSource.CALIBRATED)
    assert spacing(PixelSpacing=["0.6", "0.6"])[1] is SpacingSource.CALIBRATED
    copied, source = spacing(PixelSpacing=["0.7", "0.7"], **magnified)
    assert copied == pytest.approx((0.5, 0.5))
    assert source is SpacingSource.IMAGER


def test_spacing_of_a_synthetic_image_is_in_its_functional_groups():
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = ["0.65", "0.65"]
    shared.PixelMeasuresSequence = [measures]
    found = spacing(ImagerPixelSpacing=None, SharedFunctionalGroupsSequence=[shared])
    assert found == ((0.65, 0.65), SpacingSource.CALIBRATED)


def test_the_window_of_a_synthetic_image_is_in_its_functional_groups():
    voi, values, frame, shared = Dataset(), Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = "1000", "401"
    values.RescaleSlope, values.RescaleIntercept = "0.5", "0"
    frame.FrameVOILUTSequence = [voi]
    shared.PixelValueTransformationSequence = [values]
    groups = {
        "PerFrameFunctionalGroupsSequence": [frame],
        "SharedFunctionalGroupsSequence": [shared],
    }
    whole = {"RescaleSlope": "0.5", "RescaleIntercept": "0"}
    window = {"WindowCenter": "1000", "WindowWidth": "401"}
    np.testing.assert_array_equal(shown(**groups), shown(**window, **whole))


def test_spacing_of_scanned_film():
    film = {"SOPClassUID": SECONDARY_CAPTURE, "ImagerPixelSpacing": None}
    scanned = spacing(NominalScannedPixelSpacing=["0.9", "0.9"], **film)
    assert scanned == ((0.9, 0.9), SpacingSource.SCANNED)
    pixels = read_pixels(instance_of(mammogram(**film)))
    assert pixels.spacing_mm == (1.0, 1.0)  # 240 rows
    assert pixels.spacing_source is SpacingSource.ASSUMED
    assert [note.code for note in pixels.notes] == ["scale_assumed"]
    assert spacing(PixelAspectRatio=["2", "1"], **film)[0] == (1.0, 0.5)
    digitised = spacing(ConversionType="DF", ImagerPixelSpacing=None)
    assert digitised == ((1.0, 1.0), SpacingSource.ASSUMED)


def test_a_digital_image_without_spacing_is_refused():
    assert refused(mammogram(ImagerPixelSpacing=None)) is Reason.NO_PIXEL_SPACING
    assert refused(mammogram(ImagerPixelSpacing=["0", "-1"])) is Reason.NO_PIXEL_SPACING


STORED = [
    # How the stored image lies against the upright one, and its orientation, left MLO.
    (lambda a: a, ["A", "FR"]),
    (lambda a: a[:, ::-1], ["P", "FR"]),
    (lambda a: a[::-1], ["A", "HL"]),
    (lambda a: a[::-1, ::-1], ["P", "HL"]),
    (lambda a: a.T, ["FR", "A"]),
    (lambda a: a.T[::-1], ["FR", "P"]),
    (lambda a: a.T[:, ::-1], ["HL", "A"]),
    (lambda a: a.T[::-1, ::-1], ["HL", "P"]),
]


@pytest.mark.parametrize(("lay", "orientation"), STORED)
def test_a_breast_that_is_not_upright_is_turned_and_told_in_stored_pixels(lay, orientation):
    upright = breast()
    upright[50:62, 60:72] = 9000  # a clip in the upper half tells where the top is
    stored = np.ascontiguousarray(lay(upright))
    prepared = read_pixels(
        instance_of(mammogram(stored, PatientOrientation=orientation))
    ).prepared()
    rows, columns = np.nonzero(prepared.grey >= 0.95)
    centre = np.array([np.median(columns) + 0.5, np.median(rows) + 0.5])
    assert centre[1] < prepared.grey.shape[0] / 2
    native = prepared.to_native(centre)
    clip = np.argwhere(stored == 9000).mean(axis=0) + 0.5
    np.testing.assert_allclose(native, clip[::-1], atol=1.0)
    np.testing.assert_allclose(prepared.from_native(native), centre, atol=1e-6)


def test_unequal_spacing_turns_along():
    lying = np.ascontiguousarray(breast().T)
    changes = {"PatientOrientation": ["FR", "A"], "ImagerPixelSpacing": ["0.5", "0.8"]}
    pixels = read_pixels(instance_of(mammogram(lying, **changes)))
    assert pixels.image.shape == (240, 180)
    assert pixels.spacing_mm == (0.8, 0.5)


@pytest.mark.parametrize(
    ("side", "down", "flipped"),
    [("L", "R", False), ("L", "L", True), ("R", "L", False), ("R", "R", True), ("", "R", False)],
)
def test_lateral_is_up_in_cc(side, down, flipped):
    changes = {"PatientOrientation": ["A", down], "ImageLaterality": side, "ViewPosition": "CC"}
    assert read_pixels(instance_of(mammogram(**changes))).turn.upside_down is flipped


@pytest.mark.parametrize("orientation", [["CC", ""], "MLO", ["A", "A"], ["L", "F"], ["AP", "F"]])
def test_orientation_that_is_not_valid_turns_nothing(orientation):
    assert not read_pixels(instance_of(mammogram(PatientOrientation=orientation))).turn.changes


def real(name: str) -> Instance:
    path = DATA / "mg" / name
    if not path.exists():
        pytest.skip(f"{name} is not there: set GRANSK_DATA")
    return read(path.read_bytes())


def test_a_real_ge_image():
    pixels = read_pixels(real("ge_senographe_essential_r_mlo.dcm"))
    assert pixels.image.shape == (3062, 2394)
    assert pixels.spacing_mm == pytest.approx((0.0940909, 0.0940909))
    assert not pixels.turn.changes
    assert np.median(pixels.image[:, :300]) == 0
    prepared = pixels.prepared()
    assert prepared.mirrored
    assert 0.2 < np.median(prepared.grey[prepared.breast]) < 0.8


def test_a_real_siemens_image_on_its_side_with_an_overlay_out_of_bounds():
    pixels = read_pixels(real("siemens_inspiration_l_cc_cropped.dcm"))
    assert (pixels.turn.quarters, pixels.turn.upside_down) == (1, True)
    assert pixels.image.shape == (1318, 788)
    assert pixels.spacing_mm == pytest.approx((0.085 / 1.0433386837881,) * 2)
