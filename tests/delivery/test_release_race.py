"""Two hosts at once: a report is released while another takes its place."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from sent_reports import ITEM, SentReports

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server  # noqa: F401

from gransk.core.object_kinds import ObjectKind
from gransk.reading.release import release_report
from gransk.results.router import route_again
from gransk.results.store import seal_report
from gransk.results.tables import DeliveryState, Workitem
from gransk.site.database import utcnow

OLD, NEW, ANALYSIS = "1" * 64, "2" * 64, "a" * 64


@pytest.mark.system
@pytest.mark.parametrize("again", [False, True])
def test_a_report_is_not_sent_whose_place_another_takes(
    tmp_path: Path, request: pytest.FixtureRequest, again: bool
) -> None:
    site = SentReports(tmp_path, request.getfixturevalue("postgresql"))
    wanted = {"pacs": tuple(ObjectKind)}
    done: list[object] = []

    def release() -> None:
        with site.database.begin() as session:
            if again:
                done.append(route_again(session, OLD, "test", lambda *_: wanted))
            else:
                done.append(release_report(session, OLD, "test", lambda *_: wanted))

    try:
        if again:
            site.seal(OLD)
        else:
            with site.database.begin() as session:
                item = session.get_one(Workitem, ITEM)
                seal_report(session, item, OLD, ANALYSIS, utcnow(), [])
        other = threading.Thread(target=release)
        with site.database.begin() as session:
            item = session.get_one(Workitem, ITEM, with_for_update=True)
            other.start()
            other.join(0.5)
            assert other.is_alive()
            seal_report(session, item, NEW, ANALYSIS, utcnow(), [])
        other.join(10)
        assert done == [{} if again else False]
        assert DeliveryState.WAITING not in site.states(OLD)
    finally:
        site.database.close()
