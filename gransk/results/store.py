"""The result store: large objects by their content, results by their key.

Everything is sealed once. A second seal under the same key returns the first,
so work that was done twice leaves one result.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from gransk.core.findings import Findings, ModelIdentity
from gransk.core.followup import FollowUp
from gransk.core.keys import digest
from gransk.core.object_kinds import ObjectKind
from gransk.results.blobs import BlobStore, Stored, is_removed, keep
from gransk.results.tables import (
    Analysis,
    AnalysisModel,
    Blob,
    Delivery,
    DeliveryState,
    KeptComparison,
    Report,
    ReportObject,
    Workitem,
)
from gransk.results.versions import note_version
from gransk.site.database import UtcDateTime, utcnow
from gransk.site.events import SYSTEM, EventKind, record

LEDGER = "reading_room"
"""Who released a report (`Report.released_by`) that an exam of the reading room had held."""


@dataclass(frozen=True)
class NewObject:
    """One DICOM object to be sealed with its report."""

    kind: ObjectKind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    stored: Stored


def seal_analysis(
    session: Session,
    key: str,
    application: str,
    findings: Stored,
    pictures: Stored,
    seconds: float,
    models: Iterable[ModelIdentity] = (),
) -> Analysis:
    """Seal the findings of one analysis key, or return those sealed before.

    Where the pictures of those went after their time, the new ones take their place.
    ``models`` are those that made them; which studies a model was used for is asked by them.
    """
    known = session.get(Analysis, key)
    if known is not None:
        if is_removed(session, known.pictures_sha256):
            keep(session, [pictures])
            known.pictures_sha256 = pictures.sha256
        return known
    keep(session, [findings, pictures])
    analysis = Analysis(
        key=key,
        application=application,
        findings_sha256=findings.sha256,
        pictures_sha256=pictures.sha256,
        seconds=seconds,
        sealed_at=utcnow(),
    )
    session.add(analysis)
    session.flush()
    for model in {model.id: model for model in models}.values():
        session.add(
            AnalysisModel(analysis_key=key, id=model.id, version=model.version, sha256=model.sha256)
        )
    session.flush()
    return analysis


def studies_of_model(session: Session, model_id: str, sha256: str) -> int:
    """How many studies' current analysis was made with a model, as far as that was noted."""
    query = (
        select(func.count(Workitem.study_key.distinct()))
        .join(AnalysisModel, AnalysisModel.analysis_key == Workitem.analysis_key)
        .where(AnalysisModel.id == model_id, AnalysisModel.sha256 == sha256)
    )
    return session.scalar(query) or 0


def seal_comparison(
    session: Session,
    key: str,
    application: str,
    analyses: tuple[str, str],
    comparison: Stored,
    pictures: Stored,
) -> None:
    """Seal a comparison of two analyses, the current one first; what is sealed stays.

    But pictures that went after their time are replaced by the new ones.
    """
    known = session.get(KeptComparison, key)
    if known is not None:
        if is_removed(session, known.pictures_sha256):
            keep(session, [pictures])
            known.pictures_sha256 = pictures.sha256
        return
    keep(session, [comparison, pictures])
    session.add(
        KeptComparison(
            key=key,
            application=application,
            current_analysis=analyses[0],
            prior_analysis=analyses[1],
            comparison_sha256=comparison.sha256,
            pictures_sha256=pictures.sha256,
            sealed_at=utcnow(),
        )
    )
    session.flush()


def read_findings(session: Session, blobs: BlobStore, analysis_key: str) -> Findings:
    """The sealed findings of an analysis.

    Raises
    ------
    KeyError
        Where nothing is sealed under the key.
    BlobError
        Where the stored findings are missing or damaged.
    """
    analysis = session.get(Analysis, analysis_key)
    if analysis is None:
        raise KeyError(analysis_key)
    return Findings.model_validate_json(blobs.get(analysis.findings_sha256))


def read_follow_up(session: Session, blobs: BlobStore, report_key: str) -> FollowUp | None:
    """What a sealed report tells beside its findings; None where it tells nothing.

    Raises
    ------
    KeyError
        Where no report is sealed under the key.
    BlobError
        Where the stored object is missing or damaged.
    """
    report = session.get(Report, report_key)
    if report is None:
        raise KeyError(report_key)
    if report.follow_up_sha256 is None:
        return None
    return FollowUp.model_validate_json(blobs.get(report.follow_up_sha256))


