"""Tables of the archive room: what Orthanc holds, as far as we have seen."""

from __future__ import annotations

import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime, utcnow


class Archive(Base):
    """One Orthanc and how far its change log was read."""

    __tablename__ = "archive"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity: Mapped[str] = mapped_column(String(128))
    cursor: Mapped[int]
    swept_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class SeenStudy(Base):
    """A study in the archive.

    ``key`` is pseudonymous and the only name that logs and file names use. The
    patient's attributes are kept for the pages alone.
    """

    __tablename__ = "study"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    archive: Mapped[str] = mapped_column(ForeignKey("archive.name"))
    orthanc_id: Mapped[str] = mapped_column(String(64), index=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    patient_name: Mapped[str] = mapped_column(Text)
    patient_id: Mapped[str] = mapped_column(String(128), index=True)
    issuer_of_patient_id: Mapped[str] = mapped_column(String(128))
    patient_birth_date: Mapped[str] = mapped_column(String(16))
    patient_sex: Mapped[str] = mapped_column(String(16))
    study_date: Mapped[str] = mapped_column(String(16))
    study_time: Mapped[str] = mapped_column(String(32))
    description: Mapped[str] = mapped_column(Text)
    accession_number: Mapped[str] = mapped_column(String(64), index=True)
    modalities: Mapped[list[str]] = mapped_column(JSON)
    images: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Digest of the input images and the attributes written into reports."""
    priority: Mapped[int]
    first_seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When an image was last added, replaced or removed."""
    deleted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    settled_fingerprint: Mapped[str] = mapped_column(String(64))
    """The fingerprint last handed to the pipeline; empty before the first."""
    pending: Mapped[bool] = mapped_column(default=True, index=True)
    """The archive changed it and it is not settled since."""
    noticed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=utcnow)
    """When the archive was last seen to change it, by any object, ours too."""
    instances: Mapped[int] = mapped_column(default=0)
    """Every object of it when it was last read: images, reports, ours."""
    last_update: Mapped[str] = mapped_column(String(32), default="")
    """Orthanc's own time of its last change when it was last read."""

    __table_args__ = (Index("ix_study_open", "deleted_at", "changed_at"),)
