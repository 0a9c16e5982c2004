"""Settings as YAML: exported, imported, and a file that was edited by hand."""

import pytest
from settings_site import UNITS, SettingsSite
from sqlalchemy import func, select

from gransk.site.differences import with_value
from gransk.site.live import Live
from gransk.site.settings import latest_number, latest_settings, record_settings
from gransk.site.settings_acts import undo
from gransk.site.settings_drafts import DraftState, drafts, one_draft
from gransk.site.settings_file import (
    HostFile,
    export_settings,
    import_settings,
    read_settings,
    refused_file,
    refused_files,
)
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin, SettingFile
from gransk.site.tables import SettingVersion

MARKED = UNITS + "applications: {marker: {operating_point: 0.6}}\n"


@pytest.fixture
def site(url, tmp_path):
    made = SettingsSite(url, tmp_path)
    yield made
    made.database.close()


def test_an_export_imported_changes_nothing(site):
    site.begin()
    site.propose(
        lambda content: with_value(
            content, "destinations[pacs]", {"kind": "dicom", "aet": "PACS", "host": "pacs"}
        )
    )
    text = export_settings(site.now().content)
    assert export_settings(site.host.complete(read_settings(text))) == text
    with pytest.raises(SettingsError) as refused, site.database.begin() as session:
        import_settings(session, site.host, text, "shell:anna", "as it is")
    assert refused.value.refusal is SettingsRefusal.NO_CHANGE
    with site.database.begin() as session:
        other = text.replace("host: pacs", "host: archive")
        made = import_settings(session, site.host, other, "shell:anna", "it moved")
    assert made.state is DraftState.IN_FORCE
    assert made.row.origin is Origin.FILE


@pytest.mark.parametrize("text", ["a: [", "just words", "a: 1\na: 2\n"])
def test_what_is_no_yaml_is_refused(text):
    with pytest.raises(SettingsError) as refused:
        read_settings(text)
    assert refused.value.refusal is SettingsRefusal.UNREADABLE


def test_the_first_file_is_the_first_version(site):
    site.begin()
    site.file.take_in()
    with site.database.read() as session:
        assert latest_number(session) == 1
        assert latest_settings(session).draft is None
        assert session.scalar(select(func.count()).select_from(SettingFile)) == 1


def test_an_edited_file_goes_the_way_of_every_draft(site):
    site.begin("karen", "svend")
    taken = site.edit("# a remark\n" + MARKED)
    assert taken.draft.open_units == ("north", "west")
    assert taken.draft.row.author.startswith("shell:")
    assert not site.edit("# another remark\n" + MARKED).changed
    for name in ("karen", "svend"):
        ended = site.approve(taken.draft.number, name)
    assert ended.version == 2
    quiet = site.edit(MARKED + "organization: Hospital North\n")
    assert quiet.draft.version == 3, "it touches no clinical output"
    assert site.now().content["applications"] == {"marker": {"operating_point": 0.6}}


def test_what_the_pages_changed_stays(site):
    site.begin()
    site.propose(lambda content: with_value(content, "organization", "Hospital North"))
    site.edit(MARKED)
    now = site.now()
    assert now.config.organization == "Hospital North"
    assert now.content["applications"] == {"marker": {"operating_point": 0.6}}


def test_one_key_changed_in_the_file_and_on_the_pages(site):
    site.begin()
    live = Live(site.host, site.database, seconds=0)
    site.propose(lambda content: with_value(content, "organization", "Hospital North"))
    taken = site.edit(UNITS + "organization: Hospital West\n")
    assert (taken.refusal, taken.detail) == (SettingsRefusal.CONFLICT, "organization")
    assert live.config.organization == "Hospital North"
    again = site.file.take_in()
    assert (again.changed, again.refusal) == (False, SettingsRefusal.CONFLICT)
    with site.database.read() as session:
        assert refused_file(session, site.path).detail == "organization"
    agreed = site.edit(UNITS + "organization: Hospital North\n")
    assert (agreed.changed, agreed.draft, agreed.refusal) == (True, None, None)
    site.edit(UNITS + "organization: Hospital West\n")
    assert live.config.organization == "Hospital West"
    with site.database.read() as session:
        assert refused_files(session) == []


def test_a_refused_file_is_taken_in_when_what_was_in_its_way_is_gone(site):
    site.begin()
    site.propose(lambda content: with_value(content, "organization", "Hospital North"))
    taken = site.edit(UNITS + "organization: Hospital West\n")
    assert taken.refusal is SettingsRefusal.CONFLICT
    with site.database.begin() as session:
        undo(session, site.host, 2, "anna", "as we agreed")
    assert site.file.take_in().draft.state is DraftState.IN_FORCE
    assert site.now().content["organization"] == "Hospital West"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", SettingsRefusal.UNREADABLE),
        ("langauge: da", SettingsRefusal.UNKNOWN_KEY),
        ("follow_up: {grace: 3}", SettingsRefusal.UNKNOWN_KEY),
        ("follow_up: {grace_days: many}", SettingsRefusal.INVALID),
        ("applications: {marker: {operating_point: 2.0}}", SettingsRefusal.INVALID),
        ("applications: {marker: {file: missing.yaml}}", SettingsRefusal.INVALID),
    ],
)
def test_a_file_that_became_wrong_changes_nothing(site, text, code):
    site.begin()
    taken = site.edit(text)
    assert (taken.changed, taken.refusal) == (True, code)
    assert not site.file.take_in().changed, "it is told once"
    with site.database.read() as session:
        assert latest_number(session) == 1
        assert [row.refusal for row in refused_files(session)] == [code.value]
    assert site.edit(UNITS).refusal is None
    with site.database.read() as session:
        assert latest_number(session) == 1
        assert refused_files(session) == []


