"""A backup that is made while others write is whole, and comes back on an empty machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kept_site import KeptSite, some_site, write_config
from sqlalchemy import select, text
from typer.testing import CliRunner

from gransk.cli.main import app
from gransk.cli.site import settings_in_force
from gransk.oversight.backup import VIEWED, make_backup, named_files
from gransk.oversight.backup_set import (
    BLOBS,
    SETS,
    BackupError,
    blobs_of,
    read_manifest,
    sets_of,
    verify,
)
from gransk.oversight.restoring import restore_backup
from gransk.reading.indicators import levels
from gransk.registry.admission import INBOX, NEW, REFUSED
from gransk.results.blobs import BlobStore
from gransk.results.tables import Blob
from gransk.site.config import load_config
from gransk.site.database import Base, Database
from gransk.site.events import EventKind
from gransk.site.events import verify as verify_events
from gransk.site.guards import missing_guards
from gransk.site.migrate import RESTORING, open_database
from gransk.site.settings import record_settings
from gransk.site.tables import Event
from gransk.web.viewed import Named, Seen, Views, Way


@pytest.fixture
def site(tmp_path):
    site = some_site(write_config(tmp_path / "old", applications={}))
    yield site
    site.close()


def make(site, folder, **options):
    return make_backup(site.config, site.path, folder, "test", **options)


def rows(url, below=None):
    """Every row of every table, the events up to a number."""
    database = Database(url)
    try:
        with database.read() as session:
            found = {
                table.name: sorted(map(repr, session.execute(select(table)).all()))
                for table in Base.metadata.sorted_tables
                if table.name != "event"
            }
            query = select(Event).order_by(Event.number)
            found["event"] = [
                (one.number, one.hash)
                for one in session.scalars(query)
                if below is None or one.number <= below
            ]
        return found
    finally:
        database.close()


def test_nothing_is_lost_on_an_empty_machine(site, tmp_path):
    made = make(site, tmp_path / "backups")
    assert list(verify(made.path)) == []
    before = rows(site.config.database.url, made.manifest.events)
    new = write_config(tmp_path / "new", applications={})
    done = restore_backup(tmp_path / "backups", new, "test")
    config = load_config(new)
    assert rows(config.database.url, made.manifest.events) == before
    for sha256 in blobs_of(made.path):
        assert BlobStore(config.blob_folder).get(sha256)
    secret = config.data_folder / "secrets" / "orthanc"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("word\n", 0o600)
    assert config.data_folder.stat().st_mode & 0o777 == 0o700
    assert (config.data_folder / "models" / "eyes@1.0.0" / "card.yaml").is_file()
    database = open_database(config)
    with database.read() as session:
        last = session.scalars(select(Event).order_by(Event.number.desc()).limit(1)).one()
        assert verify_events(session) is None
        assert missing_guards(session) == []
    database.close()
    assert (last.kind, last.actor, last.number) == ("backup_restored", "test", done.events)
    assert last.data["events"] == made.manifest.events
    assert (config.data_folder / "event_head").read_text().split()[0] == str(done.events)
    assert not (config.data_folder / RESTORING).exists()


def test_views_that_wait_for_the_log_come_along(site, tmp_path):
    """A service that was killed leaves them in a file; the next one takes them in."""
    Views(site.database, site.config.data_folder).note(Seen("karen", Way.CASE, Named.KEY, "k1"))
    assert not (site.config.data_folder / VIEWED[0]).exists(), "of no study that is known"
    Views(site.database, site.config.data_folder).note(Seen("karen", Way.CASE, "", "list"))
    make(site, tmp_path / "backups")
    new = write_config(tmp_path / "new", applications={})
    restore_backup(tmp_path / "backups", new, "test")
    config = load_config(new)
    database = open_database(config)
    assert Views(database, config.data_folder).write() == 1
    with database.read() as session:
        last = session.scalars(select(Event).order_by(Event.number.desc()).limit(1)).one()
    database.close()
    assert (last.kind, last.actor) == (EventKind.STUDIES_SEARCHED, "karen")


@pytest.mark.system
def test_postgresql_comes_back_as_postgresql(postgresql_server, tmp_path, request):
    from sqlalchemy import create_engine

    engine = create_engine(f"{postgresql_server.url}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("kept", "kept_queue", "fresh", "fresh_queue"):
            connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()

    def sections(name):
        urls = {"url": f"{postgresql_server.url}/{name}",
                "workflows_url": f"{postgresql_server.url}/{name}_queue"}  # fmt: skip
        return {"database": urls}

    site = some_site(write_config(tmp_path / "old", **sections("kept")))
    with writing(site):
        made = make(site, tmp_path / "backups")
    assert (list(verify(made.path)), made.manifest.missing) == ([], ())
    made = make(site, tmp_path / "backups")
    before = rows(site.config.database.url, made.manifest.events)
    with pytest.raises(BackupError, match="of postgresql, the configuration names sqlite"):
        restore_backup(tmp_path / "backups", write_config(tmp_path / "other"), "test")
    with pytest.raises(BackupError, match=r"database\.url: the database is not empty"):
        restore_backup(
            tmp_path / "backups", write_config(tmp_path / "taken", **sections("kept")), "test"
        )
    new = write_config(tmp_path / "new", **sections("fresh"))
    restore_backup(tmp_path / "backups", new, "test")
    config = load_config(new)
    after = rows(config.database.url, made.manifest.events)
    assert after == before
    database = Database(config.database.url)
    with database.read() as session:
        assert missing_guards(session) == []
        for sha256 in session.scalars(select(Blob.sha256)):
            assert BlobStore(config.blob_folder).get(sha256)
    database.close()
    site.close()


class writing:
    """Somebody seals reports all the time."""

    def __init__(self, site):
        self.site = site
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._write)
        self.sealed = 0

    def _write(self):
        while not self.stop.is_set():
            self.site.report("b", f"9{self.sealed:04}")
            self.sealed += 1

    def __enter__(self):
        self.thread.start()
        while self.sealed < 3:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        seen = self.sealed
        while self.sealed < seen + 3:
            time.sleep(0.01)
        self.stop.set()
        self.thread.join()


def test_a_backup_is_of_one_instant_while_others_write(site, tmp_path):
    with writing(site) as others:
        made = [make(site, tmp_path / "backups") for _ in range(3)]
    assert others.sealed > 5
    for one in made:
        assert list(verify(one.path)) == []
        assert one.manifest.missing == ()
        copy = Database(f"sqlite:///{one.path / 'database'}")
        with copy.read() as session:
            assert verify_events(session) is None
            assert sorted(session.scalars(select(Blob.sha256))) == blobs_of(one.path)
        copy.close()
    counts = [one.manifest.events for one in made]
    assert counts == sorted(set(counts))


def test_only_new_objects_are_copied_and_old_sets_go(site, tmp_path):
    folder = tmp_path / "backups"
    first = make(site, folder)
    assert first.copied == first.manifest.blobs > 0
    site.report("b", "4")
    second = make(site, folder)
    assert second.copied == second.manifest.blobs - first.manifest.blobs
    third = make(site, folder, keep=2)
    assert third.removed == (first.path.name,)
    assert sets_of(folder) == [second.path, third.path]
    assert list(verify(third.path)) == []


def test_objects_of_no_set_go_with_the_last_that_named_them(site, tmp_path):
    folder = tmp_path / "backups"
    make(site, folder)
    with site.database.begin() as session:
        gone = session.scalars(select(Blob).where(Blob.size == len("pictures 1"))).first()
        gone.removed_at = gone.created_at
    made = make(site, folder)
    assert BlobStore(folder / BLOBS).path(gone.sha256).exists()
    made = make(site, folder, keep=1)
    assert not BlobStore(folder / BLOBS).path(gone.sha256).exists()
    assert list(verify(made.path)) == []


def test_a_backup_is_noted_and_readable_by_its_owner_alone(site, tmp_path):
    made = make(site, tmp_path / "backups")
    with site.database.read() as session:
        (event,) = session.scalars(select(Event).where(Event.kind == EventKind.BACKUP_MADE))
    assert event.data["name"] == made.path.name
    assert event.data["events"] == event.number - 1
    found = [p for p in (tmp_path / "backups").rglob("*") if p.is_file()]
    assert {p.stat().st_mode & 0o077 for p in found} == {0}


def test_models_that_are_not_admitted_stay_out(site, tmp_path):
    """They come and go while a backup is made, and may be large."""
    models = site.config.admitted_folder
    for place in (f"{INBOX}/ears@1.0.0", f"{NEW}x/ears@1.0.0", f"{REFUSED}/1"):
        (models / place).mkdir(parents=True)
        (models / place / "card.yaml").write_text("id: ears")
    manifest = make(site, tmp_path / "backups").manifest
    kept = [one.path for one in manifest.files if one.path.startswith("models/")]
    assert kept == ["models/eyes@1.0.0/card.yaml"]


def test_passwords_may_stay_out(site, tmp_path):
    made = make(site, tmp_path / "backups", secrets=False)
    assert not made.manifest.secrets
    assert not (made.path / "secrets").exists()


def test_what_the_site_has_lost_is_told(site, tmp_path):
    with site.database.read() as session:
        lost = session.scalars(select(Blob.sha256)).first()
    site.blobs.path(lost).unlink()
    made = make(site, tmp_path / "backups")
    assert made.manifest.missing == (lost,)
    outcome = CliRunner().invoke(
        app, ["backup", str(tmp_path / "backups"), "--config", str(site.path)]
    )
    assert outcome.exit_code == 1
    assert lost in outcome.output


@pytest.mark.parametrize("damage", ["database", "blobs.txt", "object", "gone"])
def test_damage_is_found_and_nothing_is_restored(site, tmp_path, damage):
    made = make(site, tmp_path / "backups")
    if damage in ("object", "gone"):
        path = BlobStore(tmp_path / "backups" / BLOBS).path(blobs_of(made.path)[0])
    else:
        path = made.path / damage
    if damage == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert list(verify(made.path))
    outcome = CliRunner().invoke(app, ["backup", "--verify", str(tmp_path / "backups")])
    assert outcome.exit_code == 1
    new = write_config(tmp_path / "new")
    with pytest.raises(BackupError, match="not whole"):
        restore_backup(tmp_path / "backups", new, "test")
    assert not (tmp_path / "new" / "data").exists()


def test_a_backup_whose_log_was_changed_is_refused(site, tmp_path):
    with site.database.begin() as session:
        session.execute(text("DROP TRIGGER event_no_update"))
        session.execute(text("UPDATE event SET actor = 'eve' WHERE number = 2"))
    make(site, tmp_path / "backups")
    with pytest.raises(BackupError, match="event 2 of its log"):
        restore_backup(tmp_path / "backups", write_config(tmp_path / "new"), "test")


def test_a_target_that_holds_something_is_refused(site, tmp_path):
    make(site, tmp_path / "backups")
    with pytest.raises(BackupError, match=r"is not empty \(blobs"):
        restore_backup(tmp_path / "backups", site.path, "test")
    with pytest.raises(BackupError, match="lies in the data folder"):
        make(site, site.config.data_folder / "backups")
    with pytest.raises(BackupError, match="holds no backup"):
        restore_backup(tmp_path / "nothing", write_config(tmp_path / "new"), "test")


@pytest.mark.parametrize("name", [".pgpass", ".postgresql"])
def test_the_users_own_files_of_postgresql_stay(site, tmp_path, name):
    """The data folder is the user's home, as the systemd deployment has it."""
    make(site, tmp_path / "backups")
    new = write_config(tmp_path / "new")
    own = load_config(new).data_folder / name
    own.parent.mkdir()
    own.write_text("db.example:5432:*:gransk:word\n")
    restore_backup(tmp_path / "backups", new, "test")
    assert own.read_text() == "db.example:5432:*:gransk:word\n"


