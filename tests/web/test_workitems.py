"""UPS-RS by its rules: what may be created, claimed, changed, ended and found."""

from __future__ import annotations

import threading

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from workitem_parts import (
    JSON,
    STATE,
    TRANSACTION,
    about,
    coded,
    discontinued,
    moved,
    performed,
    said,
    workitem,
)

from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.tables import Role

ITEMS = "/dicom-web/workitems"
UID = "1.2.3.4.5"
ONE, TWO = "2.25.111", "2.25.222"


@pytest.fixture
def client(site):
    return site.machine("ws1")


def created(client, uid=UID, **values):
    answer = client.post(f"{ITEMS}?{uid}", json=workitem(**values), headers=JSON)
    assert answer.status_code == 201, answer.text
    return answer


def state(client, to, transaction=ONE, uid=UID):
    return client.put(f"{ITEMS}/{uid}/state", json=moved(to, transaction), headers=JSON)


def update(client, body, uid=UID):
    return client.post(f"{ITEMS}/{uid}", json=body, headers=JSON)


def got(client, uid=UID):
    answer = client.get(f"{ITEMS}/{uid}", headers=JSON)
    assert answer.status_code == 200
    (found,) = answer.json()
    return found


def search(client, **asked):
    answer = client.get(ITEMS, params=asked, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_workitem_from_its_creation_to_its_end(client):
    made = created(client)
    assert made.headers["location"].endswith(f"{ITEMS}/{UID}")
    assert made.content == b""
    found = got(client)
    assert said(found, STATE) == "SCHEDULED"
    assert TRANSACTION not in found
    assert Dataset.from_json(found).PatientName == "Testesen^Patient1"
    assert state(client, "IN PROGRESS").status_code == 200
    assert TRANSACTION not in got(client)
    early = state(client, "COMPLETED")
    assert (early.status_code, early.json()["error"]) == (
        409, "The submitted request is inconsistent with the state of the UPS Instance.",
    )  # fmt: skip
    assert any("00741216" in one for one in early.json()["missing"])
    assert update(client, performed(ONE)).status_code == 200
    assert state(client, "COMPLETED").status_code == 200
    again = state(client, "COMPLETED")
    assert again.status_code == 200
    assert "already in the requested state of COMPLETED" in again.headers["warning"]
    assert update(client, performed(ONE)).status_code == 409
    assert said(got(client), STATE) == "COMPLETED"


def test_what_was_created_with_changes_says_so(client):
    answer = created(client, WorklistLabel=None)
    assert "The Workitem was created with modifications." in answer.headers["warning"]
    assert answer.headers["warning"].startswith("299 http")
    assert said(got(client), "00741202") == "Gransk"
    assert "warning" not in created(client, uid="1.2.3.6").headers


def test_a_workitem_that_is_not_right_is_refused(client):
    for wrong, why in (
        (workitem(ProcedureStepState="IN PROGRESS"), "SCHEDULED"),
        (workitem(TransactionUID="1.2.3"), "Transaction UID"),
        (workitem(ScheduledProcedureStepPriority="NOW"), "HIGH"),
        (workitem(ReferencedRequestSequence=Sequence([Dataset()])), "Study Instance UID"),
        ({"nonsense": {}}, "hexadecimal"),
        (workitem() | {"00741204": {"vr": "SQ", "Value": []}}, "00741204"),
        ([workitem(), workitem()], "object"),
    ):  # fmt: skip
        answer = client.post(f"{ITEMS}?{UID}", json=wrong, headers=JSON)
        assert (answer.status_code, why in answer.text) == (400, True), answer.text
    bad = client.post(f"{ITEMS}?{UID}", content=b"{", headers=JSON)
    assert bad.status_code == 400
    deep = b'{"00404021":' * 9000
    assert client.post(f"{ITEMS}?{UID}", content=deep, headers=JSON).status_code == 400
    xml = {"content-type": "application/dicom+xml"}
    assert client.post(f"{ITEMS}?{UID}", content=b"<a/>", headers=xml).status_code == 415
    large = client.post(f"{ITEMS}?{UID}", content=b" " * 1048577, headers=JSON)
    assert large.status_code == 413
    assert client.post(f"{ITEMS}?1..2", json=workitem(), headers=JSON).status_code == 400
    assert client.get(ITEMS, headers={"accept": "application/dicom+xml"}).status_code == 406
    assert client.get(f"{ITEMS}/{UID}", headers=JSON).status_code == 404


def test_uids_may_stand_in_the_query_or_in_the_dataset_and_are_used_once(client):
    for query, body, where in (
        ("?1.2.1", workitem(), "1.2.1"),
        ("?workitem=1.2.2", workitem(), "1.2.2"),
        ("?AffectedSOPInstanceUID=1.2.3", workitem(), "1.2.3"),
        ("", workitem(SOPInstanceUID="1.2.4"), "1.2.4"),
        ("", workitem(), "2.25."),
    ):
        answer = client.post(f"{ITEMS}{query}", json=body, headers=JSON)
        assert answer.status_code == 201
        assert answer.headers["location"].partition("/workitems/")[2].startswith(where)
    assert client.post(f"{ITEMS}?1.2.1", json=workitem(), headers=JSON).status_code == 409
    two = client.post(f"{ITEMS}?1.2.9", json=workitem(SOPInstanceUID="1.2.8"), headers=JSON)
    assert two.status_code == 400


def test_transactions_are_guarded(client, site):
    other = site.machine("ws2")
    created(client)
    for to, transaction, status, told in (
        ("IN PROGRESS", "", 400, "The Transaction UID is missing."),
        ("COMPLETED", ONE, 409, "inconsistent"),
        ("SCHEDULED", ONE, 409, "inconsistent"),
        ("IN PROGRESS", ONE, 200, ""),
        ("IN PROGRESS", TWO, 400, "The Transaction UID is incorrect."),
        ("CANCELED", TWO, 400, "The Transaction UID is incorrect."),
        ("IN PROGRESS", ONE, 409, "inconsistent"),
    ):
        answer = state(other, to, transaction)
        assert (answer.status_code, told in answer.headers.get("warning", "")) == (status, True)
    for body, status in ((performed(""), 400), (performed(TWO), 400), (performed(ONE), 200)):
        assert update(other, body).status_code == status
    by_query = client.post(f"{ITEMS}/{UID}?transaction-uid={ONE}", json=performed(""), headers=JSON)
    assert by_query.status_code == 200
    by_put = client.put(f"{ITEMS}/{UID}?{ONE}", json=performed(""), headers=JSON)
    assert by_put.status_code == 200


def test_a_workitem_is_cancelled_by_who_performs_it(client):
    created(client)
    state(client, "IN PROGRESS")
    assert state(client, "CANCELED").status_code == 409
    assert update(client, discontinued(ONE)).status_code == 200
    assert state(client, "CANCELED").status_code == 200
    (progress,) = got(client)["00741002"]["Value"]
    assert said(progress, "00404052")
    asked = client.post(f"{ITEMS}/{UID}/cancelrequest", headers=JSON)
    assert (asked.status_code, "state of CANCELED" in asked.headers["warning"]) == (202, True)


def test_only_who_made_it_changes_what_is_scheduled(client, site):
    created(client)
    other = site.machine("ws2")
    urgent = workitem(ScheduledProcedureStepPriority="HIGH")
    body = {"00741200": urgent["00741200"]}
    assert update(other, body).status_code == 403
    assert update(client, body | {TRANSACTION: {"vr": "UI", "Value": [ONE]}}).status_code == 409
    assert update(client, body).status_code == 200
    assert said(got(client), "00741200") == "HIGH"
    patient = {"00100010": urgent["00100010"]}
    answer = update(client, patient)
    assert (answer.status_code, "00100010" in answer.text) == (400, True)


def test_a_cancellation_is_asked_of_who_can_be_reached(client, site):
    other = site.machine("ws2")
    created(client)
    assert other.post(f"{ITEMS}/{UID}/cancelrequest", headers=JSON).status_code == 409
    state(other, "IN PROGRESS")
    deaf = client.post(f"{ITEMS}/{UID}/cancelrequest", headers=JSON)
    assert (deaf.status_code, "cannot be contacted" in deaf.headers["warning"]) == (409, True)
    assert other.post(f"{ITEMS}/{UID}/subscribers/WS2").status_code == 201
    assert client.post(f"{ITEMS}/{UID}/cancelrequest", headers=JSON).status_code == 202
    created(client, uid="1.2.7")
    assert client.post(f"{ITEMS}/1.2.7/cancelrequest", headers=JSON).status_code == 202
    assert said(got(client, "1.2.7"), STATE) == "CANCELED"


def test_searching(client):
    created(client, uid="1.2.1")
    created(
        client, uid="1.2.2", ProcedureStepLabel="Biopsy", PatientName="Hansen^Ida",
        ScheduledProcedureStepStartDateTime="20260305",
        ScheduledStationNameCodeSequence=Sequence([coded("WS1", "99X"), coded("WS2", "99X")]),
    )  # fmt: skip
    created(client, uid="1.2.3", ScheduledProcedureStepStartDateTime="20260401")
    state(client, "IN PROGRESS", uid="1.2.3")

    def uids(**asked):
        return [said(one, "00080018") for one in search(client, **asked)]

    assert uids() == ["1.2.1", "1.2.2", "1.2.3"]
    station = "ScheduledStationNameCodeSequence.CodeValue"
    for asked, found in (
        ({"ProcedureStepState": "SCHEDULED"}, ["1.2.1", "1.2.2"]),
        ({STATE: "IN PROGRESS"}, ["1.2.3"]),
        ({"ProcedureStepLabel": "Bio*"}, ["1.2.2"]),
        ({"ProcedureStepLabel": "B?opsy"}, ["1.2.2"]),
        ({"PatientName": "hansen*"}, ["1.2.2"]),
        ({"SOPInstanceUID": "1.2.1,1.2.3"}, ["1.2.1", "1.2.3"]),
        ({"ScheduledProcedureStepStartDateTime": "20260303-20260331"}, ["1.2.2"]),
        ({"ScheduledProcedureStepStartDateTime": "-20260303"}, ["1.2.1"]),
        ({"ScheduledProcedureStepStartDateTime": "20260305-"}, ["1.2.2", "1.2.3"]),
        ({"ScheduledProcedureStepStartDateTime": "20260302"}, ["1.2.1"]),
        ({station: "WS2"}, ["1.2.2"]),
        ({"00404025.00080100": "WS*"}, ["1.2.2"]),
        ({station: "WS3"}, []),
        ({"PatientID": ""}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"limit": "1", "offset": "1"}, ["1.2.2"]),
    ):
        assert uids(**asked) == found, asked
    part = client.get(ITEMS, params={"limit": "2"}, headers=JSON)
    assert "additional results" in part.headers["warning"]
    fuzzy = client.get(ITEMS, params={"fuzzymatching": "true"}, headers=JSON)
    assert "fuzzymatching parameter is not supported" in fuzzy.headers["warning"]
    usual = search(client, SOPInstanceUID="1.2.1")[0]
    assert {"00080016", "00080018", STATE, "00741204", "00100010"} <= set(usual)
    assert "00404010" not in usual
    assert "00404010" in search(client, includefield="00404010")[0]
    assert "00741216" in search(client, includefield="all")[0]
    for wrong in ({"Nonsense": "1"}, {"limit": "x"}, {"TransactionUID": ONE}):
        assert client.get(ITEMS, params=wrong, headers=JSON).status_code == 400


