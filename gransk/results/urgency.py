"""Which studies are urgent by the site's rules, and why."""

from __future__ import annotations

import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class Level(StrEnum):
    """How far up a study moves; DICOM's and HL7's words for it follow from these."""

    HIGH = "high"
    STAT = "stat"


class Urgency(Base):
    """A study that moved up the worklist; it rises and never falls.

    Written in the transaction that releases the report whose findings are urgent, and only while
    nobody has read the study: what is in this table may be shown as the report itself may.
    """

    __tablename__ = "urgency"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    level: Mapped[Level] = mapped_column(String(8))
    rule: Mapped[str] = mapped_column(String(64))
    """Name of the rule of the configuration that holds: its words say the reason."""
    application: Mapped[str] = mapped_column(String(64))
    report_key: Mapped[str] = mapped_column(String(64))
    """The report that it was found in."""
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
