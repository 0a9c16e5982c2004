"""What a sealed report tells, as its objects do: findings as people left them, and more."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from gransk.core.findings import Findings
from gransk.core.followup import FollowUp, renamed
from gransk.results import edits, tracks
from gransk.results.blobs import BlobStore
from gransk.results.edits import Signature
from gransk.results.store import read_findings, read_follow_up
from gransk.results.tables import Report, Workitem


@dataclass(frozen=True)
class ReportContent:
    """Findings under the lesions' tracking UIDs, what is told beside them, and who signed."""

    findings: Findings
    follow_up: FollowUp | None
    signature: Signature | None


def report_content(
    session: Session, blobs: BlobStore, item: Workitem, report: Report
) -> ReportContent:
    """What a report tells.

    Raises
    ------
    KeyError, BlobError, ValueError
        Where the sealed findings are missing or damaged.
    """
    found = read_findings(session, blobs, report.analysis_key)
    acts = edits.acts(session, item.study_key, item.application, report.analysis_key)
    # What people did after the report was made stands in the next one.
    made = [act for act in acts if act.at <= report.created_at]
    named = renamed(found, tracks.tracking(session, report.analysis_key))
    signature = edits.report_signature(session, item.study_key, item.application, report)
    told = read_follow_up(session, blobs, report.key)
    return ReportContent(edits.edited(named, made), told, signature)
