"""The doctor before destinations that answer, and that do not."""

import sys
from pathlib import Path

import pytest

from gransk.oversight.doctor import Level
from gransk.oversight.doctor_destinations import check_destinations
from gransk.site.config import Config

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from dicom_peers import NodePeer, Storescp
from free_ports import free_port
from stow_peers import StowPeer


def seen(*destinations, **sections):
    config = Config.model_validate({"destinations": destinations, **sections})
    return [(result.seen, result.level, result.what("en")) for result in check_destinations(config)]


def codes(*destinations):
    return {code: level for code, level, _ in seen(*destinations)}


ORTHANC = {"name": "orthanc", "kind": "orthanc"}
EVERYTHING = ["SR", "SEG", "SC", "CAD", "PR", "PDF", "KO"]


def dicom(port, **values):
    given = {"name": "pacs", "kind": "dicom", "aet": "PACS", "host": "127.0.0.1", "port": port}
    return {**given, "objects": EVERYTHING, "timeout_seconds": 3, **values}


def test_kinds_that_nobody_takes_are_told():
    ((code, level, text),) = seen(ORTHANC)
    assert (code, level) == ("destination_unwanted", Level.OK)
    assert text.endswith("CAD, PR, PDF, KO")
    assert codes({**ORTHANC, "objects": EVERYTHING}) == {}
    assert codes() == {"destinations_none": Level.WARN}


@pytest.mark.system
def test_peers_that_answer_and_that_do_not(tmp_path):
    node, storescp = NodePeer(tmp_path).start(), Storescp(tmp_path).start()
    try:
        for peer in (node, storescp):
            assert codes(dicom(peer.port)) == {"destination_good": Level.OK}
        node.plan(reject="permanent")
        ((_, _, text), *_) = seen(dicom(node.port))
        assert "does it know GRANSK?" in text
        assert node.taken == []
    finally:
        node.kill()
        storescp.kill()
    ((code, level, text),) = seen(dicom(free_port()))
    assert (code, level) == ("destination_silent", Level.WARN)
    assert "Connection refused" in text


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "destination_good"),
        (204, "destination_good"),
        (405, "destination_good"),
        (401, "destination_silent"),
        (403, "destination_silent"),
        (404, "destination_silent"),
        (503, "destination_silent"),
        (302, "destination_silent"),
    ],
)
def test_servers_by_what_they_answer(status, code):
    peer = StowPeer(lambda handler, _: handler.reply(status, []))
    one = {"name": "vna", "kind": "dicomweb", "url": peer.url, "objects": EVERYTHING}
    assert list(codes(one)) == [code]
    assert {method for method, *_ in peer.asked} == {"GET"}
    peer.close()


def test_plain_ways_and_open_files_are_told(tmp_path):
    secret, empty = tmp_path / "secret", tmp_path / "empty"
    secret.write_text("s")
    secret.chmod(0o644)
    empty.touch(mode=0o600)
    far = dicom(free_port(), host="192.0.2.1", timeout_seconds=0.2)
    assert codes(far)["destination_plain"] is Level.WARN
    web = {"name": "vna", "kind": "dicomweb", "url": "http://192.0.2.1:1", "timeout_seconds": 0.2,
           "username": "g", "password_file": str(secret)}  # fmt: skip
    found = codes(web)
    assert (found["destination_plain"], found["secret_open"]) == (Level.WARN, Level.WARN)
    found = codes({**web, "url": "https://127.0.0.1:1", "password_file": str(empty)})
    assert found["destination_file"] is Level.FAIL
    assert "destination_plain" not in found
    tls = {"authority_file": str(tmp_path / "none.pem")}
    ((code, _, text), *_) = seen(dicom(free_port(), tls=tls))
    assert code == "destination_silent"
    assert "none.pem" in text
