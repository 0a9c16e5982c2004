"""A folder that a command writes to: looked at beforehand, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gransk.core.errors import ConfigurationError

PROBE_BYTES = 1 << 20


def check_folder(folder: Path, name: str) -> None:
    """See that a folder can be written to, and leave nothing in it.

    Parameters
    ----------
    folder : Path
        Made later where it is not there yet.
    name : str
        Of the option or argument, for the error.

    Raises
    ------
    ConfigurationError
        Where it is a file, may not be written to or has no room.
    """
    place = next(p for p in (folder, *folder.absolute().parents) if os.path.lexists(p))
    if not place.is_dir():
        raise ConfigurationError(f"{name}: {place} is no folder; name a folder, new or old")
    try:
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        raise ConfigurationError(
            f"{name}: {place} cannot be written to ({error.strerror}); "
            "name a folder that may be written to and has room"
        ) from error


def write_whole(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by name; where one fails, none of them is there.

    Raises
    ------
    OSError
        Where one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".gransk-") as aside:
        for name, content in files.items():
            (Path(aside) / name).write_bytes(content)
        for name in files:
            (Path(aside) / name).replace(folder / name)
