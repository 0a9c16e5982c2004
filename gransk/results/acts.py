"""Acts of people on the findings of a study, and what they make of them: pure functions.

The record keeps what the analysis found, what every person said of it, and when.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from gransk.core.application import Place
from gransk.core.errors import GranskError
from gransk.core.findings import (
    Change,
    Finding,
    Findings,
    Frozen,
    Quality,
    Review,
    ReviewState,
)
from gransk.core.reasons import Reason
from gransk.results.tables import ActKind

UID = r"^[0-9.]{1,64}$"
WORDS = 500
"""Most characters of a person's own words."""

_ON_A_FINDING = (ActKind.CONFIRM, ActKind.REJECT, ActKind.RELABEL)


class EditError(GranskError):
    """An act that cannot be done; ``code`` is of a closed list."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Act(Frozen):
    """One act of one person; JSON-able, so that it passes to another process.

    Parameters
    ----------
    number : int
        Order of all acts.
    kind : ActKind
    account, person, role : str
        Who: account, name as reports write it, and the role in which the person acted.
    at : datetime
        UTC.
    analysis_key, report_key : str
        What the person saw.
    finding_uid, lesion_uid : str, optional
        The finding, under the UID that the analysis gave and that of its lesion. An added
        finding has those that the act gave it.
    reason : str
        Why a finding is rejected: a code of the application's ``rejections``.
    text : str
        The person's own words.
    labels : tuple of Quality
        What a relabelling sets.
    place : Place, optional
        Where a finding is added.
    withdraws : int, optional
        The act that is taken back.
    finding : Finding, optional
        What was measured at the place.
    measured_in : str
        Analysis in whose grid it was measured, or could not be; empty before.
    refused : Reason, optional
        Why nothing could be outlined there.
    """

    number: int
    kind: ActKind
    account: str
    person: str = Field(min_length=1)
    role: str
    at: datetime.datetime
    analysis_key: str
    report_key: str = ""
    finding_uid: str | None = Field(default=None, pattern=UID)
    lesion_uid: str | None = Field(default=None, pattern=UID)
    reason: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    text: str = Field(default="", max_length=WORDS)
    labels: tuple[Quality, ...] = ()
    place: Place | None = None
    withdraws: int | None = None
    finding: Finding | None = None
    measured_in: str = ""
    refused: Reason | None = None

    @model_validator(mode="after")
    def _check(self) -> Act:
        wanted = {
            "finding_uid": self.kind in (*_ON_A_FINDING, ActKind.ADD),
            "reason": self.kind is ActKind.REJECT,
            "labels": self.kind is ActKind.RELABEL,
            "place": self.kind is ActKind.ADD,
            "withdraws": self.kind is ActKind.WITHDRAW,
        }
        for name, wants in wanted.items():
            if (getattr(self, name) not in (None, "", ())) != wants:
                raise ValueError(
                    f"an act of kind {self.kind} {'needs' if wants else 'has no'} {name}"
                )
        return self

    @property
    def edits(self) -> bool:
        """Does it change what a report tells, so that a signature before it counts no more?"""
        return self.kind is not ActKind.SIGN


class Signature(Frozen):
    """Who signed a report, and when."""

    person: str
    role: str
    at: datetime.datetime
    account: str = ""


def standing(known: Iterable[Act]) -> list[Act]:
    """Acts that nobody took back, without the taking back itself."""
    listed = list(known)
    gone = {act.withdraws for act in listed}
    return [act for act in listed if act.kind is not ActKind.WITHDRAW and act.number not in gone]


def unmeasured(known: Iterable[Act], analysis_key: str | None = None) -> list[Act]:
    """Added findings that a worker has to measure yet.

    Parameters
    ----------
    analysis_key : str, optional
        Those measured in another analysis' grid count as not measured; without it the
        caller has read the acts for the right analysis.
    """
    return [
        act
        for act in standing(known)
        if act.kind is ActKind.ADD
        and (not act.measured_in or analysis_key not in (None, act.measured_in))
    ]


def signature(
    known: Sequence[Act], analysis_key: str | None = None, same: bool = True
) -> Signature | None:
    """Who signed the report as it stands; None where nobody did, or something changed since.

    Parameters
    ----------
    known : sequence of Act
    analysis_key : str, optional
        Of the report: another analysis than the signed one was never signed.
    same : bool
        Whether the report tells beside its findings what the signed one told; a comparison
        with an earlier study that came late makes a report that nobody signed.
    """
    last = max((act.number for act in known if act.edits), default=0)
    signed = [act for act in standing(known) if act.kind is ActKind.SIGN and act.number > last]
    if not signed or not same or analysis_key not in (None, signed[-1].analysis_key):
        return None
    act = signed[-1]
    return Signature(person=act.person, role=act.role, at=act.at, account=act.account)


def signed_report(known: Sequence[Act]) -> str:
    """Key of the report that the last signer saw; empty where nobody signed."""
    signed = [act for act in standing(known) if act.kind is ActKind.SIGN]
    return signed[-1].report_key if signed else ""


def report_part(known: Sequence[Act], signed: Signature | None) -> dict[str, Any]:
    """What of the acts enters the key of a report; nothing where nobody acted.

    Parameters
    ----------
    known : sequence of Act
    signed : Signature, optional
        From `signature`, for the report to be made.
    """
    done = [act.model_dump(mode="json") for act in standing(known) if act.kind is not ActKind.SIGN]
    part: dict[str, Any] = {"acts": done} if done else {}
    return part if signed is None else part | {"signature": signed.model_dump(mode="json")}


def edited(findings: Findings, known: Sequence[Act]) -> Findings:
    """The findings as people left them.

    Every act becomes a `Review` of its finding; a relabelling changes qualities and keeps the
    value before in its review; added findings come last, with origin ``person``.

    Parameters
    ----------
    findings : Findings
        Of the analysis, under its own tracking UIDs or those of the lesions.
    known : sequence of Act
        In the order of time. Acts on findings that are not there are passed over; see
        `unapplied`.
    """
    return _applied(findings, known)[0]


def unapplied(findings: Findings, known: Sequence[Act]) -> tuple[Act, ...]:
    """Standing acts whose finding is not there, such as after an analysis by a newer version."""
    return _applied(findings, known)[1]


def _applied(findings: Findings, known: Sequence[Act]) -> tuple[Findings, tuple[Act, ...]]:
    found = {finding.tracking_uid: finding for finding in findings.findings}
    left: list[Act] = []
    for act in standing(known):
        if act.kind is ActKind.SIGN:
            continue
        if act.kind is ActKind.ADD and act.finding is not None:
            made = _added(act, act.finding, found)
            found[made.tracking_uid] = made
            continue
        key = next((uid for uid in (act.lesion_uid, act.finding_uid) if uid in found), None)
        if key is None or act.kind is ActKind.ADD:
            left.append(act)
        else:
            found[key] = _reviewed(found[key], act)
    return findings.model_copy(update={"findings": tuple(found.values())}), tuple(left)


def _added(act: Act, finding: Finding, found: Mapping[str, Finding]) -> Finding:
    """The measured finding under the act's UID and a name of its own."""
    names = {one.tracking_id for one in found.values()}
    name, number = finding.tracking_id, len(found) + 1
    word = name.rstrip("0123456789 ") or name
    while name in names:
        name = f"{word} {number}"
        number += 1
    return finding.model_copy(
        update={
            "tracking_uid": act.lesion_uid or act.finding_uid,
            "tracking_id": name,
            "origin": "person",
            "reviews": (_review(act, ReviewState.ADDED),),
        }
    )


