"""The configuration while everything runs: machine keys of the host, site keys in force.

::

    live = Live(Host.of_file(path), database)
    live.config, live.version          # of now; the database is asked at most once a second
    carriers = Made(live, lambda config: make_carriers(config.destinations), destinations)
    carriers()                         # the same until the destinations are others

What takes ``Config | InForce`` works with either (`in_force`): a command reads one configuration,
a process that stays asks for the one of now.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.settings import config_in_force, latest_number
from gransk.site.settings_refusals import SettingsError
from gransk.site.site_keys import Host

LOOK_SECONDS = 1.0
T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
log = logging.getLogger(__name__)


class InForce(Protocol):
    """What tells the configuration of now."""

    @property
    def config(self) -> Config:
        """The whole configuration of this process."""

    @property
    def version(self) -> int:
        """Number of the version that its site keys are of."""

    def look(self) -> bool:
        """Look at once; whether another version is in force than before."""


class Fixed:
    """A configuration that stays as it is, for commands and tests."""

    def __init__(self, config: Config, version: int = 0) -> None:
        self._config = config
        self._version = version

    @property
    def config(self) -> Config:
        return self._config

    @property
    def version(self) -> int:
        return self._version

    def look(self) -> bool:
        return False


def in_force(settings: Config | InForce) -> InForce:
    """What tells the configuration, where a configuration may be given instead."""
    return Fixed(settings) if isinstance(settings, Config) else settings


class Live:
    """What is in force now.

    Parameters
    ----------
    host : Host
        Machine keys as they were when this process started.
    database : Database
    seconds : float
        Longest time for which what was seen last is taken for now.

    Raises
    ------
    SettingsError
        Where the version in force cannot be used on this host. Later it is logged, and the
        version before goes on.
    """

    def __init__(self, host: Host, database: Database, seconds: float = LOOK_SECONDS) -> None:
        self.host = host
        self._database = database
        self._seconds = seconds
        self._lock = threading.Lock()
        self._refused = 0
        with database.read() as session:
            self._config, self._version = config_in_force(session, host)
        self._looked = time.monotonic()

    @property
    def config(self) -> Config:
        """The whole configuration of this process, its site keys as they are in force."""
        return self.now()[0]

    @property
    def version(self) -> int:
        """Number of the version in force; 0 before the first."""
        return self.now()[1]

    def now(self) -> tuple[Config, int]:
        """Configuration and version that belong together."""
        with self._lock:
            if time.monotonic() - self._looked >= self._seconds:
                self._look()
            return self._config, self._version

    def at(self, session: Session) -> tuple[Config, int]:
        """Configuration and version as a transaction sees them, however short it is since."""
        with self._lock:
            self._take(session)
            return self._config, self._version

    def look(self) -> bool:
        """Look at once; whether another version is in force than before."""
        with self._lock:
            before = self._version
            self._look()
            return self._version != before

    def _look(self) -> None:
        try:
            with self._database.read() as session:
                self._take(session)
        except SQLAlchemyError as error:
            log.warning("the database did not tell the settings: %s", type(error).__name__)
        self._looked = time.monotonic()

    def _take(self, session: Session) -> None:
        number = latest_number(session)
        if number in (self._version, self._refused):
            return
        try:
            self._config, self._version = config_in_force(session, self.host)
        except SettingsError as error:
            self._refused = number
            log.error("version %d of the settings cannot be used here: %s", number, error)
        else:
            log.info("version %d of the settings is in force", self._version)


def _whole(config: Config) -> object:
    return config


class Made(Generic[T]):
    """Something made from the configuration, anew whenever its part of it is another.

    Parameters
    ----------
    live : InForce
    make : callable
    part : callable
        What of the configuration it is made from; without it the whole.
    """

    def __init__(
        self,
        live: InForce,
        make: Callable[[Config], T],
        part: Callable[[Config], object] = _whole,
    ) -> None:
        self._live = live
        self._make = make
        self._part = part
        self._lock = threading.Lock()
        self._of: Config | None = None
        self._made: T

    def __call__(self) -> T:
        config = self._live.config
        with self._lock:
            if self._of is None or (
                self._of is not config and self._part(self._of) != self._part(config)
            ):
                self._made = self._make(config)
            self._of = config
            return self._made

    def look(self) -> None:
        """Look at once whether another version is in force."""
        self._live.look()


def calling(made: Callable[[], Callable[P, R]]) -> Callable[P, R]:
    """A function that is what was made last, each time it is called."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return made()(*args, **kwargs)

    return call


class Current(Mapping[str, T]):
    """A mapping that is what was made last, each time it is asked.

    What it lacks may be of a version that another process has seen sooner: it looks once more.
    """

    def __init__(self, made: Made[dict[str, T]]) -> None:
        self._made = made

    def __getitem__(self, key: str) -> T:
        found = self._made()
        if key not in found:
            self._made.look()
            found = self._made()
        return found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())
