"""A reading room with pages: readers of a unit, and exams that are opened."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "reading"))

from reading_desks import Desks
from web_site import Site

from gransk.site.tables import Role


@pytest.fixture
def desks(make_site: Callable[..., Site]) -> Desks:
    """Five people of a unit, and its exams."""
    site = make_site(reading={"systems": ["ris"]})
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    found = Desks(site)
    found.unit()
    return found
