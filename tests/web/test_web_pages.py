"""The pages as a person meets them."""

from __future__ import annotations

import datetime
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy import text as sql
from sqlalchemy.event import listen, remove
from web_objects import findings_of_study

import gransk
import gransk.web.app
from bench.worklist import fill
from gransk.core.application import Picture
from gransk.core.object_kinds import ObjectKind
from gransk.core.reasons import Reason, text
from gransk.reading.release import release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, withdraw_report
from gransk.results.tables import Analysis, Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.anchor import advance
from gransk.site.events import EventKind, head, record
from gransk.site.tables import Role


def test_worklist_shows_every_state_with_its_reason_and_findings(site):
    site.sealed(site.study(1))
    site.item(site.study(2), WorkState.RUNNING, step="fetch", share=0.42)
    site.item(
        site.study(3), WorkState.NOT_ANALYSED, reason=Reason.SLICES_TOO_THICK, incomplete=True
    )
    site.item(site.study(4), WorkState.FAILED, reason=Reason.WORKER_LOST)
    site.study(5, priority=100)
    html = site.person(Role.RADIOLOGIST).get("/").text
    assert "2 nodules, 8.5 mm" in html
    assert 'value="42"' in html
    assert "Fetching images <span>42 %" in html
    assert text(Reason.SLICES_TOO_THICK, "en") in html
    assert text(Reason.WORKER_LOST, "en") in html
    assert "Incomplete images" in html
    assert "Urgent" in html
    assert "Images are arriving" in html
    assert "Testesen, Patient1" in html
    assert "1951-12-24" in html
    assert "Research use. Not a medical device." in html
    assert "/viewer/viewer?StudyInstanceUIDs=1.2.3.1" in html


def test_worklist_in_danish(site):
    site.sealed(site.study(1))
    site.item(site.study(2), WorkState.FAILED, reason=Reason.WORKER_LOST)
    html = site.person(Role.RADIOLOGIST, language="da").get("/").text
    assert '<html lang="da">' in html
    assert "2 noduli, 8.5 mm" in html
    assert "24.12.1951" in html
    assert text(Reason.WORKER_LOST, "da") in html
    assert "Ikke medicinsk udstyr" in html


