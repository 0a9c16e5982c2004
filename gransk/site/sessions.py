"""Sessions of signed-in browsers: how they start, rest and end.

A session ends at sign-out, after its longest time, after a time in which nobody
did anything, or when its account changes; each end is an event.
"""

from __future__ import annotations

import datetime
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gransk.site.credentials import hash_token
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Account, WebSession

SEEN_EVERY = datetime.timedelta(minutes=1)
"""How exactly the last sign of life is kept."""

LONGEST_BROWSER = 256


@dataclass(frozen=True)
class SignedIn:
    """A session just made: the token goes into the cookie and is kept nowhere.

    Parameters
    ----------
    account : Account
    token, csrf : str
    expires_at : datetime
    """

    account: Account
    token: str
    csrf: str
    expires_at: datetime.datetime


def start_session(
    session: Session,
    account: Account,
    hours: float,
    *,
    browser: str = "",
    id_token: str | None = None,
) -> SignedIn:
    """Make a session; those that are too old end.

    Parameters
    ----------
    session : Session
    account : Account
    hours : float
        Its longest time.
    browser : str
        What the browser calls itself, for the list of a person's own sessions.
    id_token : str, optional
        The provider's token, where it was the provider that said who this is.
    """
    token, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), utcnow()
    expires = now + datetime.timedelta(hours=hours)
    for old in session.scalars(select(WebSession).where(WebSession.expires_at <= now)).all():
        _end(session, old, "lifetime")
    session.add(
        WebSession(
            token_hash=hash_token(token),
            account_id=account.id,
            csrf=csrf,
            created_at=now,
            expires_at=expires,
            seen_at=now,
            browser=browser[:LONGEST_BROWSER],
            id_token=id_token,
        )
    )
    by = "password" if id_token is None else "single_sign_on"
    record(session, account.name, EventKind.SIGNED_IN, account.name, {"by": by})
    return SignedIn(account, token, csrf, expires)


def session_of(
    session: Session, token: str, idle_minutes: float | None = None
) -> tuple[Account, WebSession] | None:
    """Who a cookie's token belongs to; None where it is unknown, too old or rested too long."""
    web = session.get(WebSession, hash_token(token))
    if web is None or _over(web, idle_minutes):
        return None
    account = session.get(Account, web.account_id)
    return (account, web) if account is not None and account.active else None


def keep(session: Session, token: str, idle_minutes: float, *, active: bool) -> None:
    """Note a sign of life, or end a session that is over; a token of nobody is no error."""
    web = session.get(WebSession, hash_token(token))
    if web is None:
        return
    why = _over(web, idle_minutes)
    if why:
        _end(session, web, why)
    elif active:
        web.seen_at = utcnow()


def wants_keeping(session: Session, token: str, idle_minutes: float, *, active: bool) -> bool:
    """Would `keep` write anything?"""
    web = session.get(WebSession, hash_token(token))
    if web is None:
        return False
    return bool(_over(web, idle_minutes)) or (active and utcnow() - web.seen_at >= SEEN_EVERY)


def csrf_matches(web: WebSession, token: str) -> bool:
    """Does a form's token belong to this session? Compared in constant time."""
    return hmac.compare_digest(web.csrf.encode(), token.encode())


def list_sessions(
    session: Session, account: Account, idle_minutes: float | None = None
) -> list[WebSession]:
    """An account's open sessions, the one last seen first."""
    rows = session.scalars(
        select(WebSession)
        .where(WebSession.account_id == account.id)
        .order_by(WebSession.seen_at.desc())
    )
    return [web for web in rows if not _over(web, idle_minutes)]


def sign_out(session: Session, token: str) -> str | None:
    """End a session; an unknown token is no error.

    Returns
    -------
    str or None
        The provider's token, where the session began there.
    """
    web = session.get(WebSession, hash_token(token))
    if web is None:
        return None
    _end(session, web, "")
    return web.id_token


def sign_out_everywhere(session: Session, account: Account, *, actor: str) -> None:
    """End every session of an account."""
    count = end_sessions(session, account)
    record(session, actor, EventKind.SESSIONS_ENDED, account.name, {"count": count})


def end_sessions(session: Session, account: Account) -> int:
    """End every session of an account, as part of an act that is recorded; how many."""
    ended = session.execute(delete(WebSession).where(WebSession.account_id == account.id))
    return int(getattr(ended, "rowcount", 0))


def _over(web: WebSession, idle_minutes: float | None) -> str:
    """Why a session is over; empty while it is not."""
    now = utcnow()
    if web.expires_at <= now:
        return "lifetime"
    if idle_minutes is not None and web.seen_at + datetime.timedelta(minutes=idle_minutes) <= now:
        return "idle"
    return ""


def _end(session: Session, web: WebSession, why: str) -> None:
    account = session.get_one(Account, web.account_id)
    session.delete(web)
    values = {"why": why} if why else {}
    record(session, account.name, EventKind.SIGNED_OUT, account.name, values)
