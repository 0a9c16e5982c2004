"""The page of an exam: images one key away, and a form that the keyboard alone fills fast.

What of the exam is shown is said by `gransk.reading.desk` and `sight` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gransk.core.screening import FindingType, TechnicalReason, Verdict
from gransk.reading import acts, desk
from gransk.reading.acts import meets
from gransk.reading.desk import Desk
from gransk.reading.entries import TaskKind
from gransk.reading.exam import State
from gransk.reading.opinions import DifferenceReason, Opinion
from gransk.reading.readers import qualifications
from gransk.reading.refusals import TEXTS, LedgerError, Refusal
from gransk.reading.sight import Sight, ai_shown
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading.common import (
    Onlooker,
    Reader,
    desk_of,
    earlier,
    names,
    person_of,
    refusal_text,
    studies,
)
from gransk.web.reading.drafts import draft_key
from gransk.web.reading.forms import ROWS, VIEWS, WHOLE, FormError, OpinionForm
from gransk.web.reading.list_pages import go_on
from gransk.web.reading.told import ai_says, own_said, people_said
from gransk.web.rendering import page
from gransk.web.texts import text
from gransk.web.views import png
from gransk.web.wiring import Wiring, wiring

router = APIRouter()

READS = (TaskKind.FIRST, TaskKind.TRAINEE)


@dataclass(frozen=True)
class Choices:
    """What the form offers, each a value and its words."""

    verdicts: Sequence[tuple[str, str, str]]
    """With the key that chooses it."""
    sides: Sequence[tuple[str, str]]
    views: Sequence[tuple[str, str]]
    types: Sequence[tuple[str, str]]
    levels: Sequence[tuple[str, str]]
    repeats: Sequence[tuple[str, str]]
    reasons: Sequence[tuple[str, str]]
    differences: Sequence[tuple[str, str]]


def choices(known: Wiring, language: str) -> Choices:
    """The form's words in a language."""

    def words(prefix: str, values: Sequence[str]) -> list[tuple[str, str]]:
        return [(value, text(f"reading_{prefix}_{value}", language)) for value in values]

    levels = known.config.reading.suspicion
    return Choices(
        verdicts=[
            (value, said, text(f"reading_key_{value}", language))
            for value, said in words("verdict", list(Verdict))
        ],
        sides=words("breast", ["R", "L"]),
        views=words("view", ["CC", "MLO", WHOLE]),
        types=words("type", list(FindingType)),
        levels=[(str(one.value), one.da if language == "da" else one.en) for one in levels],
        repeats=[(name, name) for name in VIEWS],
        reasons=words("reason", list(TechnicalReason)),
        differences=words("why", list(DifferenceReason)),
    )


@router.get("/reading/{key}")
def show_exam(key: str, request: Request, caller: Onlooker, saved: str = "") -> Response:
    """The exam as far as the caller may know of it: to read, to arbitrate, or to look at."""
    return show(request, caller, key, saved=saved)


@router.get("/reading/{key}/correct")
def show_correction(key: str, request: Request, caller: Reader) -> Response:
    """The caller's own read, to be changed."""
    with wiring(request).database.read() as session:
        found = desk_of(session, key, person_of(caller))
    if found.own is None or not found.correctable:
        return show(request, caller, key)
    form = OpinionForm.of(found.own.opinion, found.exam.images)
    return show(request, caller, key, form, correcting=True)


def show(
    request: Request,
    caller: Caller,
    key: str,
    form: OpinionForm | None = None,
    errors: Sequence[str] = (),
    status: int = 200,
    saved: str = "",
    correcting: bool = False,
) -> Response:
    """The page that fits; with a form as it was typed, and what is wrong with it."""
    known, language = wiring(request), language_of(request)
    person = person_of(caller)
    with known.database.read() as session:
        found = desk_of(session, key, person)
        template = "form" if form is not None else _template(found, caller)
        if template is None:
            raise HTTPException(403, "reading_not_yours")
        values = _values(known, session, found, caller, language)
        if saved not in {read for read, _ in desk.recent(session, person.account)}:
            saved = ""
        seen = studies(session, [key, saved])
        if template == "form" and form is None:
            form = OpinionForm(images=found.exam.images)
    mode, draft = _mode(found, correcting), ""
    if form is not None:
        secret = known.config.service.nudge_secret()
        draft = draft_key(secret, caller.name, key, mode, form.images)
    return page(
        request, f"reading/{template}.html", caller, status,
        **values, study=seen.get(key), saved=saved,
        saved_study=seen.get(saved), form=form, errors=errors, choices=choices(known, language),
        rows=ROWS, stale=form is not None and form.stale, correcting=correcting,
        mode=mode, draft=draft, images=Permission.IMAGES in caller.may,
    )  # fmt: skip


def _template(found: Desk, caller: Caller) -> str | None:
    """Which page shows the exam; None where there is nothing to see."""
    if found.unopened:
        return "closed" if Permission.READING in caller.may else None
    if found.task is not None:
        return "form"
    return {Sight.ALL: "told", Sight.OWN: "own", Sight.TO_READ: None}[found.sight]


def _mode(found: Desk, correcting: bool) -> str:
    """What the form is for: a key of the texts, and the last part of its address."""
    if found.task is TaskKind.ARBITRATION:
        return "verdict"
    if found.task is TaskKind.SAFETY:
        return "safety"
    return "correct" if correcting or found.own is not None else "read"


