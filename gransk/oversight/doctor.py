"""The doctor: everything an administrator would look at. It looks and changes nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
from pydicom.pixels.decoders.base import get_decoder
from sqlalchemy import func, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.archive.priors import prior_keys
from gransk.core.application import applications
from gransk.core.calibration import Calibrates
from gransk.core.decode import SYNTAXES
from gransk.core.device import why_unusable
from gransk.core.errors import ConfigurationError, ModelError
from gransk.core.models import AT
from gransk.oversight.doctor_texts import NAMES, REMEDIES, SEEN
from gransk.oversight.room import RoomLevel, room
from gransk.reading import ledger
from gransk.reading.confirming import SpareConfirmation
from gransk.reading.followup import count_overdue
from gransk.reading.noting import unconfirmed
from gransk.registry.stages import card_digests
from gransk.results.blobs import BlobStore
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site import events, people
from gransk.site.anchor import FILE, Anchor, read_anchor
from gransk.site.config import Config, application_settings, check_applications, load_config
from gransk.site.config_types import read_secret
from gransk.site.database import Database, utcnow
from gransk.site.executors import heard_of
from gransk.site.guards import missing_guards
from gransk.site.migrate import SchemaState, schema_state
from gransk.site.model_library import library_of, misfits, settings_by_key
from gransk.site.provider import ANSWER_PATH, Provider, ProviderError
from gransk.site.tables import Executor

WAITING_MINUTES = 60
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Result:
    """What one check saw.

    Parameters
    ----------
    check : str
        Key of `NAMES`.
    level : Level
    seen : str
        Key of `SEEN`, and of `REMEDIES` where there is one.
    values : dict
        Filled into the texts.
    """

    check: str
    level: Level
    seen: str
    values: dict[str, Any] = field(default_factory=dict)

    def name(self, language: str) -> str:
        return NAMES[self.check][language]

    def what(self, language: str) -> str:
        return SEEN[self.seen][language].format(**self.values)

    def remedy(self, language: str) -> str:
        return REMEDIES.get(self.seen, {}).get(language, "").format(**self.values)


Check = Callable[[Config], Iterable[Result]]


def examine(
    path: Path, more: Iterable[Check] = (), under: Callable[[Check], Check] = lambda check: check
) -> Iterator[Result]:
    """Run every check, one after the other; a check that breaks is itself a result.

    Parameters
    ----------
    path : Path
        The configuration's file. Where it is wrong nothing else is checked.
    more : iterable of callable
        Checks beside those of this module, such as `doctor_orthanc.CHECKS`.
    under : callable, optional
        Makes of each check of this module one that is given the settings in force.
    """
    try:
        config = load_config(path)
        check_applications(config, applications())
    except ConfigurationError as error:
        yield Result("configuration", Level.FAIL, "config_bad", {"error": str(error)})
        return
    yield Result("configuration", Level.OK, "config_good", {"path": str(path)})
    for check in (*map(under, CHECKS), *more):
        name = check.__name__.removeprefix("check_")
        try:
            yield from check(config)
        except Exception as error:  # noqa: BLE001 (the other checks still have something to say)
            cause = f"{type(error).__name__}: {error}"
            yield Result(name, Level.FAIL, "unexpected", {"error": cause})


def check_data_folder(config: Config) -> Iterator[Result]:
    """Is the data folder there, ours to write, and closed to others?"""
    folder = config.data_folder
    values = {"path": str(folder)}
    if not folder.is_dir():
        yield Result("data_folder", Level.WARN, "folder_missing", values)
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError:
        yield Result("data_folder", Level.FAIL, "folder_readonly", values)
        return
    if folder.stat().st_mode & 0o077:
        yield Result("data_folder", Level.WARN, "folder_open", values)
    else:
        yield Result("data_folder", Level.OK, "folder_good", values)


def check_secrets(config: Config) -> Iterator[Result]:
    """Can secrets be read by us, and by us alone?"""
    secrets = {
        "orthanc.password_file": config.orthanc.password_file,
        "service.nudge_secret_file": config.service.nudge_secret_file,
    }
    if config.single_sign_on.client_secret_file is not None:
        secrets["single_sign_on.client_secret_file"] = config.single_sign_on.client_secret_file
    ran = (config.data_folder / FILE).exists()
    faults = [fault for key, path in secrets.items() for fault in _secret_faults(key, path, ran)]
    yield from faults or [Result("secrets", Level.OK, "secrets_good")]


def _secret_faults(key: str, path: Path, ran: bool) -> Iterator[Result]:
    if not path.exists():
        level, seen = (Level.FAIL, "secret_lost") if ran else (Level.WARN, "secret_missing")
        yield Result("secrets", level, seen, {"path": str(path)})
        return
    try:
        read_secret(path, key)
    except ConfigurationError:
        values = {"key": key, "path": str(path)}
        yield Result("secrets", Level.FAIL, "secret_unreadable", values)
        return
    if path.stat().st_mode & 0o077:
        yield Result("secrets", Level.WARN, "secret_open", {"path": str(path)})


def check_disk(config: Config) -> Iterator[Result]:
    """Is there room, well above where intake pauses?"""
    here = room(config)
    values = {
        "path": str(here.folder),
        "free": here.free_mb,
        "least": here.least_mb,
        "warn": here.warn_mb,
    }
    if here.level is RoomLevel.PAUSED:
        yield Result("disk", Level.FAIL, "disk_low", values)
    elif here.level is RoomLevel.SHORT:
        yield Result("disk", Level.WARN, "disk_near", values)
    else:
        yield Result("disk", Level.OK, "disk_good", values)


def check_database(config: Config) -> Iterator[Result]:
    """Our tables, and what they tell: events, settings, people, workers, work."""
    if file_missing(config.database.url):
        yield Result("database", Level.WARN, "database_missing")
        return
    database = Database(config.database.url)
    anchor = read_anchor(config.data_folder)
    try:
        state = schema_state(database)
        if state is not SchemaState.CURRENT:
            newer = state is SchemaState.NEWER
            level = Level.FAIL if newer else Level.WARN
            yield Result("database", level, "database_newer" if newer else "database_older")
            return
        yield Result("database", Level.OK, "database_current")
        with database.read() as session:
            yield from _events(anchor, session)
            for check in (
                _administrator,
                _workers,
                _dead_letters,
                _waiting,
                _follow_up,
                _reading_room,
            ):
                yield from check(config, session)
    except SQLAlchemyError as error:
        yield Result("database", Level.FAIL, "database_unreachable", {"error": _cause(error)})
    finally:
        database.close()


def check_queue(config: Config) -> Iterator[Result]:
    """Can the durable queue's tables be reached?"""
    if file_missing(config.database.workflows_url):
        yield Result("queue", Level.WARN, "database_missing")
        return
    database = Database(config.database.workflows_url)
    try:
        with database.read() as session:
            session.execute(text("SELECT 1"))
        yield Result("queue", Level.OK, "queue_reachable")
    except SQLAlchemyError as error:
        yield Result("queue", Level.FAIL, "database_unreachable", {"error": _cause(error)})
    finally:
        database.close()


