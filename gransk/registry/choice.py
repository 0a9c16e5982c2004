"""Models that a configuration chooses: settings may name active ones alone.

>>> check_models(session, config)   # raises ModelChoiceError, which lists every fault
>>> Host(..., further=FURTHER)   # of `gransk.oversight.further`, for whoever drafts settings
>>> named_by(config, "mynet@1.0.0")
("applications.nodule.models.detector",)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.application import Application, applications
from gransk.core.errors import ConfigurationError, ModelError
from gransk.core.models import AT, Card
from gransk.registry.refusals import ModelRefusal
from gransk.registry.stages import card_digests, registered
from gransk.registry.tables import Stage
from gransk.site.config import Config
from gransk.site.config_overrides import Override
from gransk.site.events import take_turn
from gransk.site.model_library import library_of, misfits
from gransk.site.settings import latest_settings
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.tables import SettingVersion

ROLES = "models"
"""The key of an application's settings that says which model does what."""
SHADOWS = "shadows"
"""The key of what runs beside: it may name every model that is not retired."""


@dataclass(frozen=True)
class ChoiceFault:
    """A key that names a model which may not be used.

    Parameters
    ----------
    key : str
        Such as ``applications.nodule.models.detector``.
    name : str
        The model.
    refusal : ModelRefusal
        ``UNKNOWN`` or ``NOT_ACTIVE``.
    stage : Stage, optional
        Where it stands instead.
    """

    key: str
    name: str
    refusal: ModelRefusal
    stage: Stage | None = None

    def __str__(self) -> str:
        if self.refusal is ModelRefusal.UNKNOWN:
            return f"{self.key}: model {self.name!r} is neither shipped nor admitted"
        stage = self.stage.value if self.stage else ""
        if self.stage is Stage.RETIRED and self.key.startswith(SHADOWS):
            return f"{self.key}: model {self.name!r} is retired; a shadow names one that is not"
        return f"{self.key}: model {self.name!r} is {stage}; settings name active models alone"


