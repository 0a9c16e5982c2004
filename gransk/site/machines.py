"""Machines that may call, by a token shown once and kept as its hash."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.site.credentials import hash_token
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.names import check_name
from gransk.site.tables import MachineToken


def create_token(session: Session, name: str, *, actor: str) -> str:
    """A token for a machine, shown once.

    Raises
    ------
    InvalidValueError
        Where the name is refused or a machine has it, revoked ones too.
    """
    name = check_name(name)
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
