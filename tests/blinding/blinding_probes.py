"""A probe for every door of our own: what a blinded person asks there.

To add a page or a call, add its door to `PROBES`, as the route table names it. Most need one line::

    "GET /reading": ask("/reading", "/reading?page=2"),
    "GET /reading/{key}": ask("/reading/{key}"),
    "POST /reading/{key}/withdraw": refused("/reading/{key}/withdraw", reason="wrong patient"),

``ask`` asks and wants 200, ``refused`` wants 403 and ``nothing`` 404 (or what ``status`` says);
``ends`` is asked last, in a session of its own, since it changes what others see; ``last`` after
everything else of the run, since it changes what the person may see. ``status`` is one or a tuple
where exams are answered otherwise: which is which must be the same in every run. ``{key}``,
``{uid}``, ``{item}``, ``{accession}``, ``{number}`` and ``{images}`` stand for each exam that is
blinded, ``{step}`` for the workitem of somebody else who was given it, if anybody was. What else a
POST sends is given by name; ``json=`` and ``content=`` are a body's. A door that is asked of no
exam is asked once. A WEBSOCKET is asked by a subscriber to everything.

Each is asked as each blinded person, who holds every role. The suite compares the answers of runs
whose AI said otherwise, byte for byte, and wants none of the programme's secret words in any.
A test fails, with the door's name, where one of the route table has no line here, and where a line
has no route any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gransk.reading.exam import State
from gransk.reading.troubles import Trouble

UIDS = "StudyInstanceUIDs={uid}"
CALLS = {"content-type": "application/json"}


@dataclass(frozen=True)
class Ask:
    """One thing that is asked at a door.

    Parameters
    ----------
    address : str
    status : tuple of int
        What is wanted, the same in every run.
    form : mapping
        Of a POST or PUT.
    body : dict
        Keywords for the client, such as ``json``, instead of a form.
    ends : bool
        Asked last, in a session of its own.
    last : bool
        Asked after everything else that is asked of the run.
    full : bool
        Whether it is asked in the long form of the suite alone.
    told : bool
        Whether the body is compared: not that of a file that has nothing of studies.
    """

    address: str
    status: tuple[int, ...] = (200,)
    form: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False
    last: bool = False
    full: bool = False
    told: bool = True


Status = int | tuple[int, ...]


def ask(*addresses: str, status: Status = 200, told: bool = True, **form: Any) -> tuple[Ask, ...]:
    return tuple(_ask(one, status, form, told=told) for one in addresses)


def refused(*addresses: str, **form: Any) -> tuple[Ask, ...]:
    return tuple(_ask(one, 403, form) for one in addresses)


def nothing(*addresses: str, **form: Any) -> tuple[Ask, ...]:
    return tuple(_ask(one, 404, form) for one in addresses)


def ends(*addresses: str, status: Status = 303, **form: Any) -> tuple[Ask, ...]:
    return tuple(_ask(one, status, form, ends=True) for one in addresses)


def last(*addresses: str, status: Status = 303, **form: Any) -> tuple[Ask, ...]:
    return tuple(_ask(one, status, form, last=True) for one in addresses)


def _ask(address: str, status: Status, form: Mapping[str, Any], **how: Any) -> Ask:
    body = {name: form[name] for name in ("json", "content", "headers") if name in form}
    rest = {name: value for name, value in form.items() if name not in body}
    wanted = status if isinstance(status, tuple) else (status,)
    return Ask(address, wanted, rest, body, **how)


LISTS = (
    *(
        f"{{}}?sort={sort}&order=asc"
        for sort in ("received", "patient", "study_date", "state", "priority")
    ),
    *(
        f"{{}}?state={state}"
        for state in (
            "to_read", "waiting", "running", "ready", "not_analysed", "failed", "withdrawn",
        )
    ),
    "{}?sort=state&order=desc", "{}?sort=priority&order=desc", "{}?search=T0001",
    "{}?programme=screening", "{}?page=2",
)  # fmt: skip
"""Every filter and order of the worklist; ``{}`` is its address."""

BOARD = (
    *(f"{{}}?state={state}" for state in State),
    *(f"{{}}?age={age}" for age in ("today", "soon", "overdue")),
    *(f"{{}}?trouble={trouble}" for trouble in Trouble),
    "{}?unit=north", "{}?unit=south", "{}?reader=bo", "{}?page=2",
)  # fmt: skip
"""Every filter of the board; ``{}`` is its address."""

EXAM = (200, 403, 404)
"""Of an exam: on the own list; of somebody else; not in the reading room yet."""
BOARD_REFUSES = (403, 404)
READ = {"images": "{images}", "verdict": "normal"}
SAID = {"images": "{images}", "opinion": {"verdict": "normal"}}
OUTCOME = {
    "resourceType": "Condition",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C50.4"}]},
    "evidence": [{"detail": [{"identifier": {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                             "code": "ACSN"}]},
        "value": "{accession}",
    }}]}],
    "recordedDate": "2026-03-02",
}  # fmt: skip
"""A cancer that somebody states of an exam."""
TRIED = {
    "applications": {"mammo": {"operating_point": 0.99, "report_limit": 1}},
    "priority": {"rules": [{
        "name": "high", "da": "Høj", "en": "High", "application": "mammo",
        "when": {"suspicion_from": 0.01},
    }]},
    "destinations": [{
        "name": "orthanc", "kind": "orthanc",
        "when": [{"outcomes": ["findings"]}, {"score_from": 5}],
    }],
}  # fmt: skip
"""Settings that every exam's AI would show through, were it looked at."""
ROOM = """valid_from: 2026-04-01
policies:
  - name: two
    kind: double_reading
rules:
  - when:
      programmes: [screening]
    policy: two
"""
"""A version that nobody approved."""

