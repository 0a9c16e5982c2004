"""One version of a report, read from the result store as its sealed objects tell it."""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from dataclasses import dataclass

import pydicom
from pydicom import Dataset
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.application import Application
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Findings
from gransk.core.followup import renamed
from gransk.core.object_kinds import ObjectKind
from gransk.core.patients import ExamIdentity
from gransk.results.blobs import BlobStore
from gransk.results.dicom.read import read_report
from gransk.results.dicom.texts import text
from gransk.results.store import read_findings, read_follow_up
from gransk.results.tables import Report, ReportObject, Workitem
from gransk.results.tracks import tracking
from gransk.results.versions import WITHDRAWN, ReportStatus, ReportVersion, versions_of


@dataclass(frozen=True)
class Signer:
    """Who signed, as the report names the person, and when by the report's own clock."""

    name: str
    at: str


@dataclass(frozen=True)
class Told:
    """What one version of a report tells.

    Parameters
    ----------
    id : str
        Of the resource: that of the row of the worklist, so that later versions have it too.
    number : int
        Of the version, from 1.
    status : ReportStatus
    at : datetime
        When this version came to be.
    issued : datetime
        When its report was released.
    exam : ExamIdentity
        As the report's own objects say.
    modalities : tuple of str
        Of the study.
    sr_uid : str
        SOP Instance UID of the structured report; empty where there is none.
    findings : Findings, optional
        As people left them when the report was made; None where the report is taken back.
    text : str
    pdf : bytes, optional
    signer : Signer, optional
    replaces : str
        SOP Instance UID of the structured report that this one replaces; empty for none.
    """

    id: str
    number: int
    status: ReportStatus
    at: datetime.datetime
    issued: datetime.datetime
    exam: ExamIdentity
    modalities: tuple[str, ...] = ()
    sr_uid: str = ""
    findings: Findings | None = None
    text: str = ""
    pdf: bytes | None = None
    signer: Signer | None = None
    replaces: str = ""


class Reader:
    """Reads versions of reports.

    Parameters
    ----------
    blobs : BlobStore
    applications : mapping of str to Application
    language : str
        Of the report's text.
    """

    def __init__(
        self, blobs: BlobStore, applications: Mapping[str, Application], language: str
    ) -> None:
        self.blobs = blobs
        self.applications = applications
        self.language = language

    def __call__(
        self,
        session: Session,
        version: ReportVersion,
        exam: ExamIdentity,
        modalities: tuple[str, ...] = (),
    ) -> Told:
        """What a version tells.

        Parameters
        ----------
        session : Session
        version : ReportVersion
        exam : ExamIdentity
            As the archive has it now: for what the report's own objects do not say.
        modalities : tuple of str

        Raises
        ------
        BlobError
            Where a kept object is missing or damaged.
        """
        report = session.get_one(Report, version.report_key)
        objects = _objects(session, report.key)
        sr = self._dataset(objects.get(ObjectKind.SR))
        issued = report.released_at or version.at
        told = Told(
            id=version.workitem_id,
            number=version.number,
            status=ReportStatus(version.status),
            at=version.at,
            issued=issued,
            exam=exam if sr is None else _exam(sr, exam),
            modalities=modalities,
            sr_uid="" if sr is None else str(sr.SOPInstanceUID),
        )
        if told.status in WITHDRAWN:
            return told
        item = session.get_one(Workitem, report.workitem_id)
        findings = self._findings(session, report, objects.get(ObjectKind.SR))
        before = self._before(session, version)
        return Told(
            **{
                **vars(told),
                "findings": findings,
                "text": self._text(session, report, item.application, findings),
                "pdf": self._pdf(objects.get(ObjectKind.PDF)),
                "signer": None if sr is None else _signer(sr),
                "replaces": "" if before is None else before.sop_instance_uid,
            }
        )

    def _before(self, session: Session, version: ReportVersion) -> ReportObject | None:
        """The structured report that was released before this one."""
        earlier = [
            one.report_key
            for one in versions_of(session, version.workitem_id)
            if one.number < version.number and one.report_key != version.report_key
        ]
        return _objects(session, earlier[-1]).get(ObjectKind.SR) if earlier else None

    def _dataset(self, made: ReportObject | None) -> Dataset | None:
        if made is None:
            return None
        return pydicom.dcmread(io.BytesIO(self.blobs.get(made.sha256)))

    def _findings(self, session: Session, report: Report, sr: ReportObject | None) -> Findings:
        """The sealed findings, as people had left them when the report was made."""
        sealed = read_findings(session, self.blobs, report.analysis_key)
        if sr is None:
            return renamed(sealed, tracking(session, report.analysis_key))
        try:
            found = read_report(self.blobs.get(sr.sha256))
        except InvalidValueError:
            found = []
        return sealed.model_copy(update={"findings": tuple(found)})

    def _text(self, session: Session, report: Report, application: str, findings: Findings) -> str:
        """The plain report, or the line of the worklist; with it what every output has to say."""
        told = read_follow_up(session, self.blobs, report.key)
        known = self.applications.get(application)
        said = ""
        if told is not None and told.text:
            said = told.text.get(self.language) or next(iter(told.text.values()))
        elif known is not None:
            said = known.presentation.line(findings, self.language)
        notices = (("research", findings.research), ("incomplete", report.incomplete))
        words = [text(name, self.language) for name, holds in notices if holds]
        return "\n".join(filter(None, [said, *(one for one in words if one not in said)]))

    def _pdf(self, made: ReportObject | None) -> bytes | None:
        """The document of an Encapsulated PDF, without its padding (PS3.3 C.24.2)."""
        dataset = self._dataset(made)
        if dataset is None:
            return None
        content = bytes(dataset.EncapsulatedDocument)
        length = int(dataset.get("EncapsulatedDocumentLength", 0) or 0)
        return content[:length] if length else content


def _objects(session: Session, report_key: str) -> dict[str, ReportObject]:
    query = select(ReportObject).where(ReportObject.report_key == report_key)
    return {one.kind: one for one in session.scalars(query)}


def _exam(sr: Dataset, known: ExamIdentity) -> ExamIdentity:
    def said(keyword: str) -> str:
        return str(sr.get(keyword, "") or "").strip()

    return ExamIdentity(
        patient_id=said("PatientID"),
        study_instance_uid=said("StudyInstanceUID") or known.study_instance_uid,
        issuer=said("IssuerOfPatientID"),
        patient_name=said("PatientName"),
        birth_date=said("PatientBirthDate"),
        sex=said("PatientSex"),
        accession_number=said("AccessionNumber"),
        study_date=said("StudyDate"),
        study_time=said("StudyTime"),
    )


def _signer(sr: Dataset) -> Signer | None:
    for observer in sr.get("VerifyingObserverSequence", []) or []:
        return Signer(str(observer.VerifyingObserverName), str(observer.VerificationDateTime))
    return None
