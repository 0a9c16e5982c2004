"""The proxy's connection to Orthanc: what it does when Orthanc closes an idle connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fastapi import HTTPException

from gransk.site.config_machine import OrthancSection
from gransk.web.upstream import Upstream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"


class Closing:
    """A server that answers one request a connection, as if its keep-alive had just run out."""

    def __init__(self, answering: int) -> None:
        self.answering = answering
        """Connections that are answered at all; later ones are closed at the first request."""
        self.asked: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers = self.connections <= self.answering
        for answered in (answers, False):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.split(b" ", 1)[0].decode())
            if not answered:
                break
            writer.write(ANSWER)
            await writer.drain()
        writer.close()


def asked_twice(folder: Path, server: Closing, method: str) -> int:
    """Status of the second of two requests."""

    async def run() -> int:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        secret = folder / "secret"
        secret.write_text("word", encoding="utf-8")
        upstream = Upstream(OrthancSection(url=f"http://127.0.0.1:{port}", password_file=secret))
        upstream.open()
        try:
            first = await upstream.send(upstream.client.build_request("GET", "/one"))
            await first.aread()
            body = b"images" if method == "POST" else None
            asked = upstream.client.build_request(method, "/two", content=body)
            second = await upstream.send(asked)
            await second.aread()
            return second.status_code
        finally:
            await upstream.close()
            listening.close()

    return asyncio.run(run())


def test_a_read_goes_out_again_where_orthanc_closed_the_connection(tmp_path):
    server = Closing(answering=2)
    assert asked_twice(tmp_path, server, "GET") == 200
    assert server.asked == ["GET", "GET", "GET"]


def test_a_read_goes_out_again_once_alone(tmp_path):
    server = Closing(answering=1)
    with pytest.raises(HTTPException) as refused:
        asked_twice(tmp_path, server, "GET")
    assert refused.value.status_code == 502
    assert server.asked == ["GET", "GET", "GET"]


def test_what_stores_is_sent_once(tmp_path):
    """Orthanc may have stored it: who sent it decides."""
    server = Closing(answering=2)
    with pytest.raises(HTTPException) as refused:
        asked_twice(tmp_path, server, "POST")
    assert refused.value.status_code == 502
    assert server.asked == ["GET", "POST"]
