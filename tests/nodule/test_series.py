"""The choice of images: every rule with a small study that shows it."""

from __future__ import annotations

import pytest
from chest_series import chest_series, series_uid, study
from ct_images import ENHANCED, enhanced
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from nodule.kernels import kernel_class, preference
from nodule.presentation import presentation
from nodule.series import SeriesRules, accepts, choose, ready, stacks_of

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def chosen(*series, **rules) -> str:
    """Which series of `chest_series` names is chosen; every note must have both texts."""
    selection = choose(study(*series), SeriesRules(**rules))
    show = presentation({})
    for note in (*selection.choice, *selection.notes):
        for language in ("en", "da"):
            text = show.text(note, language)
            assert text != note.code
            assert "{" not in text
    (found,) = {i.series_instance_uid for i in selection.instances}
    return next(d[0].SeriesDescription for d in series if d[0].SeriesInstanceUID == found)


def codes(*series, **rules) -> dict[int, str]:
    """Series number to note code."""
    selection = choose(study(*series), SeriesRules(**rules))
    return {int(n.values["series"]): n.code for n in selection.choice}


def refused(*series, **rules) -> Reason:
    with pytest.raises(RefusalError) as refusal:
        choose(study(*series), SeriesRules(**rules))
    return refusal.value.reason


def test_the_thin_one_is_chosen_whatever_is_said():
    thin = chest_series("ABDOMEN", 4, spacing=1.25, BodyPartExamined="ABDOMEN")
    thick = chest_series("Thorax thin lung", 3, spacing=5.0, BodyPartExamined="CHEST")
    assert chosen(thick, thin) == "ABDOMEN"
    assert codes(thick, thin) == {4: "series_chosen", 3: "series_lower_thinness"}


def test_images_come_from_feet_to_head():
    selection = choose(study(chest_series("a")), SeriesRules())
    places = [float(i.header.ImagePositionPatient[2]) for i in selection.instances]
    assert places == sorted(places)
    assert len(places) == 80


@pytest.mark.parametrize(
    ("kernels", "wanted"),
    [
        (("B70f", "B30f"), "sharp"),
        (("B30f", "B70f"), "smooth"),
        (("soft",), "smooth"),
        (("lung",), "sharp"),
        (("B7*",), "sharp"),
    ],
)
def test_the_sites_kernel_comes_first_among_thin(kernels, wanted):
    sharp = chest_series("sharp", 1, spacing=1.0, ConvolutionKernel="B70f")
    smooth = chest_series("smooth", 2, spacing=1.5, ConvolutionKernel="B30f")
    assert chosen(sharp, smooth, preferred_kernels=kernels) == wanted


def test_a_preferred_kernel_does_not_make_thick_slices_thin():
    sharp = chest_series("sharp", 1, spacing=1.0, ConvolutionKernel="B70f")
    thick = chest_series("thick", 2, spacing=3.0, ConvolutionKernel="B30f")
    assert chosen(sharp, thick, preferred_kernels=("B30f",)) == "sharp"


def test_without_thin_the_thinnest_suitable_is_chosen():
    two = chest_series("two", 1, spacing=2.0, ConvolutionKernel="B70f")
    three = chest_series("three", 2, spacing=3.0, ConvolutionKernel="B30f")
    assert chosen(three, two) == "two"


def test_thickness_counts_not_distance_alone():
    overlapping = chest_series("overlapping", 1, spacing=1.0, SliceThickness=4.0)
    honest = chest_series("honest", 2, spacing=2.0)
    assert chosen(overlapping, honest) == "honest"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "series_localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}, "series_projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "MPR"]}, "series_projection"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 MIP"]}, "series_projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AVERAGE"]}, "series_projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, "series_derived"),
        ({"ImageType": ["ORIGINAL", "SECONDARY", "AXIAL"]}, "series_secondary"),
        ({"SeriesDescription": "Thorax MIP 8/2"}, "series_projection"),
        ({"SliceThickness": 6.0}, "series_slices_too_thick"),
        ({"SliceThickness": 0.4}, "series_slice_gap"),
        ({"length_mm": 100}, "series_coverage_incomplete"),
        ({"lungs": False}, "series_no_lungs"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "series_not_axial"),
        ({"RescaleSlope": None}, "series_missing_attribute"),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "series_unsupported_sop_class"),
        ({"Modality": "PT"}, "series_not_ct"),
    ],
)
def test_what_is_passed_over_and_why(changes, code):
    other = chest_series("other", 7, **({"spacing": 1.0} | changes))
    good = chest_series("good", 5, spacing=3.0)
    assert codes(other, good) == {5: "series_chosen", 7: code}


