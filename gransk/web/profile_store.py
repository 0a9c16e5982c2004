"""Answers of risk profiles from pages and machines: checked, kept, and the report made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from gransk.archive.patients import identifiers_of
from gransk.archive.tables import SeenStudy
from gransk.core.application import Application, ChecksProfiles, FollowsUp
from gransk.pipeline import workitems
from gransk.results import profiles
from gransk.results.tables import ProfileAnswer, Workitem
from gransk.site.events import EventKind
from gransk.web.profile_form import merged
from gransk.web.wiring import Wiring


def application_of(known: Wiring, session: Session, key: str) -> Application:
    """The application of a study that follows up; 404 where there is none."""
    named = session.scalars(
        select(Workitem.application).where(Workitem.study_key == key).order_by(Workitem.application)
    )
    for name in named:
        application = known.applications.get(name)
        if application is not None and isinstance(application, FollowsUp):
            return application
    raise HTTPException(404)


def schema_of(application: Application) -> Mapping[str, Any]:
    """The application's ``profile_schema``."""
    if not isinstance(application, FollowsUp):
        raise HTTPException(404)
    return application.profile_schema


def current(session: Session, study: SeenStudy, application: str) -> dict[str, Any]:
    """What is known at a study, under any identifier of its patient."""
    return profiles.current(session, study, application, identifiers_of(session, study))


def history(session: Session, study: SeenStudy, application: str) -> list[ProfileAnswer]:
    """Every answer that may count at a study, latest given first."""
    return profiles.history(session, study, application, identifiers_of(session, study))


def keep(
    session: Session,
    study: SeenStudy,
    application: Application,
    profile: Mapping[str, Any],
    actor: str,
    language: str = "en",
    at_study: bool = True,
) -> int:
    """Check answers beside those that count, keep them and make the report again.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    UnreadableInputError
        Where an answer does not fit the application's schema or contradicts another.
    """
    if isinstance(application, ChecksProfiles):
        # What another sent stands by itself first: a fault of it is not one of what counts.
        application.check_profile(profile, language)
        known = current(session, study, application.id)
        application.check_profile(merged(known, profile), language)
    added = profiles.keep(
        session, study, application.id, profile, schema_of(application), actor, at_study
    )
    if added:
        report_again(session, study, application.id, actor)
    return added


def report_again(session: Session, study: SeenStudy, application: str, actor: str) -> None:
    """New reports of the study and of the patient's latest one that has a report."""
    items = select(Workitem).where(Workitem.application == application,
                                   Workitem.report_key.is_not(None))  # fmt: skip
    mine = session.scalars(items.where(Workitem.study_key == study.key)).all()
    found = {item.id for item in mine}
    if study.patient_id:
        latest = session.scalars(
            items.join(SeenStudy, SeenStudy.key == Workitem.study_key)
            .where(
                tuple_(SeenStudy.patient_id, SeenStudy.issuer_of_patient_id).in_(
                    identifiers_of(session, study)
                ),
                SeenStudy.deleted_at.is_(None),
            )
            .order_by(SeenStudy.study_date.desc(), SeenStudy.study_time.desc())
            .limit(1)
        ).all()
        found |= {item.id for item in latest}
    for ident in sorted(found):
        workitems.report_again(session, ident, actor, EventKind.PROFILE_ANSWERED)
