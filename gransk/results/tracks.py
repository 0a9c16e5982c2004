"""Which lesion each finding is, through re-runs and over any number of studies.

An analysis gives each finding a UID of its own. Where it is the lesion of another analysis,
it bears that lesion's UID in every report. Studies may be linked in any order: where two
lesions turn out to be one, the UID that was given first stands, and the reports that wrote
the other are named so that they are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gransk.results.tables import Track
from gransk.site.database import utcnow


@dataclass(frozen=True)
class Link:
    """A finding that is the lesion of another analysis' finding."""

    uid: str
    other_analysis: str
    other_uid: str


@dataclass(frozen=True)
class Linked:
    """What linking made of an analysis.

    Parameters
    ----------
    tracking : dict of str to str
        From each finding's UID to its lesion's.
    changed : frozenset of str
        Keys of other studies in which a lesion has another UID now.
    """

    tracking: dict[str, str]
    changed: frozenset[str]


def tracking(session: Session, analysis_key: str) -> dict[str, str]:
    """The lesions' UIDs by those of an analysis' findings, as far as they were linked."""
    rows = session.execute(
        select(Track.finding_uid, Track.lesion_uid).where(Track.analysis_key == analysis_key)
    )
    return {row.finding_uid: row.lesion_uid for row in rows}


def link(
    session: Session,
    study_key: str,
    analysis_key: str,
    uids: Sequence[str],
    links: Iterable[Link],
    studies: Mapping[str, str],
) -> Linked:
    """Give every finding of an analysis its lesion.

    A link that would give two findings of one analysis the same lesion is left out.

    Parameters
    ----------
    study_key, analysis_key : str
        The study and the analysis of it.
    uids : sequence of str
        Of all its findings.
    links : iterable of Link
        Most certain first.
    studies : mapping of str to str
        The study's key by the other analyses' keys.
    """
    changed: set[str] = set()
    for one in links:
        mine = session.get(Track, (analysis_key, one.uid))
        other = session.get(Track, (one.other_analysis, one.other_uid))
        if mine is None and other is None:
            other = _add(session, studies[one.other_analysis], one.other_analysis, one.other_uid)
        if mine is None and other is not None:
            if not _holds(session, analysis_key, other.lesion_uid):
                _add(session, study_key, analysis_key, one.uid, other.lesion_uid)
        elif other is None and mine is not None:
            if not _holds(session, one.other_analysis, mine.lesion_uid):
                owner = studies[one.other_analysis]
                _add(session, owner, one.other_analysis, one.other_uid, mine.lesion_uid)
        elif mine is not None and other is not None:
            changed |= _merge(session, mine, other)
    for uid in uids:
        if session.get(Track, (analysis_key, uid)) is None:
            _add(session, study_key, analysis_key, uid)
    return Linked(tracking(session, analysis_key), frozenset(changed - {study_key}))


def _add(
    session: Session, study_key: str, analysis_key: str, uid: str, lesion: str | None = None
) -> Track:
    row = Track(
        analysis_key=analysis_key,
        finding_uid=uid,
        lesion_uid=lesion or uid,
        study_key=study_key,
        at=utcnow(),
    )
    session.add(row)
    session.flush()
    return row


def _holds(session: Session, analysis_key: str, lesion: str) -> bool:
    """Is the lesion another finding of the analysis already?"""
    query = select(Track).where(Track.analysis_key == analysis_key, Track.lesion_uid == lesion)
    return session.scalars(query).first() is not None


def _merge(session: Session, one: Track, other: Track) -> set[str]:
    """Make two lesions one; the keys of the studies whose lesion has another UID now."""
    if one.lesion_uid == other.lesion_uid:
        return set()
    rows = {lesion: _rows(session, lesion) for lesion in (one.lesion_uid, other.lesion_uid)}
    analyses = [{row.analysis_key for row in found} for found in rows.values()]
    if analyses[0] & analyses[1]:
        return set()
    first = min(rows, key=lambda lesion: (min(row.at for row in rows[lesion]), lesion))
    (later,) = rows.keys() - {first}
    session.execute(update(Track).where(Track.lesion_uid == later).values(lesion_uid=first))
    session.expire_all()
    return {row.study_key for row in rows[later]}


def _rows(session: Session, lesion: str) -> list[Track]:
    return list(session.scalars(select(Track).where(Track.lesion_uid == lesion)))
