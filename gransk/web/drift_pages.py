"""Drift and alarms: charts by application and unit, every alarm, and that somebody saw one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.oversight import alarms_text
from gransk.oversight.alarm_tables import Alarm
from gransk.oversight.alarms import ended_alarms, note_seen, open_alarms
from gransk.oversight.drift.tables import DriftChart
from gransk.web import drift_drawing, texts
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading.asking import titles
from gransk.web.rendering import page
from gransk.web.seeing import hides_from
from gransk.web.wiring import Wiring, wiring

Watching = Annotated[Caller, Depends(allow(Permission.MONITORING))]
Word = Annotated[str, Query(max_length=64)]
SHOWN = {
    "named": "drift_shown_named",
    "device": "drift_shown_device",
    "model": "drift_shown_model",
}
"""Texts of what alarms show of images' headers."""
router = APIRouter()


@dataclass(frozen=True)
class ChartShown:
    """A chart or table as the page shows it."""

    title: str
    content: Mapping[str, Any]
    picture: Markup
    words: str


@router.get("/monitoring/drift")
def show_drift(
    request: Request, caller: Watching, application: Word = "", unit: Word = ""
) -> Response:
    """Alarms that last, those that ended, and the charts of one application and unit."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        lasting, ended = open_alarms(session), ended_alarms(session)
        groups = _groups(session)
        chosen = _chosen(groups, application, unit)
        rows = _charts(session, *chosen) if chosen is not None else []
    return page(
        request,
        "drift.html",
        caller,
        lasting=lasting,
        ended=ended,
        groups=groups,
        chosen=chosen,
        units=titles(known.config),
        applications={
            one.id: one.presentation.title[language] for one in known.applications.values()
        },
        charts=[_shown(row, language) for row in rows],
        updated=rows[0].at if rows else None,
        **_words(language),
    )


@router.get("/monitoring/drift/alarms/{ident}")
def show_alarm(ident: str, request: Request, caller: Watching) -> Response:
    """One alarm: what moved, since when, and which studies, as far as the caller may see them."""
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        alarm = _alarm(session, ident)
        studies = _visible(known, session, caller, alarm.studies)
        chart = session.get(DriftChart, alarm.about)
    return page(
        request,
        "alarm.html",
        caller,
        alarm=alarm,
        studies=studies,
        chart=None if chart is None else _shown(chart, language),
        **_words(language),
    )


@router.post("/monitoring/drift/alarms/{ident}/seen")
def see_alarm(ident: str, request: Request, caller: Watching) -> Response:
    """Note that the caller saw an alarm."""
    if caller.account is None:
        raise HTTPException(403)
    with wiring(request).database.begin() as session:
        note_seen(session, _alarm(session, ident), caller.account.name)
    return RedirectResponse(f"/monitoring/drift/alarms/{ident}", 303)


def _alarm(session: Session, ident: str) -> Alarm:
    found = session.get(Alarm, ident)
    if found is None:
        raise HTTPException(404)
    return found


def _visible(known: Wiring, session: Session, caller: Caller, keys: Sequence[str]) -> list[str]:
    """Those of some studies that the caller may see, in their order."""
    hides = hides_from(known, session, caller)
    query = select(SeenStudy.key).where(SeenStudy.key.in_(keys), ~hides(SeenStudy.key))
    seen = set(session.scalars(query))
    return [key for key in keys if key in seen]


def _groups(session: Session) -> list[tuple[str, str]]:
    columns = (DriftChart.application, DriftChart.unit)
    return [
        (row[0], row[1]) for row in session.execute(select(*columns).distinct().order_by(*columns))
    ]


def _chosen(
    groups: Sequence[tuple[str, str]], application: str, unit: str
) -> tuple[str, str] | None:
    if (application, unit) in groups:
        return application, unit
    if application:
        raise HTTPException(404)
    return groups[0] if groups else None


def _charts(session: Session, application: str, unit: str) -> list[DriftChart]:
    query = select(DriftChart).where(DriftChart.application == application, DriftChart.unit == unit)
    return list(session.scalars(query.order_by(DriftChart.place)))


def _shown(row: DriftChart, language: str) -> ChartShown:
    content = row.content
    if content["kind"] == "outcomes":
        title = texts.text("drift_outcomes_of", language, model=content["model"])
        return ChartShown(title, content, Markup(""), "")
    title = alarms_text.fact_name(content["fact"], language)
    if content["statistic"]:
        title += f" · {alarms_text.text('value_' + content['statistic'], language)}"
    if content["device"]:
        title += f" · {content['device']}"
    picture = drift_drawing.drawn(content, title, language)
    words = drift_drawing.described(content, language) if picture else ""
    return ChartShown(title, content, picture, words)


def _words(language: str) -> dict[str, Any]:
    return {
        "alarm_title": lambda a: alarms_text.title_of(a.kind, a.about, a.figures, language),
        "alarm_lines": lambda a: alarms_text.figure_lines(a.figures, language),
        "shown_as": SHOWN,
        "fact_name": lambda fact: alarms_text.fact_name(fact, language),
    }
