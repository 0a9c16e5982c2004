"""From the images of a study to the four standard views of an exam.

Attributes decide first (`mammo.exam.attributes`, `mammo.exam.refused`), then what is seen in an
image whose attributes do not tell its breast or its view. An exam in which something is refused is
analysed on what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from gransk.core.application import Selection
from gransk.core.errors import InvalidValueError, RefusalError
from gransk.core.findings import Note
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from mammo.exam.attributes import Said, said, text
from mammo.exam.refused import Refused, is_low_energy, is_mammogram, refusal, source
from mammo.exam.repeats import Candidate, Rule, Slot, ranked, rules, why_lower
from mammo.view import STANDARD, Laterality, Projection, Source, View

ATTRIBUTES_READ = (
    "AcquisitionDate", "AcquisitionDateTime", "AcquisitionDeviceProcessingCode",
    "AcquisitionTime", "AnatomicRegionSequence", "BodyPartExamined", "BreastImplantPresent",
    "CalibrationImage", "Columns", "ContentDate", "ContentTime", "ContrastBolusAgent",
    "ContrastBolusAgentSequence", "ConversionType", "EstimatedRadiographicMagnificationFactor",
    "ImageLaterality", "ImageType", "InstanceNumber", "KVP", "Laterality",
    "LossyImageCompression", "Manufacturer", "ManufacturerModelName", "Modality",
    "NumberOfFrames", "PaddleDescription", "PartialView", "PatientOrientation",
    "PresentationIntentType", "PrimaryAnatomicStructureSequence", "QualityControlImage", "Rows",
    "SOPClassUID", "SamplesPerPixel", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber",
    "SharedFunctionalGroupsSequence", "SpecimenDescriptionSequence", "SpecimenSequence",
    "ViewCodeSequence", "ViewModifierCodeSequence", "ViewPosition",
)  # fmt: skip
"""Attributes that this module and those it uses look at."""

TELLING = (
    Reason.UNSUPPORTED_TRANSFER_SYNTAX,
    Reason.VIEW_UNKNOWN,
    Reason.NOT_STANDARD_VIEW,
    Reason.FOR_PROCESSING,
    Reason.TOMOSYNTHESIS,
    Reason.CONTRAST_SUBTRACTION,
    Reason.SPECIMEN,
    Reason.OUT_OF_DISTRIBUTION,
    Reason.PHOTOGRAPH,
    Reason.UNSUPPORTED_SOP_CLASS,
)
"""Reasons by how much they tell of a study in which nothing is left: the images that came nearest
to being analysed first."""


class ViewRules(BaseModel):
    """How the images of an exam are chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...] = Field(
        default=(Source.DIGITAL, Source.SYNTHETIC, Source.FILM),
        description="Of several images of a view, which is preferred; what is not named here is "
        "not read.",
        json_schema_extra={"ordered": True},
    )
    prefer_implant_displaced: bool = Field(
        default=True, description="Of two images of a breast with an implant, which is preferred."
    )
    read_stereotactic: bool = Field(
        default=False, description="Read images of a stereotactic biopsy as if they were views."
    )
    least_certainty: float = Field(
        default=0.6, ge=0.5, le=1,
        description="Least probability of a breast and view that are read from the image. The "
        "breast alone is never more certain than about 0.74.",
    )  # fmt: skip
    most_unknown: int = Field(
        default=8, ge=1, description="Most images of an exam whose breast and view are looked for."
    )