def _values(
    known: Wiring, session: Session, found: Desk, caller: Caller, language: str
) -> dict[str, Any]:
    exam = found.exam
    arbitrates = found.task is TaskKind.ARBITRATION
    people = qualifications(session, exam.unit) if arbitrates else {}
    told = people_said(session, found)
    decided = exam.state is State.DECIDED and found.sight is Sight.ALL
    units = {unit.name: unit.title for unit in known.config.reading.units}
    return {
        "key": found.study_key,
        "unit": units.get(exam.unit, exam.unit),
        "earlier": earlier(session, found, person_of(caller), language),
        "desk": found,
        "own": own_said(session, found),
        "said": told,
        "ai": ai_says(known, session, found, language, Permission.IMAGES in caller.may),
        "difference": exam.difference if found.sight is Sight.ALL else None,
        "outcome": exam.outcome if decided else None,
        "decided_at": exam.decided_at if decided else None,
        "conclusion": exam.conclusion if decided else None,
        "meets": arbitrates and meets(exam.plan),
        "people": sorted(names(session, people).items(), key=lambda one: one[1]),
        "taker": names(session, [exam.taker])[exam.taker] if decided and exam.taker else "",
        "level": {str(one.value): one.da if language == "da" else one.en
                  for one in known.config.reading.suspicion},
    }  # fmt: skip


@router.get("/reading/{key}/pictures/{index}.png")
def show_picture(
    key: str,
    index: int,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.IMAGES))],
) -> Response:
    """A picture of the analysis, to whom the AI's opinion is shown."""
    known = wiring(request)
    with known.database.read() as session:
        found = desk_of(session, key, person_of(caller))
        sealed = found.exam.ai
        shown = ai_shown(found.exam, found.account, found.sight)
        if sealed is None or not shown or not sealed.opinion.analysis_key:
            raise HTTPException(404)
        pictures = known.pictures(session, sealed.opinion.analysis_key)
    if not 0 <= index < len(pictures):
        raise HTTPException(404)
    return Response(png(pictures[index]), media_type="image/png")


Say = Callable[[Session, str, desk.Person, Opinion, str], None]


@router.post("/reading/{key}/read")
async def record_read(key: str, request: Request, caller: Reader) -> Response:
    """Record the caller's opinion, and open the next exam."""
    form = OpinionForm.read(await request.form())
    return await run_in_threadpool(say, request, caller, key, form, desk.read)


@router.post("/reading/{key}/correct")
async def record_correction(key: str, request: Request, caller: Reader) -> Response:
    """Change the caller's own read, where that tells nothing of others."""
    form = OpinionForm.read(await request.form())
    return await run_in_threadpool(say, request, caller, key, form, desk.correct)


@router.post("/reading/{key}/safety")
async def record_safety(key: str, request: Request, caller: Reader) -> Response:
    """Keep to normal, or change to recall, after the AI's opinion was shown."""
    form = OpinionForm.read(await request.form())
    return await run_in_threadpool(say, request, caller, key, form, _look_again)


def _look_again(
    session: Session, key: str, person: desk.Person, opinion: Opinion, images: str
) -> None:
    actor = person.actor(TaskKind.SAFETY)
    if opinion.verdict is Verdict.NORMAL:
        acts.keep(session, key, actor)
    else:
        acts.change(session, key, actor, opinion, images)


def say(request: Request, caller: Caller, key: str, form: OpinionForm, what: Say) -> Response:
    """Record what a form says and go on; or show the form again, with all that was typed."""
    known, language = wiring(request), language_of(request)
    try:
        opinion = form.opinion([one.value for one in known.config.reading.suspicion])
    except FormError as error:
        wrong = [text(code, language) for code in error.codes]
        return show(request, caller, key, form, wrong, 422, correcting=what is desk.correct)
    try:
        with known.database.begin() as session:
            what(session, key, person_of(caller), opinion, form.images)
    except LedgerError as error:
        return again(request, caller, key, form, error, correcting=what is desk.correct)
    return go_on(request, caller, key)


def again(
    request: Request,
    caller: Caller,
    key: str,
    form: OpinionForm,
    error: LedgerError,
    correcting: bool = False,
) -> Response:
    """The form as it was typed and why it was refused.

    Where new images came and the exam is the person's again, it is opened on them, and saving
    wants a word that they were seen.
    """
    if error.code is Refusal.NO_EXAM:
        raise HTTPException(404) from error
    language = language_of(request)
    told = [refusal_text(error, language)]
    if error.code is Refusal.OTHER_IMAGES:
        told = [TEXTS[Refusal.OTHER_IMAGES][language]]
        images = _opened_anew(request, caller, key)
        if images is None:
            told = [text("reading_images_wait", language)]
        else:
            told = [text("reading_images_new", language)]
            form = replace(form, images=images, stale=True, seen_new=False)
    return show(request, caller, key, form, told, 409, correcting=correcting)


def _opened_anew(request: Request, caller: Caller, key: str) -> str | None:
    """Digest of the new images where the exam is the person's to read; None where it is not."""
    person = person_of(caller)
    with wiring(request).database.begin() as session:
        found = desk_of(session, key, person)
        if found.unopened and found.exam.holds(person.account, TaskKind.ARBITRATION):
            return None
        if found.unopened:
            found = desk.open_exam(session, key, person)
        return found.exam.images if found.task in READS else None