def test_findings_not_released_are_on_no_page(site):
    key = site.study(1)
    site.sealed(key, released=False)
    client = site.person(Role.RADIOLOGIST)
    for address in ("/", f"/studies/{key}", "/api/worklist", f"/api/studies/{key}"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "8.5" not in answer.text
        assert "volume" not in answer.text.lower()


def test_withdrawn_and_deleted_studies_leave_the_worklist(site):
    site.item(site.study(1), WorkState.WITHDRAWN, reason=Reason.WITHDRAWN)
    client = site.person(Role.RADIOLOGIST)
    assert "Patient1" not in client.get("/").text
    assert "Patient1" in client.get("/?state=withdrawn").text


@pytest.mark.parametrize(
    "search", ["patient7", "Testesen, Patient7", "000007-0000", "acc7", "PATIENT7 testesen"]
)
def test_search_finds_name_id_and_accession_number(site, search):
    for number in (6, 7, 8):
        site.study(number)
    html = site.person(Role.RADIOLOGIST).get("/", params={"search": search}).text
    assert "Patient7" in html
    assert "Patient6" not in html
    assert "Patient8" not in html


def test_search_takes_wildcards_as_text(site):
    site.study(1)
    assert "No study matches" in site.person(Role.RADIOLOGIST).get("/?search=%25").text


def test_sort_and_filter(site):
    site.study(1, patient_name="Bravo")
    site.study(2, patient_name="alfa")
    site.item(site.study(3, patient_name="Charlie"), WorkState.FAILED, reason="internal_error")
    client = site.person(Role.RADIOLOGIST)
    found = re.findall(r'class="open"[^>]*>(\w+)<', client.get("/?sort=patient&order=asc").text)
    assert found == ["alfa", "Bravo", "Charlie"]
    found = re.findall(r'class="open"[^>]*>(\w+)<', client.get("/?state=failed").text)
    assert found == ["Charlie"]


@pytest.mark.parametrize("query", ["state=nonsense", "sort=1;drop", "page=0", "page=x"])
def test_a_query_that_makes_no_sense_is_refused(site, query):
    assert site.person(Role.RADIOLOGIST).get(f"/?{query}").status_code == 422


def test_the_open_list_is_sent_again_only_where_it_changed(site):
    key = site.study(1)
    client = site.person(Role.RADIOLOGIST)
    seen = re.search(r'data-seen="(\w+)"', client.get("/").text)[1]
    assert client.get(f"/worklist/list?seen={seen}").status_code == 204
    site.sealed(key)
    answer = client.get(f"/worklist/list?seen={seen}")
    assert answer.status_code == 200
    assert "2 nodules" in answer.text


@pytest.mark.parametrize(
    "address", ["/", "/?search=family", "/?sort=patient&page=2", "/?state=failed&sort=priority"]
)
def test_a_page_of_many_studies_asks_the_database_no_more_often(site, address):
    """Fifty studies a page: what the archive holds beyond them costs no statement more."""
    client = site.person(Role.RADIOLOGIST)
    asked = []
    for count in (200, 2000):
        with site.database.begin() as session:
            session.execute(sql("DELETE FROM workitem"))
            session.execute(sql("DELETE FROM study"))
            fill(session, count, "lesion")
        statements = []

        def note(*values, kept=statements):
            kept.append(values[2])

        listen(site.database.engine, "before_cursor_execute", note)
        html = client.get(address).text
        remove(site.database.engine, "before_cursor_execute", note)
        assert html.count("Family") >= 50
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_case_page_tells_everything_of_a_study(site):
    key = site.study(1)
    site.sealed(key, incomplete=True)
    client = site.person(Role.RADIOLOGIST)
    html = client.get(f"/studies/{key}").text
    for shown in (
        "Nodule 1", "150.0 mm³", "Series 3: thinnest.", "nodule-detector", "a" * 64,
        "Analysed before all images had arrived", "Result objects made",
        "Research use",
    ):  # fmt: skip
        assert shown in html, shown


def test_a_failed_study_is_analysed_again_by_who_may(site):
    key = site.study(1)
    item = site.item(key, WorkState.FAILED, reason=Reason.INTERNAL_ERROR, detail="step 3 broke")
    trainee, radiologist = site.person(Role.TRAINEE), site.person(Role.RADIOLOGIST)
    assert "Analyse again" not in trainee.get(f"/studies/{key}").text
    assert trainee.post(f"/studies/{key}/rerun", data={"workitem": item}).status_code == 403
    page = radiologist.get(f"/studies/{key}").text
    assert "Analyse again" in page
    assert "step 3 broke" in page
    answer = radiologist.post(f"/studies/{key}/rerun", data={"workitem": item})
    assert answer.status_code == 303
    assert "started again" in radiologist.get(answer.headers["location"]).text
    assert "Failed <b>0</b>" in radiologist.get("/").text
    again = radiologist.post(f"/studies/{key}/rerun", data={"workitem": item})
    assert "cannot be started" in radiologist.get(again.headers["location"]).text


def test_a_waiting_study_goes_first_when_who_may_says_so(site):
    key = site.study(1)
    site.item(key, WorkState.WAITING)
    trainee, coordinator = site.person(Role.TRAINEE), site.person(Role.COORDINATOR)
    assert "Analyse first" not in trainee.get(f"/studies/{key}").text
    assert trainee.post(f"/studies/{key}/priority", data={"urgent": "true"}).status_code == 403
    assert "Analyse first" in coordinator.get(f"/studies/{key}").text
    answer = coordinator.post(f"/studies/{key}/priority", data={"urgent": "true"})
    html = coordinator.get(answer.headers["location"]).text
    for shown in ("priority is changed", "Urgent", "Analyse in its turn", "Priority changed"):
        assert shown in html, shown
    assert 'class="urgent"' in coordinator.get("/").text


@pytest.mark.parametrize("state", [WorkState.RUNNING, WorkState.READY, WorkState.FAILED])
def test_what_does_not_wait_keeps_its_priority(site, state):
    key = site.study(1, settled_fingerprint="f" * 64, pending=False)
    site.item(key, state)
    client = site.person(Role.RADIOLOGIST)
    assert "Analyse first" not in client.get(f"/studies/{key}").text
    answer = client.post(f"/studies/{key}/priority", data={"urgent": "true"})
    assert "cannot be changed" in client.get(answer.headers["location"]).text


def test_a_failed_delivery_is_tried_again_by_who_may(site):
    key, other = site.study(1), site.study(2)
    made = NewObject("SR", "1.2", "2.25.1", "2.25.9", BlobStore(site.config.blob_folder).put(b"SR"))
    site.sealed(key, released=False, objects=(made,))
    with site.database.begin() as session:
        report = session.scalars(select(Report.key)).one()
        wanted = {"orthanc": tuple(ObjectKind)}
        assert release_report(session, report, "policy:at_once", lambda *_: wanted)
        line = session.scalars(select(Delivery)).one()
        line.state, line.error = DeliveryState.FAILED, "0xA700"
        ident, attempt = line.id, line.attempt
    trainee, radiologist = site.person(Role.TRAINEE), site.person(Role.RADIOLOGIST)
    assert "Try again" not in trainee.get(f"/studies/{key}").text
    sent = {"delivery": ident}
    assert trainee.post(f"/studies/{key}/deliver", data=sent).status_code == 403
    assert radiologist.post(f"/studies/{other}/deliver", data=sent).status_code == 404
    assert "Try again" in radiologist.get(f"/studies/{key}").text
    answer = radiologist.post(f"/studies/{key}/deliver", data=sent)
    assert "delivery is started again" in radiologist.get(answer.headers["location"]).text
    again = radiologist.post(f"/studies/{key}/deliver", data=sent)
    assert "cannot be started" in radiologist.get(again.headers["location"]).text
    with site.database.read() as session:
        line = session.get_one(Delivery, ident)
        assert (line.state, line.attempt) == (DeliveryState.WAITING, attempt + 1)


def test_dicom_text_is_escaped(site):
    evil = "<script>alert(1)</script>^'\"><img src=x>"
    key = site.study(1, patient_name=evil, description=evil, patient_id=evil, accession_number=evil)
    client = site.person(Role.RADIOLOGIST)
    for address in ("/", f"/studies/{key}", f"/?search={evil}"):
        html = client.get(address).text
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "&lt;script&gt;" in html


def test_no_such_page(site):
    client = site.person(Role.RADIOLOGIST)
    for address in ("/studies/none", "/nothing", "/api/studies/none"):
        assert client.get(address).status_code == 404


def test_source_of_the_running_version_is_offered_to_everybody(site):
    assert 'href="/source"' in site.client().get("/sign-in").text
    answer = site.client().get("/source")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        names = tar.getnames()
        root = f"gransk-{gransk.__version__}"
        running = tar.extractfile(f"{root}/gransk/web/app.py").read()
    assert running == Path(gransk.web.app.__file__).read_bytes()
    for name in ("nodule/__init__.py", "pyproject.toml", "LICENSE", "plugins/gransk_plugin.py"):
        assert f"{root}/{name}" in names
    assert not [name for name in names if "__pycache__" in name or "/." in name]


def pictures_of(findings):
    """One picture a finding, the last finding's first, each of its own grey."""
    return [
        Picture(
            pixels=np.full((40, 40), 10 * number, np.uint8),
            caption={"en": f"Nodule of grey {10 * number}", "da": f"Nodulus, grå {10 * number}"},
            outlines=(((10.0, 10.0), (20.0, 10.0), (20.0, 25.5)),),
            spacing_mm=0.5,
            tracking_uid=finding.tracking_uid,
        )
        for number, finding in reversed(list(enumerate(findings.findings, 1)))
    ]


def test_each_finding_has_its_own_picture(site):
    key = site.study(1)
    findings = findings_of_study("1.2.3")
    site.sealed(key, findings, pictures=pictures_of(findings))
    client = site.person(Role.RADIOLOGIST)
    html = client.get(f"/studies/{key}").text
    cards = html.split("<li>")[1:3]
    for number, card in enumerate(cards, 1):
        assert f"Nodule {number}<" in card
        assert f"Nodule of grey {10 * number}" in card
        assert 'points="10.00,10.00 20.00,10.00 20.00,25.50"' in card
        assert 'h20.0"' in card, "10 mm are 20 pixels"
        assert f"{0.9 - number / 10:.2f}" in card
        answer = client.get(re.search(r'src="([^"]+)"', card)[1])
        assert answer.headers["content-type"] == "image/png"
        image = Image.open(io.BytesIO(answer.content))
        assert (image.size, image.getextrema()) == ((40, 40), (10 * number, 10 * number))
    assert "no calibrated probability" in html
    assert "Readers' suspicion" not in html, "no model gave one"
    html = site.person(Role.TRAINEE, language="da").get(f"/studies/{key}").text
    assert "Nodulus, grå 10" in html
    assert "0,80" in html


def test_pictures_are_for_who_may_see_images_and_only_once_released(site):
    key, other, early = site.study(1), site.study(2), site.study(3)
    findings = findings_of_study("1.2.3")
    item = site.sealed(key, findings, pictures=pictures_of(findings))
    site.sealed(early, findings, pictures=pictures_of(findings), released=False)
    radiologist, coordinator = site.person(Role.RADIOLOGIST), site.person(Role.COORDINATOR)
    address = re.search(r'src="(/studies/[^"]+)"', radiologist.get(f"/studies/{key}").text)[1]
    answer = radiologist.get(address)
    assert answer.headers["cache-control"] == "private, no-cache"
    again = {"if-none-match": answer.headers["etag"]}
    assert radiologist.get(address, headers=again).status_code == 304
    assert coordinator.get(address, headers=again).status_code == 403
    html = coordinator.get(f"/studies/{key}").text
    assert "<img" not in html
    assert "Nodule 1" in html
    assert radiologist.get(address.replace(key, other)).status_code == 404
    assert radiologist.get(address.replace(key, early)).status_code == 404
    assert radiologist.get(re.sub(r"\d+\.png", "2.png", address)).status_code == 404
    assert radiologist.get(re.sub(r"\d+\.png", "-1.png", address)).status_code == 404
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        unreleased = session.get_one(Workitem, site.item_id(early)).analysis_key
        withdraw_report(session, row.report_key, key)
    assert radiologist.get(f"/studies/{early}/pictures/{unreleased}/0.png").status_code == 404
    assert radiologist.get(address, headers=again).status_code == 404


def test_a_case_whose_pictures_are_damaged_shows_its_findings(site):
    key = site.study(1)
    findings = findings_of_study("1.2.3")
    site.sealed(key, findings, pictures=pictures_of(findings))
    with site.database.read() as session:
        sha256 = session.scalars(select(Analysis.pictures_sha256)).one()
    BlobStore(site.config.blob_folder).path(sha256).write_bytes(b"damaged")
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}").text
    assert "Nodule 1" in html
    assert "<img" not in html


