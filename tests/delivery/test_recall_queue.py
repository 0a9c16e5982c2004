"""What was sent of a report that fell leaves its destination, and never too early."""

import time
from pathlib import Path

import pytest
from sqlalchemy import select

from gransk.core.object_kinds import ObjectKind
from gransk.delivery import deliver, recall, trying
from gransk.delivery.destination import RefusedError, UnavailableError, UnclearError
from gransk.delivery.trying import Result
from gransk.reading.release import release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, seal_analysis, seal_report, withdraw_report
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event
from gransk.site.workflows import configure

OLD, NEW = "1" * 64, "2" * 64


class Archive:
    """A destination that holds what it is sent, until it is removed."""

    def __init__(self):
        self.held = {}
        self.error = None
        self.meanwhile = lambda: None

    def send(self, sop_instance_uid, content):
        self._answer()
        self.held[sop_instance_uid] = content

    def remove(self, sop_instance_uid):
        self._answer()
        self.held.pop(sop_instance_uid, None)

    def _answer(self):
        if self.error is not None:
            raise self.error
        self.meanwhile()


@pytest.fixture
def archive():
    return Archive()


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def database(tmp_path, blobs):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        item = Workitem(
            id="i" * 32, study_key="s" * 32, application="x", state=WorkState.READY,
            reason=None, detail="", step="", share=1.0, priority=0, incomplete=False,
            fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
            report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
            started_at=None, finished_at=None,
        )  # fmt: skip
        session.add(item)
        session.flush()
        seal_analysis(session, "a" * 64, "x", blobs.put(b"{}"), blobs.put(b"p"), 1.0)
    yield database
    database.close()


def seal(database, blobs, key, destinations=("orthanc",)):
    """A report with an SR and an SC, sealed and released."""
    made = [
        NewObject(kind, "1.2", f"2.25.{key[0]}{n}", f"2.25.9{n}", blobs.put(kind.encode()))
        for n, kind in enumerate(("SR", "SC"))
    ]
    with database.begin() as session:
        seal_report(session, session.get_one(Workitem, "i" * 32), key, "a" * 64, utcnow(), made)
        wanted = dict.fromkeys(destinations, tuple(ObjectKind))
        assert release_report(session, key, "policy:at_once", lambda *_: wanted)


def send(database, blobs, archive, key):
    for line in lines(database, key):
        result, *_ = deliver.send_once(
            database, blobs, {line.destination: archive}, line.id, line.attempt
        )
        assert result == Result.SENT


def lines(database, key):
    with database.read() as session:
        query = select(Delivery).where(Delivery.report_key == key)
        return session.scalars(query.order_by(Delivery.sop_instance_uid)).all()


def states(database, key):
    return {line.state for line in lines(database, key)}


def recalls(database):
    with database.read() as session:
        return [row.arguments for row in recall.open_rows(session)]


def recaller(database, archive):
    store = BlobStore(Path("unused"))
    return recall.Recaller(database, store, {"orthanc": archive}, {"orthanc": "delete"})


def run_recalls(database, archive):
    return [
        recaller(database, archive).once(line, attempt)[0] for line, attempt in recalls(database)
    ]


def test_the_old_objects_go_once_all_the_new_ones_have_arrived(database, blobs, archive):
    seal(database, blobs, OLD)
    send(database, blobs, archive, OLD)
    seal(database, blobs, NEW)
    assert states(database, OLD) == {DeliveryState.RECALL}
    assert recalls(database) == []
    first, second = lines(database, NEW)
    for line in (first, second):
        assert recalls(database) == []
        assert set(archive.held) >= {"2.25.10", "2.25.11"}
        deliver.send_once(database, blobs, {"orthanc": archive}, line.id, 0)
    assert run_recalls(database, archive) == [Result.RECALLED] * 2
    assert set(archive.held) == {"2.25.20", "2.25.21"}
    assert states(database, OLD) == {DeliveryState.RECALLED}
    assert recalls(database) == []
    with database.read() as session:
        kinds = session.scalars(select(Event.kind)).all()
        assert kinds.count(EventKind.OBJECT_RECALLED.value) == 2
        assert session.get_one(Report, NEW).supersedes == OLD


