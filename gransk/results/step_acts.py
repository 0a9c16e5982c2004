"""What happens to workitems: made, claimed, changed, ended, and who is told (PS3.4 CC.2).

Each act belongs to a transaction of `Database.begin` that has taken its turn
(`gransk.site.events.take_turn`): two claims at once wait for each other, and events are numbered
in the order in which they become visible.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from enum import StrEnum

from sqlalchemy.orm import Session

from gransk.core.codes import Code
from gransk.core.errors import GranskError
from gransk.results.dicom.common import PRIVATE_SCHEME
from gransk.results.step_rules import (
    CANCELLED_AT,
    FINAL,
    OUTPUT,
    PERFORMED,
    PERFORMERS,
    PROGRESS,
    READINESS,
    STATE,
    STATION,
    TRANSACTION,
    Attributes,
    StepState,
    check_set,
    element,
    has_value,
    items,
    missing_final,
    value,
)
from gransk.results.steps import Step, StepEvent, StepKind
from gransk.site.events import EventKind, record

REASON, REASON_CODES = "00741238", "0074100E"
CONTACT = ("0074100A", "0074100C")
REQUESTER = "00741236"
PERFORMER_CHANGES = frozenset({PROGRESS, PERFORMED, TRANSACTION, "00080005"})
"""What a client may change of our own workitems: what it did, never what is asked."""
STATION_CODE = Code(value="GRANSK", scheme=PRIVATE_SCHEME, meaning="Gransk")
DISCONTINUED = Code(value="110513", scheme="DCM", meaning="Discontinued for unspecified reason")
"""PS3.16 CID 9300."""
CODES = {
    StepKind.READ: Code(value="110005", scheme="DCM", meaning="Interpretation"),
    StepKind.SIGNATURE: Code(value="110007", scheme="DCM", meaning="Report Verification"),
    StepKind.ANALYSIS: Code(value="110004", scheme="DCM", meaning="Computer Aided Detection"),
}
"""Scheduled and Performed Workitem Code (PS3.16 CID 9231) of what Gransk schedules or performs."""


class Told(StrEnum):
    """What a Warning header says (PS3.18 tables 11.6.3-2, 11.7.3-2 and 11.8.3-2)."""

    TRANSACTION_MISSING = "The Transaction UID is missing."
    TRANSACTION_WRONG = "The Transaction UID is incorrect."
    INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."
    NOT_CLAIMED = "The target URI did not reference a claimed Workitem."
    IS_CANCELED = "The UPS is already in the requested state of CANCELED."
    IS_COMPLETED = "The UPS is already in the requested state of COMPLETED."
    COMPLETED = "The UPS is already COMPLETED."
    KEPT = "Performer chooses not to cancel."
    NOT_REACHED = "The performer cannot be contacted."


class StepError(GranskError):
    """An act that a workitem's state does not allow.

    Parameters
    ----------
    told : Told
    missing : list of str
        Attributes that are wanted first.
    """

    def __init__(self, told: Told, missing: list[str] | None = None) -> None:
        self.told, self.missing = told, missing or []
        super().__init__(told.value)


class Reported(StrEnum):
    """Kinds of events, by their Event Type ID (PS3.4 Table CC.2.4-1)."""

    STATE = "1"
    CANCEL_REQUESTED = "2"
    PROGRESS = "3"
    ASSIGNED = "5"


def date_time(at: datetime.datetime) -> str:
    """An instant as DICOM writes it (DT, UTC)."""
    return at.astimezone(datetime.UTC).strftime("%Y%m%d%H%M%S+0000")


def tell(
    session: Session,
    step: Step,
    kind: Reported,
    content: Attributes,
    at: datetime.datetime,
    only_for: str = "",
) -> None:
    """Note an event for who subscribes to a workitem."""
    session.flush()
    session.add(StepEvent(uid=step.uid, kind=int(kind), content=content, only_for=only_for, at=at))


def tell_state(session: Session, step: Step, at: datetime.datetime, only_for: str = "") -> None:
    """Note a UPS State Report."""
    content = element(STATE, step.state) | element(
        READINESS, value(step.attributes, READINESS) or "READY"
    )
    for progress in items(step.attributes, PROGRESS)[:1]:
        content |= {tag: progress[tag] for tag in (REASON, REASON_CODES) if tag in progress}
    tell(session, step, Reported.STATE, content, at, only_for)


def tell_assigned(
    session: Session, step: Step, given: Mapping[str, object], at: datetime.datetime
) -> None:
    """Note a UPS Assigned event, where a station or a person is named."""
    found: Attributes = {}
    if has_value(given.get(STATION)):  # type: ignore[arg-type]
        found[STATION] = given[STATION]
    for human in items(given, PERFORMERS)[:1]:
        found |= {tag: human[tag] for tag in ("00404009", "00404036") if tag in human}
    if found:
        tell(session, step, Reported.ASSIGNED, found, at)


def change(session: Session, step: Step, given: Attributes, at: datetime.datetime) -> None:
    """Change attributes (PS3.4 CC.2.6.3); who may is the caller's to know.

    Raises
    ------
    StepError, WorkitemError
    """
    transaction = str(value(given, TRANSACTION))
    if step.state in FINAL:
        raise StepError(Told.INCONSISTENT)
    if step.state == StepState.IN_PROGRESS:
        _check_transaction(step, transaction)
    elif transaction:
        raise StepError(Told.NOT_CLAIMED)
    check_set(given)
    changed = {tag: one for tag, one in given.items() if tag != TRANSACTION}
    step.attributes = {**step.attributes, **changed}
    step.changed_at = at
    if PROGRESS in changed:
        tell(session, step, Reported.PROGRESS, {PROGRESS: changed[PROGRESS]}, at)
    if READINESS in changed:
        tell_state(session, step, at)
    if STATION in changed or PERFORMERS in changed:
        tell_assigned(session, step, changed, at)


def _check_transaction(step: Step, transaction: str) -> None:
    if not transaction:
        raise StepError(Told.TRANSACTION_MISSING)
    if transaction != step.transaction_uid:
        raise StepError(Told.TRANSACTION_WRONG)


def change_state(
    session: Session,
    step: Step,
    given: Attributes,
    by: str,
    whole: Attributes,
    at: datetime.datetime,
) -> Told | None:
    """Claim, complete or cancel (PS3.4 CC.2.1.3).

    Parameters
    ----------
    session : Session
    step : Step
        Locked.
    given : dict
        Procedure Step State and Transaction UID.
    by : str
        Who asks.
    whole : dict
        All attributes of the workitem, for what its final state wants.
    at : datetime

    Returns
    -------
    Told, optional
        A warning, where it is in that state already.

    Raises
    ------
    StepError
    """
    transaction, asked = str(value(given, TRANSACTION)), str(value(given, STATE))
    if not transaction:
        raise StepError(Told.TRANSACTION_MISSING)
    if asked not in (StepState.IN_PROGRESS, *FINAL):
        raise StepError(Told.INCONSISTENT)
    wanted = StepState(asked)
    if step.state == StepState.SCHEDULED:
        if wanted is not StepState.IN_PROGRESS:
            raise StepError(Told.INCONSISTENT)
        step.transaction_uid, step.performer = transaction, by
    else:
        _check_transaction(step, transaction)
        if step.state == wanted and wanted in FINAL:
            return Told.IS_COMPLETED if wanted is StepState.COMPLETED else Told.IS_CANCELED
        if step.state in FINAL or wanted is StepState.IN_PROGRESS:
            raise StepError(Told.INCONSISTENT)
        _end(step, wanted, whole, at)
    step.state, step.changed_at = wanted, at
    data = {"workitem": step.uid, "state": wanted.value}
    record(session, _name(by), EventKind.STEP_CHANGED, step.study_key or "worklist", data)
    tell_state(session, step, at)
    return None


def _end(step: Step, wanted: StepState, whole: Attributes, at: datetime.datetime) -> None:
    if wanted is StepState.CANCELED:
        step.attributes = {**step.attributes, **cancelled(step.attributes, at)}
        whole = whole | step.attributes
    missing = missing_final(whole | element(STATE, wanted.value), wanted)
    if missing:
        raise StepError(Told.INCONSISTENT, missing)
    if wanted is StepState.CANCELED and step.kind in (StepKind.READ, StepKind.SIGNATURE):
        # What it stood for is still to be done: the next look makes another.
        step.task, step.given_at = "", None


def cancelled(
    attributes: Attributes, at: datetime.datetime, why: Attributes | None = None
) -> Attributes:
    """Progress information with the instant of a cancellation and its reason, where it has none."""
    progress = (why or {}) | (items(attributes, PROGRESS) or [{}])[0]
    if not has_value(progress.get(CANCELLED_AT)):
        progress |= element(CANCELLED_AT, date_time(at))
    return element(PROGRESS, progress)


def end(session: Session, step: Step, state: StepState, at: datetime.datetime) -> None:
    """End one of our own workitems, as what it stands for has ended."""
    if state is StepState.COMPLETED and not has_value(step.attributes.get(PERFORMED)):
        step.attributes = step.attributes | performed(step, at)
    elif state is StepState.CANCELED:
        step.attributes = step.attributes | cancelled(step.attributes, at)
    step.state, step.changed_at = state, at
    tell_state(session, step, at)


def performed(step: Step, at: datetime.datetime, output: Sequence[Attributes] = ()) -> Attributes:
    """What was performed, of a workitem that Gransk itself ends.

    Parameters
    ----------
    step : Step
    at : datetime
        When it ended.
    output : sequence of dict
        Items of the Output Information Sequence.
    """
    began = step.changed_at if step.state == StepState.IN_PROGRESS else at
    done = (
        element("00404028", code(STATION_CODE))
        | element("00404050", date_time(began))
        | element("00404019", code(CODES[step.kind]))
        | element("00404051", date_time(at))
        | element(OUTPUT, *output)
    )
    if step.account:
        human = element("00404009", person_code(step.account))
        done |= element("00404035", human | element("00404037", {"Alphabetic": step.account}))
    return element(PERFORMED, done)


def code(one: Code) -> Attributes:
    """An item of a code sequence (PS3.3 Table 8.8-1)."""
    return (
        element("00080100", one.value)
        | element("00080102", one.scheme)
        | element("00080104", one.meaning)
    )


def person_code(account: str) -> Attributes:
    """Who a person is, as Human Performer Code Sequence names them."""
    return code(Code(value=account, scheme=PRIVATE_SCHEME, meaning=account))


def _name(by: str) -> str:
    return by.partition(":")[2] or by
