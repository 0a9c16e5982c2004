"""People: accounts, roles, sign-in, links.

Secrets are shown once and kept as hashes: passwords by Argon2id, the rest, which
are random and long, by SHA-256. Every act is an event.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError, InvalidValueError
from gransk.site.credentials import (
    PASSWORD_LENGTH as PASSWORD_LENGTH,
)
from gransk.site.credentials import (
    check_password,
    hash_password,
    hash_token,
    needs_rehash,
    verify_password,
)
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.lockout import UNKNOWN as UNKNOWN
from gransk.site.lockout import Rules, locked, note_failure, open_by_time, unlock
from gransk.site.machines import create_token as create_token
from gransk.site.machines import list_tokens as list_tokens
from gransk.site.machines import machine_of as machine_of
from gransk.site.machines import revoke_token as revoke_token
from gransk.site.names import check_name
from gransk.site.sessions import SignedIn as SignedIn
from gransk.site.sessions import csrf_matches as csrf_matches
from gransk.site.sessions import end_sessions, start_session
from gransk.site.sessions import session_of as session_of
from gransk.site.sessions import sign_out as sign_out
from gransk.site.tables import Account, Role, SignInLink

LINK_LIFETIME = datetime.timedelta(hours=24)
Result = TypeVar("Result")


class SignInError(GranskError):
    """The sign-in failed; the message never says which part was wrong."""

    def __init__(self) -> None:
        super().__init__(
            "name or password is wrong, or the account is locked after too many attempts; "
            "wait, or let an administrator open it"
        )


class LinkError(GranskError):
    """A sign-in link is unknown, used or too old."""

    def __init__(self) -> None:
        super().__init__("the link is unknown, used or too old; ask for a new one")


class LastAdministratorError(GranskError):
    """The act would leave no active administrator."""

    def __init__(self) -> None:
        super().__init__("this is the last administrator; give another account the role first")


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
    name = check_name(name)
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
        locked_at=None,
        identity=None,
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
        end_sessions(session, account)
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
        end_sessions(session, account)
        session.execute(delete(SignInLink).where(SignInLink.account_id == account.id))
    account.active = active
    kind = EventKind.ACCOUNT_ACTIVATED if active else EventKind.ACCOUNT_DEACTIVATED
    record(session, actor, kind, account.name)


def change_own_password(
    database: Database, name: str, current: str, new: str, rules: Rules | None = None
) -> None:
    """A person's own new password; a wrong current one counts as a failed sign-in.

    Raises
    ------
    SignInError
        Where ``current`` is wrong, or the account is locked.
    InvalidValueError
        Where the new password is refused.
    """

    def change(session: Session, account: Account) -> None:
        change_password(session, account, new, actor=account.name)

    _prove(database, name, current, rules or Rules(), change)


def change_password(session: Session, account: Account, password: str, *, actor: str) -> None:
    """Set a new password, which opens a lock, and end every session of the account.

    Raises
    ------
    InvalidValueError
        Where the new password is refused.
    """
    check_password(password, account.name)
    account.password_hash = hash_password(password)
    end_sessions(session, account)
    unlock(session, account, actor=actor)
    record(session, actor, EventKind.PASSWORD_CHANGED, account.name)


def remove_password(session: Session, account: Account, *, actor: str) -> None:
    """Let a person in through the provider alone; sessions and links end.

    Raises
    ------
    LastAdministratorError
    """
    _refuse_last(session, account)
    end_sessions(session, account)
    session.execute(delete(SignInLink).where(SignInLink.account_id == account.id))
    account.password_hash = account.locked_at = None
    record(session, actor, EventKind.PASSWORD_REMOVED, account.name)


# Signing in


def sign_in(
    database: Database,
    name: str,
    password: str,
    hours: float,
    rules: Rules | None = None,
    browser: str = "",
) -> SignedIn:
    """Check name and password and make a session.

    Raises
    ------
    SignInError
        Whatever was wrong.
    """

    def enter(session: Session, account: Account) -> SignedIn:
        if account.password_hash and needs_rehash(account.password_hash):
            account.password_hash = hash_password(password)
        return start_session(session, account, hours, browser=browser)

    return _prove(database, name, password, rules or Rules(), enter)


def _prove(
    database: Database,
    name: str,
    password: str,
    rules: Rules,
    then: Callable[[Session, Account], Result],
) -> Result:
    """What the active account of that name and password does.

    Takes the database, not a session: the slow hash is computed while no lock is
    held, and a failure is recorded though the caller's act fails. Whatever is wrong
    takes the same steps, so that names cannot be told apart by time.
    """
    with database.read() as session:
        account = find_account(session, name)
        stored = account.password_hash if account else None
    right = verify_password(stored, password)
    with database.begin() as session:
        account = find_account(session, name)
        if account is not None:
            open_by_time(session, account, rules)
        right = right and account is not None and account.password_hash == stored
        if account is not None and right and _may_enter(account, rules):
            return then(session, account)
        note_failure(session, account, rules)
    raise SignInError


def _may_enter(account: Account, rules: Rules) -> bool:
    return account.active and uses_password(account, rules) and not locked(account, rules)


def uses_password(account: Account, rules: Rules) -> bool:
    """May the account be entered by a password of ours, or does the provider alone let it in?"""
    barred = rules.administrators_only and Role.ADMINISTRATOR not in account.roles
    return account.identity is None and not barred


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


def sign_in_link(
    session: Session, account: Account, *, actor: str, rules: Rules | None = None
) -> str:
    """A token with which a person signs in once and sets a password; the older ones end.

    Raises
    ------
    InvalidValueError
        Where the account is not active, or the provider alone lets it in.
    """
    if not account.active or not uses_password(account, rules or Rules()):
        raise InvalidValueError(
            "account", account.name, "an active account that signs in by password"
        )
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
    browser: str = "",
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
    return start_session(session, account, hours, browser=browser)


def use_link(
    session: Session,
    token: str,
    password: str,
    hours: float,
    rules: Rules | None = None,
    browser: str = "",
) -> SignedIn:
    """Set the password of the link's account and sign in.

    Raises
    ------
    LinkError
    InvalidValueError
        Where the password is refused; the link stays good.
    """
    link = open_link(session, token)
    account = session.get(Account, link.account_id) if link.account_id is not None else None
    if account is None or not account.active or not uses_password(account, rules or Rules()):
        raise LinkError
    change_password(session, account, password, actor=account.name)
    link.used_at = utcnow()
    return start_session(session, account, hours, browser=browser)


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
