"""Released reports as FHIR R4: what is served, what is not, and that foreign tools read it."""

import base64
import datetime
import hashlib
import io
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.task import Task
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian
from sqlalchemy import select
from web_objects import findings_of_study

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server  # noqa: F401

from gransk.archive.followed import place_of
from gransk.core import codes
from gransk.core.findings import Measurement
from gransk.delivery.marks import Marker
from gransk.reading.release import release_report
from gransk.reading.urgent import stands
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, restore_report, withdraw_report
from gransk.results.tables import Report, ReportObject, Workitem, WorkState
from gransk.results.versions import ReportVersion, catch_up, versions_of
from gransk.site.tables import Role

CPR = "urn:oid:1.2.208.176.1.2"
REPORTS, TASKS = "/fhir/DiagnosticReport", "/fhir/Task"


@pytest.fixture
def site(make_site):
    return make_site(fhir={"issuers": {CPR: ""}})


def released(site, number=1, **values):
    """A study whose report was released as a worker does it; the resource's id."""
    study = site.study(number)
    item = site.sealed(study, released=False, **values)
    release(site, item)
    return item


def release(site, item):
    with site.database.begin() as session:
        key = session.get_one(Workitem, item).report_key
        assert release_report(session, key, "policy:at_once", lambda *_: {})


def get(client, address, wanted=200):
    answer = client.get(address)
    assert answer.status_code == wanted, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    return answer.json()


def ids(bundle):
    Bundle.model_validate(bundle)
    return [one["resource"]["id"] for one in bundle.get("entry", [])]


