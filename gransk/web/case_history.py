"""The history of a case: everything that happened to one study, in order and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core import reasons
from gransk.core.reasons import Reason
from gransk.oversight.audit.studies import events_about
from gransk.reading.seeing import Looker, sees_all
from gransk.results.blobs import BlobError
from gransk.site.events import EventKind as K
from gransk.site.tables import Event, SettingVersion
from gransk.web.access import Caller, allow, language_of
from gransk.web.case_actions import study_of
from gransk.web.permissions import Permission
from gransk.web.reading.overseeing import full_names
from gransk.web.rendering import page
from gransk.web.seeing import check_sight, looker_of
from gransk.web.texts import catalogue, text
from gransk.web.wiring import Wiring, wiring

SHOWN = 500
router = APIRouter()


class About(StrEnum):
    """What an event of a study is about; the filter of the page."""

    ARRIVAL = "arrival"
    ANALYSIS = "analysis"
    REPORT = "report"
    DELIVERY = "delivery"
    READING = "reading"
    IDENTITY = "identity"
    FOLLOW_UP = "follow_up"
    SEEN = "seen"
    OTHER = "other"


ABOUT: dict[About, tuple[K, ...]] = {
    About.ARRIVAL: (
        K.STUDY_SEEN, K.STUDY_CHANGED, K.STUDY_DELETED, K.STUDY_RETURNED, K.STUDY_READY,
        K.STUDY_INCOMPLETE, K.PRIORS_SEARCHED, K.PRIOR_FETCHED, K.PRIOR_REFUSED, K.PRIOR_ARRIVED,
        K.PRIOR_REMOVED, K.RETENTION_REMOVED, K.STUDY_HELD, K.STUDY_HOLD_LIFTED,
    ),
    About.ANALYSIS: (
        K.ANALYSIS_QUEUED, K.ANALYSIS_STARTED, K.ANALYSIS_REUSED, K.ANALYSIS_SEALED,
        K.ANALYSIS_REFUSED, K.ANALYSIS_FAILED, K.ANALYSIS_WITHDRAWN, K.ANALYSIS_RETRIED,
        K.ANALYSIS_SET_ASIDE, K.PRIORITY_CHANGED, K.STUDY_URGENT, K.LESIONS_JOINED,
        K.COMPARISON_ASKED, K.COMPARISON_ENDED,
    ),
    About.REPORT: (
        K.REPORT_SEALED, K.REPORT_RELEASED, K.REPORT_ROUTED, K.REPORT_SUPERSEDED,
        K.REPORT_WITHDRAWN, K.REPORT_SIGNED, K.FINDING_EDITED, K.PROFILE_ANSWERED,
    ),
    About.DELIVERY: (
        K.OBJECT_DELIVERED, K.OBJECT_RECALLED, K.OBJECT_HIDDEN, K.OBJECT_KEPT, K.OBJECT_COMMITTED,
        K.OBJECT_NOT_COMMITTED, K.STUDY_MARKED, K.DELIVERY_FAILED, K.DELIVERY_RETRIED,
        K.DECISION_ANNOUNCED, K.FINDINGS_ANNOUNCED, K.PRIORITY_ANNOUNCED, K.MESSAGE_SENT,
        K.MESSAGE_FAILED, K.MESSAGE_RETRIED, K.STEP_CREATED, K.STEP_CHANGED,
        K.STEP_CANCEL_REQUESTED,
    ),
    About.READING: tuple(kind for kind in K if kind.startswith("reading_")),
    About.IDENTITY: (
        K.IDENTITY_STATED, K.IDENTITY_CHANGED, K.IDENTITY_NOT_APPLIED, K.IDENTITY_UNDONE,
        K.IMAGES_CORRECTED, K.IMAGES_NOT_CORRECTED, K.PATIENTS_JOINED, K.PATIENTS_PARTED,
        K.PROGRAMME_STATED, K.PROGRAMME_CHANGED, K.EXAM_FACTS_STATED,
    ),
    About.FOLLOW_UP: (K.FOLLOW_UP_CHANGED,),
    About.SEEN: (K.STUDY_VIEWED, K.STUDY_OPENED, K.AUDIT_EXPORTED),
}  # fmt: skip
OF_KIND = {kind: about for about, kinds in ABOUT.items() for kind in kinds}

PLACES: dict[About, tuple[str, Permission]] = {
    About.ANALYSIS: ("/studies/{key}", Permission.WORKLIST),
    About.REPORT: ("/studies/{key}", Permission.WORKLIST),
    About.DELIVERY: ("/deliveries", Permission.MESSAGES),
    About.READING: ("/reading/board/exams/{key}", Permission.BOARD),
    About.IDENTITY: ("/studies/{key}/patient", Permission.JOIN),
    About.FOLLOW_UP: ("/follow-up/{subject}", Permission.FOLLOW_UP),
}
"""Where more stands of it, for who may go there."""
LABELS = frozenset(
    {
        "act", "after_crash", "analysis", "application", "archive", "attempt", "by", "conflict",
        "control_id", "destination", "destinations", "detail", "due", "error", "event", "events",
        "facts", "fields", "form", "from", "images", "in", "kept", "keys", "kind", "level", "marks",
        "number", "object", "objects", "of", "overdue_since", "programme", "programmes",
        "purpose", "reason", "report", "rule", "settings", "source", "sources", "state",
        "statement", "status", "studies", "study", "to", "unreached", "wanted", "ways",
        "workitem",
    }
)  # fmt: skip
"""Parts of an event that have a name; others bear the one they have in the log."""
UNSAID = frozenset({"digest", "generation", "at", "entry", "link"})
"""Parts of an event that say nothing to people; the event log shows them."""


@dataclass(frozen=True)
class Happened:
    """One event in words."""

    event: Event
    about: About
    who: str
    details: tuple[tuple[str, str], ...]
    address: str


@router.get("/studies/{key}/history")
def show_history(
    key: str,
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.HISTORY))],
    about: Annotated[About | None, Query()] = None,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """What happened to a study, oldest first, for who may see everything of it.

    Parameters
    ----------
    about : About, optional
        Only events of this.
    after : int
        So many events of the selection are passed over.
    """
    known, language = wiring(request), language_of(request)
    with known.database.read() as session:
        study = study_of(session, key)
        check_sight(known, session, caller, key)
        who = looker_of(known, session, caller)
        found = [one for one in events_about(session, [key]) if _seen(session, who, key, one)]
        counts = {one: sum(_about(event) is one for event in found) for one in About}
        chosen = [event for event in found if about is None or _about(event) is about]
        told = _Teller(known, session, caller, key, language)
        happened = [told(event) for event in chosen[after : after + SHOWN]]
    return page(
        request,
        "case_history.html",
        caller,
        study=study,
        happened=happened,
        about=about,
        counts=counts,
        total=len(found),
        after=after,
        more=len(chosen) > after + SHOWN,
        shown=SHOWN,
    )


def _about(event: Event) -> About:
    return OF_KIND.get(K(event.kind), About.OTHER)


def _seen(session: Session, who: Looker, key: str, event: Event) -> bool:
    """May the person see it? What an event of follow-up tells of another study goes by that one."""
    other = event.data.get("study")
    return not isinstance(other, str) or other == key or sees_all(session, who, other)


class _Teller:
    """Tells events in words."""

    def __init__(
        self, known: Wiring, session: Session, caller: Caller, key: str, language: str
    ) -> None:
        self._known = known
        self._session = session
        self._caller = caller
        self._key = key
        self._language = language
        self._names = full_names(session)

    def __call__(self, event: Event) -> Happened:
        about = _about(event)
        place, wants = PLACES.get(about, ("", Permission.HISTORY))
        address = place.format(key=self._key, subject=event.subject)
        return Happened(
            event,
            about,
            self._names.get(event.actor) or event.actor,
            (*self._data(event.data), *self._more(event)),
            address if wants in self._caller.may else "",
        )

    def _data(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, value in data.items():
            if name in UNSAID or value in (None, "", [], {}):
                continue
            label = self._t(f"history_{name}") if name in LABELS else name
            yield label, self._value(name, value)

    def _value(self, name: str, value: Any) -> str:
        if isinstance(value, list):
            return ", ".join(self._value(name, one) for one in value)
        if isinstance(value, dict):
            return ", ".join(f"{key}: {one}" for key, one in value.items())
        if isinstance(value, bool):
            return self._t("history_yes" if value else "history_no")
        said = str(value)
        if name == "reason" and said in set(Reason):
            return reasons.text(Reason(said), self._language)
        key = f"history_{name}_{said}"
        return self._t(key) if key in catalogue() else said

    def _more(self, event: Event) -> Iterator[tuple[str, str]]:
        """What stands elsewhere: settings in force when it was queued, models of an analysis."""
        if event.kind == K.ANALYSIS_QUEUED and "settings" not in event.data:
            # An older log does not say it: those in force then.
            query = select(SettingVersion.number).where(SettingVersion.at <= event.at)
            number = self._session.scalar(query.order_by(SettingVersion.number.desc()).limit(1))
            if number is not None:
                yield self._t("history_settings"), str(number)
        if event.kind == K.ANALYSIS_SEALED and isinstance(event.data.get("analysis"), str):
            try:
                models = self._known.findings(self._session, event.data["analysis"]).models
            except (BlobError, KeyError, ValueError):
                return
            named = ", ".join(f"{model.id} {model.version}" for model in models)
            if named:
                yield self._t("models"), named

    def _t(self, key: str) -> str:
        return text(key, self._language)