@dataclass(frozen=True)
class Look:
    """What is seen in an image.

    Parameters
    ----------
    right : float
        Probability that it shows a right breast.
    mlo : float
        Probability that it is an MLO, not a CC.
    """

    right: float
    mlo: float

    def __post_init__(self) -> None:
        for name in ("right", "mlo"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidValueError(f"Look.{name}", getattr(self, name), "0 to 1")


@dataclass(frozen=True)
class Exam:
    """The views that are analysed.

    Parameters
    ----------
    views : tuple of View
        In the order R CC, R MLO, L CC, L MLO; missing ones absent.
    notes : tuple of Note
        What a reader must know of them.
    """

    views: tuple[View, ...]
    notes: tuple[Note, ...] = field(default=())

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the standard views that are not there."""
        there = {(view.laterality, view.projection) for view in self.views}
        return tuple(_name(slot) for slot in STANDARD if slot not in there)


@dataclass(frozen=True)
class _Sorted:
    """Images by what became of them."""

    candidates: list[Candidate]
    refused: list[tuple[Instance, Refused]]


def accepts(study: Study) -> Reason | None:
    """None where the study holds images of a breast, whatever they are.

    Whether one of them can be read is told by `choose`, after what may still come has come: raw
    images and tomosynthesis often arrive before the images that are read.
    """
    mine = any(is_mammogram(instance) for instance in study.instances)
    return None if mine else Reason.NO_APPLICATION


def ready(study: Study) -> bool:
    """Are the four standard views there, as their attributes tell?"""
    there = {c.slot for c in _sorted(study.instances, ViewRules()).candidates}
    return there >= set(STANDARD)


def choose(study: Study, view_rules: ViewRules) -> Selection:
    """Choose the images to analyse, by their attributes alone.

    Parameters
    ----------
    study : Study
    view_rules : ViewRules

    Returns
    -------
    Selection
        Images of the standard views in their order, then those whose breast or view no attribute
        tells; a note for every image of the study.

    Raises
    ------
    RefusalError
        With the most telling code where nothing is left.
    """
    found = _sorted(study.instances, view_rules)
    by = _rules(view_rules)
    chosen: list[Candidate] = []
    notes: list[Note] = []
    for slot in STANDARD:
        several = ranked([c for c in found.candidates if c.slot == slot], by)
        chosen += several[:1]
        notes += [_chosen(c, slot) for c in several[:1]]
        notes += [_lower(c, several[0], slot, by) for c in several[1:]]
    unknown = ranked([c for c in found.candidates if c.slot is None], by)
    wanted = [c for c in unknown if _may_fill(c, {c.slot for c in chosen if c.slot})]
    provisional = wanted[: view_rules.most_unknown]
    notes += [
        _note("image_provisional" if c in provisional else "image_not_needed", c.label)
        for c in unknown
    ]
    refused = [(_label(i, said(i.header)), why) for i, why in found.refused]
    notes += [_note(why.code, label, what=why.detail) for label, why in refused]
    chosen += provisional
    if not chosen:
        raise _telling(refused)
    warnings = tuple(note for c in chosen for note in _warnings(c))
    return Selection(tuple(c.instance for c in chosen), tuple(notes), warnings)


def assemble(
    instances: Sequence[Instance],
    look: Callable[[Instance], Look],
    view_rules: ViewRules | None = None,
) -> Exam:
    """The exam that chosen images make.

    Parameters
    ----------
    instances : sequence of Instance
        As `choose` gave them.
    look : callable
        What is seen in an image; asked only where attributes do not tell breast and view.
    view_rules : ViewRules, optional

    Raises
    ------
    RefusalError
        ``VIEW_UNKNOWN`` where no image's breast and view are known well enough, and what ``look``
        raises where no image is left.
    """
    view_rules = view_rules or ViewRules()
    views: dict[Slot, View] = {}
    notes: list[Note] = []
    seen: list[View] = []
    failed: RefusalError | None = None
    for candidate in (_candidate(instance, said(instance.header)) for instance in instances):
        if candidate.slot:
            views.setdefault(candidate.slot, _view(candidate, candidate.slot))
            continue
        try:
            seen.append(_seen(candidate, look(candidate.instance)))
        except RefusalError as why:
            failed = why
            notes.append(_note("image_not_seen", candidate.label))
    for view in sorted(seen, key=lambda v: -v.certainty):
        slot = (view.laterality, view.projection)
        if view.certainty < view_rules.least_certainty:
            code = "view_unknown"
        elif slot in views:
            code = "view_again"
        else:
            code = "view_from_image"
            views[slot] = view
        percent = round(100 * view.certainty)
        label = _label(view.instance, said(view.instance.header))
        notes.append(_note(code, label, view=view.name, percent=percent))
    if not views:
        raise failed or RefusalError(Reason.VIEW_UNKNOWN, f"{len(instances)} images")
    exam = Exam(tuple(views[slot] for slot in STANDARD if slot in views))
    if exam.missing:
        missing = Note(code="exam_incomplete", values={"missing": ", ".join(exam.missing)})
        notes.insert(0, missing)
    return Exam(exam.views, tuple(notes))


def _sorted(instances: Iterable[Instance], view_rules: ViewRules) -> _Sorted:
    result = _Sorted([], [])
    read = [(instance, said(instance.header)) for instance in instances]
    alike = Counter(_place(instance, spoken) for instance, spoken in read)
    for instance, spoken in read:
        if not is_mammogram(instance):
            other = Refused(Reason.UNSUPPORTED_SOP_CLASS, "image_other_modality")
            result.refused.append((instance, other))
            continue
        known = spoken.laterality and spoken.view
        number = alike[_place(instance, spoken)] if known else 1
        why = refusal(instance, spoken, number, view_rules.read_stereotactic)
        candidate = _candidate(instance, spoken)
        if why is None and candidate.source not in view_rules.sources:
            why = Refused(Reason.NO_SUITABLE_SERIES, "image_source", candidate.source)
        if why is None:
            result.candidates.append(candidate)
        else:
            result.refused.append((instance, why))
    return result


def _place(instance: Instance, spoken: Said) -> tuple[str, str, str]:
    return instance.series_instance_uid, str(spoken.laterality), str(spoken.view)


def _candidate(instance: Instance, spoken: Said) -> Candidate:
    return Candidate(instance, spoken, source(instance.header), _label(instance, spoken))


def _rules(view_rules: ViewRules) -> tuple[Rule, ...]:
    return rules(view_rules.sources, view_rules.prefer_implant_displaced)


def _may_fill(candidate: Candidate, there: set[Slot]) -> bool:
    """Is a standard view open that the image may show?"""
    return any(
        candidate.laterality in (None, side) and candidate.projection in (None, view)
        for side, view in STANDARD
        if (side, view) not in there
    )


def _view(candidate: Candidate, slot: Slot, certainty: float = 1.0, seen: bool = False) -> View:
    return View(
        instance=candidate.instance,
        laterality=slot[0],
        projection=slot[1],
        source=candidate.source,
        certainty=certainty,
        read_from_image=seen,
        implant_displaced=candidate.displaced,
    )


def _seen(candidate: Candidate, look: Look) -> View:
    """Attributes for what they tell, the image for the rest."""
    laterality, projection, certainty = candidate.laterality, candidate.projection, 1.0
    if laterality is None:
        laterality = Laterality.RIGHT if look.right >= 0.5 else Laterality.LEFT
        certainty *= max(look.right, 1 - look.right)
    if projection is None:
        projection = Projection.MLO if look.mlo >= 0.5 else Projection.CC
        certainty *= max(look.mlo, 1 - look.mlo)
    return _view(candidate, (laterality, projection), round(certainty, 4), seen=True)


def _telling(refused: Sequence[tuple[str, Refused]]) -> RefusalError:
    if not refused:
        return RefusalError(Reason.NO_SUITABLE_SERIES, "no images")
    order = {reason: place for place, reason in enumerate(TELLING)}
    label, why = min(refused, key=lambda pair: order.get(pair[1].reason, len(order)))
    return RefusalError(why.reason, f"image {label}: {why.code} {why.detail}".strip())


def _chosen(candidate: Candidate, slot: Slot) -> Note:
    return _note("image_chosen", candidate.label, view=_name(slot), source=candidate.source)


def _lower(lower: Candidate, best: Candidate, slot: Slot, by: tuple[Rule, ...]) -> Note:
    code = f"image_lower_{why_lower(lower, best, by)}"
    return _note(code, lower.label, view=_name(slot), better=best.label)


def _warnings(candidate: Candidate) -> list[Note]:
    label, spoken = candidate.label, candidate.said
    notes = [_note(f"attributes_disagree_{what}", label) for what in spoken.disagreeing]
    if spoken.partial:
        notes.append(_note("view_partial", label))
    if candidate.displaced:
        notes.append(_note("implant_displaced", label))
    elif spoken.implant:
        notes.append(_note("implant_present", label))
    if is_low_energy(candidate.instance.header):
        notes.append(_note("low_energy_image", label))
    if candidate.source is Source.SYNTHETIC:
        notes.append(_note("synthetic_image", label))
    return notes


def _note(code: str, label: str, **values: str | float | int) -> Note:
    return Note(code=code, values={"image": label, **values})


def _label(instance: Instance, spoken: Said) -> str:
    """What the image is called, such as ``R MLO (3/1)``: view, series and instance number.

    The view as its attributes tell it; the numbers alone where they do not. Names no patient.
    """
    said_of = (text(instance.header, name) for name in ("SeriesNumber", "InstanceNumber"))
    numbers = "/".join("".join(filter(str.isdigit, one))[:10] or "-" for one in said_of)
    if spoken.laterality and spoken.view:
        return f"{spoken.laterality} {spoken.view} ({numbers})"
    return numbers


def _name(slot: Slot) -> str:
    return f"{slot[0]} {slot[1]}"