def test_two_claims_at_once_have_one_winner(client, site):
    created(client)
    clients = [site.machine(f"m{n}") for n in range(6)]
    start = threading.Barrier(len(clients))
    answers = {}

    def claim(number):
        start.wait()
        answers[number] = state(clients[number], "IN PROGRESS", f"2.25.{number + 1}").status_code

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers.values()) == [200] + [400] * 5
    (winner,) = [number for number, status in answers.items() if status == 200]
    assert update(client, performed(f"2.25.{winner + 1}")).status_code == 200


# Applications that a client asks for


def asking(uid, application="lesion"):
    code = Sequence([coded(application, "99GRANSK", application)])
    return {"InputInformationSequence": about(uid), "ScheduledWorkitemCodeSequence": code}


def test_an_analysis_is_asked_for_and_names_what_it_made_once_that_is_released(client, site):
    study = site.study(1)
    ident = site.item(study, WorkState.FAILED, reason="internal_error")
    created(client, **asking("1.2.3.1"))
    found = got(client)
    assert said(found, STATE) == "IN PROGRESS"
    with site.database.begin() as session:
        item = session.get_one(Workitem, ident)
        assert (item.state, item.attempt) == (WorkState.WAITING, 2)
        item.state, item.share, item.step = WorkState.RUNNING, 0.4, "detect"
    (progress,) = got(client)["00741002"]["Value"]
    assert (said(progress, "00741004"), said(progress, "00741006")) == (40, "detect")
    assert state(client, "COMPLETED").status_code == 400
    kept = client.post(f"{ITEMS}/{UID}/cancelrequest", headers=JSON)
    assert (kept.status_code, "chooses not to cancel" in kept.headers["warning"]) == (409, True)


