"""Event reports over a real WebSocket, heard by a client that is not ours (RFC 6455)."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import pytest
from free_ports import free_port
from harness_orthanc import make_config
from pydicom import Dataset
from web_server import serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from workitem_parts import JSON, STATE, discontinued, moved, said, workitem

from gransk.results.steps import StepChannel
from gransk.site.machines import revoke_token
from gransk.site.tables import Role
from gransk.web import workitem_channel

ITEMS = "/dicom-web/workitems"
ALL, SOME = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
ONE = "2.25.111"


@pytest.fixture
def live(tmp_path, make_site, monkeypatch):
    """A site on a real port; its machine's client."""
    monkeypatch.setattr(workitem_channel, "SECONDS", 0.05)
    port = free_port()
    config = make_config(tmp_path)
    service = config.service.model_copy(
        update={"port": port, "public_url": f"http://127.0.0.1:{port}"}
    )
    site = make_site(config.model_copy(update={"service": service}))
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    with serving(site.app, port):
        yield site


@contextmanager
def channel(place, client, **headers):
    sent = {"authorization": client.headers.get("authorization", "")} | headers
    with connect(place, additional_headers=sent) as socket:
        yield socket


def subscribe(client, uid, title="WS1", **asked):
    answer = client.post(f"{ITEMS}/{uid}/subscribers/{title}", params=asked)
    assert answer.status_code == 201, answer.text
    return answer.headers["content-location"]


def create(client, uid, **values):
    answer = client.post(f"{ITEMS}?{uid}", json=workitem(**values), headers=JSON)
    assert answer.status_code == 201


def heard(socket, seconds=10.0):
    return json.loads(socket.recv(timeout=seconds))


def silent(socket):
    with pytest.raises(TimeoutError):
        socket.recv(timeout=0.4)


def test_a_subscriber_hears_what_happens_to_a_workitem(live):
    client = live.machine("ws1")
    create(client, "1.2.1")
    place = subscribe(client, "1.2.1")
    assert place.endswith("/dicom-web/subscribers/WS1")
    assert place.startswith("ws://127.0.0.1:")
    with channel(place, client) as socket:
        first = heard(socket)
        read = Dataset.from_json({tag: one for tag, one in first.items() if tag > "0001"})
        assert (read.ProcedureStepState, read.InputReadinessState) == ("SCHEDULED", "READY")
        assert said(first, "00000002") == "1.2.840.10008.5.1.4.34.6.1"
        assert said(first, "00001000") == "1.2.1"
        assert (said(first, "00000100"), said(first, "00001002")) == (0x100, 1)
        body = moved("IN PROGRESS", ONE)
        client.put(f"{ITEMS}/1.2.1/state", json=body, headers=JSON)
        assert said(heard(socket), STATE) == "IN PROGRESS"
        reason = {"00741238": {"vr": "LT", "Value": ["ill"]}}
        asked = client.post(f"{ITEMS}/1.2.1/cancelrequest", json=reason, headers=JSON)
        assert asked.status_code == 202
        wanted = heard(socket)
        assert said(wanted, "00001002") == 2
        assert (said(wanted, "00741236"), said(wanted, "00741238")) == ("ws1", "ill")
        client.post(f"{ITEMS}/1.2.1", json=discontinued(ONE), headers=JSON)
        assert said(heard(socket), "00001002") == 3
        body = moved("CANCELED", ONE)
        client.put(f"{ITEMS}/1.2.1/state", json=body, headers=JSON)
        ended = heard(socket)
        assert (said(ended, STATE), "0074100E" in ended) == ("CANCELED", True)
        assert said(ended, "00000110") == 5


