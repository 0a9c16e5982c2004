"""A double reading with a discordant arbitration, by keyboard alone, as three people do it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browsing import AXE
from free_ports import free_port
from mammo_exam import drawn_exam
from playwright.sync_api import Browser, Page, expect
from reading_desks import Desks
from reading_room import plan
from web_server import serving

from gransk.core.keys import digest
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.reading.ai import Said, opinion_of
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import AiSaid, DifferenceReason
from gransk.reading.plan import PolicyKind
from gransk.site.database import utcnow
from mammo.pictures import pictures
from mammo.presentation import presentation

pytestmark = pytest.mark.browser
VIEWER = {"content-type": "text/html", "cross-origin-opener-policy": "same-origin"}
HIGH = {"width": 1500, "height": 1000}

OVER = """() => [...document.querySelectorAll('.hung .picture')].map(one => {
    const [image, drawn] = ['img', 'svg'].map(n => one.querySelector(n).getBoundingClientRect());
    return Math.round(Math.abs(image.x - drawn.x) + Math.abs(image.width - drawn.width));
})"""
"""Pixels by which a picture and what is drawn over it differ in place and width."""


class Shown:
    """Mammography as far as pages need it."""

    id = "mammo"
    presentation = presentation()


@pytest.fixture
def room(make_site: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Desks, str]]:
    """A unit at a real port."""
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"mammo": Shown()})
    port = free_port()
    desks = Desks(make_site(service={"port": port}, language="da"))
    desks.unit()
    with serving(desks.site.app, port) as address:
        yield desks, address


@contextmanager
def sitting(browser: Browser, desks: Desks, address: str, name: str) -> Iterator[Page]:
    """A person before a screen, in Danish; the viewer's window stays blank."""
    client = desks.at(name, "da")
    context = browser.new_context(viewport=HIGH, color_scheme="dark")
    cookie = client.cookies["gransk_session"]
    context.add_cookies([{"name": "gransk_session", "value": cookie, "url": address}])
    context.route("**/viewer/viewer*", lambda route: route.fulfill(body="", headers=VIEWER))
    page = context.new_page()
    faults: list[str] = []
    page.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status > 399 else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{address}/reading")
    expect(page.locator("#next")).to_be_focused()
    yield page
    context.close()
    assert faults == []


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def before(page: Page, name: str) -> None:
    """A woman's exam is before the person, and its keys work."""
    expect(page.locator("h1")).to_have_text(name)
    page.wait_for_load_state("load")


