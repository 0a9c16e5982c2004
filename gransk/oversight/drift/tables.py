"""The table of charts, as they were last drawn."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class DriftChart(Base):
    """A chart, or a table of outcomes, as a page shows it; without any key of a study."""

    __tablename__ = "drift_chart"

    about: Mapped[str] = mapped_column(String(255), primary_key=True)
    """What its alarm is about."""
    application: Mapped[str] = mapped_column(String(64), index=True)
    unit: Mapped[str] = mapped_column(String(64))
    place: Mapped[int]
    """Among the charts of the page."""
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
