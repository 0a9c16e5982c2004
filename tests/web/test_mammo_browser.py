"""A mammography exam in a browser: four views hang back to back in OHIF, with their marks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import AXE, PAINTED_SECONDS, sign_in
from looking import document_is_painted, first_of, open_series, pixels, summary_is_painted, until
from mammo_exam import NO_PACKAGE, drawn_exam, package_exam, package_folder
from mammo_stage import Stage, stage_of
from playwright.sync_api import Page

from mammo.view import STANDARD

pytestmark = [pytest.mark.browser, pytest.mark.system]
# Thumbnails are drawn by viewports too, without an image of their own.
SHOWN = """() => (window.cornerstone?.getEnabledElements?.() ?? []).map(e => e.viewport)
    .filter(v => v.getCurrentImageId?.() && v.canvas.getBoundingClientRect().y < innerHeight - 9)"""
HEIGHT = 1000
PLACES = ("R CC", "L CC", "R MLO", "L MLO")
"""From left to right, from top to bottom."""


@pytest.fixture(scope="module", params=["drawn", pytest.param("real", marks=pytest.mark.full)])
def stage(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("mammo")
    if request.param == "real" and package_folder() is None:
        pytest.skip(NO_PACKAGE)
    exam = (drawn_exam if request.param == "drawn" else package_exam)(folder / "exam")
    with stage_of(exam, folder) as made:
        yield made


def keep(page: Page, request: Any, name: str) -> None:
    """A picture for the documents, where they are asked for."""
    folder = os.environ.get("GRANSK_SCREENSHOTS")
    if folder:
        kind = request.node.callspec.params["stage"]
        page.screenshot(path=str(Path(folder) / f"mammography-{kind}-{name}.png"))


def open_viewer(page: Page, stage: Stage) -> None:
    """By the link of the case's page, until all views are there."""
    sign_in(page, stage)
    page.goto(f"{stage.address}/studies/{stage.key}")
    page.click("a.button:has-text('images')")
    page.wait_for_function(f"({SHOWN})().length === 4", timeout=PAINTED_SECONDS * 1000)
    page.mouse.move(5, 5)


def viewports(page: Page) -> dict[str, dict[str, Any]]:
    """By place: the image that its viewport shows, and the viewport's box on the page."""
    found = page.evaluate(
        f"""() => ({SHOWN})().map(viewport => {{
            const {{x, y, width, height}} = viewport.canvas.getBoundingClientRect();
            return {{image: viewport.getCurrentImageId(), x, y, width, height}};
        }})"""
    )
    found.sort(key=lambda one: (round(one["y"]), one["x"]))
    return dict(zip(PLACES, found, strict=True))


def inner_and_outer(page: Page) -> dict[str, tuple[float, float]]:
    """Mean brightness of each viewport's middle rows at its side to the middle, and away."""
    shown, found = pixels(page).mean(axis=2), {}
    for place, box in viewports(page).items():
        top, bottom = (round(box["y"] + share * box["height"]) for share in (0.45, 0.6))
        left, right = round(box["x"]) + 4, round(box["x"] + box["width"]) - 4
        ends = (
            shown[top:bottom, left : left + 24].mean(),
            shown[top:bottom, right - 24 : right].mean(),
        )
        found[place] = ends[::-1] if place.startswith("R") else ends
    return found


def test_four_views_hang_back_to_back(page, stage, request):
    open_viewer(page, stage)
    for place, box in viewports(page).items():
        assert stage.exam.images[place] in box["image"], place
    found = until(page, lambda: inner_and_outer(page), lambda f: all(i > 30 for i, _ in f.values()))
    keep(page, request, "hanging")
    for place, (inner, outer) in found.items():
        assert inner > 30, f"{place}: no chest wall in the middle ({inner:.0f})"
        assert outer < inner / 3, f"{place}: {outer:.0f} outside, {inner:.0f} in the middle"


