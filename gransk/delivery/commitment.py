"""Storage commitment as rows: what a destination is asked to keep, and what it answered.

A request is written down before it is made, so that whoever is killed loses none. An object is
in one open request at a time. One that is refused is sent again, the same bytes, and asked about
anew; one that no answer came for is asked about again; what is not committed after the
destination's ``commitment_hours`` goes to the dead letters. PS3.4 Annex J, push model.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.uid import generate_uid
from sqlalchemy import ColumnElement, Select, exists, func, select, true, update
from sqlalchemy.orm import Session

from gransk.core.waiting import backoff
from gransk.delivery.trying import fail, study_of
from gransk.results.commitment_tables import Commitment, CommitmentObject, CommitmentState
from gransk.results.tables import Delivery, DeliveryState, ReportObject
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record

TOGETHER = 100
"""Objects of one request."""
FIRST_WAIT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 3600.0
GROWTH = 4.0

REASONS = {
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0119: "class and instance do not agree",
    0x0122: "SOP class not supported",
    0x0131: "duplicate transaction UID",
    0x0213: "resource limitation",
}
"""Failure Reason (0008,1197) of storage commitment (PS3.3 C.14.1.1)."""


@dataclass(frozen=True)
class Request:
    """What is asked in one transaction: SOP Class and Instance UID of each object."""

    transaction_uid: str
    objects: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """What a destination says of one transaction.

    Parameters
    ----------
    transaction_uid : str
    committed : frozenset of str
        SOP Instance UIDs.
    failed : mapping of str to int
        Failure Reason by SOP Instance UID.
    """

    transaction_uid: str
    committed: frozenset[str] = frozenset()
    failed: Mapping[str, int] = field(default_factory=dict)


def reason_text(code: int) -> str:
    """A failure reason as people read it."""
    return f"{code:04X}H {REASONS.get(code, 'another reason')}"


class Committer:
    """The requests of one destination.

    Parameters
    ----------
    database : Database
    destination : DicomDestination
    section : CommitmentSection
    """

    def __init__(
        self, database: Database, destination: DicomDestination, section: CommitmentSection
    ) -> None:
        self.database = database
        self.destination = destination
        self.section = section
        self._mine = Commitment.destination == destination.name

    def begin(self) -> None:
        """Give what expired while nobody asked the time for one more answer."""
        soonest = utcnow() + datetime.timedelta(seconds=2 * self.section.answer_seconds)
        with self.database.begin() as session:
            session.execute(
                update(Delivery)
                .where(*self._pending(), Delivery.commit_by < soonest)
                .values(commit_by=soonest)
            )

    def tidy(self, *, gives_up: bool = True) -> None:
        """Let go of requests that no answer came for, send again what was refused, give up.

        While the destination is away nothing is given up, and nothing that was sent again before
        it was asked about.
        """
        now = utcnow()
        with self.database.begin() as session:
            self._let_go(session, now)
            late = select(Delivery).where(
                *self._pending(), Delivery.commit_by <= now, _asked(true())
            )
            refused = select(Delivery).where(
                *self._pending(),
                _asked(CommitmentObject.failure.is_not(None)),
                ~_asked(Commitment.ask_again_at > now),
            )
            # All are locked before an event is recorded of any.
            found = [
                session.scalars(one.order_by(Delivery.id).with_for_update()).all()
                for one in (late, refused)
            ]
            for line in found[0] if gives_up else ():
                self._give_up(session, line)
            for line in found[1]:
                if line.state == DeliveryState.SENT:
                    line.state, line.attempt = DeliveryState.WAITING, line.attempt + 1

    def next_request(self) -> Request | None:
        """Write down what is to be asked next; None where nothing is."""
        now = utcnow()
        with self.database.begin() as session:
            lines = session.scalars(self._to_ask(now).limit(TOGETHER)).all()
            if not lines:
                return None
            self._let_go(session, now)
            times = _times(session, lines, self.destination.commitment_hours)
            lines = [line for line in lines if times[line.id] == times[lines[0].id]]
            row = Commitment(
                transaction_uid=str(generate_uid(prefix=None)),
                destination=self.destination.name,
                state=CommitmentState.ASKED,
                asked_at=now,
                ask_again_at=now + self._patience(times[lines[0].id]),
                answered_at=None,
            )
            session.add(row)
            session.flush()
            for line in lines:
                session.add(
                    CommitmentObject(
                        transaction_uid=row.transaction_uid,
                        delivery_id=line.id,
                        attempt=line.attempt,
                        committed=None,
                        failure=None,
                    )
                )
            return Request(row.transaction_uid, _references(session, lines))

    def has_more(self) -> bool:
        """Is there something to ask now?"""
        with self.database.read() as session:
            return session.scalars(self._to_ask(utcnow()).limit(1)).first() is not None

    def waits(self) -> bool:
        """Is an answer awaited?"""
        with self.database.read() as session:
            query = select(Commitment.transaction_uid).where(
                self._mine, Commitment.state == CommitmentState.ASKED
            )
            return session.scalars(query.limit(1)).first() is not None

    def was_taken(self, request: Request) -> None:
        """The destination took the request, or refused it: from now on its hours count.

        What was sent again, and is asked about for the first time since, has time for its answer
        though its hours end meanwhile or are over: the destination may have been away in between.
        No longer than refusals at last wait, so that whoever always refuses is given up.
        """
        now = utcnow()
        until = now + datetime.timedelta(hours=self.destination.commitment_hours)
        patience = min(2 * self.section.answer_seconds, LONGEST_WAIT_SECONDS)
        soonest = now + datetime.timedelta(seconds=patience)
        asked = Delivery.id.in_(_lines_of(request.transaction_uid))
        before = _asked(Commitment.transaction_uid != request.transaction_uid)
        with self.database.begin() as session:
            session.execute(
                update(Delivery)
                .where(asked, Delivery.commit_by < soonest, ~before)
                .values(commit_by=soonest)
            )
            session.execute(
                update(Delivery).where(asked, Delivery.commit_by.is_(None)).values(commit_by=until)
            )

    def was_refused(self, request: Request, error: str) -> None:
        """The destination did not take the request; it is asked again later."""
        self.was_taken(request)
        with self.database.begin() as session:
            row = session.get_one(Commitment, request.transaction_uid, with_for_update=True)
            if row.state != CommitmentState.ASKED:
                return
            lines = _delivered(session, request.transaction_uid)
            asked = _times(session, lines, self.destination.commitment_hours)
            times = max(asked.values(), default=1)
            row.state = CommitmentState.NOT_TAKEN
            row.ask_again_at = utcnow() + _wait(times)
            for line in lines:
                line.error = error[:2000]

    def was_away(self, seconds: float) -> None:
        """The destination could not be reached for so long: such hours do not count."""
        longer = datetime.timedelta(seconds=seconds)
        begun = (*self._pending(), Delivery.commit_by.is_not(None))
        with self.database.begin() as session:
            lines = select(Delivery).where(*begun).order_by(Delivery.id).with_for_update()
            for line in session.scalars(lines):
                if line.commit_by is not None:
                    line.commit_by += longer

    def has_returned(self, seconds: float) -> None:
        """The destination was away, at the last for so long.

        What it was asked before, it may know no more.
        """
        self.was_away(seconds)
        with self.database.begin() as session:
            session.execute(
                update(Commitment)
                .where(self._mine, Commitment.state == CommitmentState.ASKED)
                .values(state=CommitmentState.UNANSWERED, ask_again_at=utcnow())
            )

    def _let_go(self, session: Session, now: datetime.datetime) -> None:
        """No answer is awaited any longer to requests whose time is over."""
        session.execute(
            update(Commitment)
            .where(self._mine, Commitment.state == CommitmentState.ASKED)
            .where(Commitment.ask_again_at <= now)
            .values(state=CommitmentState.UNANSWERED)
        )

    def _pending(self) -> tuple[ColumnElement[bool], ...]:
        """Lines that were sent and are not committed."""
        return (
            Delivery.destination == self.destination.name,
            Delivery.state == DeliveryState.SENT,
            Delivery.committed_at.is_(None),
        )

    def _to_ask(self, now: datetime.datetime) -> Select[Delivery]:
        """Lines that no request is open for, and that need not be sent again first."""
        return (
            select(Delivery)
            .where(*self._pending())
            .where(~_asked(Commitment.ask_again_at > now))
            .where(~_asked(CommitmentObject.failure.is_not(None)))
            .order_by(Delivery.sent_at, Delivery.id)
        )

    def _patience(self, times: int) -> datetime.timedelta:
        """How long an answer is waited for, the longer the more often none came."""
        first = self.section.answer_seconds
        longest = max(first, LONGEST_WAIT_SECONDS)
        return datetime.timedelta(seconds=backoff(first, times, longest))

    def _give_up(self, session: Session, line: Delivery) -> None:
        last = session.scalars(
            select(CommitmentObject)
            .join(Commitment)
            .where(CommitmentObject.delivery_id == line.id)
            .order_by(Commitment.asked_at.desc())
            .limit(1)
        ).first()
        hours = f"{self.destination.commitment_hours:g} h"
        if last is not None and last.failure is not None:
            error = f"not committed within {hours}: {reason_text(last.failure)}"
        else:
            error = f"not committed within {hours}: no answer" + (
                f" ({line.error})" if line.error else ""
            )
        fail(session, line.id, line.attempt, error, DeliveryState.SENT)


def take_answer(session: Session, destinations: Iterable[str], answer: Answer) -> bool:
    """Take what one of the destinations answered; the same answer again changes nothing.

    Returns
    -------
    bool
        False where none of the destinations was asked under this transaction.
    """
    row = session.get(
        Commitment, answer.transaction_uid, with_for_update=True, populate_existing=True
    )
    if row is None or row.destination not in destinations:
        return False
    now = utcnow()
    asked = session.scalars(
        select(CommitmentObject)
        .where(CommitmentObject.transaction_uid == row.transaction_uid)
        .order_by(CommitmentObject.delivery_id)
    ).all()
    lines = {line.id: line for line in _locked(session, row.transaction_uid)}
    times = 0
    for one in asked:
        line = lines[one.delivery_id]
        if line.sop_instance_uid in answer.committed:
            _commit(session, one, line, now)
        elif not one.committed:
            reason = answer.failed.get(line.sop_instance_uid)
            if reason is not None:
                _refuse(session, one, line, int(reason))
            times = max(times, _tried(session, line))
    if row.state != CommitmentState.ANSWERED:
        row.state, row.answered_at = CommitmentState.ANSWERED, now
        row.ask_again_at = now + _wait(times)
    return True


def _commit(
    session: Session, one: CommitmentObject, line: Delivery, now: datetime.datetime
) -> None:
    one.committed, one.failure = True, None
    # A line that failed under the attempt that was asked about was sent, and given up waiting.
    sent = line.state in (DeliveryState.SENT, DeliveryState.FAILED)
    if sent and line.attempt == one.attempt and line.committed_at is None:
        line.state, line.committed_at, line.error = DeliveryState.SENT, now, ""
        data = {"destination": line.destination, "object": line.sop_instance_uid}
        record(session, SYSTEM, EventKind.OBJECT_COMMITTED, study_of(session, line), data)


def _refuse(session: Session, one: CommitmentObject, line: Delivery, reason: int) -> None:
    if one.failure is None and line.attempt == one.attempt:
        line.error = f"not committed: {reason_text(reason)}"
        data = {
            "destination": line.destination,
            "object": line.sop_instance_uid,
            "reason": f"{reason:04X}H",
        }
        record(session, SYSTEM, EventKind.OBJECT_NOT_COMMITTED, study_of(session, line), data)
    one.committed, one.failure = False, reason


def _tried(session: Session, line: Delivery) -> int:
    """How often the line was asked about without success."""
    query = select(func.count()).where(
        CommitmentObject.delivery_id == line.id, CommitmentObject.committed.is_not(True)
    )
    return session.scalar(query) or 0


def _asked(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Is there a request about a line, as it was sent last, of which something holds?"""
    return exists().where(
        CommitmentObject.delivery_id == Delivery.id,
        CommitmentObject.attempt == Delivery.attempt,
        Commitment.transaction_uid == CommitmentObject.transaction_uid,
        condition,
    )


