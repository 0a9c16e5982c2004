"""What machines are told of exams in the reading room, as workitems and as FHIR tasks."""

import datetime
import sys
from pathlib import Path

import pytest
from web_site import PASSWORD
from workitem_parts import JSON, about, workitem

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))

import reading_site
from reading_room import NORMAL, plan

from gransk.archive.tables import SeenStudy
from gransk.reading.entries import Arrival, Entry, Images, Kind
from gransk.reading.exam_tables import TaskRow
from gransk.reading.ledger import arrive, write
from gransk.reading.plan import PolicyKind
from gransk.reading.release import release_report
from gransk.results.tables import Workitem
from gransk.results.urgency import Level, Urgency
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.tables import Role

ITEMS, TASKS = "/dicom-web/workitems", "/fhir/Task"
SHADOW, SUPPORT = plan(PolicyKind.SHADOW), plan(PolicyKind.DECISION_SUPPORT)


@pytest.fixture
def room(site):
    found = reading_site.Site(site.database, None)
    found.unit()
    return found


def entered(site, number, how):
    """A study in the archive whose exam is open in the reading room; key and id of its row."""
    key = site.study(number)
    item = site.sealed(key, released=False)
    now = utcnow()
    new = Arrival(unit="herlev", application="lesion", images="i1", images_at=now, opens_at=now)
    with site.database.begin() as session:
        arrive(session, key, new, now)
        write(session, key, lambda book: book.open(how, now))
    return key, item


def task(client, item):
    return client.get(f"{TASKS}/{item}").json()


def looked(room, key):
    """The first reader opens the exam."""
    with room.database.begin() as session:
        row = session.query(TaskRow).filter_by(study_key=key).first()
        row.looked_at = utcnow()


@pytest.mark.parametrize("how", [plan(PolicyKind.DOUBLE_READING), SHADOW, SUPPORT],
                         ids=lambda how: how.kind.value)  # fmt: skip
def test_a_task_tells_machines_nothing_while_reports_are_held(site, room, how):
    key, item = entered(site, 1, how)
    machine, person = site.machine(), site.person(Role.ADMINISTRATOR)
    arrived = task(machine, item)
    looked(room, key)
    room.read(key, *[NORMAL] * how.human_reads)
    assert room.row(key).decided_at is not None
    held = room.row(key).reports_at is None
    assert held == (how is not SUPPORT)
    told = task(machine, item)
    assert (told == arrived) == held
    for status in ("requested", "completed"):
        listed = machine.get(f"{TASKS}?status={status}").json()["total"]
        assert listed == ((status == "requested") == held)
    assert told["status"] == ("requested" if held else "completed")
    assert task(person, item)["status"] == "completed", "people by what they may see"


def test_the_archive_tells_that_a_study_is_gone(site, room):
    key, item = entered(site, 1, SHADOW)
    looked(room, key)
    at = utcnow() + datetime.timedelta(hours=1)
    with site.database.begin() as session:
        session.get_one(SeenStudy, key).deleted_at = at
    told = task(site.machine(), item)
    assert told["status"] == "cancelled"
    assert set(told["executionPeriod"]) == {"end"}
    assert told["lastModified"] == told["executionPeriod"]["end"]


def test_new_images_that_hold_the_exam_again_are_a_change_of_the_task(site, room):
    key, item = entered(site, 1, SUPPORT)
    with site.database.begin() as session:
        report = session.get_one(Workitem, item).report_key
        assert release_report(session, report, "policy", lambda *_: {})
        session.add(
            Urgency(study_key=key, level=Level.STAT, rule="large", application="lesion",
                    report_key=report, at=utcnow())
        )  # fmt: skip
    clients = site.machine(), site.person(Role.ADMINISTRATOR)
    before = [task(one, item) for one in clients]
    assert [one["priority"] for one in before] == ["stat", "stat"]
    changed = Images(images="i2", images_at=utcnow(), opens_at=utcnow())
    with site.database.begin() as session:
        write(session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, changed, utcnow())))
    assert room.row(key).reports_at is None
    after = [task(one, item) for one in clients]
    assert [one["priority"] for one in after] == ["routine", "routine"]
    for one, other in zip(before, after, strict=True):
        assert one["meta"]["lastUpdated"] < other["meta"]["lastUpdated"]


def test_new_images_of_an_exam_that_nothing_was_told_of_are_no_change_to_machines(site, room):
    key, item = entered(site, 1, SHADOW)
    machine, person = site.machine(), site.person(Role.ADMINISTRATOR)
    looked(room, key)
    before, started = task(machine, item), task(person, item)
    changed = Images(images="i2", images_at=utcnow(), opens_at=utcnow())
    with site.database.begin() as session:
        write(session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, changed, utcnow())))
    assert task(machine, item) == before
    anew = task(person, item)
    assert (started["status"], anew["status"]) == ("in-progress", "requested")
    assert started["meta"]["lastUpdated"] < anew["meta"]["lastUpdated"]


@pytest.mark.parametrize("how", [SHADOW, SUPPORT], ids=lambda how: how.kind.value)
def test_a_workitem_of_a_study_that_came_later_is_about_it(site, room, how):
    creator, other = site.machine("ws1"), site.machine("ws2")
    body = workitem(InputInformationSequence=about("1.2.3.1"))
    assert creator.post(f"{ITEMS}?1.2.9", json=body, headers=JSON).status_code == 201
    with site.database.begin() as session:
        anna = people.find_account(session, "anna")
        people.change_password(session, anna, PASSWORD, actor="kim")
    callers = creator, other, site.person(Role.ADMINISTRATOR), site.signed_in("anna")
    assert answered(callers) == [200, 200, 200, 200]
    entered(site, 1, how)
    assert answered(callers) == [200, 200 if how is SUPPORT else 404, 200, 404]


def answered(callers):
    return [one.get(f"{ITEMS}/1.2.9", headers=JSON).status_code for one in callers]
