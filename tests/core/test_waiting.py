"""Waits between tries grow to their longest, and stay numbers however often something fails."""

from __future__ import annotations

import pytest

from gransk.archive.prior_loop import LONGEST_RETRY_SECONDS, retry_at
from gransk.core.waiting import backoff
from gransk.pipeline.supervise import How
from gransk.pipeline.trying import LONGEST_WAIT_SECONDS, Patience
from gransk.site.database import utcnow


def test_each_wait_is_longer_until_the_longest() -> None:
    assert [backoff(1.0, times, 10.0) for times in range(5)] == [1.0, 2.0, 4.0, 8.0, 10.0]
    assert backoff(10.0, 2, 1e9, 4.0) == 160.0
    assert backoff(5.0, -1, 10.0) == 5.0


@pytest.mark.parametrize("times", [1023, 1024, 5000, 10**9])
def test_what_fails_for_weeks_is_waited_for_as_long(times: int) -> None:
    """2.0 to the 1024th is no number of Python's any more."""
    assert backoff(1.0, times, 300.0) == 300.0
    assert backoff(10.0, times, 3600.0, 4.0) == 3600.0
    assert 0 < (retry_at(times) - utcnow()).total_seconds() <= LONGEST_RETRY_SECONDS
    patience = Patience(retries=times, retry_seconds=1.0, _faults=times - 1)
    assert patience.pause(How.BROKEN, 0.0) == LONGEST_WAIT_SECONDS
