"""What a draft would have changed of the last days' studies, as a page and a call show it."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from pydicom import Dataset
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.headers import dataset
from gransk.archive.orthanc import ArchiveError
from gransk.archive.tables import SeenStudy
from gransk.oversight.preview import DAYS, Preview, StudyChanged, preview
from gransk.oversight.preview_study import Viewer
from gransk.oversight.retention import Removed, due
from gransk.site.database import utcnow
from gransk.site.model_library import library_of
from gransk.site.settings_acts import once_in_force
from gransk.site.settings_drafts import settings_now
from gransk.site.site_keys import Content, site_part
from gransk.site.tables import SettingVersion
from gransk.web.access import Caller
from gransk.web.permissions import Permission
from gransk.web.seeing import hides_from
from gransk.web.wiring import Wiring

SHOWN = 200
"""Studies that one answer lists; all are counted."""


@dataclass(frozen=True)
class Shown:
    """A study of the list, with what a person may know it by."""

    study: SeenStudy
    changed: StudyChanged


@dataclass(frozen=True)
class Tried:
    """A preview, and the studies of it that are listed."""

    found: Preview
    shown: tuple[Shown, ...]
    days: int = DAYS
    removed: tuple[Removed, Removed] | None = None
    """What retention would remove now, under the settings in force and under the others, where
    they differ in that."""


def try_out(
    known: Wiring,
    caller: Caller,
    content: Content,
    until: datetime.datetime,
    after: int = 0,
    base: int | None = None,
) -> Tried:
    """Look at studies under other site keys, as if they came into force now.

    Parameters
    ----------
    known : Wiring
    caller : Caller
    content : dict
    until : datetime
        Not in the future, and not longer ago than a day.
    after : int
    base : int, optional
        The version that the site keys begin with; without it the one in force.

    Raises
    ------
    SettingsError
        Where the site keys are no settings, or another has changed the same since.
    """
    host = known.host
    with known.database.read() as session:
        now = settings_now(session, host).config
        then = once_in_force(session, host, content, base)
    latest = utcnow()
    until = min(max(until, latest - datetime.timedelta(days=1)), latest)
    viewer = Viewer(
        now=now,
        then=then,
        applications=known.applications,
        models=library_of(now),
        blobs=known.blobs,
        kept=_Kept(known),
        header=partial(_header, known),
    )
    removed = None
    if then.retention != now.retention and after == 0:
        with known.database.read() as session:
            removed = due(session, now.retention), due(session, then.retention)
    found = preview(known.database, viewer, lambda s: hides_from(known, s, caller), until, after)
    if Permission.WORKLIST not in caller.may:
        return Tried(found, (), removed=removed)
    with known.database.read() as session:
        shown = tuple(_shown(session, found.changed[:SHOWN]))
    return Tried(found, shown, removed=removed)


def _shown(session: Session, changed: Collection[StudyChanged]) -> list[Shown]:
    keys = [one.study_key for one in changed]
    rows = session.scalars(select(SeenStudy).where(SeenStudy.key.in_(keys)))
    studies = {row.key: row for row in rows}
    return [Shown(studies[one.study_key], one) for one in changed if one.study_key in studies]


class _Kept:
    """Site keys of versions, each read once."""

    def __init__(self, known: Wiring) -> None:
        self._known = known
        self._read: dict[int, Content | None] = {}

    def __call__(self, number: int) -> Content | None:
        if number not in self._read:
            with self._known.database.read() as session:
                row = session.get(SettingVersion, number)
                self._read[number] = None if row is None else site_part(row.content)
        return self._read[number]


def _header(known: Wiring, sop_instance_uid: str) -> Dataset | None:
    try:
        found = known.orthanc.find_instance(sop_instance_uid)
        return None if found is None else dataset(known.orthanc.instance_tags(found))
    except ArchiveError:
        return None


def totals(found: Preview, before: str = "") -> str:
    """Counts so far, as a text that the next call gives back."""
    kinds, untold, changed = read_totals(before)
    kinds.update({kind.value: n for kind, n in found.kinds.items()})
    untold.update({why.value: n for why, n in found.untold.items()})
    parts = [f"k.{key}={n}" for key, n in sorted(kinds.items())]
    parts += [f"u.{key}={n}" for key, n in sorted(untold.items())]
    return " ".join([*parts, f"changed={changed + len(found.changed)}"])


def read_totals(said: str) -> tuple[Counter[str], Counter[str], int]:
    """Counts by kind, by what cannot be told, and studies that would change."""
    kinds: Counter[str] = Counter()
    untold: Counter[str] = Counter()
    changed = 0
    for part in said.split():
        key, _, number = part.partition("=")
        if not number.isdecimal() or len(number) > 9:
            continue
        if key == "changed":
            changed += int(number)
        elif key.startswith("k."):
            kinds[key[2:]] += int(number)
        elif key.startswith("u."):
            untold[key[2:]] += int(number)
    return kinds, untold, changed