@pytest.mark.parametrize("name", ["blobs", "models"])
def test_an_empty_share_is_restored_into(site, tmp_path, name):
    """A mount point can be neither moved away nor replaced."""
    made = make(site, tmp_path / "backups")
    new = write_config(tmp_path / "new")
    config = load_config(new)
    share = config.data_folder / name
    share.mkdir(parents=True)
    before = share.stat().st_ino
    (share / "other").write_text("")
    with pytest.raises(BackupError, match=rf"is not empty \({name}\)"):
        restore_backup(tmp_path / "backups", new, "test")
    (share / "other").unlink()
    restore_backup(tmp_path / "backups", new, "test")
    assert share.stat().st_ino == before
    assert all(BlobStore(config.blob_folder).get(one) for one in blobs_of(made.path))
    assert (config.admitted_folder / "eyes@1.0.0" / "card.yaml").is_file()


def test_the_configuration_comes_back_where_there_is_none(site, tmp_path):
    (site.path.parent / "orthanc.json").write_text("{}")
    make(site, tmp_path / "backups")
    new = tmp_path / "new" / "gransk.yaml"
    restore_backup(tmp_path / "backups", new, "test")
    assert new.read_text() == site.path.read_text()
    assert (new.parent / "orthanc.json").read_text() == "{}"


