"""How the suite runs: the page, Prometheus' figures, and whether it is ready."""

from __future__ import annotations

import datetime
import re

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from web_site import Site

from gransk.archive.status import Cause, State, Status
from gransk.core.object_kinds import ObjectKind
from gransk.core.reasons import Reason
from gransk.oversight.metrics import COUNTED
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, queue_deliveries
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record
from gransk.site.tables import Executor, Role


def seconds(count: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=count)


def worker(site: Site, silent: float = 0, name: str = "host-worker-0") -> None:
    at = utcnow() - seconds(silent)
    with site.database.begin() as session:
        session.add(
            Executor(id=name, kind="worker", host="host", pid=1, started_at=at, heartbeat_at=at)
        )


def ready(site: Site, number: int, queue: float, analysis: float, **values: object) -> str:
    """A released study that took so many seconds at each step."""
    end = utcnow() - seconds(60 * number)
    start = end - seconds(analysis)
    key = site.study(number)
    ident = site.sealed(
        key,
        images_at=start - seconds(queue), started_at=start, finished_at=end, **values,
    )  # fmt: skip
    with site.database.begin() as session:
        session.execute(
            update(Report).where(Report.workitem_id == ident).values(released_at=end + seconds(2))
        )
    return ident


def samples(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }


def test_figures_are_those_of_the_tables(site: Site) -> None:
    for number, (queue, analysis) in enumerate([(1, 10), (3, 30), (5, 20)], start=1):
        ready(site, number, queue, analysis)
    waiting = utcnow() - seconds(500)
    site.item(site.study(4), WorkState.WAITING, images_at=waiting, priority=1)
    site.item(site.study(5), WorkState.RUNNING)
    for number in (6, 7):
        site.item(
            site.study(number), WorkState.NOT_ANALYSED,
            reason=Reason.MEMORY_LIMIT.value, finished_at=utcnow(),
        )  # fmt: skip
    site.item(
        site.study(8), WorkState.FAILED,
        reason=Reason.INTERNAL_ERROR.value, finished_at=utcnow() - seconds(90000),
    )  # fmt: skip
    worker(site)
    worker(site, silent=3600, name="host-worker-1")
    found = samples(site.machine())
    app = ("application", "lesion")
    assert found["gransk_queue_studies", (app, ("state", "waiting"))] == 1
    assert found["gransk_queue_studies", (app, ("state", "running"))] == 1
    assert found["gransk_queue_oldest_seconds", (app,)] == pytest.approx(500, abs=30)
    why = ("reason", "memory_limit")
    assert found["gransk_studies_ended", (app, why, ("state", "not_analysed"))] == 2
    assert found["gransk_studies_ended", (app, ("reason", ""), ("state", "ready"))] == 3
    assert not any("internal_error" in str(labels) for _, labels in found), "a day ago"
    assert found["gransk_workers", ()] == 1
    for step, median, high in (("queue", 3, 4.8), ("analysis", 20, 29), ("release", 2, 2)):
        labels = (("of", "lesion"), ("quantile", "0.5"), ("step", step))
        assert found["gransk_step_seconds", labels] == pytest.approx(median, abs=0.01)
        labels = (("of", "lesion"), ("quantile", "0.95"), ("step", step))
        assert found["gransk_step_seconds", labels] == pytest.approx(high, abs=0.01)
    assert found["gransk_step_studies", (("of", "lesion"), ("step", "whole"))] == 3
    assert found["gransk_disk_bytes", (("kind", "free"),)] > 0


def test_a_report_made_again_is_no_latency(site: Site) -> None:
    ready(site, 1, 1, 10)
    other = ready(site, 2, 90000, 10)
    with site.database.begin() as session:
        session.execute(
            update(Report).where(Report.workitem_id == other).values(supersedes="a" * 64)
        )
    third = ready(site, 3, 90000, 10)
    with site.database.begin() as session:
        key = session.get_one(Workitem, third).study_key
        record(session, "anna", EventKind.ANALYSIS_RETRIED, key)
    found = samples(site.machine())
    assert found["gransk_step_studies", (("of", "lesion"), ("step", "queue"))] == 1


