"""What a backup looks like on disk, and whether it is whole.

A backup folder holds ``blobs``, where each large object lies once under its SHA-256, and
``sets``, one folder for each backup: a manifest, the database and the small files. A set is
written aside and renamed at its end, so what is there is whole.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gransk.core.errors import GranskError
from gransk.results.blobs import BlobError, BlobStore

FORMAT: Final = 1
MANIFEST = "manifest.json"
BLOBS = "blobs"
SETS = "sets"
BLOB_LIST = "blobs.txt"
DATABASE = "database"
DRAFT = ".new-"
_CHUNK = 1 << 20


class BackupError(GranskError):
    """A backup cannot be made, read or restored."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptFile(_Part):
    """A file of the set: where it lies in it, its size and its digest."""

    path: str = Field(pattern=r"^[^/]")
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(_Part):
    """What a set holds.

    Parameters
    ----------
    format : int
    version : str
        Of Gransk, when it was made.
    made_at : datetime
    database : str
        ``sqlite`` or ``postgresql``.
    revision : str
        Of the tables.
    events : int
        Number of the last event in the database.
    event_hash : str
        Its hash.
    blobs : int
        How many large objects the database refers to.
    missing : tuple of str
        Those that were missing or damaged already when the backup was made.
    secrets : bool
        Whether the secrets are in it.
    files : tuple of KeptFile
    """

    format: Literal[1] = FORMAT
    version: str
    made_at: datetime.datetime
    database: Literal["sqlite", "postgresql"]
    revision: str
    events: int = Field(ge=0)
    event_hash: str
    blobs: int = Field(ge=0)
    missing: tuple[str, ...] = ()
    secrets: bool
    files: tuple[KeptFile, ...]


def sets_of(folder: Path) -> list[Path]:
    """The whole sets of a backup folder, the oldest first."""
    place = folder / SETS
    if not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if (one / MANIFEST).is_file() and _named(one))


def chosen(path: Path) -> Path:
    """A set: the one given, or the newest of the backup folder given.

    Raises
    ------
    BackupError
        Where there is none.
    """
    if (path / MANIFEST).is_file():
        return path
    found = sets_of(path)
    if not found:
        raise BackupError(f"{path}: holds no backup; name a folder that gransk backup wrote to")
    return found[-1]


def read_manifest(one: Path) -> Manifest:
    """The manifest of a set.

    Raises
    ------
    BackupError
        Where it cannot be read, or is of a version that this one does not know.
    """
    try:
        return Manifest.model_validate_json((one / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupError(f"{one / MANIFEST}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise BackupError(
            f"{one / MANIFEST}: is damaged, or of a newer version of Gransk; "
            f"first fault at {'.'.join(map(str, error.errors()[0]['loc'])) or 'the start'}"
        ) from error


def digest_of(one: Path) -> str:
    """SHA-256 of a set's manifest, as the event log notes it."""
    return file_digest(one / MANIFEST)


def store_of(one: Path) -> BlobStore:
    """Where the large objects of a set lie."""
    return BlobStore(one.parent.parent / BLOBS)


def blobs_of(one: Path) -> list[str]:
    """Digests of the large objects that a set refers to."""
    return (one / BLOB_LIST).read_text(encoding="ascii").split()


def verify(one: Path) -> Iterator[str]:
    """Read every byte of a set, and tell what is not as it was written.

    Raises
    ------
    BackupError
        Where its manifest cannot be read.
    """
    manifest = read_manifest(one)
    for kept in manifest.files:
        path = inside(one, kept.path)
        if not path.is_file():
            yield f"{kept.path} is missing"
        elif file_digest(path) != kept.sha256:
            yield f"{kept.path} is damaged"
    known = {entry.path for entry in manifest.files}
    if BLOB_LIST not in known or not (one / BLOB_LIST).is_file():
        yield f"{BLOB_LIST} is missing"
        return
    store = store_of(one)
    wanted = blobs_of(one)
    if len(wanted) != manifest.blobs:
        yield f"{BLOB_LIST} names {len(wanted)} objects, the manifest {manifest.blobs}"
    for sha256 in wanted:
        if sha256 in manifest.missing:
            continue
        try:
            store.get(sha256)
        except BlobError as error:
            yield str(error)


def inside(one: Path, name: str) -> Path:
    """A file of a set.

    Raises
    ------
    BackupError
        Where its name leads out of the set.
    """
    path = (one / name).resolve()
    if not path.is_relative_to(one.resolve()):
        raise BackupError(f"{one / MANIFEST}: {name} leads out of the backup")
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_private(path: Path, content: bytes) -> None:
    """Write a file that no other user can read, and have it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_private(source: Path, target: Path) -> KeptFile:
    """Copy a file so that no other user can read it; its size and digest."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen, size = hashlib.sha256(), 0
    with source.open("rb") as read:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as written:
            while chunk := read.read(_CHUNK):
                seen.update(chunk)
                size += len(chunk)
                written.write(chunk)
            written.flush()
            os.fsync(written.fileno())
    return KeptFile(path=target.name, size=size, sha256=seen.hexdigest())


def _named(one: Path) -> bool:
    return not one.name.startswith(DRAFT)
