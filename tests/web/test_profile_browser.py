"""The risk profile in a browser: usable by everybody, and nothing is taken over unasked."""

from __future__ import annotations

import os

import pytest
from browsing import AXE
from free_ports import free_port
from playwright.sync_api import Page, expect
from web_objects import findings_of_study
from web_server import serving
from web_site import PASSWORD

from gransk.archive.tables import SeenStudy
from gransk.core.codes import PERCENT
from gransk.core.findings import Measurement
from gransk.results import profiles
from gransk.site import people
from gransk.site.tables import Role
from nodule.application import NoduleApplication
from nodule.emphysema import CONCEPT, NAME

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(make_site, monkeypatch, browser):
    """A site with a study whose lungs have a share of low attenuation; its key and a page."""
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"nodule": NoduleApplication()})
    port = free_port()
    site = make_site(service={"port": port})
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    site.account("rita", "Rita Radiologist", Role.RADIOLOGIST, language="da")
    share = Measurement(name=NAME, concept=CONCEPT, unit=PERCENT, value=7.5)
    found = findings_of_study("1.2.3").model_copy(
        update={"application": "nodule", "measurements": (share,), "choice": ()}
    )
    key = site.study(1)
    site.sealed(key, found, application="nodule")
    signed_in = people.sign_in(site.database, "rita", PASSWORD, 12)
    with serving(site.app, port) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "gransk_session", "value": signed_in.token, "url": address}])
        page = context.new_page()
        page.goto(f"{address}/studies/{key}/profile")
        yield site, key, page
        context.close()


def answers(site, key) -> dict:
    with site.database.read() as session:
        found = profiles.current(session, session.get_one(SeenStudy, key), "nodule")
    return {name: answer["value"] for name, answer in found.get("patient", {}).items()}


def test_the_page_is_usable_by_everybody(stage):
    _, _, page = stage
    expect(page.locator("h1")).to_have_text("Risikoprofil")
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], len(one["nodes"])) for one in found["violations"]] == []
    shown: Page = page
    if folder := os.environ.get("GRANSK_PICTURES"):
        shown.screenshot(path=f"{folder}/profile.png", full_page=True)


def test_enter_in_a_field_takes_nothing_over(stage):
    site, key, page = stage
    field = page.get_by_label("alder, år")
    field.fill("68")
    field.press("Enter")
    expect(page.get_by_role("status")).to_be_visible()
    assert answers(site, key) == {"age_years": 68}


def test_a_click_takes_the_measured_emphysema_over(stage):
    site, key, page = stage
    page.get_by_role("button", name="Svar ja").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert answers(site, key) == {"emphysema": True}


def test_a_choice_is_saved(stage):
    site, key, page = stage
    page.get_by_label("rygning").select_option(label="tidligere")
    page.get_by_role("button", name="Gem", exact=True).click()
    expect(page.get_by_role("status")).to_be_visible()
    assert answers(site, key) == {"smoking": "former"}