OWN = (
    "{id: own, version: '1', source: the unit, date: '2026', levels: "
    "[{indicator: recall, better: lower, acceptable: 0.2, desirable: 0.16}]}"
)


@pytest.fixture
def own(site, tmp_path):
    """A table of levels that the settings in force name, and the machine's file does not."""
    path = tmp_path / "elsewhere" / "own.yaml"
    path.parent.mkdir()
    path.write_text(OWN)
    reading = site.config.reading.model_copy(update={"levels_file": path})
    with site.database.begin() as session:
        record_settings(
            session, site.config.model_copy(update={"reading": reading}), "test", "our own"
        )
    return path


def backed_up(site, folder):
    return CliRunner().invoke(app, ["backup", str(folder), "--config", str(site.path)])


def restored(folder, new):
    return CliRunner().invoke(app, ["restore", str(folder), "--config", str(new)])


def test_the_sites_own_levels_come_back_where_the_settings_name_them(site, own, tmp_path):
    """The service does not start without them."""
    outcome = backed_up(site, tmp_path / "backups")
    assert outcome.exit_code == 0, outcome.output
    own.unlink()
    own.parent.rmdir()
    new = write_config(tmp_path / "new", applications={})
    outcome = restored(tmp_path / "backups", new)
    assert outcome.exit_code == 0, outcome.output
    config, why = settings_in_force(new)
    assert (why, config.reading.levels_file) == ("", own)
    assert levels.load(own).id == "own"


