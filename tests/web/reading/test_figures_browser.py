"""Figures and policies in a browser, in Danish: read, drawn, drafted, signed, within reach."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browsing import AXE, sign_in
from playwright.sync_api import Page, expect
from read_site import READ, TODAY, Made, approve, digest, keep, read_site, room
from web_server import serving
from web_site import Site

pytestmark = [pytest.mark.browser, pytest.mark.system]
HEIGHT = 1300


@dataclass
class Stage:
    """A site on a real port."""

    site: Site
    address: str


def exams() -> Iterator[Made]:
    """A hundred and fifty exams over half a year, drawn once and for all."""
    draw = random.Random(7)
    for number in range(1, 151):
        reads = "rr" if 31 <= number <= 37 else draw.choices(("nn", "nr"), (90, 10))[0]
        yield Made(
            number,
            reads,
            arbiter=draw.choice("nr") if reads == "nr" else "",
            score=9.0 if reads == "rr" else float(draw.choice((1, 2, 3, 4, 6, 8))),
            facts={"round": [draw.choice(("first", "later", "later")), "file"]},
            ai={"analysis_key": digest(["analysis", READ])} if number == 29 else {},
            days=number,
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with read_site(tmp_path_factory.mktemp("figures"), tuple(exams())) as site:
        conny, karen, svend = (site.signed_in(name) for name in ("conny", "karen", "svend"))
        number = keep(conny, room("safety_net", recall_from=10, units=["herlev"]))
        for client in (karen, svend):
            approve(client, number)
        with serving(site.app, site.config.service.port) as address:
            yield Stage(site, address)


def look(page: Page, name: str) -> None:
    """Nothing serious stands in the way of anybody; a picture for the documents."""
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ] == []
    if folder := os.environ.get("GRANSK_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{name} is wider than the window"


def test_a_responsible_radiologist_reads_figures_and_drafts_by_them(page, stage):
    sign_in(page, stage, "svend")
    page.goto(f"{stage.address}/reading/indicators?unit=herlev")
    expect(page.get_by_role("heading", name="Indikatorer")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Genindkaldelse").first).to_be_visible()
    look(page, "indicators")
    page.select_option("#by-0", "month")
    page.get_by_role("button", name="Vis").click()
    expect(page.locator("figure.drawn svg").first).to_be_visible()
    look(page, "indicators-trend")
    page.get_by_role("link", name="Lokal validering").click()
    page.select_option("#unit", "herlev")
    page.get_by_role("button", name="Vis").click()
    expect(page.get_by_role("heading", name="ROC-kurve")).to_be_visible()
    look(page, "validation")
    page.get_by_role("link", name="Simulering").click()
    page.select_option("#unit", "herlev")
    page.select_option("#kind", "triage")
    page.select_option("#double_from", "8")
    page.get_by_role("button", name="Simulér").click()
    expect(page.get_by_role("columnheader", name="Gældende politik")).to_have_count(2)
    look(page, "simulation")
    page.get_by_role("link", name="Brug i et udkast").click()
    expect(page.locator('input[value="triage"]')).to_be_visible()
    page.fill("#valid_from", TODAY.isoformat())
    page.fill("#reason", "Som simuleret")
    page.get_by_role("button", name="Kontrollér").click()
    expect(page.get_by_text("Ny: Granskningspolitik triage")).to_be_visible()
    look(page, "policy-draft")
    page.get_by_role("button", name="Gem som udkast").click()
    expect(page.get_by_text("Udkastet er gemt")).to_be_visible()
    look(page, "policy-version")
    page.get_by_role("link", name="Granskningspolitik").first.click()
    expect(page.get_by_role("heading", name="Gældende")).to_be_visible()
    look(page, "policies")


def test_a_reader_sees_own_figures(page, stage):
    sign_in(page, stage, "anna")
    page.get_by_role("link", name="My figures").click()
    expect(page.get_by_role("rowheader", name="Reader's own recall").first).to_be_visible()
    look(page, "own-figures")
