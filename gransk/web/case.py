"""The page of a case: what was found and where, why these images, what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.application import FollowsUp, Picture, Presentation
from gransk.core.codes import SUSPICION
from gransk.core.findings import Finding, Findings
from gransk.delivery import overview
from gransk.reading.seeing import Looker, sees_all
from gransk.results.blobs import BlobError
from gransk.results.tables import Analysis, Delivery, ReportObject, Workitem, WorkState
from gransk.site.tables import Event
from gransk.web import editing, worklist
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import Done, study_of
from gransk.web.edit_actions import EditDone
from gransk.web.follow_up import Followed, followed
from gransk.web.identity_pages import identities_shown
from gransk.web.permissions import Permission
from gransk.web.prior_pages import earlier_studies
from gransk.web.programme_pages import programme_shown
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, looker_of
from gransk.web.texts import number, text
from gransk.web.views import Hung, View, hung, png, view_of
from gransk.web.wiring import Wiring, wiring

EVENTS_SHOWN = 200
Reader = Annotated[Caller, Depends(allow(Permission.WORKLIST))]

router = APIRouter()


@dataclass(frozen=True)
class Shown:
    """One finding as the page shows it.

    ``image`` is the SOP Instance UID of its first outline; ``rated`` says that its malignancy is
    readers' suspicion and no probability.
    """

    finding: Finding
    image: str
    pairs: list[tuple[str, str]]
    probability: str
    malignancy: str
    rated: bool
    views: list[View]
    verdict: str
    choices: Sequence[editing.Choice]
    overruled: Sequence[str]


@dataclass(frozen=True)
class Case:
    """One application's part of a case page; findings only once released."""

    row: worklist.Row
    findings: Findings | None = None
    shown: Sequence[Shown] = ()
    choice: Sequence[str] = ()
    choice_heading: str = ""
    notes: Sequence[str] = ()
    deliveries: Sequence[tuple[ReportObject, Delivery]] = ()
    fallen: Sequence[overview.Fallen] = ()
    seconds: str = ""
    followed: Followed | None = None
    asks_profile: bool = False
    desk: editing.Desk | None = None
    whole: Sequence[tuple[str, str]] = ()
    hung: Sequence[Sequence[Hung]] = ()

    @property
    def has_pictures(self) -> bool:
        return any(one.views for one in self.shown)


@router.get("/studies/{key}")
def show_case(key: str, request: Request, caller: Reader, done: str = "") -> Response:
    """One study: findings, why these images, models, delivery, events.

    Who may still be given a read of it sees that it is here.
    """
    known, language = wiring(request), language_of(request)
    message = text(done, language) if done in {*Done, *EditDone} else ""
    with known.database.read() as session:
        study = study_of(session, key)
        who = looker_of(known, session, caller)
        if not sees_all(session, who, key):
            return _to_read(request, session, study, caller, who, message)
        items = session.scalars(
            select(Workitem).where(Workitem.study_key == key).order_by(Workitem.application)
        ).all()
        rows: list[Workitem | None] = [*items] or [None]
        cases = [_case(known, session, study, item, language, caller, who) for item in rows]
        earlier = earlier_studies(session, key, language, who)
        programme = programme_shown(session, study)
        identity = identities_shown(session, study, caller)
        events = session.scalars(
            select(Event)
            .where(Event.subject == key)
            .order_by(Event.number.desc())
            .limit(EVENTS_SHOWN)
        ).all()
    return page(
        request,
        "case.html",
        caller,
        study=study,
        cases=cases,
        earlier=earlier,
        identity=identity,
        programme=programme,
        events=events,
        subjects=False,
        message=message,
        waits=study.pending or WorkState.WAITING in [row.state for row in rows if row],
    )


def _to_read(
    request: Request,
    session: Session,
    study: SeenStudy,
    caller: Caller,
    who: Looker,
    message: str,
) -> Response:
    """The page of a study of which the person sees that it is here: of the images alone."""
    return page(
        request,
        "to_read.html",
        caller,
        study=study,
        earlier=earlier_studies(session, study.key, language_of(request), who),
        identity=identities_shown(session, study, caller),
        programme=programme_shown(session, study),
        message=message,
    )


