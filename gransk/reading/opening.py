"""From the worklist to the readers' lists: exams enter, the AI's opinion is sealed, they open.

A loop of the service calls `Opener.run_once` every few seconds. Each exam goes on in a
transaction of its own, and what is to be done is read from the tables each time: a crash
anywhere, or two processes at once, change nothing but the time.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Iterable

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from gransk.core.errors import GranskError
from gransk.reading.acts import humans
from gransk.reading.ai import opinion_of, refused
from gransk.reading.book import Book
from gransk.reading.checking import two_people
from gransk.reading.entering import OUTSIDE_SECONDS, Place, Site, new_rows
from gransk.reading.entries import (
    Alert,
    AlertCode,
    Arrival,
    Entry,
    Images,
    Kind,
    Nothing,
    Sealed,
)
from gransk.reading.exam import Exam, State
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.ledger import arrive, settle, write
from gransk.reading.opinions import AiOpinion, seal
from gransk.reading.pausing import give_back, to_return
from gransk.reading.plan import Plan
from gransk.reading.refusals import LedgerError, Refusal
from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM

STUDY_GONE = "study_gone"
"""Reason of a withdrawal where the archive no longer holds the study."""

IMAGES = case((Workitem.read_as != "", Workitem.read_as), else_=Workitem.fingerprint)
"""What the images of a row are known by here: a corrected identity makes no other images."""

log = logging.getLogger(__name__)


class Opener:
    """Brings exams from the worklist to the readers.

    Parameters
    ----------
    database : Database
    blobs : BlobStore
    site : Site
    """

    def __init__(self, database: Database, blobs: BlobStore, site: Site) -> None:
        self.database = database
        self.blobs = blobs
        self.site = site
        self._outside: dict[tuple[str, int], float] = {}

    def run_once(self, now: datetime.datetime | None = None) -> int:
        """Do what is to be done now; returns how many exams went on.

        Parameters
        ----------
        now : datetime, optional
            This instant where absent.
        """
        at = now or utcnow()
        steps: tuple[tuple[Callable[[Session, datetime.datetime], Iterable[str]], _Step], ...] = (
            (self._arriving, self._enter),
            (self._gone, self._withdraw),
            (self._back, self._return),
            (self._changed, self._change),
            (self._sealable, self._seal),
            (self._due, self._open),
            (self._late, self._keep_late),
            (to_return, give_back),
            (self._lacking, self._fill),
        )
        return sum(self._each(find, do, at) for find, do in steps)

    def alert(self, now: datetime.datetime | None = None) -> int:
        """Tell where images of decided exams changed; returns how many. Now and then is enough."""
        return self._each(self._changed_after, self._alert, now or utcnow())

    def _each(
        self,
        find: Callable[[Session, datetime.datetime], Iterable[str]],
        do: _Step,
        at: datetime.datetime,
    ) -> int:
        with self.database.read() as session:
            keys = list(find(session, at))
        done = 0
        for key in keys:
            try:
                with self.database.begin() as session:
                    done += do(session, key, at)
            except (GranskError, ValidationError, OSError) as error:
                # One exam must not hold up the others; the board shows that it stands still.
                log.error("exam %s stands still: %s", key, _named(error))
        return done

    # Entering and leaving

    def _arriving(self, session: Session, at: datetime.datetime) -> list[str]:
        rows = new_rows(session, self.site, at)
        found = [item for item in rows if not self._known_outside(item)]
        return [item.study_key for item in found]

    def _known_outside(self, item: Workitem) -> bool:
        asked = self._outside.get((item.id, item.generation))
        return asked is not None and time.monotonic() - asked < OUTSIDE_SECONDS

    def _enter(self, session: Session, key: str, at: datetime.datetime) -> bool:
        item = self._item(session, key)
        if item is None or session.get(ExamRow, key) is not None:
            return False
        place = self.site.place(session, item)
        if place is None:
            self._outside[item.id, item.generation] = time.monotonic()
            return False
        arrive(session, key, _arrival(item, place), at)
        return True

    def _gone(self, session: Session, at: datetime.datetime) -> list[str]:
        return self._joined(
            session,
            Workitem.state == WorkState.WITHDRAWN,
            ExamRow.state.not_in((State.DECIDED, State.WITHDRAWN)),
        )

    def _withdraw(self, session: Session, key: str, at: datetime.datetime) -> bool:
        entry = Entry(Kind.WITHDRAWN, Nothing(), at, reason=STUDY_GONE)
        return _wrote(session, key, lambda book: book.add(entry))

    def _back(self, session: Session, at: datetime.datetime) -> list[str]:
        """Withdrawn because the study was gone, and not by a person."""
        last = and_(
            EntryRow.study_key == ExamRow.study_key,
            EntryRow.place == ExamRow.entries,
            EntryRow.actor == SYSTEM,
        )
        query = (
            _joined()
            .join(EntryRow, last)
            .where(ExamRow.state == State.WITHDRAWN, Workitem.state != WorkState.WITHDRAWN)
        )
        return list(session.scalars(query))

    def _return(self, session: Session, key: str, at: datetime.datetime) -> bool:
        item = self._item(session, key)
        place = None if item is None else self.site.place(session, item)
        if item is None or place is None:
            return False
        entry = Entry(Kind.ARRIVED, _arrival(item, place), at)
        return _wrote(session, key, lambda book: book.add(entry))

    # Other images

    def _changed(self, session: Session, at: datetime.datetime) -> list[str]:
        return self._joined(
            session,
            ExamRow.images != IMAGES,
            Workitem.state != WorkState.WITHDRAWN,
            ExamRow.state.not_in((State.DECIDED, State.WITHDRAWN)),
        )

    def _change(self, session: Session, key: str, at: datetime.datetime) -> bool:
        item = self._item(session, key)
        if item is None:
            return False
        place = self.site.place(session, item)
        waiting = datetime.timedelta() if place is None else place.waiting
        images = Images(
            images=item.images_key,
            images_at=item.images_at,
            opens_at=item.images_at + waiting,
        )
        return _wrote(session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, images, at)))

    def _changed_after(self, session: Session, at: datetime.datetime) -> list[str]:
        return self._joined(
            session,
            ExamRow.images != IMAGES,
            Workitem.state != WorkState.WITHDRAWN,
            ExamRow.state == State.DECIDED,
        )

    def _alert(self, session: Session, key: str, at: datetime.datetime) -> bool:
        item = self._item(session, key)
        if item is None:
            return False
        alert = Alert(code=AlertCode.IMAGES_CHANGED, images=item.images_key)
        return _wrote(session, key, lambda book: book.add(Entry(Kind.ALERT, alert, at)))

    # The AI's opinion

    def _sealable(self, session: Session, at: datetime.datetime) -> list[str]:
        """Exams that wait, whose analysis has ended on the present images."""
        unsealed = or_(
            ExamRow.sealed_as.is_(None),
            and_(Workitem.state == WorkState.READY, ExamRow.sealed_as != Workitem.analysis_key),
        )
        ended = (WorkState.READY, WorkState.NOT_ANALYSED, WorkState.FAILED)
        return self._joined(
            session, ExamRow.state == State.WAITING, Workitem.state.in_(ended), unsealed
        )

    def _seal(self, session: Session, key: str, at: datetime.datetime) -> bool:
        opinion = self._opinion(session, key, at)
        if opinion is None:
            return False
        return _wrote(session, key, lambda book: book.add(_sealed(Kind.AI_SEALED, opinion, at)))

    def _late(self, session: Session, at: datetime.datetime) -> list[str]:
        """Open or ended exams whose analysis was ready too late."""
        return self._joined(
            session,
            ExamRow.state.not_in((State.WAITING, State.WITHDRAWN)),
            Workitem.state == WorkState.READY,
            or_(ExamRow.sealed_as.is_(None), ExamRow.sealed_as != Workitem.analysis_key),
            ExamRow.images == IMAGES,
        )

    def _keep_late(self, session: Session, key: str, at: datetime.datetime) -> bool:
        opinion = self._opinion(session, key, at)
        if opinion is None or not opinion.analysis_key:
            return False
        return _wrote(session, key, lambda book: book.add(_sealed(Kind.LATE_AI, opinion, at)))

    def _opinion(self, session: Session, key: str, at: datetime.datetime) -> AiOpinion | None:
        """What the analysis of the present images says; None while it goes on."""
        item = self._item(session, key)
        if item is None or item.images_key != session.get_one(ExamRow, key).images:
            return None
        if item.state in (WorkState.NOT_ANALYSED, WorkState.FAILED):
            return refused(item.application, item.reason or "", at)
        if item.state != WorkState.READY or item.analysis_key is None or item.report_key is None:
            return None
        findings = read_findings(session, self.blobs, item.analysis_key)
        said = self.site.says(session, key, findings)
        return opinion_of(findings, item.report_key, item.analysis_key, said, at)

    # Opening

    def _due(self, session: Session, at: datetime.datetime) -> list[str]:
        query = (
            select(ExamRow.study_key)
            .where(ExamRow.state == State.WAITING, ExamRow.opens_at <= at)
            .order_by(ExamRow.opens_at, ExamRow.study_key)
        )
        return list(session.scalars(query))

    def _open(self, session: Session, key: str, at: datetime.datetime) -> bool:
        def make(book: Book) -> None:
            exam = book.exam
            if exam is None or exam.state is not State.WAITING or exam.opens_at > at:
                return
            exam = self._resealed(session, key, book, exam, at)
            book.open(self._plan(session, key, exam, at), at)

        return _wrote(session, key, make)

    def _resealed(
        self, session: Session, key: str, book: Book, exam: Exam, at: datetime.datetime
    ) -> Exam:
        """Seal the opinion anew where another policy or version covers the exam by now."""
        if exam.ai is None or not exam.ai.opinion.analysis_key:
            return exam
        try:
            now = self._opinion(session, key, at)
        except (GranskError, ValidationError, OSError) as error:
            log.error("opinion of exam %s stays as it is: %s", key, _named(error))
            return exam
        if now is None or _by_policy(now) == _by_policy(exam.ai.opinion):
            return exam
        return book.add(_sealed(Kind.AI_SEALED, now, at))

    def _plan(self, session: Session, key: str, exam: Exam, at: datetime.datetime) -> Plan:
        """The policies' plan; where they fail, two people read, so that no woman waits for it."""
        try:
            plan = self.site.plan(session, key, exam, at)
        except (GranskError, ValidationError) as error:
            log.error("no plan for exam %s, two people read: %s", key, _named(error))
            return humans(None)
        return humans(plan) if exam.returned and not two_people(plan) else plan

    def _lacking(self, session: Session, at: datetime.datetime) -> list[str]:
        return list(session.scalars(select(ExamRow.study_key).where(ExamRow.missing != "")))

    def _fill(self, session: Session, key: str, at: datetime.datetime) -> bool:
        before = session.get_one(ExamRow, key).entries
        return settle(session, key, at).entries > before

    def _item(self, session: Session, key: str) -> Workitem | None:
        row = session.get(ExamRow, key)
        wanted = self.site.applications if row is None else (row.application,)
        query = select(Workitem).where(Workitem.study_key == key, Workitem.application.in_(wanted))
        return session.scalars(query.order_by(Workitem.application)).first()

    def _joined(self, session: Session, *conditions: ColumnElement[bool]) -> list[str]:
        return list(session.scalars(_joined().where(*conditions)))