def test_studies_without_images_are_not_on_the_worklist(site):
    site.study(1, pending=False)
    site.study(2)
    site.study(3, pending=False, settled_fingerprint="f" * 64)
    site.item(site.study(4, pending=False), WorkState.NOT_ANALYSED, reason=Reason.NO_APPLICATION)
    html = site.person(Role.RADIOLOGIST).get("/").text
    assert re.findall(r"Patient(\d)<", html) == ["2", "3", "4"]
    assert "All <b>3</b>" in html


def test_times_are_the_sites_own(make_site):
    site = make_site(time_zone="America/St_Johns")
    site.study(1, changed_at=datetime.datetime(2026, 7, 1, 1, 15, 7, tzinfo=datetime.UTC))
    html = site.person(Role.ADMINISTRATOR).get("/").text
    assert ">2026-06-30 22:45</time>" in html
    assert 'title="2026-06-30 22:45:07 NDT (UTC-02:30)"' in html
    assert "Times: America/St_Johns" in html


def test_auditor_reads_the_event_log_and_no_patient(site):
    site.study(1)
    client = site.person(Role.AUDITOR)
    assert client.get("/").status_code == 403
    html = client.get("/events").text
    assert "Account added" in html
    assert "Testesen" not in html
    assert site.person(Role.RADIOLOGIST).get("/events").status_code == 403


