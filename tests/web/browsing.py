"""Chromium for the tests of the pages: how it starts, and a page that is watched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, Page, sync_playwright
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
OWN = ("chrome:", "chrome-extension:")
"""The browser's own reader of PDF."""
LATE = "ResizeObserver loop"
"""A notice, no fault: on a busy machine the viewer's layout takes another frame to settle."""


class Served(Protocol):
    """A site on a real port."""

    address: str


@contextmanager
def started() -> Iterator[Browser]:
    """A browser of its own."""
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
