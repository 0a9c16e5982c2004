"""What intake's calls make of the worklist's rows."""

import pytest
from pydicom import Dataset
from sqlalchemy import select

from gransk.archive.studies import ROUTINE, URGENT
from gransk.archive.tables import Archive, SeenStudy
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from gransk.pipeline import workitems
from gransk.pipeline.analyse import lost, open_rows, rank
from gransk.pipeline.handlers import Handlers, Rules
from gransk.pipeline.priority import set_priority
from gransk.pipeline.workitems import Work
from gransk.reading.release import open_rows as unreleased
from gransk.results import edits
from gransk.results.blobs import BlobStore
from gransk.results.store import LEDGER, NewObject, seal_analysis, seal_report
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.settings import record_settings


class Reader:
    """An application whose verdict the test sets."""

    def __init__(self, name, verdict=None, complete=True):
        self.id = name
        self.verdict = verdict
        self.complete = complete

    def accepts(self, study):
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def ready(self, study):
        return self.complete


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        session.add(Archive(name="orthanc", identity="x", cursor=0, swept_at=None))
        yield session
    database.close()


@pytest.fixture
def seen(session):
    values = {}
    for column in SeenStudy.__table__.columns:
        values[column.name] = {"Integer": 0, "Boolean": False, "JSON": []}.get(
            type(column.type).__name__, ""
        )
        if "DateTime" in type(column.type).__name__:
            values[column.name] = None if column.nullable else utcnow()
    seen = SeenStudy(**values | {"key": "s" * 32, "archive": "orthanc", "fingerprint": "one"})
    session.add(seen)
    session.flush()
    return seen


@pytest.fixture
def headers():
    header = Dataset()
    header.SOPClassUID = header.SOPInstanceUID = header.SeriesInstanceUID = "1.2.3"
    header.StudyInstanceUID = "1.2"
    return Study.from_instances([Instance(header, lambda: header)])


def handlers(*readers):
    return Handlers({reader.id: reader for reader in readers}, Rules(1))


def rows(session):
    query = select(Workitem).order_by(Workitem.application)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def report(session, item, tmp_path, key="1"):
    blobs = BlobStore(tmp_path / "blobs")
    seal_analysis(session, "a" * 64, "x", blobs.put(b"{}"), blobs.put(b"p"), 1.0)
    made = NewObject("SR", "1.2", f"2.25.{key}", "2.25.9", blobs.put(b"SR"))
    seal_report(session, item, key * 64, "a" * 64, utcnow(), [made])
    workitems.ready(session, item)


def test_each_application_that_reads_a_study_gets_one_row(session, seen, headers):
    two = handlers(Reader("a"), Reader("b"), Reader("c", Reason.NO_APPLICATION))
    two.submit(session, seen, headers, False)
    assert [(i.application, i.state) for i in rows(session)] == [
        ("a", WorkState.WAITING),
        ("b", WorkState.WAITING),
    ]
    assert [row.workflow_id for row in open_rows(session)] == [
        Work.of(item).workflow_id for item in sorted(rows(session), key=lambda i: i.created_at)
    ]


def test_a_study_for_nobody_gets_a_row_with_a_reason(session, seen, headers):
    handlers(Reader("a", Reason.NO_APPLICATION)).submit(session, seen, headers, False)
    (item,) = rows(session)
    assert (item.application, item.state, item.reason) == (
        "", WorkState.NOT_ANALYSED, Reason.NO_APPLICATION,
    )  # fmt: skip
    seen.fingerprint = "two"
    handlers(Reader("a")).submit(session, seen, headers, False)
    assert [(i.application, i.state) for i in rows(session)] == [("a", WorkState.WAITING)]


def test_a_refused_study_names_the_application_and_the_reason(session, seen, headers):
    handlers(Reader("a", Reason.NOT_AXIAL)).submit(session, seen, headers, False)
    (item,) = rows(session)
    assert (item.application, item.state, item.reason) == (
        "a", WorkState.NOT_ANALYSED, Reason.NOT_AXIAL,
    )  # fmt: skip


def test_a_fault_of_an_application_is_a_failed_row(session, seen, headers):
    handlers(Reader("a", ValueError("x"))).submit(session, seen, headers, False)
    (item,) = rows(session)
    assert (item.state, item.reason) == (WorkState.FAILED, Reason.INTERNAL_ERROR)


def test_the_same_input_again_changes_nothing(session, seen, headers):
    for _ in range(3):
        handlers(Reader("a")).submit(session, seen, headers, False)
    (item,) = rows(session)
    assert (item.generation, item.attempt) == (0, 0)


