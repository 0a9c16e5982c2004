"""Rows of what runs beside: begun last, counted, stopped, set aside; on both databases."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_orthanc import make_config
from sqlalchemy import select

from gransk.archive.tables import Archive, SeenStudy
from gransk.core.application import applications
from gransk.core.errors import ConfigurationError
from gransk.core.reasons import Reason
from gransk.pipeline import beside as workflow
from gransk.pipeline import protocol, trying
from gransk.pipeline.jobs import shadows_of
from gransk.pipeline.supervise import Ended, How, Nursery
from gransk.pipeline.trying import Tools
from gransk.registry import beside
from gransk.registry.asking import settings_of
from gransk.registry.beside import BesideError, Run, Wanted
from gransk.registry.beside_tables import BesideAsk, BesideRun, RunState
from gransk.results.blobs import BlobStore
from gransk.results.starter import RESTARTED_OFTEN, Open
from gransk.results.tables import Workitem, WorkState
from gransk.site.config import Config, check_applications
from gransk.site.config_shadows import Shadow, drawn
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.migrate import open_database
from gransk.site.settings import record_settings
from gransk.site.tables import Event

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))
from databases import postgresql, postgresql_server, url

__all__ = ["postgresql", "postgresql_server", "url"]

OTHER = {"operating_point": 0.9}
JANUARY = Wanted("nodule", datetime.date(2026, 1, 1), datetime.date(2026, 1, 31))


class Room:
    """A site with three analysed studies."""

    def __init__(self, tmp_path: Path, url: str, **sections: Any) -> None:
        self.config = make_config(tmp_path, database={"url": url}, **sections)
        self.database = open_database(self.config)
        self.tools = Tools(
            self.config, self.database, BlobStore(self.config.blob_folder), Nursery(512)
        )
        now = utcnow()
        with self.database.begin() as session:
            version = record_settings(session, self.config, "gransk", "a test")
            session.add(Archive(name="orthanc", identity="one", cursor=0, swept_at=None))
            session.flush()
            for number in range(3):
                key = f"s{number}"
                session.add(
                    SeenStudy(
                        key=key, archive="orthanc", orthanc_id=key,
                        study_instance_uid=f"1.{number}",
                        patient_name="", patient_id=key, issuer_of_patient_id="",
                        patient_birth_date="", patient_sex="", study_date=f"2026010{number + 1}",
                        study_time="", description="", accession_number="", modalities=["CT"],
                        images=1, fingerprint="", priority=0, first_seen_at=now, changed_at=now,
                        deleted_at=None, settled_fingerprint="",
                    )
                )  # fmt: skip
                session.add(
                    Workitem(
                        id=f"w{number}", study_key=key, application="nodule",
                        state=WorkState.READY, reason=None, detail="", step="", share=1.0,
                        priority=0, incomplete=False, fingerprint="", generation=1, attempt=1,
                        deaths=0, analysis_key=f"a{number}", report_key=None,
                        settings_version=version, created_at=now, images_at=now,
                        started_at=now, finished_at=now,
                    )
                )  # fmt: skip

    def ask(self, **changes: Any) -> None:
        with self.database.begin() as session:
            beside.ask(session, JANUARY, "past", OTHER, "anna", "to know", **changes)

    def rows(self) -> list[BesideRun]:
        with self.database.read() as session:
            return list(session.scalars(select(BesideRun).order_by(BesideRun.study_key)))

    def tried(self, row: BesideRun) -> tuple[How, str]:
        return workflow._Try(self.tools, Run.of(row)).run()

    def open(self) -> list[Open]:
        with self.database.read() as session:
            return workflow.waiting_rows(session)


@pytest.fixture
def room(tmp_path: Path, url: str) -> Iterator[Room]:
    made = Room(tmp_path, url)
    yield made
    made.database.close()


def ends_as(monkeypatch: pytest.MonkeyPatch, *, how: How, key: str = "", **more: Any) -> list[Any]:
    """The child ends so, having told the key; the jobs that it was given."""
    jobs: list[protocol.Job] = []

    def run_child(
        _nursery: Any, job: protocol.Job, _seconds: Any, callbacks: Any, _stop: Any
    ) -> Ended:
        jobs.append(job)
        if key:
            callbacks.asked(protocol.Asked(analysis_key=key))
        return Ended(how, **more)

    monkeypatch.setattr(trying, "run_child", run_child)
    return jobs


def test_it_begins_only_where_no_ordinary_study_is_in_work(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.ask()
    assert len(room.open()) == 3
    with room.database.begin() as session:
        session.get_one(Workitem, "w0").state = WorkState.WAITING
    assert room.open() == []
    jobs = ends_as(monkeypatch, how=How.DONE, key="own")
    (first, *_) = room.rows()
    assert room.tried(first)[0] == How.UNWANTED
    (now, *_) = room.rows()
    assert (jobs, now.state, now.attempt, now.deaths) == ([], RunState.WAITING, 1, 0)
    with room.database.begin() as session:
        session.get_one(Workitem, "w0").state = WorkState.READY
    assert room.tried(now)[0] == How.DONE
    assert (jobs[0].beside, jobs[0].shadows) == (OTHER, ())
    (now, *_) = room.rows()
    assert (now.state, now.own_analysis, now.active_analysis) == (RunState.READY, "own", "a0")


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        ({"how": How.REFUSED, "reason": Reason.NO_LUNGS}, RunState.REFUSED),
        ({"how": How.REFUSED, "reason": Reason.MEMORY_LIMIT}, RunState.FAILED),
    ],
)
def test_a_refusal_is_told_and_touches_no_result(
    room: Room, monkeypatch: pytest.MonkeyPatch, ended: dict[str, Any], state: RunState
) -> None:
    room.ask(most=1)
    ends_as(monkeypatch, **ended)
    (row,) = room.rows()
    assert row.study_key == "s2", "the newest"
    assert room.tried(row)[0] == How.REFUSED
    (row,) = room.rows()
    assert (row.state, row.reason) == (state, ended["reason"])
    with room.database.read() as session:
        assert session.get_one(Workitem, "w2").state == WorkState.READY
        assert session.scalars(select(BesideAsk)).one().ended_at is not None
        kinds = session.scalars(select(Event.kind).where(Event.subject == "past")).all()
    assert kinds == [EventKind.COMPARISON_ASKED, EventKind.COMPARISON_ENDED]


def test_what_kills_its_worker_is_set_aside(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.ask(most=1)
    ends_as(monkeypatch, how=How.DIED)
    for _ in range(room.config.workers.max_deaths):
        assert room.tried(room.rows()[0])[0] == How.DIED
    assert room.tried(room.rows()[0])[0] == How.UNWANTED
    (row,) = room.rows()
    assert (row.state, row.reason) == (RunState.FAILED, Reason.WORKER_LOST)


def test_a_study_that_is_gone_is_said(room: Room) -> None:
    room.ask(most=1)
    with room.database.begin() as session:
        session.get_one(SeenStudy, "s2").deleted_at = utcnow()
    assert room.tried(room.rows()[0])[0] == How.MISSING


def test_what_was_stopped_does_not_begin(room: Room) -> None:
    room.ask()
    stale = room.rows()[0]
    with room.database.begin() as session:
        assert beside.stop(session, "past", "anna")
    assert room.tried(stale)[0] == How.UNWANTED
    assert {row.state for row in room.rows()} == {RunState.STOPPED}
    assert room.open() == []


def test_a_workflow_that_was_restarted_too_often_begins_anew(room: Room) -> None:
    room.ask(most=1)
    (one,) = room.open()
    with room.database.begin() as session:
        assert not workflow.lost(session, one, RESTARTED_OFTEN)
    assert room.rows()[0].attempt == 1
    (one,) = room.open()
    with room.database.begin() as session:
        assert workflow.lost(session, one, "ERROR")
    assert room.rows()[0].state == RunState.FAILED


def test_a_name_is_used_once(room: Room) -> None:
    room.ask()
    with pytest.raises(BesideError, match="name_taken"):
        room.ask()


def test_shadows_are_those_of_the_version_that_the_work_was_queued_with(tmp_path: Path) -> None:
    half = {"name": "half", "application": "nodule", "settings": OTHER, "share": 0.5}
    room = Room(tmp_path, f"sqlite:///{tmp_path}/test.db", shadows=[half])
    shadow = Shadow.model_validate(half)
    with room.database.read() as session:
        for number in range(3):
            item = session.get_one(Workitem, f"w{number}")
            assert bool(shadows_of(session, item)) == drawn(shadow, item.study_key)
    assert 400 < sum(drawn(shadow, f"study {n}") for n in range(1000)) < 600
    room.database.close()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"application": "nodul"}, "did you mean 'nodule'|no such application"),
        ({"settings": {"operating_pint": 0.9}}, "operating_pint"),
        ({"where": {"unit": "nowhere"}}, "no unit is called"),
    ],
)
def test_a_shadow_is_checked_as_it_would_run(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    shadow = {"name": "x", "application": "nodule", "settings": OTHER} | changed
    config: Config = make_config(tmp_path, shadows=[shadow])
    with pytest.raises(ConfigurationError, match=told):
        check_applications(config, applications())


def test_settings_are_typed_a_line_each() -> None:
    assert settings_of(["models.detector=x@1.0.0", "", "operating_point = 0.5"]) == {
        "models": {"detector": "x@1.0.0"}, "operating_point": 0.5,
    }  # fmt: skip
    for wrong in ("operating_point", "=1", "a=1 b: [", "a=1\na.b=2"):
        with pytest.raises(BesideError):
            settings_of(wrong.splitlines())
