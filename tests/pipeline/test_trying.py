"""How often and how long a workflow tries again."""

from __future__ import annotations

import pytest

from gransk.pipeline.supervise import How
from gransk.pipeline.trying import LONGEST_WAIT_SECONDS, OUTAGE_HOURS, Patience

HOURS = 3600.0


@pytest.fixture
def patience() -> Patience:
    return Patience(retries=3, retry_seconds=5.0)


def test_faults_are_waited_out_twice_as_long_each_time(patience: Patience) -> None:
    assert [patience.pause(How.BROKEN, 0.0) for _ in range(4)] == [5.0, 10.0, 20.0, None]


def test_no_pause_is_longer_than_the_longest() -> None:
    patience = Patience(retries=20, retry_seconds=40.0)
    assert [patience.pause(How.MISSING, 0.0) for _ in range(3)] == [
        40.0,
        *[LONGEST_WAIT_SECONDS] * 2,
    ]


def test_a_death_is_tried_at_once_and_its_own_count_ends_it(patience: Patience) -> None:
    assert {patience.pause(How.DIED, 0.0) for _ in range(9)} == {0.0}


def test_an_outage_counts_no_fault_and_ends_after_its_hours(patience: Patience) -> None:
    began = 1e9
    pauses = [patience.pause(How.UNREACHABLE, began + after) for after in (0.0, 5.0, 9000.0)]
    assert pauses == [1.0, 5.0, LONGEST_WAIT_SECONDS / 4]
    assert patience.pause(How.UNREACHABLE, began + OUTAGE_HOURS * HOURS) is not None
    assert patience.pause(How.UNREACHABLE, began + OUTAGE_HOURS * HOURS + 1) is None


def test_an_outage_that_ended_is_forgotten(patience: Patience) -> None:
    patience.pause(How.UNREACHABLE, 1e9)
    assert patience.pause(How.BROKEN, 1e9 + 1) == 5.0
    later = 1e9 + OUTAGE_HOURS * HOURS + 2
    assert patience.pause(How.UNREACHABLE, later) == 1.0
    assert patience.pause(How.BROKEN, later + 1) == 10.0
