"""What people do on the findings of a study: confirm, reject, relabel, add, withdraw, sign.

Acts are only ever appended. What they make of the findings is a pure function of both, so the
record keeps what the analysis found, what every person said of it, and when.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

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
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.results.tables import ActKind, ActMeasurement, FindingAct, Report, Track, Workitem
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

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


@dataclass(frozen=True)
class Person:
    """Who acts, and in which role."""

    account: str
    name: str
    role: str


@dataclass(frozen=True)
class Seen:
    """What a person has before the eyes: the analysis and report of a row of the worklist."""

    study_key: str
    application: str
    analysis_key: str
    report_key: str

    @classmethod
    def of(cls, item: Workitem) -> Seen:
        return cls(
            item.study_key, item.application, str(item.analysis_key), str(item.report_key or "")
        )


class Signature(Frozen):
    """Who signed a report, and when."""

    person: str
    role: str
    at: datetime.datetime
    account: str = ""


def acts(
    session: Session, study_key: str, application: str, analysis_key: str | None = None
) -> list[Act]:
    """Every act on a study's findings, in the order of time.

    Parameters
    ----------
    session : Session
    study_key, application : str
    analysis_key : str, optional
        The analysis in whose grid added findings shall be measured. Without it each has the
        measurement made last.
    """
    mine = (FindingAct.study_key == study_key, FindingAct.application == application)
    rows = session.scalars(select(FindingAct).where(*mine).order_by(FindingAct.number))
    made = select(ActMeasurement).join(FindingAct, FindingAct.number == ActMeasurement.act)
    made = made.where(*mine).order_by(ActMeasurement.at)
    if analysis_key is not None:
        made = made.where(ActMeasurement.analysis_key == analysis_key)
    measurements = {one.act: one for one in session.scalars(made)}
    return [_act(row, measurements.get(row.number)) for row in rows]


def _act(row: FindingAct, made: ActMeasurement | None) -> Act:
    content = dict(row.content)
    if made is not None:
        content["measured_in"] = made.analysis_key
        content["refused"] = made.refused
        if made.finding is not None:
            content["finding"] = Finding.model_validate_json(made.finding)
    return Act.model_validate(
        {
            "number": row.number,
            "kind": ActKind(row.kind),
            "account": row.account,
            "person": row.person,
            "role": row.role,
            "at": row.at,
            "analysis_key": row.analysis_key,
            "report_key": row.report_key,
            "finding_uid": row.finding_uid,
            "lesion_uid": row.lesion_uid,
            "withdraws": row.withdraws,
            **content,
        }
    )


def confirm(session: Session, seen: Seen, by: Person, finding_uid: str) -> Act:
    """A person says that a finding is one."""
    return _append(session, seen, by, ActKind.CONFIRM, finding_uid=finding_uid)


def reject(
    session: Session, seen: Seen, by: Person, finding_uid: str, reason: str, text: str = ""
) -> Act:
    """A person says that a finding is none; it stays in the record.

    Parameters
    ----------
    reason : str
        A code of the application's ``presentation.rejections``; the caller checks it.
    text : str
        The person's own words, without patient data.
    """
    return _append(
        session, seen, by, ActKind.REJECT, finding_uid=finding_uid, reason=reason, text=text
    )


def relabel(
    session: Session, seen: Seen, by: Person, finding_uid: str, labels: Sequence[Quality]
) -> Act:
    """A person sets properties of a finding.

    Parameters
    ----------
    labels : sequence of Quality
        Of the application's ``presentation.labels``; the caller checks them.
    """
    return _append(
        session, seen, by, ActKind.RELABEL, finding_uid=finding_uid, labels=tuple(labels)
    )


def add(session: Session, seen: Seen, by: Person, place: Place) -> Act:
    """A person points at a finding that the analysis has not; a worker will measure it."""
    return _append(session, seen, by, ActKind.ADD, place=place)


def withdraw(session: Session, seen: Seen, by: Person, number: int) -> Act:
    """A person takes an own act back.

    Raises
    ------
    EditError
        Where it is another person's, is no act of this study, or is taken back already.
    """
    known = acts(session, seen.study_key, seen.application)
    target = next((act for act in known if act.number == number), None)
    if target is None or target.kind is ActKind.WITHDRAW:
        raise EditError("act_unknown", f"act {number} is none of this study")
    if target.account != by.account:
        raise EditError("act_of_another", f"act {number} is another person's")
    if number not in {act.number for act in standing(known)}:
        raise EditError("act_withdrawn", f"act {number} is taken back already")
    return _append(session, seen, by, ActKind.WITHDRAW, withdraws=number)


def sign(session: Session, seen: Seen, by: Person) -> Act:
    """A person signs the report as it stands.

    Raises
    ------
    EditError
        Where an added finding is not measured yet: nobody signs what nobody saw.
    """
    known = acts(session, seen.study_key, seen.application, seen.analysis_key)
    if unmeasured(known):
        raise EditError("act_unmeasured", "an added finding is not measured yet")
    return _append(session, seen, by, ActKind.SIGN)


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


def measured(session: Session, number: int, analysis_key: str, finding: Finding) -> None:
    """Keep what a worker measured where a person added a finding; a second time changes nothing."""
    _keep(session, number, analysis_key, finding.model_dump_json(), None)


def not_measured(session: Session, number: int, analysis_key: str, why: Reason) -> None:
    """Keep that nothing could be outlined where a person pointed."""
    _keep(session, number, analysis_key, None, why.value)


def _keep(
    session: Session, number: int, analysis_key: str, finding: str | None, refused: str | None
) -> None:
    if session.get(ActMeasurement, (number, analysis_key)) is not None:
        return
    session.add(
        ActMeasurement(
            act=number, analysis_key=analysis_key, finding=finding, refused=refused, at=utcnow()
        )
    )
    session.flush()


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


def report_signature(
    session: Session, study_key: str, application: str, report: Report
) -> Signature | None:
    """Who signed a sealed report, or the one of the same content that it followed."""
    known = acts(session, study_key, application)
    seen = session.get(Report, signed_report(known))
    same = seen is None or seen.follow_up_sha256 == report.follow_up_sha256
    return signature(known, report.analysis_key, same)


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
    return finding.model_copy(
        update={
            "qualities": _set(finding.qualities, act.labels),
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


def lesions(session: Session, analysis_key: str) -> dict[str, str]:
    """Tracking UIDs of the lesions of an analysis, by those that the analysis gave."""
    rows = session.execute(
        select(Track.finding_uid, Track.lesion_uid).where(Track.analysis_key == analysis_key)
    )
    return {finding: lesion for finding, lesion in rows}


def _append(
    session: Session,
    seen: Seen,
    by: Person,
    kind: ActKind,
    *,
    finding_uid: str | None = None,
    reason: str = "",
    text: str = "",
    labels: tuple[Quality, ...] = (),
    place: Place | None = None,
    withdraws: int | None = None,
) -> Act:
    """Check an act by making it, then write it and its event."""
    at = utcnow()
    lesion_uid = None
    if kind is ActKind.ADD:
        finding_uid = uid("added", seen.study_key, seen.application, by.account, at.isoformat())
        lesion_uid = finding_uid
    elif finding_uid is not None:
        finding_uid, lesion_uid = _both_names(session, seen, finding_uid)
    act = Act(
        number=0,
        kind=kind,
        account=by.account,
        person=by.name,
        role=by.role,
        at=at,
        analysis_key=seen.analysis_key,
        report_key=seen.report_key,
        finding_uid=finding_uid,
        lesion_uid=lesion_uid,
        reason=reason,
        text=text,
        labels=labels,
        place=place,
        withdraws=withdraws,
    )
    said = {"reason", "text", "labels", "place"}
    row = FindingAct(
        study_key=seen.study_key,
        application=seen.application,
        content=act.model_dump(mode="json", include=said, exclude_defaults=True),
        **act.model_dump(exclude={*said, "number", "finding", "measured_in", "refused"}),
    )
    session.add(row)
    session.flush()
    _record(session, seen, row)
    return act.model_copy(update={"number": row.number})


def _both_names(session: Session, seen: Seen, named: str) -> tuple[str, str]:
    """The finding's UID of the analysis, and its lesion's; ``named`` is either."""
    known = lesions(session, seen.analysis_key)
    finding = next((one for one, lesion in known.items() if lesion == named), named)
    return finding, known.get(finding, named)


def _record(session: Session, seen: Seen, row: FindingAct) -> None:
    """The event; a person's own words stay in the act."""
    kind = EventKind.REPORT_SIGNED if row.kind is ActKind.SIGN else EventKind.FINDING_EDITED
    data = {
        "act": row.number,
        "kind": ActKind(row.kind).value,
        "application": seen.application,
        "role": row.role,
        **({"finding": row.lesion_uid} if row.lesion_uid else {}),
        **({"withdraws": row.withdraws} if row.withdraws else {}),
        **({"report": seen.report_key} if row.kind is ActKind.SIGN else {}),
    }
    record(session, row.account, kind, seen.study_key, data)
