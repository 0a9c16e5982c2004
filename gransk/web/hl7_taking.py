"""What becomes of a received HL7 v2 message: whose it is, what it says, and that it counts once."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from gransk.archive.patients import identifiers_of
from gransk.archive.tables import SeenStudy
from gransk.core.errors import InvalidValueError
from gransk.core.programme import Programme
from gransk.delivery.hl7.acknowledgement import Refusal, Verdict
from gransk.delivery.hl7.adt import EVENTS, IdentityWord, identity_words
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.hl7.incoming import (
    ExamStatement,
    NotTakenError,
    ReadStatement,
    exam_statement,
    read_statement,
)
from gransk.pipeline import programmes
from gransk.results.message_tables import ExamOrder, ReceivedMessage
from gransk.results.tables import ProgrammeSource
from gransk.site.config_messages import ListenerSection, Sender
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.hl7_mapping import Hl7Mapping
from gransk.site.tables import Account

log = logging.getLogger(__name__)

READS = frozenset({("ORU", "R01")})
ORDERS = frozenset({("ORM", "O01"), ("OMG", "O19")})
IDENTITIES = frozenset(("ADT", event) for event in EVENTS)
TAKEN = READS | ORDERS | IDENTITIES
LONGEST_ID = 199
"""Of a control id (HL7 v2.7, MSH-10)."""


@dataclass(frozen=True)
class TakenRead:
    """A reader's opinion with whom and what it means here.

    Parameters
    ----------
    statement : ReadStatement
    study_key : str
    account : str
        Name of the reader's account, which is active.
    sender : str
    """

    statement: ReadStatement
    study_key: str
    account: str
    sender: str


@dataclass(frozen=True)
class Takers:
    """What takes statements, in the transaction that is committed before AA is answered.

    Each raises `NotTakenError` where it does not take one; what it wrote is rolled back.

    Parameters
    ----------
    read : callable, optional
        ``read(session, TakenRead)``. None: reads are not taken.
    facts : callable, optional
        ``facts(session, ExamStatement, sender)``: round, earlier treatment, implant, declining
        of AI. None: a message that says any of them is not taken.
    identity : callable, optional
        ``identity(session, words, sender)``: who a patient is. None: ADT is not taken.
    """

    read: Callable[[Session, TakenRead], None] | None = None
    facts: Callable[[Session, ExamStatement, str], None] | None = None
    identity: Callable[[Session, Sequence[IdentityWord], str], None] | None = None


class Taking:
    """Takes messages.

    Parameters
    ----------
    settings : ListenerSection
    mapping : Hl7Mapping
    database : Database
    takers : Takers
    authorities : mapping of str to str, optional
        ``config.identity.authorities``.
    """

    def __init__(
        self,
        settings: ListenerSection,
        mapping: Hl7Mapping,
        database: Database,
        takers: Takers,
        authorities: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.mapping = mapping
        self.database = database
        self.takers = takers
        self.authorities = authorities or {}

    def take(self, message: Message, content: bytes, address: str) -> Verdict:
        """Take a message, or say why not. Taken means committed."""
        sha256 = hashlib.sha256(content).hexdigest()
        try:
            sender = self._sender(message, address)
            for _ in range(2):
                try:
                    return self._take(message, sha256, sender)
                except IntegrityError:  # the same message at the same time: now it is known
                    continue
        except NotTakenError as error:
            log.warning("HL7: message %s: %s", sha256[:16], error)
            return Verdict(error.refusal, error.detail)
        except OperationalError as error:
            log.warning("HL7: the database did not answer: %s", type(error.orig).__name__)
        except Exception as error:  # noqa: BLE001 (its text may repeat the message)
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error("HL7: message %s: %s at %s:%d", sha256[:16], type(error).__name__,
                      place.name, place.lineno or 0)  # fmt: skip
        return Verdict(Refusal.INTERNAL, "not taken; send it again")

    def _sender(self, message: Message, address: str) -> Sender:
        msh = message.msh
        named = (msh.text(3), msh.text(4))
        for sender in self.settings.senders:
            if sender.is_from(address, *named):
                break
        else:
            raise NotTakenError(Refusal.NOT_KNOWN, "MSH-3, MSH-4: no sender at this address")
        if not 1 <= len(message.control_id) <= LONGEST_ID:
            raise NotTakenError(Refusal.FIELD_MISSING, "MSH-10")
        if msh.text(11) != self.settings.processing_id:
            raise NotTakenError(Refusal.PROCESSING_NOT_TAKEN, "MSH-11")
        if not msh.text(12).startswith("2."):
            raise NotTakenError(Refusal.VERSION_NOT_TAKEN, "MSH-12")
        return sender

    def _take(self, message: Message, sha256: str, sender: Sender) -> Verdict:
        with self.database.begin() as session:
            identity = (sender.name, message.control_id)
            row = session.get(ReceivedMessage, identity, with_for_update=True)
            if row is not None and row.taken:
                row.times, row.last_at = row.times + 1, utcnow()
                if row.sha256 == sha256:
                    return Verdict()
                raise NotTakenError(Refusal.CONTROL_ID_USED, "MSH-10: used by another message")
            refused: NotTakenError | None = None
            try:
                with session.begin_nested():
                    self._handle(session, message, sender)
            except NotTakenError as error:
                refused = error
            self._note(session, row, message, sha256, sender, refused)
        return Verdict() if refused is None else Verdict(refused.refusal, refused.detail)

    def _note(
        self,
        session: Session,
        row: ReceivedMessage | None,
        message: Message,
        sha256: str,
        sender: Sender,
        refused: NotTakenError | None,
    ) -> None:
        """Keep how it was answered. A refusal that stands already is no new event."""
        now = utcnow()
        kind = "^".join(message.kind)[:16]
        if row is None:
            row = ReceivedMessage(
                sender=sender.name, control_id=message.control_id, times=0, first_at=now
            )
            session.add(row)
        known = (row.refusal, row.detail)
        row.sha256, row.kind, row.taken = sha256, kind, refused is None
        row.refusal = None if refused is None else refused.refusal.name.lower()
        row.detail = "" if refused is None else refused.detail
        row.times, row.last_at = row.times + 1, now
        if refused is not None and known == (row.refusal, row.detail):
            return
        data = {"kind": kind if kind.replace("^", "").isalnum() else "", "message": sha256[:16]}
        if refused is not None:
            data |= {"refusal": str(row.refusal), "detail": row.detail[:200]}
            log.warning("HL7: message %s of %s: %s", sha256[:16], sender.name, refused)
        event = EventKind.MESSAGE_TAKEN if refused is None else EventKind.MESSAGE_REFUSED
        record(session, sender.name, event, sender.name, data)

    def _handle(self, session: Session, message: Message, sender: Sender) -> None:
        kind = message.kind
        if kind in READS and "reads" in sender.takes:
            self._read(session, read_statement(message, self.mapping), sender)
        elif kind in ORDERS and "orders" in sender.takes:
            self._order(session, exam_statement(message, self.mapping), sender)
        elif kind in IDENTITIES and "adt" in sender.takes:
            self._identity(session, message, sender)
        elif kind not in TAKEN and kind[0] in {known[0] for known in _taken_of(sender)}:
            raise NotTakenError(Refusal.EVENT_NOT_TAKEN, "MSH-9.2")
        else:
            raise NotTakenError(Refusal.TYPE_NOT_TAKEN, "MSH-9")

    def _read(self, session: Session, said: ReadStatement, sender: Sender) -> None:
        if self.takers.read is None:
            raise NotTakenError(Refusal.TYPE_NOT_TAKEN, "MSH-9: reads are not taken here")
        study = self._study(session, said)
        account = self._account(session, said.reader)
        self.takers.read(session, TakenRead(said, study.key, account, sender.name))

    def _study(self, session: Session, said: ReadStatement) -> SeenStudy:
        """The one study that a read is about: accession number and patient must both fit."""
        found = [
            study
            for study in _studies(session, said.accession_number)
            if said.patient_id in _names(session, study)
            and said.study_instance_uid in ("", study.study_instance_uid)
        ]
        if len(found) != 1:
            told = "no exam" if not found else "several exams"
            raise NotTakenError(
                Refusal.NOT_KNOWN, f"{told} of this accession number, patient and study"
            )
        return found[0]

    def _identity(self, session: Session, message: Message, sender: Sender) -> None:
        if self.takers.identity is None:
            raise NotTakenError(Refusal.TYPE_NOT_TAKEN, "MSH-9: ADT is not taken here")
        words = identity_words(message, self.authorities)
        self.takers.identity(session, words, sender.name)

    def _account(self, session: Session, reader: str) -> str:
        """Name of the account that a sender's reader is, by the site's table or of that name."""
        name = self.settings.readers.get(reader, reader)
        query = select(Account).where(func.lower(Account.name) == name.lower())
        accounts = [account for account in session.scalars(query) if account.active]
        if len(accounts) != 1:
            raise NotTakenError(Refusal.NOT_KNOWN, "the reader has no account here")
        return accounts[0].name

    def _order(self, session: Session, said: ExamStatement, sender: Sender) -> None:
        try:
            number = programmes.accession(said.accession_number)
        except InvalidValueError as error:
            raise NotTakenError(Refusal.MALFORMED, "accession number") from error
        here = [_names(session, study) for study in _studies(session, number)]
        if here and said.patient_id and not any(said.patient_id in names for names in here):
            raise NotTakenError(Refusal.NOT_KNOWN, "the accession number is another patient's")
        if said.cancelled:
            return
        _keep_order(session, number, said, sender.name)
        if said.has_facts:
            if self.takers.facts is None:
                raise NotTakenError(Refusal.NOT_NOW, "facts beside the programme are not kept")
            self.takers.facts(session, said, sender.name)
        if said.programme is not None:
            word = None if said.programme == "unknown" else Programme(said.programme)
            machine = ProgrammeSource.MACHINE
            programmes.state_exams(session, {number: word}, machine, sender.name)


def _studies(session: Session, accession_number: str) -> list[SeenStudy]:
    query = select(SeenStudy).where(
        SeenStudy.accession_number == accession_number.strip(), SeenStudy.deleted_at.is_(None)
    )
    return list(session.scalars(query))


def _taken_of(sender: Sender) -> frozenset[tuple[str, str]]:
    """Kinds of messages of whose other events a sender is told that they are not taken."""
    return READS | ORDERS | (IDENTITIES if "adt" in sender.takes else frozenset())


def _names(session: Session, study: SeenStudy) -> set[str]:
    """Every identifier of a study's patient: a message may bear one of before a merge."""
    return {name.strip() for name, _ in identifiers_of(session, study)}


def _keep_order(session: Session, number: str, said: ExamStatement, sender: str) -> None:
    """Keep how the ordering system knows the exam, so that results can repeat it."""
    if not (said.placer_order or said.filler_order or said.service):
        return
    order = session.get(ExamOrder, number)
    if order is None:
        order = ExamOrder(accession_number=number)
        session.add(order)
    order.sender, order.at = sender, utcnow()
    order.placer_order, order.filler_order = said.placer_order, said.filler_order
    order.service = list(said.service)
