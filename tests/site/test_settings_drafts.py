"""Drafts of settings: who approves, what is refused, what comes into force."""

import multiprocessing
import os
import signal
import threading

import pytest
from settings_site import UNITS, SettingsSite
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from gransk.core.errors import ConfigurationError
from gransk.site import people
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.differences import with_value, without
from gransk.site.events import EventKind, verify
from gransk.site.live import Current, Fixed, Live, Made, calling, in_force
from gransk.site.settings import changed_drafts, changed_settings, latest_settings
from gransk.site.settings_acts import approve, turn_down, undo
from gransk.site.settings_drafts import (
    OVERTAKEN,
    DraftState,
    changes_of,
    content_of,
    drafts,
    settings_now,
    version_changes,
    without_approver,
)
from gransk.site.settings_refusals import TEXTS, SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import SITE, site_content, site_digest
from gransk.site.tables import Event

THRESHOLD = "applications.marker.operating_point"
GRACE = "follow_up.grace_days"
OVERRIDE = {
    "name": "sharp", "application": "marker", "where": {"unit": "north", "manufacturer": "ACME*"},
    "settings": {"operating_point": 0.7},
}  # fmt: skip


@pytest.fixture
def site(url, tmp_path):
    made = SettingsSite(url, tmp_path)
    yield made
    made.database.close()


def put(key, value):
    return lambda content: with_value(content, key, value)


def refusal(of, *arguments, **named):
    with pytest.raises(SettingsError) as refused:
        of(*arguments, **named)
    return refused.value.refusal


def threshold(site):
    return site.now().content["applications"].get("marker", {}).get("operating_point")


def test_every_refusal_has_its_texts():
    assert set(TEXTS) == set(SettingsRefusal)
    assert all(texts.keys() == {"da", "en"} and all(texts.values()) for texts in TEXTS.values())


def test_what_touches_no_clinical_output_is_in_force_at_once(site):
    site.begin("karen", "svend")
    made = site.propose(put("organization", "Hospital North"))
    assert (made.state, made.row.units, made.version) == (DraftState.IN_FORCE, [], 2)
    assert site.now().config.organization == "Hospital North"


def test_each_unit_approves_what_touches_clinical_output(site):
    site.begin("karen", "svend")
    made = site.propose(put(THRESHOLD, 0.6))
    assert (made.state, made.open_units) == (DraftState.WAITING, ("north", "west"))
    assert threshold(site) is None
    assert site.approve(made.number, "karen").open_units == ("west",)
    assert refusal(site.approve, made.number, "karen") is SettingsRefusal.APPROVED
    assert threshold(site) is None
    ended = site.approve(made.number, "svend")
    assert (ended.state, ended.approved_by) == (DraftState.IN_FORCE, ("karen", "svend"))
    assert threshold(site) == 0.6
    assert refusal(site.approve, made.number, "svend") is SettingsRefusal.CLOSED
    with site.database.read() as session:
        assert [one.key for one in changes_of(session, site.host, made.number)] == [
            "applications.marker"
        ]
        assert version_changes(session, site.host, 2) == changes_of(session, site.host, 1)
        kinds = [
            EventKind.SETTINGS_CHANGED, EventKind.SETTINGS_DRAFTED, EventKind.SETTINGS_APPROVED,
            EventKind.SETTINGS_APPROVED, EventKind.SETTINGS_CHANGED,
        ]  # fmt: skip
        told = session.scalars(
            select(Event.kind).where(Event.subject == "settings").order_by(Event.number)
        )
        assert list(told) == [kind.value for kind in kinds]
        assert verify(session) is None
        assert (changed_settings(session), changed_drafts(session)) == ([], [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("programme.codes", [{"programme": "screening", "scheme": "99SITE", "value": "MAM-CLIN"}]),
        ("priors.most", 0),
    ],
)
def test_what_chooses_policy_or_comparisons_is_approved(site, key, value):
    """A code read as screening brings an exam under that policy; no priors, no comparison."""
    site.begin("karen", "svend")
    before = site.now().content
    made = site.propose(put(key, value))
    assert (made.state, made.open_units) == (DraftState.WAITING, ("north", "west"))
    assert site.now().content == before
    site.approve(made.number, "karen")
    assert site.approve(made.number, "svend").state is DraftState.IN_FORCE


