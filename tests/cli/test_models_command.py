"""``gransk models``: of the folder that is named, the configuration, or the shipped one."""

from __future__ import annotations

from pathlib import Path

import pytest
from spot_model import write_spot_model
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.core.application import model_folder

runner = CliRunner()


@pytest.fixture
def site(tmp_path) -> Path:
    """A configuration whose one model is not what its card says."""
    write_spot_model(tmp_path / "models")
    weights = tmp_path / "models" / "nodule-detector" / "spot.onnx"
    weights.write_bytes(weights.read_bytes() + b"x")
    path = tmp_path / "gransk.yaml"
    path.write_text("models:\n  folder: models\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("GRANSK_CONFIG", raising=False)


def models(*arguments: object):
    return runner.invoke(app, ["models", *map(str, arguments)])


def test_the_environment_names_the_sites_models(site, monkeypatch):
    monkeypatch.setenv("GRANSK_CONFIG", str(site))
    said = models("verify")
    assert said.exit_code == 1
    assert "nodule-detector: FAILED" in said.output
    assert "SHA-256" in said.output
    assert models().stdout.startswith("nodule-detector  0.0.1")


@pytest.mark.parametrize("place", ["before", "after"])
def test_config_may_stand_before_or_after_the_command(site, place, monkeypatch):
    monkeypatch.setenv("GRANSK_CONFIG", str(site.parent / "another.yaml"))
    given = ["--config", site, "verify"] if place == "before" else ["verify", "--config", site]
    said = models(*given)
    assert said.exit_code == 1
    assert "SHA-256" in said.output


def test_without_a_command_the_models_are_listed(site):
    bare = models()
    assert bare.exit_code == 0
    shipped = sorted(p.parent.name for p in model_folder().glob("*/card.yaml"))
    assert [line.split()[0] for line in bare.stdout.splitlines()] == shipped
    assert models("list").stdout == bare.stdout
    assert models("--config", site).stdout.startswith("nodule-detector  0.0.1")


def test_a_folder_goes_before_the_configuration(site, tmp_path):
    write_spot_model(tmp_path / "good")
    assert models("verify", "--config", site, "--folder", tmp_path / "good").exit_code == 0


def test_a_wrong_configuration_is_wrong_use(tmp_path):
    said = models("verify", "--config", tmp_path / "nowhere.yaml")
    assert said.exit_code == 2
    assert "nowhere.yaml: cannot be read" in said.output
    assert models("verify", "--folder", tmp_path / "nowhere").exit_code == 1
