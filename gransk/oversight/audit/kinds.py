"""Which DICOM audit message tells of which event: a table over the closed list of events.

Families and types are those of PS3.15 A.5.3; their codes and meanings are those of the DICOM
Content Mapping Resource (PS3.16 CID 400 and CID 401).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from gransk.site.events import EventKind as K


@dataclass(frozen=True)
class Code:
    """A code with its scheme and meaning."""

    value: str
    meaning: str
    scheme: str = "DCM"


class Family(Enum):
    """EventID: the messages of PS3.15 A.5.3.1 to A.5.3.15 that we send."""

    ACTIVITY = Code("110100", "Application Activity")
    LOG_USED = Code("110101", "Audit Log Used")
    BEGIN_TRANSFER = Code("110102", "Begin Transferring DICOM Instances")
    ACCESSED = Code("110103", "DICOM Instances Accessed")
    TRANSFERRED = Code("110104", "DICOM Instances Transferred")
    STUDY_DELETED = Code("110105", "DICOM Study Deleted")
    PATIENT = Code("110110", "Patient Record")
    PROCEDURE = Code("110111", "Procedure Record")
    QUERY = Code("110112", "Query")
    ALERT = Code("110113", "Security Alert")
    AUTHENTICATION = Code("110114", "User Authentication")


OF_PATIENT = frozenset(
    {
        Family.BEGIN_TRANSFER, Family.ACCESSED, Family.TRANSFERRED, Family.STUDY_DELETED,
        Family.PATIENT, Family.PROCEDURE,
    }
)  # fmt: skip
"""Messages about one patient: of an event that names no study none can be made."""

START = Code("110120", "Application Start")
STOP = Code("110121", "Application Stop")
LOGIN = Code("110122", "Login")
LOGOUT = Code("110123", "Logout")
SECURITY = Code("110129", "Security Configuration")
SOFTWARE = Code("110131", "Software Configuration")
RESTRICTED = Code("110132", "Use of Restricted Function")
ROLES = Code("110136", "Security Roles Changed")
ATTRIBUTES = Code("110137", "User Security Attributes Changed")
OPERATION = Code("110141", "Local Service Operation Started")

OF_USERS = (RESTRICTED, ROLES, ATTRIBUTES)
"""Types of alerts whose subject is an account or a machine."""

MINOR, SERIOUS = 4, 8
"""EventOutcomeIndicator (A.5.1.1): failures; 0 is success."""


@dataclass(frozen=True)
class Shape:
    """How a message of an event begins.

    Parameters
    ----------
    family : Family
    action : str
        EventActionCode: C, R, U, D or E.
    type : Code, optional
        EventTypeCode.
    outcome : int
        EventOutcomeIndicator.
    """

    family: Family
    action: str
    type: Code | None = None
    outcome: int = 0

    def failed(self, outcome: int = MINOR) -> Shape:
        return replace(self, outcome=outcome)


_STARTED = Shape(Family.ACTIVITY, "E", START)
_STOPPED = Shape(Family.ACTIVITY, "E", STOP)
_SETTINGS = Shape(Family.ALERT, "E", SOFTWARE)
_SECURITY = Shape(Family.ALERT, "E", SECURITY)
_ACCOUNT = Shape(Family.ALERT, "E", ATTRIBUTES)
_ROLES = Shape(Family.ALERT, "E", ROLES)
_RESTRICTED = Shape(Family.ALERT, "E", RESTRICTED)
_LOGIN = Shape(Family.AUTHENTICATION, "E", LOGIN)
_LOGOUT = Shape(Family.AUTHENTICATION, "E", LOGOUT)
_READ = Shape(Family.ACCESSED, "R")
_MADE = Shape(Family.ACCESSED, "C")
_CHANGED = Shape(Family.ACCESSED, "U")
_REMOVED = Shape(Family.ACCESSED, "D")
_ARRIVED = Shape(Family.TRANSFERRED, "C")
_SENT = Shape(Family.TRANSFERRED, "R")
_TO_SEND = Shape(Family.BEGIN_TRANSFER, "E")
_PATIENT = Shape(Family.PATIENT, "U")
_PROCEDURE = Shape(Family.PROCEDURE, "U")
_TOLD = Shape(Family.PROCEDURE, "R")
_QUERY = Shape(Family.QUERY, "E")

SHAPES: dict[K, Shape | None] = {
    # The suite itself
    K.DATABASE_MIGRATED: _SETTINGS,
    K.SETTINGS_CHANGED: _SETTINGS,
    K.SETTINGS_DRAFTED: None,
    K.SETTINGS_APPROVED: _SETTINGS,
    K.SETTINGS_REFUSED: _SETTINGS.failed(),
    K.SERVICE_STARTED: _STARTED,
    K.SERVICE_STOPPED: _STOPPED,
    K.WORKER_STARTED: _STARTED,
    K.WORKER_STOPPED: _STOPPED,
    K.WORKER_LOST: _STOPPED.failed(SERIOUS),
    K.WORK_TAKEN_OVER: None,
    # People and machines
    K.ADMINISTRATOR_LINK_MADE: _ACCOUNT,
    K.ACCOUNT_CREATED: _ACCOUNT,
    K.ACCOUNT_CHANGED: _ROLES,
    K.ACCOUNT_DEACTIVATED: _ACCOUNT,
    K.ACCOUNT_ACTIVATED: _ACCOUNT,
    K.ACCOUNT_LOCKED: _ACCOUNT.failed(),
    K.ACCOUNT_UNLOCKED: _ACCOUNT,
    K.IDENTITY_LINKED: _ACCOUNT,
    K.IDENTITY_UNLINKED: _ACCOUNT,
    K.SINGLE_SIGN_ON_REFUSED: _LOGIN.failed(),
    K.SIGN_IN_LINK_MADE: _ACCOUNT,
    K.SIGNED_IN: _LOGIN,
    K.SIGN_IN_FAILED: _LOGIN.failed(),
    K.SIGNED_OUT: _LOGOUT,
    K.SESSIONS_ENDED: _LOGOUT,
    K.PASSWORD_CHANGED: _ACCOUNT,
    K.PASSWORD_REMOVED: _ACCOUNT,
    K.TOKEN_CREATED: _ACCOUNT,
    K.TOKEN_REVOKED: _ACCOUNT,
    K.ACCESS_REFUSED: _RESTRICTED.failed(),
    # Intake
    K.ARCHIVE_CHANGED: _SETTINGS.failed(),
    K.SWEEP_DONE: None,
    K.STUDY_SEEN: _ARRIVED,
    K.STUDY_CHANGED: Shape(Family.TRANSFERRED, "U"),
    K.STUDY_DELETED: Shape(Family.STUDY_DELETED, "D"),
    K.STUDY_RETURNED: _ARRIVED,
    K.STUDY_READY: None,
    K.STUDY_INCOMPLETE: None,
    K.INTAKE_PAUSED: None,
    K.INTAKE_RESUMED: None,
    # Analysis
    K.ANALYSIS_QUEUED: None,
    K.ANALYSIS_STARTED: _READ,
    K.ANALYSIS_REUSED: None,
    K.ANALYSIS_SEALED: None,
    K.ANALYSIS_REFUSED: None,
    K.ANALYSIS_FAILED: None,
    K.ANALYSIS_WITHDRAWN: None,
    K.ANALYSIS_RETRIED: _PROCEDURE,
    K.ANALYSIS_SET_ASIDE: None,
    K.PRIORITY_CHANGED: _PROCEDURE,
    # Results and delivery
    K.REPORT_SEALED: _MADE,
    K.REPORT_RELEASED: _PROCEDURE,
    K.REPORT_ROUTED: _TO_SEND,
    K.REPORT_SUPERSEDED: _PROCEDURE,
    K.REPORT_WITHDRAWN: _PROCEDURE,
    K.OBJECT_DELIVERED: _SENT,
    K.OBJECT_RECALLED: _REMOVED,
    K.OBJECT_HIDDEN: _CHANGED,
    K.OBJECT_KEPT: None,
    K.OBJECT_COMMITTED: None,
    K.OBJECT_NOT_COMMITTED: None,
    K.STUDY_MARKED: _CHANGED,
    K.DELIVERY_FAILED: _SENT.failed(SERIOUS),
    K.DELIVERY_RETRIED: _TO_SEND,
    # Follow-up
    K.PRIORS_SEARCHED: _QUERY,
    K.PRIOR_FETCHED: _ARRIVED,
    K.PRIOR_REFUSED: None,
    K.PRIOR_ARRIVED: None,
    K.PRIOR_REMOVED: Shape(Family.STUDY_DELETED, "D"),
    K.IDENTITY_STATED: _PATIENT,
    K.IDENTITY_CHANGED: _PATIENT,
    K.IDENTITY_NOT_APPLIED: _PATIENT.failed(),
    K.IDENTITY_UNDONE: _PATIENT,
    K.IMAGES_CORRECTED: _CHANGED,
    K.IMAGES_NOT_CORRECTED: _CHANGED.failed(SERIOUS),
    K.PATIENTS_JOINED: _PATIENT,
    K.PATIENTS_PARTED: _PATIENT,
    K.LESIONS_JOINED: _PROCEDURE,
    K.PROFILE_ANSWERED: _PATIENT,
    K.FINDING_EDITED: _PROCEDURE,
    K.REPORT_SIGNED: _PROCEDURE,
    K.FOLLOW_UP_CHANGED: _PROCEDURE,
    K.FOLLOW_UP_EXPORTED: _QUERY,
    # Programmes
    K.PROGRAMME_STATED: _PROCEDURE,
    K.PROGRAMME_CHANGED: _PROCEDURE,
    # Messages
    K.DECISION_ANNOUNCED: None,
    K.FINDINGS_ANNOUNCED: None,
    K.STUDY_URGENT: _PROCEDURE,
    K.PRIORITY_ANNOUNCED: None,
    K.MESSAGE_SENT: _TOLD,
    K.MESSAGE_FAILED: _TOLD.failed(SERIOUS),
    K.MESSAGE_RETRIED: None,
    K.MESSAGE_TAKEN: None,
    K.MESSAGE_REFUSED: _RESTRICTED.failed(),
    # Worklists of other systems
    K.STEP_CREATED: Shape(Family.PROCEDURE, "C"),
    K.STEP_CHANGED: _PROCEDURE,
    K.STEP_CANCEL_REQUESTED: _PROCEDURE,
    # Models
    K.MODEL_ADMITTED: _SETTINGS,
    K.MODEL_REFUSED: _SETTINGS.failed(),
    K.MODEL_STAGED: _SETTINGS,
    K.COMPARISON_ASKED: None,
    K.COMPARISON_ENDED: None,
    # Oversight
    K.ALARM_RAISED: None,
    K.ALARM_ENDED: None,
    K.ALARM_SEEN: None,
    K.BACKUP_MADE: Shape(Family.ALERT, "E", OPERATION),
    K.BACKUP_RESTORED: _SETTINGS,
    K.RETENTION_REMOVED: _REMOVED,
    K.STUDY_HELD: None,
    K.STUDY_HOLD_LIFTED: None,
    K.STUDY_VIEWED: _READ,
    K.STUDIES_SEARCHED: _QUERY,
    K.AUDIT_EXPORTED: Shape(Family.LOG_USED, "R"),
    # Policies
    K.EXAM_FACTS_STATED: _PROCEDURE,
    K.OUTCOMES_STATED: None,
    K.ROOM_DRAFTED: None,
    K.ROOM_APPROVED: _SETTINGS,
    K.VALIDATION_SIGNED: None,
    K.AI_PAUSED: _SETTINGS,
    K.AI_RESUMED: _SETTINGS,
    K.FIGURES_EXPORTED: None,
    # Reading
    K.STUDY_OPENED: _READ,
    K.IMAGES_STORED: None,
    K.READER_CHANGED: _ROLES,
    K.READING_ARRIVED: None,
    K.READING_AI_SEALED: None,
    K.READING_PLANNED: None,
    K.READING_ASSIGNED: None,
    K.READING_OPENED: None,
    K.READING_READ: _PROCEDURE,
    K.READING_CORRECTED: _PROCEDURE,
    K.READING_AI_COUNTED: None,
    K.READING_TRAINEE_READ: _PROCEDURE,
    K.READING_SAFETY_SHOWN: _READ,
    K.READING_SAFETY_KEPT: _PROCEDURE,
    K.READING_SAFETY_CHANGED: _PROCEDURE,
    K.READING_TAKEN: _PROCEDURE,
    K.READING_ARBITRATED: _PROCEDURE,
    K.READING_CONSENSUS: _PROCEDURE,
    K.READING_DECIDED: _PROCEDURE,
    K.READING_REASSIGNED: _PROCEDURE,
    K.READING_RETURNED_TO_HUMANS: _PROCEDURE,
    K.READING_IMAGES_CHANGED: None,
    K.READING_ALERT: None,
    K.READING_WITHDRAWN: _PROCEDURE,
    K.READING_LATE_AI: None,
}
"""``None``: no message. It tells of a step inside the suite at which nobody sees, changes, sends or
receives a patient's data; or it names no patient, and the events of each study that it led to do.
"""
