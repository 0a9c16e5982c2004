"""Take a model back: the settings before it was chosen, and the model back to shadow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from gransk.registry.choice import ROLES, choosing_versions, keys_naming
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.stages import one, propose
from gransk.registry.tables import Stage
from gransk.site.differences import merge, with_value, without
from gransk.site.events import take_turn
from gransk.site.settings_acts import propose as draft
from gransk.site.settings_acts import undone
from gransk.site.settings_drafts import Draft, content_of, settings_now
from gransk.site.settings_refusals import SettingsError
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Content, Host

SETTINGS = ".settings"
"""How the place of what an override or a shadow sets ends."""


def roll_back(session: Session, host: Host, name: str, author: str, reason: str) -> Draft:
    """Draft the settings that stood before a model was chosen, and move the model to shadow.

    Where several versions chose it, each for some studies, all of them are undone. Of one that
    cannot be undone, since its keys were changed again or nothing was before it, only what names
    the model is taken back.

    The draft goes the way of every other: where somebody must approve it, the settings in force
    go on naming the model until then; no new settings may name it from now on.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    host : Host
    name : str
    author : str
    reason : str

    Returns
    -------
    Draft
        `gransk.site.settings_drafts.Draft`, in force already where nobody has to approve.

    Raises
    ------
    RegistryError
        ``NOTHING_TO_UNDO`` where the settings in force do not name it; as `propose` raises.
    SettingsError
        As `gransk.site.settings_acts.propose`.
    """
    take_turn(session)
    found = one(session, name)
    versions = choosing_versions(session, name)
    if not versions:
        raise RegistryError(ModelRefusal.NOTHING_TO_UNDO, name)
    if found.stage is Stage.ACTIVE:
        propose(session, name, Stage.SHADOW, author, reason)
    content = settings_now(session, host).content
    for version in versions:
        content = _taken_back(session, host, version, content, name)
    return draft(session, host, content, author, reason, Origin.UNDO, undoes=versions[-1])


def _taken_back(session: Session, host: Host, version: int, content: Content, name: str) -> Content:
    """Site keys without what a version changed, or without the model alone."""
    try:
        whole = host.complete(undone(session, host, version, content))
    except SettingsError:
        return _without_model(session, host, version, content, name)
    if set(keys_naming(whole, name)) - set(keys_naming(content, name)):
        # It took the model over from elsewhere, as an override that got another name does.
        return _without_model(session, host, version, content, name)
    return whole


def _without_model(
    session: Session, host: Host, version: int, content: Content, name: str
) -> Content:
    """Site keys with the models of before, wherever a version chose a model that they name."""
    after, before = (content_of(session, host, number) for number in (version, version - 1))
    chosen = set(keys_naming(after, name)) - set(keys_naming(before, name))
    places = {
        key.rpartition(f".{ROLES}.")[0] for key in keys_naming(content, name) if key in chosen
    }
    for place in sorted(places):
        content = _models_before(after, before, content, place)
    return content


def _models_before(after: Content, before: Content, content: Content, place: str) -> Content:
    """One place's models as a version found them; other roles that were changed since stay."""
    then, now = _settings_at(before, place), dict(_settings_at(content, place) or {})
    entry = place.removesuffix(SETTINGS)
    if then is None and entry != place:
        return without(content, entry)
    old = then or {}
    made = _settings_at(after, place) or {}
    # All roles together: one left over from the model's own choice may not fit the one before.
    roles, _ = merge(made.get(ROLES, {}), old.get(ROLES, {}), now.pop(ROLES, {}))
    left = now | ({ROLES: roles} if roles else {})
    if not left and then is None:
        return without(content, place)
    return with_value(content, place, left or dict(old))


def _settings_at(content: Content, place: str) -> Mapping[str, Any] | None:
    """Settings of an application, override or shadow; None where it is not there."""
    section, _, name = place.removesuffix(f"]{SETTINGS}").replace("[", ".", 1).partition(".")
    held = content.get(section, {})
    if isinstance(held, Mapping):
        return held.get(name)
    return next((one["settings"] for one in held if one["name"] == name), None)
