"""A case beside earlier studies: both sides, the course, and what is advised."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core import reasons
from gransk.core.application import Picture, Presentation
from gransk.core.findings import Findings, Measurement
from gransk.core.followup import Advice, Comparison, FollowUp, Lesion, Outcome, course, course_unit
from gransk.reading.seeing import Looker, hidden, sees_all
from gransk.results import tracks
from gransk.results.blobs import BlobError
from gransk.results.curve import Curve, curve
from gransk.results.spoken import number_text, unit_text
from gransk.results.store import read_follow_up
from gransk.results.tables import Workitem
from gransk.web import worklist
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.seeing import check_sight, looker_of
from gransk.web.views import View, png, view_of
from gransk.web.wiring import Wiring, wiring

log = logging.getLogger(__name__)
router = APIRouter()


@dataclass(frozen=True)
class Side:
    """A picture of a comparison, and where its file is."""

    comparison: str
    view: View


@dataclass(frozen=True)
class Change:
    """What became of one lesion since one earlier study."""

    date: datetime.date
    outcome: Outcome
    numbers: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class Line:
    """One finding over all studies that it was compared with."""

    name: str
    changes: tuple[Change, ...]
    curve: Curve | None
    growth: str
    advice: tuple[Advice, ...]


@dataclass(frozen=True)
class Gone:
    """A lesion of an earlier study that this one does not show."""

    date: datetime.date
    outcome: Outcome
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Compared:
    """An earlier study that was compared; ``study_key`` where it is here to be opened."""

    date: datetime.date
    study_key: str
    refused: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Followed:
    """What a case page tells beside the findings."""

    lines: tuple[Line, ...]
    gone: tuple[Gone, ...]
    compared: tuple[Compared, ...]
    not_compared: tuple[tuple[datetime.date | None, str], ...]
    advice: tuple[Advice, ...]
    first: Advice | None
    first_name: str
    notes: tuple[str, ...]
    unit: str
    text: str


def followed(
    known: Wiring,
    session: Session,
    item: Workitem,
    findings: Findings,
    language: str,
    may_see: bool,
    who: Looker,
) -> Followed | None:
    """What a released report tells beside its findings; None where it tells nothing.

    Nor anything where it compares with an exam that ``who`` may not see.

    Parameters
    ----------
    findings : Findings
        As the report tells them.
    may_see : bool
        Whether the caller may see images.
    """
    told = _told(known, session, item, who)
    if told is None:
        return None
    application = known.applications[item.application]
    presentation = application.presentation
    pictures = _all_pictures(known, session, item, told) if may_see else {}
    lines = tuple(
        _line(told, finding.tracking_uid, finding.tracking_id, presentation, pictures, language)
        for finding in findings.findings
    )
    advice = told.assessment.advice if told.assessment else ()
    return Followed(
        lines=lines,
        gone=tuple(_gone(told, presentation, language)),
        compared=tuple(_compared(session, one, presentation, language) for one in told.comparisons),
        not_compared=tuple(
            (one.study_date, reasons.text(one.reason, language)) for one in told.not_compared
        ),
        advice=tuple(one for one in advice if one.tracking_uid is None),
        first=advice[0] if advice else None,
        first_name=next(
            (
                f.tracking_id
                for f in findings.findings
                if advice and f.tracking_uid == advice[0].tracking_uid
            ),
            "",
        ),
        notes=tuple(
            presentation.text(note, language)
            for note in (told.assessment.notes if told.assessment else ())
        ),
        unit=unit_text(course_unit(told, presentation.course), language).strip(),
        text=told.text.get(language, ""),
    )


@router.get("/studies/{key}/comparisons/{comparison_key}/{index}.png")
def show_side(
    key: str,
    comparison_key: str,
    index: int,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.IMAGES))],
) -> Response:
    """One picture of a comparison that a released report tells."""
    known = wiring(request)
    with known.database.read() as session:
        study = session.get(SeenStudy, key)
        check_sight(known, session, caller, key)
        who = looker_of(known, session, caller)
        items = session.scalars(select(Workitem).where(Workitem.study_key == key)).all()
        if study is None or not any(
            _tells(known, session, study, item, comparison_key, who) for item in items
        ):
            raise HTTPException(404)
        headers = {"etag": f'"{comparison_key}-{index}"', "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        pictures = known.comparison_pictures(session, comparison_key)
    if not 0 <= index < len(pictures):
        raise HTTPException(404)
    return Response(png(pictures[index]), media_type="image/png", headers=headers)


def _tells(
    known: Wiring,
    session: Session,
    study: SeenStudy,
    item: Workitem,
    comparison_key: str,
    who: Looker,
) -> bool:
    """Does the row's released report tell the comparison?"""
    row = worklist.make_row(session, study, item, "en", known.applications, known.lines)
    if row.line is None:
        return False
    told = _told(known, session, item, who)
    return told is not None and any(one.key == comparison_key for one in told.comparisons)


