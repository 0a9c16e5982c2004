"""STOW-RS servers that misbehave as a test says, and a gate that asks for tokens."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

JSON = "application/dicom+json"


class StowPeer:
    """An HTTP server on a free port; ``behaviour(handler, body)`` answers each request."""

    def __init__(
        self, behaviour: Callable[[Any, bytes], None], context: ssl.SSLContext | None = None
    ) -> None:
        self.behaviour = behaviour
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer.asked.append((self.command, self.path, headers, body))
                peer.behaviour(self, body)

            do_GET = do_DELETE = do_POST

            def log_message(self, *_: object) -> None:
                pass

            def reply(self, status: int, body: Any = b"", **headers: str) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._scheme = "http" if context is None else "https"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/dicom-web"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Gate:
    """Before a STOW-RS server: lets pass who bears a token that its provider says is active."""

    def __init__(self, issuer: str, secret: str, upstream: str, auth: tuple[str, str]) -> None:
        self.seen: list[str] = []
        self._issuer, self._secret, self._upstream, self._auth = issuer, secret, upstream, auth

    def __call__(self, handler: Any, body: bytes) -> None:
        token = handler.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append(token)
        said = httpx.post(
            f"{self._issuer}/token/introspection",
            data={"token": token},
            auth=("gate", self._secret),
            trust_env=False,
        ).json()
        if not said.get("active") or said.get("scope") != "dicom.write":
            handler.reply(401)
            return
        path = handler.path.removeprefix("/dicom-web")
        answer = httpx.request(
            handler.command,
            self._upstream + path,
            content=body,
            headers={"content-type": handler.headers.get("content-type", JSON), "accept": JSON},
            auth=self._auth,
            trust_env=False,
        )
        handler.reply(answer.status_code, answer.content, content_type=JSON)


def told(uid: str, *reasons: int) -> dict[str, Any]:
    """An answer of STOW-RS that an object was not stored (PS3.18 10.5.3)."""
    items = [
        {
            "00081155": {"vr": "UI", "Value": [uid]},
            "00081197": {"vr": "US", "Value": [reason]},
        }
        for reason in reasons
    ]
    return {"00081198": {"vr": "SQ", "Value": items}} if items else {}


def others(*reasons: int) -> dict[str, Any]:
    """The same of a server that cannot tell which object it was (PS3.18 Annex I)."""
    items = [{"00081197": {"vr": "US", "Value": [reason]}} for reason in reasons]
    return {"0008119A": {"vr": "SQ", "Value": items}}
