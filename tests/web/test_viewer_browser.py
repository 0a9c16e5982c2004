"""A person in a browser: the worklist, and Gransk's own objects painted in OHIF."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import AXE, PAINTED_SECONDS, sign_in
from harness_orthanc import OrthancProcess, make_config
from looking import (
    document_is_painted,
    document_shows_marks,
    first_of,
    open_series,
    summary_is_painted,
)
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from viewer_study import DATA, KnownStudy, lidc_study, outline_lps, phantom_study
from web_server import serving
from web_site import Site, open_site

from gransk.core.reasons import Reason
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.tables import Executor, Role

pytestmark = [pytest.mark.browser, pytest.mark.system]


@dataclass
class Stage:
    """A site on a real port, with one study in Orthanc and its results beside it."""

    site: Site
    known: KnownStudy
    address: str
    key: str
    item: str


@pytest.fixture(scope="module", params=["phantom", pytest.param("lidc", marks=pytest.mark.full)])
def stage(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    if request.param == "lidc" and not (DATA / "LIDC-IDRI-0001").is_dir():
        pytest.skip("LIDC-IDRI-0001 is not in GRANSK_DATA")
    known = lidc_study() if request.param == "lidc" else phantom_study(folder / "phantom")
    config = make_config(folder)
    process = OrthancProcess(config, folder / "orthanc").start()
    try:
        for content in [f.read_bytes() for f in known.files] + [o.content for o in known.objects]:
            process.client.store(content)
        site = open_site(config)
        key, item = _seed(site, known)
        with serving(site.app, config.service.port) as address:
            yield Stage(site, known, address, key, item)
        site.close()
    finally:
        process.stop()


def _seed(site: Site, known: KnownStudy) -> tuple[str, str]:
    """The study with its results, and neighbours in every other state."""
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    site.account("rasmussen", "Rikke Rasmussen", Role.RADIOLOGIST)
    head = dcmread(known.files[0], stop_before_pixels=True)
    key = site.study(
        1,
        study_instance_uid=known.study.uid,
        patient_name=str(head.PatientName),
        patient_id=str(head.PatientID),
        patient_birth_date=str(head.get("PatientBirthDate", "")),
        patient_sex=str(head.get("PatientSex", "")),
        description=str(head.get("StudyDescription", "")),
        study_date=str(head.get("StudyDate", "")),
        accession_number=str(head.get("AccessionNumber", "")),
        images=len(known.files),
        pending=False,
    )
    blobs = BlobStore(site.config.blob_folder)
    objects = tuple(
        NewObject(
            made.kind,
            made.sop_class_uid,
            made.sop_instance_uid,
            made.series_instance_uid,
            blobs.put(made.content),
        )
        for made in known.objects
    )
    item = site.sealed(
        key, known.findings, objects=objects, pictures=known.pictures, application="nodule"
    )
    with site.database.begin() as session:
        report = session.get_one(Workitem, item).report_key
        for made in known.objects:
            session.add(
                Delivery(
                    id=made.sop_instance_uid[-32:],
                    report_key=report,
                    sop_instance_uid=made.sop_instance_uid,
                    destination="orthanc",
                    state=DeliveryState.SENT,
                    attempt=1,
                    error="",
                    created_at=utcnow(),
                    sent_at=utcnow(),
                )
            )
        now = utcnow()
        session.add(
            Executor(
                id="worker-1",
                kind="worker",
                host="here",
                pid=1,
                started_at=now,
                heartbeat_at=now,
                stopped_at=None,
            )
        )
    named = {"application": "nodule"}
    names = ("Møller^Åse", "Sørensen^Bjørn", "Nielsen^Ida", "Yamada^Tarou=山田^太郎", "Lund^Per")
    for number, name in enumerate(names, 2):
        site.study(number, patient_name=name, priority=100 * (number == 2))
    keys = [site.study_key(number) for number in range(2, 7)]
    site.item(keys[0], WorkState.RUNNING, step="detect", share=0.62, priority=100, **named)
    site.item(keys[1], WorkState.WAITING, **named)
    site.item(keys[2], WorkState.NOT_ANALYSED, reason=Reason.SLICES_TOO_THICK, **named)
    site.item(keys[3], WorkState.FAILED, reason=Reason.WORKER_LOST, **named)
    return key, item


def keep(page: Page, request: Any, name: str) -> None:
    """A picture for the documents, where they are asked for."""
    folder = os.environ.get("GRANSK_SCREENSHOTS")
    if folder:
        kind = request.node.callspec.params["stage"]
        shown = name if kind == "lidc" else f"{kind}-{name}"
        page.screenshot(path=str(Path(folder) / f"{shown}.png"))


def test_worklist_renews_itself_and_is_used_by_keyboard(page, stage, request):
    sign_in(page, stage)
    page.wait_for_selector("text=Ready")
    keep(page, request, "worklist")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "document.activeElement.textContent"
    assert page.evaluate(focused) == "Møller, Åse"
    with stage.site.database.begin() as session:
        row = session.get_one(Workitem, stage.site.item_id(stage.site.study_key(2)))
        row.share = 0.87
    page.wait_for_selector("progress[value='87']", timeout=10_000)
    assert page.evaluate(focused) == "Møller, Åse"
    page.keyboard.press("/")
    page.keyboard.type("山田")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("d")
    page.wait_for_selector("h1:has-text('Yamada, Tarou (山田 太郎)')")


@pytest.mark.parametrize("language", ["en", "da"])
def test_pages_are_accessible(page, stage, browser, tmp_path, request, language):
    if request.node.callspec.params["stage"] != "phantom":
        pytest.skip("the pages are the same")
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    seen = {"first start": _first_start(browser, tmp_path, language)}
    page.goto(f"{stage.address}/sign-in?language={language}")
    seen["sign-in"] = _serious(page)
    page.goto(f"{stage.address}/start?token={_link(stage)}&language={language}")
    expect(page.locator("input[name=password]")).to_have_count(1)
    seen["start"] = _serious(page)
    sign_in(page, stage, "admin")
    page.goto(f"{stage.address}/account")
    page.select_option("#language", language)
    page.click("form[action='/account/language'] button")
    page.wait_for_selector(f"html[lang={language}]")
    for address in ("/", f"/studies/{stage.key}", "/account", "/people", "/events"):
        page.goto(stage.address + address)
        seen[address] = _serious(page)
    assert {name: found for name, found in seen.items() if found} == {}


def _first_start(browser: Browser, folder: Path, language: str) -> list[str]:
    """The first administrator's page, on a site that has none."""
    site = open_site(make_config(folder))
    with site.database.begin() as session:
        token = people.first_administrator_link(session)
    with serving(site.app, site.config.service.port) as address:
        page = browser.new_page()
        page.goto(f"{address}/start?token={token}&language={language}")
        expect(page.locator("input[name=full_name]")).to_have_count(1)
        found = _serious(page)
        page.close()
    site.close()
    return found


