"""What was typed and not saved: there again for the same person and opening alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from free_ports import free_port
from playwright.sync_api import Browser, Page, expect
from reading_desks import Desks
from web_server import serving
from web_site import PASSWORD

from gransk.core.screening import Breast, FindingType
from gransk.site.credentials import hash_password
from gransk.site.tables import Account

pytestmark = pytest.mark.browser
COMMENT = "fortætning ved n5 <b>"
SLOT = "sessionStorage.getItem('gransk-draft')"


@pytest.fixture
def room(make_site: Any) -> Iterator[tuple[Desks, str]]:
    """A unit at a real port, whose readers have passwords and Danish pages."""
    port = free_port()
    desks = Desks(make_site(service={"port": port}, language="da"))
    desks.unit()
    with desks.site.database.begin() as session:
        for account in session.query(Account):
            account.password_hash = hash_password(PASSWORD)
            account.language = "da"
    with serving(desks.site.app, port) as address:
        yield desks, address


@contextmanager
def tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert faults == []


def enter(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/sign-in?next=/reading")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page.locator("#next")).to_be_focused()


def begin(page: Page) -> None:
    """Open the next exam of the list."""
    page.keyboard.press("Enter")
    expect(page.locator("[data-reading]")).to_be_visible()
    page.wait_for_load_state("load")


def write(page: Page) -> None:
    """Two findings and a comment, by keyboard, until the browser keeps them."""
    before = page.evaluate(SLOT)
    for key in ("g", "1", "2", "1", "4", "+", "2", "1", "2", "3", "k"):
        page.keyboard.press(key)
    page.keyboard.type(COMMENT)
    page.wait_for_function(f"before => {SLOT} !== before", arg=before)
    page.wait_for_timeout(200)


def test_what_was_typed_is_there_after_a_new_sign_in_of_the_same_person_alone(browser, room):
    desks, address = room
    key = desks.exam()
    one, two = desks.asked(key)
    with tab(browser) as page:
        enter(page, address, one)
        begin(page)
        note = page.locator("[data-draft-note]")
        write(page)
        kept = page.evaluate(SLOT)
        assert "n5" not in kept
        assert "n5" not in page.evaluate("atob(sessionStorage.getItem('gransk-draft'))")
        page.context.clear_cookies()
        page.keyboard.press("Control+Enter")
        expect(page.locator("#password")).to_be_visible()
        assert desks.of(key).reads == ()
        page.fill("#name", one)
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")  # and back to the exam
        expect(note).to_be_visible()
        expect(page.locator("#comment")).to_have_value(COMMENT)
        expect(page.locator("[name=suspicion-2][value='3']")).to_be_visible()

        # Another person at the same workstation: nothing shows, and nothing is left.
        page.context.clear_cookies()
        enter(page, address, two)
        assert page.evaluate(SLOT) is not None
        begin(page)
        page.wait_for_function(f"() => {SLOT} === null")
        expect(page.locator("#comment")).to_have_value("")
        expect(note).to_be_hidden()
        assert page.locator("[data-reading] input:checked").count() == 0
        page.context.clear_cookies()
        enter(page, address, one)
        begin(page)
        expect(note).to_be_hidden()

        # Signing out wipes it too.
        write(page)
        page.locator("form.out button").click()
        expect(page.locator("#password")).to_be_visible()
        assert page.evaluate(SLOT) is None

        # Saved as it came back.
        enter(page, address, one)
        begin(page)
        write(page)
        page.reload()
        expect(note).to_be_visible()
        page.keyboard.press("Control+Enter")
        page.wait_for_url(lambda url: "done=" in url)
    (read,) = desks.of(key).reads
    assert read.opinion.comment == COMMENT
    assert [(s.breast, s.finding_type) for s in read.opinion.suspects] == [
        (Breast.RIGHT, FindingType.MASS),
        (Breast.LEFT, FindingType.CALCIFICATIONS),
    ]
