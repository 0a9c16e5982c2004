"""``gransk analyse`` and ``gransk phantom``, on real files."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from chest_series import chest_series
from ct_images import file_bytes
from spot_model import write_models
from typer.testing import CliRunner

from gransk.cli.main import app

runner = CliRunner()


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_models(folder / "models")
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
    assert set(answer["findings"][0]) >= {
        "tracking_uid", "probability", "malignancy", "centre_lps_mm", "volume_mm3",
        "long_axis_mm", "short_axis_mm", "mean_diameter_mm", "texture", "side", "intervals",
    }  # fmt: skip
    made = [pydicom.dcmread(p) for p in sorted(output.iterdir())]
    assert {d.Modality for d in made} >= {"SR", "SEG"}
    assert {d.StudyInstanceUID for d in made} == {truth["study_instance_uid"]}
    assert "truth.json" not in errors
    assert errors.splitlines() == ["left out: 1 file is not DICOM"]


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond some bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def never(*given: object) -> None:
    raise AssertionError("the analysis began")


def test_an_output_that_cannot_be_is_named_before_the_analysis(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr("gransk.cli.analyse._run", never)
    (tmp_path / "file").write_text("in the way")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        code, answer, errors = analyse(phantom, "--output", output)
        assert (code, answer) == (2, None)
        assert f"--output: {tmp_path / 'file'} is no folder; name a folder" in errors
    with largest_file(1 << 16):
        code, answer, errors = analyse(phantom, "--output", tmp_path / "full")
    assert (code, answer) == (2, None)
    assert "cannot be written to (" in errors
    assert "has room" in errors
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_read_only_is_named_before_the_analysis(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr("gransk.cli.analyse._run", never)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    code, answer, errors = analyse(phantom, "--output", closed / "new")
    assert (code, answer) == (2, None)
    assert f"{closed} cannot be written to" in errors


def test_the_json_is_there_when_the_objects_cannot_be_written(phantom, config, tmp_path):
    """The summary page is larger than what may be written; the report is not."""
    output = tmp_path / "objects"
    with largest_file(2 << 20):
        code, answer, errors = analyse(phantom, "--config", config, "--output", output)
    assert code == 1
    assert answer["findings"]
    assert f"no DICOM object was written to {output} (" in errors
    assert list(output.iterdir()) == []


def test_the_sites_configuration_is_that_of_the_environment(phantom, tmp_path, monkeypatch):
    (tmp_path / "gransk.yaml").write_text("models:\n  folder: .\n")
    monkeypatch.setenv("GRANSK_CONFIG", str(tmp_path / "gransk.yaml"))
    code, _, errors = analyse(phantom)
    assert code == 1
    assert "nodule-search" in errors


def test_candidates_and_choice_on_request(phantom, config):
    _, answer, _ = analyse(phantom, "--config", config, "--candidates")
    assert answer["choice"][0].startswith("Series 2: analysed")
    candidates, findings = answer["candidates"], answer["findings"]
    for candidate in candidates:
        assert len(candidate["centre_lps_mm"]) == 3
        assert 0 <= candidate["probability"] <= 1
        assert (candidate["malignancy"] is not None) == candidate["reported"]
    reported = [c["probability"] for c in candidates if c["reported"]]
    assert reported == pytest.approx([f["probability"] for f in findings], abs=1e-5)
    assert 0 < len(reported) < len(candidates)


def test_candidates_beyond_the_report_limit_are_not_reported(phantom, config):
    limited = config.with_name("limited.yaml")
    limited.write_text(
        config.read_text() + "applications:\n  nodule:\n    report_limit: 1\n", encoding="utf-8"
    )
    _, answer, _ = analyse(phantom, "--config", limited, "--candidates")
    assert len(answer["findings"]) == 1
    assert sum(c["reported"] for c in answer["candidates"]) == 1
    assert sum(c["probability"] >= 0.5 for c in answer["candidates"]) > 1


def test_refused_studies_say_why(tmp_path):
    folder = write(tmp_path / "thick", chest_series("s", spacing=6))
    code, answer, _ = analyse(folder)
    assert code == 3
    assert set(answer) == {"application", "models", "series_instance_uids", "findings", "refused"}
    assert answer["application"] == "nodule"
    assert answer["refused"]["reason"] == "slices_too_thick"
    assert answer["refused"]["text"].startswith("The slices are too thick.")
    assert answer["findings"] == []


@pytest.mark.parametrize("modality", ["MR", "US"])
def test_a_study_of_no_application_is_no_applications(modality, tmp_path):
    code, answer, _ = analyse(
        write(tmp_path / "other", chest_series("s", length_mm=10, Modality=modality))
    )
    assert code == 3
    assert set(answer) == {"application", "models", "series_instance_uids", "findings", "refused"}
    assert (answer["application"], answer["findings"]) == (None, [])
    assert answer["refused"]["reason"] == "no_application"


def test_bad_files_among_good_ones_are_left_out(tmp_path):
    folder = write(tmp_path / "study", chest_series("s", length_mm=100))
    good = (folder / "0000.dcm").read_bytes()
    place = good.index(b"\x08\x00\x16\x00UI") + 6
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "text.dcm").write_text("no image")
    (folder / "cut.dcm").write_bytes(good[:300])
    (folder / "picture.png").write_bytes(b"PNG")
    (folder / "huge.dcm").write_bytes(good[:place] + struct.pack("<H", 0xFFFF) + good[place + 2 :])
    code, answer, errors = analyse(folder)
    assert (code, answer["refused"]["reason"]) == (3, "coverage_incomplete")
    assert errors.splitlines() == [
        "left out: 2 files are not DICOM, 1 file is empty, 2 files are damaged DICOM"
    ]


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


def test_a_wrong_configuration_names_its_key(tmp_path, phantom):
    (tmp_path / "gransk.yaml").write_text("applications:\n  nodule:\n    colour: red\n")
    code, answer, errors = analyse(phantom, "--config", tmp_path / "gransk.yaml")
    assert (code, answer) == (2, None)
    assert "colour" in errors


def test_a_missing_model_fails(tmp_path, phantom):
    (tmp_path / "gransk.yaml").write_text("models:\n  folder: .\n")
    code, answer, errors = analyse(phantom, "--config", tmp_path / "gransk.yaml")
    assert (code, answer) == (1, None)
    assert "nodule-search" in errors


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
    assert "solid nodules missed: 1, 0 allowed" in said.output
    said = runner.invoke(app, ["phantom", str(phantom), "--check", str(result), "--language", "da"])
    assert "uden for grænserne: solide noduli overset: 1, 0 tilladt" in said.output
    assert "IKKE BESTÅET" in said.output
    refused = {"findings": [], "refused": {"reason": "no_lungs", "text": "No lungs."}}
    result.write_text(json.dumps(refused))
    said = runner.invoke(app, ["phantom", str(phantom), "--check", str(result)])
    assert said.exit_code == 1
    assert "refused: No lungs were found" in said.output
    result.write_text("no json")
    assert runner.invoke(app, ["phantom", str(phantom), "--check", str(result)]).exit_code == 4


def test_the_phantom_check_reads_what_came_back(phantom, config, tmp_path):
    """The folder of ``analyse --output``, its report alone, and the JSON say the same."""
    output = tmp_path / "objects"
    _, answer, _ = analyse(phantom, "--config", config, "--output", output)
    (tmp_path / "result.json").write_text(json.dumps(answer))
    report = output / "01-SR.dcm"
    said = {
        given: runner.invoke(app, ["phantom", str(phantom), "--check", str(given)])
        for given in (tmp_path / "result.json", output, report)
    }
    assert len({(s.exit_code, s.stdout) for s in said.values()}) == 1
    assert said[report].exit_code in (0, 1)
    assert len(said[report].stdout.splitlines()) >= 5
    (output / "another.dcm").write_bytes(report.read_bytes())
    two = runner.invoke(app, ["phantom", str(phantom), "--check", str(output)])
    assert two.exit_code == 4
    assert "holds 2 structured reports; give one" in two.output
    dataset = pydicom.dcmread(report)
    dataset.StudyInstanceUID = "1.2.3"
    dataset.save_as(report)
    other = runner.invoke(app, ["phantom", str(phantom), "--check", str(report)])
    assert other.exit_code == 4
    assert "of another study" in other.output
    image = str(phantom / "0001.dcm")
    assert runner.invoke(app, ["phantom", str(phantom), "--check", image]).exit_code == 4


def test_a_phantom_is_not_written_over_files_and_wrong_options_are_named(phantom, tmp_path):
    assert runner.invoke(app, ["phantom", str(phantom)]).exit_code == 2
    said = runner.invoke(app, ["phantom", str(phantom / "truth.json")])
    assert said.exit_code == 2
    assert "truth.json is no folder" in said.output
    said = runner.invoke(app, ["phantom", str(tmp_path / "new"), "--nodules", "99"])
    assert said.exit_code == 2
    assert "nodules" in said.output
    assert not (tmp_path / "new").exists()
