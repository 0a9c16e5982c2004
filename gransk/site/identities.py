"""Persons whom the provider names: which account is theirs, and with which roles.

A person is known by issuer and subject, which never change; the name finds the account
at the first sign-in alone. An account with a password of ours is never joined, so nobody
becomes a local administrator by choosing a name at the provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError, InvalidValueError
from gransk.core.keys import digest
from gransk.site import people
from gransk.site.config_sign_in import SingleSignOnSection
from gransk.site.database import Database
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.provider import Said
from gransk.site.sessions import SignedIn, end_sessions, start_session
from gransk.site.tables import Account, Role


class Refusal(StrEnum):
    """Why somebody whom the provider let in stays out here."""

    NAME = "name"
    """The provider's name for the person is none that an account may have."""
    NO_ACCOUNT = "no_account"
    """Nobody made an account, and the site makes none by itself."""
    LOCAL_ACCOUNT = "local_account"
    """An account of that name has a password of ours."""
    OTHER_PERSON = "other_person"
    """An account of that name is joined to somebody else at the provider."""
    DEACTIVATED = "deactivated"
    """The site shut the account out."""
    NO_ROLE = "no_role"
    """The provider gives the person no role that we know."""


class AdmissionError(GranskError):
    """The provider says who it is, and we do not let the person in.

    Parameters
    ----------
    refusal : Refusal
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"single sign-on: not admitted: {refusal.value}")
        self.refusal = refusal


def admit(
    database: Database,
    section: SingleSignOnSection,
    said: Said,
    hours: float,
    *,
    browser: str = "",
    language: str = "en",
) -> SignedIn:
    """Find or make the person's account, renew its roles, and make a session.

    Parameters
    ----------
    database : Database
    section : SingleSignOnSection
    said : Said
        From `Provider.redeem`.
    hours : float
        Longest time of the session.
    browser : str
    language : str
        Of an account made now.

    Raises
    ------
    AdmissionError
        Recorded as an event beforehand.
    """
    identity = digest([said.issuer, said.subject])
    name = account_name(section, said)
    roles = roles_of(section, said)
    with database.begin() as session:
        account = _joined(session, identity)
        try:
            if account is None:
                account = _first_time(session, section, said, name, roles, identity, language)
            _renew(session, section, account, said, roles)
        except AdmissionError as error:
            refused = error
            subject = account.name if account else people.UNKNOWN
            data = {"why": error.refusal.value}
            record(session, SYSTEM, EventKind.SINGLE_SIGN_ON_REFUSED, subject, data)
        else:
            return start_session(session, account, hours, browser=browser, id_token=said.id_token)
    raise refused


def account_name(section: SingleSignOnSection, said: Said) -> str:
    """The name that the provider's claim gives an account; empty where it gives none."""
    name = said.value(section.name_claim).strip().lower()
    domain = f"@{section.name_domain.lower()}" if section.name_domain else ""
    return name.removesuffix(domain) if domain else name


def roles_of(section: SingleSignOnSection, said: Said) -> tuple[Role, ...] | None:
    """The roles that the provider gives; None where roles are given here."""
    if not section.roles:
        return None
    values = set(said.values(section.role_claim))
    return tuple(role for role, wanted in section.roles.items() if values & set(wanted))


def unlink(session: Session, account: Account, *, actor: str) -> None:
    """Part an account from the person at the provider; its sessions end."""
    if account.identity is None:
        return
    account.identity = None
    end_sessions(session, account)
    record(session, actor, EventKind.IDENTITY_UNLINKED, account.name)


def _joined(session: Session, identity: str) -> Account | None:
    return session.scalar(select(Account).where(Account.identity == identity))


def _first_time(
    session: Session,
    section: SingleSignOnSection,
    said: Said,
    name: str,
    roles: Iterable[Role] | None,
    identity: str,
    language: str,
) -> Account:
    """The account of somebody who comes from the provider for the first time."""
    account = people.find_account(session, name)
    if account is None:
        account = _made(session, section, said, name, roles, language)
    elif account.identity is not None:
        raise AdmissionError(Refusal.OTHER_PERSON)
    elif account.password_hash is not None:
        raise AdmissionError(Refusal.LOCAL_ACCOUNT)
    elif not account.active:
        raise AdmissionError(Refusal.DEACTIVATED)
    elif roles == ():
        raise AdmissionError(Refusal.NO_ROLE)
    account.identity = identity
    record(session, SYSTEM, EventKind.IDENTITY_LINKED, account.name)
    return account


def _made(
    session: Session,
    section: SingleSignOnSection,
    said: Said,
    name: str,
    roles: Iterable[Role] | None,
    language: str,
) -> Account:
    if not section.make_accounts:
        raise AdmissionError(Refusal.NO_ACCOUNT)
    if not roles:
        raise AdmissionError(Refusal.NO_ROLE)
    try:
        return people.create_account(
            session, name, _full_name(section, said, name), roles, language=language
        )
    except InvalidValueError as error:
        raise AdmissionError(Refusal.NAME) from error


def _renew(
    session: Session,
    section: SingleSignOnSection,
    account: Account,
    said: Said,
    roles: tuple[Role, ...] | None,
) -> None:
    """Name and roles as the provider says them today; without a role nobody goes on."""
    if not account.active:
        raise AdmissionError(Refusal.DEACTIVATED)
    if roles == ():
        end_sessions(session, account)
        raise AdmissionError(Refusal.NO_ROLE)
    full_name = _full_name(section, said, account.full_name)
    people.change_account(session, account, full_name=full_name, roles=roles, actor=SYSTEM)


def _full_name(section: SingleSignOnSection, said: Said, otherwise: str) -> str:
    name = said.value(section.full_name_claim).strip()[:128]
    return name if name and name.isprintable() else otherwise
