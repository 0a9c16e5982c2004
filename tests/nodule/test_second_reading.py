"""A second, independent typing of hard cases: both readers must reach one advice."""

from __future__ import annotations

from pathlib import Path

import pytest
from guideline_cases import said, situation

from nodule.guidelines.table import guidelines

TABLE = Path(__file__).with_name("second_reading.txt")
LINES = [
    tuple(part.strip() for part in line.split("|"))
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize(("name", "nodule", "course", "advice"), LINES)
def test_two_readers_agree(name, nodule, course, advice):
    assert said(guidelines()[name], situation(name, nodule, course))[1] == advice
