"""Every measure in the hazard table names tests that there are, and every page is in the index."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "regulatory"
HAZARDS = FOLDER / "hazards.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def rows() -> list[list[str]]:
    """Cells of each hazard's line."""
    lines = HAZARDS.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if re.match(r"\| [A-Z]\d+ \|", line)
    ]


def functions_of(path: Path) -> set[str]:
    """Names of a module's test functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_hazards_each_once() -> None:
    names = [row[0] for row in rows()]
    assert len(names) >= 30
    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_measure_names_tests_that_there_are(row: list[str]) -> None:
    _, hazard, severity, measures, tests, _ = row
    assert hazard
    assert measures
    assert severity in "12345"
    named = NAMED.findall(tests)
    assert named, "a measure without a test"
    assert NAMED.sub("", tests).strip(", ") == "", "something that is no test"
    for file, name in named:
        assert name in functions_of(ROOT / file), f"{file} has no {name}"


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for address in LINK.findall(page.read_text(encoding="utf-8")):
        assert (FOLDER / address).resolve().exists(), address


def test_every_page_is_in_the_index() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for page in FOLDER.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index