def test_a_slow_destination_holds_up_no_other(database, blobs, archive):
    seal(database, blobs, OLD, ("orthanc", "pacs"))
    send(database, blobs, archive, OLD)
    seal(database, blobs, NEW, ("orthanc", "pacs"))
    for line in lines(database, NEW):
        if line.destination == "orthanc":
            deliver.send_once(database, blobs, {"orthanc": archive}, line.id, 0)
    with database.read() as session:
        assert {row.partition for row in recall.open_rows(session)} == {"orthanc"}


def test_a_withdrawn_reports_objects_go_and_come_back_with_it(database, blobs, archive):
    seal(database, blobs, OLD)
    send(database, blobs, archive, OLD)
    with database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    wanted = recalls(database)
    assert run_recalls(database, archive) == [Result.RECALLED] * 2
    assert archive.held == {}
    seal(database, blobs, OLD)
    assert states(database, OLD) == {DeliveryState.WAITING}
    send(database, blobs, archive, OLD)
    for line, attempt in wanted:
        result, *_ = recaller(database, archive).once(line, attempt)
        assert result == Result.UNWANTED
    assert set(archive.held) == {"2.25.10", "2.25.11"}


def test_what_may_have_arrived_goes_though_no_try_follows(database, blobs, archive):
    """Its answer was lost, and another report's try had it wait as its own fell."""
    seal(database, blobs, OLD)
    for line in lines(database, OLD):
        archive.error = UnavailableError("no answer in time")
        assert send_again(database, blobs, archive, line) == Result.UNAVAILABLE
        archive.held[line.sop_instance_uid] = b"SR"
    with database.begin() as session:
        for line in session.scalars(select(Delivery)):
            trying.renew(session, line.id, line.attempt)
    archive.error = None
    seal(database, blobs, NEW)
    assert states(database, OLD) == {DeliveryState.RECALL}
    send(database, blobs, archive, NEW)
    assert run_recalls(database, archive) == [Result.RECALLED] * 2
    assert set(archive.held) == {"2.25.20", "2.25.21"}


@pytest.mark.parametrize(
    ("first", "recalled"),
    [
        (UnavailableError("no answer in time"), True),
        (UnclearError("answered 204"), True),
        (RefusedError("no"), False),
    ],
)
def test_a_dead_letter_goes_where_it_may_have_arrived(database, blobs, archive, first, recalled):
    """Its first answer was lost, and then it was refused; or it was never anything but refused."""
    seal(database, blobs, OLD)
    for line in lines(database, OLD):
        for archive.error in (first, *[RefusedError("no")] * 5):
            send_again(database, blobs, archive, line)
        if recalled:
            archive.held[line.sop_instance_uid] = b"SR"
        with database.begin() as session:
            assert trying.fail(session, line.id, line.attempt, "no")
    archive.error = None
    seal(database, blobs, NEW)
    assert states(database, OLD) == {DeliveryState.RECALL if recalled else DeliveryState.CANCELLED}
    send(database, blobs, archive, NEW)
    assert run_recalls(database, archive) == [Result.RECALLED] * (2 if recalled else 0)
    assert set(archive.held) == {"2.25.20", "2.25.21"}


def test_what_was_refused_while_its_report_fell_is_not_recalled(database, blobs, archive):
    seal(database, blobs, OLD)
    line, _ = lines(database, OLD)

    def refuses():
        seal(database, blobs, NEW)
        raise RefusedError("no")

    archive.meanwhile = refuses
    assert send_again(database, blobs, archive, line) == Result.REFUSED
    assert send_again(database, blobs, archive, line) == Result.UNWANTED
    assert states(database, OLD) == {DeliveryState.CANCELLED}


def test_a_withdrawn_report_of_a_row_that_has_none_any_more_goes(database, blobs, archive):
    """As where two rows turned out to be one study."""
    seal(database, blobs, OLD)
    send(database, blobs, archive, OLD)
    with database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
        session.get_one(Workitem, "i" * 32).report_key = None
    assert run_recalls(database, archive) == [Result.RECALLED] * 2
    assert archive.held == {}


