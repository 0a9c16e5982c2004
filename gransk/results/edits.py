"""What people do on the findings of a study: confirm, reject, relabel, add, withdraw, sign.

Acts are only ever appended; what they make of the findings is in `gransk.results.acts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.application import Place
from gransk.core.findings import Finding, Quality
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.results.acts import (
    WORDS,
    Act,
    EditError,
    Signature,
    edited,
    report_part,
    signature,
    signed_report,
    standing,
    unapplied,
    unmeasured,
)
from gransk.results.tables import ActKind, ActMeasurement, FindingAct, Report, Workitem
from gransk.results.tracks import tracking
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

__all__ = [
    "WORDS",
    "Act",
    "EditError",
    "Person",
    "Seen",
    "Signature",
    "acts",
    "add",
    "confirm",
    "edited",
    "measured",
    "not_measured",
    "reject",
    "relabel",
    "report_part",
    "report_signature",
    "sign",
    "signature",
    "signed_report",
    "standing",
    "unapplied",
    "unmeasured",
    "withdraw",
]


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


def report_signature(
    session: Session, study_key: str, application: str, report: Report
) -> Signature | None:
    """Who signed a sealed report, or the one of the same content that it followed."""
    known = acts(session, study_key, application)
    seen = session.get(Report, signed_report(known))
    same = seen is None or seen.follow_up_sha256 == report.follow_up_sha256
    return signature(known, report.analysis_key, same)


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
    known = tracking(session, seen.analysis_key)
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
