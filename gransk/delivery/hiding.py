"""Rejection notes of fallen reports: made once, kept, and sent like any object."""

from __future__ import annotations

import io
from collections.abc import Callable

import pydicom
from pydicom import Dataset
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.object_kinds import ObjectKind
from gransk.delivery.destination import Destination
from gransk.results.blobs import BlobStore, keep
from gransk.results.commitment_tables import RejectionNote
from gransk.results.dicom.rejection import make_rejection
from gransk.results.store import send_anew
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, Workitem
from gransk.site.database import Database, utcnow


class Hider:
    """Sends the note that rejects what a destination holds of a fallen report.

    One note rejects all that fell of the report there: the first of its lines sends it, and the
    others find it sent.
    """

    def __init__(
        self, database: Database, blobs: BlobStore, language: str | Callable[[], str]
    ) -> None:
        self.database = database
        self.blobs = blobs
        self._language = language

    def hide(self, destination: Destination, line: Delivery) -> bool:
        """Have the destination know a note that rejects the line's object.

        False where it is to be rejected no more.

        Raises
        ------
        UnavailableError, RefusedError
            As the destination answers the note.
        """
        note = self._note(line)
        if note is None:
            return False
        if note.sent_at is None:
            destination.send(note.sop_instance_uid, self.blobs.get(note.sha256))
            with self.database.begin() as session:
                _send_returned(session, note, line)
                found = session.get_one(RejectionNote, note.sop_instance_uid, with_for_update=True)
                found.sent_at = found.sent_at or utcnow()
        return True

    def _note(self, line: Delivery) -> RejectionNote | None:
        """The report's newest note where it is about the object, or else a new one."""
        with self.database.begin() as session:
            # One maker at a time: the others wait here and find the note.
            report = session.get_one(Report, line.report_key, with_for_update=True)
            fallen = _fallen(session, line)
            if line.sop_instance_uid not in fallen:
                return None
            newest = session.scalars(
                select(RejectionNote)
                .where(
                    RejectionNote.report_key == line.report_key,
                    RejectionNote.destination == line.destination,
                )
                .order_by(RejectionNote.number.desc())
                .limit(1)
            ).first()
            if newest is not None and _still(newest, line, fallen):
                return newest
            return self._make(session, report, line.destination, fallen)

    def _make(
        self, session: Session, report: Report, destination: str, objects: list[str]
    ) -> RejectionNote:
        made = [session.get_one(ReportObject, one) for one in objects]
        before = select(func.max(RejectionNote.number)).where(
            RejectionNote.report_key == report.key, RejectionNote.destination == destination
        )
        number = (session.scalar(before) or 0) + 1
        now = utcnow()
        note = make_rejection(
            [_header(self.blobs.get(one.sha256)) for one in made],
            report_key=report.key,
            destination=destination,
            number=number,
            created=now,
            replaced_by=_successor(session, report),
            language=self._language if isinstance(self._language, str) else self._language(),
        )
        stored = self.blobs.put(note.content)
        keep(session, [stored])
        row = RejectionNote(
            sop_instance_uid=note.sop_instance_uid,
            report_key=report.key,
            destination=destination,
            number=number,
            objects=objects,
            sha256=stored.sha256,
            made_at=now,
            sent_at=None,
        )
        session.add(row)
        session.flush()
        return row


def _send_returned(session: Session, note: RejectionNote, line: Delivery) -> None:
    """What stands again and may be there is rejected by the note that came after it."""
    query = (
        select(Delivery)
        .where(Delivery.sop_instance_uid.in_(note.objects), Delivery.id != line.id)
        .where(Delivery.destination == note.destination)
        .where(Delivery.state.in_((DeliveryState.WAITING, DeliveryState.SENT)))
    )
    for other in session.scalars(query.order_by(Delivery.id).with_for_update()):
        send_anew(other)


def _fallen(session: Session, line: Delivery) -> list[str]:
    """What of the report is to be rejected at the line's destination, in order."""
    query = select(Delivery.sop_instance_uid).where(
        Delivery.report_key == line.report_key,
        Delivery.destination == line.destination,
        Delivery.state == DeliveryState.RECALL,
    )
    return sorted(session.scalars(query))


def _still(note: RejectionNote, line: Delivery, fallen: list[str]) -> bool:
    """Does a note that exists reject the object as it fell this time?"""
    if note.sent_at is None:
        return note.objects == fallen
    sent = line.sent_at
    return line.sop_instance_uid in note.objects and sent is not None and note.made_at > sent


def _successor(session: Session, report: Report) -> str:
    """SOP Instance UID of the structured report in its place; empty where there is none."""
    item = session.get_one(Workitem, report.workitem_id)
    current = session.get(Report, item.report_key) if item.report_key else None
    if current is None or current.key == report.key or current.withdrawn_at is not None:
        return ""
    found = session.scalar(
        select(ReportObject.sop_instance_uid).where(
            ReportObject.report_key == current.key, ReportObject.kind == ObjectKind.SR
        )
    )
    return found or ""


def _header(content: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
