"""Two studies compared from their images: what became of each nodule, and its growth."""

from __future__ import annotations

import datetime
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from follow_up import examined, findings_of, named
from nodule_synthetic import Ball
from volume_study import volume_study

from bench.nodule.registration import Motion, moved
from bench.nodule.scans import find_scan
from gransk.core.application import Context, Examined
from gransk.core.errors import RefusalError
from gransk.core.followup import Comparison, Outcome
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from nodule.application import NoduleApplication, NoduleSettings
from nodule.lungs import segment_lungs
from nodule.tracking.registration import Lungs

GROWN = Ball((10.0, 10.0, 70.0), 8.0)
NEW = Ball((30.0, -20.0, -70.0), 8.0)
GONE = Ball((-20.0, 30.0, -60.0), 8.0)
LOW = Ball((-85.0, 0.0, 60.0), 8.0)
BEFORE = Ball(GROWN.centre_mm, 6.5)
DAYS = 182
FIRST, SECOND = "20250106", "20250707"
SHIFT = (12.0, -25.0, 90.0)


@pytest.fixture(scope="module")
def library() -> ModelLibrary:
    return ModelLibrary(Path(__file__).parents[2] / "onnx_models", 1)


@pytest.fixture(scope="module")
def prior() -> Examined:
    return examined("prior", FIRST, {named(1): BEFORE, named(3): GONE, named(4): LOW}, StudyID="1")


@pytest.fixture(scope="module")
def current() -> Examined:
    return examined(
        "current", SECOND, {named(11): GROWN, named(12): NEW}, shift_mm=SHIFT,
        spacing=(2.0, 1.2, 1.2), slices=slice(35, None),
    )  # fmt: skip


def compared(current: Examined, prior: Examined, library: ModelLibrary, **settings) -> Comparison:
    context = Context(library, NoduleSettings(**settings))
    return NoduleApplication().compare(current, prior, context)


@pytest.fixture(scope="module")
def comparison(current, prior, library) -> Comparison:
    return compared(current, prior, library)


def test_what_became_of_each_nodule(comparison, current, prior):
    assert comparison.refused is None
    found = {(one.current_uid, one.prior_uid): one.outcome for one in comparison.lesions}
    assert found == {
        (named(11), named(1)): Outcome.MATCHED,
        (named(12), None): Outcome.NEW,
        (None, named(3)): Outcome.RESOLVED,
        # The current scan begins above it.
        (None, named(4)): Outcome.NOT_COVERED,
    }
    assert comparison.current_date == datetime.date(2025, 7, 7)
    assert comparison.prior_date == datetime.date(2025, 1, 6)
    assert comparison.current_study == current.study.uid
    assert comparison.prior_series == prior.study.series[0].uid
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_growth_of_the_matched_nodule(comparison, current, prior):
    lesion = comparison.of(named(11))
    true = 3 * math.log(GROWN.diameter_mm / BEFORE.diameter_mm)
    change = lesion.changed("volume_change_percent")
    assert change.interval[0] < 100 * math.expm1(true) < change.interval[1]
    assert lesion.changed("diameter_change_mm").value == pytest.approx(1.5, abs=0.6)
    vdt = lesion.changed("vdt_days")
    low, high = vdt.interval
    assert low < vdt.value
    assert low < DAYS * math.log(2) / true < (high or math.inf)
    assert lesion.withheld == ()
    volumes = [look.measured("volume_mm3") for look in (lesion.prior, lesion.current)]
    assert change.value == pytest.approx(100 * (volumes[1] / volumes[0] - 1), abs=0.2)
    assert lesion.prior.date < lesion.current.date
    for look, side, place in (
        (lesion.current, current, np.add(GROWN.centre_mm[::-1], SHIFT)),
        (lesion.prior, prior, np.array(BEFORE.centre_mm[::-1])),
    ):
        assert look.study_instance_uid == side.study.uid
        assert look.region.sop_instance_uid == look.frame.sop_instance_uid
        assert np.linalg.norm(np.subtract(look.centre_lps_mm, place)) < 1.5


def test_one_side_alone_is_shown_of_what_is_not_matched(comparison):
    for lesion in comparison.lesions:
        if lesion.outcome is not Outcome.MATCHED:
            assert (lesion.current is None) == (lesion.current_uid is None)
            assert (lesion.prior is None) == (lesion.prior_uid is None)
            assert lesion.changes == ()


