"""Tables of identity: what other systems and people said, what it changed, what is corrected."""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class IdentityStatement(Base):
    """What somebody said of a patient's identity; rows are added and never changed.

    A row with ``prior_id`` says that what is filed under it is ``patient_id``'s. Name, birth
    date and sex are the patient's, as DICOM has them; empty where nothing was said of them.
    """

    __tablename__ = "identity_statement"

    number: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(String(64))
    """The sender of the message; of an undoing, the account."""
    event: Mapped[str] = mapped_column(String(8))
    """HL7 trigger event, such as A40; ``undone`` where a person takes one back."""
    said_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When it was said (MSH-7): the latest counts, in whatever order messages arrive."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When it was noted here."""
    patient_id: Mapped[str] = mapped_column(String(128), index=True)
    issuer: Mapped[str] = mapped_column(String(128))
    prior_id: Mapped[str] = mapped_column(String(128), index=True)
    prior_issuer: Mapped[str] = mapped_column(String(128))
    patient_name: Mapped[str] = mapped_column(Text)
    birth_date: Mapped[str] = mapped_column(String(16))
    sex: Mapped[str] = mapped_column(String(16))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("identity_statement.number"), index=True)


class IdentityChange(Base):
    """A study that became another identity's; rows are added and never changed."""

    __tablename__ = "identity_change"

    number: Mapped[int] = mapped_column(primary_key=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    statement: Mapped[int | None] = mapped_column(
        ForeignKey("identity_statement.number"), index=True
    )
    """None where the images themselves say so."""
    actor: Mapped[str] = mapped_column(String(64))
    """Sender, account, or the archive whose images changed."""
    before: Mapped[dict[str, str]] = mapped_column(JSON)
    after: Mapped[dict[str, str]] = mapped_column(JSON)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class CorrectionState(StrEnum):
    """Where the correction of a study's images is."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    """A file could not be changed: nothing of the study was."""


class IdentityCorrection(Base):
    """Images in our archive that are to bear their study's identity; noted before any is changed.

    ``orthanc_id`` is where they lie; Orthanc names a study anew where its Patient ID changes.
    """

    __tablename__ = "identity_correction"

    orthanc_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    target: Mapped[str] = mapped_column(String(64))
    """Where Orthanc holds it since; empty before, and once the archive's log told of it."""
    state: Mapped[CorrectionState] = mapped_column(String(16), index=True)
    tries: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    """Of the last try, without patient data."""
    next_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
