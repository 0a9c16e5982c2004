"""The simulated programme: nothing is lost, and policies order as they must."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from bench.programme import __main__ as command
from bench.programme import reader_study, sources, women
from bench.programme.figures import changes, figures
from bench.programme.past import would_be
from bench.programme.policies import ALL, AT_SPECIFICITY
from bench.programme.running import NAMES, RADIOLOGIST, START, UNIT, run, unit
from bench.reading.reader_study import FILE, read
from gransk.reading.ledger import arrive, exam_of, write, wrong_rows
from gransk.reading.readers import Listing, list_reader
from gransk.site import people
from gransk.site.database import Database
from gransk.site.migrate import upgrade
from gransk.site.tables import Role

WOMEN, SEED = 800, 5


@pytest.fixture(scope="module")
def programme():
    return women.programme(WOMEN, SEED)


@pytest.fixture(scope="module")
def runs(programme):
    return {simulated.name: run(programme, simulated) for simulated in ALL}


@pytest.fixture(scope="module")
def double(runs):
    return runs["double reading"]


def by(runs, kind, follow=False):
    return next(
        one
        for one in runs.values()
        if one.simulated.policy.name == kind and one.simulated.follow is follow
    )


def test_every_kind_of_policy_is_read_and_no_exam_is_lost(runs):
    assert {one.simulated.policy.kind for one in runs.values()} == {
        "double_reading", "replace_reader", "triage", "safety_net", "decision_support", "shadow",
    }  # fmt: skip
    for one in runs.values():
        assert one.decided.all()
        assert (one.first >= 0).all()
        assert ((one.second >= 0) | one.alone).all()
        assert ((one.third >= 0) == one.arbitrated).all()
        for other in (one.first, one.second):
            assert not ((one.third == other) & one.arbitrated).any()
        assert (one.first != one.second).all()


def test_policies_order_by_the_readings_that_they_spare(runs, double):
    read = {name: one.readings.sum() for name, one in runs.items()}
    ordered = [
        by(runs, "replace"), by(runs, "masai"), by(runs, "capital"), double, by(runs, "net", True),
    ]  # fmt: skip
    sums = [one.readings.sum() for one in ordered]
    assert sums == sorted(set(sums)), read
    assert by(runs, "replace").alone.sum() > by(runs, "masai").alone.sum()
    assert by(runs, "masai").alone.sum() > by(runs, "capital").alone.sum() > 0
    for one in (double, by(runs, "net", True)):
        assert not one.alone.any()


def test_what_shows_nothing_changes_nothing(runs, double):
    """Shadow, and marks that move nobody, are double reading, person by person."""
    for name in ("shadow", "decision support"):
        for what in ("recalled", "arbitrated", "readings", "first", "second", "third"):
            assert (getattr(runs[name], what) == getattr(double, what)).all(), (name, what)


def test_exams_without_image_data_are_read_by_two_under_every_policy(runs, programme):
    assert 0 < programme.inadequate.sum() < WOMEN / 5
    for one in runs.values():
        assert not one.alone[programme.inadequate].any()
        assert (one.second[programme.inadequate] >= 0).all()


def test_decisions_are_those_of_the_opinions(runs, programme, double):
    """Counted again from what everybody saw, without the state machine."""
    rows = np.arange(WOMEN)
    says = programme.readers >= women.READER_LIMIT
    first, second = says[rows, double.first], says[rows, double.second]
    limits = np.array([one.limit for one in women.arbiters()])
    third = (programme.arbiters >= limits)[rows, double.third]
    assert (double.arbitrated == (first != second)).all()
    assert (double.recalled == np.where(first == second, first, third)).all()
    replaced = by(runs, "replace")
    high = programme.ai >= women.ai(AT_SPECIFICITY).limit
    alone = ~programme.inadequate
    first = says[rows, replaced.first]
    third = (programme.arbiters >= limits)[rows, replaced.third]
    assert (replaced.alone == alone).all()
    assert (replaced.arbitrated == (first != high))[alone].all()
    assert (replaced.recalled == np.where(first == high, first, third))[alone].all()
    triage = by(runs, "masai")
    assert (triage.alone == (alone & (programme.score < 10))).all()
    single = triage.alone
    assert (triage.recalled == says[rows, triage.first])[single].all()
    assert not triage.arbitrated[single].any()


def test_who_reads_alone_is_one_of_the_two_who_would_read(runs, double):
    """The draw does not depend on the policy: nobody is drawn because of a score."""
    for one in runs.values():
        assert ((one.first == double.first) | (one.first == double.second)).all()
        both = ~one.alone
        pair = np.sort(np.stack([one.first, one.second]), axis=0)
        same = pair == np.sort(np.stack([double.first, double.second]), axis=0)
        assert same[:, both].all()


def test_a_safety_net_only_adds_to_what_two_people_recall(runs, double):
    net = by(runs, "net", True)
    agreed = double.recalled & ~double.arbitrated
    assert net.recalled[agreed].all()
    assert (net.arbitrated >= double.arbitrated).all()
    assert net.readings.sum() > double.readings.sum()


def test_followed_marks_move_readers(runs):
    for kind in ("masai", "capital", "support"):
        assert (by(runs, kind).recalled != by(runs, kind, True).recalled).any()


def test_the_same_seed_is_the_same_programme(programme, double):
    again = women.programme(WOMEN, SEED)
    assert (again.readers == programme.readers).all()
    once_more = run(again, double.simulated)
    for what in ("recalled", "readings", "first", "second", "third"):
        assert (getattr(once_more, what) == getattr(double, what)).all()
    assert (women.programme(WOMEN, SEED + 1).cancer != programme.cancer).any()


def test_figures(programme, runs, double):
    found = figures(double)
    assert found.recall.value == pytest.approx(100 * double.recalled.mean())
    assert found.recall.low < found.recall.value < found.recall.high
    detected = (double.recalled & programme.cancer).sum()
    assert found.ppv.value == pytest.approx(100 * detected / double.recalled.sum())
    assert found.readings.value == pytest.approx(double.readings.mean())
    for one in runs.values():
        change = changes(one, double)
        saved = 100 * (one.readings.sum() / double.readings.sum() - 1)
        assert change.readings.value == pytest.approx(saved)
        assert change.readings.low <= saved <= change.readings.high
    later = figures(double, ~programme.first)
    assert later.recall.value == pytest.approx(100 * double.recalled[~programme.first].mean())
    nothing = figures(double, ~programme.cancer & ~double.recalled)
    assert (nothing.ppv, nothing.sensitivity, nothing.recall.value) == (None, None, 0)


# The model is what it says


def test_observers_have_the_published_figures():
    limit = women.READER_LIMIT
    mean = np.mean([curve.sensitivity(limit) for curve in women.reader_curves()])
    assert mean == pytest.approx(sources.READER_SENSITIVITY)
    for sensitivity, specificity in (
        sources.AI_AT_READER_SPECIFICITY, sources.AI_AT_READER_SENSITIVITY,
    ):  # fmt: skip
        observer = women.ai(1 - specificity)
        assert observer.curve.sensitivity(observer.limit) == pytest.approx(sensitivity)
    drawn = women.programme(200_000, 0)
    recalled = drawn.readers >= limit
    assert recalled[~drawn.cancer].mean() == pytest.approx(1 - sources.READER_SPECIFICITY, abs=1e-3)
    assert recalled[drawn.cancer].mean() == pytest.approx(mean, abs=0.02)


def test_opinions_go_together_as_measured():
    drawn = women.programme(200_000, 0)
    for rows, readers, with_ai, within in (
        (~drawn.cancer, sources.READERS_HEALTHY, sources.AI_HEALTHY, 0.01),
        (drawn.cancer, sources.READERS_CANCER, sources.AI_CANCER, 0.04),
    ):
        one, other, ai = drawn.readers[rows, 0], drawn.readers[rows, 5], drawn.ai[rows]
        assert np.corrcoef(one, other)[0, 1] == pytest.approx(readers, abs=within)
        assert np.corrcoef(one, ai)[0, 1] == pytest.approx(with_ai, abs=within)


def test_double_reading_comes_out_as_published():
    drawn = women.programme(200_000, 0)
    says = drawn.readers >= women.READER_LIMIT
    limits = np.array([one.limit for one in women.arbiters()])
    third = (drawn.arbiters >= limits)[:, 7]
    sick, healthy = [], []
    for a, b in combinations(range(7), 2):
        recalled = np.where(says[:, a] == says[:, b], says[:, a], third)
        sick.append(recalled[drawn.cancer].mean())
        healthy.append(recalled[~drawn.cancer].mean())
    assert np.mean(healthy) == pytest.approx(1 - sources.DOUBLE_SPECIFICITY, abs=2e-3)
    assert np.mean(sick) == pytest.approx(sources.DOUBLE_SENSITIVITY, abs=0.03)


def test_the_reader_study_says_what_the_programme_takes_from_it():
    path = Path(os.environ.get("GRANSK_DATA", "../shared/data")) / FILE
    if not path.is_file():
        pytest.skip("the reader study is not at hand")
    found = reader_study.measured(read(path))
    taken = (
        sources.READERS_CANCER, sources.READERS_HEALTHY, sources.AI_CANCER, sources.AI_HEALTHY,
        sources.READER_SLOPE, sources.READER_SPREAD,
    )  # fmt: skip
    assert tuple(found) == pytest.approx(taken, abs=6e-4)


def test_the_sites_simulator_holds_what_came_out(runs, double):
    """From double reading alone: readings are told exactly, recall lies within its bounds."""
    for kind in ("replace", "masai", "capital"):
        one = by(runs, kind)
        rounds = would_be(double, one.simulated).rounds
        exams = {name: result.exams for name, result in rounds.items()}
        later = ~one.programme.first
        assert exams == {"first": WOMEN - later.sum(), "later": later.sum()}
        found = rounds["later"].would_be
        arbitrated = one.arbitrated[later].mean()
        assert found.arbitration.low.value == pytest.approx(arbitrated)
        assert found.readings.low.value == pytest.approx(one.readings[later].mean())
        # Who arbitrates differs with the work: each exam that met another arbiter may differ.
        other = (one.third != double.third)[later] & one.arbitrated[later]
        recall = one.recalled[later].mean()
        reach = other.mean() + 1e-9
        assert found.recall.low.value - reach <= recall <= found.recall.high.value + reach


class OnDatabase:
    """The site's own ledger."""

    def __init__(self, database):
        self.database = database

    def arrive(self, key, arrival, at):
        with self.database.begin() as session:
            return arrive(session, key, arrival, at)

    def write(self, key, make):
        with self.database.begin() as session:
            return write(session, key, make)


