"""Which study and patient an event is about, and which events are about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.identity_tables import IdentityChange, IdentityStatement
from gransk.archive.patients import Identifier, identifiers
from gransk.archive.tables import SeenStudy
from gransk.oversight.audit.message import Study
from gransk.reading.tables import FollowUpRow
from gransk.site.tables import Event

STATED = "identity-"
"""Begins the subject of an event about what was said of a patient (`gransk.archive.identity`)."""
CHUNK = 500
"""Keys in one condition: databases take some thousands."""


class Studies:
    """Studies of some events, asked together.

    Whose a study is, is asked now: of an event that is told late it is who that is since.

    Parameters
    ----------
    session : Session
    events : iterable of Event
    """

    def __init__(self, session: Session, events: Iterable[Event]) -> None:
        subjects = {event.subject for event in events}
        rows = select(FollowUpRow.id, FollowUpRow.study_key).where(FollowUpRow.id.in_(subjects))
        self._of_row = {row: key for row, key in session.execute(rows)}
        keys = subjects | set(self._of_row.values())
        found = session.scalars(select(SeenStudy).where(SeenStudy.key.in_(keys)))
        self._known = {seen.key: _study(seen) for seen in found}
        numbers = {int(one.removeprefix(STATED)) for one in subjects if _is_statement(one)}
        said = session.scalars(
            select(IdentityStatement).where(IdentityStatement.number.in_(numbers))
        )
        self._stated = {
            f"{STATED}{one.number}": Study("", "", one.patient_id, one.issuer, one.patient_name)
            for one in said
        }

    def of(self, event: Event) -> Study | None:
        """The study; of what was said of a patient, the patient alone (without key and UID)."""
        if event.subject in self._stated:
            return self._stated[event.subject]
        return self._known.get(self._of_row.get(event.subject, event.subject))


def _is_statement(subject: str) -> bool:
    return subject.startswith(STATED) and subject.removeprefix(STATED).isdigit()


def _study(seen: SeenStudy) -> Study:
    return Study(
        seen.key,
        seen.study_instance_uid,
        seen.patient_id,
        seen.issuer_of_patient_id,
        seen.patient_name,
    )


def studies_of_patient(session: Session, identifier: Identifier) -> tuple[list[str], list[str]]:
    """Studies of a patient, by every identifier that the patient has or had here.

    Parameters
    ----------
    session : Session
    identifier : (str, str)
        Patient ID and issuer; an empty issuer stands for any.

    Returns
    -------
    (list of str, list of str)
        Study keys, deleted ones too, and subjects of events about what was said of the patient.
    """
    known = _identifiers(session, identifier)
    names = sorted({name for name, _ in known})
    query = select(SeenStudy).where(SeenStudy.patient_id.in_(names))
    keys = {
        seen.key
        for seen in session.scalars(query)
        if (seen.patient_id, seen.issuer_of_patient_id) in known
    }
    for change in session.scalars(select(IdentityChange)):
        sides = [(one["patient_id"], one["issuer"]) for one in (change.before, change.after)]
        if any(side in known for side in sides):
            keys.add(change.study_key)
    said = session.scalars(
        select(IdentityStatement).where(
            IdentityStatement.patient_id.in_(names) | IdentityStatement.prior_id.in_(names)
        )
    )
    stated = [
        f"{STATED}{one.number}"
        for one in said
        if (one.patient_id, one.issuer) in known or (one.prior_id, one.prior_issuer) in known
    ]
    return sorted(keys), stated


def _identifiers(session: Session, identifier: Identifier) -> frozenset[Identifier]:
    """All that were joined to an identifier; where no issuer is named, of every issuer."""
    name, issuer = identifier
    if issuer:
        return identifiers(session, identifier)
    studies = select(SeenStudy.issuer_of_patient_id).where(SeenStudy.patient_id == name)
    said = select(IdentityStatement.issuer).where(IdentityStatement.patient_id == name)
    former = select(IdentityStatement.prior_issuer).where(IdentityStatement.prior_id == name)
    issuers = {one for query in (studies, said, former) for one in session.scalars(query)}
    return frozenset().union(
        *(identifiers(session, (name, one)) for one in issuers | {""}), {(name, "")}
    )


def events_about(
    session: Session, keys: Collection[str], subjects: Collection[str] = ()
) -> list[Event]:
    """Events about studies, in order: their own, those of their follow-up, those of their patients'
    identities.

    Parameters
    ----------
    session : Session
    keys : collection of str
        Study keys.
    subjects : collection of str
        Other subjects that are wanted too.
    """
    wanted = {*keys, *subjects}
    for chunk in _chunks(sorted(keys)):
        rows = select(FollowUpRow.id).where(FollowUpRow.study_key.in_(chunk))
        wanted.update(session.scalars(rows))
        changes = select(IdentityChange.statement).where(
            IdentityChange.study_key.in_(chunk), IdentityChange.statement.is_not(None)
        )
        wanted.update(f"{STATED}{number}" for number in session.scalars(changes))
    found: list[Event] = []
    for chunk in _chunks(sorted(wanted)):
        found += session.scalars(select(Event).where(Event.subject.in_(chunk)))
    return sorted(found, key=lambda event: event.number)


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    for first in range(0, len(values), CHUNK):
        yield values[first : first + CHUNK]
