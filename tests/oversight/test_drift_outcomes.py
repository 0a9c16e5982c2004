"""Outcomes against scores, quarter by quarter: what alarms, and what does not."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from drift_site import START, add, key
from sqlalchemy import select

from gransk.core.screening import Verdict
from gransk.oversight.alarm_tables import AlarmKind
from gransk.oversight.alarms import open_alarms
from gransk.oversight.drift import outcomes
from gransk.oversight.drift.looking import DriftWatcher
from gransk.oversight.drift.tables import DriftChart
from gransk.oversight.drift.watching import Raised
from gransk.reading.outcomes import Outcome
from gransk.reading.past import PastAi, PastExam, PastRead
from gransk.reading.past_keeping import Closed
from gransk.site.config_monitoring import DriftSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

SECTION = DriftSection()
FIRST = datetime.date(2022, 1, 3)
A_DAY = 20
RISK = 0.01


def exam(
    number: int, day: datetime.date, ill: bool, high: bool, recalled: bool, known: bool = True
) -> PastExam:
    said = Verdict.RECALL if recalled else Verdict.NORMAL
    free = Outcome(cancer=False, follow_up_months=24) if known else None
    return PastExam(
        exam=key(number), woman=key(number), date=day, unit="north",
        reads=(PastRead(reader="one", verdict=said), PastRead(reader="two", verdict=said)),
        ai=PastAi(score=9 if high else 2, high=high, model="mammo 1"),
        decision=said, outcome=Outcome(cancer=True) if ill else free,
    )  # fmt: skip


def programme(
    days: int, seed: int = 1, *, changed: int = 10**6, risk: float = RISK, flagged: float = 0.1
) -> list[PastExam]:
    """Exams of so many days; from a day on with another risk and share flagged."""
    rng = np.random.default_rng(seed)
    found: list[PastExam] = []
    for day in range(days):
        now, high = (risk, flagged) if day >= changed else (RISK, 0.1)
        for _ in range(A_DAY):
            ill = bool(rng.random() < now)
            told = bool(rng.random() < (0.8 if ill else high))
            date = FIRST + datetime.timedelta(days=day)
            found.append(exam(len(found), date, ill, told, bool(rng.random() < 0.03)))
    return found


def scores(exams: Sequence[PastExam]) -> Mapping[str, float]:
    return {one.exam: RISK for one in exams}


def alarmed(exams: Sequence[PastExam], today: datetime.date) -> dict[str, Raised]:
    found = outcomes.outcomes(exams, scores(exams), SECTION, today)
    return {str(one.figures["fact"]): one for one in outcomes.raised(found, SECTION)}


LATE = FIRST + datetime.timedelta(days=365 + 800)


def test_a_year_as_it_was_said_alarms_nothing() -> None:
    (found,) = outcomes.outcomes(exams := programme(365), scores(exams), SECTION, LATE)
    assert outcomes.raised([found], SECTION) == []
    cancers = [row for row in found.rows if row.fact == "cancers"]
    assert [row.quarter.month for row in cancers[:4]] == [1, 4, 7, 10]
    first = cancers[0]
    ill = [one for one in exams if one.date.month <= 3 and one.date.year == 2022 and one.cancer]
    assert (first.hits, first.cases) == (len(ill), A_DAY * 88)
    assert first.expected == pytest.approx(A_DAY * 88 * RISK)
    assert first.figure.value == pytest.approx(len(ill) / (A_DAY * 88 * RISK))
    assert set(first.studies) == {one.exam for one in ill}


def test_more_cancers_than_scores_said_alarm_with_their_exams() -> None:
    exams = programme(363, changed=271, risk=3 * RISK)
    told = alarmed(exams, LATE)["cancers"]
    assert told.kind is AlarmKind.CALIBRATION
    assert told.since == datetime.datetime(2022, 10, 1, tzinfo=datetime.UTC)
    assert told.figures["value"] == pytest.approx(3, abs=0.8)
    assert told.figures["low"] > 1
    ill = {one.exam for one in exams if one.cancer and one.date >= datetime.date(2022, 10, 1)}
    assert set(told.studies) == ill


def test_another_share_that_is_flagged_alarms_once_its_quarter_is_over() -> None:
    exams = programme(363, changed=271, flagged=0.2)
    assert "flagged" not in alarmed(exams, datetime.date(2022, 12, 31))
    told = alarmed(exams, datetime.date(2023, 1, 1))["flagged"]
    assert told.kind is AlarmKind.OPERATING_POINT
    assert told.figures["value"] > 1.5 * told.figures["reference"]


def test_exams_whose_follow_up_runs_are_not_held_against_their_scores() -> None:
    """Of these only who has cancer is known: all would be ill, and all of them flagged."""
    exams = [
        one if one.cancer else one.model_copy(update={"outcome": None}) for one in programme(363)
    ]
    today = datetime.date(2023, 1, 15)
    assert not {"cancers", "sensitivity"} & set(alarmed(exams, today))
    (found,) = outcomes.outcomes(exams, scores(exams), SECTION, today)
    assert not {"cancers", "sensitivity"} & {row.fact for row in found.rows}


def test_where_only_cancers_are_told_none_is_held_against_scores() -> None:
    exams = [
        one if one.cancer else one.model_copy(update={"outcome": None}) for one in programme(363)
    ]
    (found,) = outcomes.outcomes(exams, scores(exams), SECTION, LATE)
    assert {row.fact for row in found.rows} == {"flagged", "sensitivity", "recalled"}


def test_the_watcher_raises_what_outcomes_tell(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/drift.db")
    upgrade(database)
    exams = programme(363, changed=271, risk=4 * RISK)
    with database.begin() as session:
        add(
            session, range(len(exams)), [{"probability": RISK} for _ in exams],
            application="mammo", counted_at=START,
        )  # fmt: skip
    closed = [Closed(one, "a") for one in exams]
    watcher = DriftWatcher(
        database, SECTION, datetime.UTC, lambda _: frozenset(), lambda *_: closed
    )
    assert utcnow().date() >= LATE
    watcher.run_once()
    with database.read() as session:
        alarms = {(one.kind, one.figures["fact"]) for one in open_alarms(session)}
        (row,) = session.scalars(select(DriftChart).where(DriftChart.application == "outcomes"))
        assert (AlarmKind.CALIBRATION, "cancers") in alarms
        assert row.content["rows"][-1]["whole"] is True
    database.close()
