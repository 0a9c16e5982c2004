"""What the routes share: configuration, database, archive, store, caches."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

from fastapi import Request
from sqlalchemy.orm import Session

from gransk.archive.followed import ExamsMark, exams_of, is_earlier
from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.archive.status import Status
from gransk.core.application import Application, Picture
from gransk.core.findings import Findings
from gransk.core.followup import renamed
from gransk.oversight.compared import Summaries
from gransk.oversight.further import FURTHER
from gransk.oversight.metrics import EventCounts
from gransk.reading.entering import Entering
from gransk.reading.figures import Figures
from gransk.reading.indicators import levels
from gransk.reading.past_keeping import Owners, Whose
from gransk.reading.site_past import SitePast
from gransk.reading.site_policies import SitePolicies
from gransk.reading.steps import Follower
from gransk.reading.working_days import WorkingDays
from gransk.results import edits, tracks
from gransk.results.blobs import BlobError, BlobStore, is_removed
from gransk.results.pictures import unpack_pictures
from gransk.results.store import read_findings
from gransk.results.tables import Analysis, KeptComparison, Workitem
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.live import InForce, Live, Made
from gransk.site.provider import ANSWER_PATH, Provider
from gransk.site.site_keys import Host
from gransk.web.source import SourceArchive
from gransk.web.upstream import Upstream
from gransk.web.viewed import Views

LINES = 20_000
VERSION_SECONDS = 10.0
log = logging.getLogger(__name__)


class Nudged(Protocol):
    """The intake, as far as the pages know it."""

    def nudge(self) -> None:
        """Look at the change log now."""

    def status(self) -> Status:
        """How the intake is, and why."""


class Lines:
    """Findings in a line, kept by analysis and report: every act of a person makes a new report."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._known: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(
        self, session: Session, item: Workitem, application: Application, language: str
    ) -> str | None:
        """The line of a ready study, or None where its findings cannot be read."""
        key = (str(item.analysis_key), str(item.report_key), language)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        try:
            found = read_findings(session, self._blobs, key[0])
            acts = edits.acts(session, item.study_key, item.application, key[0])
        except (BlobError, KeyError, ValueError) as error:
            log.error("findings of study %s cannot be read: %s", item.study_key, error)
            return None
        findings = edits.edited(renamed(found, tracks.tracking(session, key[0])), acts)
        line = application.presentation.line(findings, language)
        with self._lock:
            self._known[key] = line
            while len(self._known) > LINES:
                self._known.popitem(last=False)
        return line


class OrthancVersion:
    """Orthanc's version, asked for at most every few seconds; empty where it is silent."""

    def __init__(self, orthanc: Orthanc) -> None:
        self._orthanc = orthanc
        self._lock = threading.Lock()
        self._known = ""
        self._asked = -VERSION_SECONDS

    def __call__(self) -> str:
        with self._lock:
            if time.monotonic() - self._asked >= VERSION_SECONDS:
                try:
                    self._known = str(self._orthanc.system()["Version"])
                except (ArchiveError, KeyError):
                    self._known = ""
                self._asked = time.monotonic()
            return self._known


TRIALS = 2
"""So many at once."""


