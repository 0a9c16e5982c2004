"""Acting on drafts of settings: proposing, approving, turning down, undoing.

``propose`` is the one way in, for pages, REST, files and undoing alike::

    host = Host.of_file(path)
    with database.begin() as session:
        now = settings_now(session, host)
        wanted = with_value(now.content, "applications.nodule.operating_point", 0.6)
        made = propose(session, host, wanted, "anna", "fewer marks", Origin.PAGE, now.number)
    made.state        # IN_FORCE, or WAITING for made.open_units to approve
    with database.begin() as session:
        approve(session, host, made.number, karen)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.site.answering import reason_of, responsible_accounts
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.differences import differences, merge
from gransk.site.events import SYSTEM, EventKind, record, take_turn
from gransk.site.secret_places import elsewhere
from gransk.site.settings import latest_settings, record_settings
from gransk.site.settings_drafts import (
    OVERTAKEN,
    WHOLE_SITE,
    Draft,
    DraftState,
    Now,
    answers_for,
    content_of,
    one_draft,
    settings_now,
    units_touched,
    whoever,
)
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin, SettingApproval, SettingDraft, SettingTurnedDown
from gransk.site.site_keys import Content, Host, site_content, site_digest, site_part
from gransk.site.tables import Account, SettingVersion


def propose(
    session: Session,
    host: Host,
    content: Mapping[str, Any],
    author: str,
    reason: str,
    origin: Origin,
    base: int | None = None,
    undoes: int | None = None,
) -> Draft:
    """Draft a change; where nobody has to approve it, it is in force at once.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    host : Host
        Against which the settings are checked.
    content : mapping
        Every site key as it should be; one left out has its default.
    author : str
        Account; with ``shell:`` before the name of who works at the command line.
    reason : str
        Why, 3 to 1000 characters.
    origin : Origin
    base : int, optional
        The version that the author began with; without it the one in force.
    undoes : int, optional
        The version that it undoes.

    Returns
    -------
    Draft

    Raises
    ------
    SettingsError
    """
    why = _reason(reason)
    wanted = host.complete(content)
    take_turn(session)
    now = _begin(session, host)
    config, merged = _laid_over(session, host, wanted, now.number if base is None else base, now)
    changes = differences(now.content, merged)
    if not changes:
        raise SettingsError(SettingsRefusal.NO_CHANGE)
    if origin in (Origin.PAGE, Origin.REST):
        found = elsewhere(host, merged, now.content)
        if found:
            raise SettingsError(SettingsRefusal.FILE_ELSEWHERE, ", ".join(found))
    for check in host.further:
        check(session, config)
    last = session.scalar(select(SettingDraft.number).order_by(SettingDraft.number.desc()).limit(1))
    row = SettingDraft(
        number=(last or 0) + 1,
        base=now.number,
        content=merged,
        digest=site_digest(merged),
        units=list(units_touched(changes, now.content, merged, now.config.reading)),
        origin=origin,
        undoes=undoes,
        author=author,
        reason=why,
        at=utcnow(),
    )
    session.add(row)
    data = {
        "number": row.number, "digest": row.digest, "base": row.base, "units": row.units,
        "origin": origin.value,
    }  # fmt: skip
    record(session, author, EventKind.SETTINGS_DRAFTED, "settings", data)
    session.flush()
    if row.units and responsible_accounts(session):
        return Draft(row)
    return Draft(row, version=record_settings(session, config, author, why, row.number))


def once_in_force(
    session: Session, host: Host, content: Mapping[str, Any], base: int | None = None
) -> Config:
    """The host's configuration as a change would make it if it came into force now.

    Parameters
    ----------
    session : Session
    host : Host
    content : mapping
        Every site key as the change has it.
    base : int, optional
        The version that it begins with; without it the one in force.

    Raises
    ------
    SettingsError
        ``CONFLICT``, ``NO_VERSION``, or what is wrong with it.
    """
    now = settings_now(session, host)
    begins = now.number if base is None or now.number == 0 else base
    return _laid_over(session, host, host.complete(content), begins, now)[0]


def draft_config(session: Session, host: Host, number: int) -> Config:
    """The host's configuration under a draft: one that waits as if it came into force now.

    Raises
    ------
    SettingsError
        ``NO_DRAFT``, and as `once_in_force`.
    """
    found = one_draft(session, number)
    if found.state is not DraftState.WAITING:
        return host.config_of(site_part(found.row.content))
    return once_in_force(session, host, found.row.content, found.row.base)


def approve(session: Session, host: Host, number: int, account: Account) -> Draft:
    """Approve a draft for every unit that an account answers for; the last puts it in force.

    A draft of which nothing is left, since another brought the same into force, is closed
    instead (``OVERTAKEN``): no version would bear it, and it would wait for ever.

    Raises
    ------
    SettingsError
        ``NO_DRAFT``, ``CLOSED``, ``NOT_RESPONSIBLE``, ``OWN_DRAFT``, ``APPROVED``, ``CONFLICT``,
        or what has become wrong with it since.
    """
    take_turn(session)
    found = _open_draft(session, number)
    now = settings_now(session, host)
    mine = [unit for unit in found.row.units if answers_for(now.config.reading, account, unit)]
    if not mine:
        raise SettingsError(SettingsRefusal.NOT_RESPONSIBLE, ", ".join(found.row.units))
    if whoever(found.row.author) == account.name:
        raise SettingsError(SettingsRefusal.OWN_DRAFT)
    wanted = [unit for unit in found.open_units if unit in mine]
    if not wanted:
        raise SettingsError(SettingsRefusal.APPROVED, ", ".join(mine))
    config, merged = _laid_over(session, host, found.row.content, found.row.base, now)
    if not differences(now.content, merged):
        close(session, found, SYSTEM, OVERTAKEN)
        return one_draft(session, number)
    _check_units(found, now, merged)
    for check in host.further:
        check(session, config)
    for unit in wanted:
        session.add(SettingApproval(draft=number, unit=unit, account=account.name, at=utcnow()))
    data = {"number": number, "digest": found.row.digest, "units": wanted}
    record(session, account.name, EventKind.SETTINGS_APPROVED, "settings", data)
    session.flush()
    if len(wanted) == len(found.open_units):
        record_settings(session, config, found.row.author, found.row.reason, number)
    return one_draft(session, number)


def turn_down(session: Session, host: Host, number: int, account: Account, reason: str) -> Draft:
    """Turn a draft down: a responsible radiologist of a unit that it touches, or its author.

    Raises
    ------
    SettingsError
    """
    why = _reason(reason)
    take_turn(session)
    found = _open_draft(session, number)
    section = settings_now(session, host).config.reading
    own = account.active and whoever(found.row.author) == account.name
    if not own and not any(answers_for(section, account, unit) for unit in found.row.units):
        raise SettingsError(SettingsRefusal.NOT_RESPONSIBLE, ", ".join(found.row.units))
    close(session, found, account.name, why)
    return one_draft(session, number)


def close(session: Session, draft: Draft, actor: str, reason: str) -> None:
    """Note that a waiting draft is not to be; who may is the caller's business."""
    row = SettingTurnedDown(draft=draft.number, account=actor, reason=reason, at=utcnow())
    session.add(row)
    data = {"number": draft.number, "digest": draft.row.digest}
    record(session, actor, EventKind.SETTINGS_REFUSED, "settings", data)
    session.flush()


