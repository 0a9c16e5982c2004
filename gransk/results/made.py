"""What Gransk made of a study, as archives that it was sent to hold it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.results.commitment_tables import RejectionNote
from gransk.results.dicom.rejection import rejection_series
from gransk.results.tables import Report, ReportObject, Workitem


def made_of(session: Session, study_key: str) -> set[tuple[str, str]]:
    """Series and SOP Instance UID of every result object, and of the notes that reject some."""
    of_study = (
        select(Report.key)
        .join(Workitem, Workitem.id == Report.workitem_id)
        .where(Workitem.study_key == study_key)
    )
    objects = session.execute(
        select(ReportObject.series_instance_uid, ReportObject.sop_instance_uid).where(
            ReportObject.report_key.in_(of_study)
        )
    )
    notes = session.scalars(select(RejectionNote).where(RejectionNote.report_key.in_(of_study)))
    return {(series, instance) for series, instance in objects} | {
        (rejection_series(note.report_key, note.destination), note.sop_instance_uid)
        for note in notes
    }
