"""The doctor looks at the settings: versions, drafts, files that were not taken in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.core.application import applications
from gransk.oversight.doctor import Check, Level, Result, file_missing
from gransk.site.answering import responsible_accounts
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.differences import differences
from gransk.site.migrate import SchemaState, schema_state
from gransk.site.settings import changed_drafts, changed_settings, config_in_force, latest_settings
from gransk.site.settings_drafts import drafts, settings_now, without_approver
from gransk.site.settings_file import refused_files
from gransk.site.settings_refusals import SettingsError
from gransk.site.site_keys import Host, site_content

SHOWN = 5


def check_settings(config: Config) -> Iterator[Result]:
    """Are versions what was recorded, does the file agree, and does anything wait?"""
    with _asked(config) as session:
        if session is not None:
            yield from _settings(config, session)


def under_settings_in_force(check: Check) -> Check:
    """A check that is given the configuration in force; the file's where none can be told."""

    @wraps(check)
    def run(config: Config) -> Iterable[Result]:
        with _asked(config) as session:
            try:
                now = config if session is None else config_in_force(session, _host(config))[0]
            except SettingsError:
                now = config
        return check(now)

    return run


@contextmanager
def _asked(config: Config) -> Iterator[Session | None]:
    """A session; None where there is no database of this schema, which its own check tells."""
    if file_missing(config.database.url):
        yield None
        return
    database = Database(config.database.url)
    try:
        with database.read() as session:
            yield session if _current(database) else None
    finally:
        database.close()


def _current(database: Database) -> bool:
    try:
        return schema_state(database) is SchemaState.CURRENT
    except SQLAlchemyError:
        return False


def _host(config: Config) -> Host:
    return Host(config, applications(), Path.cwd())


def _settings(config: Config, session: Session) -> Iterator[Result]:
    changed = changed_settings(session)
    if changed:
        numbers = {"numbers": ", ".join(map(str, changed))}
        yield Result("settings", Level.FAIL, "settings_changed", numbers)
    drafted = changed_drafts(session)
    if drafted:
        numbers = {"numbers": ", ".join(map(str, drafted))}
        yield Result("settings", Level.FAIL, "drafts_changed", numbers)
    if latest_settings(session) is None:
        yield Result("settings", Level.WARN, "settings_none")
        return
    try:
        now = settings_now(session, _host(config))
    except SettingsError as error:
        yield Result("settings", Level.FAIL, "settings_unusable", {"error": str(error)})
        return
    keys = [change.key for change in differences(now.content, site_content(config))]
    if keys:
        more = ", ..." if len(keys) > SHOWN else ""
        values = {"number": now.number, "keys": ", ".join(keys[:SHOWN]) + more}
        yield Result("settings", Level.WARN, "settings_differ", values)
    else:
        yield Result("settings", Level.OK, "settings_same", {"number": now.number})
    for file in refused_files(session):
        values = {"code": str(file.refusal), "detail": file.detail.splitlines()[0]}
        yield Result("settings", Level.FAIL, "settings_refused", values)
    yield from _waiting(session, now.config)


def _waiting(session: Session, config: Config) -> Iterator[Result]:
    if not responsible_accounts(session):
        yield Result("settings", Level.WARN, "settings_unapproved")
    waiting = drafts(session, waiting=True)
    if waiting:
        numbers = ", ".join(str(one.number) for one in reversed(waiting))
        yield Result("settings", Level.WARN, "settings_waiting", {"numbers": numbers})
    for one in waiting:
        units = without_approver(session, config.reading, one)
        if units:
            values = {"number": one.number, "units": ", ".join(unit or "-" for unit in units)}
            yield Result("settings", Level.WARN, "settings_nobody", values)


CHECKS: tuple[Check, ...] = (check_settings,)
