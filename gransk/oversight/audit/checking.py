"""Is the event log whole, and what it vouches for as it says?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError
from gransk.site import events
from gransk.site.anchor import FILE, Anchor, read_anchor, read_anchor_file
from gransk.site.guards import missing_guards
from gransk.site.settings import changed_settings


@dataclass(frozen=True)
class Noted:
    """The end of the log as it was noted once, and in which file."""

    file: str
    anchor: Anchor


@dataclass(frozen=True)
class Checked:
    """What was found.

    Parameters
    ----------
    count : int
        Events in the log.
    hash : str
        Of the last.
    broken : int, optional
        The first event that does not hold: missing, changed, or another than was noted.
    notes : tuple of Noted
        That the log was held against.
    cut : Noted, optional
        A note of which the log has no longer the event, or another.
    settings : tuple of int
        Versions of the settings that are not what the log says was recorded.
    guards : tuple of str
        Guards of the database against changes that are absent.
    """

    count: int
    hash: str
    broken: int | None
    notes: tuple[Noted, ...]
    cut: Noted | None
    settings: tuple[int, ...]
    guards: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.broken is None and not self.settings and not self.guards


def notes(folder: Path, copies: Sequence[Path]) -> tuple[Noted, ...]:
    """Notes of the end of the log: the data folder's own, and copies from elsewhere.

    Read them before the session begins: an event that was noted later would seem cut off.

    Raises
    ------
    ConfigurationError
        Where a copy that was named cannot be read or holds no note.
    """
    found = []
    own = read_anchor(folder)
    if own is not None:
        found.append(Noted(FILE, own))
    for path in copies:
        anchor = read_anchor_file(path)
        if anchor is None:
            raise ConfigurationError(
                f"{path} holds no note of the event log's end; name a copy of {FILE}, which stands "
                "in the data folder"
            )
        found.append(Noted(str(path), anchor))
    return tuple(found)


def check(session: Session, noted: Sequence[Noted]) -> Checked:
    """Walk the whole chain, and hold it against notes, settings and guards."""
    broken = events.verify(session)
    number, last = events.head(session)
    cut = None
    for one in sorted(noted, key=lambda one: one.anchor.number):
        if events.hash_of(session, one.anchor.number) != one.anchor.hash:
            cut = one
            break
    if cut is not None:
        at = min(cut.anchor.number, number + 1)
        broken = at if broken is None else min(broken, at)
    return Checked(
        number,
        last,
        broken,
        tuple(noted),
        cut,
        tuple(changed_settings(session)),
        tuple(missing_guards(session)),
    )
