"""Our own archive as a destination: which failures pass."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gransk.archive.orthanc import Orthanc
from gransk.cli.archive import ArchiveCarrier
from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError
from gransk.site.config_machine import OrthancSection


class Answering(BaseHTTPRequestHandler):
    """Answers everything with one status."""

    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[ArchiveCarrier]:
    (tmp_path / "secret").write_text("secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    orthanc = Orthanc(OrthancSection(url=url, password_file=tmp_path / "secret"))
    yield ArchiveCarrier(orthanc)
    orthanc.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RefusedError),
        (401, UnavailableError),
        (403, UnavailableError),
        (500, DoubtedError),
        (503, UnavailableError),
    ],
)
def test_credentials_pass_refusals_do_not_and_a_fault_is_in_doubt(
    carrier: ArchiveCarrier,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(Answering, "status", status)
    for act in (
        lambda: carrier.send("2.25.1", b"DICM"),
        lambda: carrier.remove("2.25.1"),
    ):
        with pytest.raises(error) as raised:
            act()
        assert type(raised.value) is error
