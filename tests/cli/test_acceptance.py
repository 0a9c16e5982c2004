"""The commands of the README with the models that ship: a phantom is found as it was made."""

import json

import pytest
from typer.testing import CliRunner

from gransk.cli.main import app

runner = CliRunner()


@pytest.mark.parametrize("seed", [1, pytest.param(4, marks=pytest.mark.full)])
def test_the_shipped_models_pass_the_acceptance(seed, tmp_path):
    folder, answer = tmp_path / "phantom", tmp_path / "result.json"
    assert runner.invoke(app, ["phantom", str(folder), "--seed", str(seed)]).exit_code == 0
    analysed = runner.invoke(app, ["analyse", str(folder)])
    assert analysed.exit_code == 0, analysed.stderr
    answer.write_text(analysed.stdout, encoding="utf-8")
    texture = json.loads(analysed.stdout)["findings"][0]["morphology"]
    assert texture["ground_glass"] + texture["part_solid"] + texture["solid"] == pytest.approx(
        1, abs=0.01
    )
    checked = runner.invoke(app, ["phantom", str(folder), "--check", str(answer)])
    assert checked.exit_code == 0, checked.output
