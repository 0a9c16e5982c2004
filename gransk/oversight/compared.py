"""Comparisons as the tables have them: which there are, how far they are, and what they say.

What a person may not see of a study is neither counted nor listed.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, not_, select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.exam_facts import Fact
from gransk.core.keys import digest
from gransk.oversight.comparing import Case, Comparison, Study, compare, compare_study
from gransk.reading.groups import LEAST_SHOWN, UNKNOWN
from gransk.reading.outcome_store import outcomes_of
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.registry.beside import OPEN
from gransk.registry.beside_tables import BesideAsk, BesideRun, RunState
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.exam_facts import rows as known_rows
from gransk.results.exam_facts import standing_of
from gransk.results.store import read_findings

Hides = Callable[[SQLColumnExpression[str]], ColumnElement[bool]]
KEPT = 20_000
"""Studies whose comparison is remembered: sealed analyses never change."""
FOLLOW_UP_MONTHS = 24.0
"""How long no cancer must have shown for there to be none, where a page compares."""
TOGETHER = 400
GROUPS = {"equipment": Fact.EQUIPMENT, "unit": Fact.UNIT}


@dataclass(frozen=True)
class Listed:
    """One comparison, as far as a person may know of it.

    Parameters
    ----------
    name : str
    application : str
    settings : mapping
    settings_digest : str
    ask : BesideAsk, optional
        Who asked for it; None: a shadow of the configuration.
    states : mapping of RunState to int
    since : datetime
    """

    name: str
    application: str
    settings: Mapping[str, Any]
    settings_digest: str
    ask: BesideAsk | None
    states: Mapping[RunState, int]
    since: datetime.datetime

    @property
    def open(self) -> int:
        return sum(self.states.get(state, 0) for state in OPEN)

    @property
    def ready(self) -> int:
        return self.states.get(RunState.READY, 0)


class Summaries:
    """What two sealed analyses say of a study, remembered."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: OrderedDict[tuple[str, str], Study | None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, session: Session, active: str, own: str) -> Study | None:
        """None where either's findings cannot be read."""
        key = (active, own)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        try:
            found = compare_study(*(read_findings(session, self._blobs, one) for one in key))
        except (BlobError, KeyError, ValueError):
            found = None
        with self._lock:
            self._known[key] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found


def listed(session: Session, hides: Hides, name: str = "") -> list[Listed]:
    """Every comparison, the newest first; those of one name where it is given."""
    query = select(BesideRun.name, BesideRun.settings_digest, BesideRun.state, func.count()).where(
        not_(hides(BesideRun.study_key))
    )
    counted: dict[tuple[str, str], dict[RunState, int]] = {}
    for one, settings_digest, state, count in session.execute(
        query.group_by(BesideRun.name, BesideRun.settings_digest, BesideRun.state)
    ):
        counted.setdefault((one, settings_digest), {})[RunState(state)] = count
    first = select(
        BesideRun.name,
        BesideRun.settings_digest,
        func.min(BesideRun.id),
        func.min(BesideRun.created_at),
    ).group_by(BesideRun.name, BesideRun.settings_digest)
    if name:
        first = first.where(BesideRun.name == name)
    found = []
    for one, settings_digest, ident, since in session.execute(first):
        row = session.get_one(BesideRun, ident)
        ask = None if row.ask is None else session.get_one(BesideAsk, row.ask)
        states = counted.get((one, settings_digest), {})
        found.append(
            Listed(one, row.application, row.settings, settings_digest, ask, states, since)
        )
    return sorted(found, key=lambda one: (one.since, one.name), reverse=True)


def compared(
    session: Session,
    summaries: Summaries,
    of: Listed,
    hides: Hides,
    follow_up_months: float,
    least: int = LEAST_SHOWN,
) -> Comparison:
    """What a comparison says of the studies that a person may see.

    Parameters
    ----------
    session : Session
    summaries : Summaries
    of : Listed
    hides : callable
    follow_up_months : float
        How long no cancer must have shown for there to be none.
    least : int, optional
        Smaller groups are not shown.
    """
    query = (
        select(BesideRun, SeenStudy)
        .join(SeenStudy, SeenStudy.key == BesideRun.study_key)
        .where(BesideRun.name == of.name, BesideRun.settings_digest == of.settings_digest)
        .where(BesideRun.state == RunState.READY, BesideRun.own_analysis.is_not(None))
        .where(not_(hides(BesideRun.study_key)))
        .order_by(BesideRun.study_key)
    )
    pairs = [(row, seen) for row, seen in session.execute(query)]
    known = _known(session, [seen.key for _, seen in pairs])
    outcomes = _outcomes(session, [seen for _, seen in pairs])
    cases = []
    for row, seen in pairs:
        study = summaries(session, row.active_analysis, str(row.own_analysis))
        if study is None:
            continue
        outcome = outcomes.get(seen.key)
        truth = outcome is not None and outcome.known(follow_up_months)
        cases.append(
            Case(
                key=seen.key,
                person=digest([seen.patient_id, seen.issuer_of_patient_id])[:16],
                study=study,
                groups=known.get(seen.key, ()),
                disease=outcome.cancer if outcome is not None and truth else None,
            )
        )
    return compare(tuple(cases), least)


def reasons(session: Session, of: Listed, hides: Hides) -> list[tuple[RunState, str, int]]:
    """Why studies of a comparison are not analysed, and how many."""
    query = (
        select(BesideRun.state, BesideRun.reason, func.count())
        .where(BesideRun.name == of.name, BesideRun.settings_digest == of.settings_digest)
        .where(BesideRun.reason.is_not(None), not_(hides(BesideRun.study_key)))
        .group_by(BesideRun.state, BesideRun.reason)
        .order_by(BesideRun.state, BesideRun.reason)
    )
    return [(RunState(state), str(reason), n) for state, reason, n in session.execute(query)]


def evidence(of: Listed, found: Comparison, at: datetime.datetime) -> dict[str, Any]:
    """A comparison as figures that may be kept with a step of a model: no study is named."""
    content = asdict(found)
    del content["differing"]
    head = {
        "comparison": of.name,
        "application": of.application,
        "settings": dict(of.settings),
        "settings_digest": of.settings_digest,
        "counted_at": at.isoformat(timespec="seconds"),
        "states": {state.value: count for state, count in sorted(of.states.items())},
    }
    body = {**head, **content}
    return {**body, "digest": digest(body)}


def _known(session: Session, keys: Sequence[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Groups of each study."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for some in _chunks(keys):
        rows = known_rows(session, some)
        for key in some:
            standing = standing_of(rows.get(key))
            told = ((kind, standing.get(fact)) for kind, fact in GROUPS.items())
            found[key] = tuple((kind, one.value if one else UNKNOWN) for kind, one in told)
    return found


def _outcomes(session: Session, studies: Collection[SeenStudy]) -> dict[str, Outcome]:
    """What became of the patients of studies; the study's own name counts before its accession."""
    names = [(STUDY, one.study_instance_uid) for one in studies]
    names += [(ACCESSION, one.accession_number) for one in studies if one.accession_number]
    said = outcomes_of(session, names)
    found = {}
    for one in studies:
        outcome = said.get((STUDY, one.study_instance_uid)) or said.get(
            (ACCESSION, one.accession_number)
        )
        if outcome is not None:
            found[one.key] = outcome
    return found


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[n : n + TOGETHER] for n in range(0, len(keys), TOGETHER))