@dataclass
class Wiring:
    """Everything that a route may need beside its request."""

    live: InForce
    database: Database
    orthanc: Orthanc
    intake: Nudged | None
    applications: dict[str, Application]
    viewer_folder: Path
    upstream: Upstream
    blobs: BlobStore = field(init=False)
    lines: Lines = field(init=False)
    version: OrthancVersion = field(init=False)
    summaries: Summaries = field(init=False)
    """What analyses beside those in use say."""
    steps: Follower = field(init=False)
    """Workitems for other systems, in step with the room."""
    views: Views = field(init=False)
    """Who saw which study."""
    provider: Provider | None = field(init=False)
    """Of single sign-on, where there is one."""
    source: SourceArchive = field(default_factory=SourceArchive)
    trials: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(TRIALS)
    )
    """Of the rules, each in a child with the memory of an analysis."""
    event_counts: EventCounts = field(default_factory=EventCounts)
    has_administrator: bool = False
    """Known once it is so; before, the database is asked at each request."""

    def __post_init__(self) -> None:
        self.blobs = BlobStore(self.config.blob_folder)
        self.lines = Lines(self.blobs)
        self.summaries = Summaries(self.blobs)
        self.version = OrthancVersion(self.orthanc)
        self._past = Made(
            self.live, self._make_past, lambda now: (now.time_zone, now.reading.holidays)
        )
        self._figures = Made(
            self.live,
            lambda now: Figures(self.database, self.past),
            lambda now: (now.time_zone, now.reading.holidays),
        )
        self._levels = Made(self.live, _levels, lambda now: now.reading.levels_file)
        self._levels()  # A file that is wrong stops the start, not a page.
        self._entering = Made(
            self.live, lambda now: Entering(SitePolicies(now, self.blobs, is_earlier))
        )
        self.steps = Follower(self.database)
        self.views = Views(self.database, self.config.data_folder)
        section, home = self.config.single_sign_on, self.config.service.public_url
        self.provider = Provider(section, home + ANSWER_PATH) if section.on else None

    @property
    def config(self) -> Config:
        """The configuration of now."""
        return self.live.config

    @property
    def host(self) -> Host:
        """What changed settings are checked against (`gransk.site.settings_acts.propose`)."""
        if isinstance(self.live, Live):
            return self.live.host
        return Host(self.config, self.applications, self.config.data_folder, FURTHER)

    @property
    def past(self) -> SitePast:
        """Exams that were read to the end, as each person may see them."""
        return self._past()

    @property
    def figures(self) -> Figures:
        """What is counted of them."""
        return self._figures()

    @property
    def levels(self) -> tuple[levels.Levels, ...]:
        """That indicators are held against: European ones, and the site's own."""
        return self._levels()

    @property
    def entering(self) -> Entering:
        return self._entering()

    def _make_past(self, config: Config) -> SitePast:
        working = WorkingDays(config.reading.holidays)
        return SitePast(owners(), self.blobs, config.zone, working)

    def findings(self, session: Session, analysis_key: str) -> Findings:
        return read_findings(session, self.blobs, analysis_key)

    def pictures(self, session: Session, analysis_key: str) -> list[Picture]:
        """Sealed pictures of an analysis; none, and a line in the log, where they are damaged."""
        analysis = session.get(Analysis, analysis_key)
        return self._pictures(session, None if analysis is None else analysis.pictures_sha256)

    def comparison_pictures(self, session: Session, key: str) -> list[Picture]:
        """Sealed pictures of a comparison, likewise."""
        kept = session.get(KeptComparison, key)
        return self._pictures(session, None if kept is None else kept.pictures_sha256)

    def _pictures(self, session: Session, sha256: str | None) -> list[Picture]:
        if sha256 is None or is_removed(session, sha256):
            return []
        try:
            return unpack_pictures(self.blobs.get(sha256))
        except (BlobError, BadZipFile, KeyError, ValueError, OSError) as error:
            log.error("pictures %s cannot be read: %s", sha256[:12], error)
            return []

    def nudge(self) -> None:
        if self.intake is not None:
            self.intake.nudge()


def _levels(config: Config) -> tuple[levels.Levels, ...]:
    own = config.reading.levels_file
    return (levels.shipped(), *(() if own is None else (levels.load(own),)))


def owners() -> Owners:
    """Whose exams are, by the archive's word."""
    return Owners(_whose, ExamsMark())


def _whose(session: Session, study_keys: Collection[str]) -> dict[str, Whose]:
    return {key: Whose(*one) for key, one in exams_of(session, study_keys).items()}


def wiring(request: Request) -> Wiring:
    """The wiring of the application that serves a request."""
    found = request.app.state.wiring
    if not isinstance(found, Wiring):
        raise TypeError("the application was not made by create_app")
    return found
