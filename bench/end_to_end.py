"""Seconds from the last image received to the result in Orthanc, and where they go.

    python -m bench.end_to_end FOLDER [--repeat 3]

Each round starts Orthanc, the service and a worker as ``gransk run`` does, sends
the study by C-STORE, and waits until every object of the result is stored.
``decode`` and ``inference`` are measured inside the analysis; the peak is the
largest resident memory of the process that analysed.
"""

from __future__ import annotations

import argparse
import datetime
import re
import statistics
import time
from pathlib import Path

from sqlalchemy import select

from bench.suite import Running, running
from gransk.cli.demonstration import CALLING_AET, find_studies
from gransk.delivery.dimse import Peer, send
from gransk.results.blobs import BlobStore
from gransk.results.store import read_findings
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site.database import Database, utcnow

PATIENCE_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="DICOM files of one study")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    files = next(iter(find_studies(arguments.folder).values()))
    rounds = []
    for _ in range(arguments.repeat):
        with running() as suite:
            rounds.append(_measure(suite, files))
        print(_line(rounds[-1]), flush=True)
    print(f"median of {len(rounds)}:")
    print(_line({key: statistics.median(r[key] for r in rounds) for key in rounds[0]}))


def _measure(suite: Running, files: list[Path]) -> dict[str, float]:
    """Seconds by part, and the peak in MB."""
    orthanc = suite.config.orthanc
    send(files, Peer(orthanc.aet, orthanc.dicom_host, orthanc.dicom_port, CALLING_AET))
    received = utcnow()
    database = Database(suite.config.database.url)
    try:
        stored, started = _result(database)
        with database.read() as session:
            key = session.scalars(select(Report.analysis_key)).one()
            findings = read_findings(session, BlobStore(suite.config.blob_folder), key)
    finally:
        database.close()
    worker = next(p for p in suite.supervisor.processes if p.name.startswith("worker"))
    peaks = re.findall(r"peak (\d+) MB", worker.log.read_text(encoding="utf-8"))
    return {
        "total": (stored - received).total_seconds(),
        "until the analysis starts": (started - received).total_seconds(),
        "decode": findings.seconds["decode"],
        "inference": findings.seconds["inference"],
        "lungs": findings.seconds["lungs"],
        "peak MB": float(max(map(int, peaks))),
    }


def _result(database: Database) -> tuple[datetime.datetime, datetime.datetime]:
    """When the last object was stored, and when the analysis began."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.2)
        with database.read() as session:
            item = session.scalars(select(Workitem)).first()
            lines = session.scalars(select(Delivery)).all()
        if item is not None and item.reason is not None:
            raise SystemExit(f"the study was not analysed: {item.reason}")
        sent = [line.sent_at for line in lines if line.state == DeliveryState.SENT and line.sent_at]
        if item and item.started_at and lines and len(sent) == len(lines):
            return max(sent), item.started_at
    raise SystemExit(f"no result after {PATIENCE_SECONDS} s")


def _line(parts: dict[str, float]) -> str:
    return ", ".join(
        f"{name[:-3]} {value:.0f} MB" if name.endswith(" MB") else f"{name} {value:.2f} s"
        for name, value in parts.items()
    )


if __name__ == "__main__":
    main()
