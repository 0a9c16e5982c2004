"""The page and REST of deliveries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update
from web_site import Site

from gransk.core.object_kinds import ObjectKind
from gransk.results.blobs import BlobStore
from gransk.results.origins import ExamOrigin
from gransk.results.store import NewObject, queue_deliveries, seal_report
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role

PACS = {"name": "pacs", "kind": "dicom", "aet": "PACS", "host": "pacs", "commitment": True}
DESTINATIONS = [{"name": "orthanc", "kind": "orthanc"}, PACS]
KINDS = (ObjectKind.SR, ObjectKind.SC)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site(destinations=DESTINATIONS)


def released(site: Site, number: int = 1, destinations: tuple[str, ...] = ("pacs",)) -> str:
    """A study whose report of two objects is released and queued; its key."""
    key = site.study(number)
    blobs = BlobStore(site.config.blob_folder)
    objects = tuple(
        NewObject(kind, "1.2", f"2.25.{number}{n}", f"2.25.9{number}{n}", blobs.put(b"%d" % n))
        for n, kind in enumerate(KINDS)
    )
    ident = site.sealed(key, objects=objects)
    with site.database.begin() as session:
        report = session.get_one(Workitem, ident).report_key
        queue_deliveries(session, str(report), dict.fromkeys(destinations, KINDS))
    return key


def superseded(site: Site, key: str) -> str:
    """Release another report of a study; the key of the one before."""
    blobs = BlobStore(site.config.blob_folder)
    new = NewObject("SR", "1.2", "2.25.77", "2.25.78", blobs.put(b"new"))
    with site.database.begin() as session:
        item = session.get_one(Workitem, site.item_id(key))
        before = str(item.report_key)
        report = seal_report(session, item, "f" * 64, str(item.analysis_key), utcnow(), [new])
        session.get_one(Report, report.key).released_at = utcnow()
        queue_deliveries(session, report.key, {"pacs": KINDS})
    return before


def change(site: Site, uid: str, **values: object) -> str:
    """Change a line of the outbox; its id."""
    with site.database.begin() as session:
        session.execute(update(Delivery).where(Delivery.sop_instance_uid == uid).values(**values))
        return session.scalars(select(Delivery.id).where(Delivery.sop_instance_uid == uid)).one()


def lines(site: Site) -> list[Delivery]:
    with site.database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.sop_instance_uid)))


@pytest.mark.parametrize("language", ["en", "da"])
def test_each_destination_is_shown_as_it_stands(site: Site, language: str) -> None:
    coordinator = site.person(Role.COORDINATOR, language=language)
    empty = {"en": "Everything is delivered.", "da": "Alt er leveret."}
    assert empty[language] in coordinator.get("/deliveries").text
    released(site)
    change(site, "2.25.10", state=DeliveryState.FAILED, error="answered <0xA700>")
    change(site, "2.25.11", state=DeliveryState.SENT, sent_at=utcnow())
    html = coordinator.get("/deliveries").text
    assert "answered &lt;0xA700&gt;" in html
    said = {"en": "1 not confirmed yet", "da": "1 ikke bekræftet endnu"}
    assert said[language] in html
    assert {"en": "not asked", "da": "spørges ikke"}[language] in html
    change(site, "2.25.11", committed_at=utcnow())
    assert {"en": "<td>confirmed</td>", "da": "<td>bekræftet</td>"}[language] in (
        coordinator.get("/deliveries").text
    )


def test_machines_read_how_destinations_stand(site: Site) -> None:
    released(site)
    change(site, "2.25.10", state=DeliveryState.HIDDEN, sent_at=utcnow())
    machine = site.machine()
    orthanc, pacs = machine.get("/api/deliveries").json()["destinations"]
    assert (orthanc["name"], orthanc["waiting"], orthanc["commitment"]["asked"]) == (
        "orthanc", 0, False,
    )  # fmt: skip
    assert (pacs["waiting"], pacs["failed"], pacs["superseded"]) == (
        1, 0, {"hidden": 1, "kept": 0, "removed": 0},
    )  # fmt: skip
    assert pacs["oldest"] is not None
    assert machine.get("/deliveries").status_code == 403
    assert site.person(Role.RADIOLOGIST).get("/api/deliveries").status_code == 403


def test_one_and_all_are_tried_again(site: Site) -> None:
    coordinator = site.person(Role.COORDINATOR)
    released(site)
    one = change(site, "2.25.10", state=DeliveryState.FAILED)
    change(site, "2.25.11", state=DeliveryState.FAILED)
    answer = coordinator.post(f"/deliveries/{one}/retry")
    assert "done=delivery_started" in answer.headers["location"]
    assert [line.state for line in lines(site)] == [DeliveryState.WAITING, DeliveryState.FAILED]
    again = coordinator.post(f"/deliveries/{one}/retry")
    assert "done=delivery_not_possible" in again.headers["location"]
    answer = coordinator.post("/deliveries/retry", data={"destination": "pacs"})
    assert answer.headers["location"] == "/deliveries?done=deliveries_started&count=1"
    assert {line.state for line in lines(site)} == {DeliveryState.WAITING}
    assert "Objects that are tried again: 1" in coordinator.get(answer.headers["location"]).text


def test_a_destination_that_was_added_later_is_sent_what_it_wants(site: Site) -> None:
    coordinator = site.person(Role.COORDINATOR)
    released(site, 1, ("orthanc",))
    released(site, 2, ("orthanc", "pacs"))
    answer = coordinator.post("/deliveries/send", data={"destination": "pacs", "days": 30})
    assert answer.headers["location"] == "/deliveries?done=deliveries_sent_on&count=1"
    assert [line.sop_instance_uid for line in lines(site) if line.destination == "pacs"] == [
        "2.25.10", "2.25.11", "2.25.20", "2.25.21",
    ]  # fmt: skip
    answer = coordinator.post("/deliveries/send", data={"destination": "pacs", "days": 30})
    assert answer.headers["location"] == "/deliveries?done=deliveries_sent_on&count=0"
    with site.database.read() as session:
        routed = session.scalars(select(Event).where(Event.kind == EventKind.REPORT_ROUTED)).all()
    assert [event.actor for event in routed] == ["p-coordinator"]
    nobody = coordinator.post("/deliveries/send", data={"destination": "x", "days": 30})
    assert nobody.status_code == 404
    assert (
        coordinator.post("/deliveries/send", data={"destination": "pacs", "days": 0}).status_code
        == 422
    )


def test_what_the_rules_do_not_want_keeps_nothing_back(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(destinations=[PACS | {"when": [{"modalities": ["MG"]}]}])
    monkeypatch.setattr("gransk.web.delivery_pages.TOGETHER", 1)
    wanted = released(site, 1, ())
    released(site, 2, ())
    with site.database.begin() as session:
        session.execute(delete(ExamOrigin).where(ExamOrigin.study_key == wanted))
        session.add(ExamOrigin(study_key=wanted, places=[], modalities=["MG"], at=utcnow()))
    coordinator = site.person(Role.COORDINATOR)
    answer = coordinator.post("/deliveries/send", data={"destination": "pacs", "days": 30})
    assert answer.headers["location"] == "/deliveries?done=deliveries_sent_on&count=1"
    assert [line.sop_instance_uid for line in lines(site)] == ["2.25.10", "2.25.11"]


def test_what_may_not_be_seen_is_neither_counted_nor_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for who may be given the exam: `tests/blinding` asks with real exams."""
    coordinator = site.person(Role.COORDINATOR)
    hidden, _ = released(site, 1), released(site, 2)
    one = change(site, "2.25.10", state=DeliveryState.FAILED, error="of the first")
    change(site, "2.25.20", state=DeliveryState.FAILED, error="of the second")
    monkeypatch.setattr(
        "gransk.web.delivery_pages.hides_from", lambda *_: lambda key: key == hidden
    )
    html = coordinator.get("/deliveries").text
    assert "of the second" in html
    assert "of the first" not in html
    assert hidden[:8] not in html
    pacs = coordinator.get("/api/deliveries").json()["destinations"][1]
    assert (pacs["failed"], pacs["waiting"]) == (1, 1)
    coordinator.post("/deliveries/retry", data={"destination": "pacs"})
    assert [line.id for line in lines(site) if line.state == DeliveryState.FAILED] == [one]


