"""One test for each transfer syntax of the closed list, and damage of every kind."""

from __future__ import annotations

import struct
import subprocess
import zlib
from io import BytesIO
from pathlib import Path

import ct_images
import numpy as np
import pytest
from ct_images import ct_slice, file_bytes, from_bytes, instance, stored_slice
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.encaps import encapsulate

from gransk.core import decode
from gransk.core.ct import frames_of, read_frame
from gransk.core.decode import SYNTAXES, decode_frames, read_dataset
from gransk.core.errors import RefusalError, UnreadableInputError
from gransk.core.reasons import Reason

DATA = Path(__file__).parent / "data"


def smooth() -> np.ndarray:
    """Values that the HTJ2K files in ``data`` hold too."""
    j, i = np.mgrid[:40, :32]
    values = 1000 + 300 * np.sin(j / 5) + 200 * np.cos(i / 4) + (7 * i + 3 * j) % 11
    return values.astype(np.uint16)


def with_pydicom(ds, syntax):
    ds.compress(syntax, generate_instance_uid=False)
    return file_bytes(ds)


def near_lossless(ds, syntax):
    ds.compress(syntax, jls_error=2, generate_instance_uid=False)
    return file_bytes(ds)


def lossy_j2k(ds, syntax):
    ds.compress(syntax, j2k_cr=[4], generate_instance_uid=False)
    return file_bytes(ds)


def plain(ds, syntax):
    ds.file_meta.TransferSyntaxUID = syntax
    return file_bytes(ds)


def big_endian(ds, syntax):
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    return plain(ds, syntax)


def with_dcmtk(*command):
    def encode(ds, syntax, folder):
        (folder / "plain.dcm").write_bytes(file_bytes(ds))
        arguments = [*command, folder / "plain.dcm", folder / "encoded.dcm"]
        subprocess.run(arguments, check=True, capture_output=True)
        return (folder / "encoded.dcm").read_bytes()

    return encode


def stored_htj2k(name):
    def encode(ds, syntax):
        ds.PixelData = encapsulate([(DATA / name).read_bytes()])
        ds["PixelData"].VR = "OB"
        return plain(ds, syntax)

    return encode


# Syntax: (encoder, largest error, bits stored)
ENCODERS = {
    uid.ImplicitVRLittleEndian: (plain, 0, 16),
    uid.ExplicitVRLittleEndian: (plain, 0, 16),
    uid.DeflatedExplicitVRLittleEndian: (plain, 0, 16),
    uid.ExplicitVRBigEndian: (big_endian, 0, 16),
    uid.RLELossless: (with_pydicom, 0, 16),
    uid.JPEGBaseline8Bit: (with_dcmtk("dcmcjpeg", "+eb", "+q", "98"), 12, 8),
    uid.JPEGExtended12Bit: (with_dcmtk("dcmcjpeg", "+ee", "+q", "98"), 24, 12),
    uid.JPEGLossless: (with_dcmtk("dcmcjpeg", "+el"), 0, 16),
    uid.JPEGLosslessSV1: (with_dcmtk("dcmcjpeg", "+e1"), 0, 16),
    uid.JPEGLSLossless: (with_pydicom, 0, 16),
    uid.JPEGLSNearLossless: (near_lossless, 2, 16),
    uid.JPEG2000Lossless: (with_pydicom, 0, 16),
    uid.JPEG2000: (lossy_j2k, 60, 16),
    uid.HTJ2KLossless: (stored_htj2k("htj2k_lossless.j2c"), 0, 16),
    uid.HTJ2KLosslessRPCL: (stored_htj2k("htj2k_rpcl.j2c"), 0, 16),
    uid.HTJ2K: (stored_htj2k("htj2k_lossy.j2c"), 16, 16),
}


