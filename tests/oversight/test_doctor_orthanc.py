"""The doctor before a real Orthanc, shut and open."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from harness_orthanc import make_config

from gransk.oversight import doctor_orthanc
from gransk.oversight.doctor import Level
from gransk.oversight.doctor_orthanc import CHECKS

pytestmark = pytest.mark.system


def seen(config):
    return {result.seen: result.level for check in CHECKS for result in check(config)}


def test_our_orthanc(orthanc, tmp_path):
    config = make_config(tmp_path)
    orthanc(config)
    results = seen(config)
    assert results.pop("version_flawed", None) in (None, Level.WARN)
    results.pop("version_good", None)
    assert results == {
        "orthanc_up": Level.OK,
        "access_closed": Level.OK,
        "plugins_good": Level.OK,
        "gransk_plugin_good": Level.OK,
        "clock_good": Level.OK,
        "door_guarded": Level.OK,
    }


def test_an_orthanc_that_is_not_as_the_configuration_says(orthanc, tmp_path):
    config = make_config(tmp_path)
    orthanc(config)
    good = config.orthanc
    other = good.model_copy(update={"aet": "OTHER", "dicomweb_root": "/elsewhere"})
    ill = config.model_copy(update={"orthanc": other})
    results = seen(ill)
    assert results["aet_differs"] is Level.WARN
    assert results["dicomweb_missing"] is Level.FAIL
    found = next(one for check in CHECKS for one in check(ill) if one.seen == "aet_differs")
    assert "sæt orthanc.aet til ORTHANC" in found.remedy("da")
    followed = other.model_copy(update={"aet": "ORTHANC", "dicomweb_root": good.dicomweb_root})
    assert not {"aet_differs", "dicomweb_missing"} & set(
        seen(config.model_copy(update={"orthanc": followed}))
    )


def trouble(config, language="da"):
    (result,) = doctor_orthanc.check_orthanc(config)
    return result.seen, result.what(language)


def test_what_keeps_us_out_is_told_in_danish(orthanc, tmp_path):
    config = make_config(tmp_path)
    orthanc(config)
    config.orthanc.password_file.write_text("another")
    assert trouble(config) == (
        "orthanc_refuses",
        f"{config.orthanc.url} afviser vores brugernavn eller adgangskode",
    )
    config.orthanc.password_file.unlink()
    assert trouble(config)[0] == "orthanc_secret"
    assert "kan ikke læses eller er tom" in trouble(config)[1]


@pytest.mark.parametrize(
    ("status", "seen_code"),
    [
        (200, "orthanc_strange"),
        (404, "orthanc_strange"),
        (500, "orthanc_fault"),
        (0, "orthanc_down"),
    ],
)
def test_something_else_in_its_place(tmp_path, status, seen_code):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments):
            pass

    config = make_config(tmp_path)
    config.orthanc.password_file.parent.mkdir(parents=True, exist_ok=True)
    config.orthanc.password_file.write_text("word")
    if not status:
        assert trouble(config) == ("orthanc_down", f"{config.orthanc.url} svarer ikke")
        return
    with HTTPServer(("127.0.0.1", urlsplit(config.orthanc.url).port), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert trouble(config)[0] == seen_code
        finally:
            server.shutdown()
            thread.join()


def test_an_open_orthanc(orthanc, tmp_path):
    config = make_config(tmp_path)
    process = orthanc(
        config,
        extra={
            "RemoteAccessAllowed": True,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomCheckModalityHost": False,
            "Plugins": [],
        },
    )
    results = seen(config)
    assert results["access_open"] is Level.FAIL
    assert results["plugins_missing"] is Level.FAIL
    assert results["gransk_plugin_missing"] is Level.WARN
    assert results["door_open"] is Level.WARN
    with httpx.Client(base_url=config.orthanc.url, trust_env=False) as client:
        assert client.get("/instances").json() == []
    process.stop()
    results = seen(config)
    assert results == {"orthanc_down": Level.FAIL, "door_closed": Level.FAIL}
