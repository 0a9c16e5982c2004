"""The rooms of the house in a browser: for everybody, in both languages, by keyboard alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import watched
from free_ports import free_port
from playwright.sync_api import Page, expect
from test_settings_browser import as_person, follow, press, tab_to, usable
from web_server import serving
from web_site import Site

sys.path.insert(0, str(Path(__file__).parents[1] / "oversight"))

import datetime

import numpy as np
from drift_site import fill

from gransk.core.application import applications
from gransk.core.reasons import Reason
from gransk.oversight.alarm_tables import Alarm, AlarmKind
from gransk.oversight.alarms import open_alarms, raise_alarm
from gransk.oversight.drift.looking import DriftWatcher
from gransk.results.tables import WorkState
from gransk.site.config_monitoring import DriftSection
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Executor, Role

pytestmark = pytest.mark.browser
PEOPLE = {"en": "anna", "da": "dorte"}
UNITS = [{"name": "north", "title": "Mammografi Nord", "match": [{"station": "N1"}]}]
DESTINATIONS = [{"name": "orthanc", "kind": "orthanc"}]
WORDS = {
    "en": {"by": "Seen by: anna", "seen": "Note as seen", "verify": "Verify everything"},
    "da": {"by": "Set af: dorte", "seen": "Notér som set", "verify": "Efterprøv alt"},
}


def _happens(site: Site) -> None:
    """A study with a history, work that waits and that was refused, a worker, drift."""
    key = site.study(1)
    site.sealed(key)
    site.item(site.study(2), WorkState.WAITING, images_at=utcnow(), application="nodule")
    site.item(
        site.study(3), WorkState.NOT_ANALYSED, reason=Reason.MEMORY_LIMIT.value,
        finished_at=utcnow(), application="nodule",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    fill(site.database, np.concatenate([rng.normal(size=300), rng.normal(size=200) + 1]))
    section = DriftSection(reference_studies=200)
    DriftWatcher(site.database, section, datetime.UTC, lambda _: set(), lambda *_: []).run_once()
    at = utcnow()
    with site.database.begin() as session:
        session.add(
            Executor(id="h-worker-0", kind="worker", host="h", pid=1, started_at=at,
                     heartbeat_at=at)
        )  # fmt: skip
        raise_alarm(session, AlarmKind.DISK_FULL, "data", {"free_mb": 900, "least_mb": 2000})
        for kind in (EventKind.STUDY_SEEN, EventKind.ANALYSIS_QUEUED, EventKind.STUDY_HELD):
            record(session, "gransk", kind, key, {"application": "nodule"})


@pytest.fixture
def stage(make_site: Callable[..., Site], browser: Any) -> Iterator[tuple[str, Site, Page]]:
    """A site at work; its address, and a page."""
    port = free_port()
    site = make_site(service={"port": port}, reading={"units": UNITS}, destinations=DESTINATIONS)
    site.app.state.wiring.applications = applications()
    for language, name in PEOPLE.items():
        site.account(name, name.title(), Role.ADMINISTRATOR, language=language)
    _happens(site)

    class Served:
        address = f"http://127.0.0.1:{port}"

    with serving(site.app, port) as address:
        size = {"width": 1400, "height": 900}
        with watched(browser, Served(), viewport=size, color_scheme="dark") as page:
            yield address, site, page


@pytest.mark.parametrize("language", ["en", "da"])
def test_every_room_is_usable_by_keyboard_alone(
    stage: tuple[str, Site, Page], language: str
) -> None:
    address, site, page = stage
    words = WORDS[language]
    as_person(page, site, address, PEOPLE[language])
    page.goto(f"{address}/administration")
    usable(page, f"{language}-administration")
    follow(page, "/monitoring")
    assert page.evaluate("document.documentElement.lang") == language
    usable(page, f"{language}-monitoring")
    page.goto(f"{address}/administration")
    follow(page, "/monitoring/drift")
    usable(page, f"{language}-drift")
    with site.database.read() as session:
        alarm = open_alarms(session, AlarmKind.DRIFT)[0].id
    follow(page, f"/monitoring/drift/alarms/{alarm}")
    usable(page, f"{language}-alarm")
    press(page, words["seen"])
    expect(page.get_by_text(words["by"])).to_be_visible()
    with site.database.read() as session:
        assert session.get_one(Alarm, alarm).seen_by == PEOPLE[language]
    page.goto(f"{address}/audit")
    usable(page, f"{language}-audit")
    press(page, words["verify"])
    expect(page.get_by_role("status").first).to_be_visible()
    usable(page, f"{language}-audit-verified")
    key = site.study_key(1)
    page.goto(f"{address}/studies/{key}/history")
    usable(page, f"{language}-history")
    follow(page, f"/studies/{key}/history?about=analysis")
    page.goto(f"{address}/rules")
    usable(page, f"{language}-rules")
    tab_to(page, "e.name === 'study'")
    tab_to(page, "e.tagName === 'BUTTON' && e.closest('form').action.endsWith('/rules')")
    page.goto(f"{address}/models")
    usable(page, f"{language}-models")
    tab_to(page, "e.name === 'file'", 400)
    tab_to(page, "e.tagName === 'BUTTON' && e.closest('form').action.endsWith('/models')")
