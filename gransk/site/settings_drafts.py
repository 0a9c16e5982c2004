"""Changes of the settings: drafted, approved by the units that they touch, in force.

``propose`` is the one way in, for pages, REST, files and undoing alike::

    host = Host.of_file(path)
    with database.begin() as session:
        now = settings_now(session, host)
        wanted = with_value(now.content, "applications.nodule.operating_point", 0.6)
        made = propose(session, host, wanted, "anna", "fewer marks", Origin.PAGE, now.number)
    made.state        # IN_FORCE, or WAITING for made.open_units to approve
    with database.begin() as session:
        approve(session, host, made.number, karen)

A draft is a difference from the version that it was made against. What came into force since
stays: the difference is laid over it, and refused where both changed one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.site.answering import SHELL, reason_of, responsible, responsible_accounts
from gransk.site.config import Config, ReadingSection
from gransk.site.database import utcnow
from gransk.site.differences import Change, differences, merge
from gransk.site.events import SYSTEM, EventKind, record, take_turn
from gransk.site.settings import config_in_force, latest_settings, record_settings
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import Origin, SettingApproval, SettingDraft, SettingTurnedDown
from gransk.site.site_keys import CLINICAL, Content, Host, site_content, site_digest, site_part
from gransk.site.tables import Account, Role, SettingVersion

WHOLE_SITE = ""
"""Stands for the unit where a site has none."""


class DraftState(StrEnum):
    """How a draft stands."""

    WAITING = "waiting"
    IN_FORCE = "in_force"
    """It became a version, which may have been replaced since."""
    TURNED_DOWN = "turned_down"


@dataclass(frozen=True)
class Now:
    """The settings in force.

    Parameters
    ----------
    number : int
        Of the version.
    config : Config
        The host's whole configuration under it.
    content : dict
        The site keys, complete.
    """

    number: int
    config: Config
    content: Content


@dataclass(frozen=True)
class Draft:
    """A draft as it stands.

    Parameters
    ----------
    row : SettingDraft
    approvals : tuple of SettingApproval
    turned_down : SettingTurnedDown, optional
    version : int, optional
        The version that it became.
    """

    row: SettingDraft
    approvals: tuple[SettingApproval, ...] = ()
    turned_down: SettingTurnedDown | None = None
    version: int | None = None

    @property
    def number(self) -> int:
        return self.row.number

    @property
    def state(self) -> DraftState:
        if self.version is not None:
            return DraftState.IN_FORCE
        return DraftState.WAITING if self.turned_down is None else DraftState.TURNED_DOWN

    @property
    def open_units(self) -> tuple[str, ...]:
        """Units that have not approved it."""
        approved = {approval.unit for approval in self.approvals}
        return tuple(unit for unit in self.row.units if unit not in approved)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Accounts that approved it; of a version in force without, none had to or none could."""
        return tuple(dict.fromkeys(approval.account for approval in self.approvals))


def settings_now(session: Session, host: Host) -> Now:
    """The settings in force; before the first version, what the host's file says.

    Raises
    ------
    SettingsError
    """
    config, number = config_in_force(session, host)
    return Now(number, config, site_content(config))


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
    if _person(found.row.author) == account.name:
        raise SettingsError(SettingsRefusal.OWN_DRAFT)
    wanted = [unit for unit in found.open_units if unit in mine]
    if not wanted:
        raise SettingsError(SettingsRefusal.APPROVED, ", ".join(mine))
    config, merged = _laid_over(session, host, found.row.content, found.row.base, now)
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
    own = account.active and _person(found.row.author) == account.name
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


def one_draft(session: Session, number: int) -> Draft:
    """A draft by its number.

    Raises
    ------
    SettingsError
        ``NO_DRAFT``.
    """
    row = session.get(SettingDraft, number)
    if row is None:
        raise SettingsError(SettingsRefusal.NO_DRAFT, str(number))
    return _drafts(session, [row])[0]


def drafts(session: Session, waiting: bool = False, most: int = 200) -> list[Draft]:
    """Drafts, the newest first.

    Parameters
    ----------
    session : Session
    waiting : bool
        Only those that wait for an approval.
    most : int
        At most so many.
    """
    query = select(SettingDraft).order_by(SettingDraft.number.desc())
    if waiting:
        settled = select(SettingVersion.draft).where(SettingVersion.draft.is_not(None))
        down = select(SettingTurnedDown.draft)
        query = query.where(SettingDraft.number.not_in(settled.union(down)))
    return _drafts(session, session.scalars(query.limit(most)).all())


