"""One exam's history: every entry of its ledger, its states drawn, its seal checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from gransk.reading.entries import Kind, Sealed
from gransk.reading.exam import Exam, State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.history import History, Written, history
from gransk.reading.lists import blind_units
from gransk.reading.machine import BrokenLedgerError
from gransk.reading.sight import Sight, ai_shown
from gransk.site.config import Config
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading import board_rows
from gransk.web.reading.entry_words import OWN, Words
from gransk.web.reading.overseeing import full_names, seen
from gransk.web.reading.state_drawing import drawing
from gransk.web.rendering import page
from gransk.web.wiring import wiring

Overseer = Annotated[Caller, Depends(allow(Permission.BOARD))]
router = APIRouter()


@dataclass(frozen=True)
class Told:
    """An entry in words."""

    written: Written
    who: str
    why: str
    details: tuple[str, ...]
    state: State | None
    """To which it led; None where it stayed."""


@router.get("/reading/board/exams/{key}")
def show_history(
    key: str,
    request: Request,
    caller: Overseer,
    back: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """What happened to an exam, as far as the person may know."""
    known = wiring(request)
    with known.database.read() as session:
        row = session.get(ExamRow, key)
        if row is None:
            raise HTTPException(404)
        shown, exam = _sight(session, caller, row)
        words = Words(language_of(request), full_names(session), known.config.zone)
        ai = exam is not None and ai_shown(exam, caller.name, shown)
        values = _values(session, known.config, caller, row, shown, words, ai)
    titles = {unit.name: unit.title for unit in known.config.reading.units}
    return page(
        request, "reading/exam_history.html", caller, back=back, key=key, names=words.names,
        unit=titles.get(row.unit, row.unit), arrived_at=row.arrived_at, **values,
    )  # fmt: skip


def _sight(session: Session, caller: Caller, row: ExamRow) -> tuple[Sight, Exam | None]:
    """As `sight` says; of a ledger that cannot be read nothing to who reads in the unit."""
    try:
        found = seen(session, caller, row.study_key)
        return found.sight, found.exam
    except (BrokenLedgerError, ValidationError):
        reads = row.unit in blind_units(session, caller.name)
        return Sight.TO_READ if reads else Sight.ALL, None


def _values(
    session: Session,
    config: Config,
    caller: Caller,
    row: ExamRow,
    shown: Sight,
    words: Words,
    ai: bool,
) -> dict[str, Any]:
    line = board_rows.row_of(session, config.reading, caller, row.study_key, config.zone)
    whole = shown is Sight.ALL
    found = history(session, row.study_key) if shown is not Sight.TO_READ else History((), 0)
    entries = found.entries if whole else _own(found, caller.name)
    told = _told(entries, words, whole, ai)
    return {
        "shown": shown,
        "row": line,
        "told": told,
        "state": State(row.state) if whole else None,
        "found": found if whole else None,
        "drawn": drawing(found.path) if whole else None,
        "path": found.path if whole else [],
    }


def _own(found: History, account: str) -> tuple[Written, ...]:
    """The person's own read of the images as they are."""
    last = max((one.round for one in found.entries), default=0)
    return tuple(
        one
        for one in found.entries
        if one.row.kind in OWN and (one.round, one.row.actor) == (last, account)
    )


def _told(entries: tuple[Written, ...], words: Words, whole: bool, ai: bool) -> list[Told]:
    told = []
    last = max((one.round for one in entries), default=0)
    before: State | None = None
    for one in entries:
        entry = one.entry
        changed = one.state if whole and one.state is not before else None
        before = one.state
        told.append(
            Told(
                one,
                words.who(one.row.actor),
                "" if entry is None else words.reason(entry),
                _details(one, words, ai and one.round == last),
                changed,
            )
        )
    return told


def _details(one: Written, words: Words, ai: bool) -> tuple[str, ...]:
    """What an entry holds; of the AI's opinion its seal alone where nobody is shown it."""
    if one.entry is None:
        return ()
    content = one.entry.content
    if isinstance(content, Sealed) and (not ai or one.entry.kind is Kind.LATE_AI):
        return (words.t("history_ai_kept"), words.t("entry_seal", seal=content.seal))
    return tuple(words.details(one.entry))
