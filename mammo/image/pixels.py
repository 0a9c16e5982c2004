"""Pixels of a mammogram as it is displayed, with their size, upright."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, uid

from gransk.core.decode import DAMAGED, StoredArray, decode_frames, frame_count
from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.findings import Note
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.image.grid import Prepared, prepare
from mammo.image.turning import UPRIGHT, Turn, turn_of

FloatArray = npt.NDArray[np.float32]

ATTRIBUTES_READ = (
    "BitsAllocated", "BitsStored", "ConversionType", "DetectorElementSpacing",
    "EstimatedRadiographicMagnificationFactor", "FrameVOILUTSequence", "HighBit",
    "ImagerPixelSpacing", "ModalityLUTSequence", "NominalScannedPixelSpacing", "PatientOrientation",
    "PhotometricInterpretation", "PixelAspectRatio", "PixelMeasuresSequence",
    "PixelPaddingRangeLimit", "PixelPaddingValue", "PixelRepresentation", "PixelSpacing",
    "PixelSpacingCalibrationType", "PixelValueTransformationSequence", "PresentationLUTShape",
    "RescaleIntercept", "RescaleSlope", "SharedFunctionalGroupsSequence", "VOILUTFunction",
    "VOILUTSequence", "WindowCenter", "WindowWidth",
)  # fmt: skip
"""Attributes beside the pixels that change what is displayed and how large it is."""

FILM_HEIGHT_MM = 240.0
"""Long side of the smaller film size (18 cm x 24 cm), taken where a scan tells no spacing.

