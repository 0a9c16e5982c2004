"""A reader's own figures: of the reader's first opinions, of exams that are decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from gransk.reading.groups import Dimension
from gransk.reading.indicators.table import Row, table
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.reading.asking import Asked, chosen, past_of, person_of
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
    name = person_of(caller).name
    with wiring(request).database.read() as session:
        closed = chosen(past_of(request, session, caller), asked)
    own = [one.past for one in closed if any(read.reader == name for read in one.past.reads)]
    by = [Dimension.READER, *([Dimension(asked.by)] if asked.by else [])]
    rows = [_without_name(row) for row in table(own, by) if row.group[0] == name]
    return page(
        request,
        "reading/own_figures.html",
        caller,
        asked=asked,
        exams=len(own),
        **shown_values(request, rows),
    )


def _without_name(row: Row) -> Row:
    return row.model_copy(update={"group": row.group[1:]})
