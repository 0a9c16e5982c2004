"""What a person sees of a study's findings: as people left them, and what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from gransk.core.application import Application, FollowsUp, Presentation
from gransk.core.codes import Code
from gransk.core.findings import Finding, Findings, ReviewState
from gransk.core.followup import renamed
from gransk.core.reasons import text as reason_text
from gransk.pipeline.workitems import OPEN
from gransk.results import edits, tracks
from gransk.results.edits import Act, Signature
from gransk.results.tables import ActKind, Report, Workitem, WorkState
from gransk.web.access import Caller
from gransk.web.texts import text
from gransk.web.wiring import Wiring


@dataclass(frozen=True)
class Edited:
    """Findings of a row of the worklist as people left them.

    ``names`` are the lesions' tracking UIDs by those that the analysis gave.
    """

    findings: Findings
    acts: list[Act]
    names: dict[str, str]
    signature: Signature | None

    @property
    def unmeasured(self) -> list[Act]:
        return edits.unmeasured(self.acts)


@dataclass(frozen=True)
class Said:
    """One act as the page tells it; ``number`` where the caller may take it back."""

    act: Act
    what: str
    finding: str
    withdrawn: bool
    number: int | None


@dataclass(frozen=True)
class Choice:
    """One property that a person may set, with its values and the present one."""

    name: str
    label: str
    values: Sequence[tuple[str, str]]
    present: str


@dataclass(frozen=True)
class Desk:
    """What the page of a case offers to who prepares and signs.

    Parameters
    ----------
    item, report : str
        Id of the workitem and key of the report that is shown.
    renewing : bool
        A report with the latest acts is being made.
    signable : bool
        Whether it can be signed now.
    signature : Signature, optional
    said : sequence of Said
        Every act, latest first.
    waiting : int
        Added findings that are not measured yet.
    refused : sequence of str
        Why nothing could be outlined where somebody pointed.
    unapplied : int
        Acts whose finding is not there any more.
    rejections : sequence of (code, text)
    adds : bool
        Whether the application can measure what a person points at.
    """

    item: str
    report: str
    renewing: bool
    signable: bool
    signature: Signature | None
    said: Sequence[Said]
    waiting: int
    refused: Sequence[str]
    unapplied: int
    rejections: Sequence[tuple[str, str]]
    adds: bool

    @property
    def prepared(self) -> list[Act]:
        """The last standing act of each person who edited."""
        last = {
            one.act.account: one.act
            for one in reversed(self.said)
            if one.act.kind is not ActKind.SIGN and not one.withdrawn
        }
        return list(last.values())


def standing_report(session: Session, item: Workitem) -> Report | None:
    """The released report of a row's present images; also while another of them is being made."""
    if item.report_key is None or item.state not in (WorkState.READY, *OPEN):
        return None
    report = session.get(Report, item.report_key)
    if report is None or report.released_at is None or report.withdrawn_at is not None:
        return None
    # A report that began before the last image came does not tell of these images.
    return report if item.state == WorkState.READY or report.created_at >= item.images_at else None


def edited(known: Wiring, session: Session, item: Workitem) -> Edited:
    """Findings of a row with every act on them.

    Raises
    ------
    KeyError, BlobError, ValueError
        Where the sealed findings are missing or damaged.
    """
    analysis_key = str(item.analysis_key)
    names = tracks.tracking(session, analysis_key)
    found = renamed(known.findings(session, analysis_key), names)
    acts = edits.acts(session, item.study_key, item.application, analysis_key)
    report = session.get(Report, item.report_key) if item.report_key else None
    signature = None
    if report is not None:
        signature = edits.report_signature(session, item.study_key, item.application, report)
    return Edited(edits.edited(found, acts), acts, names, signature)


def desk(
    item: Workitem, report: Report, shown: Edited, application: Application, caller: Caller,
    language: str,
) -> Desk:  # fmt: skip
    """What may be done on a case, and what was."""
    presentation = application.presentation
    renewing = item.state != WorkState.READY
    standing = {act.number for act in edits.standing(shown.acts)}
    return Desk(
        item=item.id,
        report=report.key,
        renewing=renewing,
        signable=not renewing and not shown.unmeasured and shown.signature is None,
        signature=shown.signature,
        said=[
            _said(act, shown.findings, presentation, standing, caller, language)
            for act in reversed(shown.acts)
            if act.kind is not ActKind.WITHDRAW
        ],
        waiting=len(shown.unmeasured),
        refused=[
            reason_text(act.refused, language)
            for act in edits.standing(shown.acts)
            if act.refused is not None
        ],
        unapplied=sum(
            act.kind is not ActKind.ADD for act in edits.unapplied(shown.findings, shown.acts)
        ),
        rejections=[
            (code, presentation.word(f"rejected_{code}", language))
            for code in presentation.rejections
        ],
        adds=isinstance(application, FollowsUp),
    )


def _said(
    act: Act,
    findings: Findings,
    presentation: Presentation,
    standing: set[int],
    caller: Caller,
    language: str,
) -> Said:
    named = {finding.tracking_uid: finding.tracking_id for finding in findings.findings}
    mine = caller.account is not None and caller.account.name == act.account
    return Said(
        act=act,
        what=_what(act, presentation, language),
        finding=named.get(act.lesion_uid or "", named.get(act.finding_uid or "", "")),
        withdrawn=act.number not in standing,
        number=act.number if mine and act.number in standing else None,
    )


def _what(act: Act, presentation: Presentation, language: str) -> str:
    """An act in words: what was done, why, and to what."""
    words = [text(f"act_{act.kind.value}", language)]
    if act.reason:
        words.append(presentation.word(f"rejected_{act.reason}", language))
    words += [
        f"{presentation.word(label.name, language)}: "
        + presentation.value(label.name, label.value, language)
        for label in act.labels
        if label.name in presentation.labels
    ]
    if act.text:
        words.append(f"“{act.text}”")
    return ", ".join(words)


def choices(finding: Finding, presentation: Presentation, language: str) -> list[Choice]:
    """What a person may set of a finding."""
    made = []
    for name, values in presentation.labels.items():
        code = finding.quality(name)
        present = "" if code is None else presentation.value(name, code, language)
        offered = [
            (f"{name}={value}", presentation.word(f"{name}_{value}", language)) for value in values
        ]
        made.append(Choice(name, presentation.word(name, language), offered, present))
    return made


def overruled(finding: Finding, presentation: Presentation, language: str) -> list[str]:
    """What was there of each property before people set it anew, as sentences."""
    first: dict[str, Code | None] = {}
    for review in finding.reviews:
        for change in review.changes:
            first.setdefault(change.name, change.before)
    return [
        text(
            "before_people",
            language,
            name=presentation.word(name, language),
            value=presentation.value(name, code, language),
        )
        for name, code in first.items()
        if name in presentation.labels and code is not None and code != finding.quality(name)
    ]


def verdict(finding: Finding) -> str:
    """``added``, ``confirmed``, ``rejected``, or empty where nobody said so."""
    said = [r.state for r in finding.reviews if r.state is not ReviewState.RELABELLED]
    return said[-1].value if said else ""
