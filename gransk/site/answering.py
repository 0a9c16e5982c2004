"""Who answers for a unit, and the reasons that people give."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.site.config_reading import ReadingSection
from gransk.site.tables import Account, Role

SHORTEST, LONGEST = 3, 1000
"""Characters of a reason."""
SHELL = "shell:"
"""Before the name of who acts at the command line."""


def responsible(section: ReadingSection, account: Account, unit: str) -> bool:
    """Whether an account answers for a unit: by its role, and the unit's list if it has one."""
    named = section.responsible(unit)
    has_role = account.active and Role.RESPONSIBLE_RADIOLOGIST.value in account.roles
    return has_role and unit in section.names and (not named or account.name in named)


def responsible_accounts(session: Session) -> list[Account]:
    """Active accounts with the role of a responsible radiologist, of whatever unit."""
    accounts = session.scalars(select(Account).where(Account.active).order_by(Account.name))
    return [one for one in accounts if Role.RESPONSIBLE_RADIOLOGIST.value in one.roles]


def reason_of(text: str) -> str:
    """Somebody's reason, without blanks around it.

    Raises
    ------
    InvalidValueError
        Where it is too short or too long to be one.
    """
    reason = text.strip()
    if not SHORTEST <= len(reason) <= LONGEST:
        wants = f"{SHORTEST} to {LONGEST} characters"
        raise InvalidValueError("reason", f"{len(reason)} characters", wants)
    if "\0" in reason:
        raise InvalidValueError("reason", "a null character", "text that a database keeps")
    return reason
