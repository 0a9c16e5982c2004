"""CT images to one volume in Hounsfield units, its geometry checked image by image."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from gransk.core.decode import StoredArray, check_pixels, decode_frames, frame_count
from gransk.core.errors import RefusalError
from gransk.core.findings import FrameRef
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from gransk.core.volume import FloatArray, Geometry, Volume

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY_CONVERTED_ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.2"
SOP_CLASSES = (CT_IMAGE, ENHANCED_CT_IMAGE, LEGACY_CONVERTED_ENHANCED_CT_IMAGE)
MULTI_FRAME = (ENHANCED_CT_IMAGE, LEGACY_CONVERTED_ENHANCED_CT_IMAGE)

# Memory of a whole analysis, measured at its peak: the volume, the lungs and what
# the steps hold beside them.
BYTES_PER_VOXEL = 12
DEFAULT_MEMORY_MB = 3584

SAME_PLACE_MM = 0.01
UNEVEN_SHARE = 0.1
DRIFT_SHARE = 0.5
LARGEST_TILT_DEGREES = 0.2
LARGEST_JITTER_MM = 0.5
LARGEST_OBLIQUE_DEGREES = 25.0
SAME_DIRECTION = 1e-3
LOWEST_HU = -1024.0
# Padding that a site declares may only hide values that no tissue has.
TISSUE_HU = (-900.0, 3071.0)
AIR_MUST_REACH_HU = -500.0
DECODING_THREADS = 2

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """One CT image: an object, or one frame of a multi-frame object.

    Parameters
    ----------
    instance : Instance
    index : int
        From 0.
    header, groups : Dataset and tuple of Dataset
        Where attributes are looked for: the frame's functional groups (own, then
        shared), else the object itself.
    """

    instance: Instance = field(repr=False)
    index: int
    groups: tuple[Dataset, ...] = field(repr=False, default=())

    def value(self, keyword: str, sequence: str = "") -> Any:
        """An attribute's value, or None where it is absent or empty.

        Parameters
        ----------
        keyword : str
        sequence : str
            The functional group that holds it in multi-frame objects.
        """
        for group in self.groups:
            items = group.get(sequence) if sequence else None
            if items and items[0].get(keyword) not in (None, ""):
                return items[0].get(keyword)
        value = self.instance.header.get(keyword)
        return None if value in (None, "") else value

    def numbers(self, keyword: str, count: int, sequence: str = "") -> tuple[float, ...]:
        """Finite numbers.

        Raises
        ------
        RefusalError
            ``MISSING_ATTRIBUTE`` or ``INCONSISTENT_IMAGES``.
        """
        value = self.value(keyword, sequence)
        if value is None:
            raise RefusalError(Reason.MISSING_ATTRIBUTE, keyword)
        try:
            found = tuple(float(v) for v in ([value] if count == 1 else value))
        except (TypeError, ValueError) as error:
            raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{keyword} is no number") from error
        if len(found) != count or not all(math.isfinite(v) for v in found):
            raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{keyword} has no {count} numbers")
        return found

    @property
    def position(self) -> Vector:
        """Image Position (Patient), mm."""
        return np.array(self.numbers("ImagePositionPatient", 3, "PlanePositionSequence"))

    @property
    def orientation(self) -> tuple[Vector, Vector]:
        """Row and column direction, unit and perpendicular."""
        six = np.array(self.numbers("ImageOrientationPatient", 6, "PlaneOrientationSequence"))
        row, column = six[:3], six[3:]
        off = max(abs(row @ row - 1), abs(column @ column - 1), abs(row @ column))
        if off > 5 * SAME_DIRECTION:
            raise RefusalError(Reason.INCONSISTENT_IMAGES, "ImageOrientationPatient is no frame")
        row = row / np.linalg.norm(row)
        column = column - (column @ row) * row
        return row, column / np.linalg.norm(column)

    @property
    def pixel_spacing(self) -> tuple[float, float]:
        """Between rows, between columns, mm."""
        rows, columns = self.numbers("PixelSpacing", 2, "PixelMeasuresSequence")
        if not (0.01 < rows < 10 and 0.01 < columns < 10):
            raise RefusalError(Reason.INCONSISTENT_IMAGES, f"PixelSpacing {rows} x {columns}")
        return rows, columns

    @property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept to Hounsfield units."""
        group = "PixelValueTransformationSequence"
        kind = str(self.value("RescaleType", group) or "HU").strip().upper()
        if kind not in ("HU", "US"):
            raise RefusalError(Reason.NOT_HOUNSFIELD, f"RescaleType {kind!r}"[:40])
        (slope,) = self.numbers("RescaleSlope", 1, group)
        (intercept,) = self.numbers("RescaleIntercept", 1, group)
        if slope <= 0:
            raise RefusalError(Reason.NOT_HOUNSFIELD, f"RescaleSlope {slope}")
        return slope, intercept

    @property
    def reference(self) -> FrameRef:
        return FrameRef(
            sop_class_uid=self.instance.sop_class_uid,
            sop_instance_uid=self.instance.sop_instance_uid,
            series_instance_uid=self.instance.series_instance_uid,
            frame=self.index + 1 if self.instance.sop_class_uid in MULTI_FRAME else None,
            instance_number=self._number,
        )

    @property
    def _number(self) -> int | None:
        """Instance Number as viewers show it; None where it is absent or no number."""
        text = str(self.instance.header.get("InstanceNumber", "")).strip()
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else None


