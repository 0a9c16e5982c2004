"""In the worker: what a child is told, and what of its results is sealed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.patients import identifiers_of
from gransk.archive.priors import PriorStudyRef, date_of
from gransk.archive.tables import SeenStudy
from gransk.core.findings import Finding, Findings
from gransk.core.object_kinds import ObjectKind
from gransk.core.reasons import Reason
from gransk.pipeline import priors, protocol, workitems
from gransk.pipeline.workitems import Work
from gransk.results import edits, profiles, tracks
from gransk.results.blobs import BlobStore, is_removed
from gransk.results.observed import observe
from gransk.results.store import is_complete, seal_analysis, seal_comparison
from gransk.results.tables import (
    Analysis,
    KeptComparison,
    Report,
    ReportObject,
    Workitem,
)
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record


class Answers:
    """The conversation with one child about one piece of work.

    Parameters
    ----------
    database : Database
    blobs : BlobStore
    work : Work
    scratch : Path
        The child's folder.
    """

    def __init__(self, database: Database, blobs: BlobStore, work: Work, scratch: Path) -> None:
        self.database = database
        self.blobs = blobs
        self.work = work
        self.scratch = scratch
        self.created = utcnow()
        self.analysis_key = ""
        self.report_key = ""
        self.following = False
        self.overrides: tuple[str, ...] | None = None
        self.shadows: tuple[str, ...] = ()
        """The study's own analysis is sealed; what is done now is about its neighbours."""
        self._studies: dict[str, str] = {}

    def reply(self, question: protocol.Question) -> protocol.Reply:
        """Answer a question of the child's."""
        match question:
            case protocol.Asked():
                self.analysis_key = question.analysis_key
                self.overrides, self.shadows = question.overrides, question.shadows
                return self._sealed(question.analysis_key)
            case protocol.Beside():
                self.following = True
                return self._neighbours()
            case protocol.AskedComparison():
                return self._sealed_comparison(question.key)
            case protocol.Paired():
                return self._link(question)
            case protocol.Named():
                self.report_key = question.report_key
                return self._known(question.report_key)

    def seal(self, result: protocol.Result) -> None:
        """Seal a result as soon as it is there: what is done is not done twice."""
        match result:
            case protocol.Found():
                self._found(result)
            case protocol.Observed():
                self._observed(result)
            case protocol.Measured():
                self._measured(result)
            case protocol.Compared():
                told = self.blobs.put(Path(result.comparison).read_bytes())
                drawn = self.blobs.put(Path(result.pictures).read_bytes())
                with self.database.begin() as session:
                    item = session.get_one(Workitem, self.work.item)
                    analyses = (self.analysis_key, result.prior_analysis)
                    seal_comparison(session, result.key, item.application, analyses, told, drawn)

    def _measured(self, result: protocol.Measured) -> None:
        act, key = result.act, self.analysis_key
        with self.database.begin() as session:
            if result.file is not None:
                content = Path(result.file).read_bytes()
                edits.measured(session, act, key, Finding.model_validate_json(content))
            else:
                why = result.refused or Reason.INTERNAL_ERROR
                edits.not_measured(session, act, key, why)

    def _sealed(self, key: str) -> protocol.Answer:
        with self.database.read() as session:
            analysis = session.get(Analysis, key)
            if analysis is None or is_removed(session, analysis.pictures_sha256):
                return protocol.Answer()
            kept = analysis.findings_sha256, analysis.pictures_sha256
        findings, pictures = (self._file(sha256) for sha256 in kept)
        return protocol.Answer(findings=findings, pictures=pictures)

    def _found(self, found: protocol.Found) -> None:
        content = (self.scratch / "findings.json").read_bytes()
        models = Findings.model_validate_json(content).models
        findings = self.blobs.put(content)
        pictures = self.blobs.put((self.scratch / "pictures.npz").read_bytes())
        key = self.analysis_key
        with self.database.begin() as session:
            item = session.get_one(Workitem, self.work.item)
            seal_analysis(session, key, item.application, findings, pictures, found.seconds, models)
            data = {"analysis": key, "application": item.application}
            record(session, SYSTEM, EventKind.ANALYSIS_SEALED, item.study_key, data)

    def _observed(self, said: protocol.Observed) -> None:
        with self.database.begin() as session:
            item = session.get_one(Workitem, self.work.item)
            observe(
                session,
                item.study_key,
                self.analysis_key,
                item.application,
                said.regime,
                said.facts,
            )

    def _file(self, sha256: str) -> str:
        """The path of a stored object, once it was read whole."""
        self.blobs.get(sha256)
        return str(self.blobs.path(sha256))

    def _neighbours(self) -> protocol.Neighbours:
        with self.database.read() as session:
            item = session.get_one(Workitem, self.work.item)
            seen = session.get_one(SeenStudy, item.study_key)
            found = [
                self._neighbour(session, one.study, one.analysis_key, item.application)
                for one in priors.comparable(session, item.study_key, item.application)
            ]
            acts = edits.acts(session, item.study_key, item.application, self.analysis_key)
            signed = session.get(Report, edits.signed_report(acts))
            return protocol.Neighbours(
                created=self.created,
                priors=tuple(found),
                before=tuple(self._before(session, item)),
                not_compared=tuple(priors.not_compared(session, item.study_key, item.application)),
                acts=tuple(acts),
                signed=None if signed is None else signed.follow_up_sha256,
                profile=profiles.current(
                    session, seen, item.application, identifiers_of(session, seen)
                ),
            )

    def _before(self, session: Session, item: Workitem) -> Sequence[protocol.Neighbour]:
        """The analysis of the same study that the last report told, where it is another one."""
        before = item.analysis_key
        if before is None or before == self.analysis_key:
            return ()
        seen = session.get_one(SeenStudy, item.study_key)
        date = date_of(seen.study_date) or datetime.date.min
        same = PriorStudyRef(seen.key, seen.orthanc_id, seen.study_instance_uid, date)
        return (self._neighbour(session, same, before, item.application),)

    def _neighbour(
        self, session: Session, study: PriorStudyRef, analysis_key: str, application: str
    ) -> protocol.Neighbour:
        self._studies[analysis_key] = study.study_key
        analysis = session.get_one(Analysis, analysis_key)
        return protocol.Neighbour(
            study_key=study.study_key,
            orthanc_id=study.orthanc_id,
            study_instance_uid=study.study_instance_uid,
            study_date=study.study_date,
            analysis_key=analysis_key,
            findings=self._file(analysis.findings_sha256),
            tracking=tracks.tracking(session, analysis_key),
            acts=tuple(edits.acts(session, study.study_key, application, analysis_key)),
        )

    def _sealed_comparison(self, key: str) -> protocol.SealedComparison:
        with self.database.read() as session:
            kept = session.get(KeptComparison, key)
            if kept is None or is_removed(session, kept.pictures_sha256):
                return protocol.SealedComparison()
            told, drawn = kept.comparison_sha256, kept.pictures_sha256
        return protocol.SealedComparison(comparison=self._file(told), pictures=self._file(drawn))

    def _link(self, paired: protocol.Paired) -> protocol.Tracks:
        """Name the lesions; reports that wrote other names are made again."""
        links = [tracks.Link(one.uid, one.other_analysis, one.other_uid) for one in paired.pairs]
        with self.database.begin() as session:
            item = session.get_one(Workitem, self.work.item)
            linked = tracks.link(
                session, item.study_key, self.analysis_key, paired.uids, links, self._studies
            )
            for key in sorted(linked.changed):
                workitems.tell_again(session, key, item.application, EventKind.LESIONS_JOINED)
            others = {key: tracks.tracking(session, key) for key in self._studies}
        return protocol.Tracks(tracking=linked.tracking, others=others)

    def _known(self, report_key: str) -> protocol.Known:
        with self.database.read() as session:
            if is_complete(session, report_key):
                return protocol.Known(report=True)
            before = session.get_one(Workitem, self.work.item).report_key
            return protocol.Known(supersedes=_documents(session, before) if before else ())


def _documents(session: Session, report_key: str) -> tuple[tuple[str, str, str], ...]:
    """Class, instance and series UID of a report's structured documents."""
    found = session.execute(
        select(
            ReportObject.sop_class_uid,
            ReportObject.sop_instance_uid,
            ReportObject.series_instance_uid,
        )
        .where(ReportObject.report_key == report_key)
        .where(ReportObject.kind.in_((ObjectKind.SR, ObjectKind.CAD)))
        .order_by(ReportObject.kind.desc())
    ).all()
    return tuple((one[0], one[1], one[2]) for one in found)
