"""Tables of the result store, where the three workflows meet."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gransk.core.exam_facts import Fact
from gransk.core.object_kinds import ObjectKind
from gransk.site.database import Base, UtcDateTime


class WorkState(StrEnum):
    """Where a study is with one application."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    NOT_ANALYSED = "not_analysed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class Workitem(Base):
    """One study for one application: the row of the worklist.

    ``generation`` rises with each new input (late images, corrected data);
    ``attempt`` with each new try at the same input, by a person or after the
    loss of a worker. Workflow ids are made of the three.
    """

    __tablename__ = "workitem"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    application: Mapped[str] = mapped_column(String(64))
    """Empty where no application reads the study."""
    state: Mapped[WorkState] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(String(64))
    """Reason code of a refusal or failure."""
    detail: Mapped[str] = mapped_column(Text)
    """Technical detail without patient data."""
    step: Mapped[str] = mapped_column(String(64))
    share: Mapped[float]
    priority: Mapped[int]
    incomplete: Mapped[bool]
    fingerprint: Mapped[str] = mapped_column(String(64))
    read_as: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """The fingerprint under which readers know the images, where their identity alone changed
    since; empty where it is ``fingerprint``."""
    generation: Mapped[int]
    attempt: Mapped[int]
    deaths: Mapped[int]
    """How often a worker died with this input."""
    analysis_key: Mapped[str | None] = mapped_column(String(64))
    report_key: Mapped[str | None] = mapped_column(String(64), index=True)
    settings_version: Mapped[int]
    overrides: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Names of the overrides that held for the study at its last analysis; None before one."""
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    images_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When its last image arrived."""
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("study_key", "application"),)

    @property
    def images_key(self) -> str:
        """What the reading room knows the images by."""
        return self.read_as or self.fingerprint


class Blob(Base):
    """A large object in the content-addressed store, and its size."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When its bytes were removed, their time over (docs/retention.md); null: they are kept."""


class Analysis(Base):
    """Sealed findings of one analysis key; never changed."""

    __tablename__ = "analysis"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    application: Mapped[str] = mapped_column(String(64))
    findings_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    pictures_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    seconds: Mapped[float]
    sealed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class AnalysisModel(Base):
    """A model that an analysis was made with; never changed."""

    __tablename__ = "analysis_model"

    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64), index=True)


class Report(Base):
    """One report key: findings under one identity, and what it supersedes."""

    __tablename__ = "report"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"))
    workitem_id: Mapped[str] = mapped_column(ForeignKey("workitem.id"), index=True)
    incomplete: Mapped[bool]
    supersedes: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    released_by: Mapped[str | None] = mapped_column(String(64))
    withdrawn_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    follow_up_sha256: Mapped[str | None] = mapped_column(String(64))
    """What it tells beside the findings: a `gransk.core.followup.FollowUp` in the store."""


class KeptComparison(Base):
    """A sealed comparison of two analyses; never changed."""

    __tablename__ = "comparison"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    application: Mapped[str] = mapped_column(String(64))
    current_analysis: Mapped[str] = mapped_column(ForeignKey("analysis.key"))
    prior_analysis: Mapped[str] = mapped_column(ForeignKey("analysis.key"))
    comparison_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    pictures_sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    sealed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class Track(Base):
    """Which lesion a finding of an analysis is: the tracking UID that reports write."""

    __tablename__ = "track"

    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"), primary_key=True)
    finding_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    """As the analysis gave it."""
    lesion_uid: Mapped[str] = mapped_column(String(64), index=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ProfileAnswer(Base):
    """One answer of a risk profile; rows are added and never changed."""

    __tablename__ = "profile_answer"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    application: Mapped[str] = mapped_column(String(64))
    part: Mapped[str] = mapped_column(String(64))
    """Of the profile's schema: ``patient``, or a list of lesions."""
    lesion_uid: Mapped[str] = mapped_column(String(64))
    """Tracking UID; empty where the answer is about the patient."""
    key: Mapped[str] = mapped_column(String(64))
    value: Mapped[Any] = mapped_column(JSON)
    """Null: it was asked for, and nobody knows."""
    source: Mapped[str] = mapped_column(String(16))
    date: Mapped[datetime.date]
    """When it was given, or the day that it is true of."""
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    study_key: Mapped[str | None] = mapped_column(String(32), index=True)
    """The study that it was given at; None where it came without one."""
    whole_patient: Mapped[bool]
    """Whether it counts at the patient's other studies too."""
    patient_id: Mapped[str] = mapped_column(String(128), index=True)
    issuer_of_patient_id: Mapped[str] = mapped_column(String(128))
    patient_birth_date: Mapped[str] = mapped_column(String(16))
    patient_sex: Mapped[str] = mapped_column(String(16))


class ProfileOwner(Base):
    """Whose the answers are that were given at a study, where its identity changed since."""

    __tablename__ = "profile_owner"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(128), index=True)
    issuer_of_patient_id: Mapped[str] = mapped_column(String(128))
    patient_birth_date: Mapped[str] = mapped_column(String(16))
    patient_sex: Mapped[str] = mapped_column(String(16))


class ProgrammeSource(StrEnum):
    """Where a statement about an exam's programme comes from."""

    ORDER = "order"
    """Codes or texts of the images, by the site's tables."""
    FILE = "file"
    """A list that was imported."""
    MACHINE = "machine"
    """Another system, by REST."""
    PERSON = "person"


