"""Which studies' images are to bear another identity, and which wait for it: rows alone.

Until it is done the study is not handed over, and what Orthanc holds of it under either identity
is no study of its own. `gransk.archive.corrector` changes the images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.identity_tables import CorrectionState, IdentityCorrection
from gransk.archive.tables import Purpose, SeenStudy
from gransk.site.database import utcnow

Absorb = Callable[[Session, SeenStudy, SeenStudy], bool]
"""``absorb(session, kept, other)``: two rows turned out to be one study; False where not."""


def queue(session: Session, seen: SeenStudy) -> None:
    """Ask for a study's images to be changed to its identity."""
    if seen.purpose == Purpose.PRIOR or seen.deleted_at is not None or not seen.orthanc_id:
        return
    row = session.get(IdentityCorrection, seen.orthanc_id, with_for_update=True)
    if row is None:
        row = IdentityCorrection(orthanc_id=seen.orthanc_id, target="")
        session.add(row)
    row.study_key = seen.key
    _open(row)
    session.flush()


def _open(row: IdentityCorrection) -> None:
    row.state, row.tries, row.error = CorrectionState.WAITING, 0, ""
    row.at = row.next_at = utcnow()


def held(session: Session, study_key: str) -> bool:
    """Are a study's images being changed?"""
    query = select(IdentityCorrection.orthanc_id).where(
        IdentityCorrection.study_key == study_key,
        IdentityCorrection.state == CorrectionState.WAITING,
    )
    return session.scalars(query.limit(1)).first() is not None


def state_of(session: Session, seen: SeenStudy) -> CorrectionState | None:
    """Where the correction of a study's images is; None where none was asked for."""
    row = session.get(IdentityCorrection, seen.orthanc_id)
    return None if row is None else CorrectionState(row.state)


def made(session: Session, seen: SeenStudy) -> bool:
    """Did we make what the archive's log says is a new study? Asked once."""
    query = select(IdentityCorrection).where(
        IdentityCorrection.study_key == seen.key, IdentityCorrection.target == seen.orthanc_id
    )
    found = session.scalars(query).all()
    for row in found:
        row.target = ""
    return bool(found) or held(session, seen.key)


def belongs(session: Session, orthanc_id: str, rows: Sequence[SeenStudy]) -> bool:
    """Is what Orthanc holds under an id a part of a study that is, or was, corrected?

    Parameters
    ----------
    orthanc_id : str
        Of no row.
    rows : sequence of SeenStudy
        Of the same Study Instance UID. What came late under the identity of before is corrected
        as well.
    """
    row = session.get(IdentityCorrection, orthanc_id, with_for_update=True)
    if row is not None and session.get(SeenStudy, row.study_key) is not None:
        if row.state == CorrectionState.DONE:
            _open(row)
        return True
    return any(held(session, one.key) for one in rows)
