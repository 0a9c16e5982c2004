"""``gransk worker``: a process that executes workflows: analyse, release, deliver."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from gransk.archive.followed import exam_identity, is_earlier, modalities_of, patient_study
from gransk.archive.orthanc import Orthanc
from gransk.cli.archive import ArchiveCarrier
from gransk.cli.options import ConfigOption, config_path
from gransk.core.device import why_unusable
from gransk.core.errors import DeviceError, GranskError
from gransk.delivery import deliver, messages, recall
from gransk.delivery.carriers import make_carriers, paces
from gransk.delivery.fhir.pushing import Resources
from gransk.delivery.systems import make_systems
from gransk.pipeline import analyse, beside
from gransk.pipeline.gpu import GpuQueue
from gransk.pipeline.supervise import Nursery
from gransk.pipeline.trying import Tools
from gransk.reading import entering, release
from gransk.reading.confirming import SpareConfirmation
from gransk.reading.noting import Noter
from gransk.reading.report_telling import make_report_teller
from gransk.reading.site_policies import SitePolicies
from gransk.reading.urgent import make_raiser, standing
from gransk.registry.choice import check_present
from gransk.results import versions
from gransk.results.blobs import BlobStore, check_blobs
from gransk.results.router import Router
from gransk.results.starter import Starter
from gransk.results.tables import Workitem
from gransk.site.config import Config, check_applications
from gransk.site.config_destinations import Superseded
from gransk.site.live import Current, Live, Made, calling
from gransk.site.migrate import open_database
from gransk.site.site_keys import Host
from gransk.site.workflows import Worker, configure

START_SECONDS = 1.0
BUSY_SECONDS = 5.0
log = logging.getLogger(__name__)


def worker(
    slot: Annotated[
        int | None, typer.Option(min=0, help="Seat of this worker; the first free one if absent.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Analyse, release and deliver, until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("alembic", "dbos", "httpx", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It logs each try at a peer that is down; why a delivery waits stands beside the delivery.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    try:
        _work(Host.of_file(config_path(config)), slot)
    except GranskError as error:
        typer.echo(f"gransk worker: {error}", err=True)
        raise typer.Exit(1) from error


def _work(host: Host, slot: int | None) -> None:
    config, installed = host.config, host.applications
    check_applications(config, installed)
    if unusable := why_unusable(config.models.device):
        raise DeviceError(unusable)
    database = open_database(config)
    with database.begin() as session:
        versions.catch_up(session)
    blobs = BlobStore(config.blob_folder)
    with database.read() as session:
        check_blobs(session, blobs)
    orthanc = Orthanc(config.orthanc, connections=config.workers.deliveries + 2)
    nursery = Nursery(config.workers.memory_mb)
    live = Live(host, database)
    with database.read() as session:
        check_present(session, live.config)
    tools = Tools(live, database, blobs, nursery)
    executor = configure(config, database, slot=slot)
    analyse.register(tools)
    beside.register(tools)
    policies = Made(live, lambda now: SitePolicies(now, blobs, is_earlier))

    def covers(session: Session, item: Workitem) -> bool:
        return entering.covers_now(policies(), session, item)

    def hooks(now: Config) -> release.Then:
        confirmation = SpareConfirmation(now, blobs)
        noter = Noter(blobs, patient_study, now.follow_up, confirmation)
        raiser = make_raiser(now, blobs, installed)
        return release.in_turn(noter, raiser, make_report_teller(now, blobs, installed))

    router = Made(live, lambda now: Router(now.destinations, blobs, now.reading), _routes)
    then = calling(Made(live, hooks))
    release.register(database, tools.look, calling(router), then, covers)
    archive = ArchiveCarrier(orthanc)
    carriers = Current(
        Made(live, lambda now: make_carriers(now.destinations, lambda _: archive), _destinations)
    )
    turns = Current(Made(live, lambda now: paces(now.destinations), _destinations))
    deliver.register(database, blobs, carriers, turns)
    fallen = Current(Made(live, _superseded, _destinations))
    recaller = recall.Recaller(
        database, blobs, carriers, fallen, lambda: live.config.language, turns
    )
    recaller.register()
    systems = Current(
        Made(
            live,
            lambda now: make_systems(
                now.messages, Resources(now, database, blobs, installed, modalities_of)
            ),
            _told,
        )
    )
    messages.Outbox(live, database, blobs, systems, exam_identity, _urgent).register()
    _end_on_signals(tools)
    executor.launch()
    log.info("worker %s is ready", executor.seat.id)
    gpu = GpuQueue(config.workers)
    starters = [
        analyse.starter(database, gpu),
        beside.starter(database),
        release.starter(database, covers),
        *(room.starter(database) for room in (deliver, recall, messages)),
    ]
    _start_until_stopped(tools, gpu, starters)
    _stop(executor, tools)


def _routes(config: Config) -> object:
    return config.destinations, config.reading.only_unit


def _destinations(config: Config) -> object:
    return config.destinations


def _superseded(config: Config) -> dict[str, Superseded]:
    return {one.name: one.superseded for one in config.destinations}


def _told(config: Config) -> object:
    """What systems of messages are made from."""
    return config.messages, config.fhir, config.language, config.time_zone


def _urgent(session: Session, study_key: str) -> bool:
    return standing(session, study_key) is not None


def _start_until_stopped(tools: Tools, gpu: GpuQueue, starters: Sequence[Starter]) -> None:
    """Start what waits, until told to stop; a database that fails is tried again."""
    while not tools.stopping.is_set():
        tools.nursery.prepare()
        tools.look.wait(START_SECONDS)
        tools.look.clear()
        for look in (lambda: gpu.run_once(tools.database), *(one.run_once for one in starters)):
            try:
                look()
            except OperationalError as error:
                log.warning("the database did not answer: %s", type(error.orig).__name__)


def _stop(executor: Worker, tools: Tools) -> None:
    """End in good order: no death is counted, and the work is there for the next life."""
    tools.busy.wait_for_none(BUSY_SECONDS)
    tools.nursery.close()
    executor.stop()
    tools.database.close()
    logging.shutdown()
    sys.stdout.flush()
    # Threads that sleep between two tries would hold up an ordinary end.
    os._exit(1 if tools.no_device.is_set() else 0)


def _end_on_signals(tools: Tools) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        tools.stopping.set()
        tools.look.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
