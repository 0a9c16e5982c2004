"""Which images of a study the nodule analysis reads, chosen by data and explained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from gransk.core.application import Selection
from gransk.core.ct import (
    CT_IMAGE,
    DEFAULT_MEMORY_MB,
    SOP_CLASSES,
    Frame,
    Layout,
    frames_of,
    lay_out,
    read_frame,
)
from gransk.core.errors import RefusalError
from gransk.core.findings import Note
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Series, Study
from gransk.core.volume import FloatArray
from nodule.kernels import kernel_class, preference

ATTRIBUTES_READ = (
    "AcquisitionNumber", "AcquisitionTime", "BitsAllocated", "BitsStored", "Columns",
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ConvolutionKernel",
    "FrameOfReferenceUID", "HighBit", "ImageOrientationPatient", "ImagePositionPatient",
    "ImageType", "Modality", "NominalPercentageOfCardiacPhase", "NumberOfFrames",
    "PerFrameFunctionalGroupsSequence", "PhotometricInterpretation", "PixelPaddingRangeLimit",
    "PixelPaddingValue", "PixelRepresentation", "PixelSpacing", "RescaleIntercept",
    "RescaleSlope", "RescaleType", "Rows", "SOPClassUID", "SamplesPerPixel",
    "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SharedFunctionalGroupsSequence",
    "SliceThickness", "TemporalPositionIdentifier",
)  # fmt: skip

# Attributes that tell repeated scans of one place within a series apart, in this order.
REPEATS = ("AcquisitionNumber", "TemporalPositionIdentifier", "NominalPercentageOfCardiacPhase",
           "SliceThickness", "AcquisitionTime")  # fmt: skip

LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM"}
PROJECTION_WORDS = {
    "MIP", "MINIP", "MPR", "CPR", "AVERAGE", "AVG", "MEAN", "MAXIMUM", "MINIMUM", "MIN_IP",
    "MAX_IP", "PROJECTION", "PROJECTION IMAGE", "VRT", "SSD", "3D", "CSAMPR", "REFORMATTED",
    "SUBTRACTION", "PERFUSION", "MULTIPLANAR",
}  # fmt: skip
DESCRIBED_WORDS = {"MIP", "MINIP", "MPR"}

SAMPLED_SLICES = 16
LUNG_HU = (-975.0, -400.0)
LUNG_CM2 = 20.0
COARSE_PIXELS = 4


class SeriesRules(BaseModel):
    """How a series is chosen; lengths in mm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preferred_kernels: tuple[str, ...] = Field(
        default=("medium", "soft", "unknown", "lung", "bone"),
        description="Kernel names (with * and ?) or classes soft, medium, lung, bone, unknown; "
        "best first.",
    )
    thin_mm: float = Field(default=1.5, gt=0, le=5, description="Up to here a series is thin.")
    warn_above_mm: float = Field(default=3.0, gt=0, description="Thicker slices get a warning.")
    refuse_above_mm: float = Field(default=5.0, gt=0, description="Thicker slices are refused.")
    shortest_mm: float = Field(default=150.0, gt=0, description="Least length of a scan.")
    shortest_lungs_mm: float = Field(default=80.0, ge=0, description="Least length of lungs seen.")
    coverage_share: float = Field(
        default=0.75, ge=0, le=1,
        description="A series shorter than this share of the longest (up to 280 mm) comes last.",
    )  # fmt: skip
    contrast: str = Field(
        default="without", pattern="^(without|with|any)$",
        description="Which of two otherwise equal series is preferred.",
    )  # fmt: skip
    accept_derived: bool = Field(
        default=False, description="Read images whose Image Type says DERIVED."
    )


@dataclass(frozen=True)
class Stack:
    """Frames of one series that may make one volume.

    Parameters
    ----------
    label : str
        Series Number, or its UID where that is absent.
    frames : tuple of Frame
    """

    label: str
    frames: tuple[Frame, ...] = field(repr=False)

    @property
    def instances(self) -> tuple[Instance, ...]:
        by_uid = {f.instance.sop_instance_uid: f.instance for f in self.frames}
        return tuple(by_uid[uid] for uid in sorted(by_uid))

    @property
    def image_type(self) -> tuple[str, ...]:
        value = self.frames[0].value("FrameType", "CTImageFrameTypeSequence")
        if value is None:
            value = self.frames[0].value("ImageType") or ()
        values = [value] if isinstance(value, str) else list(value)
        return tuple(str(v).strip().upper() for v in values)

    @property
    def kernel(self) -> str:
        value = self.frames[0].value("ConvolutionKernel", "CTReconstructionSequence") or ""
        return str(value if isinstance(value, str) else next(iter(value))).strip()

    @property
    def thickness_mm(self) -> float | None:
        try:
            (value,) = self.frames[0].numbers("SliceThickness", 1, "PixelMeasuresSequence")
        except RefusalError:
            return None
        return value if value > 0 else None

    @property
    def contrast(self) -> bool:
        header = self.frames[0].instance.header
        agent = str(header.get("ContrastBolusAgent") or "").strip().upper()
        return bool(header.get("ContrastBolusAgentSequence")) or agent not in ("", "NONE", "NO")


