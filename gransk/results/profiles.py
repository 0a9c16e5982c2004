"""Risk profiles: answers as they were given, and what counts at a study.

An answer about the patient, or about a lesion by its tracking UID, counts at all studies of
the patient; one about the scan (``about: scan`` in the application's schema) at its study
alone. What counts at a study is the last word given there, else the latest answer that is true
of a day up to the study's, else the earliest of a later day.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import and_, case, or_, select
from sqlalchemy.orm import Session

from gransk.core.errors import UnreadableInputError
from gransk.results.tables import ProfileAnswer, ProfileOwner, Track
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

UID = "tracking_uid"
"""Names the lesion in a part of the profile that is a list."""

Named = tuple[str, str, str]
"""Part, tracking UID and key of an answer."""


class Whose(Protocol):
    """A study as far as answers ask: itself and its patient."""

    @property
    def key(self) -> str: ...
    @property
    def patient_id(self) -> str: ...
    @property
    def issuer_of_patient_id(self) -> str: ...
    @property
    def patient_birth_date(self) -> str: ...
    @property
    def patient_sex(self) -> str: ...
    @property
    def study_date(self) -> str: ...


@dataclass(frozen=True)
class Given:
    """One answer of a profile.

    Parameters
    ----------
    part, lesion_uid, key : str
        Where it stands; ``lesion_uid`` is empty in a part that is no list.
    value
        As JSON; None where nobody knows.
    source : str
    date : date
    """

    part: str
    lesion_uid: str
    key: str
    value: Any
    source: str
    date: datetime.date

    @property
    def named(self) -> Named:
        return self.part, self.lesion_uid, self.key


Identifier = tuple[str, str]
"""Patient ID and its issuer."""


def current(
    session: Session, study: Whose, application: str, joined: Collection[Identifier] = ()
) -> dict[str, Any]:
    """What is known at a study, by the application's profile schema.

    Parameters
    ----------
    session : Session
    study : Whose
        A `SeenStudy`, or what has its attributes.
    application : str
        Id.
    joined : collection of (str, str)
        Identifiers that a person said are the patient's too. What was answered under the study's
        own counts where birth date and sex are the same, whether it stands here or not.

    Returns
    -------
    dict
        Parts of the schema that have answers, each answer with value, source and date. Lesions
        are named by the tracking UIDs that reports write now.
    """
    by_name: dict[Named, list[ProfileAnswer]] = {}
    for row in _rows(session, study, application, joined):
        uid = _lesion(session, row.lesion_uid)
        by_name.setdefault((row.part, uid, row.key), []).append(row)
    found: dict[str, Any] = {}
    lesions: dict[tuple[str, str], dict[str, Any]] = {}
    for (part, uid, key), rows in sorted(by_name.items()):
        row = _counts(rows, study)
        answer = {"value": row.value, "source": row.source, "date": row.date.isoformat()}
        if not uid:
            found.setdefault(part, {})[key] = answer
            continue
        if (part, uid) not in lesions:
            lesions[part, uid] = {UID: uid}
            found.setdefault(part, []).append(lesions[part, uid])
        lesions[part, uid][key] = answer
    return found


def history(
    session: Session, study: Whose, application: str, joined: Collection[Identifier] = ()
) -> list[ProfileAnswer]:
    """Every answer that may count at a study, latest given first."""
    rows = _rows(session, study, application, joined)
    return sorted(rows, key=lambda row: row.number, reverse=True)


def keep(
    session: Session,
    study: Whose,
    application: str,
    profile: Mapping[str, Any],
    schema: Mapping[str, Any],
    actor: str,
    at_study: bool = True,
) -> int:
    """Add the answers of a profile; those that count already are not written again.

    Call it late in a transaction: the event log is locked until it ends.

    Parameters
    ----------
    session : Session
    study : Whose
        The study whose page or address they were given at, or any study of the patient.
    application : str
        Id.
    profile : mapping
        By the application's schema, checked. What it does not name stays as it is.
    schema : mapping
        The application's ``profile_schema``.
    actor : str
        Account or machine.
    at_study : bool
        False where they are about the patient without any study; answers about a scan are
        then left out.

    Returns
    -------
    int
        How many were added.

    Raises
    ------
    UnreadableInputError
        Where the profile is none.
    """
    known = {given.named: given for given in answers(current(session, study, application))}
    added = []
    for given in answers(profile):
        wide = not about_scan(schema, given.part, given.key)
        uid = _lesion(session, given.lesion_uid)
        if known.get((given.part, uid, given.key)) == _renamed(given, uid):
            continue
        if not wide and not at_study:
            continue
        session.add(
            ProfileAnswer(
                application=application,
                part=given.part,
                lesion_uid=given.lesion_uid,
                key=given.key,
                value=given.value,
                source=given.source,
                date=given.date,
                actor=actor,
                at=utcnow(),
                study_key=study.key if at_study else None,
                whole_patient=wide,
                patient_id=study.patient_id,
                issuer_of_patient_id=study.issuer_of_patient_id,
                patient_birth_date=study.patient_birth_date,
                patient_sex=study.patient_sex,
            )
        )
        added.append(given)
    if added:
        data = {
            "application": application,
            "keys": sorted({given.key for given in added}),
            "sources": sorted({given.source for given in added}),
        }
        record(session, actor, EventKind.PROFILE_ANSWERED, study.key, data)
    return len(added)


def move(session: Session, study: Whose) -> None:
    """A study is another patient's by its identity of now, and so is what was answered at it."""
    owner = session.get(ProfileOwner, study.key)
    if owner is None:
        owner = ProfileOwner(study_key=study.key)
        session.add(owner)
    owner.patient_id = study.patient_id
    owner.issuer_of_patient_id = study.issuer_of_patient_id
    owner.patient_birth_date = study.patient_birth_date
    owner.patient_sex = study.patient_sex
    session.flush()


