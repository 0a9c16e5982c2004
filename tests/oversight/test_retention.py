"""Retention removes what has had its time, and nothing that is needed still."""

import datetime
import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_site import KeptSite, days_ago, write_config
from sqlalchemy import select, text
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.core.application import applications
from gransk.core.errors import InvalidValueError
from gransk.core.object_kinds import ObjectKind
from gransk.delivery.overview import fallen_of
from gransk.oversight import retention, retention_needs
from gransk.oversight.retention import due, remove_spent
from gransk.oversight.retention_needs import Why, naming_columns, spent
from gransk.reading.tables import FollowUpRow
from gransk.results.blobs import Stored, keep
from gransk.results.message_tables import MessageState
from gransk.results.store import is_complete, withdraw_report
from gransk.results.tables import (
    ActKind,
    Blob,
    Delivery,
    DeliveryState,
    FindingAct,
    Report,
    ReportObject,
    Workitem,
    WorkState,
)
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.events import verify as verify_events
from gransk.site.settings import record_settings
from gransk.site.site_keys import Host, site_content
from gransk.site.tables import Event

LATER = datetime.timedelta(days=400)
SECTION = {"fallen_days": 30, "messages_days": 10}


@pytest.fixture
def site(tmp_path):
    site = KeptSite(write_config(tmp_path, retention=SECTION))
    site.study("a")
    yield site
    site.close()


def remove(site, days=400):
    """Retention, so many days from now."""
    now = utcnow() + datetime.timedelta(days=days)
    return remove_spent(site.config, site.database, "test", now, lately_seconds=0.0)


def there(site):
    """What is kept, by its content."""
    with site.database.read() as session:
        rows = session.scalars(select(Blob).where(Blob.removed_at.is_(None))).all()
    return {site.blobs.get(row.sha256).decode() for row in rows}


def change(site, entity, key, **values):
    with site.database.begin() as session:
        row = session.get_one(entity, key)
        for name, value in values.items():
            setattr(row, name, value)


def test_pictures_of_a_superseded_report_go_and_its_text_stays(site):
    site.report("a", "1")
    site.report("a", "2")
    change(site, Report, f"{'2r':0>64}", released_at=utcnow())
    assert remove(site, 29).objects == ()
    removed = remove(site)
    assert removed.counts() == {"fallen": 2}
    assert there(site) == {
        "findings 1", "SR 1", '{"follow": "1"}',
        "findings 2", "pictures 2", "SR 2", "SC 2", '{"follow": "2"}',
    }  # fmt: skip
    assert len(list(site.config.blob_folder.glob("??/*"))) == 8
    with site.database.read() as session:
        (event,) = session.scalars(select(Event).where(Event.kind == EventKind.RETENTION_REMOVED))
        assert verify_events(session) is None
    assert event.data == {"objects": 2, "bytes": removed.size, "fallen": 2}


def released(site, name="2"):
    site.report("a", "1")
    site.report("a", name)
    change(site, Report, f"{name + 'r':0>64}", released_at=utcnow())


def test_what_went_is_said_beside_the_report_that_fell(site):
    released(site)
    change(site, Report, f"{'1r':0>64}", released_at=days_ago(1))
    for at in (None, utcnow()):
        with site.database.read() as session:
            (fallen,) = fallen_of(session, session.get_one(Workitem, "a"))
        assert (fallen.removed_at is None) is (at is None)
        remove(site)


def test_what_is_shared_with_something_needed_stays(site):
    released(site)
    with site.database.begin() as session:
        shared = site.put(session, "SC 1")
        row = session.get_one(ReportObject, "1.2.2.SC")
        row.sha256 = shared.sha256
    assert "SC 1" in there(site)
    remove(site)
    assert "SC 1" in there(site)


BUSY = {
    "held": lambda site: _hold(site),
    "in work": lambda site: change(site, Workitem, "a", state=WorkState.RUNNING),
    "failed": lambda site: change(site, Workitem, "a", state=WorkState.FAILED),
    "unreleased": lambda site: change(site, Report, f"{'2r':0>64}", released_at=None),
    "waits": lambda site: site.deliver(f"{'1r':0>64}", ObjectKind.SC, DeliveryState.RECALL),
    "not delivered": lambda site: site.deliver(f"{'2r':0>64}", ObjectKind.SC, DeliveryState.FAILED),
    "message waits": lambda site: site.message("a", "m", MessageState.WAITING, days_ago(1)),
    "follow-up": lambda site: _follow(site),
    "signed": lambda site: _sign(site),
}


def _hold(site):
    with site.database.begin() as session:
        retention.hold(session, "a", "complaint 7", "test")