@dataclass(frozen=True)
class Candidate:
    """A stack that its headers make suitable.

    Parameters
    ----------
    stack : Stack
    layout : Layout
    slab_mm : float
        The larger of slice thickness and slice distance.
    """

    stack: Stack
    layout: Layout = field(repr=False)
    slab_mm: float

    @property
    def length_mm(self) -> float:
        return self.layout.geometry.shape[0] * self.layout.geometry.spacing[0]

    @property
    def values(self) -> dict[str, str | float | int]:
        """What a reader is told of it."""
        return {
            "series": self.stack.label,
            "slices": self.layout.geometry.shape[0],
            "thickness_mm": round(self.slab_mm, 2),
            "kernel": self.stack.kernel or "-",
            "kernel_class": kernel_class(self.stack.kernel),
            "length_mm": round(self.length_mm),
        }


@dataclass(frozen=True)
class Rejection:
    """Why a stack or series is passed over; ``stage`` tells how far it came."""

    stage: int
    reason: Reason
    note: Note


class _UnsuitableError(Exception):
    def __init__(self, stage: int, reason: Reason, code: str, **values: str | float) -> None:
        super().__init__(code)
        self.stage, self.reason, self.code, self.values = stage, reason, code, values


def ct_images(study: Study) -> tuple[Series, ...]:
    """Series that hold CT images, other objects among them left out."""
    found = []
    for series in study.series:
        images = tuple(i for i in series.instances if i.sop_class_uid in SOP_CLASSES)
        if images and series.modality == "CT":
            found.append(Series(series.uid, images))
    return tuple(found)


LASTING = frozenset(
    {
        Reason.SLICES_TOO_THICK,
        Reason.GANTRY_TILT,
        Reason.MIXED_ORIENTATION,
        Reason.TOO_MANY_SLICES,
        Reason.UNSUPPORTED_TRANSFER_SYNTAX,
        Reason.NOT_HOUNSFIELD,
    }
)
"""Why a series is not read, whatever images may still come."""


def accepts(study: Study) -> Reason | None:
    """None where a CT may be a chest; else why the study is not read."""
    series = ct_images(study)
    if not series:
        return Reason.NO_APPLICATION
    for one in series:
        for instance in one.instances:
            words = _words(instance.header.get("ImageType"))
            if not words & LOCALIZER_WORDS:
                return None
    return Reason.NO_SUITABLE_SERIES


def ready(study: Study, rules: SeriesRules, memory_mb: int = DEFAULT_MEMORY_MB) -> bool:
    """Is the exam complete, as far as its images can tell?

    True where at least one series is suitable by its headers, or unsuitable for a
    reason that further images cannot mend, none has a gap, and every stated number of
    images is there. What the headers leave unsaid, only quiet time can tell.
    """
    judged = False
    for series in ct_images(study):
        if not _stated_numbers_are_there(series, study):
            return False
        for stack in stacks_of(series):
            try:
                judged = bool(_candidate(stack, rules, memory_mb)) or judged
            except _UnsuitableError as why:
                if why.reason == Reason.SLICE_GAP:
                    return False
                judged = judged or why.reason in LASTING
    return judged


def choose(study: Study, rules: SeriesRules, memory_mb: int = DEFAULT_MEMORY_MB) -> Selection:
    """Choose the images to analyse.

    Parameters
    ----------
    study : Study
    rules : SeriesRules
    memory_mb : int
        What the analysis may use.

    Returns
    -------
    Selection
        Images of one stack from feet to head; one note for each stack, or for each
        series where it has none.

    Raises
    ------
    RefusalError
        With the reason of the stack that came furthest.
    """
    ranked, rejections = _ranked(study, rules, memory_mb)
    for place, candidate in enumerate(ranked):
        try:
            _check_lungs(candidate, rules)
        except _UnsuitableError as why:
            rejections.append(_rejection(candidate.stack, why))
            continue
        lower = [_lower(c, candidate, ranked, rules) for c in ranked[place + 1 :]]
        chosen = Note(code="series_chosen", values=candidate.values)
        return Selection(
            tuple(_in_order(candidate.layout)),
            (chosen, *lower, *(r.note for r in rejections)),
            _warnings(candidate, rules),
        )
    raise _best_refusal(rejections)


