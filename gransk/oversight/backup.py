"""Make a backup while everything runs.

The order makes it whole: first the database, at one instant; then every large object that this
copy refers to, which was kept before a row named it; then the small files. Objects that the
backup folder holds already are not copied again.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import to_json
from sqlalchemy.orm import Session

import gransk
from gransk.oversight.backup_database import Snapshot, copy_database, kind
from gransk.oversight.backup_set import (
    BLOB_LIST,
    BLOBS,
    DATABASE,
    DRAFT,
    MANIFEST,
    SETS,
    BackupError,
    KeptFile,
    Manifest,
    blobs_of,
    copy_private,
    digest_of,
    file_digest,
    sets_of,
    write_private,
)
from gransk.oversight.keeping import alone
from gransk.results.blobs import BlobError, BlobStore, sync_folder
from gransk.site.anchor import FILE as ANCHOR
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind, record
from gransk.site.faults import read_yaml

LEVELS = "levels"
"""Holds the table that ``reading.levels_file`` names, under the whole path that it is named by."""
SECRETS = "secrets"
MODELS = "models"
CONFIGURATION = "configuration"
CONFIGURATION_FILE = "gransk.yaml"
ORTHANC_FILE = "orthanc.json"
VIEWED = ("views", "views.taken")
"""Who saw what, on its way into the event log: of a service that stopped midway it may wait."""


@dataclass(frozen=True)
class Made:
    """A backup that was made.

    Parameters
    ----------
    path : Path
        Of its set.
    manifest : Manifest
    copied, copied_bytes : int
        Large objects that were not in the backup folder yet.
    removed : tuple of str
        Older sets that went.
    unread : tuple of Path
        Files that the settings name and that cannot be read.
    """

    path: Path
    manifest: Manifest
    copied: int
    copied_bytes: int
    removed: tuple[str, ...]
    unread: tuple[Path, ...]


def make_backup(
    config: Config,
    config_file: Path,
    folder: Path,
    actor: str,
    keep: int | None = None,
    secrets: bool = True,
) -> Made:
    """Make a backup.

    Parameters
    ----------
    config : Config
        With the settings in force.
    config_file : Path
        Where the machine's own stands.
    folder : Path
        The backup folder, new or used before; on another disk, outside of the data folder.
    actor : str
        Who asked for it.
    keep : int, optional
        How many sets stay; all of them where it is not given.
    secrets : bool
        Whether passwords are in it, readable by this user alone.

    Raises
    ------
    BackupError
        Where it cannot be made.
    ConfigurationError
        Where another backup is being made.
    OSError
        Where the backup folder is full or cannot be written.
    """
    folder = folder.resolve()
    if folder.is_relative_to(config.data_folder.resolve()):
        raise BackupError(f"{folder}: lies in the data folder; name a folder on another disk")
    if not config.data_folder.is_dir():
        raise BackupError(f"data_folder: {config.data_folder} does not exist; nothing to back up")
    with alone(config.data_folder):
        (folder / SETS).mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        _remove_drafts(folder)
        at = utcnow()
        name = at.strftime("%Y%m%dT%H%M%S.%fZ")
        draft = folder / SETS / f"{DRAFT}{name}"
        draft.mkdir(mode=0o700)
        manifest, copied, size = _fill(draft, folder, config, config_file, at, secrets)
        write_private(draft / MANIFEST, to_json(manifest, indent=2))
        final = folder / SETS / name
        draft.rename(final)
        sync_folder(folder / SETS)
        gone = tuple(_thin(folder, keep)) if keep is not None else ()
        _note(config, actor, final, manifest)
    own = config.reading.levels_file
    unread = () if own is None or os.access(own, os.R_OK) else (own,)
    return Made(final, manifest, copied, size, gone, unread)


def _fill(
    draft: Path,
    folder: Path,
    config: Config,
    config_file: Path,
    at: datetime.datetime,
    secrets: bool,
) -> tuple[Manifest, int, int]:
    snapshot = copy_database(config.database.url, draft / DATABASE)
    missing, copied, size = _copy_blobs(
        BlobStore(config.blob_folder), BlobStore(folder / BLOBS), snapshot
    )
    write_private(draft / BLOB_LIST, "".join(f"{one}\n" for one in snapshot.blobs).encode("ascii"))
    write_private(draft / ANCHOR, f"{snapshot.events} {snapshot.event_hash}\n".encode("ascii"))
    for name, source in _small_files(config, config_file, secrets):
        copy_private(source, draft / name)
    for name in VIEWED:
        # A service that runs takes the file away meanwhile: then it is in the log.
        with contextlib.suppress(FileNotFoundError):
            copy_private(config.data_folder / name, draft / name)
    files = tuple(_described(draft))
    manifest = Manifest.model_validate(
        {
            "version": gransk.__version__,
            "made_at": at,
            "database": kind(config.database.url),
            "revision": snapshot.revision,
            "events": snapshot.events,
            "event_hash": snapshot.event_hash,
            "blobs": len(snapshot.blobs),
            "missing": tuple(missing),
            "secrets": secrets,
            "files": files,
        }
    )
    return manifest, copied, size


def _copy_blobs(
    source: BlobStore, target: BlobStore, snapshot: Snapshot
) -> tuple[list[str], int, int]:
    """Copy what is not there yet; what the site itself has lost is told."""
    missing, copied, size = [], 0, 0
    for sha256, wanted in snapshot.blobs.items():
        path = target.path(sha256)
        if path.is_file() and path.stat().st_size == wanted:
            continue
        try:
            content = source.get(sha256)
        except BlobError:
            missing.append(sha256)
            continue
        target.put(content)
        path.chmod(0o600)
        copied, size = copied + 1, size + len(content)
    return missing, copied, size


def _small_files(config: Config, config_file: Path, secrets: bool) -> Iterator[tuple[str, Path]]:
    """Name in the set, and where it lies, of each small file."""
    yield f"{CONFIGURATION}/{CONFIGURATION_FILE}", config_file
    beside = config_file.resolve().parent
    if (beside / ORTHANC_FILE).is_file():
        yield f"{CONFIGURATION}/{ORTHANC_FILE}", beside / ORTHANC_FILE
    for name in sorted(named_files(read_yaml(config_file.read_text("utf-8"), str(config_file)))):
        if (beside / name).resolve().is_relative_to(beside) and (beside / name).is_file():
            yield f"{CONFIGURATION}/{name}", beside / name
    own = config.reading.levels_file
    if own is not None and os.access(own, os.R_OK):
        yield f"{LEVELS}/{own.relative_to(own.anchor)}", own
    # Admitted models stay for ever; what is being checked or waits beside them comes and goes.
    folders = [one for one in (config.data_folder / MODELS).glob("*@*") if one.name[0] != "."]
    for place in [*folders, config.data_folder / SECRETS] if secrets else folders:
        for path in sorted(place.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(config.data_folder)), path


def named_files(values: object) -> set[str]:
    """Relative names of files that a configuration takes in by ``{file: NAME}``."""
    if isinstance(values, Mapping):
        if set(values) == {"file"} and isinstance(values["file"], str):
            name = values["file"]
            return set() if Path(name).is_absolute() else {name}
        return set().union(*(named_files(value) for value in values.values()))
    if isinstance(values, list):
        return set().union(*(named_files(value) for value in values))
    return set()


def _described(draft: Path) -> Iterator[KeptFile]:
    for path in sorted(draft.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(draft))
            yield KeptFile(path=name, size=path.stat().st_size, sha256=file_digest(path))


def _remove_drafts(folder: Path) -> None:
    """What a backup that was ended in the middle left: of no use to anybody."""
    for one in (folder / SETS).glob(f"{DRAFT}*"):
        shutil.rmtree(one)


def _thin(folder: Path, keep: int) -> Iterator[str]:
    """Remove the oldest sets, then the objects that no set refers to."""
    sets = sets_of(folder)
    old, stay = sets[: max(0, len(sets) - keep)], sets[max(0, len(sets) - keep) :]
    for one in old:
        # Its manifest first: a set that is half gone must not look like one.
        (one / MANIFEST).unlink()
        shutil.rmtree(one)
        yield one.name
    if not old:
        return
    wanted = {sha256 for one in stay for sha256 in blobs_of(one)}
    for path in (folder / BLOBS).glob("??/*"):
        if path.parent.name + path.name not in wanted:
            path.unlink()


def _note(config: Config, actor: str, path: Path, manifest: Manifest) -> None:
    database = Database(config.database.url)
    try:
        with database.begin() as session:
            _record(session, actor, path, manifest)
    finally:
        database.close()


def _record(session: Session, actor: str, path: Path, manifest: Manifest) -> None:
    data = {
        "name": path.name,
        "manifest": digest_of(path),
        "events": manifest.events,
        "objects": manifest.blobs,
        "missing": len(manifest.missing),
    }
    record(session, actor, EventKind.BACKUP_MADE, "backup", data)
