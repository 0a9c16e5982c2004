"""The event log: append-only, each entry chained to the one before by its hash.

A number, kind and hash once written never change; the database itself refuses
updates, replacements and deletions. Subjects are study keys and account names, data holds no
patient's attributes.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ScalarSelect, SQLColumnExpression, func, select, text
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.core.keys import digest
from gransk.site.database import utcnow
from gransk.site.tables import Event

if TYPE_CHECKING:
    from gransk.site.anchor import Anchor

GENESIS = "0" * 64
"""What stands as the hash before the first event."""

SYSTEM = "gransk"
"""The actor where no person acts."""

_CHAIN_LOCK = 0x6772616E736B  # "gransk": PostgreSQL's advisory lock of the chain


class EventKind(StrEnum):
    """The closed list of what is recorded. A value never changes meaning."""

    # The suite itself
    DATABASE_MIGRATED = "database_migrated"
    SETTINGS_CHANGED = "settings_changed"
    SETTINGS_DRAFTED = "settings_drafted"
    SETTINGS_APPROVED = "settings_approved"
    SETTINGS_REFUSED = "settings_refused"
    """A file that was edited by hand and is not taken in, or a draft that was turned down."""
    SERVICE_STARTED = "service_started"
    SERVICE_STOPPED = "service_stopped"
    WORKER_STARTED = "worker_started"
    WORKER_STOPPED = "worker_stopped"
    WORKER_LOST = "worker_lost"
    WORK_TAKEN_OVER = "work_taken_over"

    # People and machines
    ADMINISTRATOR_LINK_MADE = "administrator_link_made"
    ACCOUNT_CREATED = "account_created"
    ACCOUNT_CHANGED = "account_changed"
    ACCOUNT_DEACTIVATED = "account_deactivated"
    ACCOUNT_ACTIVATED = "account_activated"
    ACCOUNT_LOCKED = "account_locked"
    ACCOUNT_UNLOCKED = "account_unlocked"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    SINGLE_SIGN_ON_REFUSED = "single_sign_on_refused"
    SIGN_IN_LINK_MADE = "sign_in_link_made"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_REMOVED = "password_removed"  # noqa: S105
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    ACCESS_REFUSED = "access_refused"

    # Intake
    ARCHIVE_CHANGED = "archive_changed"
    SWEEP_DONE = "sweep_done"
    STUDY_SEEN = "study_seen"
    STUDY_CHANGED = "study_changed"
    STUDY_DELETED = "study_deleted"
    STUDY_RETURNED = "study_returned"
    STUDY_READY = "study_ready"
    STUDY_INCOMPLETE = "study_incomplete"
    INTAKE_PAUSED = "intake_paused"
    INTAKE_RESUMED = "intake_resumed"

    # Analysis
    ANALYSIS_QUEUED = "analysis_queued"
    ANALYSIS_STARTED = "analysis_started"
    ANALYSIS_REUSED = "analysis_reused"
    ANALYSIS_SEALED = "analysis_sealed"
    ANALYSIS_REFUSED = "analysis_refused"
    ANALYSIS_FAILED = "analysis_failed"
    ANALYSIS_WITHDRAWN = "analysis_withdrawn"
    ANALYSIS_RETRIED = "analysis_retried"
    ANALYSIS_SET_ASIDE = "analysis_set_aside"
    PRIORITY_CHANGED = "priority_changed"

    # Results and delivery
    REPORT_SEALED = "report_sealed"
    REPORT_RELEASED = "report_released"
    REPORT_ROUTED = "report_routed"
    """A person had a released report sent where it had never gone."""
    REPORT_SUPERSEDED = "report_superseded"
    REPORT_WITHDRAWN = "report_withdrawn"
    OBJECT_DELIVERED = "object_delivered"
    OBJECT_RECALLED = "object_recalled"
    OBJECT_HIDDEN = "object_hidden"
    OBJECT_KEPT = "object_kept"
    OBJECT_COMMITTED = "object_committed"
    OBJECT_NOT_COMMITTED = "object_not_committed"
    STUDY_MARKED = "study_marked"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_RETRIED = "delivery_retried"

    # Follow-up
    PRIORS_SEARCHED = "priors_searched"
    PRIOR_FETCHED = "prior_fetched"
    PRIOR_REFUSED = "prior_refused"
    PRIOR_ARRIVED = "prior_arrived"
    PRIOR_REMOVED = "prior_removed"
    IDENTITY_STATED = "identity_stated"
    IDENTITY_CHANGED = "identity_changed"
    IDENTITY_NOT_APPLIED = "identity_not_applied"
    IDENTITY_UNDONE = "identity_undone"
    IMAGES_CORRECTED = "images_corrected"
    IMAGES_NOT_CORRECTED = "images_not_corrected"
    PATIENTS_JOINED = "patients_joined"
    PATIENTS_PARTED = "patients_parted"
    LESIONS_JOINED = "lesions_joined"
    PROFILE_ANSWERED = "profile_answered"
    FINDING_EDITED = "finding_edited"
    REPORT_SIGNED = "report_signed"
    FOLLOW_UP_CHANGED = "follow_up_changed"
    FOLLOW_UP_EXPORTED = "follow_up_exported"

    # Programmes
    PROGRAMME_STATED = "programme_stated"
    PROGRAMME_CHANGED = "programme_changed"

    # Messages
    DECISION_ANNOUNCED = "decision_announced"
    FINDINGS_ANNOUNCED = "findings_announced"
    STUDY_URGENT = "study_urgent"
    PRIORITY_ANNOUNCED = "priority_announced"
    MESSAGE_SENT = "message_sent"
    MESSAGE_FAILED = "message_failed"
    MESSAGE_RETRIED = "message_retried"
    MESSAGE_TAKEN = "message_taken"
    MESSAGE_REFUSED = "message_refused"

    # Worklists of other systems
    STEP_CREATED = "step_created"
    STEP_CHANGED = "step_changed"
    STEP_CANCEL_REQUESTED = "step_cancel_requested"

    # Models
    MODEL_ADMITTED = "model_admitted"
    MODEL_REFUSED = "model_refused"
    MODEL_STAGED = "model_staged"
    COMPARISON_ASKED = "comparison_asked"
    """Past studies are run again beside their results, or a shadow model begins to run."""
    COMPARISON_ENDED = "comparison_ended"

    # Oversight
    ALARM_RAISED = "alarm_raised"
    ALARM_ENDED = "alarm_ended"
    ALARM_SEEN = "alarm_seen"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"
    RETENTION_REMOVED = "retention_removed"
    STUDY_HELD = "study_held"
    """A person keeps everything of a study from retention."""
    STUDY_HOLD_LIFTED = "study_hold_lifted"
    STUDY_VIEWED = "study_viewed"
    """A person or machine was shown a study's findings or images."""
    STUDIES_SEARCHED = "studies_searched"
    """A person or machine was shown a list of studies."""
    AUDIT_EXPORTED = "audit_exported"

    # Policies
    EXAM_FACTS_STATED = "exam_facts_stated"
    OUTCOMES_STATED = "outcomes_stated"
    ROOM_DRAFTED = "room_drafted"
    ROOM_APPROVED = "room_approved"
    VALIDATION_SIGNED = "validation_signed"
    AI_PAUSED = "ai_paused"
    AI_RESUMED = "ai_resumed"
    FIGURES_EXPORTED = "figures_exported"

    # Reading
    STUDY_OPENED = "study_opened"
    IMAGES_STORED = "images_stored"
    READER_CHANGED = "reader_changed"
    READING_ARRIVED = "reading_arrived"
    READING_AI_SEALED = "reading_ai_sealed"
    READING_PLANNED = "reading_planned"
    READING_ASSIGNED = "reading_assigned"
    READING_OPENED = "reading_opened"
    READING_READ = "reading_read"
    READING_CORRECTED = "reading_corrected"
    READING_AI_COUNTED = "reading_ai_counted"
    READING_TRAINEE_READ = "reading_trainee_read"
    READING_SAFETY_SHOWN = "reading_safety_shown"
    READING_SAFETY_KEPT = "reading_safety_kept"
    READING_SAFETY_CHANGED = "reading_safety_changed"
    READING_TAKEN = "reading_taken"
    READING_ARBITRATED = "reading_arbitrated"
    READING_CONSENSUS = "reading_consensus"
    READING_DECIDED = "reading_decided"
    READING_REASSIGNED = "reading_reassigned"
    READING_RETURNED_TO_HUMANS = "reading_returned_to_humans"
    READING_IMAGES_CHANGED = "reading_images_changed"
    READING_ALERT = "reading_alert"
    READING_WITHDRAWN = "reading_withdrawn"
    READING_LATE_AI = "reading_late_ai"


