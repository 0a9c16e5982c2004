"""On the page of a case: that its patient's identity changed, by whose word; taking that back."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from gransk.archive.correcting import state_of
from gransk.archive.identity import UNDONE, Identities, Who, changes_of
from gransk.archive.identity_tables import CorrectionState
from gransk.archive.tables import SeenStudy
from gransk.web.access import Caller, allow
from gransk.web.case_actions import study_of
from gransk.web.hl7_identity import follow
from gransk.web.identity import Mover
from gransk.web.permissions import Permission
from gransk.web.wiring import wiring

Joiner = Annotated[Caller, Depends(allow(Permission.JOIN))]
router = APIRouter()


@dataclass(frozen=True)
class IdentityShown:
    """One change of a study's identity.

    ``before`` is None for who may not see it; ``number`` that of a statement that may be taken
    back, ``event`` what kind of message said it.
    """

    at: datetime.datetime
    actor: str
    event: str
    fields: Sequence[str]
    before: Who | None
    number: int | None


@dataclass(frozen=True)
class IdentitiesShown:
    """Every change of a study's identity, and where the change of its images is."""

    changes: Sequence[IdentityShown]
    images: str


def identities_shown(session: Session, study: SeenStudy, caller: Caller) -> IdentitiesShown:
    """What a study's page tells of its identity."""
    told = []
    for change, said, stands in changes_of(session, study.key):
        before, after = Who(**change.before), Who(**change.after)
        told.append(
            IdentityShown(
                at=change.at,
                actor=change.actor,
                event="" if said is None or said.event == UNDONE else said.event,
                fields=before.differs(after),
                before=before if Permission.JOIN in caller.may else None,
                number=said.number if said is not None and stands else None,
            )
        )
    state = state_of(session, study)
    wanting = state in (CorrectionState.WAITING, CorrectionState.FAILED)
    return IdentitiesShown(told, str(state.value) if state is not None and wanting else "")


@router.post("/studies/{key}/undo-identity")
def undo(
    key: str, request: Request, caller: Joiner, statement: Annotated[int, Form(ge=1)]
) -> Response:
    """Take back what changed this study's identity, at every study that it changed."""
    known = wiring(request)
    with known.database.begin() as session:
        study = study_of(session, key)
        mine = identities_shown(session, study, caller)
        if statement not in {change.number for change in mine.changes}:
            raise HTTPException(404)
        identities = Identities(known.config.identity, known.config.priors.issuer)
        changed = identities.undo(session, statement, caller.name)
        if changed is None:
            raise HTTPException(409)
        follow(session, identities, changed, Mover(known.config))
    known.nudge()
    return RedirectResponse(f"/studies/{key}/patient", 303)
