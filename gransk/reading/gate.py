"""Whether models may count at a unit: signed local validations, and pauses.

It knows nothing of mammography: any application whose models would be a reading, spare one, or
spare a person's confirmation asks `may_count`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.core.findings import ModelIdentity
from gransk.core.keys import digest
from gransk.reading.plan import PlanReason
from gransk.reading.planning import Gate
from gransk.reading.policy import Minimum, Room, StudyMark
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.policy_tables import AiPause, Validation
from gransk.site.answering import reason_of, responsible
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.tables import Account, Role

MISSING = "missing"
"""What a report (`gransk.reading.validation.report.Report`) lacks for the model to count."""


def may_count(
    session: Session,
    room: Room | None,
    unit: str,
    application: str,
    models: Iterable[ModelIdentity],
    on: datetime.date,
    study: StudyMark | None = None,
) -> tuple[PlanReason, ...]:
    """Why the opinion of models may not count at a unit; empty where it may.

    Parameters
    ----------
    session : Session
    room : Room, optional
        In force; without one nothing counts.
    unit : str
    application : str
    models : iterable of ModelIdentity
        Every model that made the opinion.
    on : date
    study : StudyMark, optional
        Of the rule that covers the exam.
    """
    used = tuple(models)
    found = gate_of(session, room, unit, application, used, on)
    marked = study is not None and on <= study.until
    reasons = {
        PlanReason.NOT_VALIDATED: not found.validated and not marked,
        PlanReason.RESEARCH_MODEL: not marked and (not used or any(m.research for m in used)),
        PlanReason.PAUSED: found.paused,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def gate_of(
    session: Session,
    room: Room | None,
    unit: str,
    application: str,
    models: Iterable[ModelIdentity],
    on: datetime.date,
) -> Gate:
    """What stands at a unit for the models of an opinion, on a day."""
    minimum = None if room is None else room.minimum.get(application)
    row = last_validation(session, unit, application, models, on)
    good = row is not None and minimum is not None and fulfils(row, minimum)
    return Gate(validated=good, paused=paused(session, unit))


def fulfils(row: Validation, minimum: Minimum) -> bool:
    """Whether a validation holds the site's minimum, and its report says of nothing missing."""
    enough = row.exams >= minimum.exams and row.cancers >= minimum.cancers
    return enough and not row.report.get(MISSING)


def last_validation(
    session: Session,
    unit: str,
    application: str,
    models: Iterable[ModelIdentity],
    on: datetime.date,
) -> Validation | None:
    """The last validation of exactly these models at a unit that was signed until a day.

    A later report takes the place of an earlier one, for better or worse.
    """
    wanted = named(models)
    rows = (row for row in validations(session, unit, application) if row.models == wanted)
    return next((row for row in rows if row.signed_at.date() <= on), None) if wanted else None


def validations(session: Session, unit: str, application: str) -> list[Validation]:
    """Signed validations of an application at a unit, the latest first."""
    query = select(Validation).where(Validation.unit == unit, Validation.application == application)
    return list(session.scalars(query.order_by(Validation.number.desc())))


def sign(
    session: Session,
    section: ReadingSection,
    account: Account,
    unit: str,
    application: str,
    models: Iterable[ModelIdentity],
    report: Mapping[str, Any],
    exams: int,
    cancers: int,
) -> Validation:
    """Sign the local validation of models at a unit.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    section : ReadingSection
    account : Account
        Of the unit's responsible radiologist.
    unit, application : str
    models : iterable of ModelIdentity
    report : mapping
        JSON values, as the person read it.
    exams, cancers : int
        That the report counts, with known outcome.

    Raises
    ------
    PolicyError
        Where the account does not answer for the unit.
    InvalidValueError
        Where there is no model, or the numbers cannot be.
    """
    check_responsible(section, account, unit)
    wanted = named(models)
    if not wanted:
        raise InvalidValueError("models", "none", "the models that were validated")
    if not 0 <= cancers <= exams or not exams:
        raise InvalidValueError("cancers", cancers, f"no more than the exams, {exams}")
    row = Validation(
        unit=unit,
        application=application,
        models=wanted,
        exams=exams,
        cancers=cancers,
        report=dict(report),
        digest=digest(dict(report)),
        signed_by=account.name,
        signed_at=utcnow(),
    )
    session.add(row)
    data = {"unit": unit, "application": application, "models": wanted, "report": row.digest}
    record(session, account.name, EventKind.VALIDATION_SIGNED, unit, data)
    return row


def named(models: Iterable[ModelIdentity]) -> dict[str, list[str]]:
    """Version and SHA-256 by model id, as a validation keeps them."""
    return {model.id: [model.version, model.sha256] for model in models}


# Pauses


def pause(
    session: Session, section: ReadingSection, account: Account, unit: str, reason: str
) -> AiPause | None:
    """Let no AI count or be shown at a unit, from now on; None where it is paused already.

    Raises
    ------
    PolicyError
        Where the account is neither a coordinator nor answers for the unit.
    InvalidValueError
        Where there is no reason.
    """
    return _set_pause(session, section, account, unit, reason, True)


def resume(
    session: Session, section: ReadingSection, account: Account, unit: str, reason: str
) -> AiPause | None:
    """End a unit's pause; None where there is none. Raises as `pause` does."""
    return _set_pause(session, section, account, unit, reason, False)


def paused(session: Session, unit: str) -> bool:
    """Whether a unit's AI is paused."""
    row = last_pause(session, unit)
    return row is not None and row.paused


def last_pause(session: Session, unit: str) -> AiPause | None:
    """The last pause of a unit, or its end: by whom, when and why."""
    query = select(AiPause).where(AiPause.unit == unit)
    return session.scalar(query.order_by(AiPause.number.desc()).limit(1))


def _set_pause(
    session: Session, section: ReadingSection, account: Account, unit: str, reason: str, to: bool
) -> AiPause | None:
    role = _pausing_role(section, account, unit)
    why = reason_of(reason)
    take_turn(session)
    if paused(session, unit) == to:
        return None
    row = AiPause(
        unit=unit, paused=to, actor=account.name, role=role.value, reason=why, at=utcnow()
    )
    session.add(row)
    kind = EventKind.AI_PAUSED if to else EventKind.AI_RESUMED
    record(session, account.name, kind, unit, {"role": role.value})
    return row


def _pausing_role(section: ReadingSection, account: Account, unit: str) -> Role:
    if unit not in section.names:
        raise PolicyError(PolicyRefusal.UNKNOWN_UNIT, unit)
    if responsible(section, account, unit):
        return Role.RESPONSIBLE_RADIOLOGIST
    if account.active and Role.COORDINATOR.value in account.roles:
        return Role.COORDINATOR
    raise PolicyError(PolicyRefusal.NOT_RESPONSIBLE, unit)


# People


def check_responsible(section: ReadingSection, account: Account, unit: str) -> None:
    """Let only a responsible radiologist of a unit go on.

    Raises
    ------
    PolicyError
    """
    if unit not in section.names:
        raise PolicyError(PolicyRefusal.UNKNOWN_UNIT, unit)
    if not responsible(section, account, unit):
        raise PolicyError(PolicyRefusal.NOT_RESPONSIBLE, unit)
