"""People and machines: accounts, roles, sign-in, sessions, tokens.

Secrets are shown once and kept as hashes: passwords by Argon2id, the rest, which
are random and long, by SHA-256. Every act is an event.
"""

from __future__ import annotations

import datetime
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError, InvalidValueError
from gransk.site.credentials import (
    PASSWORD_LENGTH as PASSWORD_LENGTH,
)
from gransk.site.credentials import (
    check_password,
    failures,
    hash_password,
    hash_token,
    needs_rehash,
    verify_password,
)
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.tables import Account, MachineToken, Role, SignInLink, WebSession

LINK_LIFETIME = datetime.timedelta(hours=24)
THROTTLE_FAILURES = 5
"""Failed sign-ins of one name within the window, after which it must wait."""

UNKNOWN = "unknown"
"""Subject of a failed sign-in under a name that nobody has: the name may be a password."""

UNKNOWN_FAILURES = 50
"""Failed sign-ins under unknown names within the window that are recorded one by one."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_RESERVED = {SYSTEM, UNKNOWN, "database", "settings"}


class SignInError(GranskError):
    """The sign-in failed; the message never says which part was wrong."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong, or there were too many attempts; wait 15 min")


class LinkError(GranskError):
    """A sign-in link is unknown, used or too old."""

    def __init__(self) -> None:
        super().__init__("the link is unknown, used or too old; ask for a new one")


class LastAdministratorError(GranskError):
    """The act would leave no active administrator."""

    def __init__(self) -> None:
        super().__init__("this is the last administrator; give another account the role first")


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


# Accounts


def has_administrator(session: Session) -> bool:
    """Is there an active administrator who can sign in?"""
    return bool(_administrators(session))


def find_account(session: Session, name: str) -> Account | None:
    """The account of that name, active or not."""
    return session.scalar(select(Account).where(Account.name == name.strip().lower()))


def list_accounts(session: Session) -> list[Account]:
    """Every account, by name."""
    return list(session.scalars(select(Account).order_by(Account.name)))


def create_account(
    session: Session,
    name: str,
    full_name: str,
    roles: Iterable[Role],
    *,
    password: str | None = None,
    language: str = "en",
    actor: str = SYSTEM,
) -> Account:
    """A new account; without a password it is reached by a sign-in link.

    Raises
    ------
    InvalidValueError
        Where name, roles, language or password are refused.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidValueError("name", name, "2 to 64 of a-z, 0-9, dot, dash and underscore")
    if find_account(session, name) is not None:
        raise InvalidValueError("name", name, "a name that no account has")
    account = Account(
        name=name,
        full_name=_full_name(full_name),
        roles=_roles(roles),
        password_hash=None,
        language=_language(language),
        active=True,
        created_at=utcnow(),
    )
    if password is not None:
        check_password(password, name)
        account.password_hash = hash_password(password)
    session.add(account)
    session.flush()
    record(session, actor, EventKind.ACCOUNT_CREATED, name, {"roles": account.roles})
    return account


def change_account(
    session: Session,
    account: Account,
    *,
    full_name: str | None = None,
    roles: Iterable[Role] | None = None,
    language: str | None = None,
    actor: str,
) -> None:
    """Change what an account says; a change of roles ends its sessions.

    Raises
    ------
    InvalidValueError, LastAdministratorError
    """
    changes: dict[str, object] = {}
    if full_name is not None and _full_name(full_name) != account.full_name:
        account.full_name = _full_name(full_name)
        changes["full_name"] = True
    if language is not None and language != account.language:
        account.language = changes["language"] = _language(language)
    if roles is not None and _roles(roles := tuple(roles)) != account.roles:
        if Role.ADMINISTRATOR not in roles:
            _refuse_last(session, account)
        changes["roles"] = {"from": account.roles, "to": _roles(roles)}
        account.roles = _roles(roles)
        _end_sessions(session, account)
    if changes:
        record(session, actor, EventKind.ACCOUNT_CHANGED, account.name, changes)


def set_active(session: Session, account: Account, active: bool, *, actor: str) -> None:
    """Deactivate an account, which ends its sessions and links, or bring it back.

    Raises
    ------
    LastAdministratorError
    """
    if account.active == active:
        return
    if not active:
        _refuse_last(session, account)
        _end_sessions(session, account)
        session.execute(delete(SignInLink).where(SignInLink.account_id == account.id))
    account.active = active
    kind = EventKind.ACCOUNT_ACTIVATED if active else EventKind.ACCOUNT_DEACTIVATED
    record(session, actor, kind, account.name)


def change_own_password(database: Database, name: str, current: str, new: str) -> None:
    """A person's own new password; the current one is checked and throttled as a sign-in is.

    Raises
    ------
    SignInError
        Where ``current`` is wrong, or after too many attempts.
    InvalidValueError
        Where the new password is refused.
    """
    account = _prove(database, name, current)
    with database.begin() as session:
        change_password(session, session.get_one(Account, account.id), new, actor=account.name)


def change_password(session: Session, account: Account, password: str, *, actor: str) -> None:
    """Set a new password and end every session of the account.

    Raises
    ------
    InvalidValueError
        Where the new password is refused.
    """
    check_password(password, account.name)
    account.password_hash = hash_password(password)
    _end_sessions(session, account)
    record(session, actor, EventKind.PASSWORD_CHANGED, account.name)


# Signing in


def sign_in(database: Database, name: str, password: str, hours: float) -> SignedIn:
    """Check name and password and make a session.

    Raises
    ------
    SignInError
        Whatever was wrong.
    """
    account = _prove(database, name, password)
    with database.begin() as session:
        account = session.merge(account)
        session.refresh(account)
        if not account.active:
            raise SignInError
        if account.password_hash and needs_rehash(account.password_hash):
            account.password_hash = hash_password(password)
        return _start_session(session, account, hours)


def _prove(database: Database, name: str, password: str) -> Account:
    """The active account of that name and password.

    Takes the database, not a session: the slow hash is computed while no lock is
    held, and a failure is recorded though the caller's act fails.
    """
    name = name.strip().lower()
    with database.read() as session:
        account = find_account(session, name)
        throttled = failures(session, account.name if account else UNKNOWN) >= (
            THROTTLE_FAILURES if account else UNKNOWN_FAILURES
        )
    right = verify_password(account.password_hash if account else None, password)
    if account is None or not right or not account.active or throttled:
        if not throttled:
            subject = account.name if account else UNKNOWN
            with database.begin() as session:
                record(session, SYSTEM, EventKind.SIGN_IN_FAILED, subject)
        raise SignInError
    return account


def session_of(session: Session, token: str) -> tuple[Account, WebSession] | None:
    """Who a cookie's token belongs to; None where it is unknown or expired."""
    web = session.get(WebSession, hash_token(token))
    if web is None or web.expires_at <= utcnow():
        return None
    account = session.get(Account, web.account_id)
    return (account, web) if account is not None and account.active else None


