"""The loop that looks for earlier studies, in our archive and in the remote ones.

Its state is in the tables: what a crash interrupts is done again.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.inputs import read_headers
from gransk.archive.intake import place
from gransk.archive.orthanc import NotInArchiveError, Orthanc
from gransk.archive.patients import Identifier, Patient, agree, identifiers
from gransk.archive.prior_choice import Candidate, exact_ids, is_earlier, judge, local
from gransk.archive.prior_loop import Pipeline, keep_on, retry_at
from gransk.archive.remote import Remote
from gransk.archive.studies import BACKLOG
from gransk.archive.tables import (
    FetchState,
    Prior,
    PriorFetch,
    PriorSearch,
    PriorState,
    SearchState,
    SeenStudy,
)
from gransk.core.reasons import Reason
from gransk.site.config_archives import PriorsSection
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
SILENT_SECONDS = 30.0
"""An archive that failed is not asked again so soon for another study."""
SHOW_SECONDS = 2.0
BATCH = 20
"""Searches between two looks at what is due, so that an urgent one goes first."""


class PriorSearcher:
    """Looks for earlier studies and tells the pipeline when they are here.

    Parameters
    ----------
    section : PriorsSection
    database : Database
    orthanc : Orthanc
    remotes : sequence of Remote
        In the order in which they are asked.
    pipeline : Pipeline
    """

    def __init__(
        self,
        section: PriorsSection,
        database: Database,
        orthanc: Orthanc,
        remotes: Sequence[Remote],
        pipeline: Pipeline,
    ) -> None:
        self._section = section
        self._database = database
        self._orthanc = orthanc
        self._remotes = remotes
        self._pipeline = pipeline
        self._silent: dict[str, float] = {}
        self._show_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Search until told to stop; no fault of an archive ends this."""
        keep_on(self.run_once, stop, PAUSE_SECONDS, "search for earlier studies")

    def run_once(self) -> None:
        """The most urgent searches that are due, then whatever arrived meanwhile.

        Raises
        ------
        ArchiveError
            Where our own archive does not answer.
        """
        query = (
            select(PriorSearch.study_key)
            .join(SeenStudy, SeenStudy.key == PriorSearch.study_key)
            .where(PriorSearch.state == SearchState.WAITING, PriorSearch.next_at <= utcnow())
            .order_by(SeenStudy.priority.desc(), PriorSearch.deadline)
            .limit(BATCH)
        )
        with self._database.read() as session:
            due = session.scalars(query).all()
        for key in due:
            try:
                self._search(key)
            except SQLAlchemyError:
                raise
            except Exception as error:  # noqa: BLE001 (the others must be searched; logged)
                self._orthanc.system()  # raises where the archive, not the study, is the fault
                log.error("earlier studies of %s: %s", key, place(error))
                self._postpone(key)
        self._settle_arrived()

    def _search(self, key: str) -> None:
        with self._database.read() as session:
            seen = session.get(SeenStudy, key)
            if seen is None or seen.deleted_at is not None:
                candidates: dict[str, Candidate] = {}
                same: frozenset[Identifier] = frozenset()
            else:
                first = Patient.of_study(seen).identifier(self._section.issuer)
                same = identifiers(session, first) if first[0] else frozenset()
                candidates = local(session, seen, same)
        if seen is None or seen.deleted_at is not None:
            self._end(key)
            return
        unreached = self._ask_remotes(seen, same, candidates)
        earlier = {uid: one for uid, one in candidates.items() if is_earlier(one, seen)}
        try:
            wanted = self._wanted(seen, list(earlier.values()))
        except NotInArchiveError:
            wanted = []
        with self._database.begin() as session:
            self._write(session, seen, [earlier[uid] for uid in wanted], same, unreached)

    def _postpone(self, key: str) -> None:
        with self._database.begin() as session:
            search = session.get_one(PriorSearch, key, with_for_update=True)
            search.attempts += 1
            search.next_at = retry_at(search.attempts)
            search.state = SearchState.DONE if self._over(search) else SearchState.WAITING

    def _over(self, search: PriorSearch) -> bool:
        """Was it tried for as long as the site wants?"""
        return search.asked_at + datetime.timedelta(hours=self._section.search_hours) <= utcnow()

    def _end(self, key: str) -> None:
        with self._database.begin() as session:
            session.get_one(PriorSearch, key).state = SearchState.DONE

    def _ask_remotes(
        self,
        seen: SeenStudy,
        same: Collection[Identifier],
        candidates: dict[str, Candidate],
    ) -> list[str]:
        """Add what remote archives list; the names of those that did not answer."""
        unreached: list[str] = []
        if seen.priority <= BACKLOG:
            return unreached  # what the archive held when we first met it is no new study
        for remote in self._remotes:
            if time.monotonic() < self._silent.get(remote.name, 0.0):
                unreached.append(remote.name)
                continue
            try:
                found = [one for name in exact_ids(same) for one in remote.find(name)]
            except Exception as error:  # noqa: BLE001 (a bad archive costs what it holds alone)
                log.warning("archive %s: %s", remote.name, place(error))
                self._silent[remote.name] = time.monotonic() + SILENT_SECONDS
                unreached.append(remote.name)
                continue
            for listed in found:
                uid = listed.study_instance_uid
                known = candidates.get(uid)
                if uid == seen.study_instance_uid or (known is not None and known.seen is not None):
                    continue
                if known is None:
                    candidates[uid] = Candidate(listed, sources=(remote.name,))
                elif remote.name not in known.sources:
                    candidates[uid] = Candidate(known.listed, sources=(*known.sources, remote.name))
        return unreached

    def _wanted(self, seen: SeenStudy, earlier: list[Candidate]) -> list[str]:
        """What the applications want of the earlier studies, most wanted first."""
        if not earlier:
            return []
        headers = read_headers(self._orthanc, seen.orthanc_id)
        if headers is None:
            return []
        latest = sorted(earlier, key=lambda one: one.order, reverse=True)
        known = {one.listed.study_instance_uid: one.known for one in latest}
        chosen = self._pipeline.priors_wanted(headers, list(known.values()))
        return [uid for uid in chosen if uid in known]

    def _write(
        self,
        session: Session,
        seen: SeenStudy,
        wanted: Sequence[Candidate],
        same: Collection[Identifier],
        unreached: list[str],
    ) -> None:
        """The study's earlier ones as they are known now, in one transaction."""
        search = session.get_one(PriorSearch, seen.key, with_for_update=True)
        query = select(Prior).where(Prior.study_key == seen.key)
        before = {row.study_instance_uid: row for row in session.scalars(query)}
        kept = {uid for uid, row in before.items() if _removed(session, row)}
        for number, (candidate, reason) in enumerate(
            judge(self._section, seen, wanted, same, kept)
        ):
            uid = candidate.listed.study_instance_uid
            row = before.pop(uid, None)
            if uid in kept and reason is None and candidate.seen is None:
                continue
            if row is None:
                row = Prior(study_key=seen.key, study_instance_uid=uid, prior_key=None, reason=None)
                session.add(row)
            self._place(session, row, number, candidate, reason, seen.priority)
        for uid, row in before.items():
            # What an archive listed that is silent now, it may list again.
            if uid not in kept and row.source not in unreached:
                session.delete(row)
        search.attempts += 1
        search.unreached = unreached
        again = unreached and not self._over(search)
        search.state = SearchState.WAITING if again else SearchState.DONE
        search.next_at = retry_at(search.attempts)
        session.flush()
        self._announce(session, search)
        data = {"wanted": len(wanted), "unreached": unreached}
        record(session, SYSTEM, EventKind.PRIORS_SEARCHED, seen.key, data)

    def _place(
        self,
        session: Session,
        row: Prior,
        number: int,
        candidate: Candidate,
        reason: Reason | None,
        priority: int,
    ) -> None:
        told = row.reason
        row.place, row.study_date = number, candidate.listed.study_date
        row.source = candidate.sources[0] if candidate.sources else ""
        row.reason = None if reason is None else reason.value
        if reason is not None:
            row.state, row.prior_key = PriorState.REFUSED, None
            if told != reason.value:
                _refused(session, row.study_key, reason)
        elif candidate.seen is not None:
            row.state = PriorState.HERE if candidate.settled else PriorState.WANTED
            row.prior_key = candidate.seen.key
            priors.keep(session, candidate.seen, self._section.keep_days)
        else:
            row.state = PriorState.WANTED
            want(session, candidate, priority)

    def _settle_arrived(self) -> None:
        """Earlier studies that were on their way and are here now, or never will be."""
        query = (
            select(Prior.study_key, Prior.study_instance_uid)
            .where(Prior.state == PriorState.WANTED)
            .order_by(Prior.study_key)
        )
        with self._database.read() as session:
            open_rows = [
                (study_key, uid)
                for study_key, uid in session.execute(query)
                if self._outcome(session, study_key, uid) is not None
            ]
        for study_key, uid in open_rows:
            with self._database.begin() as session:
                self._settle(session, study_key, uid)
        if time.monotonic() >= self._show_at:
            self._show_at = time.monotonic() + SHOW_SECONDS
            self._pipeline.show_waiting(self._database)

    def _outcome(self, session: Session, study_key: str, uid: str) -> SeenStudy | Reason | None:
        """The study that arrived, why it will not, or None while it is on its way."""
        row = session.get(Prior, (study_key, uid), populate_existing=True)
        seen = session.get(SeenStudy, study_key)
        if row is None or seen is None or row.state != PriorState.WANTED:
            return None
        fetch = session.get(PriorFetch, uid) if row.source else None
        if fetch is not None and fetch.state == FetchState.FAILED:
            return Reason(fetch.reason or Reason.PRIOR_UNREACHABLE)
        if fetch is not None and fetch.state not in (FetchState.HERE, FetchState.KEPT):
            return None
        found = session.scalars(
            select(SeenStudy)
            .where(SeenStudy.study_instance_uid == uid)
            .order_by(SeenStudy.deleted_at.is_not(None), SeenStudy.first_seen_at.desc())
        ).first()
        if found is None:
            return None if row.source else Reason.PRIOR_GONE
        if found.deleted_at is not None:
            # Of a study that was fetched anew the row may still tell of its first removal.
            arrived = fetch.ended_at if fetch is not None else None
            again = arrived is not None and found.deleted_at <= arrived
            return None if again else Reason.PRIOR_GONE
        if found.pending:
            return None
        if not found.settled_fingerprint:
            return Reason.PRIOR_NOT_ANALYSED
        same = identifiers(session, Patient.of_study(seen).identifier(self._section.issuer))
        mine, theirs = Patient.of_study(seen), Patient.of_study(found)
        if not agree(mine, theirs, same, self._section.issuer):
            return Reason.PRIOR_IDENTITY_MISMATCH
        return found

    def _settle(self, session: Session, study_key: str, uid: str) -> None:
        search = session.get(PriorSearch, study_key, with_for_update=True)
        outcome = self._outcome(session, study_key, uid)
        if outcome is None or search is None:
            return
        row = session.get_one(Prior, (study_key, uid))
        if isinstance(outcome, Reason):
            row.state, row.reason, row.prior_key = PriorState.REFUSED, outcome.value, None
            _refused(session, study_key, outcome)
        else:
            row.state, row.prior_key = PriorState.HERE, outcome.key
        session.flush()
        self._announce(session, search)

    def _announce(self, session: Session, search: PriorSearch) -> None:
        """Tell the pipeline where other earlier studies are usable than it was told last."""
        refs = priors.usable(session, search.study_key) + priors.removed(session, search.study_key)
        now = sorted(ref.study_key for ref in refs)
        before = set(search.announced)
        if now == sorted(before):
            return
        search.announced = now
        gone = bool(before - set(now))
        self._pipeline.priors_changed(session, search.study_key, set(now) - before, gone)


