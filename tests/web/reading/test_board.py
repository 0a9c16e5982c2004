"""The coordinator's board: what it shows and to whom, and what is done from it."""

from __future__ import annotations

import re

import pytest
from board_site import UNITS, Board
from reading_room import NORMAL, RECALL, TECHNICAL

import gransk
from gransk.delivery import messages
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.ledger import wrong_rows
from gransk.reading.targets import Targets
from gransk.reading.working_days import WorkingDays
from gransk.results.decisions import Decision, announce
from gransk.results.message_tables import MessageState
from gransk.site.database import utcnow
from gransk.site.tables import Role


@pytest.fixture
def room(make_site):
    site = make_site(reading=UNITS)
    found = Board(site)
    found.staff()
    yield found
    with site.database.read() as session:
        assert wrong_rows(session) == []


def rows(html):
    """Study keys of the exams that a page lists, in order."""
    return re.findall(r'<tr id="exam-(\w+)"', html)


def line(html, key):
    """The line of one exam."""
    return re.search(rf'<tr id="exam-{key}".*?</tr>', html, re.DOTALL).group()


def form(html, name="version"):
    return re.search(rf'name="{name}" value="([^"]*)"', html).group(1)


def test_open_exams_by_state_and_age(room):
    fresh = room.exam()
    old = room.exam(days=40)
    differs = room.differing(days=2)
    room.read(room.exam(), NORMAL, NORMAL)
    kim = room.signed_in("kim")
    html = kim.get("/reading/board").text
    assert rows(html) == [old, differs, fresh]
    assert "working days over" in line(html, old)
    assert "working days over" not in line(html, fresh)
    assert "Opinions differ" in line(html, differs)
    for name in room.asked(fresh):
        assert {"anna": "Anna Andersen", "bo": "Bo Bach", "cara": "Cara", "dan": "Dan"}[name] in (
            line(html, fresh)
        )
    assert rows(kim.get("/reading/board?age=overdue").text) == [old]
    assert rows(kim.get("/reading/board?age=today").text) == [fresh]
    assert rows(kim.get("/reading/board?state=discordant").text) == [differs]
    assert rows(kim.get("/reading/board?unit=ribe").text) == []
    decided = kim.get("/reading/board?state=decided").text
    assert len(rows(decided)) == 1
    assert "Normal" in line(decided, rows(decided)[0])
    assert kim.get("/reading/board?age=tomorrow").status_code == 422


def test_an_empty_board_says_that_no_policy_is_approved(room):
    kim = room.signed_in("kim")
    told = "exams do not enter the reading room until a version is."
    html = kim.get("/reading/board").text
    assert told in html
    assert 'href="/reading/policies"' in html.split(told)[1]
    room.exam()
    assert told not in kim.get("/reading/board").text


def test_days_of_work_are_those_of_the_sites_country(make_site, monkeypatch):
    room = Board(make_site(reading=UNITS | {"holidays": "DE-BY"}))
    room.staff()
    asked, by = [], Targets.by
    monkeypatch.setattr(Targets, "by", lambda *terms: asked.append(terms[-1]) or by(*terms))
    assert room.signed_in("kim").get("/reading/board").status_code == 200
    assert asked == [WorkingDays("DE-BY")]


def test_only_what_changed_comes_anew(room):
    key = room.exam()
    kim = room.signed_in("kim")
    seen = re.search(r'data-seen="(\w+)"', kim.get("/reading/board").text).group(1)
    assert kim.get(f"/reading/board/list?seen={seen}").status_code == 204
    room.read(key, NORMAL)
    answer = kim.get(f"/reading/board/list?seen={seen}")
    assert answer.status_code == 200
    assert "Second opinion awaited" in line(answer.text, key)
    assert "<html" not in answer.text