def csrf_matches(web: WebSession, token: str) -> bool:
    """Does a form's token belong to this session? Compared in constant time."""
    return hmac.compare_digest(web.csrf.encode(), token.encode())


def sign_out(session: Session, token: str) -> None:
    """End a session; an unknown token is no error."""
    web = session.get(WebSession, hash_token(token))
    if web is None:
        return
    account = session.get_one(Account, web.account_id)
    session.delete(web)
    record(session, account.name, EventKind.SIGNED_OUT, account.name)


# Links


def first_administrator_link(session: Session) -> str | None:
    """A token with which the first administrator makes an account.

    Valid until used or for 24 hours, and only while there is no administrator.

    Returns
    -------
    str or None
        The token, shown once; None where there is an administrator.
    """
    if has_administrator(session):
        return None
    session.execute(delete(SignInLink).where(SignInLink.account_id.is_(None)))
    token = _new_link(session, None)
    record(session, SYSTEM, EventKind.ADMINISTRATOR_LINK_MADE, SYSTEM)
    return token


def sign_in_link(session: Session, account: Account, *, actor: str) -> str:
    """A token with which a person signs in once and sets a password; the older ones end."""
    if not account.active:
        raise InvalidValueError("account", account.name, "an active account")
    session.execute(delete(SignInLink).where(SignInLink.account_id == account.id))
    token = _new_link(session, account)
    record(session, actor, EventKind.SIGN_IN_LINK_MADE, account.name)
    return token


def open_link(session: Session, token: str) -> SignInLink:
    """The link of a token, without using it: ``account_id`` None is the first administrator's.

    Raises
    ------
    LinkError
    """
    link = session.get(SignInLink, hash_token(token))
    if link is None or link.used_at is not None or link.expires_at <= utcnow():
        raise LinkError
    if link.account_id is None and has_administrator(session):
        raise LinkError
    return link


