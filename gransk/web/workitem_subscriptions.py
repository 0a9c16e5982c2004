"""Who is told of which workitems: subscribe, unsubscribe, suspend (PS3.18 11.10 to 11.12)."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.results.step_acts import tell_state
from gransk.results.step_matching import Key, keys_of, matches, path_of
from gransk.results.step_rules import Attributes, WorkitemError
from gransk.results.steps import Step, StepChannel, StepEvent, StepSubscription
from gransk.site.database import utcnow
from gransk.site.events import take_turn
from gransk.web.access import Caller, allow
from gransk.web.dicomweb import ROOT, own_address
from gransk.web.permissions import Permission
from gransk.web.wiring import wiring
from gransk.web.workitem_http import bring_up
from gransk.web.workitem_views import (
    Composer,
    Viewer,
    everything,
    found,
    reader_of,
    viewer_of,
)

ALL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
"""UPS Global Subscription and UPS Filtered Global Subscription, well-known (PS3.6 Table A-1)."""
AE_LONGEST = 16

router = APIRouter(prefix=f"{ROOT}/workitems")
Using = Annotated[Caller, Depends(allow(Permission.WORKITEMS))]


def channel_of(who: Viewer, aetitle: str) -> str:
    """The channel of a caller and an AE title: nobody opens that of another caller.

    Raises
    ------
    HTTPException
        400 where it is no AE title (PS3.5 Table 6.2-1).
    """
    title = aetitle.strip()
    printable = title.isascii() and title.isprintable() and "\\" not in title
    if not title or len(title) > AE_LONGEST or not printable:
        raise HTTPException(400)
    return f"{who.name}|{title}"


@router.post("/{uid}/subscribers/{aetitle}")
async def subscribe(uid: str, aetitle: str, request: Request, caller: Using) -> Response:
    """Subscribe to a workitem, to all, or to those that match a filter."""
    return await run_in_threadpool(_subscribe, request, caller, uid, aetitle)


def _subscribe(request: Request, caller: Caller, uid: str, aetitle: str) -> Response:
    known, now = wiring(request), utcnow()
    asked = parse_qsl(request.url.query, keep_blank_values=True)
    locked = ("deletionlock", "true") in asked
    try:
        keys = keys_of(asked) if uid == FILTERED else []
        for name, _ in keys:
            path_of(name)
    except WorkitemError as error:
        return _problem(str(error))
    if uid == FILTERED and not keys:
        return _problem("a filtered subscription wants a filter")
    bring_up(known)
    with known.database.begin() as session:
        take_turn(session)
        who = viewer_of(known, session, caller, reader_of(request))
        channel = channel_of(who, aetitle)
        step = None
        if uid not in (ALL, FILTERED):
            step = found(known, session, who, uid)
            if step is None:
                raise HTTPException(404)
        _open(session, channel)
        row = _row(session, channel, uid)
        row.filter, row.locked = [list(one) for one in keys], locked
        row.off, row.suspended_at = False, None
        session.flush()
        if step is not None:
            tell_state(session, step, now, only_for=channel)
        elif locked or uid == FILTERED:
            compose = Composer(known, session, who, own_address(request) + ROOT)
            for one in everything(known, session, who):
                if subscribed(session, channel, one, compose):
                    tell_state(session, one, now, only_for=channel)
    address = own_address(request).replace("http", "ws", 1)
    place = f"{address}{ROOT}/subscribers/{aetitle.strip()}"
    return Response(status_code=201, headers={"content-location": place})


def _problem(text: str) -> Response:
    body = json.dumps({"error": text}, ensure_ascii=False).encode()
    return Response(body, 400, media_type="application/dicom+json")


def _open(session: Session, channel: str) -> None:
    """A channel is told what happens from its first subscription on."""
    if session.get(StepChannel, channel) is None:
        last = session.scalar(select(func.max(StepEvent.number))) or 0
        session.add(StepChannel(name=channel, told=last, service=""))
        session.flush()


def _row(session: Session, channel: str, uid: str) -> StepSubscription:
    query = select(StepSubscription).where(
        StepSubscription.channel == channel, StepSubscription.uid == uid
    )
    row = session.scalars(query).first()
    if row is None:
        row = StepSubscription(
            channel=channel, uid=uid, filter=[], locked=False, off=False, suspended_at=None
        )
        session.add(row)
    return row


@router.delete("/{uid}/subscribers/{aetitle}")
async def unsubscribe(uid: str, aetitle: str, request: Request, caller: Using) -> Response:
    """End a subscription; that to all ends every one of the subscriber's."""
    return await run_in_threadpool(_unsubscribe, request, caller, uid, aetitle)


def _unsubscribe(request: Request, caller: Caller, uid: str, aetitle: str) -> Response:
    known = wiring(request)
    with known.database.begin() as session:
        who = viewer_of(known, session, caller, reader_of(request))
        channel = channel_of(who, aetitle)
        mine = StepSubscription.channel == channel
        if session.scalars(select(StepSubscription).where(mine)).first() is None:
            raise HTTPException(404)
        if uid == ALL:
            session.execute(delete(StepSubscription).where(mine))
        elif uid == FILTERED:
            session.execute(delete(StepSubscription).where(mine, StepSubscription.uid == uid))
        else:
            if found(known, session, who, uid) is None:
                raise HTTPException(404)
            row = _row(session, channel, uid)
            row.off, row.locked = True, False
    return Response(status_code=200)


@router.post("/{uid}/subscribers/{aetitle}/suspend")
async def suspend(uid: str, aetitle: str, request: Request, caller: Using) -> Response:
    """Subscribe to no workitem that comes from now on; what is subscribed to stays."""
    return await run_in_threadpool(_suspend, request, caller, uid, aetitle)


def _suspend(request: Request, caller: Caller, uid: str, aetitle: str) -> Response:
    known = wiring(request)
    if uid not in (ALL, FILTERED):
        raise HTTPException(400)
    with known.database.begin() as session:
        who = viewer_of(known, session, caller, reader_of(request))
        query = select(StepSubscription).where(
            StepSubscription.channel == channel_of(who, aetitle), StepSubscription.uid == uid
        )
        row = session.scalars(query).first()
        if row is None:
            raise HTTPException(404)
        row.suspended_at = row.suspended_at or utcnow()
    return Response(status_code=200)


def subscribed(session: Session, channel: str, step: Step, compose: Composer | None = None) -> bool:
    """Is a channel told of a workitem? What is said of it alone goes before what is said of all.

    Parameters
    ----------
    session : Session
    channel : str
    step : Step
    compose : Composer, optional
        For a filter, which matches what the workitem says; without it what clients gave alone.
    """
    query = select(StepSubscription).where(
        StepSubscription.channel == channel, StepSubscription.uid.in_((step.uid, ALL, FILTERED))
    )
    rows = {row.uid: row for row in session.scalars(query)}
    if step.uid in rows:
        return not rows[step.uid].off
    return any(_covers(row, step, compose) for row in rows.values())


def _covers(row: StepSubscription, step: Step, compose: Composer | None) -> bool:
    if row.suspended_at is not None and step.created_at > row.suspended_at:
        return False
    if row.uid == ALL:
        return True
    whole: Attributes = step.attributes if compose is None else compose(step)
    return matches(whole, [Key(path_of(name), value) for name, value in row.filter])
