"""Changes of the settings: drafted, approved by the units that they touch, in force.

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

from gransk.site.answering import SHELL, responsible, responsible_accounts
from gransk.site.config import Config
from gransk.site.config_reading import ReadingSection
from gransk.site.differences import Change, differences
from gransk.site.events import SYSTEM
from gransk.site.settings import config_in_force
from gransk.site.settings_refusals import SettingsError, SettingsRefusal
from gransk.site.settings_tables import SettingApproval, SettingDraft, SettingTurnedDown
from gransk.site.site_keys import CLINICAL, Content, Host, site_content, site_part
from gransk.site.tables import Account, Role, SettingVersion

WHOLE_SITE = ""
"""Stands for the unit where a site has none."""
OVERTAKEN = "what it changes is in force already"
"""The reason for which the system closes a draft that is approved when nothing is left of it."""


class DraftState(StrEnum):
    """How a draft stands."""

    WAITING = "waiting"
    IN_FORCE = "in_force"
    """It became a version, which may have been replaced since."""
    TURNED_DOWN = "turned_down"
    OVERTAKEN = "overtaken"
    """When it was approved, what it changes was in force already by another draft."""


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
        if self.turned_down is None:
            return DraftState.WAITING
        closed = (self.turned_down.account, self.turned_down.reason)
        return DraftState.OVERTAKEN if closed == (SYSTEM, OVERTAKEN) else DraftState.TURNED_DOWN

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
    able = [one for one in responsible_accounts(session) if one.name != whoever(draft.row.author)]
    return tuple(
        unit
        for unit in draft.open_units
        if not any(answers_for(section, one, unit) for one in able)
    )


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


def whoever(author: str) -> str:
    """The person behind an author's name: at a command line too."""
    return author.removeprefix(SHELL)
