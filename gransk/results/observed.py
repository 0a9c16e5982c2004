"""What is observed of each analysed study: by it drift is seen. No patient data but whole years."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from gransk.core.exam_facts import Fact
from gransk.results.exam_facts import known_of
from gransk.site.database import Base, UtcDateTime, utcnow

PROBABILITY = "probability"
"""Name of the fact that is the calibrated probability of disease."""


class Observation(Base):
    """Facts of one analysis of one study; written once, with the analysis."""

    __tablename__ = "observation"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    analysis_key: Mapped[str] = mapped_column(ForeignKey("analysis.key"), primary_key=True)
    application: Mapped[str] = mapped_column(String(64))
    unit: Mapped[str] = mapped_column(String(64))
    """Empty where it is not known."""
    regime: Mapped[str] = mapped_column(String(16))
    """Digest of the application's version, its models and settings: under another one scores are
    other numbers."""
    facts: Mapped[dict[str, str | float]] = mapped_column(JSON)
    """By name; what is not known is left out."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    counted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    """Since when it is counted where drift is looked for; null before."""

    __table_args__ = (Index("ix_observation_counted", "application", "counted_at"),)


def observe(
    session: Session,
    study_key: str,
    analysis_key: str,
    application: str,
    regime: str,
    facts: Mapping[str, str | float],
) -> None:
    """Keep what is observed of an analysis, where that is not kept yet."""
    if session.get(Observation, (study_key, analysis_key)) is not None:
        return
    unit = known_of(session, study_key).get(Fact.UNIT)
    session.add(
        Observation(
            study_key=study_key,
            analysis_key=analysis_key,
            application=application,
            unit="" if unit is None else unit.value,
            regime=regime,
            facts=dict(facts),
            at=utcnow(),
            counted_at=None,
        )
    )
