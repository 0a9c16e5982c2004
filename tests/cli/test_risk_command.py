"""``gransk risk``: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from risk_vectors import BROCK, BROCK_IDS, HERDER, MAYO, brock_values, mayo_values, profile_json
from typer.testing import CliRunner

from gransk.cli.main import app

runner = CliRunner()


@pytest.fixture
def write(tmp_path):
    def written(**values) -> Path:
        path = tmp_path / "profile.json"
        path.write_text(profile_json(**values), encoding="utf-8")
        return path

    return written


def risk(*arguments: object):
    return runner.invoke(app, ["risk", *map(str, arguments)])


@pytest.mark.parametrize("name", BROCK_IDS)
def test_a_brock_vector_comes_out_as_json(name, write):
    vector, percents = BROCK[2]
    said = risk(name, "--profile", write(**brock_values(vector)))
    assert said.exit_code == 0, said.output
    answer = json.loads(said.stdout)
    assert (answer["model"], answer["calculated_by"]) == (name, name)
    wanted = percents[BROCK_IDS.index(name)]
    assert 100 * answer["probability"] == pytest.approx(wanted, abs=6e-7)
    assert answer["warnings"] == []
    assert "refused" not in answer
    told = {part["input"]: part["log_odds"] for part in answer["contributions"]}
    assert told["constant"] < 0 < told["maximum_transverse_diameter_mm"]


def test_mayo_and_herder_come_out_as_json(write):
    said = risk("mayo", "--profile", write(**mayo_values(MAYO[1][0])))
    assert json.loads(said.stdout)["probability"] == pytest.approx(MAYO[1][1], abs=6e-7)
    typed = write(mayo_probability=HERDER[0][0], pet_uptake="intense")
    answer = json.loads(risk("herder", "--profile", typed).stdout)
    assert answer["probability"] == pytest.approx(0.6731, abs=6e-5)
    assert [w["code"] for w in answer["warnings"]] == ["scope_unknown", "typed_mayo"]


def test_a_range_has_two_ends(write):
    values = {**brock_values(BROCK[1][0]), "emphysema": None}
    answer = json.loads(risk("brock-2b", "--profile", write(**values)).stdout)
    low, high = answer["probability"]
    assert 0.1458 < low < 0.1460 < high < 0.19
    part = next(p for p in answer["contributions"] if p["input"] == "emphysema")
    assert part["value"] is None
    assert part["log_odds"] == [0.0, 0.2953]


def test_what_does_not_apply_is_refused_with_its_code(write):
    values = {**mayo_values(MAYO[0][0]), "earlier_lung_cancer": True}
    said = risk("mayo", "--profile", write(**values))
    assert said.exit_code == 3
    answer = json.loads(said.stdout)
    assert answer["refused"]["reason"] == "earlier_lung_cancer"
    assert answer["probability"] is None
    assert answer["contributions"] == []


def test_a_missing_answer_is_refused_with_its_key(write):
    said = risk("brock-2b", "--profile", write(age_years=60))
    assert said.exit_code == 3
    refused = json.loads(said.stdout)["refused"]
    assert refused["reason"] == "input_missing"
    assert refused["about"] == ["maximum_transverse_diameter_mm", "nodule_count"]


def test_a_bad_profile_is_unreadable(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text('{"patient": {"shoe_size": 42}}', encoding="utf-8")
    said = risk("mayo", "--profile", path)
    assert said.exit_code == 4
    refused = json.loads(said.stdout)["refused"]
    assert refused["reason"] == "profile_invalid"
    assert "patient.shoe_size" in refused["text"]
    missing = risk("mayo", "--profile", tmp_path / "nowhere.json")
    assert missing.exit_code == 4
    assert "nowhere.json cannot be read" in missing.stderr


def test_an_unknown_model_is_wrong_use(write):
    said = risk("brock-3", "--profile", write())
    assert said.exit_code == 2
    assert "brock-1a, brock-1b, brock-2a, brock-2b, herder, mayo" in said.stderr
    assert risk("mayo").exit_code == 2


def test_text_names_every_term(write):
    values = {**brock_values(BROCK[1][0]), "spiculated": None, "emphysema": None}
    path = write(**values)
    english = risk("brock-2b", "--profile", path, "--format", "text").stdout
    assert "17.04 % to 22.50 %, calculated by brock-2a" in english
    assert "first (baseline) screening CT of ever-smokers" in english
    assert "+0.3013 (x 1.35)" in english
    assert "+0.0000 (x 1) to +0.3462 (x 1.41)" in english
    danish = risk("brock-2b", "--profile", path, "--format", "text", "--language", "da").stdout
    assert "17,04 % til 22,50 %, beregnet med brock-2a" in danish
    assert "lungekræft i familien" in danish
    assert "kvinde" in danish
    assert "Spikulering er ukendt" in danish


def test_text_tells_a_refusal(write):
    said = risk("mayo", "--profile", write(earlier_lung_cancer=True),
                "--format", "text", "--language", "da")  # fmt: skip
    assert said.exit_code == 3
    assert "afvist: Kan ikke anvendes: tidligere lungekræft." in said.stdout
