"""Measured figures in cards, and the sums that they are made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.nodule import phantoms
from bench.nodule.cards import row, write_rows
from gransk.core.models import ModelLibrary
from nodule.segmenter import MODEL_ID

MODELS = Path(__file__).parents[2] / "onnx_models"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(MODELS / MODEL_ID, tmp_path / MODEL_ID)
    return tmp_path / MODEL_ID


def rows_of(folder):
    return ModelLibrary(folder.parent).card(MODEL_ID).performance


def test_rows_of_the_same_command_are_replaced_and_all_others_stay(folder):
    before = rows_of(folder)
    write_rows(folder, [row("a", 0.1, (0, 1), "x", 1, "one"), row("b", 0.2, None, "x", 1, "one")])
    write_rows(folder, [row("c", 0.3, None, "x", 1, "two")])
    write_rows(folder, [row("a", 0.45678, (0.12345, 1), "x, more", 2, "one")])
    after = rows_of(folder)
    assert after[: len(before)] == before
    assert [(r.measure, r.command) for r in after[len(before) :]] == [("c", "two"), ("a", "one")]
    assert (after[-1].value, after[-1].interval, after[-1].cases) == (0.457, (0.123, 1.0), 2)
    assert after[-2].interval is None


def test_what_is_no_row_of_a_card_is_refused_and_the_card_stays(folder):
    text = (folder / "card.yaml").read_text()
    with pytest.raises(ValidationError):
        write_rows(folder, [row("a", 0.1, (0, 1), "x", 1, "one") | {"unit": "mm"}])
    assert (folder / "card.yaml").read_text() == text


def test_bias_and_limits_are_those_worked_out_by_hand():
    found = phantoms.Agreement.of([-0.1, 0.0, 0.1, 0.2])
    deviation = (0.05 / 3) ** 0.5
    assert (found.count, found.bias, found.median) == (4, pytest.approx(0.05), pytest.approx(0.05))
    assert found.limits == pytest.approx((0.05 - 1.96 * deviation, 0.05 + 1.96 * deviation))
    assert found.interval == pytest.approx((0.05 - 0.98 * deviation, 0.05 + 0.98 * deviation))
    bias, width = phantoms.figures("all solid", found, 1.0, "command")
    assert (bias["value"], bias["cases"]) == (0.05, 4)
    assert width["value"] == 0.253
    assert "slices of 1 mm" in bias["data"]
    assert bias["data"].endswith("all solid")