PROXY = "/dicom-web"
STUDY = f"{PROXY}/studies/{{uid}}"
SERIES = f"{STUDY}/series/{{uid}}.1"
IMAGE = f"{SERIES}/instances/{{uid}}.1.1"
OURS = f"{STUDY}/series/{{uid}}.99"

ITEMS = f"{PROXY}/workitems"
EVERY = "1.2.840.10008.5.1.4.34.5"
ASKS_FOR = {
    **{tag: {"vr": "CS", "Value": [value]} for tag, value in (
        ("00741200", "LOW"), ("00404041", "READY"), ("00741000", "SCHEDULED"),
    )},
    **{tag: {"vr": "LO"} for tag in ("00741202", "00100021", "00380010", "00081080")},
    **{tag: {"vr": "SQ"} for tag in (
        "00741210", "00404025", "00404026", "00404027", "00404018", "00100024", "00101002",
        "00380014", "00081084", "0040A370",
    )},
    "00741204": {"vr": "LO", "Value": ["look"]}, "00404005": {"vr": "DT", "Value": ["2026"]},
    "00400400": {"vr": "LT"}, "00100010": {"vr": "PN"}, "00100030": {"vr": "DA"},
    "00100040": {"vr": "CS"},
    "00404021": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI", "Value": ["{uid}"]}}]},
}  # fmt: skip
"""A workitem that somebody creates about an exam."""
CLAIM = {"00741000": {"vr": "CS", "Value": ["IN PROGRESS"]},
         "00081195": {"vr": "UI", "Value": ["2.25.1"]}}  # fmt: skip

