"""Studies of which nothing may be removed."""

from __future__ import annotations

import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class StudyHold(Base):
    """A person keeps a study from retention, as for a complaint or a case at law."""

    __tablename__ = "study_hold"

    number: Mapped[int] = mapped_column(primary_key=True)
    study_key: Mapped[str] = mapped_column(String(32), index=True)
    reason: Mapped[str] = mapped_column(Text)
    placed_by: Mapped[str] = mapped_column(String(64))
    placed_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    lifted_by: Mapped[str | None] = mapped_column(String(64))
    lifted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