def test_swapping_the_studies_swaps_the_answer(comparison, current, prior, library):
    back = compared(prior, current, library)
    mirrored = {
        (one.prior_uid, one.current_uid, one.certainty, one.changes) for one in back.lesions
    }
    assert mirrored == {
        (one.current_uid, one.prior_uid, one.certainty, one.changes) for one in comparison.lesions
    }
    assert "other_study_is_later" in {n.code for n in back.notes}
    assert "other_study_is_later" not in {n.code for n in comparison.notes}


def test_a_nodule_that_one_analysis_left_out_is_found_and_measured_there(library):
    there = {named(3): GONE}
    prior = examined("unreported prior", FIRST, there, {named(1): GROWN})
    current = examined("unreported current", SECOND, {named(11): GROWN}, {named(13): GONE},
                       shift_mm=SHIFT)  # fmt: skip
    found = compared(current, prior, library)
    assert [one.outcome for one in found.lesions] == [Outcome.MATCHED] * 2
    for lesion in found.lesions:
        assert [n.code for n in lesion.notes][:1] == ["seen_unreported"]
        volumes = [look.measured("volume_mm3") for look in (lesion.prior, lesion.current)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.2)
    seen = found.of(named(11)).prior_uid
    assert seen not in (None, named(1), named(3))
    # The same study gives the same identity to whoever compares with it.
    assert compared(current, prior, library).of(named(11)).prior_uid == seen


def test_one_day_has_no_doubling_time(library, prior):
    same = examined("same day", FIRST, {named(11): GROWN}, shift_mm=SHIFT)
    found = compared(same, prior, library)
    lesion = found.of(named(11))
    assert lesion.prior_uid == named(1)
    assert [n.code for n in lesion.withheld] == ["same_day"]
    assert lesion.changed("vdt_days") is None
    assert lesion.changed("volume_change_percent") is not None
    assert "other_study_same_day" in {n.code for n in found.notes}


def test_another_kernel_withholds_growth_but_not_the_match(library, prior):
    sharp = examined("sharp", SECOND, {named(11): GROWN}, ConvolutionKernel="LUNG")
    lesion = compared(sharp, prior, library).of(named(11))
    assert lesion.prior_uid == named(1)
    assert [n.code for n in lesion.withheld] == ["kernel_class"]
    assert lesion.changed("vdt_days") is None
    assert lesion.prior.region is not None
    assert lesion.current.region is not None


def test_a_nodule_that_shrank_has_no_doubling_time(library, current):
    smaller = examined("smaller", "20260105", {named(21): BEFORE})
    lesion = compared(smaller, current, library).of(named(21))
    assert lesion.prior_uid == named(11)
    assert lesion.changed("volume_change_percent").value < 0
    assert lesion.changed("vdt_days") is None
    assert lesion.withheld == ()
    assert {n.code for n in lesion.notes} & {"no_growth", "no_growth_but"}


def test_lungs_that_do_not_fit_are_told_and_nothing_is_compared(library, prior):
    other = examined("somebody else", SECOND, {named(11): GROWN}, seed=4)
    found = compared(other, prior, library)
    assert found.refused is Reason.REGISTRATION_FAILED
    assert found.lesions == ()


def test_a_study_without_any_date_is_refused(library, prior):
    undated = examined("undated", "", {named(11): GROWN})
    with pytest.raises(RefusalError) as refusal:
        compared(undated, prior, library)
    assert refusal.value.reason is Reason.NO_DATE


def test_a_study_without_lungs_is_told(library, prior, current):
    for instance in current.study.instances[:1]:
        assert instance.header.Modality == "CT"
    thick = examined("thick", SECOND, {}, spacing=(6.0, 1.2, 1.2))
    assert compared(thick, prior, library).refused is Reason.SLICES_TOO_THICK


