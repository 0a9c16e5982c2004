"""What a trainee said beside what was decided, and what became of the woman."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.screening import Verdict
from gransk.reading.outcome_store import outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.reading.trainees import PAGE, Compared, compared, tally
from gransk.web.reading.common import Reader, person_of, studies
from gransk.web.rendering import page
from gransk.web.wiring import wiring

router = APIRouter()


@dataclass(frozen=True)
class Line:
    """A read beside decision and outcome; ``outcome`` is None where nobody knows."""

    read: Compared
    study: SeenStudy | None
    outcome: Outcome | None


@router.get("/reading/compared")
def show_compared(
    request: Request, caller: Reader, number: Annotated[int, Query(ge=1, le=10_000)] = 1
) -> Response:
    """The caller's reads as a trainee, of exams that are decided."""
    person = person_of(caller)
    with wiring(request).database.read() as session:
        found = compared(session, person, offset=(number - 1) * PAGE)
        counted = tally(session, person)
        lines = _lines(session, found)
    pages = max(1, -(-counted.total // PAGE))
    return page(
        request, "reading/compared.html", caller,
        lines=lines, tally=counted, verdicts=tuple(Verdict), number_of=number, pages=pages,
    )  # fmt: skip


def _lines(session: Session, found: Sequence[Compared]) -> list[Line]:
    seen = studies(session, [one.study_key for one in found])
    known = outcomes_of(
        session,
        [(STUDY, study.study_instance_uid) for study in seen.values()]
        + [(ACCESSION, s.accession_number) for s in seen.values() if s.accession_number],
    )
    lines = []
    for one in found:
        study = seen.get(one.study_key)
        outcome = None
        if study is not None:
            outcome = known.get((STUDY, study.study_instance_uid)) or known.get(
                (ACCESSION, study.accession_number)
            )
        lines.append(Line(one, study, outcome))
    return lines