def frames_of(instance: Instance) -> tuple[Frame, ...]:
    """The frames of a CT object, in stored order.

    Raises
    ------
    RefusalError
        ``UNSUPPORTED_SOP_CLASS`` where it is none; ``MISSING_ATTRIBUTE`` where a
        multi-frame object lacks its functional groups.
    """
    if instance.sop_class_uid not in SOP_CLASSES:
        raise RefusalError(Reason.UNSUPPORTED_SOP_CLASS, instance.sop_class_uid)
    header = instance.header
    count = frame_count(header)
    if instance.sop_class_uid == CT_IMAGE:
        if count != 1:
            raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{count} frames in a CT image")
        return (Frame(instance, 0),)
    shared = tuple(header.get("SharedFunctionalGroupsSequence") or ())[:1]
    own = header.get("PerFrameFunctionalGroupsSequence")
    if not own:
        raise RefusalError(Reason.MISSING_ATTRIBUTE, "PerFrameFunctionalGroupsSequence")
    if len(own) != count:
        raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{len(own)} groups for {count} frames")
    return tuple(Frame(instance, index, (own[index], *shared)) for index in range(count))


@dataclass(frozen=True)
class Layout:
    """How frames stack to a volume, from headers alone.

    Parameters
    ----------
    frames : tuple of Frame
        From feet to head, one a place.
    geometry : Geometry
    duplicates : tuple of (int, Frame)
        Further frames at the place of ``frames[int]``; readable only where their
        pixels are identical.
    """

    frames: tuple[Frame, ...] = field(repr=False)
    geometry: Geometry
    duplicates: tuple[tuple[int, Frame], ...] = field(repr=False, default=())


def lay_out(frames: Iterable[Frame], memory_mb: int = DEFAULT_MEMORY_MB) -> Layout:
    """Stack axial frames, or say why they are no volume.

    Parameters
    ----------
    frames : iterable of Frame
        In any order.
    memory_mb : int
        What the analysis may use; decides how many slices are too many.

    Raises
    ------
    RefusalError
        ``TOO_FEW_SLICES``, ``TOO_MANY_SLICES``, ``SLICE_GAP``, ``GANTRY_TILT``,
        ``MIXED_ORIENTATION``, ``NOT_AXIAL``, ``MISSING_ATTRIBUTE``,
        ``INCONSISTENT_IMAGES``, ``NOT_HOUNSFIELD`` or
        ``UNSUPPORTED_TRANSFER_SYNTAX``.
    """
    found = sorted(frames, key=lambda f: (f.instance.sop_instance_uid, f.index))
    if len(found) < 3:
        raise RefusalError(Reason.TOO_FEW_SLICES, f"{len(found)} slices")
    _check_alike(found)
    header = found[0].instance.header
    rows, columns = int(header.Rows), int(header.Columns)
    row, column, head = _directions(found)
    positions = np.array([frame.position for frame in found])
    order = np.argsort(positions @ head, kind="stable")
    along = (positions @ head)[order]
    first = np.concatenate([[True], np.diff(along) > SAME_PLACE_MM])
    place = np.cumsum(first) - 1
    kept = order[first]
    if len(kept) < 3:
        raise RefusalError(Reason.TOO_FEW_SLICES, f"{len(kept)} places")
    check_size(len(kept), rows, columns, memory_mb)
    step = _even_step(along[first])
    _check_straight(positions[kept], head)
    spacing = found[0].pixel_spacing
    geometry = Geometry(
        shape=(len(kept), rows, columns),
        origin=_triple(positions[kept[0]]),
        spacing=(step, spacing[0], spacing[1]),
        directions=(_triple(head), _triple(column), _triple(row)),
    )
    duplicates = tuple((int(place[n]), found[order[n]]) for n in range(len(order)) if not first[n])
    return Layout(tuple(found[n] for n in kept), geometry, duplicates)


