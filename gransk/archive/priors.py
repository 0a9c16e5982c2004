"""A study's earlier ones: what is known of them, and what the pipeline may ask.

Rows alone; searching is `prior_search`'s, fetching and removing `prior_fetch`'s business.
Whether an earlier study is analysed is known to `gransk.pipeline.priors`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from gransk.archive.patients import identifiers
from gransk.archive.studies import notice
from gransk.archive.tables import (
    FetchState,
    Prior,
    PriorFetch,
    PriorSearch,
    PriorState,
    Purpose,
    SearchState,
    SeenStudy,
)
from gransk.core.followup import NotCompared
from gransk.core.reasons import Reason
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record

TRIES_AWAITED = 2
"""A study waits for so many tries of a search or fetch; the later ones go on without it."""

LATE = datetime.timedelta(hours=1)
"""So long after a fetch was given up its images may still come."""

_COMING = (FetchState.RUNNING, FetchState.HERE)


@dataclass(frozen=True)
class PriorStudyRef:
    """An earlier study in our archive.

    Parameters
    ----------
    study_key, orthanc_id, study_instance_uid : str
    study_date : date
    """

    study_key: str
    orthanc_id: str
    study_instance_uid: str
    study_date: datetime.date


def usable(session: Session, study_key: str) -> list[PriorStudyRef]:
    """Earlier studies that are here and of the same patient, latest first."""
    return _refs(session, study_key, SeenStudy.deleted_at.is_(None))


def removed(session: Session, study_key: str) -> list[PriorStudyRef]:
    """Earlier studies whose images are gone again; what was kept of them still stands."""
    return _refs(session, study_key, SeenStudy.deleted_at.is_not(None))


def _refs(session: Session, study_key: str, which: object) -> list[PriorStudyRef]:
    query = (
        select(SeenStudy)
        .join(Prior, Prior.prior_key == SeenStudy.key)
        .where(Prior.study_key == study_key, Prior.state == PriorState.HERE, which)  # type: ignore[arg-type]
        .order_by(SeenStudy.study_date.desc(), SeenStudy.study_time.desc())
    )
    return [
        PriorStudyRef(seen.key, seen.orthanc_id, seen.study_instance_uid, date)
        for seen in session.scalars(query)
        if (date := date_of(seen.study_date)) is not None
    ]


def not_compared(session: Session, study_key: str) -> list[NotCompared]:
    """Earlier studies that are known and not `usable`, and why; latest first.

    ``prior_late`` are those that still may come. An archive that did not answer the search
    stands without a date.
    """
    query = (
        select(Prior, SeenStudy.deleted_at)
        .outerjoin(SeenStudy, SeenStudy.key == Prior.prior_key)
        .where(Prior.study_key == study_key)
        .order_by(Prior.study_date.desc())
    )
    told = []
    for prior, deleted_at in session.execute(query):
        if prior.reason is not None:
            reason = Reason(prior.reason)
        elif prior.state == PriorState.WANTED:
            reason = Reason.PRIOR_LATE
        elif deleted_at is not None:
            reason = Reason.PRIOR_GONE
        else:
            continue
        told.append(
            NotCompared(study_date=date_of(prior.study_date), reason=reason, detail=prior.source)
        )
    search = session.get(PriorSearch, study_key)
    for archive in search.unreached if search is not None else ():
        told.append(NotCompared(reason=Reason.PRIOR_UNREACHABLE, detail=archive))
    return told


def awaited(session: Session, study_key: str) -> bool:
    """Shall the study wait, for a search or for images of an earlier one?"""
    found = select(PriorSearch.study_key).where(PriorSearch.study_key == study_key)
    searching, coming = awaiting(found)
    return session.scalars(searching.union(coming)).first() is not None


def awaiting(query: Select[str]) -> tuple[Select[str], Select[str]]:
    """A query narrowed to studies that wait: for a search, and for images.

    Parameters
    ----------
    query : Select
        Of `PriorSearch`, joined to what the caller needs. Two narrow queries are quicker than
        one that says either.
    """
    query = query.where(PriorSearch.deadline > utcnow())
    searching = query.where(
        PriorSearch.state == SearchState.WAITING, PriorSearch.attempts < TRIES_AWAITED
    )
    coming = (
        query.join(Prior, Prior.study_key == PriorSearch.study_key)
        .outerjoin(PriorFetch, PriorFetch.study_instance_uid == Prior.study_instance_uid)
        .where(
            Prior.state == PriorState.WANTED,
            or_(
                PriorFetch.state.is_(None),
                PriorFetch.state.in_(_COMING),
                PriorFetch.attempts < TRIES_AWAITED,
            ),
        )
    )
    return searching, coming


def dependents(session: Session, prior_key: str) -> list[str]:
    """Keys of the studies that are to be compared with this one."""
    query = select(Prior.study_key).where(
        Prior.prior_key == prior_key, Prior.state == PriorState.HERE
    )
    return list(session.scalars(query.order_by(Prior.study_key)))


def ask(session: Session, seen: SeenStudy, wait_minutes: float) -> None:
    """Look for a study's earlier ones, and anew for those that this one is earlier than.

    Parameters
    ----------
    session : Session
        The transaction that hands the study over.
    seen : SeenStudy
    wait_minutes : float
        Its analysis waits no longer.
    """
    now = utcnow()
    search = session.get(PriorSearch, seen.key)
    if search is None:
        search = PriorSearch(study_key=seen.key, announced=[])
        session.add(search)
    search.deadline = now + datetime.timedelta(minutes=wait_minutes)
    search.unreached = []
    _renew(search, now)
    session.flush()
    # Its images are others than before: what was removed is wanted again.
    for row, fetch in of_study(session, seen.key):
        if fetch is not None and fetch.state in (FetchState.REMOVING, FetchState.REMOVED):
            session.delete(row)
    session.flush()
    ask_again(session, later_studies(session, seen))


def ask_again(session: Session, study_keys: Iterable[str]) -> None:
    """Search once more; what waits for nothing now waits for nothing then."""
    now = utcnow()
    for key in study_keys:
        search = session.get(PriorSearch, key, with_for_update=True)
        if search is not None:
            _renew(search, now)


def ask_for_patient(session: Session, patient_id: str, issuer: str) -> None:
    """Search once more for every study of a patient: identifiers were joined or parted."""
    names = [name for name, _ in identifiers(session, (patient_id, issuer))]
    ask_again(
        session, session.scalars(select(SeenStudy.key).where(SeenStudy.patient_id.in_(names))).all()
    )


def _renew(search: PriorSearch, now: datetime.datetime) -> None:
    search.state = SearchState.WAITING
    search.attempts = 0
    search.asked_at = search.next_at = now


def later_studies(session: Session, seen: SeenStudy) -> list[str]:
    """Keys of the studies that this one may be an earlier one of."""
    ids = identifiers(session, (seen.patient_id, seen.issuer_of_patient_id))
    query = select(SeenStudy).where(
        SeenStudy.patient_id.in_([name for name, _ in ids]),
        SeenStudy.purpose != Purpose.PRIOR,
        SeenStudy.deleted_at.is_(None),
        SeenStudy.key != seen.key,
    )
    mine = order(seen)
    return [other.key for other in session.scalars(query) if order(other) > mine]


def order(seen: SeenStudy) -> tuple[str, str, str]:
    """Which of two studies is the earlier: no two are each other's."""
    return order_of(seen.study_date, seen.study_time, seen.study_instance_uid)