def _follow(site):
    with site.database.begin() as session:
        session.add(
            FollowUpRow(
                id="f" * 32, application="nodule", patient_key="p", study_key="a",
                study_date=None, report_key="r", advice=None, due_from=None,
                due_to=datetime.date(2999, 1, 1), signed=True, state="booked", closing=None,
                responsible="", next_step="", note="", booked_on=None, told_overdue=None,
                changed_at=utcnow(), changed_by="test", version=1,
            )
        )  # fmt: skip


def _sign(site):
    with site.database.begin() as session:
        session.add(
            FindingAct(
                number=1, study_key="a", application="nodule", kind=ActKind.SIGN, account="anna",
                person="Anna", role="radiologist", at=utcnow(), analysis_key=f"{'1':0>64}",
                report_key=f"{'1r':0>64}", finding_uid=None, lesion_uid=None, withdraws=None,
                content={},
            )
        )  # fmt: skip


@pytest.mark.parametrize("what", BUSY)
def test_what_is_needed_still_stays(site, what):
    released(site)
    BUSY[what](site)
    before = there(site)
    assert remove(site).objects == ()
    assert there(site) == before


def test_a_hold_ends(site):
    released(site)
    _hold(site)
    with pytest.raises(InvalidValueError), site.database.begin() as session:
        retention.hold(session, "a", "again", "test")
    with pytest.raises(InvalidValueError), site.database.begin() as session:
        retention.hold(session, "b", "no such study", "test")
    with site.database.begin() as session:
        retention.lift(session, "a", "test")
    assert len(remove(site).objects) == 2
    with site.database.read() as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject == "a")).all()
    assert kinds[-2:] == ["study_held", "study_hold_lifted"]


def test_a_withdrawn_report_stands_again_with_new_bytes(site):
    key = site.report("a", "1")
    change(site, Report, key, released_at=utcnow())
    with site.database.begin() as session:
        withdraw_report(session, key, "a")
        session.get_one(Workitem, "a").state = WorkState.WITHDRAWN
    assert remove(site, 29).objects == ()
    assert len(remove(site).objects) == 2
    with site.database.read() as session:
        assert not is_complete(session, key)
    change(site, Workitem, "a", state=WorkState.READY)
    assert site.report("a", "1") == key
    with site.database.read() as session:
        assert is_complete(session, key)
        assert session.get_one(Report, key).withdrawn_at is None
    assert {"pictures 1", "SC 1"} <= there(site)


def test_bodies_of_messages_that_were_sent(site):
    for name, state in (("m1", MessageState.SENT), ("m2", MessageState.REPLACED)):
        site.message("a", name, state, days_ago(20))
    assert remove(site, 0).counts() == {"message": 3}
    site.message("a", "m3", MessageState.SENT, days_ago(5))
    assert remove(site, 0).counts() == {}
    site.message("a", "m4", MessageState.FAILED, days_ago(50))
    assert remove(site).counts() == {}


def test_the_oldest_go_first_where_room_is_short(tmp_path):
    site = KeptSite(write_config(tmp_path, retention={"most_mb": 1}))
    site.study("a")
    with site.database.begin() as session:
        for n in range(3):
            stored = site.blobs.put(bytes([n]) * (1 << 19))
            keep(session, [stored])
            session.get_one(Blob, stored.sha256).created_at = days_ago(6 - n)
    removed = remove_spent(site.config, site.database, "test", lately_seconds=0.0)
    assert [one.why for one in removed.objects] == [Why.UNNAMED]
    assert not site.blobs.path(removed.objects[0].sha256).exists()
    assert remove_spent(site.config, site.database, "test", lately_seconds=0.0).objects == ()
    site.close()


def test_nothing_goes_unless_the_site_says_so(tmp_path):
    site = KeptSite(write_config(tmp_path))
    site.study("a")
    released(site)
    with site.database.read() as session:
        assert spent(session)
    assert remove(site).objects == ()
    site.close()


def test_what_was_touched_lately_stays(site):
    released(site)
    now = utcnow() + LATER
    assert remove_spent(site.config, site.database, "test", now).objects == ()
    old = time.time() - 2 * retention.LATELY_SECONDS
    for path in site.config.blob_folder.glob("??/*"):
        os.utime(path, (old, old))
    site.blobs.put(b"SC 1")
    removed = remove_spent(site.config, site.database, "test", now)
    assert len(removed.objects) == 1
    assert "SC 1" in there(site)


def test_an_object_that_went_comes_back_when_it_is_kept_again(site):
    released(site)
    remove(site)
    with site.database.begin() as session:
        site.put(session, "SC 1")
    assert "SC 1" in there(site)


