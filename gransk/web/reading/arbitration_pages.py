"""The verdict on opinions that differ: a third reader's, or a consensus meeting's."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.reading import desk
from gransk.reading.opinions import Opinion
from gransk.web.access import Caller, language_of
from gransk.web.reading.common import Reader
from gransk.web.reading.exam_pages import say, show
from gransk.web.reading.forms import FormError, OpinionForm
from gransk.web.texts import text

router = APIRouter()


@router.post("/reading/{key}/verdict")
async def record_verdict(key: str, request: Request, caller: Reader) -> Response:
    """Decide where opinions differ; only who opened the arbitration may."""
    form = OpinionForm.read(await request.form())
    return await run_in_threadpool(_decide, request, caller, key, form)


def _decide(request: Request, caller: Caller, key: str, form: OpinionForm) -> Response:
    language = language_of(request)
    try:
        why = form.difference()
    except FormError as error:
        return show(request, caller, key, form, [text(c, language) for c in error.codes], 422)

    def judge(
        session: Session, key: str, person: desk.Person, opinion: Opinion, images: str
    ) -> None:
        met = form.participants if form.met else None
        desk.decide(session, key, person, opinion, why, met, images)

    return say(request, caller, key, form, judge)
