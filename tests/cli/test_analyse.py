"""``gransk analyse`` and ``gransk phantom``, on real files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pydicom
import pytest
from chest_series import chest_series
from ct_images import file_bytes
from spot_model import write_spot_model
from typer.testing import CliRunner

from gransk.cli.main import app

runner = CliRunner()


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_spot_model(folder / "models")
    path = folder / "gransk.yaml"
    path.write_text("models:\n  folder: models\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "study"
    result = runner.invoke(
        app, ["phantom", str(folder), "--spacing", "4", "--matrix", "192", "--nodules", "3"]
    )
    assert result.exit_code == 0, result.output
    return folder


def write(folder: Path, images) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(images):
        (folder / f"{number:04d}.dcm").write_bytes(file_bytes(ds))
    return folder


def analyse(*arguments: object):
    result = runner.invoke(app, ["analyse", *map(str, arguments)])
    answer = json.loads(result.stdout) if result.stdout else None
    return result.exit_code, answer, result.stderr


def test_a_study_is_analysed_without_any_server(phantom, config, tmp_path):
    output = tmp_path / "objects"
    code, answer, errors = analyse(phantom, "--config", config, "--output", output)
    assert code == 0, errors
    assert set(answer) == {"application", "models", "series_instance_uids", "findings"}
    assert answer["application"] == "nodule"
    assert set(answer["models"][0]) == {"id", "version", "sha256"}
    truth = json.loads((phantom / "truth.json").read_text())
    assert answer["series_instance_uids"] == [truth["series_instance_uid"]]
    assert answer["findings"]
    assert set(answer["findings"][0]) == {
        "tracking_uid", "probability", "malignancy", "centre_lps_mm", "volume_mm3",
        "long_axis_mm", "short_axis_mm", "texture",
    }  # fmt: skip
    made = [pydicom.dcmread(p) for p in sorted(output.iterdir())]
    assert {d.Modality for d in made} >= {"SR", "SEG"}
    assert {d.StudyInstanceUID for d in made} == {truth["study_instance_uid"]}
    assert "truth.json" not in errors
    assert "1 files are no readable DICOM objects" in errors


def test_candidates_and_choice_on_request(phantom, config):
    _, answer, _ = analyse(phantom, "--config", config, "--candidates")
    assert answer["candidates"]
    assert answer["choice"][0].startswith("Series 2: analysed")


def test_refused_studies_say_why(tmp_path):
    folder = write(tmp_path / "thick", chest_series("s", spacing=6))
    code, answer, _ = analyse(folder)
    assert code == 3
    assert answer["refused"]["reason"] == "slices_too_thick"
    assert answer["refused"]["text"].startswith("The slices are too thick.")
    assert answer["findings"] == []
    other = write(tmp_path / "mr", chest_series("s", length_mm=10, Modality="MR"))
    code, answer, _ = analyse(other)
    assert (code, answer["refused"]["reason"]) == (3, "no_application")


def test_bad_files_among_good_ones_are_left_out(tmp_path):
    folder = write(tmp_path / "study", chest_series("s", length_mm=100))
    good = (folder / "0000.dcm").read_bytes()
    place = good.index(b"\x08\x00\x16\x00UI") + 6
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "text.dcm").write_text("no image")
    (folder / "cut.dcm").write_bytes(good[:300])
    (folder / "huge.dcm").write_bytes(good[:place] + struct.pack("<H", 0xFFFF) + good[place + 2 :])
    code, answer, errors = analyse(folder)
    assert (code, answer["refused"]["reason"]) == (3, "coverage_incomplete")
    assert "4 files are no readable DICOM objects" in errors


@pytest.mark.parametrize("content", [None, b"", b"text", b"\0" * 132, b"\0" * 128 + b"DICM\x02"])
def test_unreadable_input(content, tmp_path):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    code, answer, errors = analyse(tmp_path)
    assert (code, answer) == (4, None)
    assert "no DICOM object" in errors


def test_paths_that_are_not_there_and_several_studies(tmp_path):
    code, answer, errors = analyse(tmp_path / "nowhere")
    assert (code, answer) == (4, None)
    assert "does not exist" in errors
    one, two = chest_series("a", length_mm=10), chest_series("b", length_mm=10)
    for image in two:
        image.StudyInstanceUID = "1.2.3"
    code, answer, errors = analyse(write(tmp_path / "both", [*one, *two]))
    assert (code, answer) == (4, None)
    assert "one study at a time" in errors


@pytest.mark.parametrize("option", ["--prior", "--profile"])
def test_what_is_not_yet_supported_says_so(option, tmp_path):
    code, answer, errors = analyse(tmp_path, option, tmp_path)
    assert (code, answer) == (2, None)
    assert f"{option} is not yet supported" in errors


def test_a_wrong_configuration_names_its_key(tmp_path, phantom):
    (tmp_path / "gransk.yaml").write_text("applications:\n  nodule:\n    colour: red\n")
    code, answer, errors = analyse(phantom, "--config", tmp_path / "gransk.yaml")
    assert (code, answer) == (2, None)
    assert "colour" in errors


def test_a_missing_model_fails(tmp_path, phantom):
    (tmp_path / "gransk.yaml").write_text("models:\n  folder: .\n")
    code, answer, errors = analyse(phantom, "--config", tmp_path / "gransk.yaml")
    assert (code, answer) == (1, None)
    assert "nodule-detector" in errors


def test_the_phantom_check(phantom, tmp_path):
    truth = json.loads((phantom / "truth.json").read_text())
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"findings": truth["nodules"]}))
    said = runner.invoke(app, ["phantom", str(phantom), "--check", str(result)])
    assert said.exit_code == 0, said.output
    assert "passed" in said.output
    result.write_text(json.dumps({"findings": truth["nodules"][1:]}))
    said = runner.invoke(app, ["phantom", str(phantom), "--check", str(result)])
    assert said.exit_code == 1
    assert "1 solid nodules missed, 0 allowed" in said.output
    refused = {"findings": [], "refused": {"reason": "no_lungs", "text": "No lungs."}}
    result.write_text(json.dumps(refused))
    assert runner.invoke(app, ["phantom", str(phantom), "--check", str(result)]).exit_code == 1
    result.write_text("no json")
    assert runner.invoke(app, ["phantom", str(phantom), "--check", str(result)]).exit_code == 4


def test_a_phantom_is_not_written_over_files_and_wrong_options_are_named(phantom, tmp_path):
    assert runner.invoke(app, ["phantom", str(phantom)]).exit_code == 2
    said = runner.invoke(app, ["phantom", str(tmp_path / "new"), "--nodules", "99"])
    assert said.exit_code == 2
    assert "nodules" in said.output
    assert not (tmp_path / "new").exists()


def test_models_are_listed_and_verified(config):
    folder = str(config.parent / "models")
    listed = runner.invoke(app, ["models", "list", "--folder", folder])
    assert listed.exit_code == 0
    assert "nodule-detector  0.0.1" in listed.output
    assert runner.invoke(app, ["models", "verify", "--folder", folder]).exit_code == 0
    weights = config.parent / "models" / "nodule-detector" / "spot.onnx"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole + b"x")
        said = runner.invoke(app, ["models", "verify", "--folder", folder])
        assert said.exit_code == 1
        assert "SHA-256" in said.output
    finally:
        weights.write_bytes(whole)