def seal_report(
    session: Session,
    item: Workitem,
    key: str,
    analysis_key: str,
    created_at: datetime.datetime,
    objects: Sequence[NewObject],
    follow_up: Stored | None = None,
) -> Report:
    """Seal a report with its objects and make it the item's own.

    The report that the item had before is superseded: what of it still waits
    to be delivered is cancelled, and what was sent is to be removed. A key
    sealed before is made the item's own again with the bytes of then.

    Parameters
    ----------
    session : Session
        From `Database.begin`, so that report, objects and release state are
        one transaction.
    item : Workitem
        Locked by the caller.
    key, analysis_key : str
    created_at : datetime
        The instant written into the objects.
    objects : sequence of NewObject
        Their bytes already kept.
    follow_up : Stored, optional
        What the report tells beside its findings, already kept.
    """
    before = item.report_key
    if before is not None and before != key:
        # Before any event is recorded: who is sending one of its lines records one after locking.
        _retire(session, before)
    report = session.get(Report, key)
    if report is None:
        told = [] if follow_up is None else [follow_up]
        keep(session, [*(made.stored for made in objects), *told])
        report = Report(
            key=key,
            analysis_key=analysis_key,
            workitem_id=item.id,
            incomplete=item.incomplete,
            supersedes=before,
            created_at=created_at,
            released_at=None,
            released_by=None,
            withdrawn_at=None,
            follow_up_sha256=None if follow_up is None else follow_up.sha256,
        )
        session.add(report)
        session.flush()
        session.add_all(_report_object(key, made) for made in objects)
        record(session, SYSTEM, EventKind.REPORT_SEALED, item.study_key, {"report": key})
    elif report.withdrawn_at is not None or before != key:
        _renew_objects(session, key, objects)
        restore_report(session, key, before if before != key else None)
    if before is not None and before != key:
        data = {"report": before, "by": key}
        record(session, SYSTEM, EventKind.REPORT_SUPERSEDED, item.study_key, data)
    item.report_key = key
    item.analysis_key = analysis_key
    session.flush()
    return report


def is_complete(session: Session, report_key: str) -> bool:
    """Is a report sealed, with the bytes of each of its objects?"""
    if session.get(Report, report_key) is None:
        return False
    query = (
        select(ReportObject.sop_instance_uid)
        .join(Blob, Blob.sha256 == ReportObject.sha256)
        .where(ReportObject.report_key == report_key, Blob.removed_at.is_not(None))
    )
    return session.scalar(query.limit(1)) is None


def _renew_objects(session: Session, report_key: str, objects: Sequence[NewObject]) -> None:
    """Objects of a report that stands again, where their bytes went after their time."""
    for made in objects:
        row = session.get(ReportObject, made.sop_instance_uid)
        if row is not None and row.report_key == report_key and is_removed(session, row.sha256):
            keep(session, [made.stored])
            row.sha256 = made.stored.sha256


def locked_report(session: Session, key: str) -> tuple[Workitem, Report] | None:
    """A report and the row that it is of, as they are now; None where there is none.

    The row is locked first, as whoever seals or withdraws a report does: no other report takes
    its place meanwhile, and nobody waits for each other.
    """
    report = session.get(Report, key)
    if report is None:
        return None
    item = session.get_one(
        Workitem, report.workitem_id, with_for_update=True, populate_existing=True
    )
    return item, session.get_one(Report, key, with_for_update=True, populate_existing=True)


def withdraw_report(session: Session, key: str, study_key: str) -> None:
    """Take a report back: nothing more of it is sent, and what was sent is to be removed."""
    report = session.get(Report, key)
    if report is None or report.withdrawn_at is not None:
        return
    report.withdrawn_at = utcnow()
    _retire(session, key)
    record(session, SYSTEM, EventKind.REPORT_WITHDRAWN, study_key, {"report": key})
    note_version(session, report)


