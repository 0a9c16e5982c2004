"""Restore a backup onto an empty machine.

Objects first, then the small files, the database last: until the end a mark in the data folder
keeps the service and the workers from starting, and a restore that was ended in the middle is
begun again with the same command.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gransk.oversight.backup import (
    CONFIGURATION,
    CONFIGURATION_FILE,
    LEVELS,
    MODELS,
    SECRETS,
    VIEWED,
)
from gransk.oversight.backup_database import (
    broken_event,
    is_empty,
    kind,
    put_back,
    remove_sqlite,
)
from gransk.oversight.backup_set import (
    DATABASE,
    BackupError,
    Manifest,
    blobs_of,
    chosen,
    copy_private,
    digest_of,
    file_digest,
    read_manifest,
    store_of,
    verify,
    write_private,
)
from gransk.oversight.keeping import FILE as LOCK_FILE
from gransk.oversight.keeping import alone
from gransk.results.blobs import BlobStore
from gransk.site.anchor import FILE as ANCHOR
from gransk.site.anchor import advance
from gransk.site.config import Config, load_config
from gransk.site.database import Database
from gransk.site.events import EventKind, head, record
from gransk.site.migrate import RESTORING, upgrade

ALLOWED = frozenset(
    {LOCK_FILE, RESTORING, "logs", "run.lock", "serve.lock", ".pgpass", ".postgresql"}
)
"""What may lie in a data folder that counts as empty.

The last two are of PostgreSQL's client, where the data folder is the user's home.
"""


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Parameters
    ----------
    set : Path
    manifest : Manifest
    events : int
        Number of the last event now, the restoring itself among them.
    """

    set: Path
    manifest: Manifest
    events: int


def restore_backup(
    path: Path, config_file: Path, actor: str, told: Callable[[str], None] = lambda text: None
) -> Restored:
    """Restore a backup to where a configuration says.

    Parameters
    ----------
    path : Path
        A set, or a backup folder, of which the newest set counts.
    config_file : Path
        Of the new machine: its own folders, ports and databases. Where it is missing, the
        configuration of the backup is put there.
    actor : str
    told : callable
        Told each step.

    Raises
    ------
    BackupError
        Where the backup is not whole, the target is not empty, or the databases are of
        different kinds.
    ConfigurationError
        Where the configuration is wrong.
    """
    one = chosen(path.resolve())
    manifest = read_manifest(one)
    told("checking the backup")
    faults = list(verify(one))
    if faults:
        raise BackupError(f"{one}: not whole: {'; '.join(faults[:5])}; restore another backup")
    _put_configuration(one, config_file)
    config = load_config(config_file)
    _check_kinds(config, manifest)
    config.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(config.data_folder):
        _claim(config, digest_of(one))
        _put_levels(one, manifest, told)
        told(f"{manifest.blobs} objects")
        _put_objects(config, one, manifest)
        _put_small_files(config, one, manifest)
        told("database")
        remove_sqlite(config.database.url)
        put_back(config.database.url, one / DATABASE)
        events = _finish(config, one, manifest, actor)
        (config.data_folder / RESTORING).unlink()
    return Restored(one, manifest, events)


def _put_configuration(one: Path, config_file: Path) -> None:
    """Where the new machine has no configuration yet, the backup's with what it takes in."""
    if config_file.exists():
        return
    source = one / CONFIGURATION
    for path in source.rglob("*"):
        name = path.relative_to(source)
        target = config_file.parent / name
        if str(name) == CONFIGURATION_FILE:
            target = config_file
        if path.is_file() and not target.exists():
            copy_private(path, target)


def _check_kinds(config: Config, manifest: Manifest) -> None:
    here = kind(config.database.url)
    if here != manifest.database:
        raise BackupError(
            f"database.url: the backup is of {manifest.database}, the configuration names {here}; "
            f"name an empty {manifest.database} database"
        )


def _claim(config: Config, digest: str) -> None:
    """Take the data folder for this backup; refuse one that holds anything else."""
    mark = config.data_folder / RESTORING
    with contextlib.suppress(FileNotFoundError):
        if mark.read_text(encoding="ascii").strip() == digest:
            return
        raise BackupError(
            f"data_folder: {config.data_folder} holds part of another backup; empty it first"
        )
    found = sorted(entry.name for entry in config.data_folder.iterdir())
    strange = [name for name in found if name not in ALLOWED]
    # On many hosts each is a share that is mounted there, and a mount point stays where it is.
    for folder in (config.blob_folder, config.admitted_folder):
        if folder.name in strange and folder.is_dir() and not any(folder.iterdir()):
            strange.remove(folder.name)
    if strange:
        raise BackupError(
            f"data_folder: {config.data_folder} is not empty ({', '.join(strange[:5])}); "
            "name a new folder, or move this one away"
        )
    for key, url in config.database.model_dump().items():
        if not is_empty(url):
            raise BackupError(f"database.{key}: the database is not empty; name an empty one")
    write_private(mark, f"{digest}\n".encode("ascii"))


def _put_levels(one: Path, manifest: Manifest, told: Callable[[str], None]) -> None:
    """The site's own levels, where its settings name them; what lies there already stays.

    Before all else: the service does not start without them.
    """
    for kept in manifest.files:
        part, _, rest = kept.path.partition("/")
        if part != LEVELS:
            continue
        source, target = one / kept.path, Path("/") / rest
        try:
            if not target.exists():
                copy_private(source, target)
            elif file_digest(target) != kept.sha256:
                told(f"reading.levels_file: {target} stays; the backup's is another, {source}")
        except OSError as error:
            raise BackupError(
                f"reading.levels_file: {target} cannot be put there ({error.strerror}), and the "
                f"service does not start without it; copy {source} there so that this user can "
                "read it, and run the same command again"
            ) from error


def _put_objects(config: Config, one: Path, manifest: Manifest) -> None:
    source, target = store_of(one), BlobStore(config.blob_folder)
    for sha256 in blobs_of(one):
        if sha256 not in manifest.missing:
            target.put(source.get(sha256))


def _put_small_files(config: Config, one: Path, manifest: Manifest) -> None:
    for kept in manifest.files:
        part, _, rest = kept.path.partition("/")
        if part in (MODELS, SECRETS) and rest:
            copy_private(one / kept.path, config.data_folder / part / rest)
        elif kept.path in VIEWED:
            copy_private(one / kept.path, config.data_folder / kept.path)
    secrets = config.data_folder / SECRETS
    if secrets.is_dir():
        secrets.chmod(0o700)


def _finish(config: Config, one: Path, manifest: Manifest, actor: str) -> int:
    """See that the log is whole and ends where the backup says; note that it was restored."""
    broken = broken_event(config.database.url)
    if broken is not None:
        raise BackupError(
            f"{one}: event {broken} of its log is missing or was changed; keep it as evidence, "
            "restore another backup"
        )
    database = Database(config.database.url)
    try:
        with database.read() as session:
            if head(session) != (manifest.events, manifest.event_hash):
                raise BackupError(f"{one}: its log does not end as its manifest says")
        upgrade(database)
        with database.begin() as session:
            data = {"name": one.name, "manifest": digest_of(one), "events": manifest.events}
            record(session, actor, EventKind.BACKUP_RESTORED, "backup", data)
            number, _ = head(session)
        (config.data_folder / ANCHOR).unlink(missing_ok=True)
        advance(database, config.data_folder)
    finally:
        database.close()
    return number
