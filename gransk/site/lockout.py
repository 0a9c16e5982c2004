"""How often a password may be guessed: accounts lock, and open again.

Counts wrong passwords in a row. A lock stops passwords alone: sessions, links and
single sign-on go on, so nobody who guesses puts a person out of work that has begun,
and the command line always lets an administrator in.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.tables import Account, Event

UNKNOWN = "unknown"
"""Subject of a failed sign-in under a name that nobody has: the name may be a password."""

NOTED = 50
"""Failures of a locked or unknown name within the window that are recorded one by one."""

NOTED_WINDOW = datetime.timedelta(minutes=15)

_FRESH = (
    EventKind.SIGNED_IN,
    EventKind.ACCOUNT_LOCKED,
    EventKind.ACCOUNT_UNLOCKED,
    EventKind.PASSWORD_CHANGED,
)
"""What ends a row of failures."""


@dataclass(frozen=True)
class Rules:
    """What a site allows those who sign in by password.

    Parameters
    ----------
    lock_after : int
        Wrong passwords in a row.
    lock_minutes : float
        A lock opens by itself then; 0: never.
    administrators_only : bool
        The others sign in through the provider.
    """

    lock_after: int = 5
    lock_minutes: float = 30
    administrators_only: bool = False


def locked(account: Account, rules: Rules) -> bool:
    """Does no password open the account now?"""
    if account.locked_at is None:
        return False
    if not rules.lock_minutes:
        return True
    return utcnow() < account.locked_at + datetime.timedelta(minutes=rules.lock_minutes)


def open_by_time(session: Session, account: Account, rules: Rules) -> None:
    """Open a lock whose time is over."""
    if account.locked_at is not None and not locked(account, rules):
        _open(session, account, SYSTEM, {"why": "time"})


def unlock(session: Session, account: Account, *, actor: str) -> None:
    """Open a lock; an account that is not locked stays as it is."""
    if account.locked_at is not None:
        _open(session, account, actor, {})


def note_failure(session: Session, account: Account | None, rules: Rules) -> None:
    """Record a failed sign-in, and lock the account where it was one too many."""
    subject = account.name if account else UNKNOWN
    if _failures(session, subject, utcnow() - NOTED_WINDOW) >= NOTED:
        return
    record(session, SYSTEM, EventKind.SIGN_IN_FAILED, subject)
    if account is None or account.locked_at is not None or account.password_hash is None:
        return
    count = _failures(session, subject)
    if count >= rules.lock_after:
        account.locked_at = utcnow()
        record(session, SYSTEM, EventKind.ACCOUNT_LOCKED, subject, {"failures": count})


def _open(session: Session, account: Account, actor: str, data: dict[str, str]) -> None:
    account.locked_at = None
    record(session, actor, EventKind.ACCOUNT_UNLOCKED, account.name, data)


def _failures(session: Session, subject: str, since: datetime.datetime | None = None) -> int:
    """Failed sign-ins in a row, and at or after ``since`` where it is given."""
    last = session.scalar(
        select(func.max(Event.number)).where(
            Event.subject == subject, Event.kind.in_([kind.value for kind in _FRESH])
        )
    )
    failed = (
        select(func.count())
        .select_from(Event)
        .where(
            Event.subject == subject,
            Event.kind == EventKind.SIGN_IN_FAILED.value,
            Event.number > (last or 0),
        )
    )
    if since is not None:
        failed = failed.where(Event.at >= since)
    return session.scalar(failed) or 0
