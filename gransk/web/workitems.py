"""UPS-RS: the worklist for other systems (PS3.18 section 11), in JSON.

Refusals have the standard's status codes and Warning headers. A workitem that is not for the
caller to see is answered as one that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydicom.uid import generate_uid
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.archive.tables import SeenStudy
from gransk.pipeline.workitems import rerun
from gransk.reading.seeing import hidden
from gransk.reading.steps import analyses
from gransk.results import step_acts
from gransk.results.dicom.common import PRIVATE_SCHEME
from gransk.results.step_acts import PERFORMER_CHANGES, Reported, StepError, Told
from gransk.results.step_matching import chosen, matches, parse
from gransk.results.step_rules import (
    CLASS,
    FINAL,
    INSTANCE,
    STATE,
    TRANSACTION,
    Attributes,
    StepState,
    WorkitemError,
    check_create,
    element,
    items,
    value,
)
from gransk.results.steps import Step, StepChannel, StepKind
from gransk.results.tables import Workitem
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.web.access import Caller, allow
from gransk.web.dicomweb import ROOT
from gransk.web.permissions import Permission
from gransk.web.seeing import BLINDED
from gransk.web.wiring import Wiring, wiring
from gransk.web.workitem_http import (
    address_of,
    answer,
    bring_up,
    check_accept,
    dataset,
    is_uid,
    refusal,
    uid_in,
    wrong,
)
from gransk.web.workitem_subscriptions import subscribed
from gransk.web.workitem_views import (
    INPUT,
    STUDY,
    Composer,
    Viewer,
    everything,
    found,
    reader_of,
    viewer_of,
)

MOST = 1000
"""Workitems of one answer; more are had by ``offset``."""
CREATED_CHANGED = "The Workitem was created with modifications."
MORE = "There are additional results that can be requested."
LITERAL = "The fuzzymatching parameter is not supported. Only literal matching has been performed."

router = APIRouter(prefix=f"{ROOT}/workitems")
Using = Annotated[Caller, Depends(allow(Permission.WORKITEMS))]
Creating = Annotated[Caller, Depends(allow(Permission.WORKITEMS_CREATE))]


# Create


@router.post("")
async def create(request: Request, caller: Creating) -> Response:
    """Create a workitem (11.4)."""
    try:
        given = await dataset(request)
        uid = uid_in(request, "workitem", "affectedsopinstanceuid")
        named = str(value(given, INSTANCE))
        if uid and named and uid != named:
            raise WorkitemError("the query and the dataset name two workitems")
        uid = uid or named or str(generate_uid(prefix=None))
        if not is_uid(uid):
            raise WorkitemError("the workitem's UID is no UID")
        check_create(given)
        return await run_in_threadpool(_create, request, caller, uid, given)
    except WorkitemError as error:
        return wrong(request, error)


def _create(request: Request, caller: Caller, uid: str, given: Attributes) -> Response:
    known, now = wiring(request), utcnow()
    with known.database.begin() as session:
        take_turn(session)
        who = viewer_of(known, session, caller, reader_of(request))
        study = _study_of(session, given)
        _check_study(session, who, study)
        if session.get(Step, uid) is not None:
            return answer(request, 409, {"error": "The Target Workitem already exists."})
        application = _application(known, given)
        kept, changed = _filled(given)
        step = _new(uid, who, given, kept, study, application)
        session.add(step)
        data = {"workitem": uid, "kind": step.kind.value}
        record(session, caller.name, EventKind.STEP_CREATED, step.study_key or "worklist", data)
        step_acts.tell_state(session, step, now)
        step_acts.tell_assigned(session, step, kept, now)
        if step.kind == StepKind.ANALYSIS:
            _begin(session, step, caller.name)
            analyses(session, now, known.entering.keys(session))
    warnings = [CREATED_CHANGED] if changed else []
    location = f"{address_of(request)}/workitems/{uid}"
    return answer(request, 201, None, warnings, location=location, content_location=location)


def _new(
    uid: str,
    who: Viewer,
    given: Attributes,
    kept: Attributes,
    study: SeenStudy | None,
    application: str,
) -> Step:
    now = utcnow()
    asks = bool(application) and study is not None
    return Step(
        uid=uid, kind=StepKind.ANALYSIS if asks else StepKind.OTHER,
        study_key=None if study is None else study.key,
        study_instance_uid=_study_uid(given), application=application if asks else "",
        account="", task=uid, given_at=None, creator=who.name, state=StepState.SCHEDULED,
        transaction_uid=None, performer="", taken_back=False, attributes=kept,
        scheduled_at=now, created_at=now, changed_at=now,
    )  # fmt: skip


def _filled(given: Attributes) -> tuple[Attributes, bool]:
    """The attributes that are kept, and whether they are others than were sent."""
    dropped = {STATE, CLASS, INSTANCE, TRANSACTION, "00404010", "00080005"}
    kept = {tag: one for tag, one in given.items() if tag not in dropped}
    if not value(kept, "00741202"):
        return kept | element("00741202", "Gransk"), True
    return kept, False


def _study_uid(given: Attributes) -> str:
    """The study that a workitem is about: of its input, its request, or of itself."""
    inside = [item for tag in (INPUT, "0040A370") for item in items(given, tag)]
    for part in (*inside, given):
        if value(part, STUDY):
            return str(value(part, STUDY))[:64]
    return ""


def _study_of(session: Session, given: Attributes) -> SeenStudy | None:
    uid = _study_uid(given)
    query = select(SeenStudy).where(
        SeenStudy.study_instance_uid == uid, SeenStudy.deleted_at.is_(None)
    )
    return session.scalars(query).first() if uid else None


def _check_study(session: Session, who: Viewer, study: SeenStudy | None) -> None:
    """Who may be told nothing of a study asks for nothing of it either: 403."""
    if study is None or who.machine:
        return
    key = select(SeenStudy.key).where(SeenStudy.key == study.key, hidden(who.looker, SeenStudy.key))
    if session.scalar(key) is not None:
        raise HTTPException(403, BLINDED)


def _application(known: Wiring, given: Attributes) -> str:
    """The installed application that a workitem asks for; empty where it asks for none."""
    for item in items(given, "00404018"):
        name = str(value(item, "00080100"))
        if value(item, "00080102") == PRIVATE_SCHEME and name in known.applications:
            return name
    return ""


def _begin(session: Session, step: Step, actor: str) -> None:
    """Gransk takes what asks for an analysis, and tries anew what failed before."""
    query = select(Workitem.id).where(
        Workitem.study_key == step.study_key, Workitem.application == step.application
    )
    for item in session.scalars(query).all():
        rerun(session, item, actor)
    step.transaction_uid, step.performer = str(generate_uid(prefix=None)), "gransk"
    step.state = StepState.IN_PROGRESS
    step_acts.tell_state(session, step, utcnow())


# Search and retrieve


@router.get("")
async def search(request: Request, caller: Using) -> Response:
    """Search for workitems (11.9)."""
    check_accept(request)
    return await run_in_threadpool(_search, request, caller)


def _search(request: Request, caller: Caller) -> Response:
    known = wiring(request)
    try:
        asked = parse(parse_qsl(request.url.query, keep_blank_values=True))
    except WorkitemError as error:
        return wrong(request, error)
    bring_up(known)
    with known.database.read() as session:
        who = viewer_of(known, session, caller, reader_of(request))
        compose = Composer(known, session, who, address_of(request))
        narrowed: list[ColumnElement[bool]] = []
        if asked.single(STATE):
            narrowed.append(Step.state == asked.single(STATE))
        limit = MOST if asked.limit is None else min(asked.limit, MOST)
        by_state = all(key.path == (STATE,) or not key.value for key in asked.keys)
        # Only what the database cannot match is put together before it is counted.
        part = (asked.offset, limit + 1) if by_state else None
        steps = everything(known, session, who, *narrowed, part=part)
        compose.prepare(steps)
        whole = [compose(step) for step in steps]
    matching = [one for one in whole if matches(one, asked.keys)]
    rest = matching if by_state else matching[asked.offset :]
    page = rest[:limit]
    warnings = [LITERAL] if asked.fuzzy else []
    if len(rest) > limit:
        warnings.append(MORE)
    return answer(request, 200, [chosen(one, asked) for one in page], warnings)


@router.get("/{uid}")
async def retrieve(uid: str, request: Request, caller: Using) -> Response:
    """Retrieve a workitem (11.5), without its Transaction UID."""
    check_accept(request)
    return await run_in_threadpool(_retrieve, request, caller, uid)


def _retrieve(request: Request, caller: Caller, uid: str) -> Response:
    known = wiring(request)
    bring_up(known)
    with known.database.read() as session:
        who = viewer_of(known, session, caller, reader_of(request))
        step = found(known, session, who, uid)
        if step is None:
            raise HTTPException(404)
        whole = Composer(known, session, who, address_of(request))(step, images=True)
    told = {tag: one for tag, one in sorted(whole.items()) if tag not in (CLASS, INSTANCE)}
    return answer(request, 200, [told])


# Update, claim, end

Act = Callable[[Session, Viewer, Step], Response]


@router.put("/{uid}")
@router.post("/{uid}")
async def update(uid: str, request: Request, caller: Using) -> Response:
    """Change attributes of a workitem (11.6); by PUT too, as some clients send it."""
    try:
        given = await dataset(request)
        transaction = uid_in(request, "transaction-uid", "transaction", "transactionuid")
        if transaction:
            given |= element(TRANSACTION, transaction)
        return await run_in_threadpool(_acted, request, caller, uid, _updating(request, given))
    except WorkitemError as error:
        return wrong(request, error)


def _updating(request: Request, given: Attributes) -> Act:
    def act(session: Session, who: Viewer, step: Step) -> Response:
        ours = step.kind != StepKind.OTHER
        mine = who.name in (step.creator, step.performer)
        if step.state == StepState.SCHEDULED and (ours or not mine):
            raise HTTPException(403)
        if ours and not set(given) <= PERFORMER_CHANGES:
            raise WorkitemError(
                "of a workitem that Gransk made, its performer changes the progress and what was "
                f"performed: {', '.join(sorted(PERFORMER_CHANGES - {TRANSACTION}))}"
            )
        step_acts.change(session, step, given, utcnow())
        data = {"workitem": step.uid, "attributes": sorted(given)}
        subject = step.study_key or "worklist"
        record(session, who.name.partition(":")[2], EventKind.STEP_CHANGED, subject, data)
        return answer(request, 200)

    return act


@router.put("/{uid}/state")
async def change_state(uid: str, request: Request, caller: Using) -> Response:
    """Claim, complete or cancel a workitem (11.7)."""
    try:
        given = await dataset(request)
        return await run_in_threadpool(_acted, request, caller, uid, _changing(request, given))
    except WorkitemError as error:
        return wrong(request, error)


def _changing(request: Request, given: Attributes) -> Act:
    def act(session: Session, who: Viewer, step: Step) -> Response:
        if step.state == StepState.SCHEDULED and not _may_claim(who, step):
            raise HTTPException(403)
        whole = Composer(wiring(request), session, who, address_of(request))(step)
        told = step_acts.change_state(session, step, given, who.name, whole, utcnow())
        return answer(request, 200, None, [told.value] if told else [])

    return act


def _may_claim(who: Viewer, step: Step) -> bool:
    """The room says who reads; who signs needs to be allowed to; the rest is anybody's."""
    if step.kind == StepKind.READ:
        return step.account == who.account
    if step.kind == StepKind.SIGNATURE:
        return who.machine or Permission.SIGN in who.may
    return True


