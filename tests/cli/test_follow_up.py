"""``gransk analyse`` with ``--prior`` and ``--profile``: comparison, risk and advice as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pydicom
import pytest
from chest_series import chest_series, study
from ct_images import file_bytes
from spot_model import write_models
from typer.testing import CliRunner

from gransk.cli.follow_up import same_patient
from gransk.cli.main import app
from gransk.core.keys import uid

runner = CliRunner()
FINDING = {
    "state", "prior_volume_mm3", "volume_change_percent", "vdt_days", "vdt_interval_days",
    "growth_class", "withheld", "risk",
}  # fmt: skip
STUDY = {"resolved", "not_covered", "advice"}


def answer(value, source="person"):
    return {"value": value, "source": source, "date": "2026-01-05"}


PROFILE = {
    "patient": {
        "age_years": answer(64),
        "sex": answer("female"),
        "smoking": answer("former"),
        "setting": answer("incidental"),
        "fleischner_risk": answer("low"),
        "known_primary_cancer": answer(False),
        "immunosuppressed": answer(False),
        "extrathoracic_cancer": answer("none"),
        "earlier_lung_cancer": answer(False),
    }
}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_models(folder / "models")
    path = folder / "gransk.yaml"
    path.write_text("models:\n  folder: models\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def current(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "study"
    made = runner.invoke(
        app, ["phantom", str(folder), "--spacing", "4", "--matrix", "192", "--nodules", "3"]
    )
    assert made.exit_code == 0, made.output
    return folder


def changed(folder: Path, to: Path, **attributes) -> Path:
    """The same images as another study, a year earlier unless told otherwise."""
    shutil.copytree(folder, to)
    for path in to.glob("*.dcm"):
        ds = pydicom.dcmread(path)
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(ds, name, uid("prior", str(getattr(ds, name))))
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        for name, value in ({"StudyDate": "20250105"} | attributes).items():
            setattr(ds, name, value)
        ds.save_as(path)
    return to


@pytest.fixture(scope="module")
def prior(current, tmp_path_factory) -> Path:
    return changed(current, tmp_path_factory.mktemp("prior") / "study")


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    path.write_text(json.dumps(PROFILE))
    return path


def analyse(*arguments: object):
    result = runner.invoke(app, ["analyse", *map(str, arguments)])
    found = json.loads(result.stdout) if result.stdout else None
    return result.exit_code, found, result.stderr


@pytest.fixture(scope="module")
def compared(current, prior, profile, config):
    code, found, errors = analyse(
        current, "--prior", prior, "--profile", profile, "--config", config
    )
    assert code == 0, errors
    return found


def test_every_finding_tells_what_became_of_it(compared):
    assert set(compared) >= STUDY
    assert "refused_comparison" not in compared
    assert compared["findings"]
    for finding in compared["findings"]:
        assert set(finding) >= FINDING
        assert finding["state"] in ("matched", "new", "uncertain")
    same = [finding for finding in compared["findings"] if finding["state"] == "matched"]
    assert same
    for finding in same:
        assert finding["prior_volume_mm3"] == pytest.approx(finding["volume_mm3"], rel=0.02)
        assert finding["volume_change_percent"] == pytest.approx(0, abs=2)
        assert finding["tracking_uid"] == finding["prior_tracking_uid"], "it is one lesion"


def test_thick_slices_withhold_growth_with_a_code(compared):
    for finding in compared["findings"]:
        if finding["state"] == "matched":
            assert finding["growth_class"] is None
            assert finding["withheld"] == "slice_thickness"
            assert finding["vdt_days"] is None
            assert finding["vdt_interval_days"] is None


def test_risk_has_probability_and_contributions(compared):
    for finding in compared["findings"]:
        by_model = {risk["model"]: risk for risk in finding["risk"]}
        assert set(by_model) == {"brock-2b", "mayo"}
        for risk in by_model.values():
            low, high = risk["probability"]
            assert 0 < low < high < 1
            assert risk["contributions"][0]["input"] == "constant"
            inputs = {part["input"]: part["value"] for part in risk["contributions"]}
            assert inputs["age_years"] == 64
            assert inputs["maximum_transverse_diameter_mm"] == pytest.approx(
                finding["maximum_transverse_diameter_mm"]
            )
        assert by_model["brock-2b"]["calculated_by"] == "brock-2a"


def test_advice_names_guideline_version_row_action_due_date_and_reason(compared):
    uids = {finding["tracking_uid"] for finding in compared["findings"]}
    assert {one["tracking_uid"] for one in compared["advice"]} == uids
    for one in compared["advice"]:
        assert (one["guideline"], one["version"]) == ("fleischner-2017", "1")
        assert one["status"] in ("advice", "open", "guideline_silent")
        assert one["reason"].startswith("mean diameter")
        assert set(one) >= {"row", "action", "due", "text", "proposal", "options", "changed_by"}
        if one["due"] is not None:
            assert len(one["due"]) == 2
    assert "setting" not in compared["unknown"]
    assert "emphysema" in compared["unknown"]


def test_the_profile_alone_gives_risk_and_advice(current, profile, config):
    code, found, _ = analyse(current, "--profile", profile, "--config", config)
    assert code == 0
    assert "advice" in found
    assert set(found) & {"resolved", "not_covered", "refused_comparison"} == set()
    for finding in found["findings"]:
        assert finding["risk"]
        assert "state" not in finding
    due = [one["due"] for one in found["advice"] if one["row"] and "6-8" in one["row"]]
    assert all(one[0].startswith("2026") for one in due)


def test_a_prior_of_another_patient_is_refused_and_the_study_stands(current, config, tmp_path):
    strange = changed(current, tmp_path / "other", PatientBirthDate="19010101")
    code, found, _ = analyse(current, "--prior", strange, "--config", config)
    assert code == 0
    assert found["refused_comparison"]["reason"] == "prior_identity_mismatch"
    assert found["resolved"] == found["not_covered"] == []
    assert found["findings"]
    for finding in found["findings"]:
        assert finding["state"] is None
        assert (finding["growth_class"], finding["withheld"]) == (None, "prior_identity_mismatch")
        assert finding["risk"]
    assert found["advice"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"PatientName": "Another^Name"}, True),
        ({"PatientID": "ANOTHER"}, False),
        ({"IssuerOfPatientID": "ELSEWHERE"}, False),
        ({"PatientBirthDate": "19010101"}, False),
        ({"PatientBirthDate": ""}, False),
        ({"PatientSex": "F"}, False),
    ],
)
def test_who_is_the_same_patient(other, same):
    about = {"PatientID": "P1", "PatientBirthDate": "19600101", "PatientSex": "M"}
    one = study(chest_series("s", length_mm=5, **about))
    assert same_patient(one, study(chest_series("s", length_mm=5, **{**about, **other}))) is same


def test_without_an_identifier_nobody_is_the_same():
    nameless = study(chest_series("s", length_mm=5, PatientID=""))
    assert not same_patient(nameless, nameless)


def written(folder: Path, current: Path, images) -> Path:
    """A series of the same patient as the phantom's."""
    whose = pydicom.dcmread(next(iter(current.glob("*.dcm"))), stop_before_pixels=True)
    folder.mkdir()
    for number, ds in enumerate(images):
        for name in ("PatientID", "PatientBirthDate", "PatientSex"):
            setattr(ds, name, whose.get(name, ""))
        if "IssuerOfPatientID" in whose:
            ds.IssuerOfPatientID = whose.IssuerOfPatientID
        (folder / f"{number:04d}.dcm").write_bytes(file_bytes(ds))
    return folder


