"""What a draft of settings is held against beyond its keys: models, and files that it names."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError
from gransk.reading.indicators import levels
from gransk.registry.choice import check_settings
from gransk.site.config import Config
from gransk.site.settings_refusals import SettingsError, SettingsRefusal


def check_levels(_session: Session, config: Config) -> None:
    """A site's own table of levels can be read.

    Raises
    ------
    SettingsError
        ``INVALID``; the detail says what is wrong with the file.
    """
    own = config.reading.levels_file
    if own is None:
        return
    try:
        levels.load(own)
    except ConfigurationError as error:
        raise SettingsError(SettingsRefusal.INVALID, f"reading.levels_file: {error}") from error


FURTHER = (check_settings, check_levels)
"""For `gransk.site.site_keys.Host.further`."""
