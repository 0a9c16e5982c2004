"""Take a model back: the settings before it was chosen, and the model back to shadow."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gransk.registry.choice import chosen_by
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.stages import one, propose
from gransk.registry.tables import Stage
from gransk.site.settings_drafts import Draft, undo
from gransk.site.site_keys import Host


def roll_back(session: Session, host: Host, name: str, author: str, reason: str) -> Draft:
    """Draft the settings that stood before a model was chosen, and move the model to shadow.

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
        As `gransk.site.settings_drafts.undo`.
    """
    found = one(session, name)
    version = chosen_by(session, name)
    if version is None:
        raise RegistryError(ModelRefusal.NOTHING_TO_UNDO, name)
    if found.stage is Stage.ACTIVE:
        propose(session, name, Stage.SHADOW, author, reason)
    return undo(session, host, version, author, reason)
