"""Remove what has had its time, and nothing that is needed still (docs/retention.md).

The row of an object stays and says when its bytes were removed. Work that goes on meanwhile is
safe: whoever keeps an object touches its file and locks its row, and what was touched lately, or
is named when both are locked, stays.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.oversight.keeping import alone
from gransk.oversight.retention_needs import Spent, Why, spent
from gransk.oversight.retention_tables import StudyHold
from gransk.results.blobs import BlobStore
from gransk.results.tables import Blob, Workitem
from gransk.site.config import Config
from gransk.site.config_retention import RetentionSection
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record

LATELY_SECONDS = 24 * 3600.0
"""What was touched since stays: the work that touched it may not have ended."""
BATCH = 500
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Removed:
    """What went, or would go.

    Parameters
    ----------
    objects : tuple of Spent
    kept_bytes : int
        Of all objects, before.
    """

    objects: tuple[Spent, ...]
    kept_bytes: int

    @property
    def size(self) -> int:
        return sum(one.size for one in self.objects)

    def counts(self) -> dict[str, int]:
        """How many, by why."""
        return dict(Counter(one.why.value for one in self.objects))


def due(
    session: Session, section: RetentionSection, now: datetime.datetime | None = None
) -> Removed:
    """What would go now: by its age, or to come below the limit of room."""
    at = now or utcnow()
    days = {Why.FALLEN: section.fallen_days, Why.MESSAGE: section.messages_days, Why.UNNAMED: 7}
    total = session.scalar(
        select(func.coalesce(func.sum(Blob.size), 0)).where(Blob.removed_at.is_(None))
    )
    kept = int(total or 0)
    over = 0 if section.most_mb is None else kept - section.most_mb * MEGABYTE
    found: list[Spent] = []
    if not section.on:
        return Removed((), kept)
    for one in spent(session):
        age = at - one.since
        limit = days[one.why]
        old = limit is not None and age >= datetime.timedelta(days=limit)
        if old or (over > 0 and age.total_seconds() >= LATELY_SECONDS):
            found.append(one)
            over -= one.size
    return Removed(tuple(found), kept)


def remove_spent(
    config: Config,
    database: Database,
    actor: str,
    now: datetime.datetime | None = None,
    lately_seconds: float = LATELY_SECONDS,
) -> Removed:
    """Remove what has had its time.

    Parameters
    ----------
    config : Config
    database : Database
    actor : str
    now : datetime, optional
        Taken for this instant.
    lately_seconds : float
        A file that was touched since stays.

    Raises
    ------
    ConfigurationError
        Where a backup is being made.
    """
    blobs = BlobStore(config.blob_folder)
    with alone(config.data_folder):
        with database.read() as session:
            wanted = due(session, config.retention, now)
        gone: list[Spent] = []
        for start in range(0, len(wanted.objects), BATCH):
            batch = wanted.objects[start : start + BATCH]
            gone += _remove(config, database, blobs, batch, actor, now, lately_seconds)
        _sweep(database, blobs, lately_seconds)
    return Removed(tuple(gone), wanted.kept_bytes)


def _remove(
    config: Config,
    database: Database,
    blobs: BlobStore,
    batch: tuple[Spent, ...],
    actor: str,
    now: datetime.datetime | None,
    lately_seconds: float,
) -> list[Spent]:
    cold = [one for one in batch if not _touched(blobs.path(one.sha256), lately_seconds)]
    if not cold:
        return []
    with database.begin() as session:
        names = [one.sha256 for one in cold]
        query = select(Blob).where(Blob.sha256.in_(names), Blob.removed_at.is_(None))
        rows = {row.sha256: row for row in session.scalars(query.with_for_update())}
        # Looked at again under the locks: somebody may have named one of them meanwhile.
        still = {one.sha256 for one in due(session, config.retention, now).objects}
        gone = [one for one in cold if one.sha256 in rows and one.sha256 in still]
        if not gone:
            return []
        for one in gone:
            rows[one.sha256].removed_at = utcnow()
        told = Removed(tuple(gone), 0)
        data = {"objects": len(gone), "bytes": told.size, **told.counts()}
        record(session, actor, EventKind.RETENTION_REMOVED, "retention", data)
    for one in gone:
        _unlink(blobs.path(one.sha256), lately_seconds)
    return gone


def _sweep(database: Database, blobs: BlobStore, lately_seconds: float) -> None:
    """Remove files that no row keeps: left by work that never ended, or by a removal cut short."""
    with database.read() as session:
        kept = set(session.scalars(select(Blob.sha256).where(Blob.removed_at.is_(None))))
    for path in blobs.folder.glob("??/*"):
        if path.parent.name + path.name not in kept and not _touched(path, lately_seconds):
            _unlink(path, lately_seconds)


def _touched(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime < seconds
    except FileNotFoundError:
        return False


def _unlink(path: Path, lately_seconds: float) -> None:
    """Remove a file, but put it back where somebody touched it while it was being moved."""
    aside = path.with_name(f".going-{path.name}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if _touched(aside, lately_seconds):
            os.rename(aside, path)
        else:
            aside.unlink()


def hold(session: Session, study_key: str, reason: str, actor: str) -> StudyHold:
    """Keep everything of a study until the hold is lifted.

    Raises
    ------
    InvalidValueError
        Where there is no such study, no reason, or a hold already.
    """
    if not reason.strip():
        raise InvalidValueError("reason", reason, "why the study is held")
    if session.scalar(select(Workitem.id).where(Workitem.study_key == study_key).limit(1)) is None:
        raise InvalidValueError("study", study_key, "the key of a study in the worklist")
    if _standing(session, study_key) is not None:
        raise InvalidValueError("study", study_key, "a study that is not held already")
    number = (session.scalar(select(func.max(StudyHold.number))) or 0) + 1
    row = StudyHold(
        number=number, study_key=study_key, reason=reason.strip(), placed_by=actor,
        placed_at=utcnow(), lifted_by=None, lifted_at=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    record(session, actor, EventKind.STUDY_HELD, study_key, {"hold": number})
    return row


def lift(session: Session, study_key: str, actor: str) -> None:
    """End a hold.

    Raises
    ------
    InvalidValueError
        Where the study is not held.
    """
    row = _standing(session, study_key)
    if row is None:
        raise InvalidValueError("study", study_key, "a study that is held")
    row.lifted_by, row.lifted_at = actor, utcnow()
    record(session, actor, EventKind.STUDY_HOLD_LIFTED, study_key, {"hold": row.number})


def holds(session: Session) -> Iterator[StudyHold]:
    """The holds that stand, the oldest first."""
    query = select(StudyHold).where(StudyHold.lifted_at.is_(None)).order_by(StudyHold.number)
    yield from session.scalars(query)


def _standing(session: Session, study_key: str) -> StudyHold | None:
    query = select(StudyHold).where(StudyHold.study_key == study_key, StudyHold.lifted_at.is_(None))
    return session.scalars(query.with_for_update()).first()