def test_event_log_is_paged_by_number_and_verified_when_asked(site):
    with site.database.begin() as session:
        for _ in range(450):
            record(session, "gransk", EventKind.SWEEP_DONE, "orthanc")
        last, _ = head(session)
    client = site.person(Role.AUDITOR)
    last += 2  # the auditor's account and session

    def numbers(html):
        return [int(n) for n in re.findall(r'<tr><td class="time">(\d+)</td>', html)]

    def link(html, rel):
        return re.search(rf'href="([^"]+)" rel="{rel}"', html)[1]

    newest = client.get("/events").text
    assert numbers(newest) == list(range(last, last - 200, -1))
    assert "intact" not in newest
    assert 'rel="prev"' not in newest
    second = client.get(link(newest, "next")).text
    third = client.get(link(second, "next")).text
    assert numbers(second) + numbers(third) == list(range(last - 200, 0, -1))
    assert 'rel="next"' not in third
    assert numbers(client.get(link(third, "prev")).text) == numbers(second)
    assert f"Events 1 to {last - 400} of {last}" in third
    assert f"The chain of {last} events is intact" in client.get("/events?verify=1").text
    for before in ("0", "x", "-1"):
        assert client.get(f"/events?before={before}").status_code == 422
    assert numbers(client.get("/events?before=99999").text) == numbers(newest)
    with site.database.begin() as session:
        session.execute(sql("DROP TRIGGER IF EXISTS event_no_update"))
        session.execute(sql("UPDATE event SET subject = 'other' WHERE number = 9"))
    assert "broken at event 9" in client.get("/events?verify=1").text


def test_a_log_cut_short_is_told(site):
    client = site.person(Role.AUDITOR)
    with site.database.begin() as session:
        for _ in range(5):
            record(session, "a", EventKind.STUDY_SEEN, "s")
        last, _ = head(session)
    assert advance(site.database, site.config.data_folder)
    assert "is intact" in client.get("/events?verify=1").text
    with site.database.begin() as session:
        session.execute(sql("DROP TRIGGER IF EXISTS event_no_delete"))
        session.execute(sql("DELETE FROM event WHERE number > :last"), {"last": last - 3})
    assert f"broken at event {last - 2}" in client.get("/events?verify=1").text


def test_status_strip(site):
    site.item(site.study(1), WorkState.WAITING)
    html = site.person(Role.RADIOLOGIST).get("/status").text
    assert "1 waiting, 0 running" in html
    assert "No worker is alive" in html
    assert "Orthanc does not answer" in html