def accessible(page: Page) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def keep(page: Page, name: str) -> None:
    """A picture for the documents, where they are asked for."""
    if folder := os.environ.get("GRANSK_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"reading-{name}.png"), full_page=True)


def exam_with_ai(desks: Desks, folder: Path) -> str:
    """An exam of which the AI said recall, its pictures sealed and not released."""
    drawn = drawn_exam(folder)
    analysis = digest(["analysis", desks.site.study_key(desks.count + 1)])
    said = Said(AiSaid.RECALL, policy="p", version=1)
    opinion = opinion_of(drawn.findings, "b" * 64, analysis, said, utcnow())
    if opinion.said is not AiSaid.RECALL:
        opinion = opinion.model_copy(
            update={"said": AiSaid.RECALL, "reason": "", "exam_score": 9.0, "policy": "p"}
        )
    how = plan(PolicyKind.REPLACE_READER)
    key = desks.exam(how, opinion, study_instance_uid=drawn.study.uid, patient_name="Hansen^Eva")
    shown = pictures(drawn.study, drawn.findings)
    desks.site.sealed(key, drawn.findings, released=False, pictures=shown, application="mammo")
    return key


def test_a_double_reading_and_its_arbitration_by_keyboard(browser, room):
    desks, address = room
    key, other = desks.exam(patient_name="Hansen^Eva"), desks.exam(patient_name="Olsen^Ida")
    while set(desks.asked(key)) != set(desks.asked(other)):
        other = desks.exam(patient_name="Olsen^Ida")
    one, two = desks.asked(key)
    desks.earlier(key, "20240110")
    with sitting(browser, desks, address, one) as page:
        accessible(page)
        keep(page, "list")
        press(page, "Enter")
        before(page, "Hansen, Eva")
        press(page, "Enter")  # once too often: nothing is said yet, and nothing is sent
        with page.expect_popup() as images:
            press(page, "b")
        assert "StudyInstanceUIDs=1.2.3.1" in images.value.url
        with page.expect_popup() as earlier:
            press(page, "f")
        page.bring_to_front()
        press(page, "g", "1", "2", "1", "4", "+", "2", "1", "2", "3", "k")
        page.keyboard.type("ny tumor, n5")
        press(page, "Escape")
        accessible(page)
        keep(page, "form")
        with page.expect_navigation():
            press(page, "Enter")
        expect(page.locator("h1")).not_to_have_text("Hansen, Eva")
        expect(page.get_by_role("status").first).to_contain_text("Gemt: Hansen, Eva")
        # The windows follow to the next exam, which has no earlier one.
        earlier.value.wait_for_url("about:blank", timeout=10_000)
        images.value.wait_for_url(lambda url: not url.endswith("=1.2.3.1"), timeout=10_000)
    (read,) = desks.of(key).reads
    assert [(s.breast, s.view, s.finding_type, s.suspicion) for s in read.opinion.suspects] == [
        (Breast.RIGHT, View.MLO, FindingType.MASS, 4),
        (Breast.LEFT, View.CC, FindingType.CALCIFICATIONS, 3),
    ]
    assert read.opinion.comment == "ny tumor, n5"

    with sitting(browser, desks, address, two) as page:
        press(page, "Enter")
        before(page, "Hansen, Eva")
        expect(page.get_by_text("tumor, n5")).to_have_count(0)
        with page.expect_navigation():
            press(page, "n", "Enter")
        expect(page.locator("h1")).not_to_have_text("Hansen, Eva")
        page.wait_for_load_state("load")
        repeated = page.url.split("/reading/")[1].split("?")[0]
        with page.expect_navigation():
            press(page, "t", "1", "4", "ArrowRight", "2", "Enter")
    technical = next(r for r in desks.of(repeated).reads if r.account == two).opinion.technical
    assert technical.views == ((Breast.RIGHT, View.CC), (Breast.LEFT, View.MLO))
    assert technical.reason is TechnicalReason.BLURRED
    assert desks.of(key).state is State.DISCORDANT

    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    with sitting(browser, desks, address, arbiter) as page:
        press(page, "Enter")
        before(page, "Hansen, Eva")
        expect(page.locator(".said.by-person")).to_have_count(2)
        press(page, "n", "2", "Enter")
        page.wait_for_url(lambda url: key not in url.split("?")[0])
    exam = desks.of(key)
    assert (exam.state, exam.outcome.verdict) == (State.DECIDED, Verdict.NORMAL)
    assert exam.conclusion.why is DifferenceReason.JUDGED_BENIGN


def test_the_arbiter_has_both_opinions_and_the_marks(browser, room, tmp_path):
    desks, address = room
    key = exam_with_ai(desks, tmp_path / "exam")
    (reader,) = desks.asked(key)
    picture = f"/reading/{key}/pictures/0.png"
    desks.say(reader, key, verdict="normal", comment="Uændret siden 2023")
    assert desks.at(reader).get(picture).status_code == 404
    (arbiter,) = desks.asked(key, TaskKind.ARBITRATION)
    assert desks.at(arbiter).get(picture).status_code == 404
    with sitting(browser, desks, address, arbiter) as page:
        press(page, "Enter")
        before(page, "Hansen, Eva")
        expect(page.locator(".said.by-ai")).to_be_visible()
        expect(page.locator(".hung .picture")).to_have_count(4)
        loaded = "() => [...document.querySelectorAll('.hung img')].every(i => i.naturalWidth > 0)"
        page.wait_for_function(loaded)
        assert page.locator(".hung polygon.outline").count() == 3
        assert page.evaluate(OVER) == [0, 0, 0, 0], "outlines lie on the image, not beside it"
        press(page, "o")
        expect(page.locator("body.bare")).to_be_attached()
        press(page, "o", "g", "1", "2", "1", "5")
        accessible(page)
        keep(page, "arbitration")
    assert desks.at(reader).get(picture).status_code == 404
