"""The doctor's look at what the database says of the site: backups, objects, workers, people."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

import gransk
from gransk.oversight.doctor import Check, Level, Result, current_database, living_workers
from gransk.results.blobs import BlobStore
from gransk.results.tables import Blob
from gransk.site.answering import responsible
from gransk.site.config import Config
from gransk.site.config_machine import Takes
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.executors import KINDS
from gransk.site.people import find_account, list_accounts
from gransk.site.tables import Event, MachineToken, Role


def check_site(config: Config) -> Iterator[Result]:
    """What rows say; nothing where there is no database of this version."""
    with current_database(config) as database:
        if database is None:
            return
        with database.read() as session:
            for check in (_backup, _objects, _hosts, _kinds, _versions, _units, _names):
                yield from check(config, session)


def _backup(config: Config, session: Session) -> Iterator[Result]:
    """When was the last backup made?"""
    kinds = (EventKind.BACKUP_MADE.value,)
    query = select(Event.at).where(Event.kind.in_(kinds)).order_by(Event.number.desc())
    last = session.scalars(query.limit(1)).first()
    if last is None:
        yield Result("backup", Level.WARN, "backup_never")
        return
    days = (utcnow() - last) // datetime.timedelta(days=1)
    values = {"date": last.date().isoformat(), "days": days, "most": config.retention.backup_days}
    old = days > config.retention.backup_days
    level, seen = (Level.WARN, "backup_old") if old else (Level.OK, "backup_good")
    yield Result("backup", level, seen, values)


def _objects(config: Config, session: Session) -> Iterator[Result]:
    """Is every object there, and as long as it was?"""
    store = BlobStore(config.blob_folder)
    missing = count = 0
    rows = session.execute(select(Blob.sha256, Blob.size).where(Blob.removed_at.is_(None)))
    for sha256, size in rows:
        count += 1
        try:
            missing += store.path(sha256).stat().st_size != size
        except OSError:
            missing += 1
    values = {"missing": missing, "count": count, "path": str(config.blob_folder)}
    level, seen = (Level.FAIL, "objects_missing") if missing else (Level.OK, "objects_good")
    yield Result("objects", level, seen, values)


def _hosts(config: Config, session: Session) -> Iterator[Result]:
    """Do workers of several hosts share one SQLite file?"""
    hosts = sorted({worker.host for worker in living_workers(config, session)})
    sqlite = make_url(config.database.url).get_backend_name() == "sqlite"
    if sqlite and len(hosts) > 1:
        yield Result("workers", Level.FAIL, "hosts_sqlite", {"hosts": ", ".join(hosts)})


def _kinds(config: Config, session: Session) -> Iterator[Result]:
    """Is there a worker for each kind of work?"""
    kinds = {worker.kind for worker in living_workers(config, session)}
    gpu = KINDS[Takes.GPU]
    if config.workers.gpu_applications and gpu not in kinds:
        values = {
            "applications": ", ".join(config.workers.gpu_applications),
            "minutes": f"{config.workers.gpu_wait_minutes:g}",
        }
        yield Result("workers", Level.WARN, "gpu_nobody", values)
    if kinds == {gpu}:
        yield Result("workers", Level.FAIL, "ordinary_nobody")


def _versions(config: Config, session: Session) -> Iterator[Result]:
    """Are running workers of this version?"""
    for worker in living_workers(config, session):
        query = (
            select(Event.data)
            .where(Event.kind == EventKind.WORKER_STARTED.value, Event.subject == worker.id)
            .order_by(Event.number.desc())
        )
        data = session.scalars(query.limit(1)).first()
        version = str((data or {}).get("version", "")) or "?"
        if data is not None and version != gransk.__version__:
            values = {"worker": worker.id, "version": version, "own": gransk.__version__}
            yield Result("workers", Level.WARN, "worker_version", values)


def _units(config: Config, session: Session) -> Iterator[Result]:
    """Has every unit somebody who answers for it?"""
    accounts = list_accounts(session)
    for unit in config.reading.units:
        if not any(responsible(config.reading, account, unit.name) for account in accounts):
            yield Result("people", Level.WARN, "unit_nobody", {"unit": unit.name})
        for name in unit.responsible:
            account = find_account(session, name)
            role = Role.RESPONSIBLE_RADIOLOGIST.value
            if account is None or not account.active or role not in account.roles:
                values = {"unit": unit.name, "name": name}
                yield Result("people", Level.WARN, "unit_unknown", values)


def _names(config: Config, session: Session) -> Iterator[Result]:
    """Are the people and machines there that the configuration names?"""
    query = select(MachineToken.name).where(MachineToken.active)
    machines = set(session.scalars(query))
    for name in config.reading.systems:
        if name not in machines:
            yield Result("people", Level.WARN, "system_unknown", {"name": name})
    listener = config.messages.listener
    for name in () if listener is None else sorted(set(listener.readers.values())):
        account = find_account(session, name)
        if account is None or not account.active:
            yield Result("people", Level.WARN, "reader_unknown", {"name": name})


CHECKS: tuple[Check, ...] = (check_site,)
