"""What the settings' pages and calls share: where settings are checked, defaults, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python
from sqlalchemy.orm import Session

from gransk.core.application import Application
from gransk.core.errors import ConfigurationError
from gransk.site.config_overrides import checked_settings
from gransk.site.differences import Change, differences
from gransk.site.live import Live
from gransk.site.settings_drafts import content_of, settings_now
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.site_keys import Content, Host
from gransk.web.wiring import Wiring

FIRST = 1
"""Number of the first version."""
LARGEST = 2**31 - 1
"""Number that a column of the database holds."""
Number = Annotated[int, Path(ge=0, le=LARGEST)]
"""Of a version or a draft, in an address."""
STATUS = {
    SettingsRefusal.NO_DRAFT: 404,
    SettingsRefusal.NO_VERSION: 404,
    SettingsRefusal.NOT_RESPONSIBLE: 403,
    SettingsRefusal.OWN_DRAFT: 403,
    SettingsRefusal.CONFLICT: 409,
    SettingsRefusal.CLOSED: 409,
    SettingsRefusal.APPROVED: 409,
    SettingsRefusal.NO_CHANGE: 409,
    SettingsRefusal.NOTHING_BEFORE: 409,
    SettingsRefusal.MODEL_NOT_ACTIVE: 409,
}
"""Of an answer; 422 for what is not here."""


class Why(BaseModel):
    """Somebody's reason, as a call gives it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=2000)


def status_of(error: SettingsError) -> int:
    """The status of an answer that refuses."""
    return STATUS.get(error.refusal, 422)


def said(error: SettingsError, language: str) -> str:
    """A refusal in words, with what it is about."""
    told = error.text(language)
    return f"{told} ({error.detail})" if error.detail else told


def base_of(session: Session, host: Host, number: int | None) -> tuple[int, Content]:
    """The version that a change begins with, and its site keys; the one in force by default.

    Raises
    ------
    SettingsError
        ``NO_VERSION``.
    """
    now = settings_now(session, host)
    # Before the first change there is no version: what the machine's file says becomes the first.
    wanted = FIRST if number == 0 else number
    if wanted is None or wanted == (now.number or FIRST):
        return now.number or FIRST, now.content
    return wanted, content_of(session, host, wanted)


def told_changes(
    before: Content, after: Content, installed: Mapping[str, Application]
) -> list[Change]:
    """What differs, value by value, defaults of applications among them."""
    try:
        found = differences(with_defaults(before, installed), with_defaults(after, installed))
    except ConfigurationError:
        found = []
    return found or differences(before, after)


def look(known: Wiring) -> None:
    """Let what came into force count at once in this process."""
    if isinstance(known.live, Live):
        known.live.look()


def filled(application: Application, given: Mapping[str, Any]) -> dict[str, Any]:
    """An application's settings with every default, as JSON values."""
    settings = checked_settings(application, given, application.id)
    # Field by field: what is left out of an analysis key is left out of a dump of the whole.
    return {
        name: to_jsonable_python(getattr(settings, name)) for name in type(settings).model_fields
    }


def with_defaults(content: Content, installed: Mapping[str, Application]) -> Content:
    """Site keys with the defaults of every application, as pages show them."""
    given = content.get("applications", {})
    shown = {name: filled(one, given.get(name, {})) for name, one in installed.items()}
    return {**content, "applications": {**given, **shown}}


def only_given(value: Any, given: Any, default: Any) -> Any:
    """A value without what has its default and was not given before.

    Parameters
    ----------
    value : any
        As it was typed, complete.
    given : any
        As it stands; None where it is not given.
    default : any
    """
    if value == given:
        return given
    if not isinstance(value, Mapping):
        return value
    old = given if isinstance(given, Mapping) else {}
    usual = default if isinstance(default, Mapping) else {}
    return {
        key: only_given(one, old.get(key), usual.get(key))
        for key, one in value.items()
        if key in old or one != usual.get(key)
    }