@router.get("/studies/{key}/pictures/{analysis_key}/{index}.png")
def show_picture(
    key: str,
    analysis_key: str,
    index: int,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.IMAGES))],
) -> Response:
    """One picture of a released analysis, without its outline.

    Sealed pictures never change, but who may see them does: a browser keeps
    them and asks each time.
    """
    known = wiring(request)
    with known.database.read() as session:
        study_of(session, key)
        check_sight(known, session, caller, key)
        chosen = select(Workitem).where(
            Workitem.study_key == key, Workitem.analysis_key == analysis_key
        )
        items = session.scalars(chosen).all()
        if not any(editing.standing_report(session, item) for item in items):
            raise HTTPException(404)
        headers = {"etag": f'"{analysis_key}-{index}"', "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        pictures = known.pictures(session, analysis_key)
    if not 0 <= index < len(pictures):
        raise HTTPException(404)
    return Response(png(pictures[index]), media_type="image/png", headers=headers)


def _row(
    known: Wiring, session: Session, study: SeenStudy, item: Workitem | None, language: str
) -> worklist.Row:
    return worklist.make_row(session, study, item, language, known.applications, known.lines)


def _case(
    known: Wiring,
    session: Session,
    study: SeenStudy,
    item: Workitem | None,
    language: str,
    caller: Caller,
    who: Looker,
) -> Case:
    row = _row(known, session, study, item, language)
    application = None if item is None else known.applications.get(item.application)
    asks = isinstance(application, FollowsUp) and bool(application.profile_schema.get("properties"))
    report = editing.standing_report(session, item) if item is not None else None
    if item is None or report is None or application is None:
        return Case(row, asks_profile=asks)
    presentation = application.presentation
    analysis_key = str(item.analysis_key)
    try:
        edited = editing.edited(known, session, item)
    except (BlobError, KeyError, ValueError):
        return Case(row, asks_profile=asks)
    findings = edited.findings
    may_see = Permission.IMAGES in caller.may
    pictures = [
        replace(one, tracking_uid=edited.names.get(one.tracking_uid, one.tracking_uid))
        for one in (known.pictures(session, analysis_key) if may_see else ())
    ]
    analysis = session.get(Analysis, analysis_key)
    return Case(
        row=row,
        findings=findings,
        shown=[_shown(f, findings, presentation, pictures, language) for f in findings.findings],
        choice=[presentation.text(note, language) for note in findings.choice],
        choice_heading=presentation.texts.get("choice", {}).get(language)
        or text("choice", language),
        notes=[presentation.text(note, language) for note in findings.notes],
        deliveries=overview.lines_of(session, item.report_key),
        fallen=overview.fallen_of(session, item),
        seconds=number(analysis.seconds, 1, language) if analysis else "",
        followed=followed(known, session, item, findings, language, may_see, who),
        asks_profile=asks,
        desk=editing.desk(item, report, edited, application, caller, language),
        whole=presentation.summary(findings, language),
        hung=hung(presentation.layout, pictures, findings.standing, language),
    )


def _shown(
    finding: Finding,
    findings: Findings,
    presentation: Presentation,
    pictures: Sequence[Picture],
    language: str,
) -> Shown:
    """A finding; what the model says of it stands apart, under the pages' own words."""
    apart = presentation.texts.get("malignancy", {}).get(language)
    pairs = [pair for pair in presentation.details(finding, language) if pair[0] != apart]
    place = presentation.texts.get("slice", {}).get(language)
    number_of = findings.frame_number(finding)
    if number_of:
        frame = findings.frames[number_of - 1]
        image = None if frame.label else frame.instance_number
        if image is not None:
            pairs.append((text("image_number", language), str(image)))
        elif place and not frame.label:
            pairs.append((place, f"{number_of}/{len(findings.frames)}"))
    same = ", ".join(_named(other, findings) for other in findings.same_lesion(finding))
    if same:
        pairs.append((text("same_lesion", language), same))
    return Shown(
        finding=finding,
        image=finding.regions[0].sop_instance_uid if finding.regions else "",
        pairs=pairs,
        probability=(
            "" if finding.origin == "person" else number(finding.probability, 2, language)
        ),
        malignancy="" if finding.malignancy is None else number(finding.malignancy, 2, language),
        rated=finding.malignancy_concept == SUSPICION,
        views=[
            view_of(index, picture, language)
            for index, picture in enumerate(pictures)
            if picture.tracking_uid == finding.tracking_uid
        ],
        verdict=editing.verdict(finding),
        choices=editing.choices(finding, presentation, language),
        overruled=editing.overruled(finding, presentation, language),
    )


def _named(finding: Finding, findings: Findings) -> str:
    """What a finding is called, and the image it is on where that has a name."""
    number_of = findings.frame_number(finding)
    label = findings.frames[number_of - 1].label if number_of else ""
    return f"{finding.tracking_id} ({label})" if label else finding.tracking_id