def test_all_some_suspended_and_none(live):
    client = live.machine("ws1")
    create(client, "1.2.1")
    subscribe(client, ALL, "ALL")
    place = subscribe(client, SOME, "SOME", filter="ProcedureStepLabel=Bio*")
    everything = place.replace("SOME", "ALL")
    with channel(everything, client) as all_of, channel(place, client) as some:
        create(client, "1.2.2", ProcedureStepLabel="Biopsy")
        create(client, "1.2.3")
        assert [said(heard(all_of), "00001000") for _ in range(2)] == ["1.2.2", "1.2.3"]
        assert said(heard(some), "00001000") == "1.2.2"
        silent(some)
        assert client.delete(f"{ITEMS}/1.2.3/subscribers/ALL").status_code == 200
        client.put(f"{ITEMS}/1.2.3/state", json=moved("IN PROGRESS", ONE), headers=JSON)
        silent(all_of)
        assert client.post(f"{ITEMS}/{ALL}/subscribers/ALL/suspend").status_code == 200
        create(client, "1.2.4")
        client.put(f"{ITEMS}/1.2.2/state", json=moved("IN PROGRESS", ONE), headers=JSON)
        told = heard(all_of)
        assert (said(told, "00001000"), said(told, STATE)) == ("1.2.2", "IN PROGRESS")
        assert client.delete(f"{ITEMS}/{ALL}/subscribers/ALL").status_code == 200
        create(client, "1.2.5", ProcedureStepLabel="Biopsy")
        silent(all_of)
    assert client.delete(f"{ITEMS}/{ALL}/subscribers/ALL").status_code == 404
    locked = subscribe(client, ALL, "LATE", deletionlock="true")
    with channel(locked, client) as late:
        found = {said(heard(late), "00001000") for _ in range(5)}
    assert found == {f"1.2.{n}" for n in range(1, 6)}
    for wrong in ("", "filter=Nonsense=1"):
        answer = client.post(f"{ITEMS}/{SOME}/subscribers/X?{wrong}")
        assert answer.status_code == 400
    assert client.post(f"{ITEMS}/{ALL}/subscribers/{'X' * 17}").status_code == 400
    assert client.post(f"{ITEMS}/9.9/subscribers/X").status_code == 404


def test_a_broken_connection_and_a_restart_lose_nothing(live, monkeypatch):
    client = live.machine("ws1")
    place = subscribe(client, ALL)
    create(client, "1.2.1")
    with channel(place, client) as socket:
        assert said(heard(socket), "00001000") == "1.2.1"
        _kept(live, 1)
    create(client, "1.2.2")
    monkeypatch.setattr(workitem_channel, "SERVICE", "another")
    with channel(place, client) as socket:
        status = heard(socket)
        assert (said(status, "00001002"), said(status, "00741242")) == (4, "RESTARTED")
        assert said(status, "00001000") == ALL
        assert said(heard(socket), "00001000") == "1.2.2"
        silent(socket)


def _kept(site, number):
    done = threading.Event()
    for _ in range(100):
        with site.database.read() as session:
            if session.query(StepChannel).one().told >= number:
                return
        done.wait(0.05)
    raise AssertionError("what was told is not kept")


def test_a_channel_is_its_callers_alone(live):
    client = live.machine("ws1")
    place = subscribe(client, ALL)
    other = live.machine("ws2")
    with channel(place, other) as socket:
        create(client, "1.2.1")
        silent(socket)
    for headers in ({}, {"authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus), connect(place, additional_headers=headers):
            pass
    person = live.person(Role.RADIOLOGIST)
    cookie = {"cookie": f"gransk_session={person.cookies['gransk_session']}"}
    with pytest.raises(InvalidStatus), connect(
        place, additional_headers=cookie, origin="https://elsewhere.example"
    ):  # fmt: skip
        pass
    with connect(place, additional_headers=cookie):
        pass
    nurse = live.person(Role.NURSE)
    cookie = {"cookie": f"gransk_session={nurse.cookies['gransk_session']}"}
    with pytest.raises(InvalidStatus), connect(place, additional_headers=cookie):
        pass
    with channel(place, client) as socket:
        heard(socket)
        with live.database.begin() as session:
            revoke_token(session, "ws1", actor="admin")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
