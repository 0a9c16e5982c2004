"""OHIF's files and page as the service hands them out."""

from __future__ import annotations

import re

import pytest

from gransk.site.tables import Event, Role

INDEX = (
    '<html><head><script src="/init-service-worker.js"></script>'
    '<script rel="preload" as="script" src="/app-config.js"></script>'
    '<script>window.PUBLIC_URL="/"</script><script defer src="/app.bundle.js"></script>'
    "</head></html>"
)


@pytest.fixture
def viewer(make_site, tmp_path):
    """A site with a small viewer, and a radiologist's browser."""
    folder = tmp_path / "viewer"
    folder.mkdir()
    (folder / "index.html").write_text(INDEX)
    (folder / "app.bundle.0123456789abcdef.js").write_text("1")
    for name in ("app-config.js", "sw.js"):
        (folder / name).write_text("https://elsewhere.example")
    (tmp_path / "secret.txt").write_text("secret")
    site = make_site(service={"viewer_folder": str(folder)})
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    return site, site.person(Role.RADIOLOGIST)


def test_the_page_runs_its_own_scripts_and_talks_to_us_alone(viewer):
    answer = viewer[1].get("/viewer/viewer?StudyInstanceUIDs=1.2.3")
    policy = answer.headers["content-security-policy"]
    assert "init-service-worker" not in answer.text
    assert answer.text.index("/viewer/app-config.js") < answer.text.index("app.bundle.js")
    assert len(re.findall(r"'sha256-", policy)) == 1
    assert "http" not in policy
    assert "connect-src 'self' blob: data:" in policy


def test_its_configuration_is_ours(viewer):
    content = viewer[1].get("/viewer/app-config.js").text
    assert "/dicom-web" in content
    assert "Research use, not a medical device" in content
    assert "http" not in content
    assert viewer[1].get("/sw.js").status_code == 404
    assert viewer[1].get("/app-config.js").status_code == 404


@pytest.mark.parametrize("path", ["..%2fsecret.txt", "%2e%2e/secret.txt", "x/..%2f..%2fsecret.txt"])
def test_no_file_outside_its_folder(viewer, path):
    answer = viewer[1].get(f"/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_built_files_may_be_kept_by_the_browser(viewer):
    answer = viewer[1].get("/app.bundle.0123456789abcdef.js")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")


def test_opening_a_study_is_an_event(viewer):
    site, client = viewer
    key = site.study(1)
    client.get("/viewer/viewer?StudyInstanceUIDs=1.2.3.1")
    site.app.state.wiring.views.write()
    with site.database.read() as session:
        opened = session.query(Event).filter_by(kind="study_viewed").all()
    assert [(e.actor, e.subject, e.data["ways"]) for e in opened] == [
        ("p-radiologist", key, ["viewer"])
    ]


def test_a_viewer_that_is_not_installed_is_said_so(make_site, tmp_path):
    site = make_site(service={"viewer_folder": str(tmp_path / "none")})
    site.account("admin", "Anna", Role.ADMINISTRATOR)
    answer = site.person(Role.RADIOLOGIST).get("/viewer/viewer")
    assert answer.status_code == 503
    assert "make install" in answer.text


def test_a_study_without_a_layout_opens_in_the_viewers_own_way(viewer):
    site, client = viewer
    site.study(1)
    content = client.get("/viewer/app-config.js?StudyInstanceUIDs=1.2.3.1").text
    assert "extensions: []" in content
    assert "granskHanging" not in content


def test_the_page_asks_for_the_hanging_of_its_own_study(viewer):
    client = viewer[1]
    answer = client.get('/viewer/viewer?StudyInstanceUIDs=1.2.3,4.5"><script>')
    assert "/viewer/app-config.js?StudyInstanceUIDs=1.2.3%2C4.5%22%3E%3Cscript%3E" in answer.text
    assert "/viewer/app-config.js?" not in client.get("/viewer/").text
