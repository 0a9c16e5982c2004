"""Looking at Gransk's own objects in OHIF: what is painted, and where."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from browsing import PAINTED_SECONDS
from PIL import Image
from playwright.sync_api import Page
from pydicom import Dataset, dcmread

from gransk.results.dicom.canvas import OUTLINE
from gransk.results.dicom.objects import MadeObject

SUMMARY = """uid => (window.cornerstone?.getEnabledElements?.() ?? []).map(e => e.viewport)
    .find(v => v.getCurrentImageId?.()?.includes(uid) && v.canvas.clientWidth > 300
        && v.getImageData?.())"""
"""The viewport, no thumbnail, that shows an image."""


def first_of(objects: Sequence[MadeObject], kind: str) -> Dataset:
    """The first object of a kind."""
    return next(dcmread(io.BytesIO(made.content)) for made in objects if made.kind == kind)


def open_series(page: Page, description: str) -> None:
    """Into the active viewport, as people do: by a double click in the list of series."""
    page.get_by_text(description).first.dblclick(timeout=PAINTED_SECONDS * 1000)


def pixels(page: Page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def until(page: Page, measure: Any, enough: Any) -> Any:
    """Measure until it is enough, or the time is over."""
    for _ in range(PAINTED_SECONDS * 2):
        found = measure()
        if enough(found):
            return found
        page.wait_for_timeout(500)
    return found


def summary_is_painted(page: Page, summary: Dataset) -> None:
    """Outlines on the summary page are painted where the page has them, and nowhere beside."""
    uid = str(summary.SOPInstanceUID)
    page.wait_for_function(f"uid => !!({SUMMARY})(uid)", arg=uid, timeout=PAINTED_SECONDS * 1000)
    drawn = np.abs(summary.pixel_array.astype(int) - OUTLINE).max(axis=2) < 40
    rows, columns = np.nonzero(drawn)
    assert len(rows) > 100, "no outline on the summary page"
    some = np.linspace(0, len(rows) - 1, 200).astype(int)
    there = [(int(columns[n]), int(rows[n])) for n in some]
    bare = [(x + 40, y) for x, y in there if not _near(drawn, x + 40, y)]
    assert len(bare) > 20

    def share() -> float:
        return _coloured(page, uid, there)

    painted = until(page, share, lambda found: found > 0.9)
    assert painted > 0.9, f"{painted:.2f} of the outlines are painted"
    beside = _coloured(page, uid, bare)
    assert beside < 0.1, f"{beside:.2f} beside the outlines is painted too"


def _near(drawn: np.ndarray, x: int, y: int) -> bool:
    return bool(drawn[max(0, y - 20) : y + 21, max(0, x - 20) : x + 21].any())


def _coloured(page: Page, uid: str, points: Sequence[tuple[int, int]]) -> float:
    """Share of an image's pixels beside which the page has the colour of marks."""
    where = page.evaluate(
        """([uid, points]) => {
            const viewport = (SUMMARY)(uid);
            const box = viewport.canvas.getBoundingClientRect();
            const {origin, spacing, direction} = viewport.getImageData();
            return points.map(([column, row]) => {
                const world = [0, 1, 2].map(k => origin[k] + column * spacing[0] * direction[k]
                    + row * spacing[1] * direction[3 + k]);
                const [x, y] = viewport.worldToCanvas(world);
                return [box.x + x, box.y + y];
            });
        }""".replace("SUMMARY", SUMMARY),
        [uid, [list(point) for point in points]],
    )
    shown = pixels(page)
    yellow = shown[..., 0] - shown[..., 2] > 40
    found = [yellow[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].any() for x, y in where]
    return float(np.mean(found))


def document_is_painted(page: Page, document: Dataset) -> None:
    """The browser's reader shows the very bytes of the document: paper, words, pictures."""
    page.wait_for_selector("object[data^='blob:']", timeout=PAINTED_SECONDS * 1000)
    given = page.evaluate(
        """async () => {
            const url = document.querySelector("object[data^='blob:']").data;
            const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
            return btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''));
        }"""
    )
    kept = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert base64.b64decode(given)[: len(kept)] == kept
    box = page.locator("object[data^='blob:']").bounding_box()
    assert box is not None

    def inside() -> np.ndarray:
        left, top = int(box["x"]), int(box["y"])
        return pixels(page)[top : top + int(box["height"]), left : left + int(box["width"])]

    def paper() -> float:
        return float((inside().min(axis=2) > 245).mean())

    assert until(page, paper, lambda share: share > 0.15) > 0.15, "no paper"
    on_paper = inside()
    rows, columns = np.nonzero(on_paper.min(axis=2) > 245)
    sheet = on_paper[rows.min() : rows.max(), columns.min() : columns.max()]
    assert 0.003 < (sheet.max(axis=2) < 110).mean() < 0.5, "no words on the paper"


def document_shows_marks(page: Page) -> None:
    """Further down, its pictures bear outlines."""
    box = page.locator("object[data^='blob:']").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.6)

    def outlined() -> int:
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(300)
        shown = pixels(page)[:, int(box["x"] + box["width"] * 0.47) :]
        return int((shown[..., 0] - shown[..., 2] > 90).sum())

    assert until(page, outlined, lambda count: count > 60) > 60, "no outline in any picture"
