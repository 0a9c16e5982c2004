"""Tables of the registry; every one is append-only."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class Stage(StrEnum):
    """Where an admitted model stands."""

    CANDIDATE = "candidate"
    """It passed the checks."""
    SHADOW = "shadow"
    """It may run beside the active model, seen by nobody who reads."""
    ACTIVE = "active"
    """Settings may name it."""
    RETIRED = "retired"
    """No new settings may name it; results that it made stay."""


class Source(StrEnum):
    """The door by which a model came."""

    INBOX = "inbox"
    PAGE = "page"
    SHELL = "shell"


class EvidenceKind(StrEnum):
    """What a piece of evidence is."""

    FIGURES = "figures"
    FILE = "file"
    VALIDATION = "validation"
    """A signed local validation, by its number."""
    COMPARISON = "comparison"
    """A comparison with another model, by its number."""


class ModelAttempt(Base):
    """One try to admit a model, with what every check found."""

    __tablename__ = "model_attempt"

    number: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[Source] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(128))
    """Name of the file or folder, as it was given."""
    model: Mapped[str] = mapped_column(String(160), index=True)
    """``id@version``; empty where no card could be read."""
    admitted: Mapped[bool]
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """`gransk.registry.checks.Result`, in order."""
    author: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ModelRow(Base):
    """A model that was admitted."""

    __tablename__ = "model"

    name: Mapped[str] = mapped_column(String(160), primary_key=True)
    """``id@version``."""
    attempt: Mapped[int] = mapped_column(ForeignKey("model_attempt.number"))
    card: Mapped[dict[str, Any]] = mapped_column(JSON)
    """`gransk.core.models.Card`."""
    card_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of the ONNX file."""
    signer: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the public key that its card is signed by."""
    seconds: Mapped[float]
    """Of one inference of the golden case, on the machine that admitted it."""
    peak_mb: Mapped[int]
    """Most memory of the process that did it."""


class ModelStep(Base):
    """A model's step from one stage to the next."""

    __tablename__ = "model_step"

    number: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey("model.name"), index=True)
    stage: Mapped[Stage] = mapped_column(String(16))
    wants_approval: Mapped[bool]
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ModelVerdict(Base):
    """That a proposed step is approved, or turned down; the step's author may take it back so."""

    __tablename__ = "model_verdict"

    step: Mapped[int] = mapped_column(
        ForeignKey("model_step.number"), primary_key=True, autoincrement=False
    )
    approved: Mapped[bool]
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class ModelEvidence(Base):
    """A piece of evidence for a step."""

    __tablename__ = "model_evidence"

    number: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(ForeignKey("model_step.number"), index=True)
    kind: Mapped[EvidenceKind] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(128))
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Figures, or ``number`` and ``digest`` of what is linked."""
    sha256: Mapped[str | None] = mapped_column(ForeignKey("blob.sha256"))
    """Of the file, in the store of large objects."""
    author: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
