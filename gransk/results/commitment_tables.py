"""Tables of what destinations were asked to keep, and of notes that reject what fell."""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class CommitmentState(StrEnum):
    """Where a request for storage commitment is."""

    ASKED = "asked"
    """Written down; its N-ACTION is under way, or its answer is awaited."""
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    """No answer came within a while, or the destination lost it; a late one is taken still."""
    NOT_TAKEN = "not_taken"
    """The destination could not be reached, or did not take the request."""


class Commitment(Base):
    """One request for storage commitment: a transaction (PS3.4 J.3)."""

    __tablename__ = "commitment"

    transaction_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[CommitmentState] = mapped_column(String(16), index=True)
    asked_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    ask_again_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When the answer is waited for no longer."""
    answered_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class CommitmentObject(Base):
    """One object of a request, and what was answered of it."""

    __tablename__ = "commitment_object"

    transaction_uid: Mapped[str] = mapped_column(
        ForeignKey("commitment.transaction_uid"), primary_key=True
    )
    delivery_id: Mapped[str] = mapped_column(
        ForeignKey("delivery.id"), primary_key=True, index=True
    )
    attempt: Mapped[int]
    """Of the delivery, as it was asked about."""
    committed: Mapped[bool | None]
    failure: Mapped[int | None]
    """Failure Reason (0008,1197)."""


class RejectionNote(Base):
    """A Key Object Selection that rejects objects of a fallen report at one destination."""

    __tablename__ = "rejection_note"

    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    report_key: Mapped[str] = mapped_column(ForeignKey("report.key"))
    destination: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    """From 1; a report that returned and fell once more has another note."""
    objects: Mapped[list[str]] = mapped_column(JSON)
    """SOP Instance UIDs, in order."""
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    made_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("report_key", "destination", "number"),)