def restore_report(session: Session, key: str, before: str | None = None) -> None:
    """Let a report that fell stand again; the kept bytes are delivered anew.

    Not yet where the reading room has a say in it: its exam may open anew, so the report waits
    for *release* as if it had never left.

    Parameters
    ----------
    session : Session
    key : str
    before : str, optional
        The report in whose place it stands again.
    """
    report = session.get(Report, key)
    if report is None:
        return
    if (report.withdrawn_at is not None or before is not None) and _in_room(session, key, before):
        report.released_at = report.released_by = None
    report.withdrawn_at = None
    note_version(session, report)
    if report.released_at is not None:
        deliver_anew(session, key)


def _in_room(session: Session, key: str, before: str | None) -> bool:
    """Did the reading room release a report, or hold or release the one in whose place it is?"""
    if session.get_one(Report, key).released_by == LEDGER:
        return True
    replaced = None if before is None else session.get_one(Report, before)
    return replaced is not None and replaced.released_by in (None, LEDGER)


def deliver_anew(session: Session, report_key: str) -> None:
    """Send what was ever queued of a report again."""
    for delivery in session.scalars(select(Delivery).where(Delivery.report_key == report_key)):
        send_anew(delivery)


def send_anew(delivery: Delivery) -> None:
    """Let an object be sent under another attempt, whatever became of it before.

    ``sent_at`` stays where the object may be at its destination, for all to see.
    """
    if delivery.state in (DeliveryState.RECALLED, DeliveryState.HIDDEN):
        delivery.sent_at = None
    delivery.state = DeliveryState.WAITING
    delivery.attempt += 1
    delivery.error = ""
    delivery.committed_at = delivery.commit_by = None


def queue_deliveries(
    session: Session, report_key: str, wanted: Mapping[str, Collection[ObjectKind]]
) -> int:
    """Write the outbox: objects of a released report to destinations, each once.

    Parameters
    ----------
    session : Session
    report_key : str
    wanted : mapping of str to collection of ObjectKind
        By destination, the kinds of object that it is sent.

    Returns
    -------
    int
        Lines that were not there before.
    """
    objects = session.scalars(
        select(ReportObject)
        .where(ReportObject.report_key == report_key)
        .order_by(ReportObject.sop_instance_uid)
    ).all()
    count = 0
    for destination, kinds in wanted.items():
        for made in objects:
            identity = digest([made.sop_instance_uid, destination])[:32]
            if made.kind not in kinds or session.get(Delivery, identity) is not None:
                continue
            count += 1
            session.add(
                Delivery(
                    id=identity,
                    report_key=report_key,
                    sop_instance_uid=made.sop_instance_uid,
                    destination=destination,
                    state=DeliveryState.WAITING,
                    attempt=0,
                    error="",
                    created_at=utcnow(),
                    sent_at=None,
                    committed_at=None,
                    commit_by=None,
                )
            )
    session.flush()
    return count


def _retire(session: Session, report_key: str) -> None:
    """Nothing of the report is to reach a destination, or to stay there as if it stood.

    What was sent before it was to be sent once more, or failed, may be there; so may what a try
    had no clear answer about, though later ones were refused. A try that is under way says
    itself how it went.
    """
    tried = and_(Delivery.trying.is_(None), Delivery.tried_at.is_not(None))
    unsent = and_(
        Delivery.state.in_((DeliveryState.WAITING, DeliveryState.FAILED)),
        Delivery.sent_at.is_(None),
        ~tried,
    )
    there = (DeliveryState.WAITING, DeliveryState.FAILED, DeliveryState.SENT)
    mine = Delivery.report_key == report_key
    session.execute(update(Delivery).where(mine, unsent).values(state=DeliveryState.CANCELLED))
    session.execute(
        update(Delivery)
        .where(mine, Delivery.state.in_(there))
        .values(
            state=DeliveryState.RECALL,
            sent_at=func.coalesce(Delivery.sent_at, Delivery.tried_at, type_=UtcDateTime),
        )
    )


def _report_object(report_key: str, made: NewObject) -> ReportObject:
    return ReportObject(
        sop_instance_uid=made.sop_instance_uid,
        report_key=report_key,
        kind=made.kind,
        sop_class_uid=made.sop_class_uid,
        series_instance_uid=made.series_instance_uid,
        sha256=made.stored.sha256,
    )
