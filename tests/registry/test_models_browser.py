"""The pages of models in a browser: by the keyboard alone, without a finding of axe."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import made_models as made
import pytest
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from browsing import by_keys, started, usable, watched
from free_ports import free_port
from web_server import serving
from web_site import PASSWORD, open_site

from gransk.site import people
from gransk.site.tables import Role

pytestmark = pytest.mark.browser


def test_an_administrator_admits_a_model_and_proposes_it(tmp_path: Path) -> None:
    port = free_port()
    site = open_site(made.make_config(tmp_path, service={"port": port}), None)
    for name, role in (
        ("anna", Role.ADMINISTRATOR), ("karen", Role.RESPONSIBLE_RADIOLOGIST),
    ):  # fmt: skip
        site.account(name, name.title(), role, language="da")
    good = made.zipped(made.package(tmp_path / "good"), tmp_path / "good.zip")
    bad = made.package(tmp_path / "bad", version="2.0.0", licence="mine")
    bad = made.zipped(bad, tmp_path / "bad.zip")

    class Served:
        address = f"http://127.0.0.1:{port}"

    def enters(page: Page, name: str, address: str) -> None:
        token = people.sign_in(site.database, name, PASSWORD, 12).token
        cookie: Any = {"name": "gransk_session", "value": token, "url": address}
        page.context.add_cookies([cookie])

    size = {"width": 1280, "height": 900}
    with (
        started() as browser,
        serving(site.app, port) as address,
        watched(browser, Served(), viewport=size) as page,
    ):
        enters(page, "anna", address)
        page.goto(f"{address}/models")
        for path in (bad, good):
            page.set_input_files("#file", path)
            by_keys(page, "form[action='/models'] button")
            page.keyboard.press("Enter")
            if path is bad:
                expect(page.get_by_role("alert")).to_contain_text("afvist", timeout=60_000)
                expect(page.locator("#attempts + div")).to_contain_text("SPDX")
                usable(page, "models-refused")
        expect(page.get_by_role("status")).to_contain_text("kandidat", timeout=60_000)
        usable(page, "model-candidate")
        for stage, done in (("shadow", "staged"), ("active", "proposed")):
            page.select_option("#stage", stage)
            page.fill("#move-reason", "den finder flere")
            page.fill("#move-figures", '{"auc": 0.9}')
            by_keys(page, "form[action$='/stage'] button")
            page.keyboard.press("Enter")
            expect(page).to_have_url(re.compile(f"done={done}"))
        usable(page, "model-proposed")
        enters(page, "karen", address)
        page.goto(f"{address}/models/double@1.0.0")
        by_keys(page, "button[value=yes]")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("godkendt")
        usable(page, "model-active")
        page.goto(f"{address}/models")
        usable(page, "models")
        page.goto(f"{address}/models/mammo-detector")
        usable(page, "model-shipped")
    site.close()
