from __future__ import annotations
import io, os
from collections.abc import Iterator
from typing import Any
import pytest
from browsing import PAINTED_SECONDS, sign_in
from mammo_exam import NO_PACKAGE, drawn_exam, package_exam, package_folder
from mammo_stage import stage_of
pytestmark = [pytest.mark.browser, pytest.mark.system]

@pytest.fixture(scope="module", params=["mammo"])
def stage(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("stage")
    with stage_of(drawn_exam(folder / "exam"), folder) as made:
        yield made

def test_try(page, stage):
    sign_in(page, stage)
    page.on("console", lambda m: print("CONSOLE", m.type, m.text[:300]) if m.type in ("error","warning") else None)
    page.on("request", lambda m: print("REQ", m.url[:150]) if "bulk" in m.url or "pdf" in m.url or not m.url.startswith("http") else None)
    page.goto(f"{stage.address}/viewer/viewer?StudyInstanceUIDs={stage.exam.study.uid}")
    page.wait_for_selector("canvas.cornerstone-canvas", timeout=60000)
    page.wait_for_timeout(6000)
    print(page.evaluate("[...document.querySelectorAll('[data-cy]')].map(e=>e.dataset.cy).join(' ')"))
    page.dblclick("text=Mammography: document")
    page.wait_for_timeout(6000)
    page.screenshot(path=f"/tmp/tryout/mammo-PDF.png")
    print(page.evaluate("[...document.querySelectorAll('object')].map(o => o.outerHTML)"))
    page.dblclick("text=Mammography: summary")
    page.wait_for_timeout(4000)
    page.screenshot(path=f"/tmp/tryout/mammo-SC.png")