def test_files_that_no_row_keeps_go(site):
    stray = site.blobs.put(b"left by a worker that was killed")
    remove(site)
    assert not site.blobs.path(stray.sha256).exists()


def test_a_name_under_the_locks_saves_an_object(site, monkeypatch):
    """Somebody names an object between the look and the locks."""
    released(site)
    looked, first = retention.due, []

    def slow(session, section, now=None):
        found = looked(session, section, now)
        if not first:
            first.append(1)
            site.report("a", "1")
            change(site, Report, f"{'1r':0>64}", released_at=utcnow())
        return found

    monkeypatch.setattr(retention, "due", slow)
    remove(site)
    assert {"pictures 1", "SC 1"} <= there(site)


def test_every_table_that_names_objects_is_known(site):
    with site.database.read() as session:
        names = dict(naming_columns(session))
    assert set(names) >= {
        "analysis",
        "comparison",
        "report_object",
        "outgoing_message",
        "rejection_note",
        "model_evidence",
    }
    assert sorted(names["analysis"]) == ["findings_sha256", "pictures_sha256"]


def test_what_a_table_names_that_the_command_never_loaded_stays(site):
    """The command knows few tables; the evidence of a model is named by one that it does not."""
    with site.database.begin() as session:
        site.put(session, "nothing names it")
        sha256 = site.put(session, "evidence").sha256
        for statement in EVIDENCE:
            session.execute(text(statement), {"sha256": sha256})
        old = {"at": "2020-01-01 00:00:00.000000"}
        session.execute(text("UPDATE blob SET created_at = :at"), old)
    for path in site.config.blob_folder.glob("??/*"):
        os.utime(path, (0, 0))
    command = [sys.executable, "-m", "gransk.cli.main", "retention", "run", "--config"]
    subprocess.run([*command, str(site.path)], check=True, timeout=60)
    assert there(site) == {"evidence"}


EVIDENCE = (
    "INSERT INTO model_attempt VALUES (1, 'page', 't', 'm@1', 1, '[]', 'a', '2020-01-01')",
    "INSERT INTO model VALUES ('m@1', 1, '{}', '', '', 1, NULL, 1, 1)",
    "INSERT INTO model_step VALUES (1, 'm@1', 'candidate', 0, 'a', '', '2020-01-01')",
    "INSERT INTO model_evidence VALUES (1, 1, 'file', 't', '{}', :sha256, 'a', '2020-01-01')",
)


def run(site, *arguments):
    return CliRunner().invoke(app, ["retention", *arguments, "--config", str(site.path)])


def test_the_command_follows_the_settings_in_force(site):
    """The file says 30 days; the pages said since that nothing goes."""
    released(site)
    with site.database.begin() as session:
        record_settings(session, site.config, "test", "as the file")
        kept = {**site_content(site.config), "retention": {}}
        now = Host(site.config, applications(), site.path.parent).config_of(kept)
        record_settings(session, now, "test", "keep everything")
        session.execute(text("UPDATE report SET created_at = '2020-01-01 00:00:00.000000'"))
    outcome = run(site, "run", "--dry-run")
    assert "nothing is set" in outcome.output, outcome.output


def test_the_command_says_what_would_go(site):
    released(site)
    site.message("a", "m1", MessageState.SENT, days_ago(20))
    outcome = run(site, "run", "--dry-run")
    assert outcome.exit_code == 0, outcome.output
    assert "2 objects would go" in outcome.output
    assert "body m1" in there(site)
    assert run(site, "hold", "a", "--reason", "complaint").exit_code == 0
    assert "complaint" in run(site, "holds").output
    assert "0 objects would go" in run(site, "run", "--dry-run").output
    assert run(site, "lift", "a").exit_code == 0
    assert run(site, "lift", "a").exit_code == 1


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("report", "again", "withdraw", "release", "deliver", "delivered", "message",
             "hold", "lift", "sign", "work", "remove")
        ),
        st.sampled_from(("a", "b", "c")),
        st.integers(0, 3),
    ),
    min_size=5,
    max_size=40,
)  # fmt: skip