def undo(session: Session, host: Host, version: int, author: str, reason: str) -> Draft:
    """Draft what stood before a version; what came into force after it stays.

    It goes the way of every other draft: where it touches clinical output it is approved first.

    Raises
    ------
    SettingsError
        ``NO_VERSION``, ``NOTHING_BEFORE``, ``CONFLICT`` where a later version changed the same
        key, and as `propose`.
    """
    take_turn(session)
    earlier = _content_before(session, host, version)
    return propose(session, host, earlier, author, reason, Origin.UNDO, version, version)


def undone(session: Session, host: Host, version: int, content: Content) -> Content:
    """Site keys without what a version changed.

    Raises
    ------
    SettingsError
        ``NO_VERSION``, ``NOTHING_BEFORE``; ``CONFLICT`` where they say something else since.
    """
    earlier = _content_before(session, host, version)
    merged: Content
    merged, conflicts = merge(content_of(session, host, version), earlier, content)
    if conflicts:
        raise SettingsError(SettingsRefusal.CONFLICT, ", ".join(conflicts))
    return dict(merged)


def _content_before(session: Session, host: Host, version: int) -> Content:
    before = session.scalar(
        select(SettingVersion)
        .where(SettingVersion.number < version)
        .order_by(SettingVersion.number.desc())
        .limit(1)
    )
    content_of(session, host, version)  # told where there is none
    if before is None:
        raise SettingsError(SettingsRefusal.NOTHING_BEFORE, str(version))
    return host.complete(site_part(before.content))


def _begin(session: Session, host: Host) -> Now:
    """The settings in force; the first version is made where there is none."""
    if latest_settings(session) is None:
        record_settings(session, host.config, SYSTEM, "as this machine's file says")
    return settings_now(session, host)


def _laid_over(
    session: Session, host: Host, wanted: Content, base: int, now: Now
) -> tuple[Config, Content]:
    """A change from a base laid over the settings in force, and checked."""
    if base == now.number:
        return host.config_of(wanted), wanted
    merged, conflicts = merge(content_of(session, host, base), wanted, now.content)
    if conflicts:
        raise SettingsError(SettingsRefusal.CONFLICT, ", ".join(conflicts))
    config = host.config_of(merged)
    return config, site_content(config)


def _check_units(draft: Draft, now: Now, merged: Content) -> None:
    """A draft waits for those who must approve it now, though units came or went since.

    Raises
    ------
    SettingsError
        ``CONFLICT``.
    """
    reading, asked = now.config.reading, set(draft.row.units)
    touched = units_touched(differences(now.content, merged), now.content, merged, reading)
    if set(touched) - asked or asked - {*(reading.names or (WHOLE_SITE,))}:
        raise SettingsError(SettingsRefusal.CONFLICT, "reading.units")


def _open_draft(session: Session, number: int) -> Draft:
    found = one_draft(session, number)
    if found.state is not DraftState.WAITING:
        raise SettingsError(SettingsRefusal.CLOSED, str(number))
    return found


def _reason(text: str) -> str:
    try:
        return reason_of(text)
    except InvalidValueError as error:
        raise SettingsError(SettingsRefusal.REASON) from error