def check_size(slices: int, rows: int, columns: int, memory_mb: int) -> None:
    """Refuse with ``TOO_MANY_SLICES`` what cannot be analysed within the memory."""
    most = int(memory_mb * 2**20 / (BYTES_PER_VOXEL * rows * columns))
    if slices > most:
        raise RefusalError(
            Reason.TOO_MANY_SLICES,
            f"{slices} slices of {rows} x {columns}, {most} fit in {memory_mb} MB",
        )


def read_volume(
    instances: Sequence[Instance],
    memory_mb: int = DEFAULT_MEMORY_MB,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Volume, tuple[FrameRef, ...]]:
    """Read CT objects as one volume.

    Parameters
    ----------
    instances : sequence of Instance
        Single-frame or multi-frame CT, of one stack, in any order.
    memory_mb : int
        What the analysis may use.
    progress : callable
        Told the share of slices read.

    Returns
    -------
    Volume
        HU, slices from feet to head; rows and columns as stored.
    tuple of FrameRef
        The image of each slice.

    Raises
    ------
    RefusalError
        As `lay_out`; ``UNDECODABLE_PIXELS``; ``DUPLICATE_SLICES`` where images at
        one place differ; ``NOT_HOUNSFIELD`` where no value is as low as air.
    """
    layout = lay_out([f for i in instances for f in frames_of(i)], memory_mb)
    hu = np.empty(layout.geometry.shape, dtype=np.float32)
    places: dict[str, dict[int, tuple[Frame, int]]] = {}
    for k, frame in enumerate(layout.frames):
        places.setdefault(frame.instance.sop_instance_uid, {})[frame.index] = (frame, k)
    by_uid = {instance.sop_instance_uid: instance for instance in instances}
    done = 0

    def read(uid: str) -> int:
        for index, stored in enumerate(_decoded(by_uid[uid])):
            if index in places[uid]:
                frame, k = places[uid][index]
                hu[k] = to_hu(stored, frame)
        return len(places[uid])

    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        for count in pool.map(read, places):
            done += count
            progress(done / len(layout.frames))
    for k, frame in layout.duplicates:
        if not np.array_equal(_frame_hu(frame), hu[k]):
            raise RefusalError(Reason.DUPLICATE_SLICES, f"at slice {k + 1}")
    if float(hu.min()) > AIR_MUST_REACH_HU:
        raise RefusalError(Reason.NOT_HOUNSFIELD, f"lowest value is {float(hu.min()):.0f}")
    return Volume(hu, layout.geometry), tuple(frame.reference for frame in layout.frames)


def read_frame(frame: Frame) -> FloatArray:
    """One frame in HU, shape (rows, columns).

    Raises
    ------
    RefusalError
        As `read_volume`, for its pixels.
    """
    return _frame_hu(frame)


def to_hu(stored: StoredArray, frame: Frame) -> FloatArray:
    """Stored values to HU, padding and whatever is lower than air set to -1024 HU.

    Padding (PS3.3 C.7.5.1.1.2) whose value would hide tissue is not believed.
    """
    slope, intercept = frame.rescale
    hu: FloatArray = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    padding = padding_range(frame.instance.header)
    if padding is not None:
        low, high = (value * slope + intercept for value in padding)
        if high <= TISSUE_HU[0] or low >= TISSUE_HU[1]:
            hu[(stored >= padding[0]) & (stored <= padding[1])] = LOWEST_HU
    np.maximum(hu, np.float32(LOWEST_HU), out=hu)
    return hu


