"""How much disk is free where the data lie: the data folder, and the share that results are on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gransk.site.config import Config


@dataclass(frozen=True)
class Disk:
    """A disk that data lie on.

    Parameters
    ----------
    folder : Path
        Of ours, that lies on it.
    free, total : int
        Bytes.
    """

    folder: Path
    free: int
    total: int


def least_free_disk(config: Config) -> Disk:
    """The disk with the least room; on many hosts ``blobs`` is a share, with room of its own.

    Raises
    ------
    OSError
        Where one of them cannot be asked.
    """
    disks = [_disk(folder) for folder in (config.data_folder, config.blob_folder)]
    return min(disks, key=lambda one: one.free)


def _disk(folder: Path) -> Disk:
    """Where a folder is, or will be."""
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    usage = shutil.disk_usage(there)
    return Disk(folder, usage.free, usage.total)