Of the training films a quarter are 28 cm high or higher (24 cm x 30 cm): sizes on such films come
out about a fifth too small.
"""
SPACINGS_MM = (0.01, 1.0)
GROUPS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")
SCANNED = (
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)


class SpacingSource(StrEnum):
    """Where the size of the pixels is told."""

    IMAGER = "imager"
    """Imager Pixel Spacing over Estimated Radiographic Magnification Factor."""
    CALIBRATED = "calibrated"
    """Pixel Spacing."""
    SCANNED = "scanned"
    """Nominal Scanned Pixel Spacing of a digitised film."""
    ASSUMED = "assumed"
    """Nowhere: a film of `FILM_HEIGHT_MM`. Sizes are estimates."""


@dataclass(frozen=True)
class Pixels:
    """A mammogram as displayed, turned so that the breast points to a side, its top up.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
        0 to 1, dense tissue bright, padding 0.
    spacing_mm : (float, float)
        Between its rows and between its columns, in the breast's plane.
    spacing_source : SpacingSource
    turn : Turn
        How it was turned; gives native coordinates.
    notes : tuple of Note
    """

    image: FloatArray = field(repr=False)
    spacing_mm: tuple[float, float]
    spacing_source: SpacingSource
    turn: Turn
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or min(self.spacing_mm) <= 0:
            raise InvalidValueError("Pixels", (self.image.shape, self.spacing_mm), "an image")

    def prepared(self) -> Prepared:
        """The breast on the common grid, whose ``to_native`` gives the stored image's pixels.

        Raises
        ------
        RefusalError
            ``NO_BREAST``.
        """
        upright = prepare(self.image, self.spacing_mm)
        if not self.turn.changes:
            return upright
        values = {f.name: getattr(upright, f.name) for f in dataclasses.fields(upright)}
        return Turned(**values, turn=self.turn)


@dataclass(frozen=True)
class Turned(Prepared):
    """A breast whose stored image lies on its side or upside down.

    ``native_shape`` and ``native_spacing_mm`` are those of the turned image; coordinates of
    `to_native` and `from_native` are those of the stored one.
    """

    turn: Turn = UPRIGHT

    def to_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Stored (column, row) of prepared ones, shape (..., 2)."""
        return self.turn.to_native(super().to_native(points))

    def from_native(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Prepared (column, row) of stored ones, shape (..., 2)."""
        return super().from_native(self.turn.from_native(points))


def read_pixels(instance: Instance) -> Pixels:
    """Decode one image and show it as its attributes say.

    Overlays are left out (PS3.3 C.9.2), also those in unused bits.

    Raises
    ------
    RefusalError
        Those of `gransk.core.decode.decode_frames`; ``TOMOSYNTHESIS`` for several frames;
        ``NO_PIXEL_SPACING`` where a digital image does not tell the size of its pixels.
    """
    if frame_count(instance.header) != 1:
        raise RefusalError(Reason.TOMOSYNTHESIS, f"{frame_count(instance.header)} frames")
    spacing, source = pixel_spacing(instance.header)
    notes = [Note(code="scale_assumed")] if source is SpacingSource.ASSUMED else []
    image = displayed(instance, notes)
    turn = turn_of(instance.header, (image.shape[0], image.shape[1]))
    if turn.quarters % 2:
        spacing = (spacing[1], spacing[0])
    return Pixels(turn.apply(image), spacing, source, turn, tuple(notes))


def displayed(instance: Instance, notes: list[Note] | None = None) -> FloatArray:
    """One image as it is stored, its values as they are displayed.

    Parameters
    ----------
    instance : Instance
    notes : list of Note, optional
        Takes what a reader must know of the display.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        0 to 1, dense tissue bright, padding 0; not turned.

    Raises
    ------
    RefusalError
        Those of `gransk.core.decode.decode_frames`.
    """
    whole, stored = _decoded(instance)
    return _displayed(stored, whole, [] if notes is None else notes)


def _decoded(instance: Instance) -> tuple[Dataset, StoredArray]:
    try:
        whole = instance.load()
    except DAMAGED as error:
        raise RefusalError(Reason.UNDECODABLE_PIXELS, type(error).__name__) from error
    frames = list(decode_frames(whole))
    if len(frames) != 1:
        raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{len(frames)} frames, the header says 1")
    return whole, frames[0]


def pixel_spacing(header: Dataset) -> tuple[tuple[float, float], SpacingSource]:
    """Distance between rows and between columns in the breast's plane, mm.

    PS3.3 10.7.1.1 and 10.7.1.3: Pixel Spacing is corrected for magnification where its
    calibration type says so or it differs from Imager Pixel Spacing, which is measured at the
    detector's front plane.

    Raises
    ------
    RefusalError
        ``NO_PIXEL_SPACING``.
    """
    groups = _groups(header)
    imager = _pair(groups, "ImagerPixelSpacing")
    plain = _pair(groups, "PixelSpacing")
    factor = _magnification(groups)
    calibrated = str(header.get("PixelSpacingCalibrationType", "") or "").strip().upper()
    if plain and (calibrated in ("GEOMETRY", "FIDUCIAL") or (imager and plain != imager)):
        return plain, SpacingSource.CALIBRATED
    if imager:
        return (imager[0] / factor, imager[1] / factor), SpacingSource.IMAGER
    scanned = _pair(groups, "NominalScannedPixelSpacing")
    if scanned and plain in (None, scanned):
        return scanned, SpacingSource.SCANNED
    if plain:
        return plain, SpacingSource.CALIBRATED
    digitised = str(header.get("ConversionType", "") or "").strip().upper() == "DF"
    if str(header.get("SOPClassUID", "")) not in SCANNED and not digitised:
        raise RefusalError(Reason.NO_PIXEL_SPACING, "neither imager nor pixel spacing")
    rows, columns = int(header.Rows), int(header.Columns)
    down, across = _aspect(header)
    pixel = FILM_HEIGHT_MM / max(rows * down, columns * across)
    return (pixel * down, pixel * across), SpacingSource.ASSUMED


def _groups(header: Dataset) -> tuple[Dataset, ...]:
    """Where attributes may be told: the functional groups of its one frame, the object."""
    found: list[Dataset] = []
    for name in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for item in tuple(header.get(name) or ())[:1]:
            for group in GROUPS:
                found.extend(tuple(item.get(group) or ())[:1])
    return (*found, header)


def _first(header: Dataset, keyword: str) -> Any:
    """An attribute of the frame's groups or of the object; None where it is nowhere."""
    values = (group.get(keyword) for group in _groups(header))
    return next((value for value in values if value not in (None, "")), None)


def _pair(groups: tuple[Dataset, ...], keyword: str) -> tuple[float, float] | None:
    for group in groups:
        numbers = _numbers(group.get(keyword))
        if len(numbers) == 2 and all(SPACINGS_MM[0] <= n <= SPACINGS_MM[1] for n in numbers):
            return numbers[0], numbers[1]
    return None


def _magnification(groups: tuple[Dataset, ...]) -> float:
    for group in groups:
        numbers = _numbers(group.get("EstimatedRadiographicMagnificationFactor"))
        # Below 1 nothing can be projected; some devices write 0 where they do not know.
        if numbers and 1 <= numbers[0] <= 5:
            return numbers[0]
    return 1.0


def _aspect(header: Dataset) -> tuple[float, float]:
    """Pixel Aspect Ratio (0028,0034): vertical to horizontal size, the smaller one 1."""
    numbers = _numbers(header.get("PixelAspectRatio"))
    if len(numbers) != 2 or min(numbers) <= 0 or max(numbers) > 10 * min(numbers):
        return 1.0, 1.0
    return numbers[0] / min(numbers), numbers[1] / min(numbers)


def _numbers(value: Any) -> tuple[float, ...]:
    """Finite numbers of an attribute; none where one of them is no number."""
    if value in (None, ""):
        return ()
    many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    try:
        found = tuple(float(v) for v in many)
    except (TypeError, ValueError):
        return ()
    return found if all(math.isfinite(v) for v in found) else ()


def _displayed(stored: StoredArray, whole: Dataset, notes: list[Note]) -> FloatArray:
    """Stored values to 0..1 by one table over all values that the image holds."""
    low, high = int(stored.min()), int(stored.max())
    values = np.arange(low, high + 1, dtype=np.float64)
    hidden = _padding(values, whole)
    used = np.zeros(len(values), dtype=np.int64)
    for rows in _bands(stored):
        used += np.bincount(np.subtract(rows, low, dtype=np.int32).ravel(), minlength=len(used))
    used[hidden] = 0
    shown = _voi(_modality(values, whole), whole, used, notes)
    inverse = str(whole.get("PresentationLUTShape", "") or "").strip().upper() == "INVERSE"
    if inverse or str(whole.PhotometricInterpretation) == "MONOCHROME1":
        shown = 1 - shown
    shown[hidden] = 0
    table = shown.astype(np.float32)
    image = np.empty(stored.shape, dtype=np.float32)
    for rows, into in zip(_bands(stored), _bands(image), strict=True):
        np.take(table, np.subtract(rows, low, dtype=np.int32), out=into, mode="clip")
    return image


def _bands(image: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """A few rows at a time: indices of a whole film would fill the memory."""
    return [image[n : n + 256] for n in range(0, len(image), 256)]


def _padding(values: npt.NDArray[np.float64], whole: Dataset) -> npt.NDArray[np.bool_]:
    """Stored values between Pixel Padding Value and its range limit (PS3.3 C.7.5.1.1.2)."""
    first = _numbers(whole.get("PixelPaddingValue"))
    if len(first) != 1:
        return np.zeros(len(values), dtype=bool)
    signed = int(whole.PixelRepresentation) == 1
    limit = _numbers(whole.get("PixelPaddingRangeLimit")) or first
    ends = sorted(_of_sign(n, signed) for n in (first[0], limit[0]))
    return np.asarray((values >= ends[0]) & (values <= ends[1]), dtype=bool)


def _of_sign(number: float, signed: bool) -> float:
    """A 16-bit value that was written with the other VR (US or SS) than the pixels'."""
    if signed and number > 32767:
        return number - 65536
    return number + 65536 if not signed and number < 0 else number


def _modality(values: npt.NDArray[np.float64], whole: Dataset) -> npt.NDArray[np.float64]:
    """Modality LUT, else rescale slope and intercept (PS3.3 C.11.1)."""
    table = _table(whole, "ModalityLUTSequence")
    if table is not None:
        return table(values)
    slope = (_numbers(_first(whole, "RescaleSlope")) or (1.0,))[0]
    intercept = (_numbers(_first(whole, "RescaleIntercept")) or (0.0,))[0]
    return values * (slope if slope != 0 else 1.0) + intercept


def _voi(
    values: npt.NDArray[np.float64],
    whole: Dataset,
    used: npt.NDArray[np.integer[Any]],
    notes: list[Note],
) -> npt.NDArray[np.float64]:
    """VOI LUT, else the first window, else all values, to 0..1 (PS3.3 C.11.2).

    What would show the whole image in less than a few greys is left out with a note.
    """
    held = values[used > 0]
    if not held.size:
        return np.zeros_like(values)
    low, high = float(held.min()), float(held.max())
    table = _table(whole, "VOILUTSequence")
    window = _window(whole)
    for choice in (table, window):
        if choice is None:
            continue
        shown = choice(values)
        least, most = float(shown.min()), float(shown.max())
        if choice is table and most > least:
            shown = (shown - least) / (most - least)
        if len(np.unique(np.round(shown[used > 0], 3))) >= min(16, held.size):
            return shown
        notes.append(Note(code="window_left_out"))
        break
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1)


Shown = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def _window(whole: Dataset) -> Shown | None:
    """The first window with its function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    centres, widths = (
        _numbers(_first(whole, "WindowCenter")),
        _numbers(_first(whole, "WindowWidth")),
    )
    if not centres or not widths:
        return None
    centre, width = centres[0], widths[0]
    kind = str(_first(whole, "VOILUTFunction") or "LINEAR").strip().upper()
    if width <= (1 if kind == "LINEAR" else 0):
        return None
    if kind == "SIGMOID":
        return lambda v: 1 / (1 + np.exp(np.clip(-4 * (v - centre) / width, -60, 60)))
    if kind == "LINEAR_EXACT":
        return lambda v: np.clip((v - centre) / width + 0.5, 0, 1)
    return lambda v: np.clip((v - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _table(whole: Dataset, sequence: str) -> Shown | None:
    """The first look-up table of a sequence; None where it is absent or damaged."""
    items = tuple(_first(whole, sequence) or ())[:1]
    if not items:
        return None
    descriptor = _numbers(items[0].get("LUTDescriptor"))
    data = items[0].get("LUTData")
    if len(descriptor) != 3 or data is None:
        return None
    count = int(descriptor[0]) or 65536
    if isinstance(data, bytes):
        kind = ">u2" if _big_endian(whole) else "<u2"
        entries = np.frombuffer(data[: len(data) // 2 * 2], kind).astype(np.float64)
        # 8-bit tables may be packed two to a word (PS3.3 C.11.1.1.1).
        if len(entries) < count <= len(data):
            entries = np.frombuffer(data, np.uint8).astype(np.float64)
    else:
        entries = np.array(_numbers(data))
    if len(entries) < count or count < 2:
        return None
    entries = entries[:count]
    negative = int(whole.PixelRepresentation) == 1 or sequence == "VOILUTSequence"
    first = descriptor[1] - 65536 if negative and _wraps(descriptor[1], count) else descriptor[1]
    return lambda v: entries[np.clip(np.round(v - first), 0, count - 1).astype(np.int64)]


def _wraps(first: float, count: int) -> bool:
    """Is a first value, read as unsigned, a negative one: would the table pass 16 bits?"""
    return first > 32767 and first + count > 65536


def _big_endian(whole: Dataset) -> bool:
    meta = getattr(whole, "file_meta", None)
    return meta is not None and str(meta.get("TransferSyntaxUID", "")) == uid.ExplicitVRBigEndian
