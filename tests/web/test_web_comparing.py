"""Comparisons of analyses: what the pages tell, and that nothing else tells of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from comparing_site import SETTINGS, eight, run_beside
from fastapi.testclient import TestClient
from made_models import enter
from sqlalchemy import func, select
from web_site import Site

from gransk.core.keys import digest
from gransk.registry import beside
from gransk.registry.beside_tables import BesideAsk, BesideRun, RunState
from gransk.registry.tables import EvidenceKind, ModelEvidence
from gransk.results.tables import Workitem
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role

ASKED = {
    "application": "lesion", "settings": "models.detector=nodule-detector", "first": "2026-01-01",
    "last": "2026-01-31", "name": "past", "reason": "to know",
}  # fmt: skip


@pytest.fixture
def compared(site: Site) -> list[str]:
    return eight(site)


def everything(client: TestClient, key: str) -> dict[str, str]:
    addresses = ["/", f"/studies/{key}", "/api/studies", f"/api/studies/{key}", "/follow-up",
                 "/to-read", "/list", "/deliveries", "/monitoring"]  # fmt: skip
    # Every look at a study is an event of its page; times and the disk go on meanwhile.
    instants = re.compile(r"<time.*?</time>|<tr>(?:(?!<tr>).)*Study opened.*?</tr>\n|Disk: .*?<")
    return {address: instants.sub("", client.get(address).text) for address in addresses}


def test_the_page_tells_agreement_shift_groups_and_what_differs(
    site: Site, compared: list[str]
) -> None:
    client = site.person(Role.ADMINISTRATOR)
    html = client.get("/models/compare").text
    assert ">shadow</a>" in html
    html = client.get("/models/compare/shadow").text
    figures = client.get("/models/compare/shadow/figures.json").json()
    told = figures["agreement"]
    assert (told["both"], told["active_alone"], told["own_alone"]) == (6, 2, 0)
    assert figures["places"] == {"matched": 11, "active_alone": 5, "own_alone": 0}
    mean, low, high = figures["shift"]["mean"]
    assert mean == pytest.approx(-0.8 * 2 / 8)
    assert low <= mean <= high
    assert {one["name"]: one["cases"] for one in figures["groups"] if one["kind"] == "equipment"}
    assert figures["truth"] is None
    assert not any(key in str(figures) for key in compared), "evidence names no study"
    assert html.count("/studies/") == 3, "those that differ"
    assert html.index(compared[0][:12]) < html.index(compared[2][:12])


def test_small_groups_are_hidden(site: Site, compared: list[str]) -> None:
    figures = site.person(Role.AUDITOR).get("/models/compare/shadow/figures.json").json()
    groups = {one["name"]: one["cases"] for one in figures["groups"] if one["kind"] == "equipment"}
    assert groups == {"Maker A": None, "Maker B": None}, "8 less 6 would tell it"


def test_both_sides_of_a_study_with_pictures(site: Site, compared: list[str]) -> None:
    client = site.person(Role.ADMINISTRATOR)
    address = f"/models/compare/shadow/studies/{compared[2]}"
    html = client.get(address).text
    assert all(words in html for words in ("2 nodules", "1 nodules", "here alone"))
    for side in ("active", "own"):
        answer = client.get(f"{address}/{side}/0.png")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert client.get(f"{address}/own/9.png").status_code == 404
    assert site.person(Role.AUDITOR).get(address).status_code == 403, "shows no images"


def test_nothing_else_tells_of_what_runs_beside(site: Site) -> None:
    key = site.study(1)
    site.sealed(key)
    client = site.person(Role.RADIOLOGIST, Role.ADMINISTRATOR)
    before = everything(client, key)
    with site.database.read() as session:
        item = session.scalars(select(Workitem)).one()
        kept = (item.analysis_key, item.report_key, item.generation, item.attempt)
    run_beside(site, key, nodules=1)
    assert everything(client, key) == before
    with site.database.read() as session:
        item = session.scalars(select(Workitem)).one()
        assert (item.analysis_key, item.report_key, item.generation, item.attempt) == kept
    png = f"/studies/{key}/pictures/{digest(['beside', key, 'shadow'])}/0.png"
    assert client.get(png).status_code == 404, "no door to it but the comparison's"


def test_a_unit_that_has_every_exam_matches_them_all(make_site: Callable[..., Site]) -> None:
    """A site of one unit that matches no images."""
    site = make_site(reading={"units": [{"name": "north", "title": "North"}]})
    eight(site)
    html = site.person(Role.ADMINISTRATOR).post("/models/compare", data={**ASKED, "unit": "north"})
    assert "Studies that match: 8" in html.text


def test_past_studies_are_counted_asked_for_and_stopped(site: Site, compared: list[str]) -> None:
    client = site.person(Role.ADMINISTRATOR)
    html = client.post("/models/compare", data=ASKED).text
    assert "Studies that match: 8" in html
    with site.database.read() as session:
        assert session.scalar(select(func.count()).select_from(BesideAsk)) == 0
    answer = client.post("/models/compare", data={**ASKED, "sure": "yes", "most": "3"})
    assert answer.headers["location"] == "/models/compare/past"
    html = client.get("/models/compare/past").text
    assert all(words in html for words in ("Waiting: 3", "to know"))
    assert client.post("/models/compare/past/stop").status_code == 303
    assert "Stopped: 3" in client.get("/models/compare/past").text
    assert client.post("/models/compare/past/stop").status_code == 404
    with site.database.read() as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject == "past")).all()
    assert kinds == [EventKind.COMPARISON_ASKED, EventKind.COMPARISON_ENDED]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "shadow"}, "is used"),
        ({"name": "Å b"}, "lower-case"),
        ({"settings": "models.detector"}, "does not fit"),
        ({"settings": "nothing=1"}, "does not fit"),
        ({"settings": "models.detector=other@9.9.9"}, "neither shipped nor admitted"),
        ({"settings": ""}, "at least one setting"),
        ({"last": "2025-01-01"}, "two dates"),
        ({"first": "1999-01-01", "last": "1999-01-02"}, "No analysed study"),
        ({"most": "0"}, "whole number"),
        ({"reason": "x"}, "3 to 1000"),
        ({"application": "none"}, "not installed"),
    ],
)
def test_what_cannot_be_asked_is_told(
    site: Site, compared: list[str], changed: dict[str, str], told: str
) -> None:
    client = site.person(Role.ADMINISTRATOR)
    answer = client.post("/models/compare", data={**ASKED, "sure": "yes", **changed})
    assert answer.status_code == 422
    assert told in answer.text
    with site.database.read() as session:
        assert session.scalar(select(func.count()).select_from(BesideAsk)) == 0


def test_who_only_sees_asks_for_nothing(site: Site, compared: list[str]) -> None:
    client = site.person(Role.AUDITOR)
    assert "<form" not in client.get("/models/compare").text.split("<main")[1]
    assert client.post("/models/compare", data=ASKED).status_code == 403


def test_images_that_come_late_are_compared_again(site: Site, compared: list[str]) -> None:
    with site.database.begin() as session:
        item = session.scalars(select(Workitem).where(Workitem.study_key == compared[0])).one()
        assert not beside.add(session, item, "shadow", SETTINGS), "the same analysis"
        other = digest(["analysis", compared[1]])
        item.analysis_key = other
        assert beside.add(session, item, "shadow", SETTINGS)
        row = session.scalars(select(BesideRun).where(BesideRun.study_key == compared[0])).one()
        told: Any = (row.state, row.attempt, row.active_analysis, row.own_analysis)
        assert told == (RunState.WAITING, 1, other, None)


def test_a_comparison_becomes_evidence_of_the_model_that_it_tried(
    site: Site, compared: list[str]
) -> None:
    """As it is then: figures that name no study, with where they are brought up to date."""
    model = SETTINGS["models"]["detector"]
    with site.database.begin() as session:
        enter(session, model)
        enter(session, "never@1.0.0")
    client = site.person(Role.ADMINISTRATOR)
    assert 'name="comparison"' not in client.get("/models/never@1.0.0").text
    page = client.get(f"/models/{model}").text
    (value,) = set(re.findall(r'name="comparison" value="([^"]+)"', page))
    form = {"stage": "shadow", "reason": "to compare", "comparison": ["made up", value]}
    answer = client.post(f"/models/{model}/stage", data=form)
    assert answer.headers["location"].endswith("done=staged")
    with site.database.read() as session:
        (kept,) = session.scalars(select(ModelEvidence))
    figures = client.get("/models/compare/shadow/figures.json").json()
    assert (kept.kind, kept.title) == (EvidenceKind.COMPARISON, "shadow")
    for same in ("agreement", "places", "shift", "groups", "settings", "states"):
        assert kept.content[same] == figures[same]
    assert not any(key in str(kept.content) for key in compared)
    shown = client.get(f"/models/{model}").text
    assert f"/models/compare/shadow?settings={figures['settings_digest']}" in shown