def test_an_override_of_one_unit_is_that_units(site):
    site.begin("karen", "svend")
    made = site.propose(put("overrides[sharp]", OVERRIDE))
    assert made.open_units == ("north",)
    assert refusal(site.approve, made.number, "svend") is SettingsRefusal.NOT_RESPONSIBLE
    assert site.approve(made.number, "karen").state is DraftState.IN_FORCE
    every = site.propose(lambda content: without(content, "overrides[sharp].where.unit"))
    assert every.open_units == ("north", "west")


@pytest.mark.parametrize("author", ["karen", "shell:karen"])
def test_the_author_does_not_approve(site, author):
    site.begin("karen", "bent", "svend")
    made = site.propose(put("overrides[sharp]", OVERRIDE), author=author)
    assert refusal(site.approve, made.number, "karen") is SettingsRefusal.OWN_DRAFT
    assert site.approve(made.number, "bent").state is DraftState.IN_FORCE


def test_a_draft_that_nobody_else_could_approve_is_told(site):
    site.begin("karen")
    made = site.propose(put(THRESHOLD, 0.6), author="karen")
    with site.database.read() as session:
        section = settings_now(session, site.host).config.reading
        assert without_approver(session, section, made) == ("north", "west")


def test_a_new_site_has_nobody_to_approve(site):
    site.begin()
    made = site.propose(put(THRESHOLD, 0.6))
    assert (made.state, made.approved_by) == (DraftState.IN_FORCE, ())
    assert made.row.units == ["north", "west"]


def test_a_site_without_units_has_one_approval(url, tmp_path):
    site = SettingsSite(url, tmp_path, "language: da\n").begin("karen", "svend")
    made = site.propose(put(THRESHOLD, 0.6))
    assert made.open_units == ("",)
    assert site.approve(made.number, "svend").state is DraftState.IN_FORCE


def test_a_switched_off_account_approves_nothing(site):
    site.begin("karen", "svend")
    made = site.propose(put(THRESHOLD, 0.6))
    with site.database.begin() as session:
        people.set_active(session, site.account(session, "karen"), False, actor="root")
    assert refusal(site.approve, made.number, "karen") is SettingsRefusal.NOT_RESPONSIBLE


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (put("langauge", "da"), SettingsRefusal.UNKNOWN_KEY, "did you mean 'language'"),
        (put("follow_up.grace", 3), SettingsRefusal.UNKNOWN_KEY, "grace_days"),
        (put("service", {"port": 1}), SettingsRefusal.MACHINE_KEY, "service"),
        (put("messages.listener", None), SettingsRefusal.MACHINE_KEY, "messages.listener"),
        (put(GRACE, "many"), SettingsRefusal.INVALID, "follow_up.grace_days"),
        (put(THRESHOLD, 2.0), SettingsRefusal.INVALID, "operating_point"),
        (put("applications.other", {}), SettingsRefusal.INVALID, "no such application"),
        (
            put("applications.marker", {"names": {"file": "gransk.yaml"}}),
            SettingsRefusal.INVALID,
            "applications.marker.names.file: got the name of a file",
        ),
        (
            put("overrides[sharp]", {**OVERRIDE, "settings": {"operating_point": 2.0}}),
            SettingsRefusal.INVALID,
            "overrides[sharp].settings",
        ),
        (
            put("overrides[sharp]", {**OVERRIDE, "where": {"unit": "nroth"}}),
            SettingsRefusal.INVALID,
            "did you mean 'north'",
        ),
        (
            put(
                "overrides[sharp]",
                {**OVERRIDE, "where": {"kernel": "B*"}, "settings": {"series": {"a": 1.0}}},
            ),
            SettingsRefusal.INVALID,
            "a kernel is known of images that are chosen already",
        ),
        (lambda content: content, SettingsRefusal.NO_CHANGE, ""),
    ],
)
def test_what_is_wrong_is_refused_with_a_code(site, change, code, told):
    site.begin("karen", "svend")
    with pytest.raises(SettingsError) as refused:
        site.propose(change)
    assert refused.value.refusal is code
    assert told in refused.value.detail
    with site.database.read() as session:
        assert (drafts(session), latest_settings(session).number) == ([], 1)


