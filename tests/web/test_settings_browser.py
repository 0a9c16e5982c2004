"""The settings by keyboard alone: from a changed threshold to its approval by another person."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsing import AXE, watched
from free_ports import free_port
from playwright.sync_api import Page, expect
from web_server import serving
from web_site import PASSWORD, Site

from gransk.core.application import applications
from gransk.site import people
from gransk.site.tables import Role

pytestmark = pytest.mark.browser
UNITS = [{"name": "north", "title": "Mammografi Nord", "match": [{"station": "N1"}]}]


@pytest.fixture
def stage(make_site: Callable[..., Site], browser: Any) -> Iterator[tuple[str, Site, Page]]:
    """A site with an administrator and a responsible radiologist; its address, and a page."""
    port = free_port()
    site = make_site(service={"port": port}, reading={"units": UNITS})
    site.app.state.wiring.applications = applications()
    site.account("anna", "Anna Administrator", Role.ADMINISTRATOR, language="en")
    site.account("karen", "Karen Ansvarlig", Role.RESPONSIBLE_RADIOLOGIST, language="da")

    class Served:
        address = f"http://127.0.0.1:{port}"

    with serving(site.app, port) as address:
        size = {"width": 1400, "height": 900}
        with watched(browser, Served(), viewport=size, color_scheme="dark") as page:
            yield address, site, page


def as_person(page: Page, site: Site, address: str, name: str) -> None:
    signed_in = people.sign_in(site.database, name, PASSWORD, 12)
    page.context.add_cookies([{"name": "gransk_session", "value": signed_in.token, "url": address}])


def usable(page: Page, name: str) -> None:
    """No finding of axe, nothing that is cut off at the side; a picture where one is asked for."""
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
    assert told == [], name
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    if folder := os.environ.get("GRANSK_PICTURES"):
        for width in (1400, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=f"{folder}/{name}-{width}.png", full_page=True)
        page.set_viewport_size({"width": 1400, "height": 900})


def tab_to(page: Page, what: str, most: int = 120) -> None:
    """Go on with the tabulator to what a script says of the focused element."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"(e => {what})(document.activeElement)"):
            return
    raise AssertionError(f"not reached by keyboard at {page.url}: {what}")


def follow(page: Page, href: str) -> None:
    tab_to(page, f"e.getAttribute('href') === '{href}'")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{href}")


def press(page: Page, text: str) -> None:
    tab_to(page, f"e.tagName === 'BUTTON' && e.textContent.trim() === '{text}'", 400)
    page.keyboard.press("Enter")


def test_a_threshold_by_keyboard_alone_until_another_person_approves_it(
    stage: tuple[str, Site, Page],
) -> None:
    address, site, page = stage
    as_person(page, site, address, "anna")
    page.goto(f"{address}/")
    nav = page.get_by_role("navigation", name="Main", exact=True)
    assert nav.bounding_box()["height"] < 60, "the navigation wraps"
    follow(page, "/administration")
    usable(page, "administration")
    follow(page, "/settings")
    usable(page, "settings")
    follow(page, "/settings/of/limits")
    tab_to(page, "e.name === 'applications.nodule.operating_point'")
    page.keyboard.type("0.65")
    page.keyboard.press("Enter")
    page.wait_for_selector("#changes")
    expect(page.get_by_role("heading", name="What changes")).to_be_visible()
    press(page, "Try")
    page.wait_for_selector("#tried progress, #tried p")
    expect(page.get_by_text("Looked at 0 of 0 studies of the last 30 days")).to_be_visible()
    usable(page, "settings-check")
    tab_to(page, "e.name === 'reason'", 400)
    page.keyboard.type("fewer false marks")
    press(page, "Propose the change")
    page.wait_for_url("**/settings/drafts/1?done=drafted")
    expect(page.get_by_role("status")).to_have_text(
        "The change is proposed and waits for approval."
    )
    usable(page, "settings-draft")
    as_person(page, site, address, "karen")
    page.goto(f"{address}/administration")
    expect(page.get_by_text("Venter på godkendelse ‒ 1")).to_be_visible()
    follow(page, "/settings")
    follow(page, "/settings/drafts/1")
    press(page, "Godkend")
    page.wait_for_url("**/settings/drafts/1?done=approved")
    usable(page, "settings-approved")
    follow(page, "/settings/versions")
    usable(page, "settings-versions")
    for there in ("of/overrides", "of/routing", "of/reading", "of/urgency", "text/all",
                  "versions/2"):  # fmt: skip
        page.goto(f"{address}/settings/{there}")
        usable(page, f"settings-{there.replace('/', '-')}")
    page.goto(f"{address}/settings/of/overrides")
    press(page, "Tilføj: Lungenoduli")
    page.wait_for_selector("[name='overrides.0.name']")
    expect(page.locator("[name='overrides.0.name']")).to_be_visible()
    focused = page.evaluate("document.activeElement.closest('fieldset')?.id ?? ''")
    assert focused.startswith("s-overrides.0")
    usable(page, "settings-override")


def test_a_fault_is_told_at_its_field(stage: tuple[str, Site, Page]) -> None:
    address, site, watching = stage
    # Apart from the page that is watched: a refusal is what is wanted here.
    context = watching.context.browser.new_context(
        viewport={"width": 1400, "height": 900}, color_scheme="dark"
    )
    page = context.new_page()
    as_person(page, site, address, "karen")
    page.goto(f"{address}/settings/of/limits")
    field = page.get_by_label("Mindste sandsynlighed der meldes").first
    field.fill("for meget")
    field.press("Enter")
    page.wait_for_selector("[role=alert]")
    expect(page.get_by_role("alert")).to_be_visible()
    wrong = page.locator("[aria-invalid=true]")
    expect(wrong).to_have_value("for meget")
    expect(wrong).to_have_accessible_description(re.compile("Skal være et tal"))
    usable(page, "settings-fault")
    context.close()