def check_service(config: Config) -> Iterator[Result]:
    """Does the service answer, and is it safe to reach from outside?"""
    service = config.service
    host = "127.0.0.1" if service.host in ("0.0.0.0", "::") else service.host  # noqa: S104
    url = f"http://{host}:{service.port}"
    try:
        httpx.get(url, timeout=5, trust_env=False)
        yield Result("service", Level.OK, "service_up", {"url": url})
    except httpx.HTTPError:
        yield Result("service", Level.FAIL, "service_down", {"url": url})
    if service.host not in LOOPBACK and not service.public_url.startswith("https://"):
        yield Result("service", Level.WARN, "service_plain", {"host": service.host})


def check_single_sign_on(config: Config) -> Iterator[Result]:
    """Does the provider answer as the issuer that is configured, and have we a secret for it?"""
    section, home = config.single_sign_on, config.service.public_url
    if not section.on:
        yield Result("single_sign_on", Level.OK, "single_sign_on_off")
        return
    values = {"issuer": section.issuer, "answer": home + ANSWER_PATH}
    try:
        section.secret()
        Provider(section, home + ANSWER_PATH).keys()
    except ConfigurationError as error:
        yield Result("single_sign_on", Level.FAIL, "provider_secret", {"error": str(error)})
    except ProviderError as error:
        yield Result("single_sign_on", Level.FAIL, "provider_bad", {**values, "error": str(error)})
    else:
        yield Result("single_sign_on", Level.OK, "provider_good", values)
    if not home.startswith("https://") and config.service.host not in LOOPBACK:
        yield Result("single_sign_on", Level.WARN, "provider_plain", values)


