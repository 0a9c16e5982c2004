"""A site whose settings change: its file, its database, its people."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from gransk.site import people
from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.migrate import upgrade
from gransk.site.settings_acts import approve, propose
from gransk.site.settings_drafts import DraftState, settings_now
from gransk.site.settings_file import HostFile
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host
from gransk.site.tables import Role

UNITS = """
reading:
  units:
    - {name: north, title: North, responsible: [karen, bent]}
    - {name: west, title: West, responsible: [svend]}
"""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    operating_point: float | None = Field(default=None, ge=0, le=1)
    series: dict[str, float] = Field(default_factory=dict)
    names: tuple[str, ...] = ()


class Marker:
    """As much of an application as settings are checked against."""

    id = "marker"
    settings_schema: ClassVar[type[BaseModel]] = Settings
    choosing = ("series",)


class SettingsSite:
    """One host of the site, and what its people do."""

    def __init__(self, url: str, folder: Path, written: str = UNITS) -> None:
        self.path = folder / "gransk.yaml"
        self.path.write_text(written)
        self.database = Database(url)
        upgrade(self.database)
        self.host = self.made_host()
        self.file = HostFile(self.path, self.host, self.database)

    def made_host(self) -> Host:
        return Host(load_config(self.path), {"marker": Marker()}, self.path.parent)  # type: ignore[dict-item]

    def begin(self, *responsible: str):
        """The service's first start, with these responsible radiologists."""
        self.file.take_in()
        with self.database.begin() as session:
            for name in responsible:
                people.create_account(session, name, name.title(), [Role.RESPONSIBLE_RADIOLOGIST])
        return self

    def account(self, session, name):
        return people.find_account(session, name)

    def now(self):
        with self.database.read() as session:
            return settings_now(session, self.host)

    def propose(self, change, author="anna", reason="as we agreed", base=None, origin=Origin.PAGE):
        """Draft what ``change`` makes of the settings in force."""
        with self.database.begin() as session:
            content = change(settings_now(session, self.host).content)
            return propose(session, self.host, content, author, reason, origin, base)

    def approve(self, number, name):
        with self.database.begin() as session:
            return approve(session, self.host, number, self.account(session, name))

    def in_force(self, made) -> bool:
        return made.state is DraftState.IN_FORCE

    def edit(self, text):
        """Write the host's file and have it taken in."""
        self.path.write_text(text)
        return self.file.take_in()