def test_a_page_names_no_file_that_its_people_may_not_read(site, tmp_path, monkeypatch):
    """A destination that signs in with a file would send it away: only where secrets lie."""

    def pacs(name):
        one = {"name": "p", "kind": "dicomweb", "url": "https://p", "username": "u"}
        return put("destinations", [one | {"password_file": str(name)}])

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    site.begin()
    away = tmp_path.parent / "away"
    away.write_text("secret")
    (tmp_path / "link").symlink_to(away)
    for name in (away, "../away", tmp_path / "link", "/etc/shadow", "/proc/self/environ"):
        for origin in (Origin.PAGE, Origin.REST):
            assert (
                refusal(site.propose, pacs(name), origin=origin) is SettingsRefusal.FILE_ELSEWHERE
            ), name
    assert site.in_force(site.propose(pacs(away), origin=Origin.FILE)), "its author reads it anyway"
    assert site.in_force(site.propose(put(GRACE, 3))), "what was named before may stay"
    for name in ("secret", "/run/secrets/p", site.host.config.data_folder / "secrets" / "p",
                 tmp_path / "credentials" / "p"):  # fmt: skip
        assert site.in_force(site.propose(pacs(name))), name


def test_overrides_are_checked_together(site):
    site.begin()
    first = {**OVERRIDE, "settings": {"series": {"a": 1.0}}}
    site.propose(put("overrides[sharp]", first))
    second = {**OVERRIDE, "name": "other", "settings": {"series": {"b": "x"}}}
    assert refusal(site.propose, put("overrides[other]", second)) is SettingsRefusal.INVALID


@pytest.mark.parametrize("reason", ["be\0cause", "", "  x ", "x" * 1001])
def test_a_reason_is_wanted(site, reason):
    site.begin()
    refused = refusal(site.propose, put("language", "da"), reason=reason)
    assert refused is SettingsRefusal.REASON


def test_two_editors_of_different_keys_are_both_heard(site):
    site.begin("karen", "svend")
    waiting = site.propose(put(THRESHOLD, 0.6), author="anna", base=1)
    site.propose(put("organization", "Hospital North"), author="bo", base=1)
    for name in ("karen", "svend"):
        waiting = site.approve(waiting.number, name)
    now = site.now()
    assert now.config.organization == "Hospital North"
    assert now.content["applications"] == {"marker": {"operating_point": 0.6}}


def test_two_editors_of_one_key(site):
    site.begin("karen", "svend")
    before = site.now().content
    first = site.propose(put(GRACE, 7), author="anna")
    second = site.propose(put(GRACE, 21), author="bo")
    for name in ("karen", "svend"):
        site.approve(first.number, name)
    assert refusal(site.approve, second.number, "karen") is SettingsRefusal.CONFLICT
    late = refusal(site.propose, lambda _: with_value(before, GRACE, 3), author="bo", base=1)
    assert late is SettingsRefusal.CONFLICT
    assert site.now().config.follow_up.grace_days == 7


def test_a_draft_of_which_nothing_is_left_is_overtaken(site):
    """Two want the same: the second has nothing to bring into force, and waits no longer."""
    site.begin("karen", "svend")
    first = site.propose(put(GRACE, 7), author="anna")
    second = site.propose(put(GRACE, 7), author="bo")
    for name in ("karen", "svend"):
        site.approve(first.number, name)
    ended = site.approve(second.number, "karen")
    assert (ended.state, ended.version, ended.approvals) == (DraftState.OVERTAKEN, None, ())
    assert refusal(site.approve, second.number, "svend") is SettingsRefusal.CLOSED
    with site.database.read() as session:
        assert drafts(session, waiting=True) == []
        assert latest_settings(session).number == 2
        assert (changed_settings(session), changed_drafts(session)) == ([], [])
        told = session.scalars(select(Event).where(Event.kind == EventKind.SETTINGS_REFUSED))
        assert [(one.actor, one.data["number"]) for one in told] == [("gransk", second.number)]


def test_a_draft_turned_down_with_those_words_is_turned_down(site):
    site.begin("karen", "svend")
    made = site.propose(put(GRACE, 7))
    with site.database.begin() as session:
        account = site.account(session, "karen")
        ended = turn_down(session, site.host, made.number, account, OVERTAKEN)
    assert ended.state is DraftState.TURNED_DOWN


def _drafted(url, folder, value, barrier, results):
    database = Database(url)
    site = SettingsSite.__new__(SettingsSite)
    site.path, site.database = folder / "gransk.yaml", database
    site.host = site.made_host()
    barrier.wait(30)
    try:
        results.put(site.propose(put("organization", value), base=1).version)
    except SettingsError as error:
        results.put(error.refusal.value)
    database.close()


