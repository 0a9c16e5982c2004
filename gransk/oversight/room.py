"""How much room there is where the data lie, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gransk.site.config import Config
from gransk.site.free_disk import least_free_disk

MEGABYTE = 1 << 20


class RoomLevel(StrEnum):
    """How it stands with the free disk."""

    GOOD = "good"
    SHORT = "short"
    """Less than the site wants to be warned of."""
    PAUSED = "paused"
    """So little that intake pauses."""


@dataclass(frozen=True)
class Room:
    """Free disk.

    Parameters
    ----------
    folder : Path
        Of the data, where there is the least.
    free, total : int
        Bytes.
    warn_mb, least_mb : int
        Below which it is warned of, and intake pauses.
    """

    folder: Path
    free: int
    total: int
    warn_mb: int
    least_mb: int

    @property
    def free_mb(self) -> int:
        return self.free // MEGABYTE

    @property
    def level(self) -> RoomLevel:
        if self.free_mb < self.least_mb:
            return RoomLevel.PAUSED
        return RoomLevel.SHORT if self.free_mb < self.warn_mb else RoomLevel.GOOD


def room(config: Config) -> Room:
    """The free disk where the data are, or will be.

    Raises
    ------
    OSError
        Where the disk cannot be asked.
    """
    least = config.intake.min_free_disk_mb
    warn = max(2 * least, config.retention.warn_free_mb)
    disk = least_free_disk(config)
    return Room(disk.folder, disk.free, disk.total, warn, least)
