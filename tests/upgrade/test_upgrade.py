"""Work that waited under an earlier version is finished by this one, and nothing is lost."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import misbehaving
import pytest
from harness_suite import Suite
from sqlalchemy import func, select

from gransk.results.tables import DeliveryState, Report, WorkState
from gransk.site.events import verify
from gransk.site.tables import Event

pytestmark = pytest.mark.system

LEFT = sorted(Path(__file__).parent.glob("*.tar.xz"))
"""Of each version; the gate tries the first and the last."""
TRIED = [
    pytest.param(
        path,
        id=path.name,
        marks=() if path in (LEFT[0], LEFT[-1]) else pytest.mark.full,
    )
    for path in LEFT
]


def test_every_version_left_a_database() -> None:
    assert LEFT, "run python tests/upgrade/leave.py"


@pytest.mark.parametrize("left", TRIED)
def test_waiting_work_survives(left: Path, tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    with tarfile.open(left) as archive:
        archive.extractall(folder, filter="data")
    site = misbehaving.install(tmp_path / "site")
    with Suite(
        folder,
        environment=misbehaving.environment(site),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
        workers={"heartbeat_seconds": 0.5, "lost_after_seconds": 2, "retry_seconds": 0.5},
    ) as suite:
        items = suite.wait_ended(4, 90)
        assert Counter(item.state for item in items) == {WorkState.READY: 4}
        lines = suite.wait_delivered(60)
        assert {line.state for line in lines} == {DeliveryState.SENT}
        with suite.database.read() as session:
            assert session.scalar(select(func.count()).select_from(Report)) == 4
            assert verify(session) is None
            started = session.scalars(
                select(Event).where(Event.kind == "service_started").order_by(Event.number)
            ).all()
        assert len(started) == 2, "the event log of the earlier version goes on"
        held = sum(
            len(suite.orthanc.client.instances(study)) for study in suite.orthanc.client.study_ids()
        )
        assert held == 4 + len(lines)