def suitable(
    study: Study, rules: SeriesRules, memory_mb: int = DEFAULT_MEMORY_MB
) -> list[Candidate]:
    """Every stack that its headers make suitable, as `choose` ranks them.

    Raises
    ------
    RefusalError
        Where there is none, with the reason of the stack that came furthest.
    """
    ranked, rejections = _ranked(study, rules, memory_mb)
    if not ranked:
        raise _best_refusal(rejections)
    return ranked


def check_lungs(candidate: Candidate, rules: SeriesRules) -> None:
    """Lungs must be seen in slices spread over the scan.

    Raises
    ------
    RefusalError
        ``NO_LUNGS``, ``COVERAGE_INCOMPLETE``, or why its pixels cannot be read.
    """
    try:
        _check_lungs(candidate, rules)
    except _UnsuitableError as why:
        raise RefusalError(why.reason, _detail(_rejection(candidate.stack, why).note)) from why


def _ranked(
    study: Study, rules: SeriesRules, memory_mb: int
) -> tuple[list[Candidate], list[Rejection]]:
    """Stacks that headers make suitable, best first, and why the others are not."""
    rejections: list[Rejection] = []
    candidates: list[Candidate] = []
    for series in study.series:
        if series.modality != "CT":
            note = Note(code="series_not_ct", values={"series": _label(series)})
            rejections.append(Rejection(0, Reason.NO_SUITABLE_SERIES, note))
            continue
        for stack in stacks_of(series):
            try:
                candidates.append(_candidate(stack, rules, memory_mb))
            except _UnsuitableError as why:
                rejections.append(_rejection(stack, why))
    return sorted(candidates, key=lambda c: _rank(c, candidates, rules)), rejections


def _best_refusal(rejections: Sequence[Rejection]) -> RefusalError:
    if not rejections:
        return RefusalError(Reason.NO_SUITABLE_SERIES, "no images")
    best = max(rejections, key=lambda r: r.stage)
    return RefusalError(best.reason, _detail(best.note))


def stacks_of(series: Series) -> list[Stack]:
    """Frames of a series by orientation, grid, kernel and kind, repeated scans apart.

    Objects that are no readable CT image make a stack without frames' geometry:
    it is refused later, with its reason.
    """
    label = _label(series)
    groups: dict[tuple[object, ...], list[Frame]] = {}
    for instance in series.instances:
        try:
            frames = frames_of(instance)
        except RefusalError:
            groups.setdefault(("unreadable",), []).append(Frame(instance, 0))
            continue
        keys = {_grid_key(frame) for frame in frames}
        # A multi-frame object is read whole: its frames stay together.
        key = keys.pop() if len(keys) == 1 else ("mixed", instance.sop_instance_uid)
        groups.setdefault(key, []).extend(frames)
    stacks = []
    for key in sorted(groups, key=str):
        stacks += [Stack(label, tuple(part)) for part in _without_repeats(groups[key])]
    return stacks


def _grid_key(frame: Frame) -> tuple[object, ...]:
    try:
        # By the direction of the slices alone: images turned in their own plane within one
        # series are mixed, and refused as that.
        place = tuple(float(v) for v in np.round(np.cross(*frame.orientation), 2) + 0.0)
        spacing = tuple(round(v, 3) for v in frame.pixel_spacing)
    except RefusalError:
        place, spacing = (), ()
    header = frame.instance.header
    stack = Stack("", (frame,))
    return (
        place, spacing, str(header.get("Rows")), str(header.get("Columns")), stack.kernel,
        _kind(stack), frame.instance.sop_class_uid == CT_IMAGE,
    )  # fmt: skip


def _without_repeats(frames: list[Frame]) -> list[list[Frame]]:
    """Split by the first attribute that leaves no two frames at one place."""
    if not _repeated(frames):
        return [frames]
    for keyword in REPEATS:
        parts: dict[str, list[Frame]] = {}
        for frame in frames:
            parts.setdefault(str(frame.value(keyword, "FrameContentSequence")), []).append(frame)
        instances = {(f.instance.sop_instance_uid, k) for k, part in parts.items() for f in part}
        whole = len(instances) == len({uid for uid, _ in instances})
        if len(parts) > 1 and whole and not any(_repeated(part) for part in parts.values()):
            return [parts[key] for key in sorted(parts)]
    return [frames]


