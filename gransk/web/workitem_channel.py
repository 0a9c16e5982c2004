"""The notification connection: event reports by WebSocket (PS3.18 8.10.4 and 8.10.5, RFC 6455).

Events are rows, written with what happened; each connection reads on from where its subscriber
was told last. So a restart or a broken connection loses none, and several processes may serve.
Whether an event may be told is asked when it is sent, as for any other answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, WebSocket, WebSocketDisconnect
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketState

from gransk.results.step_rules import Attributes, element
from gransk.results.steps import Step, StepChannel, StepEvent
from gransk.site.people import has_administrator
from gransk.web.access import SESSION_COOKIE, Caller, from_loopback, identify
from gransk.web.dicomweb import ROOT
from gransk.web.permissions import Permission
from gransk.web.wiring import Wiring
from gransk.web.workitem_subscriptions import ALL, channel_of, subscribed
from gransk.web.workitem_views import READER_HEADER, UPS_PUSH, Composer, found, viewer_of

PERMISSION = Permission.WORKITEMS
SECONDS = 1.0
"""Between two looks for events."""
AT_ONCE = 200
SERVICE = uuid.uuid4().hex
"""This run of the service."""
SCP_STATUS = 4
N_EVENT_REPORT = 0x0100
POLICY_VIOLATION = 1008
GOING_AWAY = 1001

router = APIRouter()


@router.websocket(f"{ROOT}/subscribers/{{aetitle}}")
async def notify(socket: WebSocket, aetitle: str) -> None:
    """Open the channel of an AE title, and send what its subscriptions ask for."""
    known: Wiring = socket.app.state.wiring
    if not await run_in_threadpool(_lets_in, known, socket, aetitle):
        await socket.close(POLICY_VIOLATION)
        return
    await socket.accept()
    gone = asyncio.create_task(_until_gone(socket))
    number = 0
    try:
        while not gone.done():
            told = await run_in_threadpool(_next, known, socket, aetitle)
            if told is None:
                await socket.close(POLICY_VIOLATION)
                return
            last, reports = told
            for report in reports:
                number = number % 0xFFFF + 1
                await socket.send_text(json.dumps(report | element("00000110", number)))
            if last is not None:
                await run_in_threadpool(_keep, known, *last)
            await asyncio.wait({gone}, timeout=0 if len(reports) == AT_ONCE else SECONDS)
    except WebSocketDisconnect:
        pass
    finally:
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        if socket.application_state is WebSocketState.CONNECTED and not gone.done():
            await socket.close(GOING_AWAY)


async def _until_gone(socket: WebSocket) -> None:
    """Whatever a subscriber says is not listened to; only that it leaves."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return


def _caller(known: Wiring, connection: HTTPConnection) -> Caller:
    return identify(
        known,
        connection.cookies.get(SESSION_COOKIE, ""),
        connection.headers.get("authorization", ""),
        active=False,
    )


def _lets_in(known: Wiring, socket: WebSocket, aetitle: str) -> bool:
    """As the other doors: this machine alone before there is an administrator; no other site."""
    with known.database.read() as session:
        if not has_administrator(session) and not from_loopback(socket.scope):
            return False
    origin = socket.headers.get("origin")
    caller = _caller(known, socket)
    if origin and caller.session is not None:
        host = urlsplit(origin).netloc
        ours = (socket.headers.get("host"), urlsplit(known.config.service.public_url).netloc)
        if host not in ours:
            return False
    return _channel(known, socket, aetitle) is not None


def _channel(known: Wiring, socket: WebSocket, aetitle: str) -> str | None:
    """The channel, while who opened it may still call."""
    caller = _caller(known, socket)
    if PERMISSION not in caller.may:
        return None
    try:
        with known.database.read() as session:
            who = viewer_of(known, session, caller, socket.headers.get(READER_HEADER, ""))
            return channel_of(who, aetitle)
    except HTTPException:
        return None


Last = tuple[str, int]


def _next(
    known: Wiring, socket: WebSocket, aetitle: str
) -> tuple[Last | None, list[Attributes]] | None:
    """What is to be told now, and how far that goes; None where the caller may call no more."""
    channel = _channel(known, socket, aetitle)
    if channel is None:
        return None
    caller = _caller(known, socket)
    with known.database.read() as session:
        row = session.get(StepChannel, channel)
        if row is None:
            return None, []
        reports = [] if row.service in ("", SERVICE) else [_restarted()]
        query = select(StepEvent).where(
            StepEvent.number > row.told, StepEvent.only_for.in_(("", channel))
        )
        events = session.scalars(query.order_by(StepEvent.number).limit(AT_ONCE)).all()
        who = viewer_of(known, session, caller, socket.headers.get(READER_HEADER, ""))
        compose = Composer(known, session, who, known.config.service.public_url + ROOT)
        for event in events:
            step = found(known, session, who, event.uid)
            if step is not None and _wanted(session, channel, event, step, compose):
                reports.append(_report(event.uid, event.kind, event.content))
        last = events[-1].number if events else row.told
        if last == row.told and row.service == SERVICE:
            return None, reports
        return (channel, last), reports


def _wanted(
    session: Session, channel: str, event: StepEvent, step: Step, compose: Composer
) -> bool:
    return event.only_for == channel or subscribed(session, channel, step, compose)


def _report(uid: str, kind: int, content: Attributes) -> Attributes:
    """An event report: what PS3.7 Table 10.3-1 and PS3.4 Table CC.2.4-1 ask."""
    return (
        element("00000002", UPS_PUSH)
        | element("00000100", N_EVENT_REPORT)
        | element("00000800", 0)
        | element("00001000", uid)
        | element("00001002", kind)
        | content
    )


def _restarted() -> Attributes:
    """SCP Status Change: subscriptions and workitems are as they were."""
    content = (
        element("00741242", "RESTARTED")
        | element("00741244", "WARM START")
        | element("00741246", "WARM START")
    )
    return _report(ALL, SCP_STATUS, content)


def _keep(known: Wiring, channel: str, last: int) -> None:
    with known.database.begin() as session:
        row = session.get(StepChannel, channel, with_for_update=True)
        if row is not None:
            row.told, row.service = max(row.told, last), SERVICE
