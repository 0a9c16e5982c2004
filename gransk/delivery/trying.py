"""How a line of the outbox is tried, until it is sent, refused for good, or wanted no more.

The workflows *deliver* and *recall* are made of this; *tell* waits as long between its tries.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError, place
from gransk.core.waiting import backoff
from gransk.delivery.destination import (
    Destination,
    DoubtedError,
    RefusedError,
    UnavailableError,
)
from gransk.delivery.pacing import LONGEST_WAIT_SECONDS
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 1.0
GROWTH = 1.5
LIFE = 200
"""Rounds of one workflow; then another goes on, so that a week's outage makes no endless one."""
REFUSALS = 5
"""How often a destination may refuse one thing before the next has its turn."""
DOUBTS = 12
"""Answers in doubt, after which a workflow leaves its place to others: some three minutes."""


class Result(StrEnum):
    """What one try gave."""

    SENT = "sent"
    RECALLED = "recalled"
    UNWANTED = "unwanted"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    NOT_YET = "not_yet"
    """It is not this destination's turn: as many were sent as it takes in a minute."""
    AFTER = "after"
    """Another report of the study goes first; another workflow follows when that one has."""


class Answer(NamedTuple):
    """What one try gave.

    Parameters
    ----------
    result : Result
    error : str
        Why it was not sent.
    after : float
        Seconds to wait before another try, at least.
    longest : float
        Seconds that a try is waited for, at most, where no more are asked for.
    since : str
        Since when the object has been tried, where the answer is in doubt (`DoubtedError`).
    """

    result: Result
    error: str = ""
    after: float = 0.0
    longest: float = LONGEST_WAIT_SECONDS
    since: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {**self._asdict(), "result": self.result.value}


def try_until_ended(
    delivery: str,
    attempt: int,
    once: Callable[[str, int], dict[str, Any]],
    give_up: Callable[[str, int, str], None],
    go_on: Callable[[str, int], None],
    others: Callable[[str, str], bool] = lambda delivery, since: False,
) -> str:
    """The body of a workflow about one line of the outbox, made of its steps.

    Only refusals end it; a destination that does not answer is tried for ever, by one workflow
    after another. Answers in doubt are refusals where the destination takes ``others``
    meanwhile; where not, the next workflow waits behind those of other objects.
    """
    tries, refusals, doubts, since = 0, 0, 0, ""
    for _ in range(LIFE):
        answer = once(delivery, attempt)
        # An answer that an older version noted lacks the later parts.
        result, after = Result(answer["result"]), answer.get("after", 0.0)
        if result is Result.NOT_YET:
            DBOS.sleep(after)
            continue
        if result not in (Result.UNAVAILABLE, Result.REFUSED):
            return result.value
        tries += 1
        refusals += result is Result.REFUSED
        if answer.get("since"):
            doubts, since = doubts + 1, since or answer["since"]
        meant = doubts >= DOUBTS and others(delivery, since)
        if refusals >= REFUSALS or meant:
            give_up(delivery, attempt, answer["error"])
            return "failed"
        if doubts >= DOUBTS:
            break
        longest = answer.get("longest", LONGEST_WAIT_SECONDS)
        DBOS.sleep(max(backoff(FIRST_WAIT_SECONDS, tries - 1, longest, GROWTH), after))
    go_on(delivery, attempt)
    return "goes on"


def answered(
    database: Database,
    delivery_id: str,
    attempt: int,
    state: DeliveryState,
    act: Callable[[], Answer],
) -> Answer:
    """Try once; whatever can go wrong is an answer, not an error."""
    try:
        return act()
    except (UnavailableError, OperationalError, OSError) as error:
        note(database, delivery_id, attempt, state, error)
        since = utcnow().isoformat() if isinstance(error, DoubtedError) else ""
        after = getattr(error, "after", 0.0)
        return Answer(Result.UNAVAILABLE, told(error), after, since=since)
    except GranskError as error:
        note(database, delivery_id, attempt, state, error)
        return Answer(Result.REFUSED, str(error))
    except Exception as error:  # noqa: BLE001
        log.error("delivery %s, %s: %s", delivery_id, state, place(error))
        note(database, delivery_id, attempt, state, error)
        return Answer(Result.REFUSED, type(error).__name__)


def named(destinations: Mapping[str, Destination], name: str) -> Destination:
    """The destination of a name.

    Raises
    ------
    RefusedError
        Where the configuration has none of it.
    """
    if name not in destinations:
        raise RefusedError(f"no destination is called {name!r}")
    return destinations[name]


def tried_since(session: Session, delivery_id: str) -> str:
    """When a line was tried last without success; empty where it was not."""
    line = session.get(Delivery, delivery_id)
    tried = line.tried_at if line is not None and line.error else None
    return "" if tried is None else tried.isoformat()


def doubted(answer: Answer, since: str) -> Answer:
    """An answer in doubt counts from the try before, which another workflow may have made."""
    return answer._replace(since=since) if answer.since and since else answer


def takes_others(session: Session, delivery_id: str, since: str) -> bool:
    """Has the destination of a line taken another object since then?"""
    line = session.get_one(Delivery, delivery_id)
    another = select(Delivery.id).where(
        Delivery.destination == line.destination,
        Delivery.id != line.id,
        Delivery.state == DeliveryState.SENT,
        Delivery.sent_at > datetime.datetime.fromisoformat(since),
    )
    return session.scalars(another.limit(1)).first() is not None


def open_line(
    session: Session, delivery_id: str, attempt: int, state: DeliveryState
) -> Delivery | None:
    """The line of the outbox, where it is of this attempt and in this state."""
    delivery = session.get(Delivery, delivery_id, populate_existing=True)
    if delivery is None or delivery.attempt != attempt or delivery.state != state:
        return None
    return delivery


def fail(
    session: Session,
    delivery_id: str,
    attempt: int,
    error: str,
    state: DeliveryState = DeliveryState.WAITING,
) -> bool:
    """The delivery goes to the dead letters, where a person sees it.

    False where it has left its state, or is of another attempt.
    """
    delivery = open_line(session, delivery_id, attempt, state)
    if delivery is None:
        return False
    delivery.state = DeliveryState.FAILED
    delivery.error = error[:2000]
    delivery.trying = None
    data = {"destination": delivery.destination, "error": error[:500]}
    record(session, SYSTEM, EventKind.DELIVERY_FAILED, study_of(session, delivery), data)
    return True


def renew(
    session: Session,
    delivery_id: str,
    attempt: int,
    state: DeliveryState = DeliveryState.WAITING,
) -> None:
    """Have another workflow go on with a line that is open still."""
    delivery = open_line(session, delivery_id, attempt, state)
    if delivery is not None:
        delivery.attempt += 1
        delivery.trying = None


def note(
    database: Database, delivery_id: str, attempt: int, state: DeliveryState, error: Exception
) -> None:
    """Show why a line is open still; missing that is no reason to fail."""
    try:
        with database.begin() as session:
            delivery = open_line(session, delivery_id, attempt, state)
            if delivery is not None:
                delivery.error = told(error)[:2000]
                delivery.trying = None
    except OperationalError:
        log.warning("delivery %s: its error could not be noted", delivery_id)


def told(error: Exception) -> str:
    """What went wrong; words that are not ours may repeat values of an object."""
    ours = isinstance(error, GranskError | OSError)
    return str(error) if ours else type(error).__name__


def study_of(session: Session, delivery: Delivery) -> str:
    """Key of the study that a delivery is about."""
    report = session.get_one(Report, delivery.report_key)
    return session.get_one(Workitem, report.workitem_id).study_key
