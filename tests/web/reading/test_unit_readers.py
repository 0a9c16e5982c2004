"""Who reads in which unit: what is shown, who changes what, and that each change is an event."""

from __future__ import annotations

import re

import pytest
from board_site import UNITS, Board
from reading_room import NORMAL, RECALL
from sqlalchemy import select

from gransk.reading.exam import State
from gransk.reading.exam_tables import ReaderRow
from gransk.site.tables import Event, Role

ONE = {
    "units": [
        {"name": "herlev", "title": "Herlev", "responsible": ["rita"],
         "match": [{"department": "Herlev"}]},
        UNITS["units"][1],
    ]
}  # fmt: skip


@pytest.fixture
def room(make_site):
    site = make_site(reading=ONE)
    found = Board(site)
    found.staff()
    found.person("rita", "Rita Ravn", Role.RESPONSIBLE_RADIOLOGIST)
    return found


def row(room, account, unit="herlev"):
    with room.database.read() as session:
        return session.get(ReaderRow, (unit, account))


def change(room, who, account, unit="herlev", **ticks):
    data = {"unit": unit, "account": account} | {name: "true" for name, on in ticks.items() if on}
    return room.signed_in(who).post("/reading/readers", data=data)


def test_the_list_is_shown_to_who_oversees(room):
    html = room.signed_in("kim").get("/reading/readers").text
    for name in ("Anna Andersen", "Cara Carlsen"):
        assert name in html
    assert len(re.findall(r'name="arbitrates" value="true" checked', html)) == 2
    assert "Fewer than three readers" in html.split('id="unit-ribe"')[1]
    assert "Fewer than three readers" not in html.split('id="unit-ribe"')[0]
    assert room.signed_in("anna").get("/reading/readers").status_code == 403


def test_who_answers_for_the_unit_changes_it_and_each_change_is_an_event(room):
    room.person("eva", "Eva Eg", Role.TRAINEE)
    assert change(room, "rita", "eva", trainee=True, active=True).status_code == 303
    assert (row(room, "eva").trainee, row(room, "eva").reads) == (True, False)
    assert change(room, "rita", "anna", reads=True, active=True).status_code == 303
    assert row(room, "anna").experienced is False
    with room.database.read() as session:
        query = select(Event).where(Event.kind == "reader_changed", Event.actor == "rita")
        events = session.scalars(query.order_by(Event.number)).all()
    assert [(event.subject, event.data["trainee"]) for event in events] == [
        ("eva", True), ("anna", False),
    ]  # fmt: skip


def test_the_responsible_radiologist_of_another_unit_does_not(room):
    assert change(room, "rita", "anna", unit="herlev", reads=True).status_code == 303
    room.person("sara", "Sara Skov", Role.RESPONSIBLE_RADIOLOGIST)
    assert change(room, "sara", "anna", reads=True, arbitrates=True, active=True).status_code == 403
    assert row(room, "anna").arbitrates is False
    # Ribe names nobody, so whoever has the role answers for it.
    ribe = change(room, "sara", "anna", unit="ribe", reads=True, active=True)
    assert ribe.status_code == 303
    assert row(room, "anna", "ribe").active


def test_a_coordinator_takes_people_off_and_qualifies_nobody(room):
    assert change(room, "kim", "anna", arbitrates=True).status_code == 303
    found = row(room, "anna")
    assert (found.active, found.arbitrates, found.reads) == (False, False, True)
    assert change(room, "kim", "anna", active=True).status_code == 303
    assert row(room, "anna").active
    assert change(room, "kim", "kim", reads=True, active=True).status_code == 403
    assert row(room, "kim") is None


@pytest.mark.parametrize(
    ("account", "ticks", "said"),
    [
        ("anna", {"trainee": True, "reads": True, "active": True}, "A trainee cannot"),
        ("anna", {"experienced": True, "active": True}, "Say what the person does"),
        ("nobody", {"reads": True, "active": True}, "There is no such person"),
    ],
)
def test_what_is_refused(room, account, ticks, said):
    before = row(room, account)
    answer = change(room, "admin", account, **ticks)
    assert answer.status_code == 422
    assert said in answer.text
    after = row(room, account)
    assert before is None or after.changed_at == before.changed_at
    assert change(room, "admin", "anna", unit="nowhere", reads=True).status_code == 404


DRAWN = 'class="states-drawn'
"""Of the history of an exam, as who sees all of it has it."""


def page_of(room, who, key):
    return room.signed_in(who).get(f"/reading/board/exams/{key}").text


def told(room, who, key):
    """What a person's pages and calls tell of exams of which they may see that they are here."""
    client = room.signed_in(who)
    pages = ("/reading/board", "/reading/board?state=decided", "/reading/board?state=discordant",
             f"/reading/board/exams/{key}", "/worklist/list", "/events")  # fmt: skip
    said = [re.sub(r'name="csrf" value="[^"]+"', "", client.get(page).text) for page in pages]
    answer = client.post(f"/reading/board/exams/{key}/withdraw", data={"version": "1"})
    return [*said, answer.status_code, client.get("/api/worklist").text,
            client.get(f"/api/studies/{key}").text]  # fmt: skip


def test_who_takes_themselves_off_the_list_sees_no_more(room):
    """An administrator who reads leaves the list, looks, and comes back."""
    room.person("ole", "Ole Olsen", *Role)
    room.listed("ole", reads=False, arbitrates=True)
    key = room.exam()
    room.read(key, RECALL, NORMAL)
    assert room.row(key).state == State.DISCORDANT

    def check(known):
        """Nobody who reads it is named, nor that it is discordant; others see it at once."""
        found = told(room, "ole", key)
        history = found[3]
        for words in (DRAWN, "Opinions differ", "Carlsen", "Andersen", "Bach", "Dam<"):
            assert words not in history, words
        assert f'id="exam-{key}"' in found[0]
        assert f'id="exam-{key}"' not in found[2]
        assert "Exam read" not in found[5]
        assert found[6] == 403
        assert '"to_read"' in found[7]
        if known is not None:
            assert (found[3], found[6], found[8]) == (known[3], known[6], known[8])
        return found

    before = check(None)
    assert change(room, "ole", "ole", arbitrates=True).status_code == 303
    assert not row(room, "ole").active
    check(before)
    between = room.exam()
    assert DRAWN in page_of(room, "ole", between), "it arrived while ole was on no list"
    assert change(room, "ole", "ole", arbitrates=True, active=True).status_code == 303
    check(before)
    later = room.exam()
    assert DRAWN in page_of(room, "ole", between), "ole has seen it, and is given it no more"
    assert change(room, "ole", "ole", arbitrates=True).status_code == 303
    check(before)
    assert DRAWN in page_of(room, "ole", room.exam())
    assert DRAWN not in page_of(room, "ole", later)
    kim = told(room, "kim", key)
    assert f'id="exam-{key}"' in kim[2], "who was never on the list sees it"
