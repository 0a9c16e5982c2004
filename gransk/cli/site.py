"""The site as a command finds it: its configuration in force, and its database."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from gransk.cli.options import ConfigOption, config_path
from gransk.site.config import Config, check_applications
from gransk.site.database import Database
from gransk.site.migrate import open_database
from gransk.site.settings import config_in_force
from gransk.site.settings_refusals import SettingsError
from gransk.site.site_keys import Host, site_part
from gransk.site.tables import SettingVersion

AGAIN_SECONDS = 1.0


def open_site(config: ConfigOption) -> tuple[Config, Database]:
    """The configuration in force; before the first version it is the file's.

    Raises
    ------
    ConfigurationError, SettingsError
    """
    host = Host.of_file(config_path(config))
    database = open_database(host.config)
    with database.read() as session:
        found, version = config_in_force(session, host)
    if not version:
        # What stands in the file alone was checked by nobody yet.
        check_applications(found, host.applications)
    return found, database


def settings_in_force(path: Path, seconds: float = 0.0) -> tuple[Config, str]:
    """The configuration in force, where the database tells it; nothing is made or upgraded.

    For what must start without the database.

    Parameters
    ----------
    path : Path
        The configuration's file.
    seconds : float
        So long a database that does not answer is asked again.

    Returns
    -------
    config : Config
        What the file says, where the database is not there yet or does not tell.
    why : str
        Why it does not tell; empty where it does, or where it is not there yet.

    Raises
    ------
    ConfigurationError
        Where the file is wrong.
    """
    host = Host.of_file(path)
    url = make_url(host.config.database.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return host.config, ""
    until = time.monotonic() + seconds
    while True:
        try:
            content = _kept(host.config.database.url)
            return (host.config if content is None else host.config_of(content)), ""
        except SettingsError as error:
            return host.config, f"the settings in force cannot be used here: {error}"
        except SQLAlchemyError as error:
            if time.monotonic() >= until:
                return host.config, f"the database does not answer: {type(error).__name__}"
        time.sleep(AGAIN_SECONDS)


def _kept(url: str) -> dict[str, Any] | None:
    """The site keys in force; one column alone, which tables of every release have."""
    database = Database(url)
    try:
        with database.read() as session:
            if not inspect(session.connection()).has_table(SettingVersion.__tablename__):
                return None
            newest = SettingVersion.number.desc()
            content = session.scalar(select(SettingVersion.content).order_by(newest).limit(1))
            return None if content is None else site_part(content)
    finally:
        database.close()
