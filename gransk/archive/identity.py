"""Whose a study is where somebody said that its images bear the wrong name or identifier.

What was said is kept and only ever added to. It counts by when it was said, not by when it
arrived, and for images that come later too. Columns of `SeenStudy` hold the outcome; what the
images themselves say is asked anew whenever they change.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from gransk.archive.identity_tables import IdentityChange, IdentityStatement
from gransk.archive.patients import Identifier, link_by
from gransk.archive.studies import write_patient
from gransk.archive.tables import JoinedPatient, Purpose, SeenStudy
from gransk.site.config_identity import IdentitySection
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Event

UNDONE = "undone"
"""Event of a statement by which a person takes another back."""


@dataclass(frozen=True)
class Who:
    """Whose a study is, as DICOM has it (PS3.3 C.7.1.1).

    Parameters
    ----------
    patient_id, issuer, patient_name, birth_date, sex : str
    """

    patient_id: str
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""

    @classmethod
    def of(cls, seen: SeenStudy) -> Who:
        return cls(
            seen.patient_id,
            seen.issuer_of_patient_id,
            seen.patient_name,
            seen.patient_birth_date,
            seen.patient_sex,
        )

    @property
    def identifier(self) -> Identifier:
        return self.patient_id, self.issuer

    def differs(self, other: Who) -> list[str]:
        """Names of what is not the same; padding does not count."""
        mine, theirs = asdict(self), asdict(other)
        return [name for name in mine if mine[name].strip() != theirs[name].strip()]


@dataclass(frozen=True)
class Said:
    """One thing that a message says of a patient.

    Parameters
    ----------
    event : str
        HL7 trigger event.
    said_at : datetime
    who : Who
        The patient; what is empty is not said.
    prior : (str, str), optional
        Identifier under which the patient was filed before.
    """

    event: str
    said_at: datetime.datetime
    who: Who
    prior: Identifier | None = None


@dataclass(frozen=True)
class Changed:
    """A study whose identity changed, and what it was."""

    seen: SeenStudy
    before: Who


class Unapplied(StrEnum):
    """Why what was said of a patient is not said of a study that bears the identifier."""

    ANOTHER_PERSON = "birth_date_and_sex_differ"
    """The images may bear a mistyped identifier: a person must see what they say."""


class Identities:
    """What is known of patients' identities by the word of others.

    What it does is told to the event log by `tell`, which the caller does when every row that it
    needs is locked: the log is locked from then on.

    Parameters
    ----------
    section : IdentitySection
        ``config.identity``.
    issuer : str
        Meant where images name none (``priors.issuer``).
    """

    def __init__(self, section: IdentitySection | None = None, issuer: str = "") -> None:
        self.section = section or IdentitySection()
        self.issuer = issuer
        self._untold: list[tuple[str, EventKind, str, dict[str, Any]]] = []

    @property
    def corrects(self) -> bool:
        """Are images in our own archive changed too?"""
        return self.section.images == "correct"

    def stated(
        self, session: Session, who: Who, first_seen: datetime.datetime, study_key: str = ""
    ) -> tuple[Who, IdentityStatement | None]:
        """Whose a study is by what was said of the patient that its images name, and who said it.

        An identifier that a word gave to the study is followed by later words alone.

        Parameters
        ----------
        session : Session
        who : Who
            As the images say.
        first_seen : datetime
            What was said longer than ``identity.keep_days`` before does not count.
        study_key : str
        """
        oldest = first_seen - datetime.timedelta(days=self.section.keep_days)
        at = self._reached(session, study_key, who.identifier)
        moved: IdentityStatement | None = None
        while (step := self._followed(session, who.identifier, oldest, at)) is not None:
            issuer = step.issuer
            if not who.issuer and self._filled(issuer) == self.issuer:
                issuer = ""
            who = replace(who, patient_id=step.patient_id, issuer=issuer)
            at, moved = (step.said_at, step.number), step
        now, word, left = self._described(session, who, oldest)
        if study_key and left is not None:
            self._leave(session, study_key, left)
        return now, moved or word

    def tell(self, session: Session) -> None:
        """Write the events of what was done; they name no patient."""
        untold, self._untold = self._untold, []
        for actor, kind, subject, data in untold:
            record(session, actor, kind, subject, data)

    def take(self, session: Session, said: Said, actor: str) -> list[Changed]:
        """Keep what a message says, and change the studies here that it is about."""
        who = said.who
        prior = said.prior or ("", "")
        row = IdentityStatement(
            actor=actor,
            event=said.event,
            said_at=min(said.said_at, utcnow()),
            at=utcnow(),
            patient_id=who.patient_id,
            issuer=who.issuer,
            prior_id=prior[0],
            prior_issuer=prior[1],
            patient_name=who.patient_name,
            birth_date=who.birth_date,
            sex=who.sex,
            undoes=None,
        )
        session.add(row)
        session.flush()
        if said.prior is not None and row.number not in _undone(session):
            for first, second in self._forms(said.prior, who.identifier):
                link_by(session, first, second, actor, row.number)
        changed = []
        for seen in self._studies(session, [prior, who.identifier]):
            now, _ = self.stated(session, Who.of(seen), seen.first_seen_at, seen.key)
            if (one := self.become(session, seen, now, actor, row.number)) is not None:
                changed.append(one)
        data = {"statement": row.number, "event": row.event, "studies": len(changed)}
        subject = f"identity-{row.number}"
        self._untold.append((actor, EventKind.IDENTITY_STATED, subject, data))
        return changed

    def become(
        self, session: Session, seen: SeenStudy, now: Who, actor: str, statement: int | None
    ) -> Changed | None:
        """Let a study be another's; None where it is already."""
        before = Who.of(seen)
        fields = before.differs(now)
        if not fields:
            return None
        self.note(session, seen.key, before, now, actor, statement)
        write_patient(seen, asdict(now))
        session.flush()
        if statement is not None and before.identifier != now.identifier:
            link_by(session, before.identifier, now.identifier, actor, statement)
        return Changed(seen, before)

    def note(
        self,
        session: Session,
        key: str,
        before: Who,
        now: Who,
        actor: str,
        statement: int | None,
    ) -> None:
        """Keep that a study became another's, by whose word."""
        session.add(
            IdentityChange(
                study_key=key,
                statement=statement,
                actor=actor,
                before=asdict(before),
                after=asdict(now),
                at=utcnow(),
            )
        )
        session.flush()
        data = {"fields": before.differs(now), "statement": statement}
        self._untold.append((actor, EventKind.IDENTITY_CHANGED, key, data))

    def undo(self, session: Session, number: int, account: str) -> list[Changed] | None:
        """A person takes a statement back; None where there is none to take back.

        The same that was said again counts as one statement, before and after. Its joins are
        parted, and the studies that it changed are whose they were before, as far as nothing
        changed them since.
        """
        row = session.get(IdentityStatement, number, with_for_update=True)
        if row is None or row.event == UNDONE or number in _undone(session):
            return None
        taken = IdentityStatement(
            actor=account, event=UNDONE, said_at=utcnow(), at=utcnow(), undoes=number,
            **{name: getattr(row, name) for name in (
                "patient_id", "issuer", "prior_id", "prior_issuer", "patient_name", "birth_date",
                "sex")},
        )  # fmt: skip
        session.add(taken)
        session.flush()
        same = _undone(session, number)
        links = select(JoinedPatient).where(
            JoinedPatient.statement.in_(same), JoinedPatient.parted_at.is_(None)
        )
        for link in session.scalars(links):
            link.parted_by, link.parted_at = account, utcnow()
        changed = []
        for change in self._changes(session, same):
            seen = session.get(
                SeenStudy, change.study_key, with_for_update=True, populate_existing=True
            )
            if seen is None or Who.of(seen).differs(Who(**change.after)):
                continue
            before = Who(**change.before)
            now, _ = self.stated(session, before, seen.first_seen_at, seen.key)
            if (one := self._back(session, seen, now, account, taken.number)) is not None:
                changed.append(one)
        data = {"statement": number, "studies": len(changed)}
        subject = f"identity-{number}"
        self._untold.append((account, EventKind.IDENTITY_UNDONE, subject, data))
        return changed

    def _back(
        self, session: Session, seen: SeenStudy, now: Who, account: str, number: int
    ) -> Changed | None:
        before = Who.of(seen)
        if not before.differs(now):
            return None
        self.note(session, seen.key, before, now, account, number)
        write_patient(seen, asdict(now))
        session.flush()
        return Changed(seen, before)

    def _changes(self, session: Session, numbers: Collection[int]) -> Sequence[IdentityChange]:
        query = select(IdentityChange).where(IdentityChange.statement.in_(numbers))
        return session.scalars(query.order_by(IdentityChange.number.desc())).all()

    def _reached(
        self, session: Session, study_key: str, name: Identifier
    ) -> tuple[datetime.datetime, int] | None:
        """When the word was said by which a study has an identifier; None where none gave it."""
        undone = _undone(session)
        query = (
            select(IdentityChange, IdentityStatement)
            .join(IdentityStatement, IdentityStatement.number == IdentityChange.statement)
            .where(IdentityChange.study_key == study_key, IdentityStatement.event != UNDONE)
            .where(IdentityStatement.prior_id != "")
            .order_by(IdentityChange.number.desc())
        )
        for change, said in session.execute(query):
            given = self._fill(Who(**change.after).identifier)
            if said.number not in undone and given == self._fill(name):
                return said.said_at, said.number
        return None

    def _followed(
        self,
        session: Session,
        name: Identifier,
        oldest: datetime.datetime,
        after: tuple[datetime.datetime, int] | None,
    ) -> IdentityStatement | None:
        """The first word after ``after`` that moved an identifier to another."""
        undone = _undone(session)
        query = select(IdentityStatement).where(
            IdentityStatement.prior_id == name[0].strip(),
            IdentityStatement.prior_id != "",
            IdentityStatement.event != UNDONE,
            IdentityStatement.at >= oldest,
        )
        found = [
            row
            for row in session.scalars(query)
            if row.number not in undone
            and self._filled(row.prior_issuer) == self._filled(name[1])
            and (after is None or (row.said_at, row.number) > after)
        ]
        return max(found, key=lambda row: (row.said_at, row.number), default=None)

    def _described(
        self, session: Session, who: Who, oldest: datetime.datetime
    ) -> tuple[Who, IdentityStatement | None, IdentityStatement | None]:
        """Name, birth date and sex by the latest word about the identifier, and that word.

        The third is the latest word that is of another person, by birth date and sex both.
        """
        undone = _undone(session)
        query = (
            select(IdentityStatement)
            .where(
                IdentityStatement.patient_id == who.patient_id.strip(),
                IdentityStatement.patient_id != "",
                IdentityStatement.event != UNDONE,
                IdentityStatement.at >= oldest,
            )
            .order_by(IdentityStatement.said_at, IdentityStatement.number)
        )
        own, word, left = who, None, None
        for row in session.scalars(query):
            if row.number in undone or self._filled(row.issuer) != self._filled(who.issuer):
                continue
            if _of_another(own, row):
                left = row
                continue
            said = {name: getattr(row, name) for name in ("patient_name", "birth_date", "sex")}
            now = replace(who, **{name: value for name, value in said.items() if value})
            if who.differs(now):
                who, word = now, row
        return who, word, left

    def _leave(self, session: Session, study_key: str, row: IdentityStatement) -> None:
        """Tell once that a word is not said of a study."""
        data = {"statement": row.number, "reason": Unapplied.ANOTHER_PERSON.value}
        kind = EventKind.IDENTITY_NOT_APPLIED
        told = select(Event.data).where(Event.subject == study_key, Event.kind == kind.value)
        event = (row.actor, kind, study_key, data)
        if event not in self._untold and data not in session.scalars(told).all():
            self._untold.append(event)

    def _studies(self, session: Session, names: Sequence[Identifier]) -> list[SeenStudy]:
        wanted = {self._fill(name) for name in names if name[0]}
        query = (
            select(SeenStudy)
            .where(SeenStudy.patient_id.in_([name for name, _ in wanted]))
            .order_by(SeenStudy.key)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return [
            seen
            for seen in session.scalars(query)
            if self._fill((seen.patient_id, seen.issuer_of_patient_id)) in wanted
        ]

    def _forms(self, *names: Identifier) -> list[tuple[Identifier, ...]]:
        """Identifiers with their issuers; and as images have them that name none."""
        full = tuple(self._fill(name) for name in names)
        bare = tuple((one, "" if issuer == self.issuer else issuer) for one, issuer in full)
        return [full] if bare == full else [full, bare]

    def _fill(self, name: Identifier) -> Identifier:
        return name[0].strip(), self._filled(name[1])

    def _filled(self, issuer: str) -> str:
        return issuer.strip() or self.issuer


def _of_another(own: Who, row: IdentityStatement) -> bool:
    """Are birth date and sex both given, and both others than the study's own?"""
    pairs = (
        (own.birth_date.replace(".", ""), row.birth_date),
        (own.sex.upper(), row.sex),
    )
    return all(mine.strip() and said and mine.strip() != said for mine, said in pairs)


def alone(session: Session, key: str, before: Who) -> bool:
    """Was a study the only one here of the patient that it was thought to be of?"""
    query = select(SeenStudy.key).where(
        SeenStudy.patient_id == before.patient_id,
        SeenStudy.issuer_of_patient_id == before.issuer,
        SeenStudy.deleted_at.is_(None),
        SeenStudy.purpose != Purpose.PRIOR,
        SeenStudy.key != key,
    )
    return session.scalars(query.limit(1)).first() is None


def changes_of(
    session: Session, study_key: str
) -> list[tuple[IdentityChange, IdentityStatement | None, bool]]:
    """How a study's identity changed, latest first, by what was said, and if that still stands."""
    query = (
        select(IdentityChange, IdentityStatement)
        .outerjoin(IdentityStatement, IdentityStatement.number == IdentityChange.statement)
        .where(IdentityChange.study_key == study_key)
        .order_by(IdentityChange.number.desc())
    )
    undone = _undone(session)
    return [
        (change, said, said is not None and said.event != UNDONE and said.number not in undone)
        for change, said in session.execute(query)
    ]


SAID = ("event", "said_at", "patient_id", "issuer", "prior_id", "prior_issuer", "patient_name",
        "birth_date", "sex")  # fmt: skip
"""What is equal where a system sends again what it said, under another control id."""


def _undone(session: Session, number: int | None = None) -> set[int]:
    """Statements that were taken back, each as often as it was said; of one, or of all."""
    again, undone = aliased(IdentityStatement), aliased(IdentityStatement)
    equal = and_(*(getattr(again, name) == getattr(undone, name) for name in SAID))
    taken = select(IdentityStatement.undoes).where(IdentityStatement.undoes.is_not(None))
    query = select(again.number).join(undone, equal).where(undone.number.in_(taken))
    return set(session.scalars(query if number is None else query.where(undone.number == number)))
