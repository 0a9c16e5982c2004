"""The board in a browser: it renews itself under the hand, and everybody can use it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from board_site import UNITS, Board
from browsing import AXE, watched
from free_ports import free_port
from playwright.sync_api import expect
from reading_room import NORMAL, RECALL, TECHNICAL
from web_server import serving

from gransk.results.decisions import Decision, announce
from gransk.results.message_tables import MessageState, OutgoingMessage
from gransk.site.database import utcnow
from gransk.site.tables import Role

pytestmark = pytest.mark.browser
BROWSER_SIZE = {"width": 1600, "height": 1000}


class Stage:
    """A day of two units, and the board on a real port."""

    def __init__(self, make_site, port):
        self.room = Board(make_site(reading=UNITS, service={"port": port}))
        self.address = ""
        room = self.room
        room.staff()
        room.person("inge", "Inge Iversen", Role.COORDINATOR, language="da")
        for name in ("Rie Ravn", "Sten Skov", "Ulla Udsen"):
            room.reader(name.split()[0].lower(), name, "ribe", arbitrates=True)
        self.differs = room.differing(days=3)
        room.exam(days=17)
        room.read(room.exam(days=11), NORMAL)
        room.by_ai(days=1)
        self.open = room.exam(days=1)
        room.exam(unit="ribe", days=14)
        room.read(room.exam(unit="ribe", days=2), TECHNICAL, TECHNICAL)
        self.decided = room.read(room.exam(), RECALL, RECALL)
        room.read(room.exam(unit="ribe"), NORMAL, NORMAL)
        decision = Decision(
            study_key=self.decided, number=1, outcome="recall", marks=(), decided_at=utcnow()
        )
        with room.database.begin() as session:
            announce(session, decision, ["RIS"])
            session.flush()
            for row in session.query(OutgoingMessage):
                row.state, row.error, row.tries = MessageState.FAILED, "AE: 204", 5


@pytest.fixture
def stage(make_site):
    port = free_port()
    made = Stage(make_site, port)
    with serving(made.room.site.app, port) as made.address:
        yield made


def check(page, name):
    """No serious finding of axe; a picture where one is wanted."""
    if folder := os.environ.get("GRANSK_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], len(one["nodes"])) for one in found["violations"]] == []


def test_a_coordinator_at_the_board(stage, browser):
    room = stage.room
    client = room.signed_in("inge")
    cookie = {"name": "gransk_session", "url": stage.address}
    with watched(browser, stage, viewport=BROWSER_SIZE, color_scheme="dark") as page:
        page.context.add_cookies([cookie | {"value": client.cookies["gransk_session"]}])
        page.goto(f"{stage.address}/reading/board")
        expect(page.locator("h1")).to_have_text("Granskningstavle")
        check(page, "board")
        # It renews itself, and what has the focus keeps it and its place.
        link = page.locator(f"#reassign-{stage.open}")
        link.focus()
        top = page.evaluate("window.scrollY")
        room.read(stage.open, NORMAL)
        line = page.locator(f"#exam-{stage.open}")
        with page.expect_response(lambda r: "/board/list" in r.url and r.status == 200) as renewed:
            pass
        assert renewed.value.request.headers["x-gransk-renewing"] == "true"
        expect(line).to_contain_text("Afventer anden vurdering")
        expect(link).to_be_focused()
        assert page.evaluate("window.scrollY") == top
        # By keyboard alone: to the act, why, done, and back at the line.
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Tildel en anden")
        check(page, "board-reassign")
        page.get_by_label("Begrundelse").last.fill("Ferie")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Undersøgelsen er tildelt en anden.")
        page.goto(f"{stage.address}/reading/board/exams/{stage.differs}")
        expect(page.locator(".box.now")).to_have_text("Uenighed")
        check(page, "board-history")
        page.goto(f"{stage.address}/reading/board/units/herlev/pause")
        check(page, "board-pause")
        page.goto(f"{stage.address}/reading/readers")
        check(page, "board-readers")
