"""Names of accounts and machines, as the event log keeps them."""

from __future__ import annotations

import re

from gransk.core.errors import InvalidValueError
from gransk.site.events import SYSTEM
from gransk.site.lockout import UNKNOWN

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_RESERVED = {SYSTEM, UNKNOWN, "database", "settings"}


def check_name(name: str) -> str:
    """A name as it is kept: without spaces around it, in lower case.

    Raises
    ------
    InvalidValueError
        Where no account and no machine may have it.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InvalidValueError("name", name, "2 to 64 of a-z, 0-9, dot, dash and underscore")
    return name
