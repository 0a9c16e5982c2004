"""Indicators of the reading: tables, charts, and both as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from markupsafe import Markup
from pydantic import Field, field_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.reading.groups import UNKNOWN, Dimension
from gransk.reading.indicators import charts, pdf, svg
from gransk.reading.indicators.charts import Chart
from gransk.reading.indicators.counting import DANISH, OF_READERS, Indicator, Kind, Outside
from gransk.reading.indicators.table import Row, as_csv, kept_back, table
from gransk.reading.indicators.texts import text as indicator_text
from gransk.reading.past_keeping import Closed
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Account
from gransk.web import texts
from gransk.web.access import Caller, allow, language_of, person_of
from gransk.web.permissions import Permission
from gransk.web.reading.asking import (
    Asked,
    Count,
    answers_for,
    asker_of,
    check_unit,
    chosen,
    titles,
)
from gransk.web.rendering import page
from gransk.web.wiring import Wiring, wiring

PERIODS = (Dimension.MONTH, Dimension.QUARTER, Dimension.YEAR)
ROUNDS = ("first", "later", UNKNOWN)
DRAWN = (Kind.SHARE, Kind.PER_1000)
MOST_GROUPS = 2

router = APIRouter()
Seeing = Annotated[Caller, Depends(allow(Permission.FIGURES))]


class IndicatorsAsked(Asked):
    """Which indicators, of which exams, and by what they are counted apart.

    Parameters
    ----------
    by : tuple of Dimension
    indicator : Indicator, optional
        The one to be shown and drawn where exams are counted apart; None: all.
    invited_first, invited_later : int, optional
        Women invited in the period, which no exam tells.
    """

    by: Annotated[tuple[Dimension, ...], Field(max_length=MOST_GROUPS)] = ()
    indicator: Indicator | None = Indicator.RECALL
    invited_first: Count = None
    invited_later: Count = None

    @field_validator("by", mode="before")
    @classmethod
    def _given(cls, values: object) -> object:
        """Without what a form leaves empty; nothing twice."""
        if not isinstance(values, list | tuple):
            return values
        return tuple(dict.fromkeys(value for value in values if value != ""))

    @field_validator("indicator", mode="before")
    @classmethod
    def _all(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def outside(self) -> dict[str, Outside]:
        """What exams do not tell, by round."""
        return {
            "first": Outside(invited=self.invited_first),
            "later": Outside(invited=self.invited_later),
        }


Given = Annotated[IndicatorsAsked, Query()]


@dataclass(frozen=True)
class Counted:
    """What is shown: every row, those of the indicator that was asked for, and their charts."""

    exams: int
    rows: list[Row]
    shown: list[Row]
    charts: list[Chart]


@router.get("/reading/indicators")
def show_indicators(request: Request, asked: Given, caller: Seeing) -> Response:
    """Indicators of decided exams, rounds apart, against levels."""
    known, account = wiring(request), person_of(caller)
    counted = _counted(known, caller, asked)
    with known.database.read() as session:
        names = _names(session) if Dimension.READER in asked.by else {}
    language = language_of(request)
    return page(
        request,
        "reading/indicators.html",
        caller,
        asked=asked,
        exams=counted.exams,
        units=titles(known.config),
        dimensions=_dimensions(known, account, asked),
        indicators=_choices(asked),
        address=_address(asked),
        charts=[
            (svg.titled(one, language), Markup(svg.draw(one, language)),  # noqa: S704 - it escapes
             svg.described(one, language))
            for one in counted.charts
        ],
        **shown_values(request, counted.shown, names),
    )  # fmt: skip


@router.get("/reading/indicators.csv")
def export_csv(request: Request, asked: Given, caller: Seeing) -> Response:
    """Every indicator as a file, small counts kept back; who took it is in the event log."""
    counted = _exported(request, caller, asked, "csv")
    return Response(
        as_csv(counted.rows).encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="indicators.csv"'},
    )


@router.get("/reading/indicators.pdf")
def export_pdf(request: Request, asked: Given, caller: Seeing) -> Response:
    """Every indicator with its charts as a document, likewise."""
    known, language = wiring(request), language_of(request)
    counted = _exported(request, caller, asked, "pdf")
    hidden = kept_back(counted.rows)
    left = [row for n, row in enumerate(counted.rows) if n not in hidden]
    heading = pdf.Heading(
        unit=titles(known.config).get(asked.unit, texts.text("figures_every_unit", language)),
        period=_period(asked, language),
        made_on=utcnow().astimezone(known.config.zone),
        language=language,
    )
    drawn = _charts(_of_indicator(left, asked), asked)
    return Response(
        pdf.as_pdf(counted.rows, heading, drawn),
        media_type="application/pdf",
        headers={"content-disposition": 'attachment; filename="indicators.pdf"'},
    )


def shown_values(
    request: Request, rows: Sequence[Row], names: dict[str, str] | None = None
) -> dict[str, Any]:
    """What a template of figures needs: rows by round, and how their parts read."""
    language = language_of(request)
    return {
        "rounds": {
            name: found for name in ROUNDS if (found := [row for row in rows if row.round == name])
        },
        "danish": DANISH,
        "said": lambda section, code: indicator_text(section, code, language),
        "value": partial(_value, language=language),
        "counts": _counts,
        "group": partial(_group, names=names or {}, language=language),
    }


def _exported(request: Request, caller: Caller, asked: IndicatorsAsked, form: str) -> Counted:
    known = wiring(request)
    counted = _counted(known, caller, asked, until_there=True)
    with known.database.begin() as session:
        data = {"what": "indicators", "form": form, "unit": asked.unit,
                "by": [one.value for one in asked.by], "exams": counted.exams}  # fmt: skip
        record(session, caller.name, EventKind.FIGURES_EXPORTED, caller.name, data)
    return counted


def _counted(
    known: Wiring, caller: Caller, asked: IndicatorsAsked, until_there: bool = False
) -> Counted:
    check_unit(known.config, asked.unit)
    of_readers = Dimension.READER in asked.by
    units = _answered_for(known, person_of(caller), asked.unit) if of_readers else ()

    def make(session: Session, every: list[Closed]) -> Counted:
        closed = [one for one in chosen(every, asked) if not of_readers or one.past.unit in units]
        past = [one.past for one in closed]
        if Dimension.DENSITY in asked.by:
            past = known.past.with_density(session, closed)
        rows = table(
            past,
            asked.by,
            levels=known.levels,
            outside=asked.outside,
            background_per_1000=known.config.reading.background_per_1000,
        )
        shown = _of_indicator(rows, asked)
        return Counted(len(past), rows, shown, _charts(shown, asked))

    what = ("indicators", asked, units)
    return known.figures(asker_of(known, caller), what, make, until_there)


def _answered_for(known: Wiring, account: Account, unit: str) -> tuple[str, ...]:
    """Figures of readers are for the responsible radiologist of their unit alone."""
    mine = answers_for(known.config, account)
    if not mine or (unit and unit not in mine):
        raise HTTPException(403, "figures_of_readers")
    return tuple(mine)


def _of_indicator(rows: Sequence[Row], asked: IndicatorsAsked) -> list[Row]:
    """All rows where exams are counted together, or all indicators are asked for."""
    if not asked.by or asked.indicator is None:
        return list(rows)
    return [row for row in rows if row.indicator is _drawn(asked)]


def _drawn(asked: IndicatorsAsked) -> Indicator | None:
    """The indicator that is drawn: of readers' own where those are asked for."""
    own = Dimension.READER in asked.by
    if asked.indicator is None or (asked.indicator in OF_READERS) == own:
        return asked.indicator
    return Indicator.READER_RECALL if own else Indicator.RECALL


