"""The follow-up list: the page, its forms, the file, and the REST answer."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.followed import study_date
from gransk.archive.tables import SeenStudy
from gransk.reading import followup
from gransk.reading.followup import WORDS, Filter, FollowUpError, Line, Wish
from gransk.reading.tables import BY_PERSON, Closing, FollowUpRow, FollowUpState
from gransk.results.tables import Workitem
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Account, Event
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission, permissions
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, hides_from
from gransk.web.texts import person_name, text
from gransk.web.wiring import Wiring, wiring

PAGE_SIZE = 200
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula at the start of a cell."""

router = APIRouter()
Reader = Annotated[Caller, Depends(allow(Permission.FOLLOW_UP))]
Words = Annotated[str, Form(max_length=WORDS)]


class Asked(BaseModel):
    """What a person asks of the list."""

    model_config = ConfigDict(frozen=True)

    state: Literal["open", "overdue", "all"] | FollowUpState = "open"
    responsible: Annotated[str, Field(max_length=64)] = ""
    page: Annotated[int, Field(ge=1, le=100_000)] = 1

    @property
    def filter(self) -> Filter:
        return Filter("" if self.state == "all" else str(self.state), self.responsible)


class ListDone(StrEnum):
    """What became of a change: the text that the page then shows."""

    CHANGED = "follow_up_saved"
    OTHER_CHANGE = "follow_up_changed"
    WRONG = "follow_up_wrong"
    NOBODY = "follow_up_nobody"


@dataclass(frozen=True)
class Entry:
    """A line of the list with the study that advises, and what was advised, in words."""

    line: Line
    study: SeenStudy | None
    advice: str
    guideline: str
    application: str
    newer: datetime.date | None = None
    """Date of a newer study of the patient that has brought no report."""

    @property
    def row(self) -> FollowUpRow:
        return self.line.row


@router.get("/follow-up")
def show_list(
    request: Request, asked: Annotated[Asked, Query()], caller: Reader, done: str = ""
) -> Response:
    """Patients by due date, overdue ones first."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        lines = _lines(known, session, asked, caller)
        shown = lines[(asked.page - 1) * PAGE_SIZE : asked.page * PAGE_SIZE]
        entries = _told_of(known, session, shown, language)
        counts = _counts(known, session, caller)
        people = _people(session)
    return page(
        request,
        "follow_up.html",
        caller,
        asked=asked,
        entries=entries,
        pages=max(1, -(-len(lines) // PAGE_SIZE)),
        total=len(lines),
        counts=counts,
        people=people,
        names={account.name: account.full_name for account in people},
        states=[state for state in FollowUpState],
        message=text(done, language) if done in {*ListDone} else "",
        grace_days=known.config.follow_up.grace_days,
        after=known.config.follow_up.after,
    )


@router.get("/follow-up/{row}")
def show_row(row: str, request: Request, caller: Reader, done: str = "") -> Response:
    """One patient's follow-up, the form to change it, and its history."""
    known, language = wiring(request), language_of(request)
    today, grace = _today(known), known.config.follow_up.grace_days
    with known.database.read() as session:
        found = session.get(FollowUpRow, row)
        if found is None:
            raise HTTPException(404)
        check_sight(known, session, caller, found.study_key)
        line = followup.line_of(session, found, today, grace)
        (entry,) = _told_of(known, session, [line], language)
        events = followup.history(session, found)
        people = _people(session)
    return page(
        request,
        "follow_up_row.html",
        caller,
        entry=entry,
        people=people,
        names={account.name: account.full_name for account in people},
        states=_states(found),
        closings=[*BY_PERSON, *({found.closing} - {None, *BY_PERSON})],
        events=events,
        told=_told,
        message=text(done, language) if done in {*ListDone} else "",
    )


