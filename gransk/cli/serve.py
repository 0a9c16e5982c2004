"""``gransk serve``: intake, pages, API and DICOMweb in one process."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

import typer
import uvicorn
from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

import gransk
from gransk.archive.corrector import Corrector
from gransk.archive.followed import is_earlier, patient_study, place_of
from gransk.archive.intake import Intake
from gransk.archive.orthanc import Orthanc
from gransk.archive.prior_fetch import PriorFetcher, make_remotes, recover
from gransk.archive.prior_loop import keep_on
from gransk.archive.prior_removal import PriorRemover
from gransk.archive.prior_search import PriorSearcher
from gransk.cli.archive import ArchiveMarks
from gransk.cli.loops import Loop, renewed
from gransk.cli.options import ConfigOption, config_path, site_host
from gransk.core.application import applications
from gransk.core.errors import ConfigurationError, GranskError
from gransk.delivery.commitment_asking import Answers, Asker
from gransk.delivery.commitment_door import CommitmentDoor
from gransk.delivery.marks import Marker
from gransk.oversight.audit.sending import Sender
from gransk.oversight.drift.looking import DriftWatcher, stand_down
from gransk.oversight.operating import OperatingWatcher
from gransk.oversight.retention import remove_spent
from gransk.oversight.telling import AlarmTeller
from gransk.pipeline.handlers import Handlers, Rules
from gransk.reading.confirming import SpareConfirmation
from gransk.reading.entering import Entering
from gransk.reading.moving import touched
from gransk.reading.noting import Noter, tend
from gransk.reading.opening import Opener
from gransk.reading.past_keeping import KeptPast
from gransk.reading.report_telling import make_report_teller
from gransk.reading.site_policies import SitePolicies
from gransk.reading.steps import Follower, forget
from gransk.reading.telling import Teller
from gransk.reading.urgent import stands
from gransk.reading.working_days import WorkingDays
from gransk.registry.admission import Admission
from gransk.registry.inbox import Inbox
from gransk.results.blobs import BlobStore
from gransk.site import anchor
from gransk.site.config import Config, check_applications
from gransk.site.config_destinations import marked
from gransk.site.config_messages import Subject
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.live import Live, Made, calling
from gransk.site.migrate import open_database
from gransk.site.settings_file import HostFile, tell
from gransk.site.site_keys import Host
from gransk.web.app import create_app
from gransk.web.hl7_identity import IdentityTaker, Moved
from gransk.web.hl7_listener import Hl7Listener
from gransk.web.hl7_reading import takers
from gransk.web.hl7_taking import Taking
from gransk.web.identity import Mover
from gransk.web.wiring import owners

GRACE_SECONDS = 5
INTAKE_SECONDS = 20.0
OPEN_SECONDS = 3.0
"""Between two looks for exams to open, decisions to tell, and what workitems follow."""
TELL_SECONDS = 30.0
"""Between two looks for reports that were told and are withdrawn, or stand again."""
TIDY_SECONDS = 600.0
RETENTION_SECONDS = 3600.0
MARK_SECONDS = 10.0
INBOX_SECONDS = 5.0
"""Between two looks into the inbox of models; what stood unchanged meanwhile is taken."""
ALARM_SECONDS = 10.0
OPERATION_SECONDS = 30.0
SCRATCH_SECONDS = 6 * 3600.0
"""Scratch folders that a killed worker left are older than any analysis may last."""

log = logging.getLogger(__name__)


def serve(config: ConfigOption = None) -> None:
    """Run the service until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "httpx", "pynetdicom", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        path = config_path(config)
        host = site_host(path)
        with _only_one(host.config):
            _serve(path, host)
    except GranskError as error:
        typer.echo(f"gransk serve: {error}", err=True)
        raise typer.Exit(1) from error


