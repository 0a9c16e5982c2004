"""The site as a command finds it: its configuration in force, and its database."""

from __future__ import annotations

from gransk.cli.options import ConfigOption, config_path
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import open_database
from gransk.site.settings import config_in_force
from gransk.site.site_keys import Host


def open_site(config: ConfigOption) -> tuple[Config, Database]:
    """The configuration in force; before the first version it is the file's.

    Raises
    ------
    ConfigurationError, SettingsError
    """
    host = Host.of_file(config_path(config))
    database = open_database(host.config)
    with database.read() as session:
        return config_in_force(session, host)[0], database