def test_a_report_that_returns_while_it_is_removed_is_sent_again(database, blobs, archive):
    seal(database, blobs, OLD)
    send(database, blobs, archive, OLD)
    with database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    ((line, attempt), _) = recalls(database)

    def comes_back():
        archive.meanwhile = lambda: None
        seal(database, blobs, OLD)
        send(database, blobs, archive, OLD)

    archive.meanwhile = comes_back
    result, *_ = recaller(database, archive).once(line, attempt)
    assert result == Result.UNWANTED
    assert len(archive.held) == 1
    with database.read() as session:
        rows = deliver.open_rows(session)
    assert [row.arguments for row in rows] == [(line, attempt + 2)]
    deliver.send_once(database, blobs, {"orthanc": archive}, line, attempt + 2)
    assert set(archive.held) == {"2.25.10", "2.25.11"}
    assert states(database, OLD) == {DeliveryState.SENT}


@pytest.mark.parametrize("told", [True, False])
def test_an_object_that_arrived_after_its_report_fell_is_removed(database, blobs, archive, told):
    """Superseded while it was sent; ``told``: the try lived to note that it was too late."""
    seal(database, blobs, OLD)
    line = lines(database, OLD)[0]

    def superseded():
        archive.meanwhile = lambda: None
        seal(database, blobs, NEW)
        if not told:
            raise KeyboardInterrupt

    archive.meanwhile = superseded
    if told:
        assert send_again(database, blobs, archive, line) == Result.UNWANTED
    else:
        with pytest.raises(KeyboardInterrupt):
            send_again(database, blobs, archive, line)
        archive.held[line.sop_instance_uid] = b"SR"
        assert send_again(database, blobs, archive, line) == Result.UNWANTED
    assert line.sop_instance_uid in archive.held
    send(database, blobs, archive, NEW)
    assert run_recalls(database, archive) == [Result.RECALLED]
    assert set(archive.held) == {"2.25.20", "2.25.21"}


def send_again(database, blobs, archive, line):
    return deliver.send_once(database, blobs, {"orthanc": archive}, line.id, line.attempt)[0]


def test_a_removal_that_failed_for_good_is_tried_again_as_a_removal(database, blobs, archive):
    seal(database, blobs, OLD)
    send(database, blobs, archive, OLD)
    with database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    archive.error = UnavailableError("down")
    assert run_recalls(database, archive) == [Result.UNAVAILABLE] * 2
    assert {line.error for line in lines(database, OLD)} == {"down"}
    with database.begin() as session:
        (first, _) = recall.open_rows(session)
        assert recall.lost(session, first, "ERROR")
        assert not recall.lost(session, first, "ERROR")
        line = str(first.arguments[0])
        assert deliver.rerun(session, line, "ann")
        assert session.get_one(Delivery, line).state == DeliveryState.RECALL
    archive.error = None
    assert run_recalls(database, archive) == [Result.RECALLED] * 2
    assert archive.held == {}


def test_the_queue_removes_what_it_delivered(tmp_path, database, blobs, archive):
    """Workflows, queue and starters as a worker has them."""
    config = Config(data_folder=tmp_path)
    executor = configure(config, database, slot=0)
    deliver.register(database, blobs, {"orthanc": archive})
    recaller(database, archive).register()
    executor.launch()
    starters = [deliver.starter(database), recall.starter(database)]
    try:
        seal(database, blobs, OLD)
        until(starters, lambda: states(database, OLD) == {DeliveryState.SENT})
        seal(database, blobs, NEW)
        archive.error = UnavailableError("down")
        until(starters, lambda: any(line.error for line in lines(database, NEW)))
        assert len(archive.held) == 2
        archive.error = None
        until(starters, lambda: states(database, OLD) == {DeliveryState.RECALLED})
        assert set(archive.held) == {"2.25.20", "2.25.21"}
    finally:
        executor.stop()


def until(starters, holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "waited 60 s"
        for starter in starters:
            starter.run_once()
        time.sleep(0.1)
