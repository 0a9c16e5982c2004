"""From observed studies to alarms on both databases: what moved, since when, which studies."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from drift_site import add, at, fill, key
from sqlalchemy import func, select

from gransk.core.errors import InvalidValueError
from gransk.oversight.alarm_tables import Alarm, AlarmKind, AlarmNews
from gransk.oversight.alarms import (
    end_alarm,
    ended_alarms,
    note_seen,
    open_alarms,
    raise_alarm,
)
from gransk.oversight.drift import counted as counting
from gransk.oversight.drift.looking import DriftWatcher, stand_down
from gransk.oversight.drift.tables import DriftChart
from gransk.results.observed import Observation
from gransk.site.config_monitoring import DriftSection, ReferencePeriod
from gransk.site.database import Database
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

SECTION = DriftSection(reference_studies=600)


@pytest.fixture
def database(url):
    found = Database(url)
    upgrade(found)
    yield found
    found.close()


@pytest.fixture
def local(tmp_path):
    found = Database(f"sqlite:///{tmp_path}/drift.db")
    upgrade(found)
    yield found
    found.close()


def watcher(database, section=SECTION, entering=(), past=()):
    return DriftWatcher(
        database, section, datetime.UTC, lambda _: set(entering), lambda *_: list(past)
    )


def drawn(seed, count, shift=0.0):
    return np.random.default_rng(seed).normal(size=count) + shift


def test_a_shift_raises_one_alarm_that_says_what_since_when_and_which(database):
    fill(database, drawn(1, 1000))
    look = watcher(database)
    assert look.run_once() == 0
    fill(database, drawn(2, 800, shift=0.7), first=1000)
    assert look.run_once() >= 1
    assert look.run_once() >= 1
    with database.read() as session:
        alarms = {alarm.about: alarm for alarm in open_alarms(session)}
        alarm = alarms["nodule/north/score/" + "a" * 16 + "/cusum"]
        news = session.scalar(
            select(func.count()).select_from(AlarmNews).where(AlarmNews.alarm == alarm.id)
        )
        raised = select(Event).where(Event.kind == EventKind.ALARM_RAISED)
        events = [e.subject for e in session.scalars(raised)]
        charts = {row.about for row in session.scalars(select(DriftChart))}
    assert news == 1
    assert events.count(alarm.id) == 1
    assert set(alarms) <= charts
    assert alarm.figures["direction"] == "up"
    assert alarm.figures["value"] > alarm.figures["reference"] + 0.4
    assert abs((alarm.since - at(1000)).days) <= 5
    assert alarm.studies
    numbers = {key(n): n for n in range(1800)}
    assert all(numbers[one] >= 900 for one in alarm.studies)
    assert {about.split("/")[2] for about in alarms} == {"score"}


def test_it_ends_when_it_is_well_again(local):
    fill(local, np.concatenate([drawn(1, 1000), drawn(2, 300, 0.7)]))
    look = watcher(local)
    assert look.run_once() >= 1
    fill(local, drawn(3, 1500), first=1300)
    look.run_once()
    with local.read() as session:
        assert open_alarms(session) == []
        ended = ended_alarms(session)
        assert {alarm.figures["fact"] for alarm in ended} == {"score"}
        assert all(alarm.open_about is None for alarm in ended)


def test_where_nobody_looks_any_more_no_alarm_lasts(local):
    fill(local, np.concatenate([drawn(1, 1000), drawn(2, 300, 0.7)]))
    assert watcher(local).run_once() >= 1
    with local.begin() as session:
        raise_alarm(session, AlarmKind.DISK_FULL, "data", {})
    stand_down(local)
    with local.read() as session:
        assert [one.kind for one in open_alarms(session)] == [AlarmKind.DISK_FULL], "not drift's"
    assert watcher(local).run_once() >= 1, "it is raised again where somebody looks"


def test_another_model_begins_a_new_reference(local):
    fill(local, drawn(1, 800))
    fill(local, drawn(2, 400, 3.0), first=800, regime="b" * 16)
    assert watcher(local).run_once() == 0
    with local.read() as session:
        rows = {row.about: row.content for row in session.scalars(select(DriftChart))}
    gathering = rows["nodule/north/score/" + "b" * 16]
    assert gathering["statistic"] is None
    assert (gathering["reference_studies"], gathering["wanted"]) == (400, 600)
    assert rows["nodule/north/kernel/batch"]["reference_studies"] == 600


def test_days_that_are_configured_are_the_reference(local):
    period = ReferencePeriod(
        application="nodule", first=datetime.date(2025, 1, 6), last=datetime.date(2025, 1, 10)
    )
    section = DriftSection(references=(period,))
    fill(local, np.concatenate([drawn(1, 200), drawn(2, 600, 1.5)]))
    assert watcher(local, section).run_once() >= 1


def test_a_new_kernel_alarms_by_its_name_on_the_page_alone(local):
    fill(local, drawn(1, 1000))
    with local.begin() as session:
        numbers = range(1000, 1600)
        names = ["Hansen^Jens" if n % 4 == 0 else "Br40" for n in numbers]
        add(session, numbers, [{"kernel": name} for name in names])
    watcher(local).run_once()
    with local.read() as session:
        (alarm,) = [a for a in open_alarms(session) if a.figures["fact"] == "kernel"]
    assert alarm.shown["named"] in ("Hansen^Jens", "Br60", "Br40")
    assert "Hansen" not in str(alarm.figures) + alarm.about


def test_studies_about_to_enter_hold_up_those_after_them(local):
    fill(local, drawn(1, 30))
    with local.begin() as session:
        assert counting.count_new(session, {key(10)}, at(30)) == 10
    with local.begin() as session:
        assert counting.count_new(session, {key(10)}, at(30)) == 0
        late = at(30) + counting.LONGEST_WAIT
        assert counting.count_new(session, {key(10)}, late) == 19
    with local.read() as session:
        waiting = session.scalars(select(Observation).where(Observation.counted_at.is_(None)))
        assert [row.study_key for row in waiting] == [key(10)]


def test_an_alarm_of_operation_is_raised_once_and_seen_once(database):
    with database.begin() as session:
        first = raise_alarm(session, AlarmKind.DISK_FULL, "data", {"free_mb": 100})
        again = raise_alarm(session, AlarmKind.DISK_FULL, "data", {"free_mb": 50})
        assert first is again
        assert note_seen(session, first, "anna")
        assert not note_seen(session, first, "bo")
    with database.read() as session:
        (alarm,) = open_alarms(session)
        assert (alarm.figures, alarm.seen_by) == ({"free_mb": 50}, "anna")
    with database.begin() as session:
        assert end_alarm(session, AlarmKind.DISK_FULL, "data") is not None
        assert end_alarm(session, AlarmKind.DISK_FULL, "data") is None
        raise_alarm(session, AlarmKind.DISK_FULL, "data", {"free_mb": 10})
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Alarm)) == 2
        assert session.scalar(select(func.count()).select_from(AlarmNews)) == 3


@pytest.mark.parametrize(
    ("about", "figures"),
    [
        ("Hansen^Jens", {}),
        ("0101901234", {"name": "Hansen^Jens"}),
        ("data", {"name": "Jens Hansen"}),
        ("data", {"Patient Name": 1}),
        ("", {}),
        ("a//b", {}),
    ],
)
def test_what_may_not_be_told_is_refused(local, about, figures):
    with pytest.raises(InvalidValueError) as error, local.begin() as session:
        raise_alarm(session, AlarmKind.DRIFT, about, figures)
    assert "Hansen" not in str(error.value)