def test_every_documented_syntax_has_an_encoder():
    assert set(ENCODERS) == set(SYNTAXES)
    documented = (Path(__file__).parents[2] / "docs" / "series.md").read_text(encoding="utf-8")
    for syntax in SYNTAXES:
        assert f"`{syntax}`" in documented


@pytest.mark.parametrize("syntax", list(SYNTAXES), ids=lambda s: uid.UID(s).name)
def test_syntax(syntax, tmp_path):
    encode, error, bits = ENCODERS[syntax]
    pixels = smooth()
    if bits == 8:
        pixels = (pixels // 8).astype(np.uint8)
    ds = ct_slice(pixels=pixels, BitsStored=bits, HighBit=bits - 1)
    content = encode(ds, syntax, tmp_path) if bits < 16 or "dcmtk" in encode.__qualname__ else (
        encode(ds, syntax)
    )  # fmt: skip
    one = from_bytes(content)
    assert one.transfer_syntax_uid == syntax
    # dcmcjpeg moves the values and says so in the rescale: what counts is HU.
    (frame,) = frames_of(one)
    hu = read_frame(frame)
    assert hu.shape == pixels.shape
    assert np.abs(hu - (pixels.astype(int) - 1024)).max() <= error
    if SYNTAXES[syntax].lossless:
        (found,) = decode_frames(one.load())
        assert np.array_equal(found, pixels)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_signed_values_survive(syntax):
    pixels = smooth().astype(np.int16) - 1500
    ds = ct_slice(pixels=pixels)
    (found,) = decode_frames(from_bytes(with_pydicom(ds, syntax)).load())
    assert np.array_equal(found, pixels)


@pytest.mark.parametrize(
    "syntax",
    [
        uid.MPEG2MPML,
        uid.JPEG2000MC,
        "1.2.840.10008.1.2.1.98",
        "1.2.3",
        "",
    ],
)
def test_other_syntaxes_are_refused(syntax):
    ds = ct_slice()
    ds.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(RefusalError) as refusal:
        list(decode_frames(ds))
    assert refusal.value.reason == Reason.UNSUPPORTED_TRANSFER_SYNTAX


def test_overlays_in_unused_bits_are_left_out():
    pixels = stored_slice(0)
    ds = ct_slice(pixels=pixels | 0x8000, BitsStored=12, HighBit=11)
    (found,) = decode_frames(from_bytes(file_bytes(ds)).load())
    assert np.array_equal(found, pixels)
    signed = smooth().astype(np.int16) - 1500
    ds = ct_slice(pixels=signed & 0x0FFF, BitsStored=12, HighBit=11)
    (found,) = decode_frames(from_bytes(file_bytes(ds)).load())
    assert np.array_equal(found, signed)


def refused(ds) -> Reason:
    with pytest.raises(RefusalError) as refusal:
        list(decode_frames(ds))
    return refusal.value.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535}, Reason.INCONSISTENT_IMAGES),
        ({"Rows": 0}, Reason.INCONSISTENT_IMAGES),
        ({"Rows": None}, Reason.MISSING_ATTRIBUTE),
        ({"Rows": 41}, Reason.UNDECODABLE_PIXELS),
        ({"BitsAllocated": 32}, Reason.INCONSISTENT_IMAGES),
        ({"BitsStored": None}, Reason.MISSING_ATTRIBUTE),
        ({"SamplesPerPixel": 3}, Reason.INCONSISTENT_IMAGES),
        ({"PhotometricInterpretation": "RGB"}, Reason.INCONSISTENT_IMAGES),
        ({"NumberOfFrames": 100000}, Reason.TOO_MANY_SLICES),
        ({"NumberOfFrames": 2}, Reason.UNDECODABLE_PIXELS),
        ({"PixelData": None}, Reason.UNDECODABLE_PIXELS),
        ({"PixelData": b""}, Reason.UNDECODABLE_PIXELS),
    ],
)
def test_wrong_pixel_headers_are_refused(changes, reason):
    assert refused(ct_slice(**changes)) == reason


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.6, 0.98])
def test_truncated_frames_are_refused(syntax, keep):
    ds = ct_slice(pixels=smooth())
    ds.compress(syntax, generate_instance_uid=False)
    frame = next(iter(decode.generate_frames(ds.PixelData, number_of_frames=1)))
    part = frame[: int(len(frame) * keep) // 2 * 2]
    ds.PixelData = encapsulate([part]) if part else b""
    assert refused(ds) == Reason.UNDECODABLE_PIXELS


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_a_codestream_larger_than_the_image_is_never_unfolded(syntax):
    small, large = ct_slice(pixels=smooth()), ct_slice(pixels=np.zeros((900, 900), np.uint16))
    large.compress(syntax, generate_instance_uid=False)
    small.PixelData = large.PixelData
    small["PixelData"].VR = "OB"
    small["PixelData"].is_undefined_length = True
    small.file_meta.TransferSyntaxUID = syntax
    assert refused(small) == Reason.UNDECODABLE_PIXELS


def test_several_frames_come_in_order():
    ds = ct_images.enhanced([0, 1, 2])
    ds.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    found = list(decode_frames(from_bytes(file_bytes(ds)).load()))
    assert [np.array_equal(f, stored_slice(k)) for k, f in enumerate(found)] == [True] * 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just text",
        b"\0" * 128 + b"DICM",
        b"\0" * 200,
        file_bytes(ct_slice())[:140],
        file_bytes(ct_slice())[:200],
    ],
)
def test_what_is_no_dicom_is_unreadable_or_has_no_identity(content):
    try:
        dataset = read_dataset(BytesIO(content))
    except UnreadableInputError:
        return
    assert "SOPInstanceUID" not in dataset