@pytest.mark.parametrize("name", ["triage, double from 10", "safety net, opinion followed"])
def test_the_ledger_on_a_database_draws_and_decides_alike(name, tmp_path):
    few = women.programme(60, 2)
    simulated = next(one for one in ALL if one.name == name)
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    with database.begin() as session:
        for who in unit().values():
            account = people.create_account(session, who.account, who.account, [Role.RADIOLOGIST])
            account.created_at = START.replace(year=2025)
            session.flush()
            listing = Listing(arbitrates=who.arbitrates, experienced=who.experienced)
            list_reader(session, UNIT, who.account, listing, RADIOLOGIST)
    stored = run(few, simulated, OnDatabase(database))
    memory = run(few, simulated)
    for what in ("decided", "recalled", "readings", "first", "second", "third"):
        assert (getattr(stored, what) == getattr(memory, what)).all(), what
    with database.read() as session:
        assert wrong_rows(session) == []
        assert exam_of(session, "exam-2-0").outcome is not None
    database.close()


def test_work_is_shared_fairly_where_two_read(double):
    counted = np.bincount(np.concatenate([double.first, double.second]), minlength=len(NAMES))
    assert counted.max() < 1.2 * counted.min()


def test_the_command_prints_every_part(capsys):
    command.main(["--women", "300", "--seed", "3"])
    printed = capsys.readouterr().out
    assert printed.startswith("300 women, ")
    for simulated in ALL:
        assert printed.count(simulated.name) >= 4
    for one in sources.PUBLISHED:
        assert one.name in printed
    assert "where it differs from what was published, and why" in printed
