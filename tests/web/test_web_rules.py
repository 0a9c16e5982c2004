"""What the site's rules would do with a study: by page, by command, of a folder and the archive."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_orthanc import OrthancProcess
from sqlalchemy import select
from typer.testing import CliRunner
from web_site import Site

from gransk.archive.tables import SeenStudy
from gransk.cli.main import app
from gransk.core.application import applications
from gransk.core.exam_facts import Fact
from gransk.core.programme import Programme
from gransk.core.reasons import Reason
from gransk.oversight.rule_test import in_archive, ruled
from gransk.pipeline.trial import InArchive, Read, Tried, try_rules
from gransk.reading import rooms
from gransk.reading.policy import Room
from gransk.reading.tables import FollowUpRow
from gransk.results.tables import ExamKnown, ExamProgramme, ProgrammeSource, Workitem
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.site.events import EventKind, head
from gransk.site.tables import Event, Role

OVERRIDES: list[dict[str, Any]] = [
    {
        "name": "made-by-us",
        "application": "nodule",
        "where": {"manufacturer": "gransk*"},
        "settings": {"operating_point": 0.77},
    },
    {
        "name": "elsewhere",
        "application": "nodule",
        "where": {"manufacturer": "Nobody"},
        "settings": {"operating_point": 0.11},
    },
]
DESTINATIONS: list[dict[str, Any]] = [
    {"name": "orthanc", "kind": "orthanc"},
    {
        "name": "pacs", "kind": "dicom", "aet": "PACS", "host": "pacs", "objects": ["SR"],
        "when": [{"applications": ["nodule"], "outcomes": ["findings"]}],
    },
    {
        "name": "breast", "kind": "dicom", "aet": "B", "host": "b",
        "when": [{"applications": ["mammo"], "score_from": 8}],
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "study"
    ended = CliRunner().invoke(
        app, ["phantom", str(folder), "--spacing", "4", "--matrix", "192", "--nodules", "2"]
    )
    assert ended.exit_code == 0, ended.output
    return folder


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Iterator[Site]:
    made = make_site(overrides=OVERRIDES, destinations=DESTINATIONS)
    made.app.state.wiring.applications = applications()
    yield made
    left = made.config.scratch_folder
    assert not left.is_dir() or not list(left.iterdir()), "files stay behind"


def files(folder: Path) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (path.name, path.read_bytes())) for path in sorted(folder.glob("*.dcm"))]


def test_a_folder_is_told_and_nothing_is_done(site: Site, phantom: Path) -> None:
    person = site.person(Role.ADMINISTRATOR)
    with site.database.read() as session:
        before = head(session)
    more = [("files", ("notes.txt", b"no DICOM at all"))]
    html = person.post("/rules/folder", files=files(phantom) + more, data={"draft": "0"}).text
    assert "Would be analysed" in html
    assert "1 file is not DICOM" in html
    assert '<li class="good"><code>made-by-us</code> holds' in html
    assert '<li class="dim"><code>elsewhere</code> does not hold' in html
    assert "&#34;operating_point&#34;: 0.77" in html or '"operating_point": 0.77' in html
    row = html.split('<th scope="row">pacs</th>')[1].split("</tr>")[0]
    assert "with findings" in row
    assert "without findings" not in row
    assert "never" in html.split('<th scope="row">breast</th>')[1].split("</tr>")[0]
    assert "always" in html.split('<th scope="row">orthanc</th>')[1].split("</tr>")[0]
    assert "nodule-search" in html
    with site.database.read() as session:
        assert head(session) == before
        assert session.query(Workitem).count() == 0
        assert session.query(SeenStudy).count() == 0


def test_what_is_refused_has_its_code(site: Site, phantom: Path, tmp_path: Path) -> None:
    person = site.person(Role.ADMINISTRATOR, language="da")
    html = person.post("/rules/folder", files=files(phantom)[:3]).text
    assert "Ville ikke blive analyseret" in html
    codes = set(re.findall(r"<code>(\w+)</code>", html))
    assert codes & set(Reason) - {"no_application"}, codes
    html = person.post("/rules/folder", files=[("files", ("a.dcm", b"\0" * 300))]).text
    assert "<code>unreadable_file</code>" in html


def test_bad_input(site: Site) -> None:
    person = site.person(Role.ADMINISTRATOR)
    assert person.post("/rules", data={"study": "nothing"}).status_code == 404
    assert person.post("/rules", data={"study": "x" * 65}).status_code == 422
    assert person.post("/rules/folder", files=[("files", ("", b""))]).status_code == 422
    assert person.post("/rules", data={"study": "a", "draft": "99"}).status_code == 404
    html = person.get("/rules?study=<script>").text
    assert '<script>"' not in html
    assert "&lt;script&gt;" in html


def test_who_may_try(site: Site) -> None:
    for role in (Role.RADIOLOGIST, Role.NURSE, Role.COORDINATOR):
        assert site.person(role).get("/rules").status_code == 403
    for role in (Role.ADMINISTRATOR, Role.RESPONSIBLE_RADIOLOGIST, Role.AUDITOR):
        assert site.person(role).get("/rules").status_code == 200


def test_an_archive_that_is_away_is_said(site: Site) -> None:
    key = site.study(1)
    html = site.person(Role.ADMINISTRATOR).post("/rules", data={"study": key}).text
    assert "The archive does not answer" in html
    site.app.state.wiring.views.write()
    with site.database.read() as session:
        seen = select(Event).where(Event.kind == EventKind.STUDY_VIEWED)
        ((subject, ways),) = [(one.subject, one.data["ways"]) for one in session.scalars(seen)]
    assert (subject, ways) == (key, ["rules"])


def test_limits_of_memory_and_time_are_told(site: Site, phantom: Path) -> None:
    workers = site.config.workers.model_copy(update={"time_limit_seconds": 0.05})
    slow = site.config.model_copy(update={"workers": workers})
    assert try_rules(slow, folder=phantom).reason == "time_limit"
    for megabytes in (256, 310):
        workers = site.config.workers.model_copy(update={"memory_mb": megabytes})
        small = site.config.model_copy(update={"workers": workers})
        assert try_rules(small, folder=phantom).reason == "memory_limit", megabytes


@pytest.mark.system
def test_a_study_of_the_archive_and_the_command(
    site: Site, phantom: Path, orthanc: Callable[..., OrthancProcess], tmp_path: Path
) -> None:
    process = orthanc(site.config)
    for path in phantom.glob("*.dcm"):
        process.client.store(path.read_bytes())
    (orthanc_id,) = process.client.study_ids()
    uid = str(process.client.study(orthanc_id)["MainDicomTags"]["StudyInstanceUID"])
    key = site.study(1, orthanc_id=orthanc_id, study_instance_uid=uid)
    html = site.person(Role.ADMINISTRATOR).post("/rules", data={"study": key}).text
    assert "Would be analysed" in html
    tried = try_rules(
        site.config, InArchive(key=key, orthanc_id=orthanc_id, study_instance_uid=uid)
    )
    assert tried.read
    assert tried.images == len(list(phantom.glob("*.dcm")))
    # What the images said under the rules in force is no word against a draft's units.
    reading = ReadingSection.model_validate({"units": [{"name": "south", "title": "South"}]})
    draft = site.config.model_copy(update={"reading": reading})
    for source, unit in (("images", "south"), ("person", "north")):
        with site.database.begin() as session:
            facts = {Fact.UNIT: ["north", source]}
            session.merge(ExamKnown(study_key=key, facts=facts, at=utcnow()))
        with site.database.read() as session:
            study = in_archive(session, key)
        assert try_rules(draft, study).unit == unit


def test_policies_are_asked_with_the_unit_that_was_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = site.study(1)
    with site.database.begin() as session:
        session.add(ExamKnown(study_key=key, facts={Fact.UNIT: ["north", "images"]}, at=utcnow()))
    policies = [{"name": one, "kind": "shadow"} for one in ("north", "south")]
    rules = [
        {"when": {"programmes": ["screening"], "units": [one["name"]]}, "policy": one["name"]}
        for one in policies
    ]
    room = Room.model_validate(
        {"valid_from": "2026-01-01", "application": "nodule", "policies": policies, "rules": rules}
    )
    monkeypatch.setattr(rooms, "in_force", lambda session, on: room)
    tried = Tried(unit="south", programme=Programme.SCREENING, read=(Read(application="nodule"),))
    with site.database.read() as session:
        (found,) = ruled(session, site.config, tried, key, utcnow())
    assert found.policy == "south"


def test_the_command_tells_a_folder(phantom: Path, tmp_path: Path) -> None:
    config = tmp_path / "gransk.yaml"
    config.write_text(f"data_folder: {tmp_path / 'data'}\n", encoding="utf-8")
    ended = CliRunner().invoke(app, ["rules", str(phantom), "--json", "--config", str(config)])
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout.splitlines()[-1])
    nodule = next(one for one in told["applications"] if one["application"] == "nodule")
    assert nodule["analysed"] is True
    assert nodule["images"] == told["images"]
    assert nodule["destinations"][0]["name"] == "orthanc"
    mammo = next(one for one in told["applications"] if one["application"] == "mammo")
    assert (mammo["analysed"], mammo["reason"]) == (False, "no_application")
    ended = CliRunner().invoke(app, ["rules", "nothing", "--config", str(config)])
    assert ended.exit_code == 1
    assert "a folder that exists" in ended.output


def test_an_order_is_read_by_the_rules_that_are_tried(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an order said by the table in force is no word against a draft's table."""
    key, other = site.study(1), site.study(2)
    with site.database.begin() as session:
        for one, source in ((key, ProgrammeSource.ORDER), (other, ProgrammeSource.PERSON)):
            session.add(
                ExamProgramme(study_key=one, programme="clinical", source=source, conflict="")
            )
    policies = [{"name": one, "kind": "shadow"} for one in ("screening", "clinical")]
    rules = [{"when": {"programmes": [one["name"]]}, "policy": one["name"]} for one in policies]
    room = Room.model_validate(
        {"valid_from": "2026-01-01", "application": "nodule", "policies": policies, "rules": rules}
    )
    monkeypatch.setattr(rooms, "in_force", lambda session, on: room)
    now = utcnow()
    with site.database.read() as session:
        read, said = (in_archive(session, one) for one in (key, other))
        assert read is not None
        assert said is not None
        assert (read.programme, said.programme) == (None, Programme.CLINICAL)
        tried = Tried(programme=Programme.SCREENING, read=(Read(application="nodule"),))
        (found,) = ruled(session, site.config, tried, key, now)
        assert found.policy == "screening"
        tried = tried.model_copy(update={"programme": said.programme})
        (found,) = ruled(session, site.config, tried, other, now)
        assert found.policy == "clinical"


