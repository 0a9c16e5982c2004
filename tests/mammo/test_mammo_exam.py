"""What attributes say of an image, and which images make the exam: every rule with a header."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mammo_headers import (
    CAPTURE,
    CODES,
    CT,
    PROCESSING,
    TOMO,
    code,
    four,
    image,
    study,
    view_code,
)
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword

import mammo
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.study import Instance
from mammo.exam.attributes import said
from mammo.exam.choice import ATTRIBUTES_READ, Look, ViewRules, accepts, assemble, choose, ready
from mammo.exam.refused import refusal, source
from mammo.exam.texts import TEXTS
from mammo.exam.view_codes import Modifier
from mammo.view import Source

DATA = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / "mg"


def frame_laterality(side: str) -> list[Dataset]:
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = side
    group.FrameAnatomySequence = [anatomy]
    return [group]


@pytest.mark.parametrize(
    ("attributes", "side", "view"),
    [
        ({"ImageLaterality": "R", "ViewPosition": "MLO"}, "R", "MLO"),
        ({"ImageLaterality": "L", "ViewPosition": ""}, "L", None),
        ({"Laterality": "L", "ViewCodeSequence": [view_code(CODES["CC"])]}, "L", "CC"),
        # SNOMED RT under its retired names, as older Hologic, GE and Fuji systems write it.
        ({"Laterality": "R", "ViewCodeSequence": [view_code("R-10226", scheme="SRT")]}, "R", "MLO"),
        ({"ViewCodeSequence": [view_code("R-10242", scheme="SNM3")]}, None, "CC"),
        ({"ViewCodeSequence": [view_code("R-10242", scheme="99SDM")]}, None, "CC"),
        ({"ViewCodeSequence": [code("X1", "99LOCAL", "Medio-Lateral Oblique")]}, None, "MLO"),
        ({"ViewCodeSequence": [code("399162004", "99LOCAL", "")]}, None, None),
        ({"SharedFunctionalGroupsSequence": frame_laterality("R")}, "R", None),
        # Labels where the view alone belongs.
        ({"ViewPosition": "RCC"}, "R", "CC"),
        ({"ViewPosition": "LMLO"}, "L", "MLO"),
        ({"ViewPosition": "L MLO"}, "L", "MLO"),
        ({"ViewPosition": "LML"}, "L", "ML"),
        ({"ViewPosition": "LM"}, None, "LM"),
        ({"ViewPosition": "LMO"}, None, "LMO"),
        ({"ViewPosition": "MLOE"}, "L", "MLO"),
        ({"ViewPosition": "CCD"}, "R", "CC"),
        ({"ViewPosition": "PA"}, None, None),
        # CBIS-DDSM: Patient Orientation holds the view.
        ({"Laterality": "L", "PatientOrientation": "CC"}, "L", "CC"),
        ({"Laterality": "R", "PatientOrientation": "MLO"}, "R", "MLO"),
        # A proper Patient Orientation tells the breast of an oblique view, however it is turned.
        ({"ViewPosition": "MLO", "PatientOrientation": ["P", "FL"]}, "R", "MLO"),
        ({"ViewPosition": "MLO", "PatientOrientation": ["A", "FR"]}, "L", "MLO"),
        ({"ViewPosition": "MLO", "PatientOrientation": ["A", "HR"]}, "R", "MLO"),
        ({"ViewPosition": "CC", "PatientOrientation": ["P", "L"]}, None, "CC"),
        ({"SeriesDescription": "L CC"}, "L", "CC"),
        ({"SeriesDescription": "R MLO C-View"}, "R", "MLO"),
        ({"SeriesDescription": "Højre bryst MLO"}, "R", "MLO"),
        ({"SeriesDescription": "venstre CC"}, "L", "CC"),
        ({"SeriesDescription": "MAMMOSCREENING 1E LEZING"}, None, None),
        ({"SeriesDescription": "RCC LCC RMLO LMLO"}, None, None),
        ({"SeriesDescription": "Mammografi højre og venstre"}, None, None),
    ],
)
def test_breast_and_view_are_found(attributes, side, view):
    found = said(image(**attributes).header)
    assert (found.laterality, found.view) == (side, view)
    assert not found.disagreeing


def test_the_image_laterality_is_followed_where_attributes_disagree():
    found = said(image("R", "MLO", Laterality="L").header)
    assert (found.laterality, found.disagreeing) == ("R", ("laterality",))
    selection = choose(study(image("R", "CC", Laterality="L")), ViewRules())
    assert [n.code for n in selection.notes] == ["attributes_disagree_laterality"]


def test_an_exaggerated_view_is_none_of_the_four_though_its_code_says_cc():
    found = said(image("R", "XCCL", ViewCodeSequence=[view_code(CODES["CC"])]).header)
    assert (found.view, found.disagreeing) == ("XCCL", ("view",))


@pytest.mark.parametrize(
    ("attributes", "modifier"),
    [
        ({"ViewCodeSequence": [view_code(CODES["CC"], "399055006")]}, Modifier.SPOT),
        ({"ViewCodeSequence": [view_code("R-10242", "R-102D6", scheme="SRT")]},
         Modifier.MAGNIFICATION),
        ({"ViewModifierCodeSequence": [code("399209000")]}, Modifier.IMPLANT_DISPLACED),
        ({"ViewPosition": "CCID"}, Modifier.IMPLANT_DISPLACED),
        ({"ViewPosition": "RMCC"}, Modifier.MAGNIFICATION),
        ({"ViewPosition": "CCRL"}, Modifier.ROLLED),
        ({"ViewPosition": "CV"}, Modifier.CLEAVAGE),
        ({"ViewPosition": "AT"}, Modifier.AXILLARY_TAIL),
        ({"ViewPosition": "TAN"}, Modifier.TANGENTIAL),
        ({"PaddleDescription": "10CM SPOT"}, Modifier.SPOT),
        ({"SeriesDescription": "R CC Mag"}, Modifier.MAGNIFICATION),
        ({"SeriesDescription": "R MLO Eklund"}, Modifier.IMPLANT_DISPLACED),
        ({"EstimatedRadiographicMagnificationFactor": "1.8"}, Modifier.MAGNIFICATION),
    ],
)  # fmt: skip
def test_modifiers_are_found(attributes, modifier):
    assert said(image("R", **attributes).header).modifiers == {modifier}


@pytest.mark.parametrize(
    "attributes",
    [
        {"EstimatedRadiographicMagnificationFactor": "1.07"},
        {"EstimatedRadiographicMagnificationFactor": ""},
        {"PaddleDescription": "24x29 FLEX"},
        {"SeriesDescription": "Image L CC", "ViewPosition": "CC"},
        {"ViewModifierCodeSequence": [code("399055006", "99LOCAL")]},
    ],
)
def test_ordinary_images_have_no_modifier(attributes):
    assert not said(image(**attributes).header).modifiers


SYNTHETIC, DIGITAL, FILM = Source.SYNTHETIC, Source.DIGITAL, Source.FILM


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # Full field images.
        ({}, DIGITAL),
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, DIGITAL),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, DIGITAL),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "POST_PROCESSED", "", "", "", "", "", "50000"]},
         DIGITAL),
        ({"Modality": "CR", "BodyPartExamined": "BREAST",
          "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}, DIGITAL),
        # Two-dimensional images of tomosynthesis.
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"], "SOPClassUID": TOMO,
          "NumberOfFrames": "1"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_2D", "LEFT"]}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "L CC C-View"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "R MLO V-Preview"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "Insight 2D RCC"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "S-View"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY"], "ManufacturerModelName": "FDR-3000AWS"}, SYNTHETIC),
        ({"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST"], "ContrastBolusAgent": "Iohexol"},
         Reason.CONTRAST_SUBTRACTION),
        # Stacks.
        ({"SOPClassUID": TOMO, "NumberOfFrames": "52"}, Reason.TOMOSYNTHESIS),
        ({"SOPClassUID": TOMO, "NumberOfFrames": "1"}, Reason.TOMOSYNTHESIS),
        ({"SOPClassUID": TOMO, "NumberOfFrames": "52", "SeriesDescription": "C-View"},
         Reason.TOMOSYNTHESIS),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]}, Reason.TOMOSYNTHESIS),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_PROJ", "RIGHT"]}, Reason.TOMOSYNTHESIS),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO", "RIGHT"]}, Reason.TOMOSYNTHESIS),
        ({"SOPClassUID": CT}, Reason.TOMOSYNTHESIS),
        ({"SOPClassUID": CAPTURE, "Manufacturer": "HOLOGIC, Inc.",
          "SeriesDescription": "L MLO Tomosynthesis Reconstruction"}, Reason.TOMOSYNTHESIS),
        # Raw data.
        ({"SOPClassUID": PROCESSING}, Reason.FOR_PROCESSING),
        ({"PresentationIntentType": "FOR PROCESSING"}, Reason.FOR_PROCESSING),
        ({"SOPClassUID": PROCESSING, "ImageType": ["ORIGINAL", "PRIMARY", "TOMO_PROJ"]},
         Reason.TOMOSYNTHESIS),
        # Contrast.
        ({"ImageType": ["DERIVED", "PRIMARY", "", "RECOMBINED"]}, Reason.CONTRAST_SUBTRACTION),
        ({"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"]},
         Reason.CONTRAST_SUBTRACTION),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "POST_CONTRAST", "", "HIGH_ENERGY"]},
         Reason.CONTRAST_SUBTRACTION),
        ({"AcquisitionDeviceProcessingCode": "GEMS_CESM_1"}, Reason.CONTRAST_SUBTRACTION),
        ({"SeriesDescription": "L CC I-View"}, Reason.CONTRAST_SUBTRACTION),
        ({"SeriesDescription": "CESM recombined"}, Reason.CONTRAST_SUBTRACTION),
        ({"ContrastBolusAgent": "Iomeprol", "KVP": "49"}, Reason.CONTRAST_SUBTRACTION),
        ({"ContrastBolusAgentSequence": [code("1")], "KVP": "45"}, Reason.CONTRAST_SUBTRACTION),
        ({"ContrastBolusAgent": "Iomeprol", "KVP": "29"}, DIGITAL),
        ({"ContrastBolusAgent": "NONE", "KVP": "49"}, DIGITAL),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"], "SeriesDescription": "CESM"},
         DIGITAL),
        # Specimens, photographs, test images, biopsies.
        ({"ViewCodeSequence": [view_code("127457009")]}, Reason.SPECIMEN),
        ({"ViewCodeSequence": [view_code("G-8310", scheme="SRT")]}, Reason.SPECIMEN),
        ({"AnatomicRegionSequence": [code("127457009")]}, Reason.SPECIMEN),
        ({"SpecimenDescriptionSequence": [Dataset()]}, Reason.SPECIMEN),
        ({"SeriesDescription": "Præparat højre"}, Reason.SPECIMEN),
        ({"SOPClassUID": CAPTURE, "SamplesPerPixel": 3}, Reason.PHOTOGRAPH),
        ({"SOPClassUID": CAPTURE, "ConversionType": "SD"}, Reason.PHOTOGRAPH),
        ({"SOPClassUID": CAPTURE, "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
         Reason.PHOTOGRAPH),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, Reason.PHOTOGRAPH),
        ({"QualityControlImage": "YES"}, Reason.OUT_OF_DISTRIBUTION),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, Reason.UNSUPPORTED_SOP_CLASS),
        ({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, Reason.NOT_STANDARD_VIEW),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "PREFIRE_MINUS"]}, Reason.NOT_STANDARD_VIEW),
        # Other views.
        ({"ViewPosition": "ML"}, Reason.NOT_STANDARD_VIEW),
        ({"ViewPosition": "XCCL"}, Reason.NOT_STANDARD_VIEW),
        ({"ImageLaterality": "B"}, Reason.NOT_STANDARD_VIEW),
        ({"PaddleDescription": "SPOT"}, Reason.NOT_STANDARD_VIEW),
        ({"ViewPosition": "CCID"}, DIGITAL),
        ({"ViewCodeSequence": [view_code(CODES["CC"], "442581004")]}, DIGITAL),
        ({"syntax": "1.2.840.10008.1.2.4.102"}, Reason.UNSUPPORTED_TRANSFER_SYNTAX),
        # Scanned film.
        ({"SOPClassUID": CAPTURE, "ConversionType": "DF", "PresentationIntentType": None}, FILM),
        ({"SOPClassUID": CAPTURE, "ConversionType": "WSD", "ImageType": None}, FILM),
    ],
)  # fmt: skip
def test_each_kind_of_image_is_read_or_refused_by_its_code(attributes, expected):
    one = image(**{"ImageLaterality": "R", "ViewPosition": "CC"} | attributes)
    why = refusal(one, said(one.header))
    assert (why.reason if why else source(one.header)) == expected


def test_a_whole_tomosynthesis_in_private_elements_is_one():
    one = image("R", "CC", SOPClassUID=CAPTURE)
    assert refusal(one, said(one.header)) is None
    one.header.private_block(0x7E01, "HOLOGIC, Inc.", create=True).add_new(0x12, "OB", b"\0\0")
    assert refusal(one, said(one.header)).reason == Reason.TOMOSYNTHESIS


def test_many_images_of_one_view_in_one_series_are_slices():
    slices = [image("R", "CC", SeriesInstanceUID="1.9.9") for _ in range(10)]
    with pytest.raises(RefusalError) as refused:
        choose(study(*slices), ViewRules())
    assert refused.value.reason == Reason.TOMOSYNTHESIS
    assert choose(study(*slices[:9]), ViewRules()).instances
    apart = [image("R", "CC") for _ in range(10)]
    assert choose(study(*apart), ViewRules()).instances
    films = [image(SOPClassUID=CAPTURE, SeriesInstanceUID="1.9.8") for _ in range(12)]
    assert len(choose(study(*films), ViewRules()).instances) == 8


def never(instance: Instance) -> Look:
    raise AssertionError("attributes tell everything")


def names(*images: Instance, **settings) -> list[str]:
    """Views of the exam; every note must have both texts."""
    view_rules = ViewRules(**settings)
    selection = choose(study(*images), view_rules)
    exam = assemble(selection.instances, never, view_rules)
    for note in (*selection.choice, *selection.notes, *exam.notes):
        for language in ("en", "da"):
            assert "{" not in TEXTS[note.code][language].format(**note.values)
    return [f"{view.name} {view.source}" for view in exam.views]


def codes(*images: Instance, **settings) -> list[str]:
    """Note of each image, in the order given."""
    notes = choose(study(*images), ViewRules(**settings)).choice
    by_series = {re.search(r"(\d+)/", note.values["image"])[1]: note.code for note in notes}
    assert len(notes) == len(images)
    return [by_series[str(one.header.SeriesNumber)] for one in images]


def test_the_four_views_come_in_their_order():
    images = four()
    assert names(*reversed(images)) == [
        "R CC digital", "R MLO digital", "L CC digital", "L MLO digital",
    ]  # fmt: skip
    exam = assemble(images, never)
    assert (exam.missing, exam.notes) == ((), ())
    assert all(view.certainty == 1 and not view.read_from_image for view in exam.views)


def test_one_breast_is_analysed_and_marked_incomplete():
    exam = assemble([image("L", "MLO"), image("L", "CC")], never)
    assert [view.name for view in exam.views] == ["L CC", "L MLO"]
    assert exam.missing == ("R CC", "R MLO")
    assert [(n.code, n.values) for n in exam.notes] == [
        ("exam_incomplete", {"missing": "R CC, R MLO"})
    ]


def test_the_good_images_of_a_mixed_study_are_analysed():
    images = [
        *four(),
        image("R", "CC", SOPClassUID=PROCESSING),
        image("R", "CC", SOPClassUID=TOMO, NumberOfFrames="40"),
        image("L", "ML"),
        image(Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1"),
    ]
    assert len(names(*images)) == 4
    assert codes(*images)[4:] == [
        "image_for_processing", "image_tomosynthesis", "image_not_standard",
        "image_other_modality",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([{"SOPClassUID": PROCESSING}, {"SOPClassUID": TOMO}], Reason.FOR_PROCESSING),
        ([{"SOPClassUID": TOMO}, {"SOPClassUID": CAPTURE, "SamplesPerPixel": 3}],
         Reason.TOMOSYNTHESIS),
        ([{"SpecimenDescriptionSequence": [Dataset()]}], Reason.SPECIMEN),
        ([{"SOPClassUID": CAPTURE, "SamplesPerPixel": 3}], Reason.PHOTOGRAPH),
        ([{"ImageType": ["DERIVED", "PRIMARY", "", "RECOMBINED"]}], Reason.CONTRAST_SUBTRACTION),
        ([{"ViewPosition": "ML"}, {"SOPClassUID": PROCESSING}], Reason.NOT_STANDARD_VIEW),
    ],
)  # fmt: skip
def test_a_study_with_nothing_left_is_refused_with_the_most_telling_code(images, reason):
    made = [image("R", **attributes) for attributes in images]
    assert accepts(study(*made)) is None
    assert not ready(study(*made))
    with pytest.raises(RefusalError) as refused:
        choose(study(*made), ViewRules())
    assert refused.value.reason == reason


def test_a_study_without_mammograms_is_not_ours():
    assert accepts(study(image(Modality="CT", SOPClassUID=CT))) == Reason.NO_APPLICATION
    assert accepts(study(image(Modality="DX", BodyPartExamined="CHEST"))) == Reason.NO_APPLICATION
    assert accepts(study(image(Modality="DX", BodyPartExamined="BREAST"))) is None


def test_ready_with_four_views_that_are_read():
    assert ready(study(*four()))
    assert not ready(study(*four()[:3]))
    assert not ready(study(*four(SOPClassUID=PROCESSING)))
    assert not ready(study(*four()[:3], image("L", "MLO", PaddleDescription="SPOT")))
    assert not ready(study(*four()[:3], image("", "MLO")))


@pytest.mark.parametrize(
    ("worse", "better", "why"),
    [
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_2D"], "AcquisitionTime": "120000"},
         {"AcquisitionTime": "110000"}, "source"),
        ({"PartialView": "YES", "AcquisitionTime": "120000"}, {"AcquisitionTime": "110000"},
         "partial"),
        ({"AcquisitionTime": "120000"}, {"ViewPosition": "CCID", "AcquisitionTime": "110000"},
         "implant"),
        ({"AcquisitionTime": "095959.5"}, {"AcquisitionTime": "100000"}, "later"),
        ({"AcquisitionDate": "20250101", "AcquisitionTime": "235959"},
         {"AcquisitionTime": "000500"}, "later"),
        ({"AcquisitionTime": None}, {"AcquisitionTime": "100000"}, "later"),
        ({"AcquisitionTime": "100000", "LossyImageCompression": "01"},
         {"AcquisitionTime": "100000", "LossyImageCompression": "00"}, "lossy"),
        ({"AcquisitionTime": "100000", "Rows": 1000}, {"AcquisitionTime": "100000"}, "smaller"),
        ({"AcquisitionTime": "100000", "SOPInstanceUID": "1.2.9"},
         {"AcquisitionTime": "100000", "SOPInstanceUID": "1.2.8"}, "copy"),
    ],
)  # fmt: skip
def test_repeats_are_resolved(worse, better, why):
    pair = [image(**{"ImageLaterality": "R", "ViewPosition": "CC"} | a) for a in (worse, better)]
    expected = [f"image_lower_{why}", "image_chosen"]
    assert codes(*pair) == expected
    assert codes(*reversed(pair)) == expected[::-1]


def test_a_site_may_turn_preferences_round():
    displaced, place = image("R", "CCID"), image("R", "CC")
    assert codes(displaced, place) == ["image_chosen", "image_lower_implant"]
    assert codes(displaced, place, prefer_implant_displaced=False)[1] == "image_chosen"
    synthetic = image("L", "CC", ImageType=["DERIVED", "PRIMARY", "TOMO_2D"])
    digital = image("L", "CC")
    assert names(digital, synthetic, sources=("synthetic", "digital")) == ["L CC synthetic"]
    film = image("R", "CC", SOPClassUID=CAPTURE)
    assert codes(film, digital, sources=("digital",)) == ["image_source", "image_chosen"]
    stereo = image("L", "CC", ImageType=["DERIVED", "PRIMARY", "STEREO"])
    assert names(stereo, read_stereotactic=True) == ["L CC digital"]


def test_what_is_chosen_is_told():
    images = [
        image("R", "CCID", BreastImplantPresent="YES"),
        image("R", "MLO", BreastImplantPresent="YES"),
        image("L", "CC", ImageType=["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"]),
        image("L", "MLO", ImageType=["DERIVED", "PRIMARY", "TOMO_2D"], PartialView="YES"),
    ]
    assert len(names(*images)) == 4
    notes = choose(study(*images), ViewRules()).notes
    assert [n.code for n in notes] == [
        "implant_displaced", "implant_present", "low_energy_image", "view_partial",
        "synthetic_image",
    ]  # fmt: skip
    views = assemble(images, never).views
    assert [view.implant_displaced for view in views] == [True, False, False, False]


def looks(**by_uid: tuple[float, float]):
    return lambda instance: Look(*by_uid[instance.sop_instance_uid])


def test_what_attributes_do_not_tell_is_read_from_the_image():
    known, half, unknown = image("R", "CC"), image("R", ""), image("", "")
    seen = {half.sop_instance_uid: (0.1, 0.9), unknown.sop_instance_uid: (0.02, 0.05)}
    selection = choose(study(known, half, unknown), ViewRules())
    assert codes(known, half, unknown) == [
        "image_chosen", "image_provisional", "image_provisional",
    ]  # fmt: skip
    exam = assemble(selection.instances, looks(**seen))
    assert [(v.name, v.certainty, v.read_from_image) for v in exam.views] == [
        ("R CC", 1.0, False), ("R MLO", 0.9, True), ("L CC", 0.931, True),
    ]  # fmt: skip
    assert [(n.code, n.values.get("percent")) for n in exam.notes] == [
        ("exam_incomplete", None), ("view_from_image", 93), ("view_from_image", 90),
    ]  # fmt: skip


def test_an_uncertain_look_makes_no_view():
    one = image("", "")
    with pytest.raises(RefusalError) as refused:
        assemble([one], lambda _: Look(0.7, 0.8))
    assert refused.value.reason == Reason.VIEW_UNKNOWN
    exam = assemble([one, image("L", "CC")], lambda _: Look(0.7, 0.8))
    assert [n.code for n in exam.notes] == ["exam_incomplete", "view_unknown"]


def test_two_images_that_look_alike_are_one_view_and_a_repeat():
    one, other = image("", ""), image("", "")
    seen = {one.sop_instance_uid: (0.9, 0.99), other.sop_instance_uid: (0.95, 0.99)}
    exam = assemble([one, other], looks(**seen))
    assert [v.instance for v in exam.views] == [other]
    assert [n.code for n in exam.notes] == ["exam_incomplete", "view_from_image", "view_again"]


def test_an_image_that_cannot_be_looked_at_is_left_out_and_alone_refused():
    def blind(_: Instance) -> Look:
        raise RefusalError(Reason.NO_BREAST, "nothing")

    exam = assemble([image("R", "CC"), image("", "")], blind)
    assert [n.code for n in exam.notes] == ["exam_incomplete", "image_not_seen"]
    with pytest.raises(RefusalError) as refused:
        assemble([image("", "")], blind)
    assert refused.value.reason == Reason.NO_BREAST


def test_unknown_images_are_not_needed_where_the_views_are_there():
    assert codes(*four(), image("", ""))[4] == "image_not_needed"
    right = [one for one in four() if one.header.ImageLaterality == "R"]
    assert codes(*right, image("R", ""))[2] == "image_not_needed"
    assert codes(*right, image("L", ""))[2] == "image_provisional"


def test_labels_name_no_patient():
    one = image("R", "CC")
    del one.header.SeriesNumber
    one.header.add_new("SeriesNumber", "LO", "Jensen^Anna 7")
    (note,) = choose(study(one), ViewRules()).choice
    assert note.values["image"] == "R CC (7/1)"


def test_images_are_called_by_their_view_where_attributes_tell_it():
    spot = image("L", "MLO", ViewModifierCodeSequence=[code("399055006")])
    notes = choose(study(*four(), spot, image("", "")), ViewRules()).choice
    named = [TEXTS[note.code]["en"].format(**note.values) for note in notes]
    assert next(n for n in named if n.endswith("is analysed.")).startswith("R CC (")
    assert any("Image L MLO (" in one and "spot" in one for one in named)
    assert any(one.startswith("Image -/") or one[6].isdigit() for one in named)


def test_every_text_is_there_in_both_languages():
    for name, texts in TEXTS.items():
        assert set(texts) == {"en", "da"}, name
    for modifier in Modifier:
        assert modifier == Modifier.NIPPLE_IN_PROFILE or any(
            name in TEXTS for name in (f"image_{modifier}", str(modifier))
        )


def test_attributes_that_are_looked_at_enter_the_key():
    spoken = "".join(
        (Path(mammo.__file__).parent / "exam" / name).read_text(encoding="utf-8")
        for name in ("attributes.py", "refused.py", "repeats.py", "choice.py")
    )
    calls = r'(?:text|words|items|number)\(\w+(?:\.header)?, "([A-Z]\w+)"\)'
    assert set(re.findall(calls, spoken)) - set(ATTRIBUTES_READ) <= {
        "CodeValue", "CodingSchemeDesignator", "CodeMeaning", "FrameAnatomySequence",
        "FrameLaterality",
    }  # fmt: skip
    for keyword in ATTRIBUTES_READ:
        assert tag_for_keyword(keyword) is not None, keyword


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(
            ["ViewPosition", "ImageLaterality", "SeriesDescription", "PaddleDescription",
             "ImageType", "PatientOrientation", "Manufacturer", "SOPClassUID"]
        ),
        st.one_of(st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3)),
    )
)  # fmt: skip
def test_any_text_is_read_without_a_fault(values):
    one = image("R", "CC")
    for keyword, value in values.items():
        setattr(one.header, keyword, value)
    refusal(one, said(one.header))


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared mammograms are not there")
def test_the_real_digital_images():
    def read(name: str) -> Instance:
        header = dcmread(DATA / name, stop_before_pixels=True)
        return Instance(header, lambda: header)

    exam = assemble([read("ge_senographe_essential_r_mlo.dcm")], never)
    assert [(v.name, v.source) for v in exam.views] == [("R MLO", Source.DIGITAL)]
    biopsy = read("siemens_inspiration_l_cc_cropped.dcm")
    why = refusal(biopsy, said(biopsy.header))
    assert (why.reason, why.code) == (Reason.NOT_STANDARD_VIEW, "image_stereotactic")
    found = said(biopsy.header)
    assert (found.laterality, found.view) == ("L", "CC")