def _link(stage: Stage) -> str:
    """A one-time link's token."""
    with stage.site.database.begin() as session:
        account = people.find_account(session, "newcomer") or people.create_account(
            session, "newcomer", "Nynne Newcomer", [Role.TRAINEE]
        )
        return people.sign_in_link(session, account, actor="admin")


def _serious(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def test_case_page(page, stage, request):
    sign_in(page, stage)
    page.click(f"a[href='/studies/{stage.key}']")
    page.wait_for_selector("text=Nodule 1")
    keep(page, request, "case")
    assert page.locator("text=Segmentation").count() == 1
    assert page.locator(".chip.delivery-sent").count() == len(stage.known.objects)


def test_pictures_of_findings_lose_their_outline_and_open_their_image(page, stage):
    sign_in(page, stage)
    page.goto(f"{stage.address}/studies/{stage.key}")
    pictures = page.locator("a.picture")
    expect(pictures).to_have_count(len(stage.known.findings.findings))
    for number, finding in enumerate(stage.known.findings.findings):
        assert _drawn_on_bright(page, number) > 0.9, f"nodule {number + 1}"
        card = page.locator("ol.findings > li").nth(number)
        expect(card.locator("h4")).to_have_text(finding.tracking_id)
        expect(card.locator("a.picture")).to_have_count(1)
    outline = pictures.first.locator(".outline").first
    pictures.first.hover()
    expect(outline).to_be_hidden()
    page.mouse.move(2, 2)
    expect(outline).to_be_visible()
    page.keyboard.press("o")
    expect(outline).to_be_hidden()
    expect(page.get_by_role("button", name="Outlines", pressed=False)).to_be_visible()
    page.get_by_role("button", name="Outlines").click()
    expect(outline).to_be_visible()
    page.get_by_role("button", name="Outlines").press("Tab")
    expect(pictures.first).to_be_focused()
    expect(outline).to_be_hidden()
    page.keyboard.press("Enter")
    _wait_for_images(page)
    shown = "cornerstone.getEnabledElements()[0].viewport.getCurrentImageId()"
    image, _ = outline_lps(stage.known, 0)
    page.wait_for_function(f"uid => {shown}.includes(uid)", arg=image, timeout=60_000)


def _drawn_on_bright(page: Page, number: int) -> float:
    """Share of a picture's bright spot in the middle that its outline takes in."""
    known = page.locator("a.picture").nth(number)
    return float(
        known.evaluate(
            """async link => {
                const img = link.querySelector('img');
                await img.decode();
                const canvas = new OffscreenCanvas(img.naturalWidth, img.naturalHeight);
                const drawing = canvas.getContext('2d');
                drawing.drawImage(img, 0, 0);
                const svg = link.querySelector('svg'), shape = link.querySelector('.outline');
                let bright = 0, inside = 0;
                for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++) {
                    const near = Math.hypot(x - canvas.width / 2, y - canvas.height / 2) < 3;
                    if (!near || drawing.getImageData(x, y, 1, 1).data[0] < 120) continue;
                    const point = svg.createSVGPoint();
                    point.x = x + .5; point.y = y + .5;
                    bright++;
                    if (shape.isPointInFill(point)) inside++;
                }
                return bright ? inside / bright : 0;
            }"""
        )
    )


def test_segmentation_is_painted_at_the_nodules(page, stage, request):
    sign_in(page, stage)
    page.click("a.open")
    _wait_for_images(page)
    page.wait_for_function(
        "services.segmentationService.getSegmentations().length === 1",
        timeout=PAINTED_SECONDS * 1000,
    )
    page.mouse.move(5, 5)
    for finding in range(len(stage.known.findings.findings)):
        image, points = outline_lps(stage.known, finding)
        _show_image(page, image)
        inside = _filled(page, points)
        painted = _until(page, lambda i=inside: _colour(page, i), 0.9)
        assert painted["inside"] > 0.9, f"nodule {finding + 1}: {painted}"
        assert painted["outside"] < 0.25 * painted["area"], f"nodule {finding + 1}: {painted}"
        if finding == 0:
            page.wait_for_timeout(500)
            keep(page, request, "viewer")
    page.evaluate(
        "services.segmentationService.clearSegmentationRepresentations("
        "services.viewportGridService.getActiveViewportId())"
    )
    page.wait_for_timeout(1000)
    without = _colour(page, inside)
    assert without["inside"] < 0.02, f"colour without the segmentation: {without}"


def test_report_is_painted_at_the_nodules(page, stage, request):
    sign_in(page, stage)
    report = next(o for o in stage.known.objects if o.kind == "SR")
    page.goto(
        f"{stage.address}/viewer/viewer?StudyInstanceUIDs={stage.known.study.uid}"
        f"&initialSeriesInstanceUID={report.series_instance_uid}"
    )
    _wait_for_images(page)
    page.mouse.move(5, 5)
    image, points = outline_lps(stage.known, 0)
    page.wait_for_function(
        "uid => cornerstone.getEnabledElements()[0]?.viewport.getCurrentImageId()?.includes(uid)",
        arg=image,
        timeout=PAINTED_SECONDS * 1000,
    )
    drawn = _until(page, lambda: _along(page, points), 0.9)
    assert drawn > 0.9, f"{drawn:.2f} of the outline is drawn"
    keep(page, request, "report")
    for length in ("Volume", "mm3"):
        assert page.locator(
            f"svg text:has-text('{length}'), svg tspan:has-text('{length}')"
        ).count()
    _show_image(page, stage.known.findings.frames[0].sop_instance_uid)
    page.wait_for_timeout(1000)
    assert _along(page, points) < 0.1


def test_summary_and_document_are_painted(page, stage, request):
    sign_in(page, stage)
    page.goto(f"{stage.address}/viewer/viewer?StudyInstanceUIDs={stage.known.study.uid}")
    _wait_for_images(page)
    open_series(page, "Lung nodules: summary")
    summary_is_painted(page, first_of(stage.known.objects, "SC"))
    keep(page, request, "ohif-summary")
    open_series(page, "Lung nodules: document")
    document_is_painted(page, first_of(stage.known.objects, "PDF"))
    keep(page, request, "ohif-document")
    document_shows_marks(page)


# Looking at the viewport


def _wait_for_images(page: Page) -> None:
    page.wait_for_selector("canvas.cornerstone-canvas", timeout=PAINTED_SECONDS * 1000)
    page.wait_for_function(
        "cornerstone.getEnabledElements()[0]?.viewport?.getCurrentImageId?.()",
        timeout=PAINTED_SECONDS * 1000,
    )


def _show_image(page: Page, sop_instance_uid: str) -> None:
    page.evaluate(
        """async uid => {
            const viewport = cornerstone.getEnabledElements()[0].viewport;
            const index = viewport.getImageIds().findIndex(id => id.includes(uid));
            if (index < 0) throw new Error('the image is not in the viewport');
            await viewport.setImageIdIndex(index);
            viewport.render();
        }""",
        sop_instance_uid,
    )


def _on_screen(page: Page, points: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Where points of the patient lie on the page, in pixels."""
    found = page.evaluate(
        """points => {
            const viewport = cornerstone.getEnabledElements()[0].viewport;
            const box = viewport.canvas.getBoundingClientRect();
            const places = points.map(point => viewport.worldToCanvas(point));
            return places.map(([x, y]) => [box.x + x, box.y + y]);
        }""",
        points,
    )
    return [(x, y) for x, y in found]


def _pixels(page: Page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def _filled(page: Page, points: list[tuple[float, float, float]]) -> np.ndarray:
    """The region's own pixels on the page, from its points alone."""
    size = page.viewport_size
    picture = Image.new("1", (size["width"], size["height"]))
    ImageDraw.Draw(picture).polygon(_on_screen(page, points), fill=1)
    return np.asarray(picture)


def _colour(page: Page, inside: np.ndarray) -> dict[str, float]:
    """Share of the region that is coloured, and coloured pixels round it."""
    pixels = _pixels(page)
    coloured = pixels.max(axis=2) - pixels.min(axis=2) > 40
    rows, columns = np.nonzero(inside)
    near = np.zeros_like(inside)
    margin = 3 * max(np.ptp(rows), np.ptp(columns))
    top, left = max(rows.min() - margin, 0), max(columns.min() - margin, 0)
    near[top : rows.max() + margin, left : columns.max() + margin] = True
    return {
        "inside": float(coloured[inside].mean()),
        "outside": float((coloured & near & ~inside).sum()),
        "area": float(inside.sum()),
    }


def _along(page: Page, points: list[tuple[float, float, float]]) -> float:
    """Share of the outline beside which a green line is drawn, within three pixels."""
    pixels = _pixels(page)
    green = pixels[..., 1] - np.maximum(pixels[..., 0], pixels[..., 2]) > 60
    found = [
        green[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].any()
        for x, y in _on_screen(page, points)
    ]
    return float(np.mean(found))


def _until(page: Page, measure: Any, wanted: float) -> Any:
    """Measure until enough is painted, or the time is over."""
    for _ in range(PAINTED_SECONDS * 2):
        found = measure()
        if (found["inside"] if isinstance(found, dict) else found) > wanted:
            return found
        page.wait_for_timeout(500)
    return found
