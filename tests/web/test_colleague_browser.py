"""A colleague in a browser: points at a nodule, rejects one, and keeps the follow-up list."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from browsing import AXE, sign_in, watched
from harness_orthanc import OrthancProcess, make_config
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select
from viewer_study import KnownStudy, outline_lps, phantom_study
from web_server import serving
from web_site import Site, open_site

from gransk.reading.tables import FollowUpRow, FollowUpState
from gransk.results.tables import FindingAct
from gransk.site.database import utcnow
from gransk.site.tables import Role
from nodule.application import NoduleApplication

pytestmark = [pytest.mark.browser, pytest.mark.system]


class Followed(NoduleApplication):
    """The application, of which the pages ask no measurement."""

    profile_schema: ClassVar[dict[str, Any]] = {}

    def _by_the_worker(self, *_: Any) -> Any:
        raise AssertionError("the pages measure and compare nothing")

    priors_wanted = measure = compare = comparison_pictures = assess = report_text = _by_the_worker


@dataclass
class Stage:
    """A site on a real port, with the phantom in Orthanc and on the follow-up list."""

    site: Site
    known: KnownStudy
    address: str
    key: str
    item: str

    def acts(self) -> list[FindingAct]:
        with self.site.database.read() as session:
            return list(session.scalars(select(FindingAct).order_by(FindingAct.number)))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("colleague")
    known = phantom_study(folder / "phantom")
    config = make_config(folder)
    process = OrthancProcess(config, folder / "orthanc").start()
    try:
        for file in known.files:
            process.client.store(file.read_bytes())
        site = open_site(config)
        site.app.state.wiring.applications = {"nodule": Followed()}
        site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
        site.account("rita", "Rita Radiographer", Role.RADIOGRAPHER)
        key = site.study(1, study_instance_uid=known.study.uid, pending=False)
        item = site.sealed(key, known.findings, pictures=known.pictures, application="nodule")
        _list(site, key)
        with serving(site.app, config.service.port) as address:
            yield Stage(site, known, address, key, item)
        site.close()
    finally:
        process.stop()


def _list(site: Site, key: str) -> None:
    with site.database.begin() as session:
        session.add(
            FollowUpRow(
                id="f" * 32, application="nodule", patient_key="p", study_key=key,
                study_date=datetime.date(2025, 1, 5), report_key="r", advice=None,
                due_from=datetime.date(2025, 6, 1), due_to=datetime.date(2025, 7, 1),
                signed=True, state=FollowUpState.DUE, closing=None, responsible="",
                next_step="", note="", booked_on=None, told_overdue=None, changed_at=utcnow(),
                changed_by="gransk", version=1,
            )
        )  # fmt: skip


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def page(stage: Stage, browser: Browser, request: Any) -> Iterator[Page]:
    """A radiographer's page, with and without scripts."""
    size = {"width": 1600, "height": 1200}
    with watched(browser, stage, viewport=size, java_script_enabled=request.param) as opened:
        sign_in(opened, stage, "rita")
        yield opened


def with_script(request: Any) -> bool:
    return bool(request.node.callspec.params["page"])


def test_a_nodule_is_pointed_at_on_its_image(page, stage, request):
    image, _ = outline_lps(stage.known, 0)
    frames = [frame.sop_instance_uid for frame in stage.known.findings.frames]
    number = frames.index(image) + 1
    page.goto(f"{stage.address}/studies/{stage.key}/point/{stage.item}?image={number - 1}")
    if with_script(request):
        page.keyboard.press("ArrowRight")
    else:
        page.click("#slice-next")
    shown = page.locator("input[type=image]")
    expect(shown).to_have_attribute("alt", f"Image {number}: click in the middle of the finding")
    regions = [r for f in stage.known.findings.findings for r in f.regions]
    drawn = sum(region.sop_instance_uid == image for region in regions)
    assert drawn
    expect(page.locator(".pointed .outline")).to_have_count(drawn)
    width = page.locator("input[type=image]").evaluate("image => image.clientWidth") if (
        with_script(request)
    ) else int(shown.get_attribute("width"))  # fmt: skip
    before = len(stage.acts())
    shown.click(position={"x": width / 4, "y": width / 2})
    if with_script(request):
        column = float(page.input_value("#point-column"))
        assert stage.acts()[before:] == []
        page.click("text=Add the finding here")
    page.wait_for_selector("text=Added. It is being outlined and measured.")
    (act,) = stage.acts()[before:]
    place = act.content["place"]
    columns = stage.known.study.instances[0].header.Columns
    assert place["sop_instance_uid"] == image
    assert place["column"] == pytest.approx(columns / 4, abs=1)
    assert place["row"] == pytest.approx(columns / 2, abs=1)
    if with_script(request):
        assert place["column"] == pytest.approx(column)


def test_the_pointed_image_is_what_orthanc_shows(page, stage, request):
    if not with_script(request):
        pytest.skip("the image is the same")
    page.goto(f"{stage.address}/studies/{stage.key}/point/{stage.item}")
    natural = page.evaluate(
        """async () => {
            const image = document.querySelector('input[type=image]');
            const copy = new Image();
            copy.src = image.src;
            await copy.decode();
            return [copy.naturalWidth, copy.naturalHeight];
        }"""
    )
    header = stage.known.study.instances[0].header
    assert natural == [header.Columns, header.Rows]


def test_a_finding_is_rejected_and_taken_back(page, stage):
    page.goto(f"{stage.address}/studies/{stage.key}")
    card = page.locator("ol.findings > li").nth(1)
    card.locator("summary", has_text="Reject").click()
    card.locator("select[name=reason]").select_option("vessel")
    card.locator("button", has_text="Reject").click()
    page.wait_for_selector("text=it stays in the record")
    expect(page.locator("ol.findings > li.rejected")).to_have_count(1)
    page.locator(".desk summary").click()
    page.locator(".desk li", has_text="Vessel").first.locator("button").click()
    page.wait_for_selector("text=Taken back.")
    expect(page.locator("ol.findings > li.rejected")).to_have_count(0)


def test_an_overdue_patient_is_booked(page, stage):
    page.goto(f"{stage.address}/follow-up")
    page.click("table.follow-up a")
    page.select_option("#state", "booked")
    page.fill("#booked_on", "2999-01-01")
    page.click("text=Save")
    page.wait_for_selector("text=Saved.")
    with stage.site.database.begin() as session:
        row = session.get_one(FollowUpRow, "f" * 32)
        assert row.booked_on == datetime.date(2999, 1, 1)
        row.state, row.booked_on = FollowUpState.DUE, None


@pytest.mark.parametrize("language", ["en", "da"])
def test_the_pages_are_accessible(page, stage, request, language):
    if not with_script(request):
        pytest.skip("the page is the same")
    page.goto(f"{stage.address}/account")
    page.select_option("#language", language)
    page.click("form[action='/account/language'] button")
    page.wait_for_selector(f"html[lang={language}]")
    seen = {}
    for address in (
        f"/studies/{stage.key}",
        f"/studies/{stage.key}/point/{stage.item}",
        "/follow-up",
        f"/follow-up/{'f' * 32}",
    ):
        page.goto(stage.address + address)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        seen[address] = _serious(page)
        _keep(page, f"{address.split('/')[1]}-{len(seen)}-{language}")
    assert {name: found for name, found in seen.items() if found} == {}


def _keep(page: Page, name: str) -> None:
    """A picture of the page for the documents, where they are asked for."""
    folder = os.environ.get("GRANSK_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def _serious(page: Page) -> list[str]:
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