def _told(known: Wiring, session: Session, item: Workitem, who: Looker) -> FollowUp | None:
    try:
        told = read_follow_up(session, known.blobs, str(item.report_key))
    except (BlobError, KeyError, ValueError) as error:
        log.error("what study %s is followed up by cannot be read: %s", item.study_key, error)
        return None
    return None if told is None or _hides_earlier(session, who, told) else told


def _hides_earlier(session: Session, who: Looker, told: FollowUp) -> bool:
    """Does a report compare with an exam that is hidden from the person?"""
    uids = {one.prior_study for one in told.comparisons}
    query = select(SeenStudy.key).where(
        SeenStudy.study_instance_uid.in_(uids), hidden(who, SeenStudy.key)
    )
    return any(not sees_all(session, who, key) for key in session.scalars(query).all())


def _all_pictures(
    known: Wiring, session: Session, item: Workitem, told: FollowUp
) -> dict[tuple[str, str], list[tuple[int, Picture]]]:
    """Numbered pictures by comparison and lesion."""
    names = tracks.tracking(session, str(item.analysis_key))
    found: dict[tuple[str, str], list[tuple[int, Picture]]] = {}
    for comparison in told.comparisons:
        for number, picture in enumerate(known.comparison_pictures(session, comparison.key)):
            uid = names.get(picture.tracking_uid, picture.tracking_uid)
            found.setdefault((comparison.key, uid), []).append((number, picture))
    return found


def _line(
    told: FollowUp,
    uid: str,
    name: str,
    presentation: Presentation,
    pictures: dict[tuple[str, str], list[tuple[int, Picture]]],
    language: str,
) -> Line:
    changes = [
        _change(one, lesion, presentation, pictures.get((one.key, uid), []), language)
        for one in told.comparisons
        if (lesion := one.of(uid)) is not None
    ]
    assessment = told.assessment
    growth = assessment.growth.get(uid, "") if assessment else ""
    return Line(
        name=name,
        changes=tuple(changes),
        curve=curve(course(told, uid, presentation.course)),
        growth=presentation.texts.get(f"growth_{growth}", {}).get(language, growth),
        advice=tuple(
            one for one in (assessment.advice if assessment else ()) if one.tracking_uid == uid
        ),
    )


def _change(
    comparison: Comparison,
    lesion: Lesion,
    presentation: Presentation,
    pictures: Sequence[tuple[int, Picture]],
    language: str,
) -> Change:
    return Change(
        date=comparison.prior_date,
        outcome=lesion.outcome,
        numbers=_numbers(lesion.changes, presentation, language),
        warnings=tuple(
            presentation.text(note, language) for note in (*lesion.withheld, *lesion.notes)
        ),
        sides=tuple(
            Side(comparison.key, view_of(number, picture, language)) for number, picture in pictures
        ),
    )


def _numbers(
    measurements: Sequence[Measurement], presentation: Presentation, language: str
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            presentation.texts.get(one.name, {}).get(language, one.name),
            number_text(one, language),
        )
        for one in measurements
    )


def _gone(told: FollowUp, presentation: Presentation, language: str) -> list[Gone]:
    return [
        Gone(
            date=comparison.prior_date,
            outcome=lesion.outcome,
            numbers=_numbers(
                [m for m in look.measurements if m.name == presentation.course],
                presentation,
                language,
            ),
        )
        for comparison in told.comparisons
        for lesion in comparison.lesions
        if lesion.current_uid is None and (look := lesion.prior) is not None
    ]


def _compared(
    session: Session, comparison: Comparison, presentation: Presentation, language: str
) -> Compared:
    query = select(SeenStudy.key).where(
        SeenStudy.study_instance_uid == comparison.prior_study, SeenStudy.deleted_at.is_(None)
    )
    return Compared(
        date=comparison.prior_date,
        study_key=session.scalars(query).first() or "",
        refused=reasons.text(comparison.refused, language) if comparison.refused else "",
        notes=tuple(presentation.text(note, language) for note in comparison.notes),
    )
