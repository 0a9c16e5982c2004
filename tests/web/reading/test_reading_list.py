"""The reader's list, and the way from one exam to the next."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from contextlib import contextmanager

import pytest
from reading_desks import NORMAL, RECALL
from reading_room import START
from sqlalchemy import event, insert

from gransk.archive.tables import SeenStudy
from gransk.core.screening import Verdict
from gransk.reading import lists
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.site.database import Base


def test_a_list_is_read_from_its_one_way_in(desks):
    keys = [desks.exam() for _ in range(3)]
    reader = desks.asked(keys[0])[0]
    mine = [key for key in keys if reader in desks.asked(key)]
    page = desks.at(reader)
    html = page.get("/reading").text
    assert html.count('action="/reading/next"') == 1
    assert html.count(" autofocus>") == 1
    assert "autofocus" not in page.get("/reading/list").text, "a list renewed takes no focus"
    assert [html.index(f"/reading/{key}/open") for key in mine] == sorted(
        html.index(f"/reading/{key}/open") for key in mine
    )
    at = page.post("/reading/next").headers["location"]
    for number, key in enumerate(mine):
        assert at.split("?")[0] == f"/reading/{key}"
        assert "data-reading" in page.get(at).text
        answer = page.post(f"/reading/{key}/read", data=NORMAL | {"images": "i1"})
        assert answer.status_code == 303
        at = answer.headers["location"]
        if number + 1 < len(mine):
            assert at.endswith(f"saved={key}")
            assert "Saved:" in page.get(at).text
            others = page.get(at.replace(key, desks.site.study_key(9))).text
            assert "Saved:" not in others, "only what one saved oneself is named"
    assert at == "/reading?done=reading_saved"
    assert "Saved. Nothing more waits for you." in page.get(at).text
    for key in mine:
        assert [read.opinion.verdict for read in desks.of(key).reads] == [Verdict.NORMAL]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "Nothing waits for you."), ("da", "Der venter ikke noget på dig.")],
)
def test_an_empty_list_says_so_kindly(desks, language, said):
    page = desks.at("anna", language)
    assert said in page.get("/reading").text
    answer = page.post("/reading/next")
    assert answer.headers["location"] == "/reading?done=reading_all_done"


def test_the_list_does_not_say_what_an_exam_came_for(desks):
    """An arbitration stands in a list like a first read, and its page too until it is opened."""
    key = desks.exam()
    one, other = desks.asked(key)
    desks.say(one, key, **NORMAL)
    desks.say(other, key, **RECALL)
    assert desks.of(key).state is State.DISCORDANT
    (arbiter,) = desks.asked(key, "arbitration")
    later = desks.exam()
    while arbiter not in desks.asked(later):
        later = desks.exam()
    page = desks.at(arbiter)
    html = page.get("/reading").text
    rows = {k: row(html, k) for k in (key, later)}
    number = {key: "1", later: str(desks.count)}
    assert plain(rows[key], key, number[key]) == plain(rows[later], later, number[later])
    closed = {k: page.get(f"/reading/{k}").text for k in (key, later)}
    assert plain(closed[key], key, number[key]) == plain(closed[later], later, number[later])


def row(html: str, key: str) -> str:
    return next(part for part in re.findall("<tr.*?</tr>", html, re.DOTALL) if key in part)


def plain(html: str, key: str, number: str) -> str:
    """Without what names the exam and when it came."""
    html = html.replace(key, "KEY").replace(f"Patient{number}", "NAME")
    html = re.sub(r"0*\d+-0000|ACC\d+", "ID", html)
    return re.sub(r"<time.*?</time>", "TIME", html)


def test_names_are_escaped(desks):
    key = desks.exam(patient_name="<script>x</script>^Eve", description="<b>MG</b>")
    reader = desks.asked(key)[0]
    for html in (
        desks.at(reader).get("/reading").text,
        desks.at(reader).get(f"/reading/{key}").text,
    ):
        assert "<script>x" not in html
        assert "&lt;script&gt;x" in html


def test_a_page_of_ten_thousand_reads_only_its_own_rows(desks):
    exams, tasks, seen = [], [], []
    for number in range(1, 10_001):
        key, at = f"{number:032d}", START + datetime.timedelta(minutes=number)
        exams.append(
            {
                "study_key": key, "unit": "herlev", "application": "mammo", "images": "i",
                "state": "first_read", "plan": None, "arrived_at": at, "opens_at": at,
                "opened_at": at, "decided_at": None, "verdict": None, "drawn_first": "anna",
                "drawn_second": "bo", "sealed_as": None, "missing": "", "reports_at": None,
                "alerts": 0, "entries": 5,
            }
        )  # fmt: skip
        tasks.append(
            {
                "study_key": key, "round": 1, "kind": "first", "account": "anna",
                "state": "assigned", "unit": "herlev", "arrived_at": at, "given_at": at,
                "ended_at": None, "looked_at": None,
            }
        )  # fmt: skip
        seen.append({"key": key, "study_instance_uid": f"1.2.{number}", "orthanc_id": key})
    desks.site.study(1)
    with desks.site.database.begin() as session:
        one = session.get_one(SeenStudy, desks.site.study_key(1))
        same = {column.key: getattr(one, column.key) for column in SeenStudy.__table__.columns}
        session.execute(insert(SeenStudy), [same | new for new in seen])
        session.execute(insert(ExamRow), exams)
        session.execute(insert(TaskRow), tasks)
    page = desks.at("anna")
    page.get("/reading")
    for address in ("/reading", "/reading?number=150"):
        with counting(desks.site.database.engine) as counted:
            html = page.get(address).text
        assert html.count("data-row") == lists.PAGE
        assert "10000 exams on your list" in html
        assert counted["statements"] < 40, counted
        assert counted["objects"] < 20 * lists.PAGE, counted


@contextmanager
def counting(engine):
    """Statements that are executed and rows that become objects, meanwhile."""
    counted = Counter()

    def executed(*_):
        counted["statements"] += 1

    def loaded(*_):
        counted["objects"] += 1

    event.listen(engine, "after_cursor_execute", executed)
    event.listen(Base, "load", loaded, propagate=True)
    try:
        yield counted
    finally:
        event.remove(engine, "after_cursor_execute", executed)
        event.remove(Base, "load", loaded)