def test_a_gigantic_claimed_length_is_never_allocated():
    content = file_bytes(ct_slice())
    place = content.index(b"\xe0\x7f\x10\x00OW") + 8
    content = content[:place] + struct.pack("<I", 0xFFFFFFF0) + content[place + 4 : -100]
    try:
        dataset = read_dataset(BytesIO(content))
    except UnreadableInputError:
        return
    assert refused(dataset) == Reason.UNDECODABLE_PIXELS


def test_a_deflated_bomb_is_unreadable(monkeypatch):
    content = plain(ct_slice(), uid.DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(decode, "MAX_INFLATED_BYTES", 1000)
    with pytest.raises(UnreadableInputError):
        read_dataset(BytesIO(content))


def test_damaged_deflate_is_unreadable():
    content = plain(ct_slice(), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    assert zlib.decompress(content[start:], -15)
    with pytest.raises(UnreadableInputError):
        read_dataset(BytesIO(content[:start] + b"\xff" * 50))


def test_a_value_of_half_a_number_is_left_out():
    """Bits Stored, a number of two bytes, in one byte."""
    content = file_bytes(ct_slice())
    header = b"\x28\x00\x01\x01US"
    at = content.index(header)
    broken = content[:at] + header + b"\x01\x00\x10" + content[at + 10 :]
    one = from_bytes(broken)
    assert "BitsStored" not in one.header
    with pytest.raises(RefusalError):
        read_frame(frames_of(one)[0])


@settings(max_examples=200, deadline=None)
@given(
    place=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=12),
    cut=st.booleans(),
)
def test_any_damage_ends_as_refusal_or_image(place, junk, cut):
    content = bytearray(file_bytes(ct_slice()))
    at = int(place * len(content))
    content[at : at + len(junk)] = junk
    if cut:
        del content[at + len(junk) :]
    try:
        one = from_bytes(bytes(content))
    except (UnreadableInputError, ValueError):
        return
    try:
        (frame,) = frames_of(one)
        assert read_frame(frame).dtype == np.float32
    except RefusalError:
        return


def test_headers_leave_pixels_out():
    assert "PixelData" not in instance(ct_slice()).header