def sent(site: Site, **values: object) -> None:
    """A released study with one object for the PACS, as far as ``values`` say."""
    stored = BlobStore(site.config.blob_folder).put(b"sr")
    made = NewObject(ObjectKind.SR, "1.2", "2.25.10", "2.25.90", stored)
    ident = site.sealed(site.study(1), objects=(made,))
    with site.database.begin() as session:
        report = str(session.get_one(Workitem, ident).report_key)
        queue_deliveries(session, report, {"pacs": (ObjectKind.SR,)})
        session.execute(update(Delivery).values(**values))


def test_deliveries_are_timed_by_destination(site: Site) -> None:
    at = utcnow()
    sent(site, state=DeliveryState.SENT, created_at=at - seconds(4), sent_at=at)
    found = samples(site.machine())
    labels = (("of", "pacs"), ("quantile", "0.5"), ("step", "delivery"))
    assert found["gransk_step_seconds", labels] == pytest.approx(4)
    assert found["gransk_destination_objects", (("destination", "pacs"), ("state", "sent"))] == 1


def test_counters_grow_with_the_log_and_read_it_once(site: Site) -> None:
    machine = site.machine()
    kind = (("kind", EventKind.STUDY_SEEN.value),)
    before = samples(machine)["gransk_events_total", kind]
    with site.database.begin() as session:
        record(session, "gransk", EventKind.STUDY_SEEN, "k")
        record(session, "gransk", EventKind.READING_READ, "k")
    for _ in range(2):
        found = samples(machine)
        assert found["gransk_events_total", kind] == before + 1
    counted = {dict(labels)["kind"] for name, labels in found if name == "gransk_events_total"}
    assert counted == {kind.value for kind in COUNTED}


def test_no_label_names_a_study_or_patient(site: Site) -> None:
    ready(site, 1, 1, 10)
    site.item(site.study(2), WorkState.WAITING)
    for client in (site.machine(), site.person(Role.ADMINISTRATOR)):
        text = client.get("/metrics").text
        for word in ("Testesen", "000001-0000", "1.2.3.1", site.study_key(1), site.study_key(2)):
            assert word not in text


def test_openmetrics_where_it_is_asked_for(site: Site) -> None:
    answer = site.machine().get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_ready_says_which_part_fails(make_site) -> None:
    class Intake:
        at = Status(State.RUNNING, Cause.NONE, utcnow())

        def nudge(self) -> None:
            raise NotImplementedError

        def status(self) -> Status:
            return self.at

    intake = Intake()
    site = make_site(intake=intake)
    client = site.client()
    answer = client.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {
        "database": True, "orthanc": False, "intake": True, "workers": False,
    }  # fmt: skip
    worker(site)
    intake.at = Status(State.PAUSED, Cause.DISK_FULL, utcnow())
    parts = client.get("/api/ready").json()["parts"]
    assert (parts["workers"], parts["intake"]) == (True, False)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Nothing waits.", "From report to release"]),
        ("da", ["Intet venter.", "Fra rapport til frigivelse"]),
    ],
)
def test_the_page_tells_it_in_words(site: Site, language: str, words: list[str]) -> None:
    ready(site, 1, 1, 10)
    site.item(
        site.study(2), WorkState.NOT_ANALYSED,
        reason=Reason.MEMORY_LIMIT.value, finished_at=utcnow(),
    )  # fmt: skip
    html = site.person(Role.ADMINISTRATOR, language=language).get("/monitoring").text
    for word in words:
        assert word in html
    assert "memory_limit" in html
    assert re.search(r"<td>10[.,]0 s</td>", html)


def test_a_destination_that_failed_stands_out(site: Site) -> None:
    sent(site, state=DeliveryState.FAILED, error="answered <0xA700>")
    html = site.person(Role.AUDITOR).get("/monitoring").text
    assert '<tr class="late"><th scope="row">pacs</th>' in html
    assert "answered &lt;0xA700&gt;" in html


def test_who_may_not_look_is_refused(site: Site) -> None:
    for role in (Role.RADIOLOGIST, Role.NURSE, Role.COORDINATOR):
        person = site.person(role)
        assert person.get("/monitoring").status_code == 403
        assert person.get("/metrics").status_code == 403
    assert site.machine().get("/monitoring").status_code == 403
    assert site.client().get("/metrics").status_code == 401
