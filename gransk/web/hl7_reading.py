"""Reads and facts that come by HL7 v2, taken into the reading room's ledger."""

from __future__ import annotations

import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from gransk.core.exam_facts import NO, YES, Fact
from gransk.core.screening import Verdict
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.incoming import ExamStatement, NotTakenError, ReadStatement
from gransk.pipeline import exam_facts
from gransk.reading import acts, desk
from gransk.reading.desk import Person
from gransk.reading.exam_tables import ExamRow
from gransk.reading.opinions import Opinion, Suspect, Technical
from gransk.reading.refusals import LedgerError
from gransk.results.tables import FactSource
from gransk.site.people import find_account
from gransk.web.hl7_taking import TakenRead, Takers

NOT_NOW = "the exam cannot be read now"
"""Of every refusal of the ledger: why would tell of other opinions."""


def takers() -> Takers:
    """What takes reads and facts of messages."""
    return Takers(read=take_read, facts=take_facts)


def take_read(session: Session, taken: TakenRead) -> None:
    """A reader's opinion, as if the reader had given it here.

    Raises
    ------
    NotTakenError
    """
    row = session.get(ExamRow, taken.study_key)
    account = find_account(session, taken.account)
    if row is None or account is None or _before(taken.statement.read_at, row.opened_at):
        raise NotTakenError(Refusal.NOT_NOW, NOT_NOW)
    opinion = _opinion(taken.statement)
    try:
        images = acts.look(session, taken.study_key, taken.account).images
        person = Person.of(account.name, account.roles)
        desk.read(session, taken.study_key, person, opinion, images, via=taken.sender)
    except LedgerError as error:
        raise NotTakenError(Refusal.NOT_NOW, NOT_NOW) from error


def take_facts(session: Session, said: ExamStatement, sender: str) -> None:
    """Facts of an order, as a machine's word."""
    flags = {
        Fact.TREATED: said.treated,
        Fact.IMPLANT: said.implant,
        Fact.DECLINES_AI: said.declines_ai,
    }
    facts = {fact: YES if value else NO for fact, value in flags.items() if value is not None}
    if said.round is not None:
        facts[Fact.ROUND] = said.round.value
    exam_facts.state_exams(session, {said.accession_number: facts}, FactSource.MACHINE, sender)


def _opinion(said: ReadStatement) -> Opinion:
    technical = None
    if said.repeat is not None:
        technical = Technical(views=said.repeat.views, reason=said.repeat.reason)
    try:
        return Opinion(
            verdict=Verdict(said.verdict),
            suspects=tuple(Suspect.model_validate(mark.model_dump()) for mark in said.marks),
            technical=technical,
            comment=said.comment,
        )
    except ValidationError as error:
        fields = sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]})
        raise NotTakenError(
            Refusal.MALFORMED, ", ".join(fields) or "verdict and marks do not fit"
        ) from None


def _before(read_at: datetime.datetime | None, opened_at: datetime.datetime | None) -> bool:
    """Was it read before the exam opened? A time without a zone says nothing sure."""
    if opened_at is None or read_at is None or read_at.tzinfo is None:
        return opened_at is None
    return read_at < opened_at
