"""Around every request: this machine alone until there is an administrator; safe headers."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gransk.site.people import has_administrator
from gransk.web.access import from_loopback
from gransk.web.texts import text
from gransk.web.wiring import Wiring

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
STATIC = ("/static/",)


class Guard:
    """ASGI middleware; streams pass through it untouched."""

    def __init__(self, app: ASGIApp, wiring: Wiring) -> None:
        self._app = app
        self._wiring = wiring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope["path"], self._secure)
            await send(message)

        if await self._closed(scope):
            said = text("loopback_only", self._wiring.config.language)
            await PlainTextResponse(said, 403)(scope, receive, send_safely)
            return
        await self._app(scope, receive, send_safely)

    @property
    def _secure(self) -> bool:
        return self._wiring.config.service.public_url.startswith("https://")

    async def _closed(self, scope: Scope) -> bool:
        """Until an administrator exists, only this machine is answered."""
        if self._wiring.has_administrator or from_loopback(scope):
            return False
        self._wiring.has_administrator = await run_in_threadpool(self._ask)
        return not self._wiring.has_administrator

    def _ask(self) -> bool:
        with self._wiring.database.read() as session:
            return has_administrator(session)


def _add(headers: MutableHeaders, path: str, secure: bool) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if secure:
        headers.setdefault("strict-transport-security", "max-age=31536000")
    headers.setdefault(
        "cache-control", "no-cache" if path.startswith(STATIC) else "private, no-store"
    )
