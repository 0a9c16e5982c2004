"""Whose a study is: identifier with issuer, birth date and sex, and identifiers joined by people.

In Denmark a person without a civil registration number at hand gets a replacement number.
Which number it later belonged to is a person's word, kept with name and time, and undone
the same way.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from pydicom import Dataset
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.archive.tables import JoinedPatient, SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.identity import patient
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record

LONGEST = 128

Identifier = tuple[str, str]
"""Patient ID and Issuer of Patient ID (PS3.3 C.7.1.1)."""


@dataclass(frozen=True)
class Patient:
    """What must agree for two studies to be one patient's.

    Parameters
    ----------
    id, issuer, birth_date, sex : str
        DICOM values without padding; empty where they are not told.
    """

    id: str
    issuer: str
    birth_date: str
    sex: str

    @classmethod
    def of(cls, identifier: str, issuer: str, birth_date: str, sex: str) -> Patient:
        """From values as they stand, padding and the older form of dates undone."""
        return cls(identifier.strip(), issuer.strip(), _date(birth_date), sex.strip().upper())

    @classmethod
    def of_study(cls, seen: SeenStudy) -> Patient:
        return cls.of(
            seen.patient_id, seen.issuer_of_patient_id, seen.patient_birth_date, seen.patient_sex
        )

    @classmethod
    def of_image(cls, header: Dataset) -> Patient:
        """As `gransk.core.identity.patient` reads it."""
        identifier, issuer, birth_date, sex = patient(header)[:4]
        return cls.of(identifier, issuer, birth_date, sex)

    def identifier(self, issuer: str) -> Identifier:
        """Identifier and issuer; ``issuer`` is meant where none is named."""
        return (self.id, self.issuer or issuer)


def agree(one: Patient, other: Patient, same: Collection[Identifier], issuer: str) -> bool:
    """Are two studies of one patient?

    All must be named: a birth date or sex that is missing agrees with nothing.

    Parameters
    ----------
    one : Patient
        The patient looked for.
    other : Patient
    same : collection of Identifier
        All of ``one``'s identifiers, from `identifiers`.
    issuer : str
        Meant where images name none (``priors.issuer``).
    """
    return (
        bool(one.id and one.birth_date and one.sex)
        and other.identifier(issuer) in same
        and (one.birth_date, one.sex) == (other.birth_date, other.sex)
    )


def may_agree(one: Patient, listed: Patient, same: Collection[Identifier]) -> bool:
    """May a study that an archive lists be the patient's? What it does not tell speaks not against.

    The images themselves are asked when they are here.
    """
    named = (
        (listed.id, listed.issuer) in same
        if listed.issuer
        else listed.id in {name for name, _ in same}
    )
    return (
        named
        and bool(one.birth_date and one.sex)
        and listed.birth_date in ("", one.birth_date)
        and listed.sex in ("", one.sex)
    )


def identifiers(session: Session, first: Identifier) -> frozenset[Identifier]:
    """Every identifier of the patient: the first, and all that people joined to it."""
    found, new = {first}, {first}
    while new:
        names = [name for name, _ in new]
        links = session.scalars(
            select(JoinedPatient).where(
                JoinedPatient.parted_at.is_(None),
                or_(JoinedPatient.one_id.in_(names), JoinedPatient.other_id.in_(names)),
            )
        )
        sides = [
            ((link.one_id, link.one_issuer), (link.other_id, link.other_issuer)) for link in links
        ]
        joined = {b for a, b in sides if a in new} | {a for a, b in sides if b in new}
        new = joined - found
        found |= new
    return frozenset(found)


def identifiers_of(session: Session, seen: SeenStudy) -> frozenset[Identifier]:
    """Every identifier of a study's patient."""
    return identifiers(session, (seen.patient_id, seen.issuer_of_patient_id))


def links(session: Session, first: Identifier) -> list[JoinedPatient]:
    """What people joined to an identifier, and parted again, latest first."""
    names = [name for name, _ in identifiers(session, first)]
    query = select(JoinedPatient).where(
        or_(JoinedPatient.one_id.in_(names), JoinedPatient.other_id.in_(names))
    )
    return list(session.scalars(query.order_by(JoinedPatient.joined_at.desc())))


def join(session: Session, one: Identifier, other: Identifier, actor: str, study: str) -> bool:
    """A person says that two identifiers are one patient's; False where they were already.

    Parameters
    ----------
    session : Session
        A transaction that writes.
    one, other : Identifier
    actor : str
        Account name.
    study : str
        Key of the study at which it was said, for the event.

    Raises
    ------
    InvalidValueError
        Where an identifier is empty or too long.
    """
    for name, given in (one, other):
        if not 1 <= len(name) <= LONGEST or len(given) > LONGEST:
            raise InvalidValueError("patient identifier", "a value", f"1 to {LONGEST} characters")
    if other in identifiers(session, one):
        return False
    link = JoinedPatient(
        id=secrets.token_hex(16),
        one_id=one[0],
        one_issuer=one[1],
        other_id=other[0],
        other_issuer=other[1],
        joined_by=actor,
        joined_at=utcnow(),
        parted_by=None,
        parted_at=None,
    )
    session.add(link)
    session.flush()
    record(session, actor, EventKind.PATIENTS_JOINED, study, {"link": link.id})
    return True


def link_by(
    session: Session, one: Identifier, other: Identifier, actor: str, statement: int
) -> None:
    """Join two identifiers by the word of a patient administration, where they are not joined.

    Parameters
    ----------
    statement : int
        Number of what was said, by which the join is found again.
    """
    if other in identifiers(session, one):
        return
    session.add(
        JoinedPatient(
            id=secrets.token_hex(16),
            one_id=one[0],
            one_issuer=one[1],
            other_id=other[0],
            other_issuer=other[1],
            joined_by=actor,
            joined_at=utcnow(),
            parted_by=None,
            parted_at=None,
            statement=statement,
        )
    )
    session.flush()


def part(session: Session, link_id: str, actor: str, study: str) -> bool:
    """Take a join back; False where there is none."""
    link = session.get(JoinedPatient, link_id, with_for_update=True)
    if link is None or link.parted_at is not None:
        return False
    link.parted_by, link.parted_at = actor, utcnow()
    session.flush()
    record(session, actor, EventKind.PATIENTS_PARTED, study, {"link": link.id})
    return True


def _date(value: str) -> str:
    """A date as DICOM writes it now; the older form has points (PS3.5 6.2, DA)."""
    return value.strip().replace(".", "")
