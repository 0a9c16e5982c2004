"""Sites for the tests of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_orthanc import make_config
from web_objects import Lesions
from web_site import Site, open_site

from gransk.site.config import Config
from gransk.site.tables import Role


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """A factory of sites: ``make_site(config=None, intake=None, **sections)``."""
    made: list[Site] = []
    monkeypatch.setattr("gransk.web.app.applications", lambda: {"lesion": Lesions()})

    def make(config: Config | None = None, intake: Any = None, **sections: Any) -> Site:
        made.append(open_site(config or make_config(tmp_path, **sections), intake))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A site with an administrator, ``admin``."""
    made = make_site()
    made.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium for a module's tests."""
    from browsing import started

    with started() as browser:
        yield browser


@pytest.fixture
def page(stage: Any, browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of the module's ``stage``, as high as its ``HEIGHT`` says."""
    from browsing import watched

    size = {"width": 1600, "height": getattr(request.module, "HEIGHT", 900)}
    with watched(browser, stage, viewport=size, color_scheme="dark") as page:
        yield page