class ProgrammeStatement(Base):
    """What somebody said of the programme of an exam; rows are added and never changed.

    It is about a study, or about whatever study bears an accession number, now or later.
    """

    __tablename__ = "programme_statement"

    number: Mapped[int] = mapped_column(primary_key=True)
    accession_number: Mapped[str] = mapped_column(String(64), index=True)
    """Empty where it is about one study."""
    study_key: Mapped[str | None] = mapped_column(String(32), index=True)
    source: Mapped[ProgrammeSource] = mapped_column(String(16))
    programmes: Mapped[list[str]] = mapped_column(JSON)
    """None where it takes back what was said before; several where an order contradicts itself."""
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ExamProgramme(Base):
    """Which programme counts at a study, and by whose word."""

    __tablename__ = "exam_programme"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    programme: Mapped[str | None] = mapped_column(String(16), index=True)
    """Null where it is unknown."""
    source: Mapped[ProgrammeSource | None] = mapped_column(String(16))
    conflict: Mapped[str] = mapped_column(String(16))
    """Of `gransk.results.programmes.Conflict`."""
    said_by: Mapped[str | None] = mapped_column(String(64))
    said_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class FactSource(StrEnum):
    """Where a statement about a fact of an exam comes from."""

    IMAGES = "images"
    FILE = "file"
    """A list that was imported."""
    MACHINE = "machine"
    """Another system, by REST or HL7."""
    PERSON = "person"


class ExamFact(Base):
    """What somebody said of a fact of an exam; rows are added and never changed.

    It is about a study, or about whatever study bears an accession number, now or later.
    """

    __tablename__ = "exam_fact"

    number: Mapped[int] = mapped_column(primary_key=True)
    accession_number: Mapped[str] = mapped_column(String(64), index=True)
    """Empty where it is about one study."""
    study_key: Mapped[str | None] = mapped_column(String(32), index=True)
    fact: Mapped[Fact] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(128))
    """Empty where it takes back what was said before."""
    source: Mapped[FactSource] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ExamKnown(Base):
    """Which facts count at a study, and by whose word."""

    __tablename__ = "exam_known"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    facts: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    """Value and source by fact; what nobody said is left out."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """When that last changed."""


class ActKind(StrEnum):
    """What a person may do on the findings of a study."""

    CONFIRM = "confirm"
    REJECT = "reject"
    RELABEL = "relabel"
    ADD = "add"
    WITHDRAW = "withdraw"
    SIGN = "sign"


class FindingAct(Base):
    """One act of a person on the findings of a study and application; never changed."""

    __tablename__ = "finding_act"

    number: Mapped[int] = mapped_column(primary_key=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    application: Mapped[str] = mapped_column(String(64))
    kind: Mapped[ActKind] = mapped_column(String(16))
    account: Mapped[str] = mapped_column(String(64))
    person: Mapped[str] = mapped_column(String(128))
    """As reports name the person."""
    role: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"))
    """The analysis whose findings the person saw."""
    report_key: Mapped[str] = mapped_column(String(64))
    """The report that the person saw."""
    finding_uid: Mapped[str | None] = mapped_column(String(64))
    """As the analysis gave it; of an added finding as the act gave it."""
    lesion_uid: Mapped[str | None] = mapped_column(String(64))
    """Tracking UID of the lesion, as far as it was known."""
    withdraws: Mapped[int | None] = mapped_column(ForeignKey("finding_act.number"))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Reason, words, labels, place."""


class ActMeasurement(Base):
    """What was measured, in one analysis, where a person added a finding."""

    __tablename__ = "act_measurement"

    act: Mapped[int] = mapped_column(ForeignKey("finding_act.number"), primary_key=True)
    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"), primary_key=True)
    finding: Mapped[str | None] = mapped_column(Text)
    """JSON of the finding; None where nothing could be outlined."""
    refused: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ReportObject(Base):
    """One DICOM object of a report: bytes made once and kept."""

    __tablename__ = "report_object"

    sop_instance_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    report_key: Mapped[str] = mapped_column(ForeignKey("report.key"), index=True)
    kind: Mapped[ObjectKind] = mapped_column(String(16))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    series_instance_uid: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))


class DeliveryState(StrEnum):
    """Where an object is on its way to one destination, and back."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RECALL = "recall"
    """Sent, and its report has fallen since: what the destination's policy says is to be done."""
    RECALLED = "recalled"
    """Not at the destination any more."""
    HIDDEN = "hidden"
    """Still there, and rejected by a Key Object note."""
    KEPT = "kept"
    """Still there, superseded or withdrawn."""


class Delivery(Base):
    """The outbox: one object to one destination."""

    __tablename__ = "delivery"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    report_key: Mapped[str] = mapped_column(ForeignKey("report.key"), index=True)
    sop_instance_uid: Mapped[str] = mapped_column(
        ForeignKey("report_object.sop_instance_uid"), index=True
    )
    destination: Mapped[str] = mapped_column(String(64))
    state: Mapped[DeliveryState] = mapped_column(String(16))
    attempt: Mapped[int]
    error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When a try last began that was not clearly refused: from then on it may be there."""
    trying: Mapped[int | None]
    """The attempt that is under way, or was when its worker ended: until a workflow of it says
    how it went, nothing of a later report of the study is sent there."""
    committed_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """When the destination said that it keeps what was sent (storage commitment)."""
    commit_by: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """Until when it may; null before it is asked."""

    __table_args__ = (
        UniqueConstraint("sop_instance_uid", "destination"),
        Index("ix_delivery_open", "state", "destination"),
    )
