"""The doctor before a real Orthanc, shut and open."""

import httpx
import pytest
from harness_orthanc import make_config

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
