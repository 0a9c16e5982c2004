"""Single sign-on in a browser: a click, the provider's pages, in; and out of both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from free_ports import free_port
from oidc_harness import SECRET, ProviderProcess
from playwright.sync_api import Page, expect, sync_playwright
from web_server import serving

from gransk.site.tables import Role

pytestmark = pytest.mark.browser
CHROMIUM = os.environ.get("GRANSK_CHROMIUM", "/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def stage(make_site, tmp_path):
    """A page in a browser, and the address of a site that is the provider's client."""
    port = free_port()
    provider = ProviderProcess(tmp_path, f"http://127.0.0.1:{port}")
    secret = tmp_path / "client-secret"
    secret.write_text(SECRET, encoding="utf-8")
    section = {
        "issuer": provider.issuer,
        "label": "Testhospitalet",
        "client_id": "gransk",
        "client_secret_file": str(secret),
        "name_domain": "hospital.example",
        "roles": {"radiologist": ["gransk-radiologists"]},
        "make_accounts": True,
        "local_passwords": "administrators",
    }
    site = make_site(service={"port": port}, single_sign_on=section)
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    provider.start()
    try:
        with (
            serving(site.app, port) as address,
            sync_playwright() as play,
            play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
        ):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            yield page, address
    finally:
        provider.stop()


def violations(page: Page) -> list[str]:
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def test_in_by_the_provider_and_out_of_both(stage):
    page, address = stage
    page.goto(f"{address}/sign-in?language=da")
    assert violations(page) == []
    expect(page.locator("input[name=password]")).to_be_hidden()
    if folder := os.environ.get("GRANSK_PICTURES"):
        page.screenshot(path=f"{folder}/sign-in.png")
    page.get_by_role("link", name="Log ind med Testhospitalet").click()
    page.fill("input[name=login]", "ida")
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.click("button[type=submit]")
    page.wait_for_url(f"{address}/")
    # The list renews itself, which is no sign of life of its reader.
    with page.expect_request("**/worklist/list*") as renewed:
        pass
    assert renewed.value.headers["x-gransk-renewing"] == "true"
    page.goto(f"{address}/account")
    expect(page.locator(".who")).to_have_text("Ida <b>Nielsen</b>")
    assert violations(page) == []
    if folder:
        page.screenshot(path=f"{folder}/account.png", full_page=True)
    page.get_by_role("button", name="Log ud", exact=True).click()
    page.wait_for_url("**/session/end**")
    page.get_by_role("button", name="Yes").click()
    page.wait_for_url(f"{address}/sign-in*")
    page.goto(f"{address}/account")
    page.wait_for_url(f"{address}/sign-in*")
    page.get_by_role("link", name="Testhospitalet").click()
    expect(page.locator("input[name=login]")).to_be_visible()
