"""Alarms about how the suite runs: raised once, and ended when it is well again."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from harness_orthanc import make_config
from sqlalchemy import delete, select

from gransk.archive.status import Cause, State, Status
from gransk.oversight.alarm_tables import Alarm, AlarmKind
from gransk.oversight.alarms import ended_alarms, open_alarms
from gransk.oversight.operating import OperatingWatcher
from gransk.results.message_tables import Announcement, AnnouncementKind, OutgoingMessage
from gransk.results.tables import (
    Analysis,
    Blob,
    Delivery,
    DeliveryState,
    Report,
    ReportObject,
    Workitem,
    WorkState,
)
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.migrate import open_database
from gransk.site.tables import Event, Executor


class Stage:
    """A suite whose parts can be made to fail."""

    def __init__(self, config: Config, database: Database) -> None:
        self.config, self.database = config, database
        self.intake = Status(State.RUNNING, Cause.NONE, utcnow())
        self.watcher = OperatingWatcher(database, lambda: self.config, lambda: self.intake)

    def heartbeat(self, silent: float = 0) -> None:
        at = utcnow() - datetime.timedelta(seconds=silent)
        with self.database.begin() as session:
            session.execute(delete(Executor))
            session.add(
                Executor(id="w", kind="worker", host="h", pid=1, started_at=at, heartbeat_at=at)
            )

    def waits(self, minutes: float) -> None:
        at = utcnow() - datetime.timedelta(minutes=minutes)
        with self.database.begin() as session:
            session.add(
                Workitem(
                    id="i", study_key="k", application="nodule", state=WorkState.WAITING,
                    detail="", step="", share=0.0, priority=0, incomplete=False,
                    fingerprint="f", generation=1, attempt=0, deaths=0, settings_version=1,
                    created_at=at, images_at=at,
                )
            )  # fmt: skip

    def message(self, minutes: float, state: str = "waiting", number: int = 1) -> None:
        at = utcnow() - datetime.timedelta(minutes=minutes)
        with self.database.begin() as session:
            session.add(
                Announcement(
                    number=number, id=f"a{number}", kind=AnnouncementKind.FINDINGS, study_key="k",
                    application="nodule", entry=0, content={}, at=at,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                OutgoingMessage(
                    id=f"m{number}", announcement=number, study_key="k", destination="ris",
                    state=state,
                    attempt=0, tries=0, refusals=0, error="", created_at=at,
                )
            )  # fmt: skip

    def happened(self, kind: EventKind) -> None:
        with self.database.begin() as session:
            record(session, "anna", kind, "k")

    def object(self, days: float, state: DeliveryState) -> None:
        """One of a report that was released days ago."""
        at = utcnow() - datetime.timedelta(days=days)
        self.waits(minutes=days * 1440)
        with self.database.begin() as session:
            item = session.get_one(Workitem, "i")
            item.state, item.report_key = WorkState.READY, "r"
            session.add(Blob(sha256="b", size=1, created_at=at))
            session.flush()
            session.add(
                Analysis(
                    key="a", application="nodule", findings_sha256="b", pictures_sha256="b",
                    seconds=1.0, sealed_at=at,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                Report(
                    key="r", workitem_id="i", analysis_key="a", incomplete=False,
                    created_at=at, released_at=at,
                )
            )  # fmt: skip
            session.flush()
            session.add(
                ReportObject(
                    sop_instance_uid="1.2", report_key="r", kind="sr", sop_class_uid="1.3",
                    series_instance_uid="1.4", sha256="b",
                )
            )  # fmt: skip
            session.flush()
            session.add(
                Delivery(
                    id="d", report_key="r", sop_instance_uid="1.2", destination="pacs",
                    state=state, attempt=0, error="", created_at=at,
                )
            )  # fmt: skip

    def look(self) -> set[tuple[str, str]]:
        self.watcher.run_once()
        with self.database.read() as session:
            return {(one.kind, one.about) for one in open_alarms(session)}


@pytest.fixture
def stage(tmp_path: Path):
    config = make_config(tmp_path)
    config.data_folder.mkdir(parents=True, exist_ok=True)
    database = open_database(config)
    made = Stage(config, database)
    made.heartbeat()
    yield made
    database.close()


def test_where_all_is_well_nothing_is_raised(stage: Stage) -> None:
    stage.waits(minutes=5)
    stage.message(minutes=5)
    assert stage.look() == set()


def test_each_fault_is_raised_once_and_ends(stage: Stage) -> None:
    stage.waits(minutes=90)
    stage.message(minutes=180)
    stage.heartbeat(silent=600)
    stage.watcher._began -= datetime.timedelta(hours=1)
    ago = utcnow() - datetime.timedelta(minutes=20)
    stage.intake = Status(State.UNAVAILABLE, Cause.ARCHIVE_UNAVAILABLE, ago)
    wanted = {
        (AlarmKind.QUEUE_LONG, "nodule"),
        (AlarmKind.DESTINATION_DOWN, "ris"),
        (AlarmKind.NO_WORKER, "workers"),
        (AlarmKind.SERVICE_FAULT, "intake"),
    }
    assert stage.look() == wanted
    assert stage.look() == wanted
    with stage.database.read() as session:
        kinds = session.scalars(select(Event.kind)).all()
        assert kinds.count(EventKind.ALARM_RAISED.value) == len(wanted)
        intake = session.scalars(select(Alarm).where(Alarm.about == "intake")).one()
        assert intake.figures == {"cause": "archive_unavailable"}
        assert intake.since == ago
    stage.heartbeat()
    stage.intake = Status(State.RUNNING, Cause.NONE, utcnow())
    assert stage.look() == wanted - {
        (AlarmKind.NO_WORKER, "workers"), (AlarmKind.SERVICE_FAULT, "intake"),
    }  # fmt: skip
    with stage.database.read() as session:
        assert len(ended_alarms(session)) == 2


def test_a_disk_without_room_alarms(stage: Stage) -> None:
    intake = stage.config.intake.model_copy(update={"min_free_disk_mb": 10**9})
    stage.config = stage.config.model_copy(update={"intake": intake})
    assert stage.look() == {(AlarmKind.DISK_FULL, "data")}


def test_a_service_that_just_began_waits_for_its_workers(stage: Stage) -> None:
    stage.heartbeat(silent=600)
    assert stage.look() == set()


def test_the_sites_own_limits_count(stage: Stage) -> None:
    stage.waits(minutes=20)
    operation = stage.config.monitoring.operation.model_copy(update={"queue_minutes": 10})
    monitoring = stage.config.monitoring.model_copy(update={"operation": operation})
    stage.config = stage.config.model_copy(update={"monitoring": monitoring})
    assert stage.look() == {(AlarmKind.QUEUE_LONG, "nodule")}


DAY = 24 * 60


def test_what_is_tried_again_waits_from_then_on(stage: Stage) -> None:
    stage.waits(minutes=7 * DAY)
    assert stage.look() == {(AlarmKind.QUEUE_LONG, "nodule")}
    stage.happened(EventKind.ANALYSIS_RETRIED)
    assert stage.look() == set()


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (DeliveryState.RECALL, EventKind.REPORT_WITHDRAWN),
        (DeliveryState.WAITING, EventKind.DELIVERY_RETRIED),
    ],
)
def test_an_object_that_was_sent_long_ago_waits_from_when_it_is_wanted_again(
    stage: Stage, state: DeliveryState, why: EventKind
) -> None:
    stage.object(days=30, state=state)
    assert stage.look() == {(AlarmKind.DESTINATION_DOWN, "pacs")}
    stage.happened(why)
    assert stage.look() == set()


def test_a_message_that_failed_long_ago_is_no_silent_destination(stage: Stage) -> None:
    stage.message(minutes=7 * DAY, state="failed")
    stage.message(minutes=1, number=2)
    assert stage.look() == set()
    stage.message(minutes=121, number=3)
    assert stage.look() == {(AlarmKind.DESTINATION_DOWN, "ris")}


def test_a_worker_that_was_stopped_was_heard_of_until_then(stage: Stage) -> None:
    stage.watcher._began -= datetime.timedelta(days=30)
    stopped = utcnow() - datetime.timedelta(seconds=5)
    with stage.database.begin() as session:
        session.get_one(Executor, "w").stopped_at = stopped
    assert stage.look() == set(), "it may be started anew this moment"
    long_ago = utcnow() - datetime.timedelta(days=2)
    with stage.database.begin() as session:
        session.get_one(Executor, "w").stopped_at = long_ago
    assert stage.look() == {(AlarmKind.NO_WORKER, "workers")}
    with stage.database.read() as session:
        assert open_alarms(session)[0].since == long_ago


def test_an_alarm_that_lasts_tells_what_is_wrong_now(stage: Stage) -> None:
    ago = utcnow() - datetime.timedelta(minutes=20)
    stage.intake = Status(State.UNAVAILABLE, Cause.ARCHIVE_UNAVAILABLE, ago)
    stage.look()
    stage.intake = Status(State.PAUSED, Cause.DISK_FULL, ago)
    stage.look()
    with stage.database.read() as session:
        (alarm,) = session.scalars(select(Alarm)).all()
    assert alarm.figures == {"cause": "disk_full"}


def test_where_nobody_looks_no_alarm_lasts(stage: Stage) -> None:
    stage.waits(minutes=90)
    assert stage.look()
    operation = stage.config.monitoring.operation.model_copy(update={"enabled": False})
    monitoring = stage.config.monitoring.model_copy(update={"operation": operation})
    stage.config = stage.config.model_copy(update={"monitoring": monitoring})
    assert stage.look() == set()
