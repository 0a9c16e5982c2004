"""What docs/reading.md draws and lists is what the code has."""

from __future__ import annotations

from pathlib import Path

from gransk.core.screening import TechnicalReason
from gransk.reading.diagram import mermaid, table
from gransk.reading.entries import Kind
from gransk.reading.exam import State
from gransk.reading.opinions import DifferenceReason
from gransk.reading.refusals import Refusal

PAGE = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
AGAIN = "run python -m gransk.reading.diagram, and put it into docs/reading.md"


def test_the_diagram_is_made_from_the_table():
    assert f"```mermaid\n{mermaid()}\n```" in PAGE, AGAIN
    assert table() in PAGE, AGAIN


def test_every_state_is_drawn_and_told():
    for state in State:
        assert f"| {state.value} |" in PAGE
        if state is not State.WITHDRAWN:
            assert f" {state.value}" in mermaid()


def test_every_code_is_told():
    for closed in (Kind, DifferenceReason, TechnicalReason, Refusal):
        for one in closed:
            assert f"`{one.value}`" in PAGE or f"| {one.value} |" in PAGE