_Step = Callable[[Session, str, datetime.datetime], bool]


def _joined() -> Select[str]:
    """Study keys of exams with their rows of the worklist."""
    return (
        select(ExamRow.study_key)
        .join(
            Workitem,
            and_(
                Workitem.study_key == ExamRow.study_key,
                Workitem.application == ExamRow.application,
            ),
        )
        .order_by(ExamRow.arrived_at)
    )


def _arrival(item: Workitem, place: Place) -> Arrival:
    return Arrival(
        unit=place.unit,
        application=item.application,
        images=item.images_key,
        images_at=item.images_at,
        opens_at=item.images_at + place.waiting,
    )


def _sealed(kind: Kind, opinion: AiOpinion, at: datetime.datetime) -> Entry:
    return Entry(kind, Sealed(opinion=opinion, seal=seal(opinion)), at)


def _by_policy(opinion: AiOpinion) -> tuple[object, ...]:
    return (opinion.said, opinion.policy, opinion.policy_version, opinion.analysis_key)


def _wrote(session: Session, key: str, make: Callable[[Book], object]) -> bool:
    """Add entries; another process may have been first, and then nothing is to be done."""
    before = session.get_one(ExamRow, key).entries

    def add(book: Book) -> None:
        make(book)

    try:
        return write(session, key, add).entries > before
    except LedgerError as error:
        if error.code in (Refusal.WRONG_STATE, Refusal.TOO_EARLY):
            return False
        raise


def _named(error: Exception) -> str:
    return str(error) if isinstance(error, LedgerError) else type(error).__name__