def test_a_file_that_is_gone(site):
    site.begin()
    site.path.unlink()
    assert site.file.take_in().refusal is SettingsRefusal.UNREADABLE


def test_a_second_edit_takes_the_place_of_the_first(site):
    site.begin("karen", "svend")
    first = site.edit(MARKED + "follow_up: {grace_days: 7}\n").draft
    second = site.edit(MARKED.replace("0.6", "0.7") + "follow_up: {grace_days: 7}\n").draft
    with site.database.read() as session:
        assert one_draft(session, first.number).state is DraftState.TURNED_DOWN
        assert [one.number for one in drafts(session, waiting=True)] == [second.number]
    for name in ("karen", "svend"):
        site.approve(second.number, name)
    now = site.now()
    assert now.content["applications"] == {"marker": {"operating_point": 0.7}}
    assert now.config.follow_up.grace_days == 7


def test_a_file_put_back_as_it_was(site):
    site.begin("karen", "svend")
    site.edit(MARKED)
    assert site.edit(UNITS).draft is None
    with site.database.read() as session:
        assert drafts(session, waiting=True) == []


def test_what_a_file_names_is_read_again(site, tmp_path):
    (tmp_path / "marker.yaml").write_text("operating_point: 0.6\n")
    site.begin()
    named = UNITS + "applications: {marker: {file: marker.yaml}}\n"
    assert site.edit(named).draft.state is DraftState.IN_FORCE
    (tmp_path / "marker.yaml").write_text("operating_point: 0.7\n")
    assert site.file.take_in().draft.state is DraftState.IN_FORCE
    assert site.now().content["applications"]["marker"] == {"operating_point": 0.7}


def test_a_file_that_is_being_written_is_not_taken_in(site):
    """An editor empties a file before it writes it: empty it says that all is as by default."""
    site.begin()
    steps = iter(
        [
            lambda: site.path.write_text(""),
            lambda: site.path.write_text(MARKED),
            lambda: None,
            lambda: None,
        ]
    )

    class Looks:
        def wait(self, seconds):
            step = next(steps, None)
            if step is not None:
                step()
            return step is None

    site.file.keep_looking(Looks())
    with site.database.read() as session:
        made = drafts(session)
        assert len(made) == 1
        assert one_draft(session, 1).row.content["applications"]["marker"]
    assert site.now().config.reading.names == ("north", "west")


def test_an_import_reads_what_it_names(site, tmp_path):
    (tmp_path / "marker.yaml").write_text("operating_point: 0.6\n")
    site.begin()
    named = UNITS + "applications: {marker: {file: marker.yaml}}\n"
    with site.database.begin() as session:
        import_settings(session, site.host, named, "shell:anna", "calibrated")
    assert site.now().content["applications"]["marker"] == {"operating_point": 0.6}
    other = named.replace("marker.yaml", "none.yaml")
    with pytest.raises(SettingsError, match=r"none\.yaml"), site.database.begin() as session:
        import_settings(session, site.host, other, "shell:anna", "calibrated")


def test_another_hosts_file_changes_nothing_at_first(site, tmp_path, caplog):
    site.begin()
    site.propose(lambda content: with_value(content, "organization", "Hospital North"))
    other = tmp_path / "other.yaml"
    other.write_text("service: {port: 8123}\n")
    file = HostFile(other, site.host, site.database)
    assert (file.take_in().draft, site.now().config.organization) == (None, "Hospital North")
    (warned,) = [one.getMessage() for one in caplog.records if "first time" in one.getMessage()]
    assert str(other) in warned
    assert "organization" in warned
    assert "Hospital North" not in warned
    caplog.clear()
    other.write_text("service: {port: 8123}\ntime_zone: Europe/Copenhagen\n")
    assert file.take_in().draft.state is DraftState.IN_FORCE
    assert site.now().config.reading.names == ("north", "west")
    same = tmp_path / "same.yaml"
    same.write_text(export_settings(site.now().content))
    HostFile(same, site.host, site.database).take_in()
    assert "first time" not in caplog.text


def test_a_site_of_an_earlier_release(site):
    """Its versions are whole configurations, made by its file; no draft was ever made."""
    content = site.host.config.content()
    for key in ("overrides", "monitoring", "retention", "audit"):
        del content[key]
    with site.database.begin() as session:
        record_settings(session, site.host.config, "gransk", "read when the service started")
        whole = session.get_one(SettingVersion, 1)
        session.expunge(whole)
        session.add(
            SettingVersion(
                number=2, at=whole.at, author="gransk", reason="older", digest="0" * 64,
                content=content, draft=None,
            )
        )  # fmt: skip
    assert site.file.take_in().draft is None, "the file says what is in force"
    assert site.now().config.overrides == ()
    assert site.edit(MARKED).draft.version == 3