def _serve(path: Path, host: Host) -> None:
    config, installed = host.config, host.applications
    check_applications(config, installed)
    database = open_database(config)
    file = HostFile(path, host, database)
    tell(file.take_in())
    live = Live(host, database)
    with database.begin() as session:
        data = {"version": gransk.__version__, "settings": live.version}
        record(session, SYSTEM, EventKind.SERVICE_STARTED, "service", data)
    anchor.try_to_advance(database, config.data_folder)
    orthanc = Orthanc(config.orthanc)
    moved = calling(Made(live, Mover))

    def rules(session: Session) -> Rules:
        now, version = live.at(session)
        return Rules(version, now.priors, now.programme, now.reading)

    handlers = Handlers(installed, rules, moved, touched)
    intake = Intake(live, database, orthanc, handlers)

    def priors(now: Config) -> list[Loop]:
        remotes = make_remotes(now, orthanc)
        recover(database, remotes)
        return [
            PriorSearcher(now.priors, database, orthanc, remotes, handlers).run,
            PriorRemover(database, orthanc, remotes, handlers).run,
            *(PriorFetcher(now, database, orthanc, remote).run for remote in remotes),
        ]

    def own(make: Callable[[Config], Loop], what: str) -> Loop:
        """A loop whose work is made of the whole configuration."""
        return renewed(live, lambda now: [make(now)], lambda now: now, what)

    loops: list[Loop] = [
        Corrector(database, orthanc, handlers.absorb).run,
        renewed(live, priors, lambda now: now.priors, "earlier studies"),
        *_hl7(live, database, moved),
        renewed(
            live,
            lambda now: _commitment(now, database),
            lambda now: (now.commitment, now.committing),
            "storage commitment",
        ),
        own(lambda now: partial(_tend, now, database), "the follow-up list"),
        own(lambda now: partial(_open_exams, now, database), "the reading room"),
        own(lambda now: partial(_tell_reports, now, database), "reports that were told"),
        own(lambda now: partial(_follow, now, database), "workitems"),
        own(lambda now: partial(_look_for_drift, now, database), "drift"),
        own(lambda now: partial(_tell_alarms, now, database), "alarms"),
        partial(_watch_operation, live, database, intake),
        renewed(
            live,
            lambda now: [partial(_mark_studies, now, database, orthanc)],
            lambda now: now.destinations,
            "marks of studies",
        ),
        file.keep_looking,
    ]
    web = create_app(live, database, orthanc, intake)
    loops.append(web.state.wiring.views.keep)
    loops.append(Sender(database, lambda: live.config.audit, config.service.public_url).run)
    server = uvicorn.Server(
        uvicorn.Config(
            web,
            host=config.service.host,
            port=config.service.port,
            log_config=None,
            ws="wsproto",
            access_log=False,
            server_header=False,
            # Who asks is the peer alone: a forwarded address may be anybody's claim.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    stop = threading.Event()
    try:
        with _beside(
            stop,
            lambda: intake.run(stop),
            *(partial(run, stop) for run in loops),
            lambda: _tidy(config, stop),
            lambda: _remove_spent(live, database, stop),
            lambda: _admit_models(config, database, stop),
            lambda: anchor.keep(database, config.data_folder, stop),
        ):
            _outlast_signals()
            server.run()
    finally:
        with database.begin() as session:
            record(session, SYSTEM, EventKind.SERVICE_STOPPED, "service")
        anchor.try_to_advance(database, config.data_folder)
        orthanc.close()
        database.close()


def _hl7(live: Live, database: Database, moved: Moved) -> list[Loop]:
    """Our door for messages, where there is one; what it knows is kept up to date."""
    settings = live.config.messages.listener
    if settings is None:
        return []

    def taking(now: Config) -> Taking:
        known = replace(takers(), identity=IdentityTaker(now, moved))
        codes, authorities = now.messages.codes, now.identity.authorities
        return Taking(settings, codes, database, known, authorities)

    made = Made(live, taking)
    listener = Hl7Listener(settings, made())

    def keep_up(stop: threading.Event) -> None:
        while not stop.wait(1.0):
            listener.taking = made()

    return [listener.run, keep_up]


def _commitment(config: Config, database: Database) -> list[Loop]:
    """Asks for storage commitment and takes answers, where a destination is to commit."""
    answers = Answers(database)
    loops: list[Loop] = [
        Asker(database, one, config.commitment, answers).run for one in config.committing
    ]
    if loops and config.commitment.port is not None:
        loops.append(CommitmentDoor(config.committing, config.commitment, answers).run)
    return loops


def _outlast_signals() -> None:
    """Go on to an orderly end when uvicorn, which stops at a signal, raises it once more."""

    def stopped(number: int, frame: FrameType | None) -> None:
        log.info("signal %d: the service stops", number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)


@contextmanager
def _only_one(config: Config) -> Iterator[None]:
    config.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(config.data_folder / "serve.lock", timeout=0):
            yield
    except Timeout as error:
        raise ConfigurationError(
            f"a service already runs on {config.data_folder}; stop it first, or set data_folder"
        ) from error


@contextmanager
def _beside(stop: threading.Event, *loops: Callable[[], None]) -> Iterator[None]:
    """Run loops in threads while the body runs, then tell them to stop and wait."""
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        deadline = time.monotonic() + INTAKE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _tidy(config: Config, stop: threading.Event) -> None:
    """Remove now and then what killed workers left; in the store of results, at the start."""
    BlobStore(config.blob_folder).remove_drafts(SCRATCH_SECONDS)
    while True:
        remove_old_scratch(config.scratch_folder, SCRATCH_SECONDS)
        if stop.wait(TIDY_SECONDS):
            return


def _remove_spent(live: Live, database: Database, stop: threading.Event) -> None:
    """Remove what has had its time, where the site says that anything is removed."""

    def look() -> None:
        config = live.config
        if config.retention.on:
            remove_spent(config, database, SYSTEM)

    keep_on(look, stop, RETENTION_SECONDS, "retention")


def _tend(config: Config, database: Database, stop: threading.Event) -> None:
    """Keep the follow-up list in step, and tell now and then what has become overdue."""
    blobs = BlobStore(config.blob_folder)
    confirmation = SpareConfirmation(config, blobs)
    noter = Noter(blobs, patient_study, config.follow_up, confirmation)

    def look() -> None:
        with database.begin() as session:
            tend(session, noter, utcnow().astimezone(config.zone).date())
            forget(session, utcnow())

    keep_on(look, stop, TIDY_SECONDS, "the follow-up list")


def _open_exams(config: Config, database: Database, stop: threading.Event) -> None:
    """Bring exams to their readers, and decisions to whoever is told them."""
    opener = Opener(database, *_room(config))
    teller = Teller(database, config.messages.names(Subject.DECISIONS))
    alerted = 0.0

    def look() -> None:
        nonlocal alerted
        opener.run_once()
        teller.run_once()
        if time.monotonic() - alerted >= TIDY_SECONDS or not alerted:
            opener.alert()
            alerted = time.monotonic()

    keep_on(look, stop, OPEN_SECONDS, "the reading room")


def _tell_reports(config: Config, database: Database, stop: threading.Event) -> None:
    """Tell what became of reports that were told: withdrawn, or standing again."""
    teller = make_report_teller(config, BlobStore(config.blob_folder), applications())
    keep_on(lambda: teller.run_once(database), stop, TELL_SECONDS, "reports that were told")


def _follow(config: Config, database: Database, stop: threading.Event) -> None:
    """Keep workitems in step with the room and the reports."""
    _, policies = _room(config)
    entering, in_step = Entering(policies), Follower(database)

    def look() -> None:
        with database.read() as session:
            soon = entering.keys(session)
        in_step(soon)

    keep_on(look, stop, OPEN_SECONDS, "workitems")


def _look_for_drift(config: Config, database: Database, stop: threading.Event) -> None:
    """Look now and then whether what is analysed, or what comes of it, has moved."""
    section = config.monitoring.drift
    if not section.enabled:
        keep_on(lambda: stand_down(database), stop, 60 * section.look_minutes, "drift")
        return
    _, policies = _room(config)
    entering = Entering(policies)
    past = KeptPast(owners(), config.zone, WorkingDays(config.reading.holidays))
    watcher = DriftWatcher(
        database,
        section,
        config.zone,
        entering.keys,
        lambda session, day: past(session, day).closed,
    )
    keep_on(watcher.run_once, stop, 60 * section.look_minutes, "drift")


def _watch_operation(live: Live, database: Database, intake: Intake, stop: threading.Event) -> None:
    """Raise alarms about how the suite runs, and end them."""
    watcher = OperatingWatcher(database, lambda: live.config, intake.status)
    keep_on(watcher.run_once, stop, OPERATION_SECONDS, "how the suite runs")


def _tell_alarms(config: Config, database: Database, stop: threading.Event) -> None:
    """Tell alarms by mail and webhook."""
    teller = AlarmTeller(database, config)
    keep_on(teller.run_once, stop, ALARM_SECONDS, "alarms")


def _room(config: Config) -> tuple[BlobStore, SitePolicies]:
    blobs = BlobStore(config.blob_folder)
    return blobs, SitePolicies(config, blobs, is_earlier)


def _mark_studies(
    config: Config, database: Database, orthanc: Orthanc, stop: threading.Event
) -> None:
    """Keep the marks of studies in the archive in step with their released reports."""
    found = marked(config.destinations)
    if found is None:
        return
    name, settings = found
    archive = ArchiveMarks(orthanc, settings)
    marker = Marker(BlobStore(config.blob_folder), archive, place_of, name, stands)
    keep_on(lambda: marker.run_once(database), stop, MARK_SECONDS, "marks of studies")


def _admit_models(config: Config, database: Database, stop: threading.Event) -> None:
    """Take in models that are dropped into the inbox."""
    inbox = Inbox(Admission(config, database))
    inbox.open()
    keep_on(lambda: inbox.look(stop), stop, INBOX_SECONDS, "the inbox of models")


def remove_old_scratch(folder: Path, seconds: float) -> int:
    """Remove scratch folders untouched for some seconds; returns how many."""
    old = time.time() - seconds
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            if path.is_dir() and path.stat().st_mtime < old:
                shutil.rmtree(path)
                removed += 1
        except OSError as error:
            log.warning("scratch folder %s stays: %s", path.name, error.strerror)
    return removed