def _charts(rows: Sequence[Row], asked: IndicatorsAsked) -> list[Chart]:
    """A trend over periods, a funnel of groups; none of what is no share or rate."""
    if not asked.by or asked.indicator is None or len(asked.by) > 1:
        return []
    draw = charts.trend if asked.by[0] in PERIODS else charts.funnel
    found = []
    for name in ROUNDS:
        members = [row for row in rows if row.round == name and row.kind in DRAWN]
        try:
            found.append(draw(members))
        except InvalidValueError:
            # Nothing with figures to draw; the table says what is lacking.
            continue
    return found


def _dimensions(known: Wiring, account: Account, asked: IndicatorsAsked) -> list[Dimension]:
    mine = answers_for(known.config, account)
    allowed = asked.unit in mine if asked.unit else bool(mine)
    return [one for one in Dimension if allowed or one is not Dimension.READER]


def _choices(asked: IndicatorsAsked) -> list[Indicator]:
    own = Dimension.READER in asked.by
    return [one for one in Indicator if (one in OF_READERS) == own]


def _names(session: Session) -> dict[str, str]:
    return {name: full for name, full in session.execute(select(Account.name, Account.full_name))}


def _address(asked: IndicatorsAsked) -> str:
    """The query of the same figures, for the files."""
    pairs: list[tuple[str, object]] = [("by", one.value) for one in asked.by]
    for name in ("unit", "first", "last", "indicator", "invited_first", "invited_later"):
        value = getattr(asked, name)
        if value not in (None, "") or name == "indicator":
            pairs.append((name, value or ""))
    return urlencode(pairs)


def _period(asked: Asked, language: str) -> str:
    """The period in words."""
    return texts.text(
        "figures_period",
        language,
        first=texts.day(asked.first, language) or "…",
        last=texts.day(asked.last, language) or "…",
    )


def _value(row: Row, language: str) -> str:
    """A figure with its interval."""
    if row.figure is None:
        return ""
    value, low, high = (svg.value_text(row.kind, one, language) for one in row.figure)
    return f"{value} ({low} – {high})"


def _counts(row: Row) -> str:
    return f"{row.cases}" if row.hits is None else f"{row.hits:g} / {row.cases}"


def _group(row: Row, names: dict[str, str], language: str) -> str:
    unknown = texts.text("figures_unknown", language)
    return " · ".join(unknown if one == UNKNOWN else names.get(one, one) for one in row.group)
