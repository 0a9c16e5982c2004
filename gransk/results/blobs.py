"""The content-addressed store of large objects: a file named by its SHA-256, and its row."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.results.tables import Blob
from gransk.site.database import utcnow

DRAFT = ".new-"
"""Begins the name of a file that is being written."""

log = logging.getLogger(__name__)


class BlobError(GranskError):
    """A stored object is missing or damaged."""


@dataclass(frozen=True)
class Stored:
    """A large object that lies in the store."""

    sha256: str
    size: int


class BlobStore:
    """A folder of files named by the SHA-256 of their content.

    Parameters
    ----------
    folder : Path
        Made where it is missing; every host reaches the same one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256[2:]

    def put(self, content: bytes) -> Stored:
        """Keep bytes; those already kept are left as they are, and noted as wanted anew.

        Raises
        ------
        OSError
            Where the disk is full or cannot be written.
        """
        stored = Stored(hashlib.sha256(content).hexdigest(), len(content))
        target = self.path(stored.sha256)
        if self._whole(target, stored.sha256) and _touch(target):
            return stored
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
        return stored

    def get(self, sha256: str) -> bytes:
        """The bytes, checked against their digest.

        Raises
        ------
        BlobError
            Where they are missing or damaged.
        """
        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise BlobError(
                f"object {sha256[:12]} is missing from the store; restore {path} from a backup"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BlobError(
                f"object {sha256[:12]} of the store is damaged; restore {path} from a backup"
            )
        return content

    def remove_drafts(self, seconds: float) -> int:
        """Remove what was being written when its writer was killed; returns how many.

        Parameters
        ----------
        seconds : float
            Younger ones may be being written still.
        """
        old, removed = time.time() - seconds, 0
        for path in self.folder.glob(f"??/{DRAFT}*"):
            try:
                if path.stat().st_mtime < old:
                    path.unlink()
                    removed += 1
            except OSError as error:
                log.warning("a draft in the store of results stays: %s", error.strerror)
        return removed

    def _whole(self, path: Path, sha256: str) -> bool:
        """Kept already, and undamaged: a damaged one is written anew."""
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        except FileNotFoundError:
            return False


def check_blobs(session: Session, blobs: BlobStore) -> None:
    """Is this the folder that the database's results are in?

    Asked when a worker starts: on a host where the shared folder is not mounted, it would else
    keep results where nobody finds them.

    Raises
    ------
    BlobError
        Where the newest object that the database names, and retention did not remove, is not
        there.
    """
    kept = select(Blob.sha256).where(Blob.removed_at.is_(None))
    sha256 = session.scalars(kept.order_by(Blob.created_at.desc()).limit(1)).first()
    if sha256 is not None and not blobs.path(sha256).is_file():
        raise BlobError(
            f"{blobs.folder} lacks object {sha256[:12]}, which the database names: it is not the "
            "folder that results are in; mount the shared folder there, or restore it"
        )


def is_removed(session: Session, sha256: str) -> bool:
    """Did retention remove the bytes of an object?"""
    blob = session.get(Blob, sha256)
    return blob is not None and blob.removed_at is not None


def keep(session: Session, stored: Iterable[Stored]) -> None:
    """Note kept objects in the table of blobs, locked so that retention looks again."""
    for one in {entry.sha256: entry for entry in stored}.values():
        blob = session.get(Blob, one.sha256, with_for_update={"read": True}, populate_existing=True)
        if blob is None:
            blob = Blob(sha256=one.sha256, size=one.size, created_at=utcnow(), removed_at=None)
            session.add(blob)
        blob.removed_at = None
    session.flush()


def _touch(path: Path) -> bool:
    """Say that a file is wanted now, so that retention leaves it; False where it just went."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make a rename outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
