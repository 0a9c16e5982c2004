"""A model as it arrives: a folder or a zip, copied file by file into an empty folder.

Only plain files with plain names are taken, all of one folder; nothing is ever written elsewhere.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from zlib import error as ZlibError  # noqa: N812

from gransk.registry.checks import Fault, FaultError

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_FILES = 16
MB = 1024 * 1024
IGNORED = frozenset({".DS_Store", "__MACOSX"})


def unpack(source: Path, target: Path, max_mb: int) -> None:
    """Copy what arrived into an empty folder.

    Parameters
    ----------
    source : Path
        A folder, or a zip of one.
    target : Path
    max_mb : int
        Of everything together, packed and unpacked.

    Raises
    ------
    FaultError
        ``UNREADABLE_PACKAGE``, ``PACKAGE_TOO_LARGE``, ``UNSAFE_NAME``.
    """
    left = max_mb * MB
    try:
        if source.is_symlink():
            raise FaultError(Fault.UNSAFE_NAME, source.name)
        if source.is_dir():
            _copy_folder(source, target, left)
        elif source.is_file():
            _copy_zip(source, target, left)
        else:
            # A pipe would be waited for.
            raise FaultError(Fault.UNSAFE_NAME, source.name)
    except (OSError, zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError) as error:
        detail = error.strerror if isinstance(error, OSError) else str(error)
        raise FaultError(Fault.UNREADABLE_PACKAGE, detail or type(error).__name__) from error
    except RuntimeError as error:  # zipfile's word for an encrypted entry
        raise FaultError(Fault.UNREADABLE_PACKAGE, "encrypted") from error


def _copy_folder(source: Path, target: Path, left: int) -> None:
    names = [path.name for path in source.iterdir() if path.name not in IGNORED]
    _check_names(names)
    for name in names:
        path = source / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise FaultError(Fault.UNSAFE_NAME, name)
        with path.open("rb") as reading:
            left -= _copy(reading, target / name, left)


def _copy_zip(source: Path, target: Path, left: int) -> None:
    if source.stat().st_size > left:
        raise FaultError(Fault.PACKAGE_TOO_LARGE, source.name)
    with zipfile.ZipFile(source) as archive:
        entries = list(_files(archive))
        tops = {path.parts[0] for path, _ in entries if len(path.parts) > 1}
        flat = [path.parts[1:] if len(tops) == 1 else path.parts for path, _ in entries]
        if tops and (len(tops) > 1 or any(len(path.parts) == 1 for path, _ in entries)):
            raise FaultError(Fault.UNSAFE_NAME, ", ".join(sorted(tops)))
        for parts, (path, _) in zip(flat, entries, strict=True):
            if len(parts) != 1:
                raise FaultError(Fault.UNSAFE_NAME, str(path))
        names = [parts[0] for parts in flat]
        _check_names(names)
        for name, (_, entry) in zip(names, entries, strict=True):
            with archive.open(entry) as reading:
                left -= _copy(reading, target / name, left)


def _files(archive: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo]]:
    for entry in archive.infolist():
        name = entry.filename
        path = PurePosixPath(name)
        if path.parts and path.parts[0] in IGNORED:
            continue
        kind = stat.S_IFMT(entry.external_attr >> 16)
        plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
        if not plain or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise FaultError(Fault.UNSAFE_NAME, name)
        if not entry.is_dir() and path.name not in IGNORED:
            yield path, entry


def _check_names(names: list[str]) -> None:
    if len(names) > MOST_FILES:
        raise FaultError(Fault.PACKAGE_TOO_LARGE, f"{len(names)} files")
    for name in names:
        if not PLAIN.fullmatch(name):
            raise FaultError(Fault.UNSAFE_NAME, name)
    # Where letters' case does not count, one file would take the place of another.
    if len({name.lower() for name in names}) != len(names):
        raise FaultError(Fault.UNSAFE_NAME, ", ".join(names))


def _copy(reading: IO[bytes], target: Path, left: int) -> int:
    """Copy at most ``left`` bytes; returns how many."""
    copied = 0
    with target.open("xb") as writing:
        while block := reading.read(MB):
            copied += len(block)
            if copied > left:
                raise FaultError(Fault.PACKAGE_TOO_LARGE, target.name)
            writing.write(block)
    return copied