PROBES: dict[str, tuple[Ask, ...]] = {
    # The worklist: rows, order, counts, and the strip above it
    "GET /": ask("/", *(one.format("/") for one in LISTS)),
    "GET /worklist/list": ask("/worklist/list", *(one.format("/worklist/list") for one in LISTS)),
    "GET /api/worklist": ask("/api/worklist", *(one.format("/api/worklist") for one in LISTS)),
    "GET /status": ask("/status"),
    # A case, and everything under it
    "GET /studies/{key}/history": refused(
        "/studies/{key}/history", "/studies/{key}/history?about=seen"
    ),
    "GET /studies/{key}": ask("/studies/{key}", "/studies/{key}?done=rerun_started"),
    "GET /api/studies/{key}": ask("/api/studies/{key}"),
    "GET /studies/{key}/pictures/{analysis_key}/{index}.png": refused(
        "/studies/{key}/pictures/none/0.png"
    ),
    "GET /studies/{key}/comparisons/{comparison_key}/{index}.png": refused(
        "/studies/{key}/comparisons/none/0.png"
    ),
    "GET /studies/{key}/desk/{workitem}": refused("/studies/{key}/desk/{item}"),
    "GET /studies/{key}/point/{workitem}": refused("/studies/{key}/point/{item}"),
    "POST /studies/{key}/rerun": refused("/studies/{key}/rerun", workitem="{item}"),
    "POST /studies/{key}/deliver": refused("/studies/{key}/deliver", delivery="none"),
    "POST /studies/{key}/priority": refused("/studies/{key}/priority", urgent="true"),
    "POST /studies/{key}/findings/confirm": refused(
        "/studies/{key}/findings/confirm", workitem="{item}", finding="1.2.1"
    ),
    "POST /studies/{key}/findings/reject": refused(
        "/studies/{key}/findings/reject", workitem="{item}", finding="1.2.1", reason="vessel"
    ),
    "POST /studies/{key}/findings/relabel": refused(
        "/studies/{key}/findings/relabel", workitem="{item}", finding="1.2.1", labels="a=b"
    ),
    "POST /studies/{key}/findings/add": refused(
        "/studies/{key}/findings/add", workitem="{item}", image="1"
    ),
    "POST /studies/{key}/findings/withdraw": refused(
        "/studies/{key}/findings/withdraw", workitem="{item}", number="1"
    ),
    "POST /studies/{key}/sign": refused(
        "/studies/{key}/sign", workitem="{item}", report="none"
    ),
    "GET /studies/{key}/profile": refused("/studies/{key}/profile"),
    "POST /studies/{key}/profile": refused("/studies/{key}/profile", date="2026-03-02"),
    "GET /api/studies/{key}/profile": refused("/api/studies/{key}/profile"),
    "PUT /api/studies/{key}/profile": refused("/api/studies/{key}/profile", json={}),
    "POST /studies/{key}/read": nothing("/studies/{key}/read"),
    "GET /studies/{key}/patient": ask("/studies/{key}/patient"),
    "POST /studies/{key}/join": ends("/studies/{key}/join", other="", status=422),
    "POST /studies/{key}/undo-identity": ends(
        "/studies/{key}/undo-identity", statement="999", status=404
    ),
    "POST /studies/{key}/part": ends("/studies/{key}/part", link="none", status=404),
    # What is said of exams
    "POST /studies/{key}/programme": ends("/studies/{key}/programme", programme="screening"),
    "GET /api/exams/{accession:path}/programme": ask("/api/exams/{accession}/programme"),
    "PUT /api/exams/{accession:path}/programme": (
        Ask("/api/exams/{accession}/programme", body={"json": {"programme": "screening"}},
            ends=True),
    ),
    "GET /api/exams/{accession:path}/facts": ask("/api/exams/{accession}/facts"),
    "PUT /api/exams/{accession:path}/facts": (
        Ask("/api/exams/{accession}/facts", body={"json": {"round": "later"}}, ends=True),
    ),
    "POST /fhir": ends("/fhir", status=200, json={"resourceType": "Bundle", "entry": []}),
    # The reading room: the own list, one exam, and what is said of it
    "GET /reading": ask("/reading", "/reading?number=2", "/reading?done=reading_saved"),
    "GET /reading/list": ask("/reading/list"),
    "GET /reading/compared": ask("/reading/compared"),
    "GET /reading/{key}": ask("/reading/{key}", "/reading/{key}?saved={key}", status=EXAM),
    "GET /reading/{key}/correct": ask("/reading/{key}/correct", status=EXAM),
    "GET /reading/{key}/views": ask("/reading/{key}/views", status=EXAM),
    "GET /reading/{key}/pictures/{index}.png": nothing("/reading/{key}/pictures/0.png"),
    "POST /reading/{key}/open": ends("/reading/{key}/open", status=(303, 409)),
    "POST /reading/next": ends("/reading/next"),
    "POST /reading/{key}/correct": (
        *ends("/reading/{key}/correct", status=(404, 409), **READ),
        *ends("/reading/{key}/correct", status=(404, 422), images="{images}"),
    ),
    "POST /reading/{key}/safety": ends("/reading/{key}/safety", status=(404, 409), **READ),
    "POST /reading/{key}/verdict": (
        *ends("/reading/{key}/verdict", status=(404, 409), why="overlooked", **READ),
        *ends("/reading/{key}/verdict", status=(404, 422), **READ),
    ),
    "POST /reading/{key}/read": (
        *ends("/reading/{key}/read", status=(404, 422), images="{images}"),
        *ends("/reading/{key}/read", status=(404, 409), images="others", verdict="normal"),
        *last("/reading/{key}/read", status=(303, 404, 409), **READ),
    ),
    "GET /api/reading/list": ask("/api/reading/list", "/api/reading/list?offset=1"),
    "POST /api/reading/exams/{key}/open": ends(
        "/api/reading/exams/{key}/open", status=(200, 403, 404), json={}
    ),
    "PUT /api/reading/exams/{key}/kept": ends(
        "/api/reading/exams/{key}/kept", status=(403, 404), json={}
    ),
    "PUT /api/reading/exams/{key}/changed": ends(
        "/api/reading/exams/{key}/changed", status=(403, 404), json=SAID
    ),
    "PUT /api/reading/exams/{key}/verdict": ends(
        "/api/reading/exams/{key}/verdict", status=(403, 404), json=SAID | {"why": "overlooked"}
    ),
    "PUT /api/reading/exams/{key}/read": (
        *ends("/api/reading/exams/{key}/read", status=(403, 404, 409),
              json=SAID | {"images": "others"}),
        *last("/api/reading/exams/{key}/read", status=(200, 403, 404, 409), json=SAID),
    ),
    "PUT /api/reading/exams/{key}/correction": (
        *ends("/api/reading/exams/{key}/correction", status=(403, 404, 409), json=SAID),
        *last("/api/reading/exams/{key}/correction", status=(200, 403, 404, 409), json=SAID),
    ),
    # The board, and what is done there: nothing to an exam that the person may be given
    "GET /reading/board": ask("/reading/board", *(one.format("/reading/board") for one in BOARD)),
    "GET /reading/board/list": ask(
        "/reading/board/list", *(one.format("/reading/board/list") for one in BOARD)
    ),
    "GET /reading/board/exams/{key}": ask("/reading/board/exams/{key}", status=(200, 404)),
    "GET /reading/board/exams/{key}/reassign": ask(
        "/reading/board/exams/{key}/reassign", status=BOARD_REFUSES
    ),
    "POST /reading/board/exams/{key}/reassign": ask(
        "/reading/board/exams/{key}/reassign", status=BOARD_REFUSES,
        task="first", version="1", giver="", taker="eva", reason="ill",
    ),
    "GET /reading/board/exams/{key}/{what}": ask(
        "/reading/board/exams/{key}/return", "/reading/board/exams/{key}/withdraw",
        status=BOARD_REFUSES,
    ),
    "POST /reading/board/exams/{key}/{what}": ask(
        "/reading/board/exams/{key}/return", "/reading/board/exams/{key}/withdraw",
        status=BOARD_REFUSES, version="1", reason="as asked",
    ),
    "GET /reading/board/units/{unit}/{what}": ask(
        "/reading/board/units/north/pause", "/reading/board/units/south/resume"
    ),
    "POST /reading/board/units/{unit}/{what}": (
        *last("/reading/board/units/north/pause", reason="", status=409),
        *last("/reading/board/units/north/pause", "/reading/board/units/north/resume",
              reason="as asked"),
    ),
    "GET /reading/readers": ask("/reading/readers"),
    "POST /reading/readers": (
        *ends("/reading/readers", unit="north", account="nobody", reads="true", status=422),
        *last("/reading/readers", unit="south", account="spare", reads="true", active="true"),
    ),
    # Figures: of exams that have ended
    "GET /reading/own-figures": ask("/reading/own-figures", "/reading/own-figures?by=year"),
    "GET /reading/indicators": ask("/reading/indicators", "/reading/indicators?unit=north"),
    "GET /reading/indicators.csv": ask("/reading/indicators.csv"),
    "GET /reading/indicators.pdf": ask("/reading/indicators.pdf"),
    "GET /reading/validation": ask("/reading/validation", "/reading/validation?unit=north"),
    "GET /reading/validation/{number}": (
        *ask("/reading/validation/1"), *nothing("/reading/validation/2"),
    ),
    "GET /reading/validation/{number}/json": (
        *ask("/reading/validation/1/json"), *nothing("/reading/validation/2/json"),
    ),
    "GET /reading/validation/{number}/pdf": (
        *ask("/reading/validation/1/pdf"), *nothing("/reading/validation/2/pdf"),
    ),
    "POST /reading/validation/sign": ends(
        "/reading/validation/sign", unit="north", model="none", status=409
    ),
    "GET /reading/simulation": ask("/reading/simulation", "/reading/simulation?unit=north"),
    # Policies
    "GET /reading/policies": ask("/reading/policies"),
    "GET /reading/policies/versions/{number}": ask("/reading/policies/versions/1"),
    "GET /reading/policies/versions/{number}/yaml": ask("/reading/policies/versions/1/yaml"),
    "GET /reading/policies/draft": ask(
        "/reading/policies/draft", "/reading/policies/draft?mode=text&of=1"
    ),
    "POST /reading/policies/draft": (
        *ask("/reading/policies/draft", status=422, mode="text", text="x"),
        *ask("/reading/policies/draft", mode="text", text=ROOM),
        *last("/reading/policies/draft", mode="text", text=ROOM, step="keep", reason="as asked"),
    ),
    "POST /reading/policies/versions/{number}/approve": ask(
        "/reading/policies/versions/1/approve", status=409
    ),
    "POST /reading/policies/versions/{number}/restore": ask(
        "/reading/policies/versions/1/restore", status=409, reason="as asked"
    ),
    "GET /api/policies": ask("/api/policies"),
    "GET /api/policies/versions": ask("/api/policies/versions"),
    "GET /api/policies/versions/{number}": ask("/api/policies/versions/1"),
    "POST /api/policies/check": ask("/api/policies/check", json={"yaml": ROOM}),
    "POST /api/policies/versions": last(
        "/api/policies/versions", status=201, json={"yaml": ROOM, "reason": "as asked"}
    ),
    "POST /api/policies/versions/{number}/approve": ask(
        "/api/policies/versions/1/approve", status=(403, 409)
    ),
    "POST /api/policies/versions/{number}/restore": ask(
        "/api/policies/versions/1/restore", status=409, json={"reason": "as asked"}
    ),
    "POST /fhir/outcomes": (
        *ends("/fhir/outcomes", status=200, json={"resourceType": "Bundle", "entry": []}),
        *ends("/fhir/outcomes", status=200, json=OUTCOME),
    ),
    # Released reports and wanted reads, as FHIR: what is hidden is not there
    "GET /fhir/metadata": ask("/fhir/metadata"),
    "GET /fhir/DiagnosticReport": ask(
        "/fhir/DiagnosticReport",
        *(f"/fhir/DiagnosticReport?_count={count}" for count in (0, 1)),
        "/fhir/DiagnosticReport?identifier={accession}", "/fhir/DiagnosticReport?_id={item}",
        "/fhir/DiagnosticReport?_lastUpdated=gt2020",
    ),
    "GET /fhir/DiagnosticReport/{ident}": nothing("/fhir/DiagnosticReport/{item}"),
    "GET /fhir/DiagnosticReport/{ident}/_history": nothing(
        "/fhir/DiagnosticReport/{item}/_history"
    ),
    "GET /fhir/DiagnosticReport/{ident}/_history/{version}": nothing(
        "/fhir/DiagnosticReport/{item}/_history/1"
    ),
    "GET /fhir/Task": ask(
        "/fhir/Task", "/fhir/Task?_count=2", "/fhir/Task?identifier={accession}",
        *(f"/fhir/Task?status={one}" for one in ("requested", "in-progress", "completed")),
        "/fhir/Task?priority=urgent,stat", "/fhir/Task?owner=bo",
        "/fhir/Task?_lastUpdated=gt2020",
    ),
    "GET /fhir/Task/{ident}": ask("/fhir/Task/{item}"),
    # Lists of what follows
    "GET /follow-up": ask("/follow-up", "/follow-up?state=all"),
    "GET /follow-up/{row}": nothing("/follow-up/none"),
    "POST /follow-up/{row}": nothing("/follow-up/none", version="1", state="due"),
    "GET /follow-up.csv": ask("/follow-up.csv?state=all"),
    "GET /api/follow-up": ask("/api/follow-up?state=all"),
    "GET /messages": ask("/messages"),
    "POST /messages/{row}/retry": ask("/messages/none/retry", status=303),
    "GET /deliveries": ask("/deliveries", "/deliveries?done=deliveries_started&count=1"),
    "POST /deliveries/{row}/retry": ask("/deliveries/none/retry", status=303),
    "POST /deliveries/retry": ask("/deliveries/retry", status=303, destination="orthanc"),
    "POST /deliveries/send": ends("/deliveries/send", destination="orthanc", days="30"),
    "GET /api/deliveries": ask("/api/deliveries"),
    "GET /monitoring/drift": ask("/monitoring/drift"),
    "GET /monitoring/drift/alarms/{ident}": nothing("/monitoring/drift/alarms/none"),
    "POST /monitoring/drift/alarms/{ident}/seen": nothing("/monitoring/drift/alarms/none/seen"),
    "GET /api/decisions": ask("/api/decisions", "/api/decisions?since=1"),
    "GET /events": ask("/events", "/events?verify=1", "/events?before=100000", "/events?before=2"),
    "GET /audit": ask("/audit", "/audit?verify=1"),
    "POST /audit/export": (
        *refused("/audit/export", study="{key}"),
        *refused("/audit/export", patient_id="nobody"),
    ),
    # Images: the proxy, and the viewer, which has them from it alone
    "GET /dicom-web/{path:path}": (
        *ask(f"{PROXY}/studies", f"{PROXY}/studies?includefield=all",
             f"{PROXY}/studies?limit=3&offset=1", f"{PROXY}/studies?ModalitiesInStudy=SR",
             f"{PROXY}/studies?ModalitiesInStudy=SR&limit=1",
             f"{PROXY}/studies?StudyInstanceUID={{uid}}", f"{PROXY}/studies?00080061=CR",
             f"{STUDY}/series", f"{STUDY}/series?Modality=SR", f"{STUDY}/series?limit=1&offset=1",
             f"{STUDY}/instances", f"{STUDY}/metadata", f"{SERIES}/metadata", f"{SERIES}/instances",
             f"{IMAGE}/metadata", f"{IMAGE}/frames/1", f"{IMAGE}/rendered"),
        *refused(f"{PROXY}/series", f"{PROXY}/instances", STUDY, f"{STUDY}/rendered",
                 f"{STUDY}/thumbnail"),
        *ask(f"{OURS}/instances"),
        *nothing(OURS, f"{OURS}/metadata", f"{OURS}/instances/{{uid}}.99.1",
                 f"{OURS}/instances/{{uid}}.99.1/metadata"),
    ),
    "POST /dicom-web/{path:path}": ask(f"{PROXY}/studies", status=415, content=b""),
    # The worklist for other systems
    "GET /dicom-web/workitems": ask(
        ITEMS, f"{ITEMS}?includefield=all", f"{ITEMS}?StudyInstanceUID={{uid}}",
        f"{ITEMS}?limit=1", f"{ITEMS}?offset=1", f"{ITEMS}?ScheduledProcedureStepPriority=HIGH",
        *(f"{ITEMS}?ProcedureStepState={state}"
          for state in ("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")),
        f"{ITEMS}?00404018.00080100=110007",
    ),
    "POST /dicom-web/workitems": (
        *refused(ITEMS, json=ASKS_FOR), *refused(f"{ITEMS}?1.2.{{number}}", json=ASKS_FOR),
    ),
    "GET /dicom-web/workitems/{uid}": nothing(f"{ITEMS}/{{step}}"),
    "POST /dicom-web/workitems/{uid}": nothing(f"{ITEMS}/{{step}}", json={}),
    "PUT /dicom-web/workitems/{uid}": nothing(f"{ITEMS}/{{step}}", json={}),
    "PUT /dicom-web/workitems/{uid}/state": nothing(f"{ITEMS}/{{step}}/state", json=CLAIM),
    "POST /dicom-web/workitems/{uid}/cancelrequest": nothing(
        f"{ITEMS}/{{step}}/cancelrequest", json={}
    ),
    "POST /dicom-web/workitems/{uid}/subscribers/{aetitle}": (
        *nothing(f"{ITEMS}/{{step}}/subscribers/X"),
        *ends(f"{ITEMS}/{EVERY}/subscribers/X", status=201),
    ),
    "DELETE /dicom-web/workitems/{uid}/subscribers/{aetitle}": nothing(
        f"{ITEMS}/{{step}}/subscribers/NONE"
    ),
    "POST /dicom-web/workitems/{uid}/subscribers/{aetitle}/suspend": nothing(
        f"{ITEMS}/{EVERY}/subscribers/NONE/suspend"
    ),
    "WEBSOCKET /dicom-web/subscribers/{aetitle}": ask(f"{PROXY}/subscribers/LOOK"),
    "POST /api/studies": ask("/api/studies", status=415, content=b""),
    "GET /viewer": ask("/viewer", f"/viewer?{UIDS}"),
    "GET /viewer/{page:path}": ask(f"/viewer/viewer?{UIDS}"),
    "GET /viewer/app-config.js": ask(f"/viewer/app-config.js?{UIDS}"),
    "GET /{path:path}": (*ask("/a.js"), *nothing("/studies", "/{uid}")),
    # What has nothing of studies
    "GET /static": ask("/static/gransk.css", told=False),
    "GET /source": (Ask("/source", ends=True, full=True, told=False),),
    "GET /api/health": ask("/api/health"),
    "POST /nudge": ask("/nudge", status=401),
    "GET /rules": ask("/rules", "/rules?study={key}"),
    "POST /rules": ask("/rules", study="{key}"),
    "POST /rules/folder": ask("/rules/folder", status=(411, 422), content=b""),
    "GET /api/ready": ask("/api/ready", status=(200, 503)),
    "GET /metrics": ask("/metrics"),
    "GET /monitoring": ask("/monitoring"),
    "GET /models/compare": ask("/models/compare"),
    "POST /models/compare": ask("/models/compare", status=422, name="Å"),
    "GET /models/compare/{name}": ask("/models/compare/shadow"),
    "GET /models/compare/{name}/figures.json": ask("/models/compare/shadow/figures.json"),
    "POST /models/compare/{name}/stop": ends("/models/compare/shadow/stop", status=404),
    "GET /models/compare/{name}/studies/{key}": refused("/models/compare/shadow/studies/{key}"),
    "GET /models/compare/{name}/studies/{key}/{side}/{index}.png": refused(
        "/models/compare/shadow/studies/{key}/own/0.png"
    ),
    "GET /administration": ask("/administration"),
    "GET /models": ask("/models"),
    "GET /models/{name}": ask("/models/nodule-detector", "/models/mammo-detector"),
    "GET /models/{name}/evidence/{number}": nothing("/models/none@1.0.0/evidence/1"),
    "GET /api/models": ask("/api/models"),
    "POST /models": ask("/models", status=422),
    "POST /models/{name}/stage": nothing("/models/none@1.0.0/stage", stage="shadow"),
    "POST /models/{name}/evidence": nothing("/models/none@1.0.0/evidence"),
    "POST /models/{name}/decide": nothing("/models/none@1.0.0/decide", approved="yes"),
    "POST /models/{name}/withdraw": nothing("/models/none@1.0.0/withdraw", reason="a mistake"),
    "POST /models/{name}/roll-back": nothing("/models/none@1.0.0/roll-back", reason="worse"),
    "GET /settings": ask("/settings"),
    "GET /settings/of/{subject_name}": ask("/settings/of/limits", "/settings/of/reading"),
    "POST /settings/of/{subject_name}": ask("/settings/of/site", status=422),
    "GET /settings/text/{section}": ask("/settings/text/all"),
    "POST /settings/text/{section}": ask("/settings/text/priority", status=422, text="["),
    "POST /settings/preview": (
        *ask("/settings/preview", settings=json.dumps(TRIED)),
        *ask("/settings/preview", settings=json.dumps(TRIED), after="1", so_far="changed=1"),
    ),
    "GET /settings/versions": ask("/settings/versions"),
    "GET /settings/versions/{number}": nothing("/settings/versions/99"),
    "GET /settings/versions/{number}/yaml": nothing("/settings/versions/99/yaml"),
    "POST /settings/versions/{number}/undo": nothing("/settings/versions/99/undo"),
    "GET /settings/drafts/{number}": nothing("/settings/drafts/99"),
    "POST /settings/drafts/{number}/approve": nothing("/settings/drafts/99/approve"),
    "POST /settings/drafts/{number}/turn-down": nothing(
        "/settings/drafts/99/turn-down", reason="as asked"
    ),
    "GET /api/settings": ask("/api/settings"),
    "GET /api/settings/versions": ask("/api/settings/versions"),
    "GET /api/settings/versions/{number}": nothing("/api/settings/versions/99"),
    "POST /api/settings/versions/{number}/undo": nothing("/api/settings/versions/99/undo", json={}),
    "GET /api/settings/drafts": ask("/api/settings/drafts"),
    "POST /api/settings/drafts": ask("/api/settings/drafts", status=422, json={"settings": TRIED}),
    "GET /api/settings/drafts/{number}": nothing("/api/settings/drafts/99"),
    "POST /api/settings/drafts/{number}/approve": nothing("/api/settings/drafts/99/approve"),
    "POST /api/settings/drafts/{number}/turn-down": nothing(
        "/api/settings/drafts/99/turn-down", json={"reason": "as asked"}
    ),
    "POST /api/settings/preview": ask("/api/settings/preview", json={"settings": TRIED}),
    "GET /account": ask("/account"),
    "POST /account/language": ends("/account/language", language="en"),
    "POST /account/password": ends("/account/password", present="x", new="y", status=422),
    "POST /account/sign-out-everywhere": ends("/account/sign-out-everywhere"),
    "GET /people": ask("/people"),
    "POST /people": ends("/people", name="", full_name="", roles="nurse", status=422),
    "POST /people/{name}/roles": ends("/people/spare/roles", roles="nurse"),
    "POST /people/{name}/active": ends("/people/spare/active", active="true"),
    "POST /people/{name}/link": (Ask("/people/nobody/link", (404,), ends=True),),
    "POST /people/{name}/unlock": ends("/people/spare/unlock"),
    "POST /people/{name}/unlink": ends("/people/spare/unlink"),
    "POST /people/{name}/password/remove": ends("/people/nobody/password/remove", status=409),
    "POST /machines": ends("/machines", name="", status=422),
    "POST /machines/{name}/revoke": ends("/machines/none/revoke", status=404),
    "GET /sign-in": ask("/sign-in", status=303),
    "POST /sign-in": ask("/sign-in", status=403, name="anna", password="x"),
    "POST /sign-out": ends("/sign-out"),
    "GET /start": ask("/start", status=403),
    "POST /start": ask("/start", status=403, token="x", password="y"),
    "GET /sign-in/provider": ask("/sign-in/provider", status=404),
    "GET /sign-in/provider/answer": ask("/sign-in/provider/answer", status=404),
}  # fmt: skip