def test_pictures_show_both_sides_alike(comparison, current, prior):
    application = NoduleApplication()
    shown = application.comparison_pictures(current.study, prior.study, comparison)
    assert len(shown) == 2
    before, after = shown
    assert before.pixels.shape == after.pixels.shape
    assert before.spacing_mm == after.spacing_mm
    assert before.pixels.shape[0] * before.spacing_mm == pytest.approx(56, abs=1)
    assert before.caption["en"].startswith("2025-01-06, ")
    assert after.caption["da"].startswith("07.07.2025, ")
    for picture in shown:
        assert picture.tracking_uid == named(11)
        (outline,) = picture.outlines
        middle = np.array(outline).mean(axis=0)
        assert np.allclose(middle, np.array(picture.pixels.shape) / 2, atol=2)
        j, i = (int(v) for v in middle[::-1])
        # The nodule is brighter than the lung at the picture's edge.
        assert picture.pixels[j, i] > picture.pixels[0, 0] + 80


def test_every_note_and_change_has_its_words(comparison):
    texts = NoduleApplication().presentation.texts
    show = NoduleApplication().presentation
    notes = [*comparison.notes, *(n for one in comparison.lesions for n in one.notes)]
    assert {n.code for n in notes} >= {"compared_series"}
    for note in notes:
        for language in ("en", "da"):
            assert show.text(note, language) != note.code
    for name in ("volume_change_percent", "diameter_change_mm", "vdt_days",
                 *(f"outcome_{o.value}" for o in Outcome), "same_day"):  # fmt: skip
        assert set(texts[name]) == {"en", "da"}


def test_findings_may_be_none(library, prior):
    nothing = Examined(prior.study, findings_of(prior.study, {}))
    later = examined("nothing", SECOND, {})
    found = compared(later, nothing, library)
    assert (found.refused, found.lesions) == (None, ())


@pytest.mark.full
def test_real_nodules_are_matched_on_a_moved_scan(library):
    """Another breath, table and slices: every nodule is itself, and none has grown."""
    data = Path(os.environ.get("GRANSK_DATA", "")) / "ct"
    if not (data / "nodules.json").is_file():
        pytest.skip("GRANSK_DATA holds no ct/nodules.json")
    scan = next(s for s in json.loads((data / "nodules.json").read_text())
                if s["patient"] == "LIDC-IDRI-0063")  # fmt: skip
    volume = find_scan(data / "LIDC-IDRI-0063", scan["series_uid"]).volume()
    rng = np.random.default_rng(21)
    motion = Motion.drawn(rng, Lungs(volume, segment_lungs(volume)), 0.7)
    later = moved(volume, motion, 2.0, rng)
    places = [n["centre_lps_mm"] for n in scan["nodules"] if n["readers"] >= 3]
    assert len(places) >= 2
    sides = [
        (volume, "20250106", {named(n): p for n, p in enumerate(places)}),
        (later, SECOND, {named(100 + n): p for n, p in enumerate(motion.back(places))}),
    ]
    prior, current = (
        Examined(study, findings_of(study, {u: tuple(p) for u, p in there.items()}))
        for study, there in ((volume_study(v, d, d), t) for v, d, t in sides)
    )
    found = compared(current, prior, library)
    pairs = {(one.current_uid, one.prior_uid) for one in found.lesions}
    assert pairs == {(named(100 + n), named(n)) for n in range(len(places))}
    for lesion in found.lesions:
        assert lesion.outcome is Outcome.MATCHED
        low, high = lesion.changed("volume_change_percent").interval
        assert low - 10 < 0 < high + 10


def test_two_likely_partners_are_left_open_and_shown(library):
    """Two nodules where the other study has one between them."""
    between = Ball((10.0, 10.0, 70.0), 6.0)
    pair = [Ball((10.0, 10.0, 70.0 + side), 6.0) for side in (-6.0, 6.0)]
    prior = examined("one between", FIRST, {named(1): between})
    current = examined("two beside", SECOND, {named(11): pair[0], named(12): pair[1]})
    found = compared(current, prior, library)
    assert {one.outcome for one in found.lesions} == {Outcome.UNCERTAIN}
    by_side = {one.prior_uid or one.current_uid: one for one in found.lesions}
    assert set(by_side) == {named(1), named(11), named(12)}
    assert set(by_side[named(1)].candidates) == {named(11), named(12)}
    assert by_side[named(11)].candidates == (named(1),)
    assert by_side[named(11)].prior is not None
    assert all(one.certainty < 0.8 for one in found.lesions)
    shown = NoduleApplication().comparison_pictures(current.study, prior.study, found)
    assert len(shown) == 4
    assert all("usikker parring" in picture.caption["da"] for picture in shown)
