"""What the pages of figures ask for: a unit, a period, and the exams that the person may see."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Annotated

from fastapi import HTTPException, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy.orm import Session

from gransk.core.screening import Verdict
from gransk.reading.figures import Asker
from gransk.reading.past import PastExam
from gransk.reading.past_keeping import Closed
from gransk.reading.readers import OVERSEEING
from gransk.site.answering import responsible
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.tables import Account, Role
from gransk.web.access import Caller, person_of
from gransk.web.wiring import Wiring, wiring


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


Day = Annotated[datetime.date | None, BeforeValidator(_empty_is_none)]
Women = Annotated[int, Field(ge=1, le=100_000_000)]
Count = Annotated[Women | None, BeforeValidator(_empty_is_none)]


class Asked(BaseModel):
    """A unit and a period; no unit is every unit, no day is no end."""

    model_config = ConfigDict(frozen=True)

    unit: Annotated[str, Field(max_length=64)] = ""
    first: Day = None
    last: Day = None

    def holds(self, day: datetime.date) -> bool:
        """Does the period hold a day?"""
        return (self.first or day) <= day <= (self.last or day)


def today(known: Wiring) -> datetime.date:
    """The day at the site."""
    return utcnow().astimezone(known.config.zone).date()


def asker_of(known: Wiring, caller: Caller) -> Asker:
    """Who asks for figures.

    Raises
    ------
    HTTPException
        403 for a machine.
    """
    account = person_of(caller)
    oversees = bool(OVERSEEING & {Role(role) for role in account.roles})
    return Asker(account.name, oversees, today(known))


def past_of(request: Request, session: Session, caller: Caller) -> list[Closed]:
    """Exams that have ended and of which the person may see everything."""
    known = wiring(request)
    return known.past(session, *asker_of(known, caller)).closed


def chosen(closed: Iterable[Closed], asked: Asked) -> list[Closed]:
    """Those of a unit and period."""
    return [
        one for one in closed if asked.unit in ("", one.past.unit) and asked.holds(one.past.date)
    ]


def countable(closed: Iterable[Closed]) -> list[PastExam]:
    """Exams that validation and simulation count: the same for whoever asks.

    Technical repeats are left out, whose images are to be made and read again.
    """
    return [one.past for one in closed if one.past.decision is not Verdict.TECHNICAL]


def check_unit(config: Config, unit: str, needed: bool = False) -> None:
    """Let only a unit of the configuration go on, or none where none is needed.

    Raises
    ------
    HTTPException
        404.
    """
    if unit not in config.reading.names and (needed or unit):
        raise HTTPException(404)


def answers_for(config: Config, account: Account) -> list[str]:
    """Units that a person answers for."""
    return [unit for unit in config.reading.names if responsible(config.reading, account, unit)]


def titles(config: Config) -> dict[str, str]:
    """What units are called, by name."""
    return {unit.name: unit.title for unit in config.reading.units}
