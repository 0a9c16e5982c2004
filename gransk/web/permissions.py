"""Who may do what: one table from role to permissions."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from gransk.site.tables import Role


class Permission(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    """Nothing: the caller may be anyone."""
    SIGNED_IN = "signed_in"
    """An account, whatever its roles."""
    NUDGE = "nudge"
    """The plugin inside Orthanc, by its secret."""
    WORKLIST = "worklist"
    """See studies and their findings."""
    IMAGES = "images"
    """Read images and result objects, in the viewer or by DICOMweb."""
    STORE = "store"
    """Store DICOM objects."""
    RERUN = "rerun"
    """Start a failed analysis again."""
    PRIORITY = "priority"
    """Let a waiting study go first."""
    PROFILE = "profile"
    """Read and answer a patient's risk profile."""

    JOIN = "join"
    """Say that two patient identifiers are one patient's, and take it back."""
    PEOPLE = "people"
    """Add people and change their roles."""
    EVENTS = "events"
    """Read the event log."""


READER = frozenset({Permission.WORKLIST, Permission.IMAGES})
PREPARES = READER | {Permission.PROFILE}
QUEUE = frozenset({Permission.RERUN, Permission.PRIORITY})

OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.RADIOLOGIST: PREPARES | QUEUE | {Permission.JOIN},
    Role.ARBITER: PREPARES | QUEUE | {Permission.JOIN},
    Role.TRAINEE: PREPARES,
    Role.RADIOGRAPHER: PREPARES | QUEUE | {Permission.STORE, Permission.JOIN},
    Role.NURSE: frozenset({Permission.WORKLIST, Permission.PROFILE}),
    Role.COORDINATOR: QUEUE | {Permission.WORKLIST, Permission.JOIN},
    Role.RESPONSIBLE_RADIOLOGIST: PREPARES | QUEUE | {Permission.EVENTS, Permission.JOIN},
    Role.ADMINISTRATOR: READER
    | QUEUE
    | {Permission.STORE, Permission.PEOPLE, Permission.EVENTS, Permission.JOIN},
    Role.AUDITOR: frozenset({Permission.EVENTS}),
}

OF_MACHINE = frozenset({Permission.IMAGES, Permission.STORE, Permission.PROFILE})
"""What a machine token may do."""


def permissions(roles: Iterable[str]) -> frozenset[Permission]:
    """Everything that a person with these roles may do."""
    mine: frozenset[Permission] = frozenset({Permission.SIGNED_IN})
    return mine.union(*(OF_ROLE[Role(role)] for role in roles))