def use_first_link(
    session: Session,
    token: str,
    name: str,
    full_name: str,
    password: str,
    hours: float,
    language: str = "en",
) -> SignedIn:
    """Make the first administrator's account and sign in.

    Raises
    ------
    LinkError
    InvalidValueError
        Where name or password are refused; the link stays good.
    """
    link = open_link(session, token)
    if link.account_id is not None:
        raise LinkError
    account = create_account(
        session, name, full_name, [Role.ADMINISTRATOR], password=password, language=language
    )
    link.used_at, link.account_id = utcnow(), account.id
    return _start_session(session, account, hours)


def use_link(session: Session, token: str, password: str, hours: float) -> SignedIn:
    """Set the password of the link's account and sign in.

    Raises
    ------
    LinkError
    InvalidValueError
        Where the password is refused; the link stays good.
    """
    link = open_link(session, token)
    account = session.get(Account, link.account_id) if link.account_id is not None else None
    if account is None or not account.active:
        raise LinkError
    change_password(session, account, password, actor=account.name)
    link.used_at = utcnow()
    return _start_session(session, account, hours)


# Machines


def create_token(session: Session, name: str, *, actor: str) -> str:
    """A token for a machine, shown once.

    Raises
    ------
    InvalidValueError
        Where the name is refused or a machine has it, revoked ones too.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidValueError("name", name, "2 to 64 of a-z, 0-9, dot, dash and underscore")
    if session.scalar(select(MachineToken).where(MachineToken.name == name)) is not None:
        raise InvalidValueError("name", name, "a name that no machine has or had")
    token = secrets.token_urlsafe(32)
    session.add(
        MachineToken(name=name, token_hash=hash_token(token), active=True, created_at=utcnow())
    )
    record(session, actor, EventKind.TOKEN_CREATED, name)
    return token


def revoke_token(session: Session, name: str, *, actor: str) -> None:
    """End a machine's token.

    Raises
    ------
    InvalidValueError
        Where no machine has that name.
    """
    machine = session.scalar(select(MachineToken).where(MachineToken.name == name.strip().lower()))
    if machine is None:
        raise InvalidValueError("name", name, "a machine's name")
    if machine.active:
        machine.active = False
        record(session, actor, EventKind.TOKEN_REVOKED, machine.name)


def machine_of(session: Session, token: str) -> MachineToken | None:
    """The machine that a token belongs to, or None."""
    found = session.scalar(select(MachineToken).where(MachineToken.token_hash == hash_token(token)))
    return found if found is not None and found.active else None


def list_tokens(session: Session) -> list[MachineToken]:
    """Every machine, by name."""
    return list(session.scalars(select(MachineToken).order_by(MachineToken.name)))


# Parts


def _administrators(session: Session) -> list[Account]:
    accounts = session.scalars(
        select(Account).where(Account.active, Account.password_hash.is_not(None))
    )
    return [account for account in accounts if Role.ADMINISTRATOR in account.roles]


def _refuse_last(session: Session, account: Account) -> None:
    if [other.id for other in _administrators(session)] == [account.id]:
        raise LastAdministratorError


def _roles(roles: Iterable[Role]) -> list[str]:
    values = sorted({Role(role).value for role in roles})
    if not values:
        raise InvalidValueError("roles", values, "at least one role")
    return values


def _full_name(value: str) -> str:
    value = value.strip()
    if not 1 <= len(value) <= 128 or not value.isprintable():
        raise InvalidValueError("full name", value, "1 to 128 printable characters")
    return value


def _language(value: str) -> str:
    if value not in ("da", "en"):
        raise InvalidValueError("language", value, "da or en")
    return value


def _new_link(session: Session, account: Account | None) -> str:
    token = secrets.token_urlsafe(32)
    now = utcnow()
    session.add(
        SignInLink(
            token_hash=hash_token(token),
            account_id=account.id if account else None,
            created_at=now,
            expires_at=now + LINK_LIFETIME,
            used_at=None,
        )
    )
    return token


def _start_session(session: Session, account: Account, hours: float) -> SignedIn:
    token, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), utcnow()
    expires = now + datetime.timedelta(hours=hours)
    session.execute(delete(WebSession).where(WebSession.expires_at <= now))
    session.add(
        WebSession(
            token_hash=hash_token(token),
            account_id=account.id,
            csrf=csrf,
            created_at=now,
            expires_at=expires,
            seen_at=now,
        )
    )
    record(session, account.name, EventKind.SIGNED_IN, account.name)
    return SignedIn(account, token, csrf, expires)


def _end_sessions(session: Session, account: Account) -> None:
    session.execute(delete(WebSession).where(WebSession.account_id == account.id))