def _repeated(frames: list[Frame]) -> bool:
    try:
        places = {tuple(float(v) for v in np.round(frame.position, 2)) for frame in frames}
    except RefusalError:
        return False
    return len(places) < len(frames)


def _kind(stack: Stack) -> str:
    """``localizer``, ``projection``, ``derived``, ``secondary``, ``original`` or ``unstated``."""
    words = set(stack.image_type)
    parts = words | {word for value in words for word in re.split(r"[ _^]+", value)}
    if parts & LOCALIZER_WORDS:
        return "localizer"
    described = str(stack.frames[0].value("SeriesDescription") or "").upper()
    if parts & PROJECTION_WORDS or set(re.split(r"[^A-Z0-9]+", described)) & DESCRIBED_WORDS:
        return "projection"
    if not words:
        return "unstated"
    if "SECONDARY" in words:
        return "secondary"
    return "derived" if stack.image_type[0] == "DERIVED" else "original"


def _candidate(stack: Stack, rules: SeriesRules, memory_mb: int) -> Candidate:
    """The stack with its layout, where headers make it suitable."""
    for instance in stack.instances[:1]:
        try:
            frames_of(instance)
        except RefusalError as why:
            raise _refused(0, why) from why
    kind = _kind(stack)
    refused = {"localizer", "projection", "secondary"} | (
        set() if rules.accept_derived else {"derived"}
    )
    if kind in refused:
        text = "\\".join(stack.image_type)[:64]
        raise _UnsuitableError(0, Reason.NO_SUITABLE_SERIES, f"series_{kind}", image_type=text)
    try:
        layout = lay_out(stack.frames, memory_mb)
    except RefusalError as why:
        raise _refused(1, why) from why
    spacing = layout.geometry.spacing[0]
    thickness = stack.thickness_mm
    # Positions are decimal text: slices of 5 mm come as 5.0000004 mm.
    slab = round(max(spacing, thickness or 0.0), 3)
    if slab > rules.refuse_above_mm:
        raise _UnsuitableError(2, Reason.SLICES_TOO_THICK, "series_slices_too_thick",
                          thickness_mm=round(slab, 2))  # fmt: skip
    if thickness is not None and spacing > 2.05 * thickness:
        raise _UnsuitableError(2, Reason.SLICE_GAP, "series_slice_gap",
                          detail=f"{thickness:.2f} mm slices every {spacing:.2f} mm")  # fmt: skip
    candidate = Candidate(stack, layout, slab)
    if candidate.length_mm < rules.shortest_mm:
        raise _UnsuitableError(3, Reason.COVERAGE_INCOMPLETE, "series_coverage_incomplete",
                          detail=f"{candidate.length_mm:.0f} mm")  # fmt: skip
    return candidate


def _refused(stage: int, why: RefusalError) -> _UnsuitableError:
    return _UnsuitableError(stage, why.reason, f"series_{why.reason.value}", detail=why.detail)


def _rejection(stack: Stack, why: _UnsuitableError) -> Rejection:
    values: dict[str, str | float | int] = {"series": stack.label}
    values.update({"images": len(stack.frames), "detail": ""})
    values.update(why.values)
    return Rejection(why.stage, why.reason, Note(code=why.code, values=values))


def _detail(note: Note) -> str:
    return f"series {note.values.get('series')} {note.values.get('detail', '')}".strip()


RANKED_BY = ("coverage", "thinness", "kernel", "contrast", "thickness", "kind", "uid")


def _rank(
    candidate: Candidate, among: Sequence[Candidate], rules: SeriesRules
) -> tuple[float, float, int, int, float, int, str]:
    """Smaller is better; places are named by ``RANKED_BY``."""
    stack = candidate.stack
    longest = min(280.0, max(c.length_mm for c in among))
    thin = candidate.slab_mm <= rules.thin_mm + 1e-3
    unwanted = rules.contrast != "any" and stack.contrast != (rules.contrast == "with")
    return (
        float(candidate.length_mm < rules.coverage_share * longest),
        0.0 if thin else round(candidate.slab_mm, 1),
        preference(stack.kernel, rules.preferred_kernels),
        int(unwanted),
        round(candidate.slab_mm, 2),
        int(_kind(stack) != "original"),
        stack.instances[0].sop_instance_uid,
    )