@router.post("/follow-up/{row}")
def change(
    row: str,
    request: Request,
    version: Annotated[int, Form()],
    state: Annotated[FollowUpState, Form()],
    caller: Annotated[Caller, Depends(allow(Permission.FOLLOW_UP_CHANGE))],
    closing: Annotated[Closing | Literal[""], Form()] = "",
    responsible: Annotated[str, Form(max_length=64)] = "",
    next_step: Words = "",
    note: Words = "",
    booked_on: Annotated[datetime.date | Literal[""], Form()] = "",
) -> Response:
    """Book, assign, close or open again.

    A reason or a booked day that does not belong to the state chosen is left out of account.
    """
    wish = Wish(
        state=state,
        closing=(closing or None) if state is FollowUpState.CLOSED else None,
        responsible=responsible,
        next_step=next_step.strip(),
        note=note.strip(),
        booked_on=(booked_on or None) if state is FollowUpState.BOOKED else None,
    )
    done = ListDone.CHANGED
    try:
        with wiring(request).database.begin() as session:
            found = session.get(FollowUpRow, row)
            if found is not None:
                check_sight(wiring(request), session, caller, found.study_key)
            followup.change(session, row, version, wish, caller.name)
    except KeyError as error:
        raise HTTPException(404) from error
    except FollowUpError as error:
        done = ListDone(error.code)
    return RedirectResponse(f"/follow-up/{row}?done={done}", 303)


@router.get("/follow-up.csv")
def export(
    request: Request,
    asked: Annotated[Asked, Query()],
    caller: Annotated[Caller, Depends(allow(Permission.FOLLOW_UP_EXPORT))],
) -> Response:
    """The list as a file for a spreadsheet; who took it is in the event log."""
    known, language = wiring(request), language_of(request)
    with known.database.begin() as session:
        entries = _entries(known, session, asked, language, caller)
        data = {"rows": len(entries), "state": str(asked.state)}
        record(session, caller.name, EventKind.FOLLOW_UP_EXPORTED, caller.name, data)
    # A Danish spreadsheet parts columns by semicolons, since a comma is its decimal sign.
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if language == "da" else ",")
    writer.writerow([text(f"follow_up_{name}", language) for name in COLUMNS])
    writer.writerows([_cell(value) for value in _cells(entry, language)] for entry in entries)
    return Response(
        buffer.getvalue().encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="follow-up.csv"'},
    )


