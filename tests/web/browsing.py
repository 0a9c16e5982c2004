"""Chromium for the tests of the pages: how it starts, and a page that is watched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, Page, expect, sync_playwright
from web_site import PASSWORD

CHROMIUM = os.environ.get("GRANSK_CHROMIUM", "/usr/bin/chromium")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
]
PAINTED_SECONDS = 60
EXPECTED_SECONDS = 5 * float(os.environ.get("PATIENCE", "1"))
OWN = ("chrome:", "chrome-extension:")
"""The browser's own reader of PDF."""
LATE = "ResizeObserver loop"
"""A notice, no fault: on a busy machine the viewer's layout takes another frame to settle."""


class Served(Protocol):
    """A site on a real port."""

    address: str


@contextmanager
def started() -> Iterator[Browser]:
    """A browser of its own; what a page is expected to show has longer on a busy machine."""
    expect.set_options(timeout=EXPECTED_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, stage: Served, **context: Any) -> Iterator[Page]:
    """A page that talks to nobody but the service, and in which nothing fails."""
    opened = browser.new_context(**context)
    page = opened.new_page()
    outside: list[str] = []
    faults: list[str] = []
    ours = (stage.address, "blob:", "data:", *OWN)
    page.on("request", lambda r: None if r.url.startswith(ours) else outside.append(r.url))
    page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status > 399 else None)
    page.on("pageerror", lambda error: None if LATE in str(error) else faults.append(str(error)))
    yield page
    opened.close()
    assert outside == [], outside
    assert faults == [], faults


def sign_in(page: Page, stage: Served, name: str = "rasmussen") -> None:
    """By the form, as people do."""
    page.goto(stage.address)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_selector("h1")


def usable(page: Page, name: str) -> None:
    """No finding of axe; a picture of the page where ``GRANSK_PICTURES`` names a folder."""
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == [], name
    if folder := os.environ.get("GRANSK_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def by_keys(page: Page, selector: str) -> None:
    """Reach something by the tabulator alone."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")