def changes_of(session: Session, host: Host, number: int) -> list[Change]:
    """What a draft changes against the version that it was made against.

    Raises
    ------
    SettingsError
        ``NO_DRAFT``.
    """
    row = one_draft(session, number).row
    return differences(content_of(session, host, row.base), row.content)


def version_changes(session: Session, host: Host, version: int) -> list[Change]:
    """What a version changed against the one before it; of the first, nothing.

    Raises
    ------
    SettingsError
        ``NO_VERSION``.
    """
    after = content_of(session, host, version)
    before = session.scalar(
        select(SettingVersion)
        .where(SettingVersion.number < version)
        .order_by(SettingVersion.number.desc())
        .limit(1)
    )
    return [] if before is None else differences(completed(host, before.content), after)


def content_of(session: Session, host: Host, version: int) -> Content:
    """The site keys of a version, complete; those of version 0 are none.

    Raises
    ------
    SettingsError
        ``NO_VERSION``.
    """
    if version == 0:
        return {}
    row = session.get(SettingVersion, version)
    if row is None:
        raise SettingsError(SettingsRefusal.NO_VERSION, str(version))
    return completed(host, row.content)


def completed(host: Host, content: Mapping[str, Any]) -> Content:
    """A kept version with keys that came since; as it is where this release refuses it."""
    part = site_part(content)
    try:
        return host.complete(part)
    except SettingsError:
        return part


def units_touched(
    changes: Sequence[Change], before: Content, after: Content, section: ReadingSection
) -> tuple[str, ...]:
    """Units that must approve a change; empty where it touches no clinical output.

    An override of one unit touches that unit alone; everything else that is clinical touches
    every unit.
    """
    sections = {change.section for change in changes} & CLINICAL
    if not sections:
        return ()
    every = section.names or (WHOLE_SITE,)
    if sections != {"overrides"}:
        return every
    named = {
        unit
        for change in changes
        if change.section == "overrides"
        for unit in _units_of(change, before, after)
    }
    if not named or any(unit not in section.names for unit in named):
        return every
    return tuple(unit for unit in every if unit in named)


def answers_for(section: ReadingSection, account: Account, unit: str) -> bool:
    """May an account approve for a unit, or for a site without units?"""
    if unit == WHOLE_SITE:
        return account.active and Role.RESPONSIBLE_RADIOLOGIST.value in account.roles
    return responsible(section, account, unit)


def without_approver(session: Session, section: ReadingSection, draft: Draft) -> tuple[str, ...]:
    """Units whose approval is open while nobody but the draft's author could give it."""
    able = [one for one in responsible_accounts(session) if one.name != _person(draft.row.author)]
    return tuple(
        unit
        for unit in draft.open_units
        if not any(answers_for(section, one, unit) for one in able)
    )


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


def _drafts(session: Session, rows: Sequence[SettingDraft]) -> list[Draft]:
    numbers = [row.number for row in rows]
    approvals: dict[int, list[SettingApproval]] = {}
    query = select(SettingApproval).where(SettingApproval.draft.in_(numbers))
    for approval in session.scalars(query.order_by(SettingApproval.number)):
        approvals.setdefault(approval.draft, []).append(approval)
    down = {
        row.draft: row
        for row in session.scalars(
            select(SettingTurnedDown).where(SettingTurnedDown.draft.in_(numbers))
        )
    }
    made = {
        draft: number
        for draft, number in session.execute(
            select(SettingVersion.draft, SettingVersion.number).where(
                SettingVersion.draft.in_(numbers)
            )
        )
    }
    return [
        Draft(
            row,
            tuple(approvals.get(row.number, ())),
            down.get(row.number),
            made.get(row.number),
        )
        for row in rows
    ]


def _units_of(change: Change, before: Content, after: Content) -> Iterable[str]:
    """Units of the overrides that a change is about; "" where it is about all."""
    name = change.key.partition("[")[2].partition("]")[0]
    found = [
        override["where"].get("unit") or WHOLE_SITE
        for content in (before, after)
        for override in content.get("overrides", ())
        if override["name"] == name
    ]
    return found or [WHOLE_SITE]


def _person(author: str) -> str:
    return author.removeprefix(SHELL)


def _reason(text: str) -> str:
    try:
        return reason_of(text)
    except InvalidValueError as error:
        raise SettingsError(SettingsRefusal.REASON) from error