@router.get("/api/follow-up")
def list_rows(request: Request, asked: Annotated[Asked, Query()], caller: Reader) -> dict[str, Any]:
    """The list as JSON."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        entries = _entries(known, session, asked, language, caller)
        counts = _counts(known, session, caller)
    return {"counts": counts, "follow_up": [_json(entry) for entry in entries]}


def _today(known: Wiring) -> datetime.date:
    return utcnow().astimezone(known.config.zone).date()


def _lines(known: Wiring, session: Session, asked: Asked, caller: Caller) -> list[Line]:
    grace = known.config.follow_up.grace_days
    hides = hides_from(known, session, caller)
    return followup.lines(session, asked.filter, _today(known), grace, hides)


def _counts(known: Wiring, session: Session, caller: Caller) -> dict[str, int]:
    grace = known.config.follow_up.grace_days
    return followup.counts(session, _today(known), grace, hides_from(known, session, caller))


def _entries(
    known: Wiring, session: Session, asked: Asked, language: str, caller: Caller
) -> list[Entry]:
    return _told_of(known, session, _lines(known, session, asked, caller), language)


def _told_of(known: Wiring, session: Session, lines: Sequence[Line], language: str) -> list[Entry]:
    """Lines with their studies, and what came of the patients since."""
    keys = [line.row.study_key for line in lines]
    studies = {
        study.key: study
        for study in session.scalars(select(SeenStudy).where(SeenStudy.key.in_(keys)))
    }
    ids = {study.patient_id for study in studies.values()} - {""}
    others = session.execute(
        select(SeenStudy, Workitem.application)
        .join(Workitem, Workitem.study_key == SeenStudy.key)
        .where(SeenStudy.patient_id.in_(ids), SeenStudy.deleted_at.is_(None))
    ).all()
    return [
        _entry(known, line, studies.get(line.row.study_key), others, language) for line in lines
    ]


def _newer(line: Line, study: SeenStudy | None, others: Sequence[Any]) -> datetime.date | None:
    """The latest study of the same patient and application after the one that advises."""
    if study is None or line.row.study_date is None:
        return None
    dates = [
        study_date(other)
        for other, application in others
        if application == line.row.application
        and other.key != study.key
        and _patient(other) == _patient(study)
    ]
    after = [date for date in dates if date is not None and date > line.row.study_date]
    return max(after, default=None)


def _patient(study: SeenStudy) -> tuple[str, ...]:
    return (
        study.patient_id,
        study.issuer_of_patient_id,
        study.patient_birth_date,
        study.patient_sex,
    )


def _entry(
    known: Wiring,
    line: Line,
    study: SeenStudy | None,
    others: Sequence[Any],
    language: str,
) -> Entry:
    advice = line.row.advice or {}
    application = known.applications.get(line.row.application)
    return Entry(
        line=line,
        study=study,
        advice=str(advice.get("text", {}).get(language, "")),
        guideline=f"{advice['guideline']} {advice['version']}" if advice else "",
        application=(
            application.presentation.title[language] if application else line.row.application
        ),
        newer=_newer(line, study, others),
    )


def _people(session: Session) -> Sequence[Account]:
    """Who may be responsible: active accounts that may change the list."""
    accounts = session.scalars(select(Account).where(Account.active).order_by(Account.full_name))
    return [
        account for account in accounts if Permission.FOLLOW_UP_CHANGE in permissions(account.roles)
    ]


def _states(row: FollowUpRow) -> list[FollowUpState]:
    """States that a person may choose; *proposed* alone where it is so."""
    return [
        state
        for state in FollowUpState
        if state != FollowUpState.PROPOSED or row.state == FollowUpState.PROPOSED
    ]


def _told(event: Event, language: str) -> str:
    """What an event of a row's history says."""
    data = event.data
    if "overdue_since" in data:
        return text("follow_up_told_overdue", language)
    words = [text(f"follow_up_state_{data['state']}", language)]
    if data.get("closing"):
        words.append(text(f"closing_{data['closing']}", language))
    if data.get("identity"):
        words.append(text("identity_followed", language))
    words += [text(f"follow_up_{name}", language) for name in data.get("fields", ())
              if name not in ("state", "closing")]  # fmt: skip
    return ", ".join(words)


COLUMNS = (
    "patient", "patient_id", "birth_date", "application", "study_date", "advice", "guideline",
    "due_from", "due_to", "state", "closing", "booked_on", "overdue_days", "responsible",
    "next_step", "note",
)  # fmt: skip


def _cells(entry: Entry, language: str) -> list[object]:
    row, study = entry.row, entry.study
    return [
        person_name(study.patient_name) if study else "",
        study.patient_id if study else "",
        study.patient_birth_date if study else "",
        entry.application,
        row.study_date or "",
        entry.advice,
        entry.guideline,
        row.due_from or "",
        row.due_to or "",
        text(f"follow_up_state_{row.state}", language),
        text(f"closing_{row.closing}", language) if row.closing else "",
        row.booked_on or "",
        entry.line.overdue_days or "",
        row.responsible,
        row.next_step,
        row.note,
    ]


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    shown = str(value)
    return f"'{shown}" if shown.startswith(FORMULA) else shown


def _json(entry: Entry) -> dict[str, Any]:
    row, study = entry.row, entry.study
    return {
        "id": row.id,
        "application": row.application,
        "study": row.study_key,
        "patient_name": study.patient_name if study else "",
        "patient_id": study.patient_id if study else "",
        "study_date": row.study_date.isoformat() if row.study_date else None,
        "advice": row.advice,
        "due": [day.isoformat() for day in (row.due_from, row.due_to) if day] or None,
        "signed": row.signed,
        "state": FollowUpState(row.state).value,
        "closing": row.closing,
        "booked_on": row.booked_on.isoformat() if row.booked_on else None,
        "overdue_days": entry.line.overdue_days,
        "report_withdrawn": entry.line.withdrawn,
        "newer_study": entry.newer.isoformat() if entry.newer else None,
        "responsible": row.responsible,
        "next_step": row.next_step,
        "note": row.note,
        "changed_at": row.changed_at.isoformat(),
        "changed_by": row.changed_by,
    }
