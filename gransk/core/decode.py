"""Reading DICOM bytes and pixels that may be damaged, hostile or merely large."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, config, dcmread, uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder

from gransk.core.errors import RefusalError, UnreadableInputError
from gransk.core.reasons import Reason

StoredArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Syntax:
    """One transfer syntax that is read.

    Parameters
    ----------
    name : str
        As in PS3.6 table A-1, shortened.
    kind : str
        How its frames state their own size: ``native``, ``rle``, ``jpeg`` or ``j2k``.
    lossless : bool
        Whether the encoding itself keeps every value.
    plugin : str
        The one decoder that is used: another, tried after a failure, might make an
        image of damaged data.
    """

    name: str
    kind: str
    lossless: bool
    plugin: str = "pylibjpeg"


# Closed list: what is not here is refused (docs/series.md).
SYNTAXES: dict[str, Syntax] = {
    uid.ImplicitVRLittleEndian: Syntax("Implicit VR Little Endian", "native", True, ""),
    uid.ExplicitVRLittleEndian: Syntax("Explicit VR Little Endian", "native", True, ""),
    uid.DeflatedExplicitVRLittleEndian: Syntax("Deflated Explicit VR LE", "native", True, ""),
    uid.ExplicitVRBigEndian: Syntax("Explicit VR Big Endian", "native", True, ""),
    uid.RLELossless: Syntax("RLE Lossless", "rle", True),
    uid.JPEGBaseline8Bit: Syntax("JPEG Baseline (Process 1)", "jpeg", False),
    uid.JPEGExtended12Bit: Syntax("JPEG Extended (Process 2 and 4)", "jpeg", False),
    uid.JPEGLossless: Syntax("JPEG Lossless (Process 14)", "jpeg", True),
    uid.JPEGLosslessSV1: Syntax("JPEG Lossless (Process 14, SV1)", "jpeg", True),
    uid.JPEGLSLossless: Syntax("JPEG-LS Lossless", "jpeg", True, "pyjpegls"),
    uid.JPEGLSNearLossless: Syntax("JPEG-LS Near-Lossless", "jpeg", False, "pyjpegls"),
    uid.JPEG2000Lossless: Syntax("JPEG 2000 Lossless", "j2k", True),
    uid.JPEG2000: Syntax("JPEG 2000", "j2k", False),
    uid.HTJ2KLossless: Syntax("HTJ2K Lossless", "j2k", True),
    uid.HTJ2KLosslessRPCL: Syntax("HTJ2K Lossless RPCL", "j2k", True),
    uid.HTJ2K: Syntax("HTJ2K", "j2k", False),
}

# Last marker of JPEG, JPEG-LS and JPEG 2000; without it a frame was cut off.
END_OF_IMAGE = b"\xff\xd9"
# A film of 24 cm x 30 cm, scanned at 42 micrometres, has 7143 rows.
MAX_SIDE = 8192
MAX_FRAMES = 4096
MAX_INFLATED_BYTES = 2 << 30

# Transfer Syntax UID (0002,0010) with that value, as every file encodes it.
_DEFLATED = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"

# Malformed values are read as they stand: warnings would quote them.
config.settings.reading_validation_mode = config.IGNORE

DAMAGED = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its decoders raise on damaged input."""


def read_dataset(stream: BinaryIO, pixels: bool = True) -> Dataset:
    """Read one DICOM object from an untrusted stream.

    Parameters
    ----------
    stream : binary file
        Seekable, in memory or mapped, so that an element's claimed length is
        never allocated beyond what is there.
    pixels : bool
        False leaves the pixel data out.

    Raises
    ------
    UnreadableInputError
        Where it is no DICOM file, or too damaged to read; the message holds
        nothing from the file.
    """
    try:
        deflated = _DEFLATED in stream.read(4096)
        stream.seek(0)
        dataset: FileDataset = dcmread(
            _inflated(stream) if deflated else stream, stop_before_pixels=not pixels
        )
        if deflated:
            dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    except InvalidDicomError as error:
        raise UnreadableInputError("not a DICOM file: it lacks the DICM prefix") from error
    except (*DAMAGED, MemoryError, RecursionError) as error:
        raise UnreadableInputError(f"damaged DICOM file ({type(error).__name__})") from error
    # pydicom would keep the stream, which its owner closes.
    dataset.buffer = None
    drop_unreadable(dataset)
    return dataset