def test_slices_as_thick_as_allowed_are_read_whatever_their_positions_round_to():
    series = chest_series("five", 5, spacing=5.0)
    for number, image in enumerate(series):
        image.ImagePositionPatient[2] = f"{5.0000004 * number:.7f}"
    assert chosen(series) == "five"


def test_derived_images_are_read_where_the_site_says_so():
    derived = chest_series("derived", ImageType=["DERIVED", "PRIMARY", "AXIAL"])
    assert refused(derived) == Reason.NO_SUITABLE_SERIES
    assert chosen(derived, accept_derived=True) == "derived"
    notes = choose(study(derived), SeriesRules(accept_derived=True)).notes
    assert [n.code for n in notes] == ["image_type_unusual"]


def test_an_image_type_that_says_nothing_ranks_below_original():
    silent = chest_series("silent", 1, ImageType=None)
    assert chosen(silent) == "silent"
    original = chest_series("original", 2)
    assert chosen(silent, original) == "original"


def test_contrast_duplicates_follow_the_rule():
    with_agent = chest_series("with", 1, ContrastBolusAgent="IV")
    without = chest_series("without", 2, ContrastBolusAgent="")
    assert chosen(with_agent, without) == "without"
    assert chosen(with_agent, without, contrast="with") == "with"
    assert codes(with_agent, without) == {2: "series_chosen", 1: "series_lower_contrast"}


def test_a_part_of_the_chest_ranks_below_the_whole():
    part = chest_series("part", 1, spacing=1.0, length_mm=160)
    whole = chest_series("whole", 2, spacing=2.5, length_mm=300)
    assert chosen(part, whole) == "whole"
    long = chest_series("long", 3, spacing=5.0, length_mm=700)
    assert chosen(whole, long) == "whole"


def test_a_chest_is_decided_by_lungs():
    abdomen = chest_series("THORAX", 1, spacing=1.0, lungs=False, BodyPartExamined="CHEST")
    chest = chest_series("abdomen", 2, spacing=3.0)
    assert chosen(abdomen, chest) == "abdomen"
    assert refused(abdomen) == Reason.NO_LUNGS


def test_bases_of_lungs_are_not_enough():
    below = chest_series("b", lungs=False, length_mm=200)
    above = chest_series("b", length_mm=50, start_mm=200)
    for image in above:
        image.SOPInstanceUID += "1"
    assert refused([*below, *above]) == Reason.COVERAGE_INCOMPLETE


def test_repeated_scans_in_one_series_are_told_apart():
    first = chest_series("s", AcquisitionNumber=1)
    second = chest_series("s", AcquisitionNumber=2)
    for image in second:
        image.SOPInstanceUID += "7"
    whole = study([*first, *second])
    assert [len(s.frames) for s in stacks_of(whole.series[0])] == [80, 80]
    selection = choose(whole, SeriesRules())
    assert {int(i.header.AcquisitionNumber) for i in selection.instances} in ({1}, {2})
    assert [n.code for n in selection.choice] == ["series_chosen", "series_lower_uid"]


def test_an_acquisition_number_for_every_slice_splits_nothing():
    images = chest_series("s")
    for k, image in enumerate(images):
        image.AcquisitionNumber = k
    assert len(choose(study(images), SeriesRules()).instances) == 80