@pytest.mark.parametrize("language", ["en", "da"])
def test_the_case_says_where_its_objects_are(site: Site, language: str) -> None:
    reader = site.person(Role.RADIOLOGIST, language=language)
    key = released(site)
    for uid in ("2.25.10", "2.25.11"):
        change(site, uid, state=DeliveryState.SENT, sent_at=utcnow(), committed_at=utcnow())
    before = superseded(site, key)
    change(site, "2.25.10", state=DeliveryState.HIDDEN)
    html = reader.get(f"/studies/{key}").text
    for words in {
        "en": ("Earlier reports (1)", "Replaced by the report of", "Out of date, hidden",
               "storage confirmed", "Out of date, to be hidden or removed"),
        "da": ("Tidligere rapporter (1)", "Erstattet af rapporten af", "Forældet, skjult",
               "opbevaring bekræftet", "Forældet, skal skjules eller fjernes"),
    }[language]:  # fmt: skip
        assert words in html
    (found,) = reader.get(f"/api/studies/{key}").json()
    assert [line["sop_instance_uid"] for line in found["deliveries"]] == ["2.25.77"]
    (old,) = found["replaced"]
    assert (old["report"], old["replaced_by"]) == (before, "f" * 64)
    assert {line["state"] for line in old["deliveries"]} == {"hidden", "recall"}
