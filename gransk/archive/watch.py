"""What changed in the archive: its log, its counts, and a sweep over all it holds.

Orthanc's change log says what arrived; its cursor and what was learnt from it
are committed together. Deletions stand in no log: counts that no longer agree
and a sweep at start, at times and after a log that ended find them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from gransk.archive import priors, studies
from gransk.archive.correcting import Absorb, belongs, made
from gransk.archive.orthanc import Change, NotInArchiveError, Orthanc
from gransk.archive.tables import Archive, Purpose, SeenStudy
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

COUNT_SECONDS = 3.0
"""Least time between two comparisons of counts."""


@dataclass(frozen=True)
class _Found:
    """A changed study as the archive lists it.

    ``continues`` is the study under its old id; ``created`` says that the
    archive made it anew, ``modified_from`` of which study of its own.
    """

    orthanc_id: str
    listed: dict[str, Any]
    count: int
    continues: SeenStudy | None
    created: bool
    modified_from: str = ""


class Watch:
    """Notices what changed in the archive and keeps the rows of studies.

    Parameters
    ----------
    orthanc : Orthanc
    database : Database
    withdraw : callable
        ``withdraw(session, seen)``: a study that was submitted is gone.
    reconcile_seconds : float
        Time between two sweeps.
    absorb : callable
        ``absorb(session, kept, other)``: two rows are one study; False where ``other`` stays.
    """

    def __init__(
        self,
        orthanc: Orthanc,
        database: Database,
        withdraw: Callable[[Session, SeenStudy], None],
        reconcile_seconds: float,
        absorb: Absorb,
    ) -> None:
        self._orthanc = orthanc
        self._database = database
        self._tell_withdrawn = withdraw
        self._absorb = absorb
        self._reconcile_seconds = reconcile_seconds
        self._sweep_at = 0.0
        self._count_at = 0.0
        self._count_wanted = False

    def count_soon(self) -> None:
        """Something happened: what the log does not tell shows in the counts."""
        self._count_wanted = True

    def seconds_to_count(self) -> float | None:
        """Until the counts are compared; None where nothing happened."""
        return max(0.0, self._count_at - time.monotonic()) if self._count_wanted else None

    def look(self, identity: str) -> None:
        """Write down all that changed since the last look.

        Parameters
        ----------
        identity : str
            Of the archive, or empty where it is not known.
        """
        self._know_archive(identity)
        self._read_log()
        if time.monotonic() >= self._sweep_at:
            self._sweep()
        elif self._count_wanted and time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_SECONDS
            self._count_wanted = False
            if self._counts_differ():
                self._sweep()

    def _know_archive(self, identity: str) -> None:
        """Make the archive's row; another archive under the old name forces a sweep."""
        name = self._orthanc.name
        with self._database.read() as session:
            known = session.get(Archive, name)
        if known is not None and (not identity or known.identity == identity):
            return
        rebuilt = known is not None and known.identity != ""
        last = self._orthanc.last_change() if rebuilt else 0
        with self._database.begin() as session:
            if known is None:
                session.add(Archive(name=name, identity=identity, cursor=0, swept_at=None))
                return
            row = session.get_one(Archive, name)
            row.identity = identity
            if rebuilt:
                row.cursor, row.swept_at = last, None
                record(session, SYSTEM, EventKind.ARCHIVE_CHANGED, name, {"cause": "identity"})
        if rebuilt:
            self._sweep_at = 0.0

    def _read_log(self) -> None:
        name = self._orthanc.name
        while True:
            with self._database.read() as session:
                cursor = session.get_one(Archive, name).cursor
            page = self._orthanc.changes(cursor)
            if not page.changes:
                if page.last != cursor:
                    self._log_ended(cursor, page.last)
                return
            created = {c.orthanc_id for c in page.changes if c.kind == "NewStudy"}
            touched = created | self._resolve(page.changes)
            found = [self._look_up(study, study in created) for study in sorted(touched)]
            with self._database.begin() as session:
                for one in found:
                    self._note(session, one)
                session.get_one(Archive, name).cursor = page.last
            if page.done:
                return

    def _log_ended(self, cursor: int, last: int) -> None:
        """The log is shorter than what we read of it, or lost the lines after.

        Shorter: the archive was rebuilt. Lines lost: their studies were
        deleted. Either way what it holds is looked at.
        """
        with self._database.begin() as session:
            row = session.get_one(Archive, self._orthanc.name)
            row.cursor = last
            if last < cursor:
                row.swept_at = None
                data = {"cause": "log", "cursor": cursor, "last": last}
                record(session, SYSTEM, EventKind.ARCHIVE_CHANGED, self._orthanc.name, data)
        if last < cursor:
            self._sweep_at = 0.0
        else:
            self._count_wanted = True

    def _resolve(self, changes: Iterable[Change]) -> set[str]:
        """Orthanc ids of the studies whose images changes are about."""
        touched = set[str]()
        waiting = {c.orthanc_id for c in changes if c.kind == "NewInstance"}
        while waiting:
            try:
                series = self._orthanc.series_of(waiting.pop())
            except NotInArchiveError:
                continue
            touched.add(str(series["ParentStudy"]))
            waiting -= set(series["Instances"])
        return touched

    def _look_up(self, orthanc_id: str, created: bool = False) -> _Found | None:
        """What the archive says of a changed study; None where it is gone already."""
        name = self._orthanc.name
        try:
            listed = self._orthanc.study(orthanc_id)
            count = self._orthanc.instance_count(orthanc_id)
        except NotInArchiveError:
            return None
        with self._database.read() as session:
            known = studies.by_orthanc_id(session, name, orthanc_id)
            uid = str(listed.get("MainDicomTags", {}).get("StudyInstanceUID", ""))
            others = [] if known else studies.siblings(session, name, uid, orthanc_id)
        source = ""
        if known is None and (source := self._orthanc.modified_from(orthanc_id)):
            with self._database.read() as session:
                made_of = studies.by_orthanc_id(session, name, source)
            others += [made_of] if made_of is not None else []
        gone = next((other for other in others if self.gone(other)), None)
        return _Found(orthanc_id, listed, count, gone, created, source)

    def gone(self, seen: SeenStudy) -> bool:
        """Is a study that we know gone from the archive?"""
        try:
            self._orthanc.study(seen.orthanc_id)
        except NotInArchiveError:
            return True
        return False

    def _note(self, session: Session, found: _Found | None) -> None:
        """Write that the archive changed a study: its row, a corrected one's, or a new one."""
        if found is None:
            return
        now = utcnow()
        name = self._orthanc.name
        seen = studies.by_orthanc_id(session, name, found.orthanc_id)
        ours = seen is not None and found.created and made(session, seen)
        if seen is not None and found.created and seen.settled_fingerprint and not ours:
            # Deleted and sent again between two looks: our objects went with it.
            self.withdraw(session, seen)
        if seen is None and found.continues is not None:
            old = session.get_one(SeenStudy, found.continues.key)
            if old.orthanc_id == found.continues.orthanc_id:
                seen = old
                seen.orthanc_id = found.orthanc_id
        uid = str(found.listed.get("MainDicomTags", {}).get("StudyInstanceUID", ""))
        if seen is None and belongs(
            session,
            found.orthanc_id,
            studies.siblings(session, name, uid, found.orthanc_id),
        ):
            return  # its images are on their way to another identity
        fetch = priors.expected(session, uid) if seen is None or seen.deleted_at else None
        if seen is None:
            met = session.get_one(Archive, name).swept_at is not None
            priority = studies.ROUTINE if met else studies.BACKLOG
            seen = studies.new_study(
                session, name, found.listed, now, priority, found.modified_from
            )
        if fetch is not None:
            seen.purpose, seen.priority = Purpose.PRIOR, fetch.priority
        else:
            priors.claim(session, seen, str(found.listed.get("LastUpdate", "")))
        studies.notice(seen, now)
        if not seen.settled_fingerprint:
            seen.images = found.count

    def _counts_differ(self) -> bool:
        """Does the archive hold more or less than we know of?"""
        statistics = self._orthanc.statistics()
        present = present_in(self._orthanc.name)
        with self._database.read() as session:
            known = session.scalar(select(func.count()).where(present)) or 0
            settled = session.scalar(
                select(func.sum(SeenStudy.instances)).where(present, ~SeenStudy.pending)
            )
            open_ids = session.scalars(
                select(SeenStudy.orthanc_id).where(present, SeenStudy.pending)
            ).all()
        if known != int(statistics["CountStudies"]):
            return True
        try:
            open_count = sum(self._orthanc.instance_count(study) for study in open_ids)
        except NotInArchiveError:
            return True
        return int(settled or 0) + open_count != int(statistics["CountInstances"])

    def _sweep(self) -> None:
        """Compare all that the archive holds with all that we know.

        Studies that no event announced, that went, that came back, and those
        whose number of objects or time of change differ. After a rebuild, and
        until a sweep came to its end, every study is looked at anew.
        """
        name = self._orthanc.name
        self._count_wanted = False
        held = {
            str(study["ID"]): str(study.get("LastUpdate", "")) for study in self._orthanc.studies()
        }
        counts = dict.fromkeys(held, 0)
        for series in self._orthanc.all_series():
            parent = str(series["ParentStudy"])
            counts[parent] = counts.get(parent, 0) + len(series["Instances"])
        with self._database.read() as session:
            whole = session.get_one(Archive, name).swept_at is None
            rows = list(session.scalars(select(SeenStudy).where(present_in(name))))
        present = {row.orthanc_id: row for row in rows}
        changed = [
            study
            for study, updated in held.items()
            if (row := present.get(study)) is None
            or (
                not row.pending
                and (whole or (row.instances, row.last_update) != (counts[study], updated))
            )
        ]
        for study in changed:
            found = self._look_up(study)
            with self._database.begin() as session:
                self._note(session, found)
        for study in sorted(set(present) - set(held)):
            self.lose(present[study].key)
        with self._database.begin() as session:
            session.get_one(Archive, name).swept_at = utcnow()
            if changed or set(present) - set(held):
                data = {"noticed": len(changed), "gone": len(set(present) - set(held))}
                record(session, SYSTEM, EventKind.SWEEP_DONE, name, data)
        self._sweep_at = time.monotonic() + self._reconcile_seconds

    def lose(self, key: str) -> bool:
        """Note that a study is gone from the archive, if it really is; was it?"""
        with self._database.read() as session:
            seen = session.get(SeenStudy, key)
        if seen is None or not self.gone(seen):
            return False
        with self._database.begin() as session:
            row = session.get_one(SeenStudy, key)
            if row.orthanc_id != seen.orthanc_id:
                return False
            if not self._inherited(session, row):
                row.instances = 0
                self.withdraw(session, row)
        return True

    def _inherited(self, session: Session, row: SeenStudy) -> bool:
        """Is a study that went here under another identity, since before it went?

        Then it goes on as what it was, with all that people did at it.
        """
        if row.deleted_at is not None or not row.settled_fingerprint:
            return False
        for heir in studies.heirs(session, row):
            found = heir.orthanc_id
            if heir.purpose == row.purpose and self._absorb(session, row, heir):
                row.orthanc_id = found
                studies.notice(row, utcnow())
                return True
        return False

    def withdraw(self, session: Session, seen: SeenStudy) -> None:
        """Note that a study, or all its images, went."""
        seen.pending = False
        if seen.deleted_at is not None:
            return
        seen.deleted_at = utcnow()
        if priors.leaves(session, seen):
            return  # we removed it ourselves; what was found in it is kept
        record(session, SYSTEM, EventKind.STUDY_DELETED, seen.key)
        if seen.settled_fingerprint:
            self._tell_withdrawn(session, seen)


def present_in(archive: str) -> ColumnElement[bool]:
    """Rows whose study the archive holds, as far as we know.

    A study whose images were deleted but not its reports counts as deleted and
    is still there.
    """
    return and_(
        SeenStudy.archive == archive,
        or_(SeenStudy.deleted_at.is_(None), SeenStudy.pending, SeenStudy.instances > 0),
    )