def _removed(session: Session, row: Prior) -> bool:
    """Was it fetched, compared with and removed again?"""
    fetch = session.get(PriorFetch, row.study_instance_uid)
    return (
        row.state == PriorState.HERE
        and fetch is not None
        and fetch.state in (FetchState.REMOVING, FetchState.REMOVED)
    )


def want(session: Session, candidate: Candidate, priority: int) -> None:
    """Ask for a study that remote archives list, unless that is done already."""
    now = utcnow()
    uid = candidate.listed.study_instance_uid
    fetch = session.get(PriorFetch, uid, with_for_update=True)
    if fetch is None:
        fetch = PriorFetch(study_instance_uid=uid, last_update="", state=FetchState.REMOVED)
        session.add(fetch)
    fetch.sources = list(candidate.sources)
    if fetch.state in (FetchState.WAITING, FetchState.RUNNING):
        fetch.priority = max(fetch.priority, priority)
        return
    if fetch.state == FetchState.REMOVING:
        return  # asked for once it is gone
    fetch.state, fetch.reason, fetch.detail = FetchState.WAITING, None, ""
    fetch.priority, fetch.attempts = priority, 0
    fetch.asked_at = fetch.next_at = now
    fetch.ended_at = fetch.remove_at = fetch.removed_at = None


def _refused(session: Session, study_key: str, reason: Reason) -> None:
    record(session, SYSTEM, EventKind.PRIOR_REFUSED, study_key, {"reason": reason.value})