def answers(profile: Mapping[str, Any]) -> Iterator[Given]:
    """Every answer of a profile.

    Raises
    ------
    UnreadableInputError
        Where a part is no part, or an answer lacks value, source or date; the message names
        keys and never values.
    """
    for part, held in profile.items():
        lesions = held if isinstance(held, (list, tuple)) else [held]
        for one in lesions:
            if not isinstance(one, Mapping):
                raise UnreadableInputError(f"profile: {part} must be an object")
            uid = str(one.get(UID, "")) if held is not one else ""
            for key, answer in one.items():
                if answer is not None and not (key == UID and uid):
                    yield _given(part, uid, key, answer)


def about_scan(schema: Mapping[str, Any], part: str, key: str) -> bool:
    """Is an answer about one scan alone, by the application's schema?"""
    held = schema.get("properties", {}).get(part, {})
    held = held.get("items", held)
    name = str(held.get("$ref", "")).rpartition("/")[2]
    properties = schema.get("$defs", {}).get(name, held).get("properties", {})
    return bool(properties.get(key, {}).get("about") == "scan")


def _given(part: str, uid: str, key: str, answer: Any) -> Given:
    try:
        day = answer["date"]
        return Given(
            part,
            uid,
            key,
            answer["value"],
            str(answer["source"]),
            day if isinstance(day, datetime.date) else datetime.date.fromisoformat(day),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableInputError(
            f"profile: {part}.{key} needs value, source and date (YYYY-MM-DD)"
        ) from error


def _renamed(given: Given, uid: str) -> Given:
    return Given(given.part, uid, given.key, given.value, given.source, given.date)


def _rows(
    session: Session, study: Whose, application: str, joined: Collection[Identifier]
) -> list[ProfileAnswer]:
    owner = ProfileOwner.patient_id.is_not(None)
    given_to = case((owner, ProfileOwner.patient_id), else_=ProfileAnswer.patient_id)
    given_by = case(
        (owner, ProfileOwner.issuer_of_patient_id), else_=ProfileAnswer.issuer_of_patient_id
    )
    mine = ProfileAnswer.study_key == study.key
    for patient_id, issuer in {(study.patient_id, study.issuer_of_patient_id), *joined}:
        if patient_id:
            mine = or_(
                mine, and_(ProfileAnswer.whole_patient, given_to == patient_id, given_by == issuer)
            )
    chosen = (
        select(ProfileAnswer, ProfileOwner)
        .outerjoin(ProfileOwner, ProfileOwner.study_key == ProfileAnswer.study_key)
        .where(ProfileAnswer.application == application, mine)
        .order_by(ProfileAnswer.number)
    )
    own = study.patient_id, study.issuer_of_patient_id
    others = {name for name in joined if name[0] and name != own}
    return [
        row
        for row, moved in session.execute(chosen)
        if row.study_key == study.key or _is_of(moved or row, study, others)
    ]


def _is_of(row: ProfileAnswer | ProfileOwner, study: Whose, others: Collection[Identifier]) -> bool:
    return (row.patient_id, row.issuer_of_patient_id) in others or _agrees(row, study)


def _agrees(row: ProfileAnswer | ProfileOwner, study: Whose) -> bool:
    """Birth date and sex are the same, as far as both are known."""
    pairs = (
        (row.patient_birth_date, study.patient_birth_date),
        (row.patient_sex, study.patient_sex),
    )
    return all(not one or not other or one == other for one, other in pairs)


def _lesion(session: Session, uid: str) -> str:
    """The tracking UID that reports write now for a finding that was once called ``uid``."""
    seen: set[str] = set()
    while uid and uid not in seen:
        seen.add(uid)
        renamed = session.scalar(
            select(Track.lesion_uid)
            .where(Track.finding_uid == uid)
            .order_by(Track.at.desc())
            .limit(1)
        )
        uid = renamed or uid
    return uid


def _counts(rows: list[ProfileAnswer], study: Whose) -> ProfileAnswer:
    """The answer of several that counts at a study."""
    here = [row for row in rows if row.study_key == study.key]
    if here:
        return max(here, key=lambda row: row.number)
    exam = _day(study.study_date)
    if exam is None:
        return max(rows, key=lambda row: (row.date, row.number))
    before = [row for row in rows if row.date <= exam]
    if before:
        return max(before, key=lambda row: (row.date, row.number))
    return min(rows, key=lambda row: (row.date, -row.number))


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text.strip().replace(".", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None