class History:
    """A random history of a site, and what must be there at each moment."""

    def __init__(self, site):
        self.site = site
        self.made = {key: [] for key in "abc"}
        self.acts = 0
        for key in "abc":
            site.study(key)

    def act(self, what, key, number):
        site = self.site
        with site.database.read() as session:
            item = session.get_one(Workitem, key)
        if what == "report":
            self.made[key].append(f"{key}{len(self.made[key])}".encode().hex())
            site.report(key, self.made[key][-1])
        elif what == "again" and self.made[key]:
            site.report(key, self.made[key][number % len(self.made[key])])
        elif what == "withdraw" and item.report_key:
            with site.database.begin() as session:
                withdraw_report(session, item.report_key, key)
        elif what == "release" and item.report_key:
            change(site, Report, item.report_key, released_at=utcnow())
        elif what == "deliver" and item.report_key:
            self.acts += 1
            site.deliver(item.report_key, ObjectKind.SC, DeliveryState.WAITING, f"p{self.acts}")
        elif what == "delivered":
            with site.database.begin() as session:
                for row in session.scalars(select(Delivery)):
                    row.state = DeliveryState.SENT
        elif what == "message":
            self.acts += 1
            state = (MessageState.WAITING, MessageState.SENT)[number % 2]
            site.message(key, f"m{self.acts}", state, utcnow())
        elif what in ("hold", "lift"):
            with site.database.begin() as session:
                held = {one.study_key for one in retention.holds(session)}
                if what == "hold" and key not in held:
                    retention.hold(session, key, "why", "test")
                elif what == "lift" and key in held:
                    retention.lift(session, key, "test")
        elif what == "sign" and item.report_key:
            self._sign(key, item)
        elif what == "work":
            change(site, Workitem, key, state=(WorkState.READY, WorkState.WAITING)[number % 2])
        elif what == "remove":
            remove(site)

    def _sign(self, key, item):
        self.acts += 1
        with self.site.database.begin() as session:
            session.add(
                FindingAct(
                    number=self.acts, study_key=key, application="nodule", kind=ActKind.SIGN,
                    account="anna", person="Anna", role="radiologist", at=utcnow(),
                    analysis_key=item.analysis_key, report_key=item.report_key, finding_uid=None,
                    lesion_uid=None, withdraws=None, content={},
                )
            )  # fmt: skip

    def check(self):
        """What is needed is there, said anew and more simply than the code says it."""
        site = self.site
        with site.database.read() as session:
            held = {one.study_key for one in retention.holds(session)}
            signed = set(session.scalars(select(FindingAct.report_key)))
            waiting = set(
                session.scalars(
                    select(Delivery.report_key).where(Delivery.state == DeliveryState.WAITING)
                )
            )
            items = {item.id: item for item in session.scalars(select(Workitem))}
            for report in session.scalars(select(Report)):
                item = items[report.workitem_id]
                current = item.report_key == report.key and report.withdrawn_at is None
                needed = current or report.key in signed | waiting
                for made in session.scalars(
                    select(ReportObject).where(ReportObject.report_key == report.key)
                ):
                    if needed or made.kind in retention_needs.EVIDENCE:
                        site.blobs.get(made.sha256)
                site.blobs.get(report.follow_up_sha256)
                analysis = session.get_one(retention_needs.Analysis, report.analysis_key)
                site.blobs.get(analysis.findings_sha256)
                if needed:
                    site.blobs.get(analysis.pictures_sha256)
            for row in session.scalars(
                select(retention_needs.OutgoingMessage).where(
                    retention_needs.OutgoingMessage.state == MessageState.WAITING
                )
            ):
                site.blobs.get(row.sha256)
            for blob in session.scalars(select(Blob)):
                path = site.blobs.path(blob.sha256)
                assert path.exists() or blob.removed_at is not None
        return held


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTS)
def test_in_any_history_what_is_needed_is_there(tmp_path_factory, acts):
    site = KeptSite(write_config(tmp_path_factory.mktemp("history"), retention=SECTION))
    try:
        history = History(site)
        for act in acts:
            before = there(site) if act[0] == "remove" else set()
            history.act(*act)
            held = history.check()
            if act[0] == "remove" and held == set("abc"):
                assert there(site) == before
    finally:
        site.close()


@pytest.mark.parametrize("sha256", ["0" * 64])
def test_a_row_without_its_file_is_no_reason_to_stop(site, sha256):
    with site.database.begin() as session:
        keep(session, [Stored(sha256, 1)])
    assert [one.why for one in remove(site).objects] == [Why.UNNAMED]
    with site.database.read() as session:
        assert due(session, site.config.retention).objects == ()


@pytest.mark.system
def test_on_postgresql(postgresql, tmp_path):
    urls = {"url": postgresql, "workflows_url": postgresql}
    site = KeptSite(write_config(tmp_path, retention=SECTION, database=urls))
    site.study("a")
    released(site)
    assert len(remove(site).objects) == 2
    with site.database.begin() as session:
        site.put(session, "SC 1")
    assert "SC 1" in there(site)
    assert "pictures 1" not in there(site)
    site.close()
