"""The commands from their arguments to what they print."""

from __future__ import annotations

import json
import sys

import pytest
from nodule_synthetic import Ball, chest, index_of
from spot_model import write_models
from typer.testing import CliRunner

from bench.nodule import froc, inserted, robustness
from bench.nodule.analysis import Analyser
from bench.nodule.scans import find_scan
from bench.nodule.speed import write_series
from gransk.cli.main import app

BALL = Ball((0.0, 10.0, 70.0), 14.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of one scan with its nodules.json, and models."""
    folder = tmp_path_factory.mktemp("data")
    scan = chest([BALL], spacing=(5.0, 2.4, 2.4), noise_hu=10, vessels=3, arms=False)
    (folder / "P1").mkdir()
    write_series(scan, folder / "P1")
    centre = [float(v) for v in scan.geometry.to_lps(index_of(scan, BALL))]
    nodules = [
        {"centre_lps_mm": centre, "longest_axial_mm": [14.0], "readers": 3, "texture": [5]},
        {"centre_lps_mm": [0, 0, -999], "longest_axial_mm": [5.0], "readers": 1},
    ]
    entries = [{"patient": "P1", "nodules": nodules}]
    (folder / "nodules.json").write_text(json.dumps(entries))
    write_models(folder / "models")
    return folder


def run(monkeypatch, capsys, module, *arguments):
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments), "--threads", "1"])
    module.main()
    return capsys.readouterr().out


def test_the_benchmark_reads_as_the_application_does(data):
    """Candidates and volumes of `gransk analyse --candidates` are those that are scored here."""
    config = data / "gransk.yaml"
    config.write_text("models:\n  folder: models\n", encoding="utf-8")
    arguments = ["analyse", str(data / "P1"), "--candidates", "--config", str(config)]
    answer = json.loads(CliRunner().invoke(app, arguments).stdout)
    found = Analyser(data / "models", 1).find(find_scan(data / "P1").volume())
    assert [c["probability"] for c in answer["candidates"]] == pytest.approx(
        [c.probability for c in found.candidates], abs=1e-4
    )
    for told, candidate in zip(answer["candidates"], found.candidates, strict=True):
        assert told["centre_lps_mm"] == pytest.approx(candidate.centre_lps_mm, abs=0.01)
    finding = answer["findings"][0]
    measured = found.measure(found.candidates[0])
    assert finding["volume_mm3"] == pytest.approx(measured.volume_mm3, abs=0.1)


def test_froc_finds_the_nodule_of_the_folder(data, monkeypatch, capsys):
    said = run(monkeypatch, capsys, froc, "--data", data, "--models", data / "models")
    assert said.splitlines()[:2] == [
        "real whole scans",
        "n = 1 scans; 0 that training saw left out",
    ]
    assert "operating point 0.500: sensitivity 1/1 = 1.00" in said
    assert "10 to 20 mm" in said
    assert "1 nodules in 1 scans, none under 14.0 mm: an interval, not a proof." in said


def test_froc_leaves_out_what_the_application_refuses(data, tmp_path, monkeypatch, capsys):
    (tmp_path / "P1").symlink_to(data / "P1")
    (tmp_path / "P2").mkdir()
    for path in sorted((data / "P1").glob("*.dcm")):
        if path.name != "0030.dcm":
            (tmp_path / "P2" / path.name).symlink_to(path)
    (entry,) = json.loads((data / "nodules.json").read_text())
    (tmp_path / "nodules.json").write_text(json.dumps([entry, entry | {"patient": "P2"}]))
    said = run(monkeypatch, capsys, froc, "--data", tmp_path, "--models", data / "models")
    assert "P2  refused: Slices are missing" in said
    assert "1 scans refused, their nodules are not counted" in said
    assert "sensitivity 1/1" in said


def test_robustness_compares_with_the_unaltered(data, monkeypatch, capsys):
    said = run(
        monkeypatch, capsys, robustness, "--what", "real", "--data", data,
        "--models", data / "models", "--only", "kernel blurred by 0.5 mm",
    )  # fmt: skip
    assert "real whole scans\nn = 1 nodules in 1 scans\n" in said
    unaltered, blurred = said.splitlines()[-2:]
    assert unaltered.split()[:2] == ["unaltered", "1.00"]
    assert blurred.startswith("kernel blurred by 0.5 mm        1.00")


def test_inserted_names_its_tier_and_number(data, monkeypatch, capsys):
    monkeypatch.setattr(inserted, "A_SCAN", 4)
    said = run(
        monkeypatch, capsys, inserted, data / "P1", "--models", data / "models",
        "--repeats", "1", "--kinds", "solid",
    )  # fmt: skip
    lines = said.splitlines()
    at = lines.index("synthetic nodules inserted into real scans")
    count = int(lines[0].split()[-2])
    assert 0 < count <= 4
    assert lines[at + 1] == f"n = {count} nodules in 1 scans"
    (everything,) = [line for line in lines if line.startswith("all ")]
    assert int(everything.split()[1]) == count


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        (froc, ["--data", ".", "--format", "luna16"], "--series"),
        (froc, ["--data", ".", "--format", "lidc", "--write-card"], "--format folder"),
        (robustness, ["scan", "--what", "pasted"], "--data"),
        (robustness, ["--what", "inserted"], "name scans"),
        (robustness, ["scan", "--what", "real", "--data", "."], "none with --what real"),
    ],
)
def test_wrong_arguments_are_named(module, arguments, words, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, module, *arguments)
    assert words in capsys.readouterr().err