def test_two_editors_at_once(site, url, tmp_path):
    site.begin()
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    both = [
        spawn.Process(target=_drafted, args=(url, tmp_path, name, barrier, results))
        for name in ("one", "two")
    ]
    for one in both:
        one.start()
    ended = {results.get(timeout=60) for _ in both}
    for one in both:
        one.join(30)
    assert ended == {2, SettingsRefusal.CONFLICT.value}


def test_a_unit_that_came_while_a_draft_waited_is_asked_too(site):
    site.begin("karen", "svend")
    made = site.propose(put(THRESHOLD, 0.6))
    more = {"name": "south", "title": "South", "responsible": ["karen"]}
    other = site.propose(put("reading.units[south]", more))
    site.approve(made.number, "karen")
    site.approve(other.number, "karen")
    assert site.approve(other.number, "svend").state is DraftState.IN_FORCE
    assert refusal(site.approve, made.number, "svend") is SettingsRefusal.CONFLICT
    assert threshold(site) is None


def test_a_draft_is_turned_down(site):
    site.begin("karen", "svend")
    made = site.propose(put("overrides[sharp]", OVERRIDE))
    with site.database.begin() as session:
        account = site.account(session, "svend")
        refused = refusal(turn_down, session, site.host, made.number, account, "no need")
        assert refused is SettingsRefusal.NOT_RESPONSIBLE
        account = site.account(session, "karen")
        ended = turn_down(session, site.host, made.number, account, "no need")
    assert (ended.state, ended.turned_down.reason) == (DraftState.TURNED_DOWN, "no need")
    assert refusal(site.approve, made.number, "karen") is SettingsRefusal.CLOSED
    with site.database.read() as session:
        assert drafts(session, waiting=True) == []
        assert [one.number for one in drafts(session)] == [made.number]


def test_undoing_leaves_what_came_after(site):
    site.begin()
    site.propose(put(THRESHOLD, 0.6))
    site.propose(put("organization", "Hospital North"))
    with site.database.begin() as session:
        made = undo(session, site.host, 2, "anna", "too few marks")
    assert (made.row.origin, made.row.undoes) == (Origin.UNDO, 2)
    assert threshold(site) is None
    assert site.now().config.organization == "Hospital North"
    with site.database.begin() as session:
        assert refusal(undo, session, site.host, 1, "anna", "back") is (
            SettingsRefusal.NOTHING_BEFORE
        )
        assert refusal(undo, session, site.host, 9, "anna", "back") is SettingsRefusal.NO_VERSION


def test_undoing_is_approved_as_any_change(site):
    site.begin()
    site.propose(put(THRESHOLD, 0.6))
    site.begin("karen", "svend")
    with site.database.begin() as session:
        made = undo(session, site.host, 2, "anna", "too few marks")
    assert made.open_units == ("north", "west")
    assert threshold(site) == 0.6


def test_undoing_what_was_changed_again_is_a_conflict(site):
    site.begin()
    for value in (0.6, 0.7):
        site.propose(put(THRESHOLD, value))
    with site.database.begin() as session:
        assert refusal(undo, session, site.host, 2, "anna", "back") is SettingsRefusal.CONFLICT


def test_an_admission_that_the_host_asks_for(site):
    site.begin()

    def check(session, config):
        raise SettingsError(SettingsRefusal.MODEL_NOT_ACTIVE, config.language)

    site.host = type(site.host)(
        site.host.config, site.host.applications, site.host.folder, (check,)
    )
    assert refusal(site.propose, put("language", "da")) is SettingsRefusal.MODEL_NOT_ACTIVE


TABLES = ("setting_draft", "setting_approval", "setting_turned_down", "setting_file")


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_changed_afterwards(site, table):
    site.begin("karen", "svend")
    made = site.propose(put("overrides[sharp]", OVERRIDE))
    other = site.propose(put(THRESHOLD, 0.6))
    site.approve(made.number, "karen")
    with site.database.begin() as session:
        turn_down(session, site.host, other.number, site.account(session, "karen"), "no need")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at = at"):
        with pytest.raises(DatabaseError, match="append-only"), site.database.begin() as session:
            session.execute(text(statement))


def test_page_rest_and_file_make_the_same_version(url, tmp_path, site):
    site.begin()
    by_page = site.propose(put(THRESHOLD, 0.6), origin=Origin.PAGE).row.digest
    with site.database.begin() as session:
        undo(session, site.host, 2, "anna", "again")
    short = {
        "reading": site.now().content["reading"],
        "applications": {"marker": {"operating_point": 0.6}},
    }
    by_rest = site.propose(lambda _: short, origin=Origin.REST).row.digest
    with site.database.begin() as session:
        undo(session, site.host, 4, "anna", "again")
    taken = site.edit(UNITS + "applications: {marker: {operating_point: 0.6}}\n")
    assert {by_page, by_rest} == {taken.draft.row.digest}
    assert site_digest(site.now().content) == by_page
    assert list(site.now().content) == list(SITE)