def test_other_input_is_a_new_generation_and_the_old_work_is_unwanted(session, seen, headers):
    handlers(Reader("a")).submit(session, seen, headers, True)
    old = Work.of(rows(session)[0])
    seen.fingerprint = "two"
    handlers(Reader("a")).submit(session, seen, headers, False)
    (item,) = rows(session)
    assert (item.generation, item.incomplete) == (1, False)
    assert workitems.locked(session, old) is None
    assert not workitems.progress(session, old, "analyse", 0.5)
    assert workitems.progress(session, Work.of(item), "analyse", 0.5)


def test_deleted_in_work_and_back_is_a_new_attempt(session, seen, headers):
    handler = handlers(Reader("a"))
    handler.submit(session, seen, headers, False)
    work = Work.of(rows(session)[0])
    handler.withdraw(session, seen)
    (item,) = rows(session)
    assert (item.state, item.reason) == (WorkState.WITHDRAWN, Reason.WITHDRAWN)
    assert workitems.start(session, work, 3) is None
    handler.restore(session, seen)
    (item,) = rows(session)
    assert (item.state, item.attempt) == (WorkState.WAITING, 1)


def test_deleted_when_ready_and_back_is_ready_again(session, seen, headers, tmp_path):
    handler = handlers(Reader("a"))
    handler.submit(session, seen, headers, False)
    report(session, rows(session)[0], tmp_path)
    handler.withdraw(session, seen)
    assert session.get_one(Report, "1" * 64).withdrawn_at is not None
    handler.restore(session, seen)
    (item,) = rows(session)
    assert item.state == WorkState.READY
    assert session.get_one(Report, "1" * 64).withdrawn_at is None
    assert len(unreleased(session)) == 1


def test_what_the_reading_room_released_is_released_anew_as_it_is_back(
    session, seen, headers, tmp_path
):
    handler = handlers(Reader("a"))
    handler.submit(session, seen, headers, False)
    report(session, rows(session)[0], tmp_path)
    (before,) = unreleased(session)
    sealed = session.get_one(Report, "1" * 64)
    sealed.released_at, sealed.released_by = utcnow(), LEDGER
    handler.withdraw(session, seen)
    handler.restore(session, seen)
    assert (sealed.released_at, sealed.released_by) == (None, None)
    (again,) = unreleased(session)
    assert again.workflow_id != before.workflow_id


def test_late_images_that_end_in_a_refusal_take_the_report_back(session, seen, headers, tmp_path):
    handlers(Reader("a")).submit(session, seen, headers, True)
    report(session, rows(session)[0], tmp_path)
    seen.fingerprint = "two"
    handlers(Reader("a")).submit(session, seen, headers, False)
    assert session.get_one(Report, "1" * 64).withdrawn_at is None, "it stands until it is known"
    workitems.refuse(session, rows(session)[0], Reason.NOT_AXIAL, "")
    assert session.get_one(Report, "1" * 64).withdrawn_at is not None
    assert unreleased(session) == []
    seen.fingerprint = "one"
    handlers(Reader("a")).submit(session, seen, headers, False)
    report(session, rows(session)[0], tmp_path)
    assert session.get_one(Report, "1" * 64).withdrawn_at is None, "the same input again"


def twin(session, seen):
    """The same study under another identity, as another row."""
    names = [column.name for column in SeenStudy.__table__.columns]
    values = {name: getattr(seen, name) for name in names} | {"key": "t" * 32, "orthanc_id": "t"}
    other = SeenStudy(**values)
    session.add(other)
    session.flush()
    return other


def test_two_rows_of_one_study_become_the_first(session, seen, headers, tmp_path):
    one = handlers(Reader("a"))
    one.submit(session, seen, headers, False)
    other = twin(session, seen)
    one.submit(session, other, headers, False)
    mine, theirs = sorted(rows(session), key=lambda item: item.study_key)
    report(session, mine, tmp_path, "1")
    report(session, theirs, tmp_path, "2")
    assert one.absorb(session, seen, other)
    assert (theirs.state, theirs.report_key) == (WorkState.WITHDRAWN, None)
    withdrawn = session.get_one(Report, "2" * 64)
    session.refresh(withdrawn)
    assert (withdrawn.workitem_id, withdrawn.withdrawn_at is None) == (mine.id, False)
    assert (other.orthanc_id, other.pending) == ("", False)
    assert other.deleted_at is not None
    assert (mine.state, mine.report_key) == (WorkState.READY, "1" * 64)
    # The report that the other had may be the one that this one gets now.
    seal_report(session, mine, "2" * 64, "a" * 64, utcnow(), [])
    session.refresh(withdrawn)
    assert (mine.report_key, withdrawn.withdrawn_at) == ("2" * 64, None)


