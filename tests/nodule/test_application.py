"""The nodule application from images to findings, with a detector that sees spots."""

from __future__ import annotations

import numpy as np
import pytest
from chest_series import chest_series, study
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from spot_model import write_models

from gransk.core.application import Application, Context, TakesImages, applications
from gransk.core.codes import Code
from gransk.core.errors import InvalidValueError, ModelError, RefusalError
from gransk.core.findings import Findings, Quality
from gransk.core.keys import selection_key
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from nodule.application import NoduleApplication, NoduleSettings
from nodule.phantom import PhantomSpec, make_phantom
from nodule.presentation import number, value_text


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ModelLibrary:
    return ModelLibrary(write_models(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(PhantomSpec(matrix=256, spacing_mm=2.5, noise_hu=10))


@pytest.fixture(scope="module")
def images(phantom) -> Study:
    return Study.from_instances(Instance(ds, lambda ds=ds: ds) for ds in phantom.images)


def run(images: Study, library: ModelLibrary, **settings) -> Findings:
    application = NoduleApplication()
    mine = NoduleSettings(**settings)
    selection = application.select(images, mine)
    key = selection_key(application, selection, mine, library)
    return application.analyse(images, selection, Context(library, mine, analysis_key=key))


@pytest.fixture(scope="module")
def findings(images, library) -> Findings:
    return run(images, library)


def test_it_is_found_by_entry_point():
    found = applications()["nodule"]
    assert isinstance(found, Application)
    assert found.accepts(study(chest_series("s"))) is None
    assert found.models(found.settings_schema()) == (
        "nodule-search", "nodule-detector", "nodule-segmenter", "nodule-morphology",
    )  # fmt: skip


def test_an_isolated_solid_nodule_is_found_and_measured(phantom, findings):
    truth = [n for n in phantom.truth["nodules"]
             if n["texture"] == "solid" and n["place"] == "isolated"]  # fmt: skip
    assert truth
    for nodule in truth:
        finding = min(
            findings.findings,
            key=lambda f: np.linalg.norm(np.subtract(f.centre_lps_mm, nodule["centre_lps_mm"])),
        )
        assert np.linalg.norm(np.subtract(finding.centre_lps_mm, nodule["centre_lps_mm"])) < 1.5
        assert finding.measured("volume_mm3") == pytest.approx(nodule["volume_mm3"], rel=0.2)
        assert finding.measured("long_axis_mm") == pytest.approx(nodule["long_axis_mm"], abs=2)
        assert finding.measured("short_axis_mm") == pytest.approx(nodule["short_axis_mm"], abs=2)


def test_every_finding_has_place_mask_and_regions(findings):
    frames = {f.sop_instance_uid: k for k, f in enumerate(findings.frames)}
    for finding in findings.findings:
        mask = finding.mask.to_array()
        areas = mask.sum(axis=(1, 2))
        first = frames[finding.regions[0].sop_instance_uid] - finding.mask.origin[0]
        assert areas[first] >= 0.8 * areas.max()
        on = {frames[r.sop_instance_uid] - finding.mask.origin[0] for r in finding.regions}
        assert on == set(np.flatnonzero(areas))
    probabilities = [f.probability for f in findings.findings]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({f.tracking_uid for f in findings.findings}) == len(findings.findings)
    assert {"decode", "lungs", "inference", "measure"} <= set(findings.seconds)


def test_the_same_analysis_gives_the_same_findings(images, library, findings):
    again = run(images, library)
    assert again.findings == findings.findings
    assert Findings.model_validate_json(findings.model_dump_json()) == findings


def test_settings_decide_what_is_reported(images, library, findings):
    assert len(findings.findings) >= 2
    fewer = run(images, library, report_limit=1)
    assert len(fewer.findings) == 1
    more = sum(int(n.values["count"]) for n in findings.notes if n.code == "more_not_reported")
    left_out = len(findings.findings) + more - 1
    told = [(n.code, n.values) for n in fewer.notes if not n.code.startswith("emphysema")]
    assert told == [("more_not_reported", {"count": left_out})]
    none = run(images, library, operating_point=1.0)
    assert none.findings == ()
    assert none.candidates
    assert run(images, library, smallest_mm=100).findings == ()
    # What is told of other limits without the images is what another analysis reports.
    application, usual = NoduleApplication(), NoduleSettings()
    for other, made in (({"report_limit": 1}, fewer), ({"operating_point": 1.0}, none)):
        told = application.preview(findings, usual, NoduleSettings(**other), library)
        shown = [(one.centre_lps_mm, one.probability, one.measurements) for one in made.findings]
        assert shown == [
            (one.centre_lps_mm, one.probability, one.measurements) for one in told.findings.findings
        ]
    series = NoduleSettings(series={"thin_mm": 1.0})
    assert application.preview(findings, usual, series, library).why is TakesImages.SERIES
    other = findings.model_copy(update={"models": findings.models[1:]})
    assert application.preview(other, usual, usual, library).why is TakesImages.MODELS


def test_other_settings_and_models_are_another_key(images, library, tmp_path):
    application = NoduleApplication()
    selection = application.select(images, NoduleSettings())
    key = selection_key(application, selection, NoduleSettings(), library)
    other = NoduleSettings(operating_point=0.9)
    assert selection_key(application, selection, other, library) != key
    assert selection_key(application, selection, NoduleSettings(), library) == key


def test_pictures_show_each_finding_inside_its_outline(images, findings):
    application = NoduleApplication()
    pictures = application.pictures(images, findings)
    assert len(pictures) == len(findings.findings)
    for picture in pictures:
        assert picture.pixels.dtype == np.uint8
        assert abs(picture.pixels.shape[0] * picture.spacing_mm - 56) < 2
        outline = np.array(picture.outlines[0])
        assert np.allclose(outline.mean(axis=0), np.array(picture.pixels.shape[::-1]) / 2, atol=2)
        assert set(picture.caption) == {"en", "da"}


def test_texts_in_both_languages(findings):
    show = NoduleApplication().presentation
    for code, by in show.texts.items():
        assert set(by) == {"en", "da"}, code
        assert all(by.values())
    count = len(findings.findings)
    assert show.line(findings, "en").startswith(f"{count} nodules, largest ")
    assert show.line(findings, "da").startswith(f"{count} noduli, største ")
    empty = findings.model_copy(update={"findings": ()})
    assert show.line(empty, "da") == "Ingen noduli fundet"
    one = findings.model_copy(update={"findings": findings.findings[:1]})
    assert show.line(one, "en").startswith("1 nodule, ")
    labels = [label for label, _ in show.details(findings.findings[0], "da")]
    assert labels[:3] == ["Volumen", "Aksiale diametre", "Middeldiameter"]
    assert all("." not in v for _, v in show.details(findings.findings[0], "da"))
    shown = dict(show.details(findings.findings[0], "en"))
    low, high = findings.findings[0].measurements[0].interval
    assert shown["Volume"].endswith(f"mm³ (95 % {low:.0f} to {high:.0f})")


def test_every_number_and_property_has_its_words(findings):
    texts = NoduleApplication().presentation.texts
    for finding in findings.findings:
        assert {m.name for m in finding.measurements} <= set(texts)
        for quality in finding.qualities:
            assert quality.name in texts
            for language in ("en", "da"):
                assert value_text(finding, quality.name, language)


def test_a_finding_of_an_earlier_version_is_still_shown(findings):
    old = Code(value="GROUND-GLASS", scheme="99GRANSK", meaning="Ground glass")
    quality = Quality(name="texture", concept=old, value=old)
    finding = findings.findings[0].model_copy(
        update={"qualities": (quality,), "measurements": findings.findings[0].measurements[:3]}
    )
    show = NoduleApplication().presentation
    assert dict(show.details(finding, "en"))["Texture"] == "ground glass"
    answer = show.finding_json(finding)
    assert (answer["side"], answer["upper_lobe"], answer["mean_hu"]) == (None, None, None)


def test_sides_of_the_phantoms_nodules(phantom, findings):
    assert len(findings.findings) >= 2
    for finding in findings.findings:
        side = NoduleApplication().presentation.finding_json(finding)["side"]
        assert side == ("left" if finding.centre_lps_mm[0] > 0 else "right")


def test_json_of_a_finding(findings):
    finding = findings.findings[0]
    answer = NoduleApplication().presentation.finding_json(finding)
    assert {
        "centre_lps_mm", "volume_mm3", "long_axis_mm", "short_axis_mm", "mean_diameter_mm",
        "greatest_plane", "greatest_plane_long_axis_mm", "greatest_plane_short_axis_mm",
        "greatest_plane_mean_diameter_mm", "maximum_transverse_diameter_mm",
        "longest_diameter_3d_mm", "mean_hu", "core_hu", "texture", "calcification", "fat",
        "solid_part_volume_mm3", "solid_part_mean_diameter_mm", "side", "lobe", "upper_lobe",
        "juxtapleural", "perifissural", "perifissural_reason", "pleural_contact_percent",
        "intervals",
    } <= set(answer)  # fmt: skip
    assert answer["texture"] in (None, "solid", "part_solid", "ground_glass")
    # A place at a fissure is told in slices to 2 mm; these are of 2.5 mm.
    assert answer["perifissural"] == "not_assessed"
    assert answer["perifissural_reason"] == "thick_slices"
    mean = (answer["long_axis_mm"] + answer["short_axis_mm"]) / 2
    assert answer["mean_diameter_mm"] == pytest.approx(mean, abs=0.01)
    assert answer["maximum_transverse_diameter_mm"] >= answer["long_axis_mm"] - 0.01
    assert answer["greatest_plane_mean_diameter_mm"] >= answer["mean_diameter_mm"] - 0.01
    for name, (low, high) in answer["intervals"].items():
        assert low < answer[name] < high


def test_refusals(library):
    application = NoduleApplication()
    settings = NoduleSettings()
    series = study(chest_series("s"))
    selection = application.select(series, settings)
    small = type(selection)(selection.instances[:2])
    with pytest.raises(RefusalError) as refusal:
        application.analyse(series, small, Context(library, settings))
    assert refusal.value.reason == Reason.TOO_FEW_SLICES
    with pytest.raises(InvalidValueError):
        application.select(series, library.card("nodule-detector"))


def test_a_missing_model_is_an_error_and_no_result(images, tmp_path):
    application = NoduleApplication()
    selection = application.select(images, NoduleSettings())
    with pytest.raises(ModelError):
        application.analyse(images, selection, Context(ModelLibrary(tmp_path), NoduleSettings()))


@pytest.mark.parametrize("values", [{"operating_point": 2}, {"series": {"thin": 1}}, {"x": 1}])
def test_wrong_settings_are_refused(values):
    with pytest.raises(ValidationError):
        NoduleSettings(**values)


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_numbers_use_the_languages_sign(value, digits):
    assert number(value, digits, "en").replace(".", ",") == number(value, digits, "da")