def _lines_of(transaction_uid: str) -> Select[str]:
    return select(CommitmentObject.delivery_id).where(
        CommitmentObject.transaction_uid == transaction_uid
    )


def _delivered(session: Session, transaction_uid: str) -> Sequence[Delivery]:
    query = select(Delivery).where(Delivery.id.in_(_lines_of(transaction_uid)))
    return session.scalars(query.order_by(Delivery.id)).all()


def _locked(session: Session, transaction_uid: str) -> Sequence[Delivery]:
    """The lines of a request, all locked before an event is recorded of any."""
    query = select(Delivery).where(Delivery.id.in_(_lines_of(transaction_uid)))
    locked = query.order_by(Delivery.id).with_for_update()
    return session.scalars(locked, execution_options={"populate_existing": True}).all()


def _references(session: Session, lines: Sequence[Delivery]) -> tuple[tuple[str, str], ...]:
    uids = [line.sop_instance_uid for line in lines]
    made = select(ReportObject).where(ReportObject.sop_instance_uid.in_(uids))
    return tuple(
        (one.sop_class_uid, one.sop_instance_uid)
        for one in session.scalars(made.order_by(ReportObject.sop_instance_uid))
    )


def _times(session: Session, lines: Sequence[Delivery], hours: float) -> Counter[str]:
    """How often each line was asked about since its hours began."""
    since = {
        line.id: line.commit_by - datetime.timedelta(hours=hours)
        for line in lines
        if line.commit_by is not None
    }
    query = (
        select(CommitmentObject.delivery_id, Commitment.asked_at)
        .join(Commitment)
        .where(CommitmentObject.delivery_id.in_(since))
    )
    slack = datetime.timedelta(minutes=5)
    return Counter(row for row, at in session.execute(query) if at >= since[row] - slack)


def _wait(times: int) -> datetime.timedelta:
    """How long after so many refusals it is tried again."""
    seconds = backoff(FIRST_WAIT_SECONDS, times - 1, LONGEST_WAIT_SECONDS, GROWTH)
    return datetime.timedelta(seconds=seconds)
