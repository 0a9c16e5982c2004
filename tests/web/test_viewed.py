"""Who saw which study is in the event log, once, and outlasts a killed service."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from test_web_security import _leaves

from gransk.site.events import EventKind, verify
from gransk.site.tables import Event, Role
from gransk.web import viewed
from gransk.web.viewed import FILE, Seen, Views
from gransk.web.watching import DOORS, LISTS

STUDY_PLACES = ("{key}", "{uid}", "{ident}", "{workitem}", "{accession", "{path:path}", "{row}")
SHOWS_NOTHING = {
    "/{path:path}",  # built files of the viewer
    "/studies/{key}/outlines",
    "/monitoring/drift/alarms/{ident}",  # keys of studies alone
}


def told(site, kind=EventKind.STUDY_VIEWED):
    site.app.state.wiring.views.write()
    with site.database.read() as session:
        assert verify(session) is None
        found = session.scalars(select(Event).where(Event.kind == kind).order_by(Event.number))
        return [(event.actor, event.subject, event.data) for event in found]


def ways(site):
    return [(actor, key, data["ways"]) for actor, key, data in told(site)]


def test_every_door_that_names_a_study_says_how_it_is_looked_at(site):
    doors = {
        route.path
        for route in _leaves(site.app.routes)
        if isinstance(route, APIRoute) and "GET" in route.methods
    }
    assert set(DOORS) <= doors
    assert set(LISTS) <= doors
    named = {path for path in doors if any(place in path for place in STUDY_PLACES)}
    assert named - set(DOORS) <= SHOWS_NOTHING


def test_a_page_is_one_view_however_often_it_is_asked_for(site):
    key = site.study(1)
    site.sealed(key)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    for _ in range(3):
        assert anna.get(f"/studies/{key}").status_code == 200
    assert anna.get("/studies/nowhere").status_code == 404
    assert site.person(Role.NURSE, name="nora").get(f"/studies/{key}").status_code == 200
    assert ways(site) == [("anna", key, ["case"]), ("nora", key, ["case"])]
    anna.get(f"/studies/{key}")
    anna.get(f"/api/studies/{key}")
    assert ways(site)[2:] == [("anna", key, ["rest"])], "another way within the hour"


def test_an_hour_later_it_is_another_view(site, monkeypatch):
    key = site.study(1)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    views = site.app.state.wiring.views
    now = time.monotonic()
    monkeypatch.setattr(views, "_clock", lambda: now)
    anna.get(f"/studies/{key}")
    now += viewed.AGAIN_SECONDS - 1
    anna.get(f"/studies/{key}")
    assert len(ways(site)) == 1
    now += 2
    anna.get(f"/studies/{key}")
    assert len(ways(site)) == 2


def test_what_one_page_fetches_is_one_event(site):
    key = site.study(1)
    ident = site.sealed(key)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    anna.get(f"/studies/{key}")
    anna.get(f"/studies/{key}/desk/{ident}")
    anna.get(f"/studies/{key}/profile")
    anna.get("/viewer/app-config.js?StudyInstanceUIDs=1.2.3.1")
    ((actor, subject, data),) = told(site)
    assert (actor, subject) == ("anna", key)
    assert set(data["ways"]) >= {"case", "viewer"}
    assert data["at"].endswith("+00:00")


def test_machines_are_told_like_people(site):
    key = site.study(1)
    ident = site.sealed(key)
    ris = site.machine("ris")
    assert ris.get("/fhir/DiagnosticReport").status_code == 200
    assert ris.get(f"/fhir/Task/{ident}").status_code == 200
    assert ("ris", key, ["fhir"]) in ways(site)
    assert [data["in"] for _, _, data in told(site, EventKind.STUDIES_SEARCHED)] == ["fhir"]


def test_a_search_is_told_by_its_keys_and_never_by_their_values(site):
    site.study(1)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    for _ in range(2):
        anna.get("/?search=Testesen&page=1")
    anna.get("/")
    found = told(site, EventKind.STUDIES_SEARCHED)
    assert [(actor, subject, data["in"], data.get("keys")) for actor, subject, data in found] == [
        ("anna", "anna", "worklist", ["search"]), ("anna", "anna", "worklist", None)]  # fmt: skip
    assert "Testesen" not in json.dumps(found)
    assert told(site) == [], "rows of a list are no views"


def test_a_page_that_renews_itself_is_no_view(site):
    key = site.study(1)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    anna.get(f"/studies/{key}", headers={"x-gransk-renewing": "1"})
    assert ways(site) == []


def test_no_answer_waits_for_the_chain(site):
    key = site.study(1)
    anna = site.person(Role.RADIOLOGIST, name="anna")
    answered = threading.Event()

    def ask():
        anna.get(f"/studies/{key}")
        answered.set()

    with site.database.begin():  # somebody holds the one turn to write
        threading.Thread(target=ask, daemon=True).start()
        assert answered.wait(20)
    assert ways(site) == [("anna", key, ["case"])]


def test_what_is_noted_where_nobody_writes_is_written_at_last(site, monkeypatch):
    keys = [site.study(number) for number in range(1, 5)]
    monkeypatch.setattr(viewed, "MOST_WAITING", 3)
    views = Views(site.database, site.config.data_folder)
    for key in keys:
        views.note(Seen("anna", "case", "key", key))
    with site.database.read() as session:
        assert len(session.scalars(select(Event).where(Event.kind == "study_viewed")).all()) == 3
    assert views.write() == 1


NOTE = """
import os, signal, sys
from pathlib import Path
from gransk.site.database import Database
from gransk.web.viewed import Seen, Views
views = Views(Database(sys.argv[1]), Path(sys.argv[2]))
views.note(Seen("anna", "case", "key", sys.argv[3]))
if sys.argv[4] == "taken":
    views._file.replace(views._taken)
if sys.argv[4] == "written":
    views._taken.__class__.unlink = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    views.write()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["noted", "taken", "written"])
def test_what_a_killed_service_noted_is_written_by_the_next(site, when):
    key = site.study(1)
    folder = site.config.data_folder
    killed = subprocess.run([sys.executable, "-c", NOTE, site.database.url, folder, key, when])
    assert killed.returncode == -signal.SIGKILL
    assert os.stat(folder / (FILE if when == "noted" else f"{FILE}.taken")).st_mode & 0o077 == 0
    with (folder / FILE).open("a") as file:
        file.write('{"actor": "cut off by a power fai')
    site.app.state.wiring.views.write()
    site.app.state.wiring.views.write()
    assert ways(site) == [("anna", key, ["case"])]
    assert not (folder / FILE).exists()


def test_a_full_disk_keeps_nobody_from_the_images(site, monkeypatch):
    key = site.study(1)
    anna = site.person(Role.RADIOLOGIST, name="anna")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(viewed, "_private", full)
        assert anna.get(f"/studies/{key}").status_code == 200
    anna.get(f"/studies/{key}")
    assert ways(site) == [("anna", key, ["case"])], "it is noted when it is seen again"