def record(
    session: Session,
    actor: str,
    kind: EventKind,
    subject: str,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Append one event in the session's transaction.

    On SQLite the transaction must come from `Database.begin`, which holds the
    write lock; on PostgreSQL an advisory lock is held until it ends. So call
    this late in a transaction: others wait.

    Parameters
    ----------
    session : Session
    actor : str
        Account, machine or process; at most 64 characters.
    kind : EventKind
    subject : str
        Pseudonymous study key or account name; at most 64 characters.
    data : mapping, optional
        JSON values, no patient data.

    Raises
    ------
    InvalidValueError
        Where actor or subject is empty or too long.
    """
    for name, value in (("actor", actor), ("subject", subject)):
        if not 1 <= len(value) <= 64:
            raise InvalidValueError(f"event {name}", value, "1 to 64 characters")
    take_turn(session)
    session.flush()
    number, previous = head(session)
    event = Event(
        number=number + 1,
        at=utcnow(),
        actor=actor,
        kind=EventKind(kind).value,
        subject=subject,
        data=dict(data or {}),
        previous_hash=previous,
    )
    event.hash = _hash(event)
    session.add(event)
    session.flush()
    return event


def take_turn(session: Session) -> None:
    """Wait until no other transaction appends events; others wait until this one ends.

    For who looks before it writes: on SQLite `Database.begin` lets one write at a time, on
    PostgreSQL this does. So call it before the look, and with no row locked.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHAIN_LOCK})


