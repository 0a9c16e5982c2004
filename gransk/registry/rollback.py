"""Take a model back: the settings before it was chosen, and the model back to shadow."""

from __future__ import annotations

from sqlalchemy.orm import Session

from gransk.registry.choice import choosing_versions
from gransk.registry.refusals import ModelRefusal, RegistryError
from gransk.registry.stages import one, propose
from gransk.registry.tables import Stage
from gransk.site.events import take_turn
from gransk.site.settings_acts import propose as draft
from gransk.site.settings_acts import undone
from gransk.site.settings_drafts import Draft, settings_now
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host


def roll_back(session: Session, host: Host, name: str, author: str, reason: str) -> Draft:
    """Draft the settings that stood before a model was chosen, and move the model to shadow.

    Where several versions chose it, each for some studies, all of them are undone.

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
    take_turn(session)
    found = one(session, name)
    versions = choosing_versions(session, name)
    if not versions:
        raise RegistryError(ModelRefusal.NOTHING_TO_UNDO, name)
    if found.stage is Stage.ACTIVE:
        propose(session, name, Stage.SHADOW, author, reason)
    content = settings_now(session, host).content
    for version in versions:
        content = undone(session, host, version, content)
    return draft(session, host, content, author, reason, Origin.UNDO, undoes=versions[-1])
