"""What of reading follows a study that became another identity's: its follow-up, what was told.

Reads, draws and seals stand at the study itself and stay there.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.core.patients import ExamIdentity, PatientStudy
from gransk.reading import report_telling
from gransk.reading.entries import Kind
from gransk.reading.exam_tables import EntryRow
from gransk.reading.followup import changed
from gransk.reading.tables import OPEN, Closing, FollowUpRow, FollowUpState
from gransk.results.decisions import announce_again
from gransk.site.config_messages import MessagesSection, Subject
from gransk.site.events import SYSTEM


def lock(session: Session, study_keys: Collection[str]) -> None:
    """Let nobody change the follow-ups that studies advised, until the transaction ends."""
    query = select(FollowUpRow.id).where(FollowUpRow.study_key.in_(study_keys))
    session.scalars(query.order_by(FollowUpRow.id).with_for_update()).all()


def follow_ups(session: Session, study_key: str, who: PatientStudy) -> int:
    """The follow-up that a study advised is its patient's of now; returns how many rows moved.

    Responsible person, words and booking go with it. Where that patient has a row already, the
    one of the newer study stands and the other is closed.
    """
    query = select(FollowUpRow).where(
        FollowUpRow.study_key == study_key, FollowUpRow.patient_key != who.keys[0]
    )
    rows = session.scalars(query.with_for_update()).all()
    for row in rows:
        other = session.scalars(
            select(FollowUpRow)
            .where(
                FollowUpRow.patient_key == who.keys[0],
                FollowUpRow.application == row.application,
            )
            .with_for_update()
        ).first()
        if other is None:
            row.patient_key = who.keys[0]
        elif _stands(other, row):
            _close(session, other)
            freed, row.patient_key = row.patient_key, digest(["moving", row.id])
            session.flush()
            other.patient_key = freed
            session.flush()
            row.patient_key = who.keys[0]
        else:
            _close(session, row)
            continue
        changed(session, row, SYSTEM, {"identity": True})
    return len(rows)


def _stands(other: FollowUpRow, row: FollowUpRow) -> bool:
    """Is ``row`` of the newer study?"""
    if row.study_date is None or other.study_date is None:
        return row.state in OPEN or other.state not in OPEN
    return row.study_date >= other.study_date


def _close(session: Session, row: FollowUpRow) -> None:
    if row.state in OPEN:
        row.state, row.closing = FollowUpState.CLOSED, Closing.MERGED
        changed(session, row, SYSTEM, {"identity": True})


def tell_again(
    session: Session, study_key: str, exam: ExamIdentity, messages: MessagesSection
) -> None:
    """Tell decision and reports again that were told under another identifier."""
    identity = digest([exam.patient_id, exam.issuer, exam.study_instance_uid])[:32]
    announce_again(session, study_key, identity, messages.names(Subject.DECISIONS))
    report_telling.tell_again(session, study_key, identity, messages.names(Subject.FINDINGS))


def touched(session: Session, study_key: str) -> bool:
    """Did a person do anything at an exam of the reading room, or was it decided?"""
    query = select(func.count()).where(
        EntryRow.study_key == study_key,
        (EntryRow.actor != SYSTEM) | (EntryRow.kind == Kind.DECIDED),
    )
    return bool(session.scalar(query))