def verify(session: Session, anchor: Anchor | None = None) -> int | None:
    """Walk the whole chain.

    Parameters
    ----------
    session : Session
    anchor : Anchor, optional
        From `gransk.site.anchor.read_anchor`, read before the session began: an event
        that the log must hold. Without it a log whose end was cut off seems whole.

    Returns
    -------
    int or None
        The number of the first event that is missing or was changed, or None
        where the chain is whole.
    """
    previous = GENESIS
    number = 0
    rows = session.scalars(select(Event).order_by(Event.number).execution_options(yield_per=500))
    for number, event in enumerate(rows, start=1):
        if event.number != number or event.previous_hash != previous or event.hash != _hash(event):
            return number
        if anchor is not None and number == anchor.number and event.hash != anchor.hash:
            return number
        previous = event.hash
    return number + 1 if anchor is not None and number < anchor.number else None


def head(session: Session) -> tuple[int, str]:
    """Number and hash of the last event."""
    last = session.execute(
        select(Event.number, Event.hash).order_by(Event.number.desc()).limit(1)
    ).first()
    return (last.number, last.hash) if last else (0, GENESIS)


def last_at(
    subject: SQLColumnExpression[str], kinds: Collection[EventKind]
) -> ScalarSelect[datetime.datetime]:
    """When the last event of some kinds about a subject was, for a query that names it."""
    names = [kind.value for kind in kinds]
    query = select(func.max(Event.at)).where(Event.subject == subject, Event.kind.in_(names))
    return query.scalar_subquery()


def hash_of(session: Session, number: int) -> str | None:
    """Hash of an event; None where the log does not hold it."""
    if number == 0:
        return GENESIS
    return session.scalar(select(Event.hash).where(Event.number == number))


def _hash(event: Event) -> str:
    return digest(
        [
            event.number,
            event.at.astimezone(datetime.UTC).isoformat(timespec="microseconds"),
            event.actor,
            event.kind,
            event.subject,
            event.data,
            event.previous_hash,
        ]
    )
