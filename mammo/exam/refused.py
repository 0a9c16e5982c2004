"""Which images are never analysed, and what made those that are.

Every rule names where it comes from. The first that holds decides; they go from what an image is
(a photograph, a specimen) to how it was made and stored. Image Type (0008,0008) is defined in
PS3.3 C.8.11.7.1.4, where value 3 names stereotaxy, tomosynthesis or contrast, value 4 what was
computed, value 5 the energy; values are looked for at any place, since vendors shift them.

Public sources of what vendors write: [M] medcognetics/mammocat, ``mammo_type.rs``, and
medcognetics/dicom-utils, ``test_types.py`` (image types seen in the field); [H] Hologic, Selenia
Dimensions conformance statement RD-04751; [S] Siemens, MAMMOMAT Revelation VC20G conformance
statement; [P] PantelisGeorgiadis/DicomScoToBto, ``Program.cs``; [G] GE Senographe contrast exams:
``LOW_ENERGY`` with processing code ``GEMS_FFDM_PV``, ``RECOMBINED`` with ``GEMS_CESM_1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom import Dataset

from gransk.core.decode import SYNTAXES
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.exam.attributes import Said, description, items, number, text, words
from mammo.exam.view_codes import STANDARD_WITH, VIEWS, ViewName
from mammo.view import Source

_CLASS = "1.2.840.10008.5.1.4.1.1."
FOR_PRESENTATION = _CLASS + "1.2"
FOR_PROCESSING = _CLASS + "1.2.1"
TOMOSYNTHESIS = _CLASS + "13.1.3"
PROJECTION_FOR_PRESENTATION = _CLASS + "13.1.4"
PROJECTION_FOR_PROCESSING = _CLASS + "13.1.5"
COMPUTED_RADIOGRAPHY = _CLASS + "1"
DIGITAL_FOR_PRESENTATION = _CLASS + "1.1"
DIGITAL_FOR_PROCESSING = _CLASS + "1.1.1"
SECONDARY_CAPTURE = _CLASS + "7"
CT_CLASSES = (_CLASS + "2", _CLASS + "2.1", _CLASS + "2.2")
PHOTOGRAPHY = _CLASS + "77.1."
READ = frozenset(
    {
        FOR_PRESENTATION,
        FOR_PROCESSING,
        TOMOSYNTHESIS,
        PROJECTION_FOR_PRESENTATION,
        PROJECTION_FOR_PROCESSING,
        COMPUTED_RADIOGRAPHY,
        DIGITAL_FOR_PRESENTATION,
        DIGITAL_FOR_PROCESSING,
        *(f"{SECONDARY_CAPTURE}{end}" for end in ("", ".1", ".2", ".3", ".4")),
    }
)
"""SOP classes that hold mammograms (PS3.4 B.5); others of modality MG are refused."""

MODALITIES = frozenset({"MG"})
MODALITIES_OF_A_BREAST = frozenset({"CR", "DX", "RG"})
"""Read where Body Part Examined says breast: computed radiography before MG was used for it."""

STACK_FROM = 10
"""So many images of one view in one series are slices of a stack, whoever wrote them: slices are
1 mm thick and no compressed breast is thinner than 10 mm; no exam repeats a view so often."""

HIGH_ENERGY_KVP = 40.0
"""Above the K edge of iodine (33 keV) by design; ordinary mammograms use 22 to 39 kV."""

_PHOTOGRAPH_WORDS = frozenset(
    {"SCREEN SAVE", "SCREENSHOT", "SCREEN CAPTURE", "DOSE_INFO", "CAD", "REPORT"}
)
# Digitized video, scanned document, drawing (Conversion Type, PS3.3 C.8.6.1).
_PHOTOGRAPH_CONVERSIONS = frozenset({"DV", "SD", "DRW"})
_STEREO = re.compile(r"^(STEREO|PREFIRE|POSTFIRE)")  # PS3.3 table C.8-74a
_SYNTHETIC_TYPES = frozenset({"GENERATED_2D", "TOMO_2D"})
_SYNTHETIC_WORDS = re.compile(
    r"\b(c-?view|s-?view|v-?preview|insight ?2d|intelligent ?2d|syn(thetic|thesi[sz]ed)?[ -]?2d)\b"
)
_TOMO_TYPES = frozenset({"TOMO", "TOMOSYNTHESIS", "TOMO_PROJ", "TOMO_SLICE", "TOMO_SLAB"})
_TOMO_WORDS = re.compile(r"\b(tomo\w*|dbt)\b")
_CONTRAST_TYPES = frozenset({"RECOMBINED", "SUBTRACTION", "HIGH_ENERGY", "ADDITION"})
_CONTRAST_WORDS = re.compile(r"\b(recombined|subtract\w*|cesm|cedm|cem|ticem|i-?view)\b")
_NO_AGENT = frozenset({"", "NONE", "NO"})


@dataclass(frozen=True)
class Refused:
    """Why an image is not analysed.

    Parameters
    ----------
    reason : Reason
    code : str
        Of the note that tells it.
    detail : str
        What it is about, such as a view; empty for none.
    """

    reason: Reason
    code: str
    detail: str = ""


def is_mammogram(instance: Instance) -> bool:
    """Is it an image of a mammography exam, to be read or to be refused by its code?"""
    modality = text(instance.header, "Modality")
    if modality in MODALITIES:
        return True
    part = text(instance.header, "BodyPartExamined")
    return modality in MODALITIES_OF_A_BREAST and part in ("BREAST", "MAMMA")


def refusal(
    instance: Instance, said: Said, alike: int = 1, stereotactic: bool = False
) -> Refused | None:
    """None where the attributes of an image let it be analysed, else why not.

    Parameters
    ----------
    instance : Instance
        An image of a mammography exam, see `is_mammogram`.
    said : Said
        What its attributes say.
    alike : int
        How many images of its series have the same laterality and view, itself among them.
    stereotactic : bool
        Whether stereotactic images are read.
    """
    header = instance.header
    for rule in (_photograph, _specimen, _unread, _test_image, _contrast):
        if found := rule(header):
            return found
    if _is_stack(header, alike):
        return Refused(Reason.TOMOSYNTHESIS, "image_tomosynthesis")
    if text(header, "PresentationIntentType") == "FOR PROCESSING" or instance.sop_class_uid in (
        FOR_PROCESSING,
        PROJECTION_FOR_PROCESSING,
        DIGITAL_FOR_PROCESSING,
    ):
        return Refused(Reason.FOR_PROCESSING, "image_for_processing")
    if not stereotactic and any(_STEREO.match(value) for value in words(header, "ImageType")):
        return Refused(Reason.NOT_STANDARD_VIEW, "image_stereotactic")
    if found := _additional(said):
        return found
    if instance.transfer_syntax_uid and instance.transfer_syntax_uid not in SYNTAXES:
        return Refused(Reason.UNSUPPORTED_TRANSFER_SYNTAX, "image_transfer_syntax")
    return None


def source(header: Dataset) -> Source:
    """What made an image that is not refused."""
    if _is_synthetic(header):
        return Source.SYNTHETIC
    captured = text(header, "SOPClassUID").startswith(SECONDARY_CAPTURE)
    return Source.FILM if captured else Source.DIGITAL


def is_low_energy(header: Dataset) -> bool:
    """The low energy image of a contrast exam: it looks like an ordinary mammogram."""
    return "LOW_ENERGY" in words(header, "ImageType") or _has_agent(header)


def _photograph(header: Dataset) -> Refused | None:
    captured = text(header, "SOPClassUID").startswith(SECONDARY_CAPTURE)
    colour = (number(header, "SamplesPerPixel") or 1) > 1
    if (
        text(header, "SOPClassUID").startswith(PHOTOGRAPHY)
        or colour
        or set(words(header, "ImageType")) & _PHOTOGRAPH_WORDS
        or (captured and text(header, "ConversionType") in _PHOTOGRAPH_CONVERSIONS)
    ):
        return Refused(Reason.PHOTOGRAPH, "image_photograph")
    return None


def _specimen(header: Dataset) -> Refused | None:
    """Specimen Module (PS3.3 C.7.6.22), its retired form, and the code of CID 4014."""
    coded = any(
        VIEWS.get(text(item, "CodeValue")) == ViewName.SPECIMEN
        for keyword in (
            "ViewCodeSequence",
            "AnatomicRegionSequence",
            "PrimaryAnatomicStructureSequence",
        )
        for item in items(header, keyword)
    )
    if (
        coded
        or items(header, "SpecimenDescriptionSequence")
        or items(header, "SpecimenSequence")
        or text(header, "BodyPartExamined") == "SPECIMEN"
        or re.search(r"\b(specimen|præparat|praeparat)", description(header))
    ):
        return Refused(Reason.SPECIMEN, "image_specimen")
    return None


def _unread(header: Dataset) -> Refused | None:
    sop_class = text(header, "SOPClassUID")
    if sop_class in CT_CLASSES:
        # Slices as CT objects, for archives without tomosynthesis [H, S].
        return Refused(Reason.TOMOSYNTHESIS, "image_tomosynthesis")
    if sop_class not in READ:
        return Refused(Reason.UNSUPPORTED_SOP_CLASS, "image_sop_class")
    return None


def _test_image(header: Dataset) -> Refused | None:
    """Quality Control Image (0028,0300) and Calibration Image (0050,0004)."""
    if "YES" in (text(header, "QualityControlImage"), text(header, "CalibrationImage")):
        return Refused(Reason.OUT_OF_DISTRIBUTION, "image_test")
    return None


def _contrast(header: Dataset) -> Refused | None:
    """All of a contrast exam but its low energy images, which say so or have an ordinary kV."""
    types = set(words(header, "ImageType"))
    refused = Refused(Reason.CONTRAST_SUBTRACTION, "image_contrast")
    if types & _CONTRAST_TYPES:
        return refused
    if text(header, "AcquisitionDeviceProcessingCode").startswith("GEMS_CESM"):
        return refused
    if "LOW_ENERGY" in types:
        return None
    if _CONTRAST_WORDS.search(description(header)):
        return refused
    agent = _has_agent(header) or "POST_CONTRAST" in types
    high = (number(header, "KVP") or 0.0) > HIGH_ENERGY_KVP
    return refused if agent and (high or "DERIVED" in types) else None


def _has_agent(header: Dataset) -> bool:
    return bool(items(header, "ContrastBolusAgentSequence")) or (
        text(header, "ContrastBolusAgent") not in _NO_AGENT
    )


def _is_stack(header: Dataset, alike: int) -> bool:
    if (number(header, "NumberOfFrames") or 1) > 1 or alike >= STACK_FROM:
        return True
    if _is_hologic_stack(header):
        return True
    if _is_synthetic(header):
        return False
    sop_class = text(header, "SOPClassUID")
    return sop_class == TOMOSYNTHESIS or bool(set(words(header, "ImageType")) & _TOMO_TYPES)


def _is_hologic_stack(header: Dataset) -> bool:
    """A whole tomosynthesis in private elements of a Secondary Capture [P, group 7E01].

    An archive may give its header without private elements; then its description tells.
    """
    if not text(header, "SOPClassUID").startswith(SECONDARY_CAPTURE):
        return False
    if text(header, "Manufacturer").startswith("HOLOGIC") and _TOMO_WORDS.search(
        description(header)
    ):
        return True
    return any(tag.group == 0x7E01 for tag in header.keys())  # noqa: SIM118 (a Dataset)


def _is_synthetic(header: Dataset) -> bool:
    """GENERATED_2D by the standard; TOMO_2D of Siemens [M]; names that vendors gave it.

    A Fuji FDR-3000AWS says DERIVED and PRIMARY alone [M], and copies what describes a volume onto
    its two-dimensional image; slices of it are known by their number.
    """
    types = words(header, "ImageType")
    if set(types) & _SYNTHETIC_TYPES or _SYNTHETIC_WORDS.search(description(header)):
        return True
    fuji = text(header, "ManufacturerModelName") == "FDR-3000AWS"
    plain = not any(types[2:4]) and types[:2] == ("DERIVED", "PRIMARY")
    return fuji and plain


def _additional(said: Said) -> Refused | None:
    if said.both:
        return Refused(Reason.NOT_STANDARD_VIEW, "image_not_standard", "R+L")
    if said.view not in (None, ViewName.CC, ViewName.MLO):
        return Refused(Reason.NOT_STANDARD_VIEW, "image_not_standard", str(said.view))
    if further := sorted(said.modifiers - STANDARD_WITH):
        return Refused(Reason.NOT_STANDARD_VIEW, f"image_{further[0]}")
    return None
