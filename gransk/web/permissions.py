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

    WORKITEMS = "workitems"
    """Search, claim and end workitems of the worklist for other systems (UPS-RS)."""
    WORKITEMS_CREATE = "workitems_create"
    """Create workitems there, such as one that asks for an analysis."""
    PROGRAMME = "programme"
    """Say which programme an exam belongs to."""
    JOIN = "join"
    """Say that two patient identifiers are one patient's, and take it back."""
    PEOPLE = "people"
    """Add people and change their roles."""
    EVENTS = "events"
    """Read the event log, see whether it is whole, and take entries of a patient out."""
    HISTORY = "history"
    """See everything that happened to a study of which one may see everything."""
    PREPARE = "prepare"
    """Confirm, reject, relabel and add findings."""
    SIGN = "sign"
    """Sign a report."""
    FOLLOW_UP = "follow_up"
    """See the follow-up list."""
    FOLLOW_UP_CHANGE = "follow_up_change"
    """Book, assign and close what is on the follow-up list."""
    FOLLOW_UP_EXPORT = "follow_up_export"
    """Take the follow-up list out as a file."""
    RESULTS = "results"
    """Read released reports and the reads that are wanted, as FHIR."""
    DECISIONS = "decisions"
    """Read decisions of exams as other systems are told them."""
    MESSAGES = "messages"
    """See messages that are not delivered, and let them be tried again."""
    DELIVERIES = "deliveries"
    """See how destinations stand, and what did not arrive there."""
    READING = "reading"
    """Read exams of the own list, and arbitrate; the unit's list says which."""
    READING_CALLS = "reading_calls"
    """The same by REST: one's own, or by a machine of the configuration for a reader."""
    EXAM = "exam"
    """See an exam of the reading room, as far as one may know of it."""
    BOARD = "board"
    """See the reading room's board, the histories of exams, and who reads in each unit."""
    BOARD_ACT = "board_act"
    """Reassign, return and withdraw exams, and pause a unit's AI."""
    READERS = "readers"
    """Change who reads in a unit."""
    FIGURES = "figures"
    """See figures of exams that were read: indicators, validation, simulation."""
    OWN_FIGURES = "own_figures"
    """See figures of one's own reads."""
    VALIDATION_SIGN = "validation_sign"
    """Sign a unit's local validation; for which units, the configuration says."""
    POLICIES = "policies"
    """See the reading room's policies and their versions."""
    POLICIES_DRAFT = "policies_draft"
    """Draft a version of the policies, or an earlier one again."""
    POLICIES_APPROVE = "policies_approve"
    """Approve a version; for which units, the configuration says."""
    SETTINGS = "settings"
    """See the site's settings, their versions, and what they would do with a study."""
    SETTINGS_DRAFT = "settings_draft"
    """Draft a change of the settings, or an earlier version again."""
    SETTINGS_APPROVE = "settings_approve"
    """Approve a change; for which units, the configuration says."""
    MODELS = "models"
    """See the models, their stages, and how they compare."""
    MODELS_CHANGE = "models_change"
    """Admit a model, propose its next stage, and run past studies under it."""
    MODELS_APPROVE = "models_approve"
    """Approve a model's next stage."""
    MONITORING = "monitoring"
    """See how the suite runs and whether something drifts; note that an alarm was seen."""
    METRICS = "metrics"
    """Read figures of the suite as Prometheus does."""


READER = frozenset({Permission.WORKLIST, Permission.IMAGES, Permission.RESULTS, Permission.HISTORY})
PREPARES = READER | {Permission.PROFILE}
QUEUE = frozenset(
    {
        Permission.RERUN,
        Permission.PRIORITY,
        Permission.WORKITEMS,
        Permission.WORKITEMS_CREATE,
    }
)
LIST = frozenset({Permission.FOLLOW_UP, Permission.FOLLOW_UP_CHANGE})
READS = frozenset(
    {Permission.READING, Permission.READING_CALLS, Permission.EXAM, Permission.WORKITEMS}
)
OVERSEER = frozenset({Permission.BOARD, Permission.BOARD_ACT, Permission.READERS})
SEES_ROOM = frozenset({Permission.FIGURES, Permission.POLICIES})
DRAFTS = SEES_ROOM | {Permission.POLICIES_DRAFT}
SEES_HOUSE = frozenset({Permission.SETTINGS, Permission.MODELS, Permission.MONITORING})
COLLEAGUE = PREPARES | LIST | {Permission.PREPARE}
SIGNER = COLLEAGUE | QUEUE | {Permission.SIGN}

OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.RADIOLOGIST: SIGNER | READS | {Permission.JOIN, Permission.OWN_FIGURES},
    Role.ARBITER: SIGNER | READS | {Permission.JOIN, Permission.OWN_FIGURES},
    Role.TRAINEE: COLLEAGUE | READS,
    Role.RADIOGRAPHER: COLLEAGUE | QUEUE | {Permission.STORE, Permission.JOIN},
    Role.NURSE: COLLEAGUE,
    Role.COORDINATOR: QUEUE
    | LIST
    | OVERSEER
    | DRAFTS
    | {
        Permission.WORKLIST,
        Permission.HISTORY,
        Permission.FOLLOW_UP_EXPORT,
        Permission.JOIN,
        Permission.PROGRAMME,
        Permission.RESULTS,
        Permission.DECISIONS,
        Permission.MESSAGES,
        Permission.DELIVERIES,
        Permission.EXAM,
    },
    Role.RESPONSIBLE_RADIOLOGIST: SIGNER
    | READS
    | OVERSEER
    | DRAFTS
    | {
        Permission.EVENTS,
        Permission.FOLLOW_UP_EXPORT,
        Permission.JOIN,
        Permission.OWN_FIGURES,
        Permission.VALIDATION_SIGN,
        Permission.POLICIES_APPROVE,
        Permission.SETTINGS_DRAFT,
        Permission.SETTINGS_APPROVE,
        Permission.MODELS_APPROVE,
    }
    | SEES_HOUSE,
    Role.ADMINISTRATOR: READER
    | QUEUE
    | {
        Permission.STORE,
        Permission.PEOPLE,
        Permission.EVENTS,
        Permission.FOLLOW_UP,
        Permission.JOIN,
        Permission.PROGRAMME,
        Permission.MESSAGES,
        Permission.DELIVERIES,
        Permission.EXAM,
        Permission.BOARD,
        Permission.READERS,
        Permission.POLICIES,
        Permission.SETTINGS_DRAFT,
        Permission.MODELS_CHANGE,
        Permission.METRICS,
    }
    | SEES_HOUSE,
    Role.AUDITOR: SEES_ROOM
    | SEES_HOUSE
    | {
        Permission.EVENTS,
        Permission.HISTORY,
        Permission.FOLLOW_UP,
        Permission.EXAM,
        Permission.BOARD,
    },
}

OF_MACHINE = frozenset(
    {
        Permission.IMAGES,
        Permission.STORE,
        Permission.PROFILE,
        Permission.PROGRAMME,
        Permission.RESULTS,
        Permission.DECISIONS,
        Permission.DELIVERIES,
        Permission.READING_CALLS,
        Permission.WORKITEMS,
        Permission.WORKITEMS_CREATE,
        Permission.METRICS,
        Permission.SETTINGS,
        Permission.POLICIES,
    }
)
"""What a machine token may do."""


def permissions(roles: Iterable[str]) -> frozenset[Permission]:
    """Everything that a person with these roles may do."""
    mine: frozenset[Permission] = frozenset({Permission.SIGNED_IN})
    return mine.union(*(OF_ROLE[Role(role)] for role in roles))


def role_for(roles: Iterable[str], permission: Permission) -> Role:
    """The first role, in the order of `Role`, by which a person may do something.

    Raises
    ------
    ValueError
        Where none of the roles permits it.
    """
    mine = set(roles)
    for role in Role:
        if role.value in mine and permission in OF_ROLE[role]:
            return role
    raise ValueError(f"no role of {sorted(mine)} permits {permission}")
