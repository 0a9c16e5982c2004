"""What stands in the ledger of an exam: kinds of entries and what each holds."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from gransk.core.findings import Frozen
from gransk.core.screening import Verdict
from gransk.reading.opinions import (
    AiOpinion,
    DifferenceReason,
    Opinion,
    Suspect,
    Technical,
    verify,
)
from gransk.reading.plan import Plan
from gransk.site.events import SYSTEM


class Kind(StrEnum):
    """The closed list of entries. A value is stored and never changes meaning."""

    ARRIVED = "arrived"
    """The exam is here, for the first time or again."""
    AI_SEALED = "ai_sealed"
    PLANNED = "planned"
    ASSIGNED = "assigned"
    """A person is given a read or an arbitration."""
    OPENED = "opened"
    """From now on it may be read."""
    READ = "read"
    CORRECTED = "corrected"
    """A reader's own read, before the first opinions are complete."""
    AI_COUNTED = "ai_counted"
    """The sealed opinion is one of the first opinions."""
    TRAINEE_READ = "trainee_read"
    SAFETY_SHOWN = "safety_shown"
    """Readers who found it normal are shown that the AI would recall."""
    SAFETY_KEPT = "safety_kept"
    SAFETY_CHANGED = "safety_changed"
    """A reader changes to recall."""
    TAKEN = "taken"
    """Somebody opens the arbitration, and sees everything from then on."""
    ARBITRATED = "arbitrated"
    CONSENSUS = "consensus"
    DECIDED = "decided"
    REASSIGNED = "reassigned"
    RETURNED_TO_HUMANS = "returned_to_humans"
    IMAGES_CHANGED = "images_changed"
    """Before the decision: it is read anew."""
    ALERT = "alert"
    """Something happened after the decision, which stands."""
    WITHDRAWN = "withdrawn"
    LATE_AI = "late_ai"
    """An opinion that came too late to count: kept as shadow."""


BY_SYSTEM = frozenset(
    {
        Kind.ARRIVED, Kind.AI_SEALED, Kind.PLANNED, Kind.ASSIGNED, Kind.OPENED, Kind.AI_COUNTED,
        Kind.SAFETY_SHOWN, Kind.DECIDED, Kind.IMAGES_CHANGED, Kind.ALERT, Kind.LATE_AI,
    }
)  # fmt: skip
"""Entries that the suite alone makes."""

BY_EITHER = frozenset({Kind.WITHDRAWN, Kind.RETURNED_TO_HUMANS})

WITH_REASON = frozenset({Kind.REASSIGNED, Kind.RETURNED_TO_HUMANS, Kind.WITHDRAWN})
"""Entries that say why in words or a code."""


class TaskKind(StrEnum):
    """What a person is given."""

    FIRST = "first"
    ARBITRATION = "arbitration"
    SAFETY = "safety"
    """To look again at an exam that was found normal."""
    TRAINEE = "trainee"


class Content(Frozen):
    """What an entry holds beside who, when and why."""


class Images(Content):
    """The images of an exam, as the archive holds them now.

    Parameters
    ----------
    images : str
        Digest of the images and of what reports repeat of them.
    images_at : datetime
        When the last of them arrived.
    opens_at : datetime
        The one instant at which it may be read, whenever the AI is ready.
    """

    images: str = Field(min_length=1, max_length=64)
    images_at: datetime.datetime
    opens_at: datetime.datetime

    @model_validator(mode="after")
    def _check(self) -> Images:
        if self.images_at.tzinfo is None or self.opens_at.tzinfo is None:
            raise ValueError("instants need a time zone")
        if self.opens_at < self.images_at:
            raise ValueError("an exam opens after its last image")
        return self


class Arrival(Images):
    """An exam enters the reading room.

    Parameters
    ----------
    unit : str
        Whose readers read it.
    application : str
        Whose opinion may be asked.
    """

    unit: str = Field(min_length=1, max_length=64)
    application: str = Field(min_length=1, max_length=64)


class Sealed(Content):
    """The AI's opinion, and its hash."""

    opinion: AiOpinion
    seal: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _check(self) -> Sealed:
        if not verify(self.seal, self.opinion):
            raise ValueError("the opinion is not the one that was sealed")
        return self


class Planned(Content):
    plan: Plan


class Task(Content):
    """What is given, and to whom."""

    task: TaskKind
    account: str = Field(min_length=1, max_length=64)