def _lower(
    candidate: Candidate, chosen: Candidate, among: Sequence[Candidate], rules: SeriesRules
) -> Note:
    """Why a suitable stack ranks below the chosen one."""
    pairs = zip(_rank(candidate, among, rules), _rank(chosen, among, rules), strict=True)
    by = next(name for name, (a, b) in zip(RANKED_BY, pairs, strict=True) if a != b)
    return Note(code=f"series_lower_{by}", values=candidate.values)


def _check_lungs(candidate: Candidate, rules: SeriesRules) -> None:
    """Lungs must be seen in slices spread over the scan."""
    frames = candidate.layout.frames
    picked = np.unique(np.linspace(0, len(frames) - 1, SAMPLED_SLICES).round().astype(int))
    spacing = candidate.layout.geometry.spacing[1:]
    try:
        seen = sum(lung_area_cm2(read_frame(frames[k]), spacing) >= LUNG_CM2 for k in picked)
    except RefusalError as why:
        raise _refused(4, why) from why
    length = seen * candidate.length_mm / len(picked)
    if seen == 0:
        raise _UnsuitableError(4, Reason.NO_LUNGS, "series_no_lungs")
    if length < rules.shortest_lungs_mm:
        raise _UnsuitableError(4, Reason.COVERAGE_INCOMPLETE, "series_coverage_incomplete",
                          detail=f"{length:.0f} mm of lungs")  # fmt: skip


def lung_area_cm2(hu: FloatArray, spacing: tuple[float, float]) -> float:
    """Area of lung-like air that is inside the body on one axial slice.

    Parameters
    ----------
    hu : ndarray of float32, shape (rows, columns)
    spacing : (float, float)
        Between rows and columns, mm.
    """
    step = COARSE_PIXELS if min(hu.shape) >= 16 * COARSE_PIXELS else 1
    rows, columns = hu.shape[0] // step * step, hu.shape[1] // step * step
    coarse = hu[:rows, :columns].reshape(rows // step, step, columns // step, step).mean((1, 3))
    labels, count = ndimage.label(coarse < LUNG_HU[1])
    if count == 0:
        return 0.0
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    index = np.arange(1, count + 1)
    means: npt.NDArray[np.float64] = ndimage.mean(coarse, labels, index)
    inside = index[(means > LUNG_HU[0]) & ~np.isin(index, rim)]
    return float(np.isin(labels, inside).sum() * step**2 * spacing[0] * spacing[1] / 100)


def _warnings(candidate: Candidate, rules: SeriesRules) -> tuple[Note, ...]:
    values = candidate.values
    found = []
    if candidate.slab_mm > rules.warn_above_mm:
        found.append(Note(code="thick_slices", values=values))
    if _kind(candidate.stack) != "original":
        found.append(Note(code="image_type_unusual", values=values))
    if candidate.layout.duplicates:
        count = len(candidate.layout.duplicates)
        found.append(Note(code="duplicates_dropped", values={"count": count}))
    if kernel_class(candidate.stack.kernel) == "bone":
        found.append(Note(code="sharp_kernel", values=values))
    return tuple(found)


def _in_order(layout: Layout) -> Iterable[Instance]:
    """Instances from feet to head, each once, dropped duplicates last."""
    frames = [*layout.frames, *(frame for _, frame in layout.duplicates)]
    return {f.instance.sop_instance_uid: f.instance for f in frames}.values()


def _stated_numbers_are_there(series: Series, study: Study) -> bool:
    """Images in acquisition, series and study, where the headers state them."""
    by_acquisition: dict[str, list[Instance]] = {}
    for instance in series.instances:
        acquisition = str(instance.header.get("AcquisitionNumber", ""))
        by_acquisition.setdefault(acquisition, []).append(instance)
    stated = [(part[0], "ImagesInAcquisition", len(part)) for part in by_acquisition.values()]
    stated += [(series.instances[0], "NumberOfSeriesRelatedInstances", len(series.instances))]
    stated += [(series.instances[0], "NumberOfStudyRelatedInstances", len(study.instances))]
    for instance, keyword, there in stated:
        value = instance.header.get(keyword)
        if isinstance(value, int) and there < value:
            return False
    return True


def _label(series: Series) -> str:
    number = series.instances[0].header.get("SeriesNumber")
    return str(number) if number not in (None, "") else series.uid


def _words(value: object) -> set[str]:
    values = [value] if isinstance(value, str) else list(value or ())  # type: ignore[call-overload]
    return {str(v).strip().upper() for v in values}