def padding_range(header: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored value that is padding, or None.

    A value written with the wrong sign is wrapped into the range of the pixels.
    """
    values = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = header.get(keyword)
        if not isinstance(value, int):
            continue
        bits = int(header.BitsAllocated)
        value = int(value) % (1 << bits)
        if int(header.PixelRepresentation) == 1 and value >= 1 << (bits - 1):
            value -= 1 << bits
        values.append(value)
    if header.get("PixelPaddingValue") is None or not values:
        return None
    return min(values), max(values)


def _decoded(instance: Instance) -> Iterable[StoredArray]:
    try:
        dataset = instance.load()
    except RefusalError:
        raise
    except Exception as error:
        raise RefusalError(Reason.UNDECODABLE_PIXELS, type(error).__name__) from error
    return decode_frames(dataset)


def _frame_hu(frame: Frame) -> FloatArray:
    for index, stored in enumerate(_decoded(frame.instance)):
        if index == frame.index:
            return to_hu(stored, frame)
    raise RefusalError(Reason.UNDECODABLE_PIXELS, "a frame is missing")


def _check_alike(frames: Sequence[Frame]) -> None:
    """Every frame readable by its header, and of one grid."""
    first = frames[0]
    checked: set[str] = set()
    for frame in frames:
        header = frame.instance.header
        if frame.instance.sop_instance_uid not in checked:
            check_pixels(header, frame.instance.transfer_syntax_uid)
            checked.add(frame.instance.sop_instance_uid)
        frame.rescale  # noqa: B018  refuses what has none
        for keyword in ("Rows", "Columns", "FrameOfReferenceUID"):
            if header.get(keyword) != first.instance.header.get(keyword):
                raise RefusalError(Reason.INCONSISTENT_IMAGES, f"{keyword} differs")
        if not np.allclose(frame.pixel_spacing, first.pixel_spacing, rtol=1e-3):
            raise RefusalError(Reason.INCONSISTENT_IMAGES, "PixelSpacing differs")


def _directions(frames: Sequence[Frame]) -> tuple[Vector, Vector, Vector]:
    """Row direction, column direction and the normal that points to the head."""
    row, column = frames[0].orientation
    for frame in frames:
        other_row, other_column = frame.orientation
        if min(row @ other_row, column @ other_column) < 1 - SAME_DIRECTION:
            raise RefusalError(Reason.MIXED_ORIENTATION)
    normal = np.cross(row, column)
    if abs(normal[2]) < math.cos(math.radians(LARGEST_OBLIQUE_DEGREES)):
        raise RefusalError(Reason.NOT_AXIAL)
    return row, column, normal if normal[2] > 0 else -normal


def _even_step(along: Vector) -> float:
    """Distance between places, refused where it is uneven."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    largest = float(steps.max())
    if largest > 1.5 * usual:
        missing = int(sum(round(s / usual) - 1 for s in steps if s > 1.5 * usual))
        raise RefusalError(Reason.SLICE_GAP, f"about {missing} slices of {usual:.2f} mm missing")
    mean = float(along[-1] - along[0]) / len(steps)
    drift = np.abs(along - along[0] - mean * np.arange(len(along))).max()
    if np.abs(steps - mean).max() > UNEVEN_SHARE * mean or drift > DRIFT_SHARE * mean:
        raise RefusalError(
            Reason.SLICE_GAP, f"distances from {steps.min():.2f} to {largest:.2f} mm"
        )
    return mean


def _check_straight(positions: Vector, head: Vector) -> None:
    """Places must lie behind each other along the normal."""
    travel = positions[-1] - positions[0]
    angle = math.degrees(math.acos(min(1.0, float(travel @ head / np.linalg.norm(travel)))))
    if angle > LARGEST_TILT_DEGREES:
        raise RefusalError(Reason.GANTRY_TILT, f"{angle:.1f} degrees")
    offset = positions - positions[0]
    aside = offset - (offset @ head)[:, None] * head
    if np.linalg.norm(aside, axis=1).max() > max(
        LARGEST_JITTER_MM, 1.5 * np.linalg.norm(travel) * math.tan(math.radians(angle))
    ):
        raise RefusalError(Reason.INCONSISTENT_IMAGES, "images are shifted sideways")


def _triple(vector: Vector) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