class ModelChoiceError(ConfigurationError):
    """A configuration names models that it may not.

    Parameters
    ----------
    faults : tuple of ChoiceFault
    """

    def __init__(self, faults: tuple[ChoiceFault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def check_models(session: Session, config: Config) -> None:
    """Check that every model that a configuration names is shipped, or admitted and active.

    Raises
    ------
    ModelChoiceError
    ModelError
        Where the folder of shipped models is missing.
    """
    faults = tuple(choice_faults(session, config))
    if faults:
        raise ModelChoiceError(faults)


def check_settings(session: Session, config: Config) -> None:
    """Check a draft of settings, as `gransk.site.site_keys.Host.further` asks it.

    A model that the version in force names in the same place may stay there, so that a model
    that is withdrawn does not stand in the way of other changes. Nor does one that does not fit
    its role there already.

    Raises
    ------
    SettingsError
        ``MODEL_NOT_ACTIVE``, or ``INVALID`` where a model does not fit its role; the detail names
        every key.
    """
    last = latest_settings(session)
    kept = set() if last is None else set(_named(last.content))
    faults = [
        fault for fault in choice_faults(session, config) if (fault.key, fault.name) not in kept
    ]
    if faults:
        detail = "; ".join(str(fault) for fault in faults)
        raise SettingsError(SettingsRefusal.MODEL_NOT_ACTIVE, detail)
    installed, card = applications(), library_of(config, card_digests(session)).card
    wrong = list(misfits(config, installed, card))
    if wrong and last is not None:
        before = set(_misfits_before(config, last.content, installed, card))
        wrong = [fault for fault in wrong if fault not in before]
    if wrong:
        raise SettingsError(SettingsRefusal.INVALID, "\n".join(wrong))


def _misfits_before(
    config: Config,
    content: Mapping[str, Any],
    installed: Mapping[str, Application],
    card: Callable[[str], Card],
) -> Iterator[str]:
    """Of the version in force; none where this release does not read it."""
    overrides = tuple(Override.model_validate(one) for one in content.get("overrides") or ())
    sections = {"applications": content.get("applications") or {}, "overrides": overrides}
    with contextlib.suppress(ConfigurationError):
        yield from misfits(config.model_copy(update=sections), installed, card)


def check_present(session: Session, config: Config) -> None:
    """See that the admitted models that a configuration names are here, as they were admitted.

    Asked when a worker starts: where the folder that hosts share is not mounted, every study
    would fail.

    Raises
    ------
    ModelError
    """
    library = library_of(config, card_digests(session))
    for key, name in named_models(config):
        if AT not in name:
            continue
        try:
            library.card(name)
        except ModelError as error:
            raise ModelError(
                f"{key}: {error}. Where hosts share models, mount {config.admitted_folder}"
            ) from error


def choice_faults(session: Session, config: Config) -> Iterator[ChoiceFault]:
    """Every key that names a model which may not be used."""
    shadows = [{"name": one.name, "settings": one.settings} for one in config.shadows]
    named = [*named_models(config), *_named({SHADOWS: shadows})]
    yield from _faults(session, config, named)


def _faults(
    session: Session, config: Config, named: Sequence[tuple[str, str]]
) -> Iterator[ChoiceFault]:
    if not named:
        return
    shipped = library_of(config).ids()
    stages = {each.row.name: each.stage for each in registered(session)}
    for key, name in named:
        if name not in shipped and name not in stages:
            yield ChoiceFault(key, name, ModelRefusal.UNKNOWN)
        elif AT in name and not _may(key, stages[name]):
            yield ChoiceFault(key, name, ModelRefusal.NOT_ACTIVE, stages[name])


def check_beside_models(session: Session, config: Config, settings: Mapping[str, Any]) -> None:
    """Check the models of settings that are compared with those in force.

    Raises
    ------
    ModelChoiceError
    """
    faults = tuple(_faults(session, config, list(_roles(SHADOWS, settings))))
    if faults:
        raise ModelChoiceError(faults)


def _may(key: str, stage: Stage) -> bool:
    if key.startswith(SHADOWS):
        return stage is not Stage.RETIRED
    return stage is Stage.ACTIVE


def named_by(config: Config, name: str) -> tuple[str, ...]:
    """Keys of a configuration that name a model."""
    return tuple(key for key, named in named_models(config) if named == name)


def named_models(config: Config) -> Iterator[tuple[str, str]]:
    """Key and name of each model that applications and overrides name."""
    overrides = [{"name": one.name, "settings": one.settings} for one in config.overrides]
    return _named({"applications": config.applications, "overrides": overrides})


def keys_naming(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Keys of a kept version of the settings that name a model."""
    return tuple(key for key, named in _named(content) if named == name)


def used_by(session: Session, config: Config, name: str) -> tuple[str, ...]:
    """Keys of the settings in force that name a model, for who moves it in this transaction.

    Nobody changes the settings until it ends. Before their first version ``config`` says them.
    """
    take_turn(session)
    now = latest_settings(session)
    return named_by(config, name) if now is None else keys_naming(now.content, name)


def choosing_versions(session: Session, name: str) -> tuple[int, ...]:
    """Versions of the settings that chose a model where it is named now, the newest first."""
    query = select(SettingVersion).order_by(SettingVersion.number.desc())
    versions = [(one.number, set(keys_naming(one.content, name))) for one in session.scalars(query)]
    if not versions:
        return ()
    found, left = [], versions[0][1]
    for (number, keys), (_, before) in pairwise([*versions, (0, set())]):
        if left & (keys - before):
            found.append(number)
        left = left & before
    return tuple(found)


def chosen_by(session: Session, name: str) -> int | None:
    """The last version of the settings that began to name a model; None where none does now."""
    versions = session.scalars(select(SettingVersion).order_by(SettingVersion.number.desc()))
    found = None
    for version in versions:
        used = _named({key: version.content.get(key) for key in ("applications", "overrides")})
        if all(named != name for _, named in used):
            return found
        found = version.number
    return found


def _named(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for application, settings in (content.get("applications") or {}).items():
        yield from _roles(f"applications.{application}", settings)
    for key in ("overrides", SHADOWS):
        for one in content.get(key) or ():
            yield from _roles(f"{key}[{one['name']}].settings", one["settings"])


def _roles(where: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    roles = settings.get(ROLES)
    if isinstance(roles, Mapping):
        for role, name in roles.items():
            if isinstance(name, str):
                yield f"{where}.{ROLES}.{role}", name
