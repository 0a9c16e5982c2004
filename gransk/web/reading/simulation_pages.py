"""The simulator: what another policy, or another limit, would have done with a unit's own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator, Field, ValidationError
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.reading import rooms
from gransk.reading.past import PastExam
from gransk.reading.past_keeping import Closed
from gransk.reading.plan import Differing, PolicyKind
from gransk.reading.policy import LIMITS, Limit, Policy, Room
from gransk.reading.room_words import policy_words
from gransk.reading.simulation.figures import Simulation
from gransk.web import texts
from gransk.web.access import Caller, allow, language_of
from gransk.web.permissions import Permission
from gransk.web.reading import simulating
from gransk.web.reading.asking import Asked, asker_of, check_unit, countable, titles, today
from gransk.web.reading.policy_form import CHOICES
from gransk.web.reading.policy_pages import round_name
from gransk.web.reading.simulating import Past, in_force_at
from gransk.web.rendering import page
from gransk.web.wiring import wiring

router = APIRouter()


def _score(value: object) -> object:
    """A limit of a form: nothing, a score, or by category."""
    if value == "":
        return None
    return int(value) if isinstance(value, str) and value.isdecimal() else value


OneLimit = Annotated[Limit | None, BeforeValidator(_score)]


class SimulationAsked(Asked):
    """A policy, on which exams, with whose scores.

    Parameters
    ----------
    model : str
        Empty: of the latest exams.
    kind : PolicyKind, optional
        None: nothing is simulated yet.
    recall_from, double_from, marks_from : Limit, optional
    differing : Differing
    """

    model: Annotated[str, Field(max_length=128)] = ""
    kind: PolicyKind | None = None
    recall_from: OneLimit = None
    double_from: OneLimit = None
    marks_from: OneLimit = None
    differing: Differing = Differing.VERDICT

    def policy(self) -> Policy:
        """The policy that is asked for.

        Raises
        ------
        ValidationError
            Where a limit is missing, or the kind has none such.
        """
        limits = {name: getattr(self, name) for name in LIMITS}
        values = {name: limit for name, limit in limits.items() if limit is not None}
        return Policy.model_validate(
            {"name": "tried", "kind": self.kind, "differing": self.differing} | values
        )


@dataclass(frozen=True)
class Tried:
    """What was simulated: the policy in force where it is another, and the one asked for.

    Parameters
    ----------
    models : list of str
        Of the unit, the one of the latest exam first.
    past : Past
    current : Policy, optional
        In force at the unit.
    made : sequence of Simulation
    error : str
        Key of the text that says what is wrong; else empty.
    """

    models: list[str]
    past: Past
    current: Policy | None
    made: Sequence[Simulation]
    error: str


@router.get("/reading/simulation")
def show_simulation(
    request: Request,
    asked: Annotated[SimulationAsked, Query()],
    caller: Annotated[Caller, Depends(allow(Permission.FIGURES))],
) -> Response:
    """A policy beside what was done and beside the policy in force."""
    known, language = wiring(request), language_of(request)
    units = known.config.reading.names
    check_unit(known.config, asked.unit)
    unit = asked.unit or (units[0] if units else "")

    def make(session: Session, closed: list[Closed]) -> Tried:
        past = [one for one in countable(closed) if asked.holds(one.date)]
        return _tried(asked, past, unit, rooms.in_force(session, today(known)))

    tried = known.figures(asker_of(known, caller), ("simulation", unit, asked), make)
    made, error = tried.made, tried.error
    return page(
        request,
        "reading/simulation.html",
        caller,
        # A page that waited for its figures takes no refusal in.
        200 if not error or request.headers.get("hx-request") else 422,
        asked=asked.model_copy(update={"unit": unit, "model": tried.past.model}),
        units=titles(known.config),
        models=tried.models,
        choices=CHOICES,
        past=tried.past,
        error=texts.text(error, language) if error else "",
        current=None if tried.current is None else policy_words(tried.current, language),
        shown=simulating.shown(made, language) if made else [],
        both=len(made) > 1,
        assumed=simulating.assumptions(made[-1]) if made else {},
        draft=_draft_address(asked),
        round_name=partial(round_name, language=language),
    )


def _tried(asked: SimulationAsked, past: list[PastExam], unit: str, room: Room | None) -> Tried:
    models = simulating.models_of(past, unit)
    model = asked.model if asked.model in models else (models[0] if models else "")
    ours = simulating.past_of_model(past, unit, model)
    current = in_force_at(room, unit)
    made, error = _simulated(asked, ours, current, room)
    return Tried(models, ours, current, made, error)


def _simulated(
    asked: SimulationAsked, past: Past, current: Policy | None, room: Room | None
) -> tuple[Sequence[Simulation], str]:
    """The policy in force, where it is another one, and the one asked for; or what is wrong."""
    if asked.kind is None:
        return (), ""
    if not past.model:
        return (), "policy_no_simulation_no_scores"
    try:
        wanted = asked.policy()
    except ValidationError:
        return (), "simulation_limits_wrong"
    months = 24.0 if room is None else simulating.months(room)
    same = current is not None and _what(current) == _what(wanted)
    policies = [wanted] if current is None or same else [current, wanted]
    try:
        return [simulating.simulated_by(one, past, months) for one in policies], ""
    except InvalidValueError:
        return (), "policy_no_simulation_no_exams"


def _what(policy: Policy) -> object:
    return policy.kind, policy.limits, policy.differing


def _draft_address(asked: SimulationAsked) -> str:
    """The form of a draft with the policy that was simulated."""
    if asked.kind is None:
        return ""
    pairs = {"kind": asked.kind.value, "differing": asked.differing.value}
    pairs |= {
        name: str(getattr(asked, name)) for name in LIMITS if getattr(asked, name) is not None
    }
    return urlencode(pairs)