def test_a_released_report_is_a_diagnostic_report(site):
    score = Measurement(name="score", concept=codes.MEAN_DIAMETER, unit=codes.NO_UNITS, value=7)
    found = findings_of_study("1.2.3").model_copy(update={"measurements": (score,)})
    item = released(site, findings=found)
    made = get(site.machine(), f"{REPORTS}/{item}")
    DiagnosticReport.model_validate(made)
    assert (made["status"], made["meta"]["versionId"]) == ("partial", "1")
    assert made["subject"]["identifier"]["system"] == CPR
    assert made["subject"]["identifier"]["value"] == "000001-0000"
    assert made["basedOn"][0]["identifier"]["value"] == "ACC1"
    assert made["conclusion"] == "2 nodules, 8.5 mm\nResearch use, not a medical device."
    contained = {one["id"]: one for one in made["contained"]}
    assert contained["study"]["identifier"] == [
        {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.1"}
    ]
    assert contained["patient"]["birthDate"] == "1951-12-24"
    assert contained["patient"]["name"][0]["family"] == "Testesen"
    assert [one["reference"] for one in made["result"]] == ["#finding-1", "#finding-2", "#exam-1"]
    first = contained["finding-1"]
    assert first["valueCodeableConcept"]["coding"][0] == {
        "system": "http://snomed.info/sct", "code": "27925004", "display": "Nodule",
    }  # fmt: skip
    volume = next(
        one for one in first["component"] if one["code"]["coding"][0]["code"] == "118565006"
    )
    assert volume["valueQuantity"] == {
        "value": 150.0, "unit": "cubic millimeter", "system": "http://unitsofmeasure.org",
        "code": "mm3",
    }  # fmt: skip
    assert contained["exam-1"]["valueQuantity"]["value"] == 7
    assert {one["status"] for key, one in contained.items() if "-" in key} == {"preliminary"}


def pdf_object(site, content):
    """An Encapsulated PDF (PS3.3 A.45.1), kept as an object of a report."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = EncapsulatedPDFStorage, "1.2.3.9.9"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(content)
    made.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    file = io.BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    stored = BlobStore(site.config.blob_folder).put(file.getvalue())
    return NewObject("PDF", EncapsulatedPDFStorage, "1.2.3.9.9", "1.2.3.9", stored)


def test_the_document_is_there_where_it_was_made(site):
    content = b"%PDF-1.4\n%%EOF\n"
    assert len(content) % 2
    item = released(site, objects=(pdf_object(site, content),))
    machine = site.machine()
    (form,) = get(machine, f"{REPORTS}/{item}")["presentedForm"]
    assert base64.b64decode(form["data"]) == content
    assert (form["contentType"], form["size"]) == ("application/pdf", len(content))
    assert base64.b64decode(form["hash"]) == hashlib.sha1(content).digest()
    assert "presentedForm" not in get(machine, f"{REPORTS}/{released(site, 2)}")


def test_what_is_not_released_is_nowhere(site):
    machine = site.machine()
    item = site.sealed(site.study(1), released=False)
    other = released(site, 2)
    unknown = get(machine, f"{REPORTS}/nothing", 404)
    OperationOutcome.model_validate(unknown)
    for path in (f"{REPORTS}/{item}", f"{REPORTS}/{item}/_history", f"{REPORTS}/{item}/_history/1"):
        assert get(machine, path, 404) == unknown
    for query in ("", f"?_id={item},{other}", "?_count=1", "?status=partial,final"):
        bundle = get(machine, REPORTS + query)
        assert (bundle["total"], ids(bundle)) == (1, [other])
    for query in (f"?_id={item}", "?identifier=ACC1", "?based-on.identifier=ACC1"):
        bundle = get(machine, REPORTS + query)
        assert (bundle["total"], "entry" in bundle) == (0, False)
    task = get(machine, f"{TASKS}/{item}")
    Task.model_validate(task)
    assert (task["status"], task["priority"]) == ("requested", "routine")
    assert "output" not in task
    assert task["meta"]["lastUpdated"] == task["authoredOn"]


def test_the_time_of_change_is_that_of_the_release(site):
    item = site.sealed(site.study(1), released=False)
    before = datetime.datetime.now(datetime.UTC)
    release(site, item)
    made = get(site.machine(), f"{REPORTS}/{item}")
    assert datetime.datetime.fromisoformat(made["meta"]["lastUpdated"]) > before
    with site.database.read() as session:
        assert session.scalars(ReportVersion.__table__.select()).all()


def test_every_version_can_be_read_as_it_was(site):
    item = released(site)
    with site.database.begin() as session:
        key = session.get_one(Workitem, item).report_key
        withdraw_report(session, key, session.get_one(Workitem, item).study_key)
    machine = site.machine()
    gone = get(machine, f"{REPORTS}/{item}")
    DiagnosticReport.model_validate(gone)
    assert (gone["status"], gone["meta"]["versionId"]) == ("cancelled", "2")
    assert {"result", "conclusion", "conclusionCode"}.isdisjoint(gone)
    with site.database.begin() as session:
        restore_report(session, key)
    history = get(machine, f"{REPORTS}/{item}/_history")
    Bundle.model_validate(history)
    told = [(one["resource"]["meta"]["versionId"], one["resource"]["status"])
            for one in history["entry"]]  # fmt: skip
    assert told == [("3", "partial"), ("2", "cancelled"), ("1", "partial")]
    times = [one["resource"]["meta"]["lastUpdated"] for one in history["entry"]]
    assert all(later > earlier for later, earlier in pairwise(times))
    for number in ("1", "2", "3"):
        version = machine.get(f"{REPORTS}/{item}/_history/{number}")
        assert version.headers["etag"] == f'W/"{number}"'
        assert version.json() == next(
            one["resource"] for one in history["entry"]
            if one["resource"]["meta"]["versionId"] == number
        )  # fmt: skip
    get(machine, f"{REPORTS}/{item}/_history/4", 404)


def test_a_site_can_keep_older_versions_back(make_site):
    site = make_site(fhir={"older_versions": False})
    item = released(site)
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        withdraw_report(session, row.report_key, row.study_key)
    machine = site.machine()
    assert get(machine, f"{REPORTS}/{item}/_history")["total"] == 1
    get(machine, f"{REPORTS}/{item}/_history/1", 404)
    assert get(machine, f"{REPORTS}/{item}/_history/2")["status"] == "cancelled"
    assert get(machine, "/fhir/metadata")["rest"][0]["resource"][0]["readHistory"] is False


SEARCHES = [
    ("patient.identifier=" + CPR + "|000002-0000", [2]),
    ("patient.identifier=" + CPR + "|0000020000", [2]),
    ("patient:identifier=000002-0000,000003-0000", [2, 3]),
    ("patient.identifier=urn:oid:1.2|000002-0000", []),
    ("subject.identifier=" + CPR + "|000001-0000", [1]),
    ("identifier=ACC3", [3]),
    ("identifier=urn:dicom:uid|urn:oid:1.2.3.2", [2]),
    ("identifier=urn:oid:1.2.3.2", [2]),
    ("identifier=", []),
    ("based-on:identifier=ACC1,ACC2", [1, 2]),
    ("based-on.identifier=urn:x|ACC1", []),
    ("status=final", []),
    ("status=partial", [1, 2, 3]),
    ("status=http://hl7.org/fhir/diagnostic-report-status|partial", [1, 2, 3]),
    ("date=2026-01-05", [1, 2, 3]),
    ("date=2026-01", [1, 2, 3]),
    ("date=gt2026-01-05", []),
    ("date=ge2026-01-05&date=lt2026-01-06", [1, 2, 3]),
    ("date=ne2026-01-05", []),
    ("_lastUpdated=gt2020", [1, 2, 3]),
    ("_lastUpdated=lt2020-02-01T10:00:00Z", []),
    ("_lastUpdated=eq2020", []),
]


def test_searches(site):
    items = {number: released(site, number) for number in (1, 2, 3)}
    machine = site.machine()
    for query, numbers in SEARCHES:
        bundle = get(machine, f"{REPORTS}?{query}")
        wanted = (len(numbers), [items[n] for n in numbers])
        assert (bundle["total"], ids(bundle)) == wanted, query


NOT_UNDERSTOOD = (
    "_lastUpdated=yesterday", "date=2026-13", "date=2026T10:00", "_count=some", "colour=red",
    "_after=x", "_format=xml", "_sort=date",
)  # fmt: skip


def test_a_search_that_is_not_understood_is_refused(site):
    released(site)
    machine = site.machine()
    for path in (REPORTS, TASKS):
        for query in NOT_UNDERSTOOD:
            if (path, query[:4]) != (TASKS, "date"):
                OperationOutcome.model_validate(get(machine, f"{path}?{query}", 400))


@pytest.mark.parametrize("path", [REPORTS, TASKS])
def test_pages_follow_one_another(site, path):
    items = [released(site, number) for number in range(1, 6)]
    machine = site.machine()
    seen, address = [], f"{path}?_count=2&_lastUpdated=gt2020"
    while address:
        bundle = get(machine, address)
        seen.append(ids(bundle))
        assert bundle["total"] == 5
        links = {one["relation"]: one["url"] for one in bundle["link"]}
        address = links.get("next")
    assert seen == [items[:2], items[2:4], items[4:]]
    none = get(machine, f"{path}?_count=0")
    assert (none["total"], "entry" in none) == (5, False)


def test_a_report_that_cannot_be_read_stops_no_search(site, caplog):
    items = [released(site), released(site, 2, objects=(pdf_object(site, b"%PDF-1.4"),))]
    items.append(released(site, 3))
    with site.database.read() as session:
        digest = session.scalars(select(ReportObject.sha256)).one()
    BlobStore(site.config.blob_folder).path(digest).unlink()
    machine = site.machine()
    address, seen = f"{REPORTS}?_count=1", []
    while address:
        bundle = get(machine, address)
        Bundle.model_validate(bundle)
        (entry,) = bundle["entry"]
        seen.append((entry["search"]["mode"], entry["resource"].get("id", "")))
        if entry["search"]["mode"] == "outcome":
            told = OperationOutcome.model_validate(entry["resource"])
            assert items[1] in told.issue[0].diagnostics
        address = {one["relation"]: one["url"] for one in bundle["link"]}.get("next")
    assert seen == [("match", items[0]), ("outcome", ""), ("match", items[2])]
    (line,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert site.study_key(2) in line


def test_a_person_sees_what_sight_allows(site, monkeypatch):
    items = [released(site, number) for number in (1, 2)]
    reader = site.person(Role.RADIOLOGIST)
    assert ids(get(reader, REPORTS)) == items
    blind = site.study_key(1)
    monkeypatch.setattr("gransk.web.fhir_reports.sees_all", lambda *of: of[-1] != blind)
    for module in ("fhir_reports", "fhir_tasks"):
        monkeypatch.setattr(
            f"gransk.web.{module}.hides_from", lambda *_: lambda column: column == blind
        )
    shown = get(reader, REPORTS)
    assert (shown["total"], ids(shown)) == (1, items[1:])
    assert get(reader, f"{REPORTS}/{items[0]}", 404) == get(reader, f"{REPORTS}/none", 404)
    kept, told = (get(reader, f"{TASKS}/{one}") for one in items)
    assert "output" in told
    assert "output" not in kept
    assert kept["meta"]["lastUpdated"] == kept["authoredOn"] < told["meta"]["lastUpdated"]
    since = get(reader, f"{TASKS}?_lastUpdated=gt{kept['authoredOn'].replace('Z', '')}")
    assert ids(since) == items[1:]


def test_who_has_no_token_reads_nothing(site):
    for path in ("/fhir/metadata", REPORTS, TASKS):
        answer = site.client().get(path)
        assert answer.headers["www-authenticate"] == "Bearer"
        OperationOutcome.model_validate(get(site.client(), path, 401))
    refused = get(site.person(Role.AUDITOR), REPORTS, 403)
    assert refused["issue"][0]["code"] == "forbidden"


def test_what_is_said_of_the_server_is_true(site):
    machine = site.machine()
    said = get(machine, "/fhir/metadata")
    CapabilityStatement.model_validate(said)
    released(site)
    for one in said["rest"][0]["resource"]:
        for parameter in one["searchParam"]:
            name = parameter["name"]
            name += ".identifier" if parameter["type"] == "reference" else ""
            if (one["type"], name) == ("Task", "owner.identifier"):
                name = "owner:identifier"
            value = "2026-01-05" if parameter["type"] == "date" else "x"
            get(machine, f"/fhir/{one['type']}?{name}={value}")
        answered = {code["code"] for code in one["interaction"]}
        item = site.item_id(site.study_key(1))
        versions = 200 if "vread" in answered else 404
        assert machine.get(f"/fhir/{one['type']}/{item}").status_code == 200
        assert machine.get(f"/fhir/{one['type']}/{item}/_history/1").status_code == versions


def test_reports_of_before_get_their_versions_once(site):
    item = site.sealed(site.study(1), released=True)
    waiting = site.sealed(site.study(2), released=False)
    machine = site.machine()
    assert get(machine, REPORTS)["total"] == 0
    with site.database.begin() as session:
        assert (catch_up(session), catch_up(session)) == (1, 0)
        at = session.get_one(Report, session.get_one(Workitem, item).report_key).released_at
        assert [one.at for one in versions_of(session, item)] == [at]
        assert versions_of(session, waiting) == []


def test_a_task_ends_with_its_study(site):
    study = site.study(1, deleted_at=datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))
    item = site.item(study, WorkState.WITHDRAWN)
    task = get(site.machine(), f"{TASKS}/{item}")
    assert task["status"] == "cancelled"
    assert task["executionPeriod"] == {"end": "2026-03-01T00:00:00Z"}
    assert ids(get(site.machine("other"), f"{TASKS}?status=cancelled")) == [item]


@pytest.mark.system
def test_the_same_on_postgresql(make_site, postgresql):  # noqa: F811
    workflows = {"url": postgresql, "workflows_url": postgresql}
    site = make_site(fhir={"issuers": {CPR: ""}}, database=workflows)
    items = {number: released(site, number) for number in (1, 2, 3)}
    waiting = site.sealed(site.study(4), released=False)
    machine = site.machine()
    for query, numbers in SEARCHES:
        assert ids(get(machine, f"{REPORTS}?{query}")) == [items[n] for n in numbers], query
    tasks = get(machine, f"{TASKS}?_count=3&status=requested")
    assert (tasks["total"], len(ids(tasks))) == (4, 3)
    following = next(one["url"] for one in tasks["link"] if one["relation"] == "next")
    last = ids(get(machine, following))
    assert sorted([*ids(tasks), *last]) == sorted([*items.values(), waiting])
    for query in ("_lastUpdated=gt2020", "priority=routine", "patient.identifier=000001-0000"):
        assert ids(get(machine, f"{TASKS}?{query}")), query
    assert ids(get(machine, f"{TASKS}?owner=bo&priority=stat")) == []
    archive = {}
    one = Marker(BlobStore(site.config.blob_folder), Marked(archive), place_of, "orthanc", stands)
    assert (one.run_once(site.database), one.run_once(site.database)) == (3, 0)
    assert archive == {f"id-{number}": ["findings"] for number in items}


class Marked:
    """An archive that takes every mark."""

    def __init__(self, marks):
        self.marks = marks

    def mark(self, place, marks):
        self.marks[place] = list(marks)
        return True