def test_the_page_stands_while_something_is_overdue(site: Site) -> None:
    """The number beside the follow-up list has a name of its own among the page's values."""
    long_ago = datetime.date(2020, 1, 1)
    with site.database.begin() as session:
        session.add(
            FollowUpRow(
                id="f" * 32, application="nodule", patient_key="p", study_key="a",
                study_date=None, report_key="r", advice=None, due_from=long_ago, due_to=long_ago,
                signed=True, state="proposed", closing=None, responsible="", next_step="", note="",
                booked_on=None, told_overdue=None, changed_at=utcnow(), changed_by="t", version=1,
            )
        )  # fmt: skip
    answer = site.person(Role.ADMINISTRATOR).get("/rules")
    assert answer.status_code == 200
    assert '<b class="count">1' in answer.text


def test_no_more_are_tried_at_once_than_may_be(site: Site) -> None:
    """Each takes the memory of an analysis; who comes next is told so, and may try again."""
    key = site.study(1)
    client = site.person(Role.ADMINISTRATOR)
    trials = site.app.state.wiring.trials
    held = 0
    while trials.acquire(blocking=False):
        held += 1
    assert held >= 1
    busy = client.post("/rules", data={"study": key})
    assert busy.status_code == 429
    assert "try again in a moment" in busy.text
    trials.release()
    assert client.post("/rules", data={"study": key}).status_code == 200
    assert trials.acquire(blocking=False), "it is given back"
