"""The page of drift and alarms: who sees what, in both languages, and that somebody saw it."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from web_site import Site

sys.path.insert(0, str(Path(__file__).parents[1] / "oversight"))

import numpy as np
from drift_site import fill

from gransk.oversight.alarm_tables import Alarm, AlarmKind
from gransk.oversight.alarms import open_alarms, raise_alarm
from gransk.oversight.alarms_text import catalogue
from gransk.oversight.drift.looking import DriftWatcher
from gransk.site.config_monitoring import DriftSection
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role


@pytest.fixture
def drifted(site: Site) -> Site:
    rng = np.random.default_rng(1)
    fill(site.database, np.concatenate([rng.normal(size=300), rng.normal(size=200) + 1]))
    section = DriftSection(reference_studies=200)
    DriftWatcher(site.database, section, datetime.UTC, lambda _: set(), lambda *_: []).run_once()
    return site


@pytest.mark.parametrize("language", ["en", "da"])
def test_charts_have_pictures_with_words_and_tables(drifted: Site, language: str) -> None:
    client = drifted.person(Role.ADMINISTRATOR, language=language)
    shown = client.get("/monitoring/drift").text
    assert shown.count('class="chart"') == shown.count("<desc>") >= 4
    assert shown.count("<details>") == shown.count("<desc>")
    assert catalogue()["kind_drift"][language] in shown
    assert "nodule" in shown
    assert client.get("/monitoring/drift?application=none").status_code == 404


def test_an_alarm_is_seen_once_by_name(drifted: Site) -> None:
    client = drifted.person(Role.ADMINISTRATOR)
    with drifted.database.read() as session:
        ident = open_alarms(session, AlarmKind.DRIFT)[0].id
    address = f"/monitoring/drift/alarms/{ident}"
    assert client.get(address).status_code == 200
    assert client.post(f"{address}/seen").headers["location"] == address
    assert client.post(f"{address}/seen").status_code == 303
    with drifted.database.read() as session:
        events = list(session.scalars(select(Event).where(Event.kind == EventKind.ALARM_SEEN)))
        assert [event.subject for event in events] == [ident]
        assert session.get_one(Alarm, ident).seen_by == "p-administrator"
    assert "p-administrator" in client.get(address).text


def test_texts_of_images_are_escaped(site: Site) -> None:
    key = site.study(1)
    with site.database.begin() as session:
        alarm = raise_alarm(
            session, AlarmKind.DRIFT, "nodule/all/kernel/batch", {"fact": "kernel"},
            shown={"named": "<script>alert(1)</script>"}, studies=[key, "0" * 32],
        )  # fmt: skip
        ident = alarm.id
    shown = site.person(Role.ADMINISTRATOR).get(f"/monitoring/drift/alarms/{ident}").text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert f"/studies/{key}" in shown
    assert "0" * 32 not in shown


def test_no_text_is_missing() -> None:
    for key, found in catalogue().items():
        assert set(found) == {"en", "da"}, key
    for kind in AlarmKind:
        assert f"kind_{kind}" in catalogue()


def test_a_machine_and_a_reader_are_refused(site: Site) -> None:
    assert site.machine().get("/monitoring/drift").status_code == 403
    assert site.person(Role.RADIOLOGIST).get("/monitoring/drift").status_code == 403