def along(page: Page, sop_instance_uid: str, points: Any) -> float:
    """Share of an outline's points beside which the viewport of its image has the mark's colour."""
    where = page.evaluate(
        """([uid, points]) => {
            const viewport = (SHOWN)().find(v => v.getCurrentImageId().includes(uid));
            const box = viewport.canvas.getBoundingClientRect();
            const image = viewport.getCurrentImageId();
            return points.map(([column, row]) => {
                const world = cornerstone.utilities.imageToWorldCoords(
                    image, [column - .5, row - .5]);
                const [x, y] = viewport.worldToCanvas(world);
                return [box.x + x, box.y + y];
            });
        }""".replace("SHOWN", SHOWN),
        [sop_instance_uid, points],
    )
    shown = pixels(page)
    coloured = shown[..., 0] - shown[..., 2] > 90
    return float(
        np.mean(
            [coloured[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any() for x, y in where]
        )
    )


def test_marks_are_painted_on_their_own_views(page, stage, request):
    open_viewer(page, stage)
    for finding in stage.exam.findings.findings:
        region = finding.regions[0]
        points = [list(point) for point in region.points]
        drawn = until(
            page,
            lambda r=region, p=points: along(page, r.sop_instance_uid, p),
            lambda share: share > 0.9,
        )
        assert drawn > 0.9, f"{finding.tracking_id}: {drawn:.2f} of the outline is drawn"
        for name, other in stage.exam.images.items():
            holds = {f.regions[0].sop_instance_uid for f in stage.exam.findings.findings}
            if other not in holds:
                assert along(page, other, points) < 0.1, f"{finding.tracking_id} also on {name}"
    keep(page, request, "marks")


def test_summary_and_document_are_painted(page, stage, request):
    # A page of four views in a quarter of the screen: large, as such screens are, to see its lines.
    page.set_viewport_size({"width": 3000, "height": 2200})
    open_viewer(page, stage)
    open_series(page, "Mammography: summary")
    summary_is_painted(page, first_of(stage.objects, "SC"))
    keep(page, request, "ohif-summary")
    open_series(page, "Mammography: document")
    document_is_painted(page, first_of(stage.objects, "PDF"))
    keep(page, request, "ohif-document")


def test_the_key_o_hides_the_marks(page, stage):
    open_viewer(page, stage)
    finding = stage.exam.findings.findings[0]
    region = finding.regions[0]
    points = [list(point) for point in region.points]

    def drawn() -> float:
        return along(page, region.sop_instance_uid, points)

    assert until(page, drawn, lambda share: share > 0.9) > 0.9
    page.keyboard.press("o")
    assert until(page, drawn, lambda share: share < 0.1) < 0.1
    page.keyboard.press("o")
    assert until(page, drawn, lambda share: share > 0.9) > 0.9


def test_a_link_to_the_report_or_to_an_image_hangs_the_whole_exam_too(page, stage):
    sign_in(page, stage)
    report = next(one for one in stage.objects if one.kind == "SR")
    image = stage.exam.findings.frames[-1]
    for link in (
        f"&initialSeriesInstanceUID={report.series_instance_uid}",
        f"&initialSOPInstanceUID={image.sop_instance_uid}",
    ):
        page.goto(f"{stage.address}/viewer/viewer?StudyInstanceUIDs={stage.exam.study.uid}{link}")
        page.wait_for_function(f"({SHOWN})().length === 4", timeout=PAINTED_SECONDS * 1000)
        for place, box in viewports(page).items():
            assert stage.exam.images[place] in box["image"], place


def test_the_case_page_is_accessible(page, stage):
    assert AXE.is_file(), "axe-core is not installed; run make install-test"
    sign_in(page, stage)
    page.goto(f"{stage.address}/studies/{stage.key}")
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []


def test_an_incomplete_exam_leaves_the_place_of_a_view_empty(browser, tmp_path):
    exam = drawn_exam(tmp_path / "exam", STANDARD[:3])
    with stage_of(exam, tmp_path) as made:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        sign_in(page, made)
        page.goto(f"{made.address}/viewer/viewer?StudyInstanceUIDs={exam.study.uid}")
        page.wait_for_function(f"({SHOWN})().length === 3", timeout=PAINTED_SECONDS * 1000)
        found = page.evaluate(
            f"() => ({SHOWN})().map(v => [v.getCurrentImageId(), v.canvas.getBoundingClientRect()])"
        )
        page.close()
    where = {
        name: (box["x"], box["y"])
        for name, uid in exam.images.items()
        for image, box in found
        if uid in image
    }
    assert where["R CC"][0] < where["L CC"][0]
    assert where["R CC"][1] == where["L CC"][1] < where["R MLO"][1]
    assert where["R MLO"][0] == where["R CC"][0]
