"""A reading room with pages: readers of a unit, and exams that are opened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reading"))

from reading_desks import Desks
from web_site import Site


@pytest.fixture
def desks(make_site: Callable[..., Site]) -> Desks:
    """Five people of a unit, and its exams."""
    found = Desks(make_site(reading={"systems": ["ris"]}))
    found.unit()
    return found
