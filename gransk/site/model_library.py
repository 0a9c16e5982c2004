"""The models that a configuration names: one place that says where they lie and how they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from pydantic import BaseModel

from gransk.core.application import Application
from gransk.core.errors import ModelError
from gransk.core.models import Card, ModelLibrary
from gransk.core.roles import HasRoles
from gransk.site.config import Config, application_settings
from gransk.site.config_overrides import checked_settings, laid_over


def library_of(config: Config, admitted: Mapping[str, str] | None = None) -> ModelLibrary:
    """The shipped models and those that the site admitted, as the configuration runs them.

    Parameters
    ----------
    config : Config
    admitted : mapping of str to str, optional
        SHA-256 of the card of each admitted model, by its name, as the registry keeps it: a
        card that was changed since is refused then, and a model that nobody admitted.
    """
    models = config.models
    return ModelLibrary(
        models.folder, models.threads, models.device, config.admitted_folder, admitted
    )


def settings_by_key(config: Config, application: Application) -> Iterator[tuple[str, BaseModel]]:
    """An application's settings: the site's, and as each override makes them for some studies.

    Each override is laid over the site's settings by itself, and over those before it.

    Raises
    ------
    ConfigurationError
    """
    yield f"applications.{application.id}", application_settings(config, application)
    section = config.applications.get(application.id, {})
    together = section
    for override in config.overrides:
        if override.application != application.id:
            continue
        where = f"overrides[{override.name}].settings"
        together = laid_over(together, override.settings)
        alone = laid_over(section, override.settings)
        for given in (alone,) if alone == together else (alone, together):
            yield where, checked_settings(application, given, where)


def misfits(
    config: Config, installed: Mapping[str, Application], card: Callable[[str], Card]
) -> Iterator[str]:
    """Models that settings name for a role that they do not fit; each names its key.

    Parameters
    ----------
    config : Config
    installed : mapping of str to Application
    card : callable
        Gives the card of a model by its name, such as `ModelLibrary.card`.

    Raises
    ------
    ConfigurationError
    """
    read = cache(card)
    for application in installed.values():
        if not isinstance(application, HasRoles):
            continue
        for where, settings in settings_by_key(config, application):
            try:
                application.check_models(settings, read)
            except ModelError as error:
                yield f"{where}.models: {error}"