UNDECIDED_DOORS = (
    "GET /", "GET /worklist/list", "GET /api/worklist", "GET /status", "GET /studies/{key}",
    "GET /studies/{key}/history", "GET /audit",
    "GET /api/studies/{key}", "GET /events", "GET /follow-up", "GET /messages",
    "GET /deliveries", "GET /api/deliveries", "GET /api/decisions",
    "POST /studies/{key}/rerun", "POST /studies/{key}/priority",
    "GET /reading", "GET /reading/{key}", "GET /reading/board", "GET /reading/board/list",
    "GET /reading/board/exams/{key}", "GET /reading/own-figures", "GET /reading/indicators",
    "GET /api/reading/list", "GET /fhir/DiagnosticReport", "GET /fhir/Task",
    "GET /fhir/Task/{ident}",
    "GET /dicom-web/workitems",
    "WEBSOCKET /dicom-web/subscribers/{aetitle}",
)  # fmt: skip
"""Doors at which the state of an exam would show."""
TELLING = (
    *UNDECIDED_DOORS, "GET /reading/list", "GET /reading/indicators.csv", "GET /reading/validation",
    "GET /dicom-web/{path:path}", "GET /viewer/app-config.js",
    "POST /reading/board/exams/{key}/{what}",
)  # fmt: skip
"""Doors at which it would show that an exam is decided, or its results are there."""
