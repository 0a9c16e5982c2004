"""Tables of the archive room: what Orthanc holds, as far as we have seen."""

from __future__ import annotations

import datetime
from enum import StrEnum

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
    attended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When the service last looked at it, within some seconds."""


class Purpose(StrEnum):
    """What a study in our archive is for."""

    READING = "reading"
    """It was sent to us."""
    PRIOR = "prior"
    """We asked another archive for it, to compare with: no worklist, report or delivery."""


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
    purpose: Mapped[Purpose] = mapped_column(
        String(16), default=Purpose.READING, server_default=Purpose.READING.value
    )
    pictures: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """Digest of the images last handed over, without whose they are; empty before."""
    read_as: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """The fingerprint of the same images before their identity alone changed; empty where it did
    not since they came."""
    modified_from: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """Orthanc's id of the study that it says this one was made of (*ModifiedFrom*)."""

    __table_args__ = (Index("ix_study_open", "deleted_at", "changed_at"),)


class SearchState(StrEnum):
    """Where the search for a study's earlier ones is."""

    WAITING = "waiting"
    """To be asked, for the first time or again."""
    DONE = "done"


class PriorSearch(Base):
    """The search for the earlier studies of one study."""

    __tablename__ = "prior_search"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[SearchState] = mapped_column(String(16))
    deadline: Mapped[datetime.datetime] = mapped_column(UtcDateTime, index=True)
    """The study's own analysis waits no longer."""
    asked_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    next_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    unreached: Mapped[list[str]] = mapped_column(JSON)
    """Archives that did not answer at the last try."""
    announced: Mapped[list[str]] = mapped_column(JSON)
    """Keys of the usable priors that the pipeline was last told of."""


class PriorState(StrEnum):
    """Where an earlier study is, seen from the study that wants it."""

    WANTED = "wanted"
    """Not here yet, or still arriving."""
    HERE = "here"
    REFUSED = "refused"
    """Not compared, for the reason given."""


class Prior(Base):
    """An earlier study that one study is to be compared with, or why it is not."""

    __tablename__ = "prior"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    place: Mapped[int]
    """From 0, the most wanted first."""
    source: Mapped[str] = mapped_column(String(64))
    """Remote archive that lists it; empty where our own holds it."""
    study_date: Mapped[str] = mapped_column(String(16))
    state: Mapped[PriorState] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(String(64))
    prior_key: Mapped[str | None] = mapped_column(String(32), index=True)
    """Its own study, once it is here."""


class FetchState(StrEnum):
    """Where a study is on its way from a remote archive, and out of ours again."""

    WAITING = "waiting"
    RUNNING = "running"
    HERE = "here"
    FAILED = "failed"
    REMOVING = "removing"
    REMOVED = "removed"
    KEPT = "kept"
    """Somebody sent it too: it is no longer ours to remove."""


class PriorFetch(Base):
    """A study that we ask a remote archive for; written before it is asked."""

    __tablename__ = "prior_fetch"

    study_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    sources: Mapped[list[str]] = mapped_column(JSON)
    """Archives that list it, tried in turn."""
    state: Mapped[FetchState] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    """Technical detail without patient data."""
    priority: Mapped[int]
    """Of the study that asked first."""
    attempts: Mapped[int]
    asked_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When it had arrived, or was given up."""
    last_update: Mapped[str] = mapped_column(String(32))
    """Orthanc's own time of the study's last change when it had arrived."""
    remove_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class JoinedPatient(Base):
    """Two patient identifiers that a person, or a patient administration, says are one's."""

    __tablename__ = "joined_patient"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    one_id: Mapped[str] = mapped_column(String(128), index=True)
    one_issuer: Mapped[str] = mapped_column(String(128))
    other_id: Mapped[str] = mapped_column(String(128), index=True)
    other_issuer: Mapped[str] = mapped_column(String(128))
    joined_by: Mapped[str] = mapped_column(String(64))
    joined_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    parted_by: Mapped[str | None] = mapped_column(String(64))
    parted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    statement: Mapped[int | None] = mapped_column(default=None)
    """Number of the `IdentityStatement` that joined them; None where a person did."""