def test_reassigning(room):
    key = room.exam()
    one, other = room.asked(key)
    kim = room.signed_in("kim")
    html = kim.get(f"/reading/board/exams/{key}/reassign?back=age%3Dtoday").text
    offered = re.findall(r'<option value="(\w+)"', html)
    assert set(offered) == {"anna", "bo", "cara", "dan"} - {one, other}
    body = {
        "task": "first", "giver": one, "taker": offered[0], "version": form(html),
        "reason": "ill", "back": "age=today",
    }  # fmt: skip
    blank = kim.post(f"/reading/board/exams/{key}/reassign", data=body | {"reason": " "})
    assert blank.status_code == 409
    assert "Say why" in blank.text
    answer = kim.post(f"/reading/board/exams/{key}/reassign", data=body)
    assert answer.status_code == 303
    there = f"/reading/board?age=today&done=reassigned#exam-{key}"
    assert answer.headers["location"] == there
    assert set(room.asked(key)) == {other, offered[0]}
    assert "given to somebody else" in kim.get("/reading/board?done=reassigned").text
    again = kim.post(f"/reading/board/exams/{key}/reassign", data=body)
    assert again.status_code == 409
    assert "Something happened to the exam meanwhile" in again.text


def test_returned_and_withdrawn(room):
    alone, both = room.by_ai(), room.exam()
    kim = room.signed_in("kim")
    html = kim.get("/reading/board").text
    assert f'id="return-{alone}"' in html
    assert f'id="return-{both}"' not in html
    for what in ("return", "withdraw"):
        shown = kim.get(f"/reading/board/exams/{alone}/{what}").text
        assert "ACC1" in shown, "whose exam it is"
        assert f"Gransk {gransk.__version__}" in shown
        answer = kim.post(
            f"/reading/board/exams/{alone}/{what}", data={"version": form(shown), "reason": "why"}
        )
        assert answer.status_code == 303, what
        if what == "return":
            assert len(room.asked(alone)) == 2
    assert room.row(alone).state == State.WITHDRAWN
    assert rows(kim.get("/reading/board").text) == [both]
    assert rows(kim.get("/reading/board?state=withdrawn").text) == [alone]


def test_a_paused_unit_gives_its_exams_to_two_people(room):
    alone, both = room.by_ai(), room.exam()
    read = room.read(room.by_ai(), NORMAL)
    kim = room.signed_in("kim")
    assert kim.post("/reading/board/units/herlev/pause", data={"reason": ""}).status_code == 409
    assert kim.get("/reading/board/units/nowhere/pause").status_code == 404
    assert "Pause AI" in kim.get("/reading/board/units/herlev/pause").text
    answer = kim.post("/reading/board/units/herlev/pause", data={"reason": "drifting scores"})
    assert answer.headers["location"] == "/reading/board?done=paused"
    assert len(room.asked(alone)) == 2
    assert len(room.asked(both)) == 2
    assert room.row(read).state == State.DECIDED
    html = kim.get("/reading/board").text
    assert "drifting scores" in html
    assert "Kim Koordinator" in html
    assert 'href="/reading/board/units/herlev/resume' in html
    kim.post("/reading/board/units/herlev/resume", data={"reason": "checked"})
    assert 'href="/reading/board/units/herlev/pause' in kim.get("/reading/board").text
    assert len(room.asked(alone)) == 2


def test_who_reads_in_the_unit_sees_to_read_alone(room):
    """Beside each other: one exam that nobody read, one that differs, one that is withdrawn."""
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    room.listed("ole")
    keys = [room.exam(), room.differing(), room.read(room.exam(), TECHNICAL, TECHNICAL)]
    kim, ole = room.signed_in("kim"), room.signed_in("ole")
    gone = room.exam()
    kim.post(
        f"/reading/board/exams/{gone}/withdraw",
        data={"version": room.row(gone).entries, "reason": "cancelled"},
    )
    html = ole.get("/reading/board").text
    assert set(rows(html)) == {*keys, gone}
    told = [
        re.sub(rf"{key}|Patient\d|\d{{6}}-0000|ACC\d|<time.*?</time>", "", line(html, key))
        for key in rows(html)
    ]
    assert len(set(told)) == 1
    assert "To read" in told[0]
    for name in ("Andersen", "Bach", "Carlsen", "Dam", "Opinions differ", "Technical repeat"):
        assert name not in html
    for key in (*keys, gone):
        assert ole.get(f"/reading/board/exams/{key}/reassign").status_code == 403
        for what in ("reassign", "return", "withdraw"):
            body = {"version": room.row(key).entries, "reason": "why", "task": "first"}
            answer = ole.post(
                f"/reading/board/exams/{key}/{what}", data=body | {"giver": "anna", "taker": "bo"}
            )
            assert answer.status_code == 403
    for query in ("state=discordant", "state=withdrawn", "reader=anna", "trouble=repeat_awaited"):
        assert rows(ole.get(f"/reading/board?{query}").text) == []
        if query != "reader=anna":
            assert rows(kim.get(f"/reading/board?{query}").text) != []