def test_mixed_orientations_in_one_series_are_split():
    axial = chest_series("s")
    coronal = chest_series("s", length_mm=50, start_mm=900,
                           ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    selection = choose(study([*axial, *coronal]), SeriesRules())
    assert len(selection.instances) == 80
    assert sorted(n.code for n in selection.choice) == ["series_chosen", "series_not_axial"]


def test_dropped_duplicates_are_told():
    images = chest_series("s")
    twin = chest_series("s", length_mm=5)[1]
    twin.SOPInstanceUID += "7"
    selection = choose(study([*images, twin]), SeriesRules())
    assert [n.code for n in selection.notes] == ["duplicates_dropped"]


def test_thick_slices_and_sharp_kernels_are_warned_of():
    notes = choose(study(chest_series("s", spacing=4.0, ConvolutionKernel="BONE")), SeriesRules())
    assert [n.code for n in notes.notes] == ["thick_slices", "sharp_kernel"]


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (lambda: chest_series("s", length_mm=5), Reason.TOO_FEW_SLICES),
        (lambda: chest_series("s", spacing=6), Reason.SLICES_TOO_THICK),
        (lambda: chest_series("s")[:30] + chest_series("s")[31:], Reason.SLICE_GAP),
        (lambda: chest_series("s", length_mm=120), Reason.COVERAGE_INCOMPLETE),
        (lambda: chest_series("s", PixelData=b"\0\0"), Reason.UNDECODABLE_PIXELS),
        (lambda: chest_series("s", ImagePositionPatient=None), Reason.MISSING_ATTRIBUTE),
    ],
)
def test_the_refusal_names_the_reason_of_what_came_furthest(series, reason):
    scout = chest_series("scout", 1, length_mm=5, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert refused(series(), scout) == reason


def test_two_thousand_slices_are_refused_by_memory():
    large = chest_series("s", length_mm=600, spacing=0.3)
    assert len(large) == 2000
    with pytest.raises(RefusalError) as refusal:
        choose(study(large), SeriesRules(), memory_mb=40)
    assert refusal.value.reason == Reason.TOO_MANY_SLICES


def test_accepts():
    scout = chest_series("scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], length_mm=5)
    assert accepts(study(scout)) == Reason.NO_SUITABLE_SERIES
    assert accepts(study(scout, chest_series("s"))) is None
    assert accepts(study(chest_series("s", Modality="MR"))) == Reason.NO_APPLICATION
    capture = chest_series("s", SOPClassUID=SECONDARY_CAPTURE, length_mm=5)
    assert accepts(study(capture)) == Reason.NO_APPLICATION
    assert accepts(study([enhanced()])) is None


def test_ready():
    rules = SeriesRules()
    whole = chest_series("s")
    assert ready(study(whole), rules)
    assert not ready(study(whole[:40] + whole[41:]), rules)
    assert not ready(study(whole[:40]), rules)
    stated = chest_series("s", ImagesInAcquisition=80, AcquisitionNumber=1)
    assert ready(study(stated), rules)
    assert not ready(study(stated[:-1]), rules)
    assert not ready(study(whole, stated_gap()), rules)
    scout = chest_series("scout", length_mm=5, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert not ready(study(scout), rules)


def test_ready_where_no_further_image_can_help():
    assert ready(study(chest_series("thick", spacing=8)), SeriesRules())


def test_images_of_two_patients_are_refused():
    images = chest_series("s")
    images[33].PatientID = "OTHER"
    assert refused(images) == Reason.MIXED_PATIENTS
    images = chest_series("s")
    images[33].PatientName = "Someone^Else"
    assert refused(images) == Reason.MIXED_PATIENTS


def test_padding_of_the_name_is_not_another_patient():
    images = chest_series("s", PatientName="Madsen^Åse")
    images[33].PatientName = "MADSEN^ÅSE^^"
    assert chosen(images) == "s"


def test_images_turned_in_their_own_plane_are_mixed():
    images = chest_series("s")
    for image in images[::2]:
        image.ImageOrientationPatient = [0, 1, 0, -1, 0, 0]
    assert refused(images) == Reason.MIXED_ORIENTATION


def stated_gap():
    other = chest_series("other", 9)
    return other[:10] + other[12:]


def test_enhanced_objects_are_chosen_too():
    ds = enhanced(range(6))
    assert ds.SOPClassUID == ENHANCED
    assert refused([ds]) == Reason.COVERAGE_INCOMPLETE


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(4)))
def test_the_choice_does_not_depend_on_order(order):
    series = [
        chest_series("a", 1, spacing=5.0),
        chest_series("b", 2, spacing=4.0, ConvolutionKernel="B70f"),
        chest_series("c", 3, spacing=4.0, ConvolutionKernel="B30f"),
        chest_series("d", 4, spacing=4.0, ContrastBolusAgent="IV"),
    ]
    selection = choose(study(*(series[n] for n in order)), SeriesRules())
    assert {i.series_instance_uid for i in selection.instances} == {series_uid("d")}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("B30f", "soft"), ("B31s", "soft"), ("Br40d", "medium"), ("B45f", "medium"),
        ("B60f", "lung"), ("B70f", "lung"), ("I70f", "lung"), ("Bl57d", "lung"), ("B80f", "bone"),
        ("I30f", "soft"), ("Qr40", "medium"), ("STANDARD", "medium"), ("LUNG", "lung"),
        ("BONE", "bone"), ("BONEPLUS", "bone"), ("CHEST", "medium"), ("SOFT", "soft"),
        ("DETAIL", "medium"), ("EDGE", "bone"), ("A", "soft"), ("B", "soft"), ("C", "medium"),
        ("L", "lung"), ("YA", "lung"), ("D", "bone"), ("FC08", "soft"), ("FC13", "medium"),
        ("FC51", "lung"), ("FC30", "bone"), ("FC81", "bone"), ("", "unknown"), ("XYZZY", "unknown"),
    ],
)  # fmt: skip
def test_kernel_classes(name, kind):
    assert kernel_class(name) == kind


def test_kernels_outside_the_list_come_last():
    assert preference("B99x", ("B30f", "soft")) == 2
    assert preference("b30F", ("lung", "B30f")) == 1