def check_viewer(config: Config) -> Iterator[Result]:
    """Are the viewer's files installed?"""
    folder = config.service.viewer_folder
    if (folder / "index.html").is_file():
        yield Result("viewer", Level.OK, "viewer_there")
    else:
        yield Result("viewer", Level.FAIL, "viewer_missing", {"folder": str(folder)})


def check_models(config: Config) -> Iterator[Result]:
    """Is every model there that an application wants, is it what its card says, does it load?"""
    folder = config.models.folder
    library = library_of(config, _admitted(config))
    if why := why_unusable(config.models.device):
        yield Result("models", Level.FAIL, "device_absent", {"why": why})
        return
    try:
        ids = library.ids()
    except ModelError as error:
        yield Result("models", Level.FAIL, "model_bad", {"error": str(error)})
        return
    installed = applications()
    wanted = {
        model_id: application.id
        for application in installed.values()
        for _, settings in settings_by_key(config, application)
        for model_id in application.models(settings)
    }
    admitted = [name for name in library.admitted_names() if name in wanted]
    missing = sorted(set(wanted) - {*ids, *admitted})
    if not missing:
        for fault in misfits(config, installed, library.card):
            yield Result("models", Level.FAIL, "model_bad", {"error": fault})
    for model_id in missing:
        place = config.admitted_folder if AT in model_id else folder
        values = {"model": model_id, "application": wanted[model_id], "folder": str(place)}
        yield Result("models", Level.FAIL, "model_missing", values)
    good = []
    for model_id in (*ids, *admitted):
        try:
            good.append(f"{model_id.split(AT)[0]} {library.load(model_id).card.version}")
        except ModelError as error:
            yield Result("models", Level.FAIL, "model_bad", {"error": str(error)})
    if good:
        yield Result("models", Level.OK, "models_good", {"models": ", ".join(good)})
    elif not ids and not wanted:
        yield Result("models", Level.FAIL, "models_none", {"folder": str(folder)})


def _admitted(config: Config) -> dict[str, str] | None:
    """SHA-256 of admitted cards, by name; None where no database tells them."""
    with current_database(config) as database:
        if database is None:
            return None
        with database.read() as session:
            return card_digests(session)


def check_calibration(config: Config) -> Iterator[Result]:
    """Are scores calibrated on the site's own exams, for the models in use?"""
    library = library_of(config)
    for application in applications().values():
        if not isinstance(application, Calibrates):
            continue
        settings = application_settings(config, application)
        try:
            models = {name: library.digest(name) for name in application.models(settings)}
        except ModelError:
            continue  # the check of models tells it
        note = application.not_calibrated(settings, models)
        if note is None:
            yield Result("calibration", Level.OK, "calibrated", {"application": application.id})
        else:
            values = {"application": application.id, "code": note.code}
            yield Result("calibration", Level.WARN, "not_calibrated", values)


def check_codecs(config: Config) -> Iterator[Result]:
    """Can every transfer syntax that we promise be decoded here?"""
    missing = [s.name for uid, s in SYNTAXES.items() if not get_decoder(uid).is_available]
    if missing:
        yield Result("codecs", Level.FAIL, "codecs_missing", {"names": ", ".join(missing)})
    else:
        yield Result("codecs", Level.OK, "codecs_good", {"count": len(SYNTAXES)})


CHECKS: tuple[Check, ...] = (
    check_data_folder,
    check_secrets,
    check_disk,
    check_database,
    check_queue,
    check_service,
    check_single_sign_on,
    check_viewer,
    check_codecs,
)
OF_MODELS: tuple[Check, ...] = (check_models, check_calibration)
"""Asked under the settings in force, which name the models."""


def _events(anchor: Anchor | None, session: Session) -> Iterator[Result]:
    missing = missing_guards(session)
    if missing:
        yield Result("events", Level.FAIL, "guards_missing", {"names": ", ".join(missing)})
    broken = events.verify(session, anchor)
    number, last = events.head(session)
    if broken is None:
        yield Result("events", Level.OK, "events_whole", {"count": number, "hash": last[:16]})
    elif anchor is not None and broken > number:
        values = {"number": number, "noted": anchor.number}
        yield Result("events", Level.FAIL, "events_cut", values)
    else:
        yield Result("events", Level.FAIL, "events_broken", {"number": broken})
    if anchor is None and number:
        yield Result("events", Level.WARN, "events_unanchored", {"file": FILE})


