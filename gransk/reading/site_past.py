"""A site's own past: every exam that has ended, as one person may see it.

Folding an exam's ledger costs, so each is kept folded in memory until another entry is written;
what others said of it (facts, programme, outcome) is looked up anew where any of it changed.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.core.exam_facts import FLAGS, Fact, Round
from gransk.core.findings import ModelIdentity
from gransk.core.programme import Programme
from gransk.reading import rooms
from gransk.reading.entries import Entry, TaskKind
from gransk.reading.exam import Exam, State
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.knowing import known_by
from gransk.reading.machine import fold
from gransk.reading.model_name import model_name
from gransk.reading.outcome_store import outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.reading.past import Density, PastExam
from gransk.reading.past_ledger import CLOSED, Beside, density_of, opinion_of, past_exam
from gransk.reading.planning import Known, resolved
from gransk.reading.policy import Room
from gransk.reading.policy_tables import OutcomeStatement, RoomApproval
from gransk.reading.readers import standing
from gransk.reading.sight import Sight, held_from, sight
from gransk.results.exam_facts import rows, standing_of
from gransk.results.store import BlobError, BlobStore, read_findings
from gransk.results.tables import ExamFact, ExamProgramme, ProgrammeStatement, Workitem
from gransk.site.database import utcnow

TOGETHER = 400
"""Exams that are asked for at once; SQLite takes so many values in one question."""


class Whose(NamedTuple):
    """Who and when an exam is of, as the archive knows it.

    Parameters
    ----------
    woman : str
        Pseudonymous key.
    date : date, optional
    accession_number, study_instance_uid : str
        By which outcomes find it; an accession number that several patients' exams bear is left
        empty.
    """

    woman: str
    date: datetime.date | None
    accession_number: str
    study_instance_uid: str


NOBODY = Whose("", None, "", "")
Owners = Callable[[Session, Collection[str]], Mapping[str, Whose]]


@dataclass(frozen=True)
class Closed:
    """An exam that has ended.

    Parameters
    ----------
    past : PastExam
    analysis_key : str
        Of the AI's opinion that is counted; empty where there is none.
    guarded : Exam, optional
        The exam itself where what a person may see of it depends on the person.
    asks : frozenset of str
        Of which persons; empty: of everybody.
    """

    past: PastExam
    analysis_key: str
    guarded: Exam | None = None
    asks: frozenset[str] = frozenset()

    def open_to(self, account: str) -> bool:
        """May the person see everything of it, without anything else being asked?"""
        return self.guarded is None or (bool(self.asks) and account not in self.asks)


class SitePast:
    """The site's past, asked for by one person at a time.

    Parameters
    ----------
    owners : callable
        Whose exams are, by their study keys.
    blobs : BlobStore
        With the findings, for density and models.
    zone : tzinfo, optional
        The site's; None: the machine's own.
    """

    def __init__(
        self, owners: Owners, blobs: BlobStore, zone: datetime.tzinfo | None = None
    ) -> None:
        self._owners = owners
        self._blobs = blobs
        self._zone = zone
        self._lock = threading.Lock()
        self._folded: dict[str, tuple[int, Exam]] = {}
        self._densities: dict[str, Density | None] = {}
        self._kept: tuple[object, list[Closed]] = (None, [])

    def __call__(
        self, session: Session, account: str, oversees: bool, today: datetime.date
    ) -> list[Closed]:
        """Exams that have ended and of which the person may see everything.

        Parameters
        ----------
        session : Session
        account : str
        oversees : bool
            Whether the person's roles let them see undecided exams.
        today : date
            By the policies of which it is told whether two people would read an exam anyway.
        """
        with self._lock:
            every = self._all(session, today)
        units = {one.guarded.unit for one in every if one.guarded is not None}
        asks = {unit: standing(session, unit, account, oversees) for unit in units}
        now = utcnow()

        def seen(one: Closed) -> bool:
            exam = one.guarded
            return exam is None or sight(exam, asks[exam.unit], now) is Sight.ALL

        return [one for one in every if one.open_to(account) or seen(one)]

    def models(self, session: Session, closed: Sequence[Closed]) -> tuple[ModelIdentity, ...]:
        """The models that gave exams their scores, as a validation is signed for them.

        Parameters
        ----------
        session : Session
        closed : sequence of Closed
            Exams of one model name, in order; the findings of the latest that can be read tell.

        Returns
        -------
        tuple of ModelIdentity
            Empty where no findings can be read that are of that name.
        """
        for one in reversed(closed):
            try:
                found = read_findings(session, self._blobs, one.analysis_key)
            except (BlobError, KeyError, ValueError):
                # `gransk doctor` names what cannot be read; another exam's may be.
                continue
            digests = {model.id: model.sha256 for model in found.models}
            name = model_name(found.application, found.application_version, digests)
            if one.past.ai is not None and name == one.past.ai.model:
                return found.models
        return ()

    def with_density(self, session: Session, closed: Iterable[Closed]) -> list[PastExam]:
        """The exams with the density that their findings name; those are read once."""
        return [
            one.past.model_copy(update={"density": self._density(session, one.analysis_key)})
            for one in closed
        ]

    def _density(self, session: Session, analysis_key: str) -> Density | None:
        if not analysis_key:
            return None
        if analysis_key not in self._densities:
            try:
                found = density_of(read_findings(session, self._blobs, analysis_key))
            except (BlobError, KeyError, ValueError):
                # Findings that cannot be read tell no density; `gransk doctor` names them.
                found = None
            self._densities[analysis_key] = found
        return self._densities[analysis_key]

    def _all(self, session: Session, today: datetime.date) -> list[Closed]:
        room = rooms.in_force(session, today)
        mark = (*_last_words(session), 0 if room is None else room.version)
        if mark == self._kept[0]:
            return self._kept[1]
        ended = select(ExamRow.study_key, ExamRow.entries).where(
            ExamRow.state.in_([state.value for state in CLOSED])
        )
        counts = {key: count for key, count in session.execute(ended)}
        self._fold(session, counts)
        exams = {key: self._folded[key][1] for key in counts}
        beside = _beside(session, exams, self._owners, room)
        closed = [_closed(key, exams[key], beside[key], self._zone) for key in exams]
        self._kept = (mark, sorted(closed, key=lambda one: (one.past.date, one.past.exam)))
        return self._kept[1]

    def _fold(self, session: Session, counts: Mapping[str, int]) -> None:
        new = [key for key, count in counts.items() if self._folded.get(key, (0,))[0] != count]
        for some in _chunks(new):
            entries: dict[str, list[Entry]] = {}
            query = select(EntryRow).where(EntryRow.study_key.in_(some))
            for row in session.scalars(query.order_by(EntryRow.study_key, EntryRow.place)):
                entry = Entry.read(row.kind, row.content, row.at, row.actor, row.role, row.reason)
                entries.setdefault(row.study_key, []).append(entry)
                session.expunge(row)
            for key, found in entries.items():
                self._folded[key] = (len(found), fold(found))
        self._folded = {key: self._folded[key] for key in counts}


def _last_words(session: Session) -> tuple[int | None, ...]:
    """Numbers of the last entry and statements: where none is new, the past is the same."""
    columns = (
        EntryRow.number, ExamFact.number, ProgrammeStatement.number, OutcomeStatement.number,
        RoomApproval.number,
    )  # fmt: skip
    return tuple(session.scalar(select(func.max(column))) for column in columns)


def _closed(key: str, exam: Exam, beside: Beside, zone: datetime.tzinfo | None) -> Closed:
    found = opinion_of(exam)
    # Nobody reads it any more: from whom it is held now, it is later from nobody else.
    held = held_from(exam, utcnow())
    of_some = exam.state is State.DECIDED and not exam.open_tasks(TaskKind.TRAINEE)
    return Closed(
        past_exam(key, exam, beside, zone),
        "" if found is None else found[0].analysis_key,
        None if of_some and not held else exam,
        held if of_some else frozenset(),
    )


def _beside(
    session: Session, exams: Mapping[str, Exam], owners: Owners, room: Room | None
) -> dict[str, Beside]:
    found: dict[str, Beside] = {}
    for some in _chunks(list(exams)):
        whose = owners(session, some)
        programmes = {
            row.study_key: row
            for row in session.scalars(
                select(ExamProgramme).where(ExamProgramme.study_key.in_(some))
            )
        }
        facts = rows(session, some)
        incomplete = _incomplete(session, some, exams)
        outcomes = _outcomes(session, {key: whose.get(key, NOBODY) for key in some})
        for key in some:
            standing = standing_of(facts.get(key))
            known = known_by(programmes.get(key), standing, incomplete=key in incomplete)
            owner, equipment = whose.get(key, NOBODY), standing.get(Fact.EQUIPMENT)
            found[key] = Beside(
                woman=owner.woman,
                date=owner.date,
                known=known,
                humans_only=_humans_only(room, known),
                equipment=equipment.value if equipment else "",
                outcome=outcomes.get(key),
            )
    return _with_previous(found)


def _incomplete(session: Session, keys: Sequence[str], exams: Mapping[str, Exam]) -> set[str]:
    query = select(Workitem.study_key, Workitem.application).where(
        Workitem.study_key.in_(keys), Workitem.incomplete
    )
    return {key for key, name in session.execute(query) if exams[key].application == name}


def _outcomes(session: Session, whose: Mapping[str, Whose]) -> dict[str, Outcome]:
    """What became of each exam: by its study where that was said, else by its accession number."""
    names = {
        key: ((STUDY, one.study_instance_uid), (ACCESSION, one.accession_number))
        for key, one in whose.items()
    }
    asked = {name for pair in names.values() for name in pair if name[1]}
    said = outcomes_of(session, asked)
    found = {key: next((said[n] for n in pair if n in said), None) for key, pair in names.items()}
    return {key: outcome for key, outcome in found.items() if outcome is not None}


def _humans_only(room: Room | None, known: Known) -> bool:
    """Would two people read it under every policy, for what is known of the woman and images?"""
    if known.incomplete or room is None:
        return known.incomplete
    return any(resolved(room, known, fact) is not False for fact in FLAGS)


def _with_previous(beside: dict[str, Beside]) -> dict[str, Beside]:
    """With the date of each woman's screening before, as far as the ledger has it."""
    days: dict[str, list[datetime.date]] = {}
    for one in beside.values():
        if one.woman and one.date and one.known.programme is Programme.SCREENING:
            days.setdefault(one.woman, []).append(one.date)
    found = {}
    for key, one in beside.items():
        date = one.date
        earlier = [] if date is None else [day for day in days.get(one.woman, ()) if day < date]
        known = bool(earlier) and one.known.round is not Round.FIRST
        found[key] = replace(one, previous_on=max(earlier)) if known else one
    return found


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[n : n + TOGETHER] for n in range(0, len(keys), TOGETHER))