def drop_unreadable(dataset: Dataset) -> None:
    """Convert every element now, and drop what cannot be: later reading never fails.

    Values that pydicom left on disk stay there.
    """
    for tag in list(dataset.keys()):
        if _on_disk(dataset.get_item(tag, keep_deferred=True)):
            continue
        try:
            element = dataset[tag]
            items = list(element.value) if element.VR == "SQ" else []
        except (*DAMAGED, RecursionError):
            del dataset[tag]
            continue
        for item in items:
            drop_unreadable(item)


def _on_disk(element: Any) -> bool:
    return isinstance(element, RawDataElement) and element.value is None and element.length > 0


def _inflated(stream: BinaryIO) -> BinaryIO:
    """The same file as Explicit VR Little Endian, inflated within a limit."""
    content = stream.read()
    # The group length follows preamble, "DICM" and its own element header (PS3.10 7.1).
    (length,) = struct.unpack_from("<I", content, 140)
    start = 144 + length
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(content[start:], MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError("deflated data set is larger than the limit")
    head = content[:start].replace(_DEFLATED, _DEFLATED[:-3] + b"\0\0\0", 1)
    return BytesIO(head + plain)


def check_pixels(header: Dataset, syntax: str) -> Syntax:
    """Refuse pixels that cannot be read, before anything is allocated.

    Parameters
    ----------
    header : Dataset
        Image pixel attributes (PS3.3 C.7.6.3).
    syntax : str
        Transfer Syntax UID.

    Returns
    -------
    Syntax
        Of the closed list.

    Raises
    ------
    RefusalError
        ``UNSUPPORTED_TRANSFER_SYNTAX``, ``MISSING_ATTRIBUTE``,
        ``TOO_MANY_SLICES`` or ``INCONSISTENT_IMAGES``.
    """
    known = SYNTAXES.get(syntax)
    if known is None:
        name = uid.UID(syntax).name if syntax else "none stated"
        raise RefusalError(Reason.UNSUPPORTED_TRANSFER_SYNTAX, name)
    for keyword, allowed in (
        ("Rows", range(1, MAX_SIDE + 1)),
        ("Columns", range(1, MAX_SIDE + 1)),
        ("BitsAllocated", (8, 16)),
        ("BitsStored", range(1, 17)),
        ("PixelRepresentation", (0, 1)),
    ):
        value = _number(header, keyword)
        if value not in allowed:
            raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{keyword} is {value}")
    if _number(header, "SamplesPerPixel") != 1:
        raise RefusalError(Reason.INCONSISTENT_IMAGES, "colour images")
    if header.BitsStored > header.BitsAllocated:
        raise RefusalError(Reason.INCONSISTENT_IMAGES, "BitsStored exceeds BitsAllocated")
    photometric = str(header.get("PhotometricInterpretation", ""))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise RefusalError(Reason.INCONSISTENT_IMAGES, f"photometric {photometric!r}"[:60])
    if frame_count(header) > MAX_FRAMES:
        raise RefusalError(Reason.TOO_MANY_SLICES, f"more than {MAX_FRAMES} frames in an object")
    return known


def frame_count(header: Dataset) -> int:
    """Number of Frames, 1 where it is absent.

    Raises
    ------
    RefusalError
        ``INCONSISTENT_IMAGES`` where it is no positive number.
    """
    if header.get("NumberOfFrames") in (None, ""):
        return 1
    value = _number(header, "NumberOfFrames")
    if value < 1:
        raise RefusalError(Reason.INCONSISTENT_IMAGES, f"NumberOfFrames is {value}")
    return value


def decode_frames(dataset: Dataset) -> Iterator[StoredArray]:
    """Stored values of each frame in turn, shape (rows, columns).

    Parameters
    ----------
    dataset : Dataset
        A whole object, pixel data and file meta included.

    Raises
    ------
    RefusalError
        As `check_pixels`, and ``UNDECODABLE_PIXELS`` where the pixel data are
        absent, short, or of another size than the header says.
    """
    meta = getattr(dataset, "file_meta", None)
    syntax_uid = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    syntax = check_pixels(dataset, syntax_uid)
    count = frame_count(dataset)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    data = dataset.get("PixelData")
    if not data:
        raise RefusalError(Reason.UNDECODABLE_PIXELS, "no pixel data")
    if syntax.kind == "native":
        needed = rows * columns * count * (int(dataset.BitsAllocated) // 8)
        if len(data) < needed:
            raise RefusalError(Reason.UNDECODABLE_PIXELS, f"{len(data)} of {needed} bytes")
    try:
        if syntax.kind != "native":
            _check_encoded(data, count, rows, columns, syntax.kind)
        decoded = 0
        frames = get_decoder(syntax_uid).iter_array(
            dataset, raw=True, decoding_plugin=syntax.plugin
        )
        for frame, _ in frames:
            if frame.shape != (rows, columns):
                raise ValueError("decoded to another size")
            decoded += 1
            yield _stored(frame, dataset)
        if decoded != count:
            raise ValueError("another number of frames than stated")
    except DAMAGED as error:
        raise RefusalError(Reason.UNDECODABLE_PIXELS, type(error).__name__) from error


def _stored(frame: StoredArray, header: Dataset) -> StoredArray:
    """The stored bits alone: overlays may lie in the others (PS3.5 8.1.1)."""
    stored = int(header.BitsStored)
    if stored == frame.dtype.itemsize * 8:
        return frame
    if int(header.PixelRepresentation) == 0:
        return frame & frame.dtype.type((1 << stored) - 1)
    shift = frame.dtype.itemsize * 8 - stored
    return (frame << shift) >> shift


def _check_encoded(data: bytes, count: int, rows: int, columns: int, kind: str) -> None:
    """Compare each frame's own header with the image's, so that none unfolds unawares."""
    found = 0
    for frame in generate_frames(data, number_of_frames=count):
        found += 1
        if kind == "rle":
            good = len(frame) <= 4 * rows * columns + 65536
        else:
            size = _j2k_size(frame) if kind == "j2k" else _jpeg_size(frame)
            good = size == (rows, columns) and END_OF_IMAGE in frame[-16:]
        if not good:
            raise ValueError("a frame is cut off, or its size is not that of the image")
    if found != count:
        raise ValueError("another number of frames than stated")


def _j2k_size(frame: bytes) -> tuple[int, int]:
    """(rows, columns) of the SIZ segment (ISO/IEC 15444-1 A.5.1)."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 1024)
    if start < 0:
        raise ValueError("no JPEG 2000 codestream")
    x, y, x0, y0 = struct.unpack_from(">4I", frame, start + 8)
    return y - y0, x - x0


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    """(rows, columns) of the frame header (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2)."""
    place = 2
    while frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        start_of_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if start_of_frame or marker == 0xF7:
            rows, columns = struct.unpack_from(">HH", frame, place + 5)
            return int(rows), int(columns)
        place += 2 + int(struct.unpack_from(">H", frame, place + 2)[0])
    raise ValueError("no JPEG frame header")


def _number(header: Dataset, keyword: str) -> int:
    value: Any = header.get(keyword)
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        if value in (None, ""):
            raise RefusalError(Reason.MISSING_ATTRIBUTE, keyword) from error
        raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{keyword} is no number") from error
