"""Studies an hour through the whole suite, by one worker and two, on SQLite and PostgreSQL.

    python -m bench.throughput [--studies 6] [--repeat 3] [--study FOLDER]

Each round starts Orthanc, the service and the workers as ``gransk run`` does, sends the studies by
C-STORE one after another, and waits until the last object of the last result is stored; the clock
runs from the first image to that. Rounds of the kinds alternate. The studies are synthetic chest
CTs of the nodule application, or as many copies of the study in FOLDER, each under UIDs of its own.

The last figure of a line is the share of the workers' time that is decoding and raw inference,
measured inside the analyses of the same rounds: 1 would be a suite that costs nothing.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid
from sqlalchemy import select

from bench.postgresql import BINARIES, postgresql
from bench.suite import Running, running
from gransk.cli.demonstration import CALLING_AET, find_studies
from gransk.cli.processes import gransk_command
from gransk.delivery.dimse import Peer, send
from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.database import Database

PATIENCE_SECONDS = 900.0
WORKERS = (1, 2)
Round = tuple[float, float]
"""Seconds of the clock, and seconds of decoding and inference in all analyses together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--study", type=Path, help="DICOM files of one study, which is copied")
    arguments = parser.parse_args()
    databases = ("sqlite", "postgresql") if BINARIES else ("sqlite",)
    kinds = list(itertools.product(databases, WORKERS))
    rounds: dict[tuple[str, int], list[Round]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as place:
        studies = _studies(Path(place), arguments.studies, arguments.study)
        for number in range(arguments.repeat):
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                rounds[kind].append(_round(*kind, studies))
                print(_line(kind, rounds[kind][-1:], len(studies)), flush=True)
    print(f"median of {arguments.repeat} (range):")
    for kind in kinds:
        print(_line(kind, rounds[kind], len(studies)))


def _studies(folder: Path, count: int, study: Path | None) -> list[list[Path]]:
    """Files of each study."""
    if study is not None:
        files = next(iter(find_studies(study).values()))
        return [_copy(files, folder / str(number)) for number in range(count)]
    for seed in range(count):
        options = ["--seed", str(seed), "--spacing", "5", "--slices", "40", "--nodules", "2"]
        command = gransk_command("phantom", str(folder / str(seed)), *options)
        subprocess.run(command, check=True, capture_output=True)
    return list(find_studies(folder).values())


def _copy(files: list[Path], folder: Path) -> list[Path]:
    """The same images as another study, so that none is found analysed already."""
    folder.mkdir()
    new: dict[str, str] = {}
    copies = []
    for number, file in enumerate(files):
        image = dcmread(file)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            image[keyword].value = new.setdefault(image[keyword].value, generate_uid())
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.PatientID = f"COPY{folder.name}"
        copies.append(folder / f"{number}.dcm")
        image.save_as(copies[-1], enforce_file_format=True)
    return copies


def _round(kind: str, workers: int, studies: list[list[Path]]) -> Round:
    with ExitStack() as stack:
        section: dict[str, str] = {}
        if kind == "postgresql":
            server = stack.enter_context(postgresql())
            section = {"url": server.make("gransk"), "workflows_url": server.make("workflows")}
        suite = stack.enter_context(running(workers, section))
        database = Database(suite.config.database.url)
        stack.callback(database.close)
        return _measure(suite, database, studies)


def _measure(suite: Running, database: Database, studies: list[list[Path]]) -> Round:
    orthanc = suite.config.orthanc
    peer = Peer(orthanc.aet, orthanc.dicom_host, orthanc.dicom_port, CALLING_AET)
    began = time.monotonic()
    for files in studies:
        send(files, peer)
    while not _stored(database, len(studies)):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit(f"not done after {PATIENCE_SECONDS} s")
        time.sleep(0.2)
    seconds = time.monotonic() - began
    blobs = BlobStore(suite.config.blob_folder)
    with database.read() as session:
        keys = session.scalars(select(Report.analysis_key)).all()
        parts = [read_findings(session, blobs, key).seconds for key in keys]
    return seconds, sum(part["decode"] + part["inference"] for part in parts)


def _stored(database: Database, count: int) -> bool:
    """Is every study analysed, and every object of its result stored?"""
    with database.read() as session:
        items = session.scalars(select(Workitem)).all()
        reports = session.scalars(select(Report)).all()
        lines = session.scalars(select(Delivery)).all()
    if wrong := [item.reason for item in items if item.reason is not None]:
        raise SystemExit(f"studies were not analysed: {wrong}")
    ready = sum(item.state == WorkState.READY for item in items)
    told = {line.report_key for line in lines if line.state == DeliveryState.SENT}
    waiting = [line for line in lines if line.state != DeliveryState.SENT]
    return ready == count and not waiting and told == {report.key for report in reports}


def _line(kind: tuple[str, int], rounds: list[Round], studies: int) -> str:
    name, workers = kind
    hours = [3600 * studies / seconds for seconds, _ in rounds]
    shares = [work / (workers * seconds) for seconds, work in rounds]
    return (
        f"{name}, {workers} worker{'s' if workers > 1 else ''}: {_spread(hours, 0)} studies an "
        f"hour; decoding and inference {_spread(shares, 2)} of the workers' time"
    )


def _spread(values: list[float], digits: int) -> str:
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