# In force while processes run


def test_what_is_in_force_is_seen_without_a_restart(site):
    site.begin()
    live = Live(site.host, site.database, seconds=0)
    routes = Made(live, lambda now: {one.name: one for one in now.destinations},
                  lambda now: now.destinations)  # fmt: skip
    names = calling(Made(live, lambda now: lambda: [one.name for one in now.destinations]))
    first, current = routes(), Current(routes)
    assert (live.version, list(current)) == (1, ["orthanc"])
    site.propose(put(THRESHOLD, 0.6))
    assert live.version == 2
    assert routes() is first, "nothing that it is made from has changed"
    pacs = {"kind": "dicom", "aet": "PACS", "host": "127.0.0.1"}
    site.propose(put("destinations[pacs]", pacs))
    assert list(current) == names() == ["orthanc", "pacs"]
    assert current["pacs"].aet == "PACS"


def test_a_name_that_another_process_saw_sooner_is_known_at_once(site):
    site.begin()
    live = Live(site.host, site.database, seconds=3600)
    current = Current(Made(live, lambda now: {one.name: one for one in now.destinations},
                           lambda now: now.destinations))  # fmt: skip
    pacs = {"kind": "dicom", "aet": "PACS", "host": "127.0.0.1"}
    site.propose(put("destinations[pacs]", pacs))
    assert list(current) == ["orthanc"], "it has not looked since"
    assert current["pacs"].aet == "PACS"
    assert "vna" not in current


def test_machine_keys_stay_the_hosts_own(site):
    site.path.write_text("{service: {port: 8123}, messages: {listener: {port: 2575, senders: []}}}")
    with pytest.raises(ConfigurationError):
        load_config(site.path)
    site.path.write_text("service: {port: 8123}\n")
    site.host = site.made_host()
    site.begin()
    site.propose(put("organization", "Hospital North"))
    live = Live(site.host, site.database)
    assert live.config.service.port == 8123
    assert live.config.organization == "Hospital North"


def test_a_transaction_sees_what_is_in_force_at_once(site):
    site.begin()
    live = Live(site.host, site.database, seconds=3600)
    site.propose(put(THRESHOLD, 0.6))
    assert live.version == 1, "it looks once an hour"
    with site.database.read() as session:
        config, version = live.at(session)
    assert (version, config.applications["marker"]) == (2, {"operating_point": 0.6})


def test_a_version_that_cannot_be_used_here_leaves_the_one_before(site, caplog):
    site.begin()
    live = Live(site.host, site.database, seconds=0)
    site.propose(put(THRESHOLD, 0.6))
    bare = type(site.host)(site.host.config, {}, site.host.folder)
    other = Live.__new__(Live)
    other.__dict__.update(live.__dict__, host=bare, _lock=threading.Lock())
    assert other.version == 1
    assert "cannot be used here" in caplog.text
    with pytest.raises(SettingsError):
        Live(bare, site.database)


def test_a_configuration_stands_for_itself(site):
    assert in_force(site.host.config).config is site.host.config
    fixed = Fixed(site.host.config, 3)
    assert in_force(fixed) is fixed
    assert fixed.version == 3


def _approved(url, folder, number, committed):
    """Approve and be killed: before the end of the transaction, or at once after it."""
    database = Database(url)
    site = SettingsSite.__new__(SettingsSite)
    site.path, site.database = folder / "gransk.yaml", database
    host = site.made_host()
    with database.begin() as session:
        approve(session, host, number, people.find_account(session, "karen"))
        if not committed:
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("committed", [False, True])
def test_a_process_killed_between_approval_and_effect(site, url, tmp_path, committed):
    site.begin("karen")
    live = Live(site.host, site.database, seconds=0)
    made = site.propose(put("overrides[sharp]", OVERRIDE))
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_approved, args=(url, tmp_path, made.number, committed))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert live.version == (2 if committed else 1)
    with site.database.read() as session:
        assert len(drafts(session, waiting=True)) == (0 if committed else 1)
        assert content_of(session, site.host, live.version) == site_content(live.config)
    if not committed:
        assert site.approve(made.number, "karen").version == 2
