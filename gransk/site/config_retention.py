"""The part of the configuration about what is removed after a time, backups and room."""

from __future__ import annotations

from pydantic import Field

from gransk.site.config_types import Section, Whole


class RetentionSection(Section):
    """What is removed after a time, and when the doctor warns of backups and room.

    Days are whole; where nothing is given nothing is removed.
    """

    fallen_days: Whole | None = Field(default=None, ge=1, le=36500)
    """Pictures and objects without text of reports that were superseded or withdrawn."""
    messages_days: Whole | None = Field(default=None, ge=1, le=36500)
    """Bodies of messages that were sent, and of their answers."""
    most_mb: Whole | None = Field(default=None, ge=1)
    """Above so much, what may go goes before its time, the oldest first."""
    warn_free_mb: Whole = Field(default=8192, ge=0)
    backup_days: Whole = Field(default=2, ge=1, le=366)

    @property
    def on(self) -> bool:
        """Is anything ever removed?"""
        return any((self.fallen_days, self.messages_days, self.most_mb))
