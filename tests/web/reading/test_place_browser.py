"""Readers point at places of an exam's views: by keyboard, by mouse, and as who decides sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import AXE
from free_ports import free_port
from harness_orthanc import OrthancProcess
from mammo_exam import DRAWN, drawn_exam
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from reading_desks import Desks
from reading_room import plan
from web_server import serving

from gransk.core.screening import Breast, View
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import Difference
from gransk.reading.plan import Differing
from gransk.web.reading import view_pictures

pytestmark = [pytest.mark.browser, pytest.mark.system]
EXPECTED = ("422", "ERR_FAILED")
"""A form that is shown again, and pictures that are cut off; all else that fails is a fault."""
LOADED = """() => [...document.querySelectorAll('.views img')].every(one =>
    one.naturalWidth == one.getAttribute('width') &&
    one.naturalHeight == one.getAttribute('height'))"""
"""The archive gives pictures of the size that was asked for."""


@pytest.fixture
def ward(make_site: Any, tmp_path: Any) -> Iterator[tuple[Desks, str, str, Any]]:
    """A unit at a real port whose archive has an exam of four views; its key and images."""
    port = free_port()
    site = make_site(service={"port": port}, language="da")
    process = OrthancProcess(site.config, tmp_path / "orthanc").start()
    try:
        exam = drawn_exam(tmp_path / "exam")
        for file in exam.files:
            process.client.store(file.read_bytes())
        desks = Desks(site)
        desks.unit()
        known = process.client.find_study(exam.study.uid)
        key = desks.exam(
            plan(differing=Differing.LESION), study_instance_uid=exam.study.uid, orthanc_id=known
        )
        with serving(site.app, port) as address:
            yield desks, address, key, exam
    finally:
        process.stop()


@contextmanager
def sitting(browser: Browser, desks: Desks, address: str, name: str, key: str) -> Iterator[Page]:
    """A person who has opened the exam, in Danish."""
    client = desks.at(name, "da")
    desks.open(name, key)
    context = browser.new_context(viewport={"width": 1500, "height": 1000}, color_scheme="dark")
    cookie = client.cookies["gransk_session"]
    context.add_cookies([{"name": "gransk_session", "value": cookie, "url": address}])
    page = context.new_page()
    faults: list[str] = []
    page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status > 399 else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{address}/reading/{key}")
    page.wait_for_load_state("load")
    yield page
    context.close()
    assert [fault for fault in faults if not any(one in fault for one in EXPECTED)] == []


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def pointing(page: Page) -> None:
    expect(page.locator("[data-place-remove]").first).to_be_hidden()
    press(page, "p")
    expect(page.locator(".views .picture")).to_have_count(4)
    page.wait_for_function(LOADED)


def test_places_by_keyboard_and_mouse_and_both_before_who_decides(browser, ward, monkeypatch):
    desks, address, key, exam = ward
    monkeypatch.setattr(view_pictures, "SIDE_PX", 320)
    one, two = desks.asked(key)
    lesion = DRAWN[0]
    image = f"{lesion.side} {lesion.view}"

    with sitting(browser, desks, address, one, key) as page:
        press(page, "g")
        with page.expect_event("requestfailed"):
            page.route("**/views", lambda route: route.abort(), times=1)
            press(page, "p")
        expect(page.locator("[data-panel]")).to_contain_text("kunne ikke hentes")
        press(page, "Escape")
        pointing(page)
        expect(page.locator(".views figcaption")).to_have_text(
            ["1 R CC", "2 L CC", "3 R MLO", "4 L MLO"]
        )
        expect(page.locator(".views circle")).to_have_count(0)
        press(page, "3", "1")  # figures change the image, and choose nothing of the form
        expect(page.locator("[data-sop]:focus")).to_have_attribute("aria-label", f"Peg på {image}")
        press(page, "ArrowLeft", "ArrowUp", "Shift+ArrowUp")
        expect(page.locator("[data-place-at]")).to_have_text("47 % fra venstre, 48 % fra toppen")
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [o["id"] for o in found["violations"] if o["impact"] in ("serious", "critical")]
        assert serious == []
        if folder := os.environ.get("GRANSK_SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / "reading-place.png"), full_page=True)
        press(page, "Enter")
        told = page.locator("[data-place-told]").first
        expect(told).to_have_text(f"sted markeret: {image}")
        press(page, "1", "4")
        with page.expect_navigation():
            press(page, "Enter")
    (read,) = desks.of(key).reads
    (suspect,) = read.opinion.suspects
    assert (suspect.breast, suspect.view) == (Breast(lesion.side), View(lesion.view))
    assert suspect.place.sop_instance_uid == exam.findings.frames[0].sop_instance_uid
    head = dcmread(exam.files[0], stop_before_pixels=True)
    step = max(head.Columns, head.Rows) / 50
    middle = (head.Columns / 2 - step, head.Rows / 2 - 1.2 * step)
    assert suspect.place.centre_px == pytest.approx(middle, abs=0.1)
    assert suspect.place.radius_px == pytest.approx(15 / head.ImagerPixelSpacing[0], abs=0.1)

    with sitting(browser, desks, address, two, key) as page:
        press(page, "g")
        pointing(page)
        expect(page.locator(".views circle")).to_have_count(0)
        picture = page.locator(".views .picture").first
        box = picture.locator("img").bounding_box()
        picture.click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.9})
        expect(page.locator("[data-place-told]").first).to_have_text(f"sted markeret: {image}")
        press(page, "1", "4")
        page.locator("[name=view-1][value=MLO]").check()
        press(page, "Enter")
        expect(page.get_by_role("alert")).to_contain_text("et andet bryst eller en anden proj")
        page.locator("[data-place-remove]").first.click()
        expect(page.locator("[data-place-told]").first).to_be_empty()
        page.locator("[name=view-1][value=CC]").check()
        pointing(page)
        picture = page.locator(".views .picture").first
        box = picture.locator("img").bounding_box()
        picture.click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.9})
        with page.expect_navigation():
            press(page, "Enter")
    exam_now = desks.of(key)
    place = exam_now.reads[1].opinion.suspects[0].place
    assert place.sop_instance_uid == suspect.place.sop_instance_uid
    corner = (0.9 * head.Columns, 0.9 * head.Rows)
    assert place.centre_px == pytest.approx(corner, abs=0.02 * head.Rows)
    assert (exam_now.state, exam_now.difference) == (State.DISCORDANT, Difference.LESION)

    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    with sitting(browser, desks, address, arbiter, key) as page:
        expect(page.get_by_text("sted markeret")).to_have_count(2)
        press(page, "g")
        pointing(page)
        expect(page.locator(".views circle.pointed")).to_have_count(2)
        expect(page.locator(".views figure").first.locator("circle")).to_have_count(2)