_STATES = {
    ActKind.CONFIRM: ReviewState.CONFIRMED,
    ActKind.REJECT: ReviewState.REJECTED,
    ActKind.RELABEL: ReviewState.RELABELLED,
}


def _reviewed(finding: Finding, act: Act) -> Finding:
    changes = tuple(
        Change(name=label.name, before=finding.quality(label.name), after=label.value)
        for label in act.labels
    )
    review = _review(act, _STATES[act.kind], changes)
    kinds = [label.value for label in act.labels if label.name == "kind"]
    others = [label for label in act.labels if label.name != "kind"]
    return finding.model_copy(
        update={
            "kind": kinds[-1] if kinds else finding.kind,
            "qualities": _set(finding.qualities, others),
            "reviews": (*finding.reviews, review),
        }
    )


def _review(act: Act, state: ReviewState, changes: tuple[Change, ...] = ()) -> Review:
    return Review(
        state=state,
        by=act.person,
        at=act.at,
        role=act.role,
        reason=act.reason,
        text=act.text,
        changes=changes,
    )


def _set(qualities: Sequence[Quality], labels: Sequence[Quality]) -> tuple[Quality, ...]:
    """Qualities with labels in the place of those of the same name, new ones last."""
    new = {label.name: label for label in labels}
    kept = [new.pop(one.name, one) for one in qualities]
    return (*kept, *new.values())
