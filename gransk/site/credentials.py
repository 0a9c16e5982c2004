"""Secrets as they are kept."""

from __future__ import annotations

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gransk.core.errors import InvalidValueError

PASSWORD_LENGTH = 12
LONGEST_PASSWORD = 1024

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe())


def check_password(password: str, name: str) -> None:
    """Refuse a new password that is too weak for the account of that name.

    Raises
    ------
    InvalidValueError
        Where it is too short, too long or the name; the message does not show it.
    """
    if len(password) < PASSWORD_LENGTH or password.strip().lower() == name:
        raise InvalidValueError(
            "password", "***", f"at least {PASSWORD_LENGTH} characters, and not the name"
        )
    if len(password) > LONGEST_PASSWORD:
        raise InvalidValueError("password", "***", f"at most {LONGEST_PASSWORD} characters")


def hash_password(password: str) -> str:
    """Argon2id of a password."""
    return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Is it the password? Takes as long where there is none stored."""
    try:
        _hasher.verify(stored or _NOBODY, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def needs_rehash(stored: str) -> bool:
    """Was it hashed with weaker parameters than today's?"""
    return _hasher.check_needs_rehash(stored)


def hash_token(token: str) -> str:
    """SHA-256: enough for a token that is long and random."""
    return hashlib.sha256(token.encode()).hexdigest()
