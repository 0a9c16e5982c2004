"""A reader's own figures: of the reader's first opinions, of exams that are decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.orm import Session

from gransk.reading.groups import Dimension
from gransk.reading.indicators.table import Row, table
from gransk.reading.past_keeping import Closed
from gransk.web.access import Caller, allow, person_of
from gransk.web.permissions import Permission
from gransk.web.reading.asking import Asked, asker_of, chosen
from gransk.web.reading.indicator_pages import shown_values
from gransk.web.rendering import page
from gransk.web.wiring import wiring

router = APIRouter()


class OwnAsked(Asked):
    """A period, and by what it is divided."""

    by: Literal["", "quarter", "year"] = ""


@router.get("/reading/own-figures")
def show_own_figures(
    request: Request,
    asked: Annotated[OwnAsked, Query()],
    caller: Annotated[Caller, Depends(allow(Permission.OWN_FIGURES))],
) -> Response:
    """What became of exams that the person read; nobody else's figures, and none undecided."""
    known, name = wiring(request), person_of(caller).name

    def make(_session: Session, closed: list[Closed]) -> tuple[int, list[Row]]:
        past = (one.past for one in chosen(closed, asked))
        own = [exam for exam in past if any(read.reader == name for read in exam.reads)]
        by = [Dimension.READER, *([Dimension(asked.by)] if asked.by else [])]
        return len(own), [_without_name(row) for row in table(own, by) if row.group[0] == name]

    exams, rows = known.figures(asker_of(known, caller), ("own", name, asked), make)
    return page(
        request,
        "reading/own_figures.html",
        caller,
        asked=asked,
        exams=exams,
        **shown_values(request, rows),
    )


def _without_name(row: Row) -> Row:
    return row.model_copy(update={"group": row.group[1:]})
