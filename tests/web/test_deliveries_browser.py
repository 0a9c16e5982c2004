"""The page of deliveries and a case's objects in a browser: usable by everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsing import usable, watched
from free_ports import free_port
from playwright.sync_api import Page, expect
from test_web_deliveries import DESTINATIONS, change, released, superseded
from web_server import serving
from web_site import PASSWORD, Site

from gransk.results.tables import DeliveryState
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.tables import Role

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(make_site: Callable[..., Site], browser: Any) -> Iterator[tuple[str, str, Page]]:
    """A site whose destinations stand in every way; its address, a study, and a page."""
    port = free_port()
    workstation = {"name": "workstation", "kind": "dicom", "aet": "WS", "host": "ws"}
    site = make_site(service={"port": port}, destinations=[*DESTINATIONS, workstation])
    site.account("kirsten", "Kirsten Koordinator", Role.COORDINATOR, language="da")
    key = released(site, 1, ("pacs",))
    released(site, 2, ("pacs",))
    superseded(site, key)
    released(site, 3, ("workstation",))
    released(site, 4, ("orthanc",))
    gone = "not committed within 24 h: 0112H no such object instance"
    change(site, "2.25.10", state=DeliveryState.HIDDEN, sent_at=utcnow())
    change(site, "2.25.77", state=DeliveryState.FAILED, error=gone, sent_at=utcnow())
    change(site, "2.25.20", state=DeliveryState.HIDDEN, sent_at=utcnow())
    change(site, "2.25.21", state=DeliveryState.KEPT, sent_at=utcnow())
    down = "WS at ws:104 does not answer: Connection refused"
    change(site, "2.25.30", error=down)
    for uid in ("2.25.40", "2.25.41"):
        change(site, uid, state=DeliveryState.SENT, sent_at=utcnow())
    signed_in = people.sign_in(site.database, "kirsten", PASSWORD, 12)

    class Served:
        address = f"http://127.0.0.1:{port}"

    with serving(site.app, port) as address:
        size = {"width": 1280, "height": 900}
        with watched(browser, Served(), viewport=size) as page:
            cookie = {"name": "gransk_session", "value": signed_in.token, "url": address}
            page.context.add_cookies([cookie])
            yield address, key, page


def test_a_coordinator_sees_what_is_wrong_and_tries_again(stage: tuple[str, str, Page]) -> None:
    address, key, page = stage
    page.goto(f"{address}/deliveries")
    expect(page.locator("h1")).to_have_text("Leveringer")
    usable(page, "deliveries")
    page.get_by_role("button", name="Prøv alle igen, der fejlede hos pacs").click()
    expect(page.get_by_role("status")).to_have_text("Objekter, der forsøges igen: 1")
    page.get_by_label("Frigivet inden for antal dage").fill("7")
    page.get_by_label("Modtager", exact=True).select_option("workstation")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Rapporter, der sendes: 3")
    page.goto(f"{address}/studies/{key}")
    page.get_by_text("Tidligere rapporter (1)").click()
    expect(page.get_by_text("Erstattet af rapporten af")).to_be_visible()
    hidden = page.get_by_text("Forældet, skjult").bounding_box()
    assert hidden is not None
    assert hidden["width"] > 50, "seen, and not for screen readers alone"
    usable(page, "deliveries_case")