def _acted(request: Request, caller: Caller, uid: str, act: Act) -> Response:
    """Do something to a workitem that the caller may see, alone at it."""
    known = wiring(request)
    bring_up(known)
    try:
        with known.database.begin() as session:
            take_turn(session)
            who = viewer_of(known, session, caller, reader_of(request))
            step = found(known, session, who, uid, lock=True)
            if step is None:
                raise HTTPException(404)
            return act(session, who, step)
    except StepError as error:
        return refusal(request, error)


# Request cancellation


@router.post("/{uid}/cancelrequest")
async def request_cancellation(uid: str, request: Request, caller: Using) -> Response:
    """Ask whoever performs a workitem to cancel it (11.8)."""
    try:
        given = await dataset(request) if await request.body() else {}
        return await run_in_threadpool(_acted, request, caller, uid, _asking(request, given))
    except WorkitemError as error:
        return wrong(request, error)


def _asking(request: Request, given: Attributes) -> Act:
    reasons = {
        tag: given[tag]
        for tag in (step_acts.REASON, step_acts.REASON_CODES, *step_acts.CONTACT)
        if tag in given
    }

    def act(session: Session, who: Viewer, step: Step) -> Response:
        now = utcnow()
        if step.state == StepState.CANCELED:
            return answer(request, 202, None, [Told.IS_CANCELED.value])
        if step.state in FINAL:
            raise StepError(Told.COMPLETED)
        name = who.name.partition(":")[2]
        if step.state == StepState.SCHEDULED:
            if step.kind != StepKind.OTHER or who.name != step.creator:
                raise StepError(Told.KEPT)
            step.attributes = step.attributes | step_acts.cancelled(
                step.attributes, now, _progress_of(reasons)
            )
            step_acts.end(session, step, StepState.CANCELED, now)
        elif step.performer == "gransk":
            raise StepError(Told.KEPT)
        elif not _reached(session, step):
            raise StepError(Told.NOT_REACHED)
        else:
            content = element(step_acts.REQUESTER, name[:16]) | reasons
            step_acts.tell(session, step, Reported.CANCEL_REQUESTED, content, now)
        data = {"workitem": step.uid}
        subject = step.study_key or "worklist"
        record(session, name, EventKind.STEP_CANCEL_REQUESTED, subject, data)
        return answer(request, 202)

    return act


def _progress_of(reasons: Attributes) -> Attributes:
    """Reasons as the progress information has them: contacts stand deeper there."""
    return {tag: one for tag, one in reasons.items() if tag not in step_acts.CONTACT}


def _reached(session: Session, step: Step) -> bool:
    """Does whoever claimed it listen?"""
    mine = StepChannel.name.startswith(f"{step.performer}|", autoescape=True)
    channels = session.scalars(select(StepChannel.name).where(mine)).all()
    return any(subscribed(session, name, step) for name in channels)
