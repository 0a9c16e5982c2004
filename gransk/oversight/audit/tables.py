"""How far the site's audit repository has been told of the event log."""

from __future__ import annotations

import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gransk.site.database import Base, UtcDateTime


class AuditCursor(Base):
    """One line: the last event that the repository has, or that it is not to be told of."""

    __tablename__ = "audit_cursor"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int]
    sent: Mapped[int]
    """Messages that were sent, in all."""
    sent_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str] = mapped_column(Text)
    """Of the last try; empty where it succeeded."""
    failing_since: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