@pytest.mark.parametrize("by", ["act", "reading"])
def test_two_rows_stay_two_where_a_person_worked_at_the_second(
    session, seen, headers, tmp_path, by
):
    one = Handlers({"a": Reader("a")}, Rules(1), touched=lambda _, key: by == "reading")
    one.submit(session, seen, headers, False)
    other = twin(session, seen)
    one.submit(session, other, headers, False)
    (theirs,) = [item for item in rows(session) if item.study_key == other.key]
    report(session, theirs, tmp_path, "2")
    if by == "act":
        edits.sign(session, edits.Seen.of(theirs), edits.Person("r", "Rita", "radiologist"))
    assert not one.absorb(session, seen, other)
    assert (theirs.state, theirs.report_key) == (WorkState.READY, "2" * 64)
    assert other.orthanc_id == "t"


def test_a_person_lets_a_waiting_study_go_first(session, seen, headers):
    """The workflow that holds the old place in the queue is no longer wanted."""
    handlers(Reader("a")).submit(session, seen, headers, False)
    old = Work.of(rows(session)[0])
    assert set_priority(session, seen, URGENT, "ann")
    assert not set_priority(session, seen, URGENT, "ann")
    (row,) = open_rows(session)
    assert row.workflow_id != old.workflow_id
    assert row.priority < rank(ROUTINE)
    assert workitems.start(session, old, 3) is None
    assert workitems.start(session, Work.of(rows(session)[0]), 3) is not None
    assert not set_priority(session, seen, ROUTINE, "ann"), "it runs already"


def test_a_refusal_outlasts_deletion(session, seen, headers):
    handler = handlers(Reader("a", Reason.NOT_AXIAL))
    handler.submit(session, seen, headers, False)
    handler.withdraw(session, seen)
    handler.restore(session, seen)
    (item,) = rows(session)
    assert (item.state, item.reason) == (WorkState.NOT_ANALYSED, Reason.NOT_AXIAL)


def test_the_third_death_sets_the_input_aside(session, seen, headers):
    handlers(Reader("a")).submit(session, seen, headers, False)
    work = Work.of(rows(session)[0])
    for _ in range(3):
        assert workitems.start(session, work, 3) is not None
    assert workitems.start(session, work, 3) is None
    (item,) = rows(session)
    assert (item.state, item.reason) == (WorkState.FAILED, Reason.WORKER_LOST)
    assert workitems.rerun(session, item.id, "ann")
    (item,) = rows(session)
    assert (item.state, item.attempt, item.deaths) == (WorkState.WAITING, 1, 0)


def test_who_asks_for_another_try_gets_the_settings_of_now(session, seen, headers, tmp_path):
    handlers(Reader("a", Reason.NOT_AXIAL)).submit(session, seen, headers, False)
    for name in ("North", "West", "South"):
        config = Config(data_folder=tmp_path, organization=name)
        number = record_settings(session, config, "ann", "other series rules")
    (item,) = rows(session)
    assert item.settings_version != number
    assert workitems.rerun(session, item.id, "ann")
    assert item.settings_version == number


def test_a_child_that_ends_takes_its_death_back(session, seen, headers):
    handlers(Reader("a")).submit(session, seen, headers, False)
    work = Work.of(rows(session)[0])
    for _ in range(5):
        assert workitems.start(session, work, 3) is not None
        workitems.clear_deaths(session, work)


def test_a_workflow_that_ended_early_leaves_a_failed_row(session, seen, headers):
    handlers(Reader("a")).submit(session, seen, headers, False)
    (row,) = open_rows(session)
    lost(session, row, "ERROR")
    (item,) = rows(session)
    assert (item.state, item.reason) == (WorkState.FAILED, Reason.INTERNAL_ERROR)
    assert open_rows(session) == []


def test_urgent_work_stands_first(session, seen, headers):
    handlers(Reader("a")).submit(session, seen, headers, False)
    seen.priority = 100
    seen.fingerprint = "two"
    handlers(Reader("b")).submit(session, seen, headers, False)
    first, second = open_rows(session)
    assert first.priority < second.priority


@pytest.mark.parametrize(
    ("readers", "complete"),
    [
        ([Reader("a", Reason.NO_APPLICATION)], None),
        ([Reader("a")], True),
        ([Reader("a"), Reader("b", complete=False)], False),
        ([Reader("a"), Reader("b", Reason.NO_APPLICATION, complete=False)], True),
    ],
)
def test_complete_asks_those_that_read_the_study(headers, readers, complete):
    assert handlers(*readers).complete(headers) is complete
