"""Orthanc's configuration: what is written, and that its doors are closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from harness_orthanc import OrthancProcess, make_config, store_scu
from tiny import TinyStudy

from gransk.archive.orthanc_config import TEMPLATE, check_template, read_template, render
from gransk.core.errors import ConfigurationError


def test_written_for_us_alone(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    path = render(config, tmp_path / "orthanc")
    values = json.loads(path.read_text())
    assert values["RemoteAccessAllowed"] is False
    assert values["AuthenticationEnabled"] is True
    assert values["DicomAlwaysAllowStore"] is False
    assert values["OverwriteInstances"] is True
    assert values["DicomModalities"]["gransk"]["Host"] == "127.0.0.1"
    for secret in (path, config.orthanc.password_file, config.service.nudge_secret_file):
        assert secret.stat().st_mode & 0o077 == 0
    before = config.orthanc.password()
    render(config, tmp_path / "orthanc")
    assert config.orthanc.password() == before


def test_shipped_template_is_closed() -> None:
    assert check_template(read_template(TEMPLATE)) == []


def test_open_doors_are_named() -> None:
    said = check_template({"DicomAlwaysAllowFind": True})
    assert [line.split(" ")[0] for line in said] == [
        "DicomAlwaysAllowStore",
        "DicomAlwaysAllowFind",
        "DicomCheckModalityHost",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"HttpPort": 1}', "HttpPort: set by Gransk"),
        ('{"Name": }', "line 1, column 10"),
        ("[]", "wants an object"),
        ('{\n// "x"\n"a": /* b */ "//c", !}', "line 3"),
    ],
)
def test_faults_are_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        render(make_config(tmp_path), tmp_path / "orthanc", path)


def test_comments_and_strings(tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text('{ // one\n "url": "http://x", /* two\n */ "quote": "\\"//" }')
    assert read_template(path) == {"url": "http://x", "quote": '"//'}


@pytest.mark.system
def test_doors_are_closed(shared_orthanc: OrthancProcess, tmp_path: Path) -> None:
    file = tmp_path / "1.dcm"
    file.write_bytes(TinyStudy().image(1))
    config = shared_orthanc.config
    assert store_scu(config, [file], aet="STRANGER") != [0]
    assert store_scu(config, [file]) == [0]
    for path in ("/system", "/changes", "/gransk/archive", "/dicom-web/studies", "/wado"):
        assert requests.get(config.orthanc.url + path, timeout=10).status_code == 401
    auth = (config.orthanc.username, "wrong")
    assert requests.get(config.orthanc.url + "/system", auth=auth, timeout=10).status_code == 401
