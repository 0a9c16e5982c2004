"""How the viewer hangs a study: in the layout of the application that read it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.reading.seeing import Looker, sees_results
from gransk.results.blobs import BlobError
from gransk.results.tables import Workitem
from gransk.web import editing
from gransk.web.access import Caller
from gransk.web.seeing import looker_of
from gransk.web.wiring import Wiring


def hanging(known: Wiring, caller: Caller, study_instance_uid: str) -> dict[str, Any] | None:
    """Layout of a study's images, and which image belongs where, as the caller may see it.

    Returns
    -------
    dict or None
        ``layout``, rows of roles, and ``labels``, roles by SOP Instance UID of the analysed
        images; these are empty where no result is released or may be seen, and the viewer then goes
        by side and view of the images' own attributes. None where no application has a layout.
    """
    with known.database.read() as session:
        chosen = (
            select(Workitem)
            .join(SeenStudy, SeenStudy.key == Workitem.study_key)
            .where(SeenStudy.study_instance_uid == study_instance_uid)
            .order_by(Workitem.application)
        )
        who = looker_of(known, session, caller)
        for item in session.scalars(chosen).all():
            application = known.applications.get(item.application)
            if application is not None and application.presentation.layout:
                return {
                    "layout": [list(row) for row in application.presentation.layout],
                    "labels": _labels(known, session, item, who),
                }
    return None


def _labels(known: Wiring, session: Session, item: Workitem, who: Looker) -> dict[str, str]:
    if not sees_results(session, who, item.study_key):
        return {}
    if editing.standing_report(session, item) is None:
        return {}
    try:
        findings = known.findings(session, str(item.analysis_key))
    except (BlobError, KeyError, ValueError):
        return {}
    return {frame.sop_instance_uid: frame.label for frame in findings.frames if frame.label}