def _reading_room(config: Config, session: Session) -> Iterator[Result]:
    """Are exams what their ledgers make of them, and entries as they were written?"""
    for code, found in (
        ("rows_wrong", ledger.wrong_rows(session)),
        ("entries_changed", ledger.changed_entries(session)),
        ("seals_broken", ledger.broken_seals(session)),
    ):
        if found:
            values = {"count": len(found), "some": ", ".join(map(str, found[:5]))}
            yield Result("reading_room", Level.FAIL, code, values)


def _administrator(config: Config, session: Session) -> Iterator[Result]:
    if people.has_administrator(session):
        yield Result("administrator", Level.OK, "administrator_there")
    else:
        yield Result("administrator", Level.WARN, "administrator_missing")


def _workers(config: Config, session: Session) -> Iterator[Result]:
    alive = len(living_workers(config, session))
    values = {"alive": alive, "wanted": config.workers.processes}
    if alive == 0:
        yield Result("workers", Level.FAIL, "workers_none", values)
    elif alive < config.workers.processes:
        yield Result("workers", Level.WARN, "workers_few", values)
    else:
        yield Result("workers", Level.OK, "workers_alive", values)


def living_workers(config: Config, session: Session) -> list[Executor]:
    """Workers that were heard of lately."""
    query = select(Executor).where(heard_of(config.workers.lost_after_seconds))
    return list(session.scalars(query.order_by(Executor.id)))


@contextmanager
def current_database(config: Config) -> Iterator[Database | None]:
    """The database, where it is there and of this version; the check of it tells why not."""
    if file_missing(config.database.url):
        yield None
        return
    database = Database(config.database.url)
    try:
        try:
            current = schema_state(database) is SchemaState.CURRENT
        except SQLAlchemyError:
            current = False
        yield database if current else None
    finally:
        database.close()


def _dead_letters(config: Config, session: Session) -> Iterator[Result]:
    analyses = session.scalar(
        select(func.count())
        .select_from(Workitem)
        .where(Workitem.state == WorkState.FAILED, Workitem.study_key.not_in(prior_keys()))
    )
    deliveries = session.scalar(
        select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.FAILED)
    )
    values = {"analyses": analyses, "deliveries": deliveries}
    if analyses or deliveries:
        yield Result("dead_letters", Level.WARN, "dead_some", values)
    else:
        yield Result("dead_letters", Level.OK, "dead_none")


def _waiting(config: Config, session: Session) -> Iterator[Result]:
    count, oldest = session.execute(
        select(func.count(), func.min(Workitem.images_at)).where(
            Workitem.state.in_((WorkState.WAITING, WorkState.RUNNING))
        )
    ).one()
    minutes = int((utcnow() - oldest).total_seconds() // 60) if oldest else 0
    values = {"count": count, "minutes": minutes}
    if minutes >= WAITING_MINUTES:
        yield Result("waiting", Level.WARN, "waiting_long", values)
    else:
        yield Result("waiting", Level.OK, "waiting_good", values)


def _follow_up(config: Config, session: Session) -> Iterator[Result]:
    today = utcnow().astimezone(config.zone).date()
    count = count_overdue(session, today, config.follow_up.grace_days)
    if count:
        yield Result("follow_up", Level.WARN, "follow_up_overdue", {"count": count})
    else:
        yield Result("follow_up", Level.OK, "follow_up_good")
    confirmation = SpareConfirmation(config, BlobStore(config.blob_folder))
    found = unconfirmed(session, config.follow_up, confirmation)
    if found:
        values = {"count": len(found), "some": ", ".join(found[:5])}
        yield Result("follow_up", Level.WARN, "follow_up_unconfirmed", values)


def file_missing(url: str) -> bool:
    """Would opening this URL make a new file?"""
    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and not os.path.exists(parsed.database or "")


def _cause(error: SQLAlchemyError) -> str:
    """The driver's first line: what failed, without the statement."""
    return str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