def order_of(date: str, time: str, uid: str) -> tuple[str, str, str]:
    return (date.strip().replace(".", ""), time.strip().replace(":", ""), uid)


def date_of(value: str) -> datetime.date | None:
    """A DICOM date; None where it is none (PS3.5 6.2, DA)."""
    try:
        return datetime.datetime.strptime(value.strip().replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def expected(session: Session, study_instance_uid: str) -> PriorFetch | None:
    """The fetch that images of a study belong to, if they come because we asked."""
    now = utcnow()
    fetch = session.get(PriorFetch, study_instance_uid)
    if fetch is None:
        return None
    asked = fetch.state == FetchState.WAITING and fetch.attempts > 0
    late = (
        fetch.state == FetchState.FAILED
        and fetch.ended_at is not None
        and fetch.ended_at + LATE > now
    )
    return fetch if asked or late or fetch.state in _COMING else None


def arriving(session: Session, seen: SeenStudy) -> bool:
    """Is the study still on its way to us?"""
    if seen.purpose != Purpose.PRIOR:
        return False
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    return fetch is not None and fetch.state in (
        FetchState.WAITING,
        FetchState.RUNNING,
        FetchState.FAILED,
    )


def claim(session: Session, seen: SeenStudy, last_update: str) -> None:
    """A study that we hold as a prior changed: was it sent to us, too?

    Parameters
    ----------
    session : Session
    seen : SeenStudy
    last_update : str
        Orthanc's time of the change.
    """
    if seen.purpose != Purpose.PRIOR:
        return
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    asked = expected(session, seen.study_instance_uid)
    ours = asked is not None and (
        asked.state != FetchState.HERE or last_update <= asked.last_update
    )
    leaving = fetch is not None and fetch.state in (FetchState.REMOVING, FetchState.REMOVED)
    if not ours and not (leaving and fetch is not None and last_update <= fetch.last_update):
        read(session, seen, SYSTEM)


def read(session: Session, seen: SeenStudy, actor: str) -> None:
    """Take a study that was fetched as a prior for one to be read: it stays, and is reported."""
    seen.purpose = Purpose.READING
    seen.deleted_at = None
    seen.settled_fingerprint = ""  # it is handed over as a new one
    notice(seen, utcnow())
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    if fetch is not None:
        fetch.state, fetch.remove_at = FetchState.KEPT, None
    session.flush()
    record(session, actor, EventKind.STUDY_CHANGED, seen.key, {"purpose": Purpose.READING.value})


def stays(session: Session, seen: SeenStudy) -> bool:
    """Is it a study that we hold, neither on its way here nor out again?"""
    if seen.purpose != Purpose.PRIOR:
        return True
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    return fetch is None or fetch.state in (FetchState.HERE, FetchState.KEPT)


def keep(session: Session, seen: SeenStudy, days: float) -> None:
    """Another study is compared with a fetched one: it stays as long as if it came now."""
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    if fetch is not None and fetch.state == FetchState.HERE:
        fetch.remove_at = utcnow() + datetime.timedelta(days=days)


def leaves(session: Session, seen: SeenStudy) -> bool:
    """Is a study that went one that we removed ourselves?"""
    if seen.purpose != Purpose.PRIOR:
        return False
    fetch = session.get(PriorFetch, seen.study_instance_uid)
    return fetch is not None and fetch.state not in (FetchState.HERE, FetchState.KEPT)


def prior_keys() -> Select[str]:
    """Keys of the studies that are here to compare with alone: worklists leave them out."""
    return select(SeenStudy.key).where(SeenStudy.purpose == Purpose.PRIOR)


def of_study(session: Session, study_key: str) -> list[tuple[Prior, PriorFetch | None]]:
    """Every earlier study of one, with its way here, most wanted first."""
    query = (
        select(Prior, PriorFetch)
        .outerjoin(
            PriorFetch,
            and_(PriorFetch.study_instance_uid == Prior.study_instance_uid, Prior.source != ""),
        )
        .where(Prior.study_key == study_key)
        .order_by(Prior.place)
    )
    return [(prior, fetch) for prior, fetch in session.execute(query)]
