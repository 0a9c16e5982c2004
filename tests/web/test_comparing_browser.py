"""The pages that compare analyses, in a browser: by the keyboard, without a finding of axe."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from browsing import by_keys, started, usable, watched
from comparing_site import eight
from free_ports import free_port
from playwright.sync_api import expect
from web_server import serving
from web_site import PASSWORD, Site

from gransk.site import people
from gransk.site.tables import Role

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["da", "en"])
def test_a_comparison_is_read_and_another_asked_for(
    make_site: Callable[..., Site], language: str
) -> None:
    port = free_port()
    site = make_site(service={"port": port})
    site.account("anna", "Anna", Role.ADMINISTRATOR, language=language)
    eight(site)

    class Served:
        address = f"http://127.0.0.1:{port}"

    size = {"width": 1280, "height": 900}
    with (
        started() as browser,
        serving(site.app, port) as address,
        watched(browser, Served(), viewport=size) as page,
    ):
        token = people.sign_in(site.database, "anna", PASSWORD, 12).token
        cookie: Any = {"name": "gransk_session", "value": token, "url": address}
        page.context.add_cookies([cookie])
        page.goto(f"{address}/models/compare")
        usable(page, f"comparing-list-{language}")
        by_keys(page, "a[href^='/models/compare/shadow']")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/models/compare/shadow"))
        usable(page, f"comparing-comparison-{language}")
        by_keys(page, "a[href*='/studies/']")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/models/compare/shadow/studies/"))
        expect(page.locator("main img").first).to_be_visible()
        usable(page, f"comparing-study-{language}")
        page.goto(f"{address}/models/compare")
        for name, value in {
            "settings": "models.detector=nodule-detector", "first": "2026-01-01",
            "last": "2026-12-31", "name": "past", "reason": "to know",
        }.items():  # fmt: skip
            by_keys(page, f"[name={name}]")
            page.locator(f"[name={name}]").fill(value)
        by_keys(page, "form[action='/models/compare'] button")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("8")
        usable(page, f"comparing-asked-{language}")