def test_levels_that_lie_there_stay(site, own, tmp_path):
    backed_up(site, tmp_path / "backups")
    own.write_text(OWN.replace("0.16", "0.15"))
    outcome = restored(tmp_path / "backups", write_config(tmp_path / "new", applications={}))
    assert outcome.exit_code == 0, outcome.output
    assert f"{own} stays" in outcome.output
    assert "0.15" in own.read_text()


def test_where_levels_cannot_be_put_it_says_so_and_is_begun_again(site, own, tmp_path):
    backed_up(site, tmp_path / "backups")
    own.unlink()
    own.parent.rmdir()
    own.parent.write_text("no folder")
    new = write_config(tmp_path / "new", applications={})
    outcome = restored(tmp_path / "backups", new)
    assert outcome.exit_code == 1
    source = re.search(r"copy (/\S+) there", outcome.output)[1]
    assert not load_config(new).blob_folder.exists()
    own.parent.unlink()
    own.parent.mkdir()
    shutil.copy(source, own)
    outcome = restored(tmp_path / "backups", new)
    assert outcome.exit_code == 0, outcome.output


def test_levels_that_cannot_be_read_are_told(site, own, tmp_path):
    own.unlink()
    outcome = backed_up(site, tmp_path / "backups")
    assert outcome.exit_code == 1
    assert f"{own} cannot be read" in outcome.output
    assert len(sets_of(tmp_path / "backups")) == 1, "what is whole is kept"


def test_files_that_a_configuration_takes_in():
    values = {"a": {"file": "x.yaml"}, "b": [{"c": {"file": "y/z.yaml"}}], "d": {"file": "/etc/e"}}
    assert named_files(values) == {"x.yaml", "y/z.yaml"}


KILLED = """
import sys
from pathlib import Path
from gransk.results import blobs
from gransk.cli.main import app
count, put = 0, blobs.BlobStore.put
def slow(self, content):
    global count
    count += 1
    if count == 4:
        print("there", flush=True)
        sys.stdin.read()
    return put(self, content)
blobs.BlobStore.put = slow
sys.argv = ["gransk", *sys.argv[1:]]
app()
"""


def killed(*arguments):
    """Run a command and kill it in the middle of its objects."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    for line in process.stdout:
        if line == "there\n":
            break
    else:
        raise AssertionError("it ended before it was killed")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_a_backup_that_is_killed_leaves_no_half_set(site, tmp_path):
    folder = tmp_path / "backups"
    killed("backup", folder, "--config", site.path)
    assert sets_of(folder) == []
    assert list((folder / SETS).iterdir()) != []
    made = make(site, folder)
    assert [one.name for one in (folder / SETS).iterdir()] == [made.path.name]
    assert list(verify(made.path)) == []


def test_a_restore_that_is_killed_is_begun_again(site, tmp_path):
    folder = tmp_path / "backups"
    made = make(site, folder)
    new = write_config(tmp_path / "new")
    killed("restore", folder, "--config", new)
    config = load_config(new)
    assert (config.data_folder / RESTORING).exists()
    with pytest.raises(Exception, match="half of a backup"):
        open_database(config)
    make(site, folder)
    with pytest.raises(BackupError, match="part of another backup"):
        restore_backup(folder, new, "test")
    restore_backup(made.path, new, "test")
    assert read_manifest(made.path).blobs == len([p for p in config.blob_folder.glob("??/*")])
    assert (
        rows(config.database.url, made.manifest.events)["report"]
        == rows(site.config.database.url)["report"]
    )


def test_a_backup_of_an_earlier_versions_database(tmp_path):
    """The doctor's remedy for an older database begins with a backup."""
    import tarfile

    left = Path(__file__).parents[1] / "upgrade" / "0.1.0.tar.xz"
    with tarfile.open(left) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    path = write_config(tmp_path / "old")
    made = make_backup(load_config(path), path, tmp_path / "backups", "test")
    assert made.manifest.revision < "0020"
    restore_backup(tmp_path / "backups", write_config(tmp_path / "new"), "test")
    site = KeptSite(tmp_path / "new" / "gransk.yaml")
    with site.database.read() as session:
        assert verify_events(session) is None
    site.close()
