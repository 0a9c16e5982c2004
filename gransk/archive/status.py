"""How intake is, and why, as people read it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How intake is."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    UNAVAILABLE = "unavailable"
    STOPPED = "stopped"


class Cause(StrEnum):
    """Why intake does not run; the value is shown in the reader's language."""

    NONE = ""
    DISK_FULL = "disk_full"
    ARCHIVE_DISK_FULL = "archive_disk_full"
    ARCHIVE_UNAVAILABLE = "archive_unavailable"
    ARCHIVE_REFUSES = "archive_refuses"
    DATABASE_FAILED = "database_failed"
    INTERNAL_ERROR = "internal_error"


TEXTS: dict[Cause, dict[str, str]] = {
    Cause.NONE: {"en": "Studies are taken in.", "da": "Undersøgelser modtages."},
    Cause.DISK_FULL: {
        "en": "The disk of Gransk's data is nearly full: studies wait until there is room.",
        "da": "Disken med Gransks data er næsten fuld: undersøgelser venter, til der er plads.",
    },
    Cause.ARCHIVE_DISK_FULL: {
        "en": "The disk of the archive is nearly full: studies wait until there is room.",
        "da": "Arkivets disk er næsten fuld: undersøgelser venter, til der er plads.",
    },
    Cause.ARCHIVE_UNAVAILABLE: {
        "en": "Orthanc does not answer; studies are taken in when it does.",
        "da": "Orthanc svarer ikke; undersøgelser modtages, når den gør.",
    },
    Cause.ARCHIVE_REFUSES: {
        "en": "Orthanc refuses us; check orthanc.username and orthanc.password_file.",
        "da": "Orthanc afviser os; se orthanc.username og orthanc.password_file.",
    },
    Cause.DATABASE_FAILED: {
        "en": "The database does not take what is written; see its disk and log.",
        "da": "Databasen tager ikke imod; se dens disk og log.",
    },
    Cause.INTERNAL_ERROR: {
        "en": "A fault in Gransk; it tries again. See the log.",
        "da": "En fejl i Gransk; den prøver igen. Se loggen.",
    },
}


@dataclass(frozen=True)
class Status:
    """How intake is, why, and since when."""

    state: State
    cause: Cause
    since: datetime.datetime

    def text(self, language: str) -> str:
        """The cause as a person reads it, in ``da`` or ``en``."""
        return TEXTS[self.cause][language]
