"""No study is lost, doubled or stuck, whoever is killed and whenever."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos import MUST_HIT, Chaos, check, hits
from harness_suite import Suite

from gransk.cli.processes import gransk_command
from gransk.site.events import verify

pytestmark = pytest.mark.system

WORKERS = {
    "processes": 2,
    "heartbeat_seconds": 2,
    "lost_after_seconds": 8,
    "retry_seconds": 1,
    # Here the harness kills, not the input: no study shall be set aside for it.
    "max_deaths": 5,
}
INTAKE = {"quiet_seconds": 2, "incomplete_after_seconds": 20, "reconcile_seconds": 30}
SEED = int(os.environ.get("GRANSK_CHAOS_SEED", "20"))


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Path]]:
    """Small synthetic chest CTs, each another study; made as they are asked for."""
    folder = tmp_path_factory.mktemp("phantoms")
    made: list[Path] = []

    def give(count: int) -> list[Path]:
        for seed in range(len(made) + 1, count + 1):
            target = folder / str(seed)
            options = ["--seed", str(seed), "--spacing", "5", "--slices", "40", "--nodules", "2"]
            subprocess.run(
                gransk_command("phantom", str(target), *options),
                check=True,
                capture_output=True,
            )
            made.append(target)
        return made[:count]

    return give


def _suite(folder: Path) -> Suite:
    folder.mkdir()
    return Suite(folder, workers=WORKERS, intake=INTAKE)


def _after(suite: Suite, studies: list[Path]) -> None:
    check(suite, studies)
    with suite.database.read() as session:
        assert verify(session) is None, "the event log's chain is broken"


@pytest.fixture(scope="module")
def seconds_a_study(
    tmp_path_factory: pytest.TempPathFactory, phantoms: Callable[[int], list[Path]]
) -> float:
    """A study's share of the time from first C-STORE to last delivery when nobody is killed."""
    studies = phantoms(4)
    with _suite(tmp_path_factory.mktemp("undisturbed") / "suite") as suite:
        quiet = Chaos(suite, studies, 0, [], None)
        quiet.run(kills=0, span=0, patience=300)
        return (time.monotonic() - quiet.began) / len(studies)


@pytest.mark.timeout(900)
def test_kills_with_restart(
    tmp_path: Path, phantoms: Callable[[int], list[Path]], seconds_a_study: float
) -> None:
    """The short form: six studies, everyone may be killed and comes back."""
    studies = phantoms(6)
    with _suite(tmp_path / "suite") as suite:
        chaos = Chaos(suite, studies, SEED, ["worker-0", "worker-1", "service", "orthanc"], (0, 2))
        chaos.run(kills=8, span=seconds_a_study * len(studies), patience=300)
        print(f"\nseed {SEED}\n{chaos.table()}")
        assert len(chaos.kills) >= 4, "hardly anything was killed: the span is too long"
        _after(suite, studies)


@pytest.mark.timeout(900)
def test_worker_that_never_comes_back(
    tmp_path: Path, phantoms: Callable[[int], list[Path]], seconds_a_study: float
) -> None:
    """A killed worker's study is taken over by the other within two minutes."""
    studies = phantoms(2)
    with _suite(tmp_path / "suite") as suite:
        chaos = Chaos(suite, studies, SEED, ["worker-0"], None)
        # A little short of the end: studies that end sooner than measured leave none to kill.
        chaos.run(kills=1, span=0.8 * seconds_a_study * len(studies), patience=120)
        assert chaos.kills, "the worker was never killed: the span is too long"
        print(f"\nseed {SEED}\n{chaos.table()}")
        _after(suite, studies)


@pytest.mark.full
@pytest.mark.timeout(5400)
def test_kills_until_every_step_was_hit(
    tmp_path: Path, phantoms: Callable[[int], list[Path]], seconds_a_study: float
) -> None:
    """The long form: rounds of 24 studies, with and without restart, until each step was hit.

    Rounds after the first go on with random kills, but each waits a while for a step
    that no kill has hit yet.
    """
    studies = phantoms(24)
    rounds: list[Chaos] = []
    span = seconds_a_study * len(studies)
    missed = frozenset[tuple[str, str]]()
    for number in range(4):
        with _suite(tmp_path / f"round{number}") as suite:
            everyone = ["worker-0", "worker-1", "service", "orthanc"]
            chaos = Chaos(suite, studies, SEED + number, everyone, (0, 4), missed)
            chaos.run(kills=30, span=span, patience=900)
            rounds.append(chaos)
            print(f"\nround {number}, seed {SEED + number}, restarted\n{chaos.table()}")
            _after(suite, studies)
        lasting = studies[number * 6 : number * 6 + 6]
        with _suite(tmp_path / f"round{number}-lasting") as suite:
            chaos = Chaos(suite, lasting, SEED + number, ["worker-0"], None)
            chaos.run(kills=1, span=span / 6, patience=900)
            rounds.append(chaos)
            print(f"\nround {number}, seed {SEED + number}, never restarted\n{chaos.table()}")
            _after(suite, lasting)
        counted = hits(rounds)
        missed = MUST_HIT - set(counted)
        if not missed and number:
            break
    for (victim, step), count in sorted(counted.items()):
        print(f"{victim:<8} {step:<11} {count}")
    assert not missed, f"steps that no kill hit: {sorted(missed)}"


@pytest.mark.parametrize("victim", ["service", "orthanc"])
@pytest.mark.timeout(600)
def test_long_absence(tmp_path: Path, phantoms: Callable[[int], list[Path]], victim: str) -> None:
    """Without the service or Orthanc nothing is lost, and work goes on when it is there again."""
    studies = phantoms(2)
    with _suite(tmp_path / "suite") as suite:
        suite.store(studies[0].glob("*.dcm"))
        suite.until(lambda: bool(suite.items()), 60, "the first study to be noticed")
        suite.kill(victim)
        if victim == "service":
            suite.wait_ended(1, 120)
            suite.wait_delivered(60)
            assert set(suite.store(studies[1].glob("*.dcm"))) == {0}
        else:
            assert set(suite.store(studies[1].glob("*.dcm"))) == {-1}
        suite.restart(victim)
        if victim == "orthanc":
            assert set(suite.store(studies[1].glob("*.dcm"))) == {0}
        suite.wait_ended(2, 180)
        suite.wait_delivered(120)
        _after(suite, studies)