@pytest.mark.parametrize(
    ("images", "cause"),
    [
        (lambda: chest_series("s", spacing=6), "slices_too_thick"),
        (lambda: chest_series("s", length_mm=10, Modality="MR"), "no_application"),
    ],
)
def test_a_prior_that_is_not_analysed_is_told_with_its_cause(
    current, config, tmp_path, images, cause
):
    bad = written(tmp_path / "bad", current, images())
    code, found, _ = analyse(current, "--prior", bad, "--config", config)
    assert code == 0
    refused = found["refused_comparison"]
    assert (refused["reason"], refused["cause"]) == ("prior_not_analysed", cause)
    assert refused["text"].startswith("The earlier study could not be analysed.")
    assert found["findings"]


def test_a_prior_or_profile_that_cannot_be_read_ends_before_the_analysis(
    current, config, tmp_path, monkeypatch
):
    def never(*given: object) -> None:
        raise AssertionError("the analysis began")

    monkeypatch.setattr("gransk.cli.analyse._analyse", never)
    code, found, errors = analyse(current, "--prior", tmp_path / "none", "--config", config)
    assert (code, found) == (4, None)
    assert "does not exist" in errors
    (tmp_path / "empty").mkdir()
    assert analyse(current, "--prior", tmp_path / "empty", "--config", config)[0] == 4
    for content, said in (
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"patient": {}, "patient": {}}', "stands twice"),
        (json.dumps({"patient": {"age_years": answer(131)}}).encode(), "at most 130"),
        (json.dumps({"patient": {"shoe_size": answer(44)}}).encode(), "shoe_size"),
    ):
        path = tmp_path / "profile.json"
        path.write_bytes(content)
        code, found, errors = analyse(current, "--profile", path, "--config", config)
        assert (code, found) == (4, None)
        assert said in errors
        assert "131" not in errors
    assert analyse(current, "--profile", tmp_path / "no.json", "--config", config)[0] == 4


def test_a_refused_study_is_refused_with_a_prior_too(config, prior, tmp_path):
    folder = tmp_path / "thick"
    folder.mkdir()
    for number, ds in enumerate(chest_series("s", spacing=6)):
        (folder / f"{number:04d}.dcm").write_bytes(file_bytes(ds))
    code, found, _ = analyse(folder, "--prior", prior, "--config", config)
    assert code == 3
    assert found["refused"]["reason"] == "slices_too_thick"


def test_one_of_several_nodules_may_be_named(current, prior, config, tmp_path, compared):
    named = compared["findings"][-1]["tracking_uid"]
    given = {
        **PROFILE,
        "nodules": [{"tracking_uid": named, "pet_uptake": answer("intense")}],
        "nodule": {"spiculated": answer(True)},
    }
    path = tmp_path / "named.json"
    path.write_text(json.dumps(given))
    _, found, _ = analyse(current, "--prior", prior, "--profile", path, "--config", config)
    with_herder = [
        finding["tracking_uid"]
        for finding in found["findings"]
        if "herder" in [risk["model"] for risk in finding["risk"]]
    ]
    assert with_herder == [named]
    assert "profile_nodule_not_assigned" in [note["code"] for note in found["follow_up_notes"]]