class Moved(Content):
    """A task that is given to somebody else.

    Parameters
    ----------
    task : TaskKind
    giver : str
        Who had it; empty where nobody had.
    taker : str
        Who has it now; empty where nobody has.
    """

    task: TaskKind
    giver: str = Field(default="", max_length=64)
    taker: str = Field(default="", max_length=64)

    @model_validator(mode="after")
    def _check(self) -> Moved:
        if self.giver == self.taker:
            raise ValueError("a task goes from one person to another")
        return self


class Opening(Content):
    """Who was drawn to read, in order; the second is asked only where the plan wants two."""

    drawn: tuple[str, ...] = Field(default=(), max_length=2)


class Reading(Content):
    """One person's opinion of the images that were there.

    Parameters
    ----------
    opinion : Opinion
    images : str
        Digest of the images that were read.
    seal : str
        Of the AI's opinion that was sealed before; empty where there was none.
    seconds : float, optional
        From opening to recording.
    via : str
        Machine through which it came; empty for our own pages.
    """

    opinion: Opinion
    images: str = Field(min_length=1, max_length=64)
    seal: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    seconds: float | None = Field(default=None, ge=0)
    via: str = Field(default="", max_length=64)


class Counted(Content):
    seal: str = Field(pattern=r"^[0-9a-f]{64}$")


class Judgement(Content):
    """What a third reader or a meeting decides.

    Parameters
    ----------
    opinion : Opinion
    why : DifferenceReason
        Why the first opinions differed.
    participants : tuple of str
        Accounts at a consensus meeting, who leads it among them; empty for a third reader.
    """

    opinion: Opinion
    why: DifferenceReason
    participants: tuple[str, ...] = Field(default=(), max_length=20)


class Decision(Content):
    """What becomes of the woman.

    Parameters
    ----------
    verdict : Verdict
    suspects : tuple of Suspect
        What people pointed at, for a recall.
    technical : tuple of Technical
        What is to be made again, for a technical repeat.
    """

    verdict: Verdict
    suspects: tuple[Suspect, ...] = ()
    technical: tuple[Technical, ...] = ()


class AlertCode(StrEnum):
    """What happened to an exam after its decision."""

    IMAGES_CHANGED = "images_changed"


class Alert(Content):
    code: AlertCode
    images: str = ""


class Nothing(Content):
    """Who, when and why say it all."""


CONTENT: Mapping[Kind, type[Content]] = {
    Kind.ARRIVED: Arrival,
    Kind.AI_SEALED: Sealed,
    Kind.PLANNED: Planned,
    Kind.ASSIGNED: Task,
    Kind.OPENED: Opening,
    Kind.READ: Reading,
    Kind.CORRECTED: Reading,
    Kind.AI_COUNTED: Counted,
    Kind.TRAINEE_READ: Reading,
    Kind.SAFETY_SHOWN: Nothing,
    Kind.SAFETY_KEPT: Nothing,
    Kind.SAFETY_CHANGED: Reading,
    Kind.TAKEN: Nothing,
    Kind.ARBITRATED: Judgement,
    Kind.CONSENSUS: Judgement,
    Kind.DECIDED: Decision,
    Kind.REASSIGNED: Moved,
    Kind.RETURNED_TO_HUMANS: Planned,
    Kind.IMAGES_CHANGED: Images,
    Kind.ALERT: Alert,
    Kind.WITHDRAWN: Nothing,
    Kind.LATE_AI: Sealed,
}


@dataclass(frozen=True)
class Entry:
    """One entry of an exam's ledger.

    Parameters
    ----------
    kind : Kind
    content : Content
        Of the type that `CONTENT` names.
    at : datetime
        With its time zone.
    actor : str
        Account; `gransk.site.events.SYSTEM` for the suite.
    role : str
        In which a person acted; empty for the suite.
    reason : str
        Why; needed for the kinds of `WITH_REASON`.
    """

    kind: Kind
    content: Content
    at: datetime.datetime
    actor: str = SYSTEM
    role: str = ""
    reason: str = ""

    @classmethod
    def read(
        cls,
        kind: str,
        content: Mapping[str, Any],
        at: datetime.datetime,
        actor: str,
        role: str,
        reason: str,
    ) -> Entry:
        """An entry as it was stored."""
        known = Kind(kind)
        return cls(known, CONTENT[known].model_validate(content), at, actor, role, reason)