def test_two_boards_that_differ_in_opinions_alone_are_the_same(room):
    """What a reader sees before: the same, whatever the others and the AI say."""
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    room.listed("ole", "ribe")
    for name in ("rie", "sten", "ulla"):
        room.reader(name, name.title(), "ribe", arbitrates=True)
    key = room.exam(unit="ribe")
    ole = room.signed_in("ole")
    before = ole.get("/reading/board").text
    readers = [name for name in room.asked(key) if name != "ole"]
    room.read_as(key, readers[0], RECALL)
    if len(readers) == 2:
        room.read_as(key, readers[1], NORMAL)
    again = ole.get("/reading/board").text
    assert again == before


def test_somebody_who_is_gone_and_what_is_missing(room):
    key = room.exam()
    room.listed(room.asked(key)[0], active=False)
    kim = room.signed_in("kim")
    html = kim.get("/reading/board?trouble=reader_gone").text
    assert rows(html) == [key]
    assert "Reader is off the list" in line(html, key)
    for name in ("anna", "bo", "cara", "dan"):
        room.listed(name, active=False)
    nobody = room.exam()
    html = kim.get("/reading/board?trouble=no_reader").text
    assert rows(html) == [nobody]
    assert "Put a reader on the unit" in line(html, nobody)
    waits = room.exam(days=1, opens=False)
    assert rows(kim.get("/reading/board?trouble=not_opened").text) == [waits]


def test_load_by_reader(room):
    key = room.differing()
    room.exam()
    html = room.signed_in("kim").get("/reading/board").text
    (arbiter,) = room.asked(key, TaskKind.ARBITRATION)
    load = re.search(r'id="load-title".*?</section>', html, re.DOTALL).group()
    found = {
        name: [int(n) for n in numbers]
        for name, *numbers in re.findall(
            r'id="load-herlev-(\w+)".*?number">(\d+)</td><td class="number">(\d+)'
            r'.*?number">(\d+)</td></tr>',
            load,
            re.DOTALL,
        )
    }
    assert sum(open_ for open_, _, _ in found.values()) == 3
    assert found[arbiter][1] == 1
    assert rows(room.signed_in("kim").get(f"/reading/board?reader={arbiter}").text)[0] == key


def test_a_message_tells_nothing_of_an_exam_that_may_still_be_given(room):
    """That a technical repeat was told to a RIS would tell that the exam is one."""
    room.person("ole", "Ole Olsen", Role.COORDINATOR, Role.RADIOLOGIST)
    room.listed("ole")
    repeat = room.read(room.exam(), TECHNICAL, TECHNICAL)
    normal = room.read(room.exam(), NORMAL, NORMAL)
    idents = {}
    with room.database.begin() as session:
        for number, (key, outcome) in enumerate(((repeat, "technical"), (normal, "normal"))):
            again = {"views": [("L", "CC")], "reason": "blurred"} if key == repeat else None
            told = Decision(
                study_key=key, number=number, outcome=outcome, repeat=again, decided_at=utcnow()
            )
            announce(session, told, ["ris"])
        session.flush()
        for row in messages.undelivered(session):
            idents[row.study_key], row.state = row.id, MessageState.FAILED
    kim, ole = room.signed_in("kim"), room.signed_in("ole")
    for page in ("/messages", "/reading/board"):
        assert idents[repeat] in kim.get(page).text
        assert idents[normal] in ole.get(page).text
        assert idents[repeat] not in ole.get(page).text
    assert ole.post(f"/messages/{idents[repeat]}/retry").status_code == 403
    answer = kim.post(f"/messages/{idents[repeat]}/retry", data={"back": "board"})
    assert answer.headers["location"] == "/reading/board?done=retried"