def test_what_was_analysed_and_is_not_released_is_not_told(client, site):
    stored = BlobStore(site.config.blob_folder).put(b"bytes")
    made = NewObject("SR", "1.2.840.10008.5.1.4.1.1.88.33", "1.9.1.1", "1.9.1", stored)
    study = site.study(1)
    site.sealed(study, released=False, objects=(made,))
    created(client, **asking("1.2.3.1"))
    assert said(got(client), STATE) == "IN PROGRESS"
    assert "1.9.1" not in str(got(client))
    with site.database.begin() as session:
        for report in session.query(Report):
            report.released_at = utcnow()
    found = got(client)
    assert said(found, STATE) == "COMPLETED"
    (done,) = found["00741216"]["Value"]
    (output,) = done["00404033"]["Value"]
    assert said(output, "0020000E") == "1.9.1"
    assert said(output, "0020000D") == "1.2.3.1"
    assert said(said(output, "00081199"), "00081155") == "1.9.1.1"


def test_an_analysis_that_was_refused_is_cancelled_with_its_reason(client, site):
    study = site.study(1)
    ident = site.item(study, WorkState.RUNNING)
    created(client, **asking("1.2.3.1"))
    with site.database.begin() as session:
        item = session.get_one(Workitem, ident)
        item.state, item.reason = WorkState.NOT_ANALYSED, "too_few_images"
    found = got(client)
    assert said(found, STATE) == "CANCELED"
    (progress,) = found["00741002"]["Value"]
    assert said(progress, "00741238") == "too_few_images"


# Reports that wait for a signature


def test_a_released_report_waits_for_its_signature(site):
    study = site.study(1)
    site.sealed(study)
    client = site.machine("ws1")
    (one,) = search(client, ScheduledWorkitemCodeSequence="", **{"00404018.00080100": "110007"})
    assert said(one, "00741204") == "Sign report"
    whole = got(client, said(one, "00080018"))
    read = Dataset.from_json(whole)
    assert read.InputInformationSequence[0].StudyInstanceUID == "1.2.3.1"
    assert read.ReferencedRequestSequence[0].AccessionNumber == "ACC1"
    nurse = site.person(Role.RADIOGRAPHER)
    assert state(nurse, "IN PROGRESS", uid=said(one, "00080018")).status_code == 403
    doctor = site.person(Role.RADIOLOGIST)
    assert state(doctor, "IN PROGRESS", uid=said(one, "00080018")).status_code == 200
    with site.database.begin() as session:
        session.query(Workitem).one().state = WorkState.WITHDRAWN
    assert said(got(client, said(one, "00080018")), STATE) == "CANCELED"
