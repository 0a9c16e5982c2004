"""Seconds from a change of the settings to its effect, while the service and a worker run.

    python -m bench.settings FOLDER [--repeat 5]

FOLDER holds one CT study. It is analysed once; then each round

* approves another operating point, stores part of the study under new UIDs, and waits until its
  row stands in the queue under the new version (``queued``; the study's quiet time of 0.5 s and
  its transfer are in it, as no study is handed over before),
* approves one more destination, has the kept report routed to it, and waits until the worker has
  sent the first of its objects there (``sent``).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts
from sqlalchemy import select

from bench.suite import Running, running
from gransk.cli.demonstration import CALLING_AET, find_studies
from gransk.core.application import applications
from gransk.delivery.dimse import Peer, send
from gransk.results.blobs import BlobStore
from gransk.results.router import Router, route_again
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem
from gransk.site import people
from gransk.site.database import Database
from gransk.site.differences import with_value
from gransk.site.settings_acts import approve, propose
from gransk.site.settings_drafts import DraftState, settings_now
from gransk.site.settings_tables import Origin
from gransk.site.site_keys import Host
from gransk.site.tables import Role

PATIENCE_SECONDS = 900
IMAGES = 4
"""Of the study that is stored anew: enough to be queued."""
POINT = "applications.nodule.operating_point"


T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="DICOM files of one CT study")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    files = next(iter(find_studies(arguments.folder).values()))
    waits = {"quiet_seconds": 0.5, "incomplete_after_seconds": 0.5, "poll_seconds": 0.2}
    rounds: dict[str, list[float]] = {"queued": [], "sent": []}
    with running(intake=waits) as suite, _receiver() as port:
        bench = Bench(suite)
        report = bench.analysed(files)
        for number in range(arguments.repeat):
            rounds["queued"].append(bench.queued(files[:IMAGES], 0.5 + number / 100))
            rounds["sent"].append(bench.sent(report, f"pacs-{number}", port))
            print(", ".join(f"{kind} {found[-1]:.2f} s" for kind, found in rounds.items()))
    for kind, found in rounds.items():
        print(
            f"{kind}: median {statistics.median(found):.2f} s, "
            f"{min(found):.2f} to {max(found):.2f} s, {len(found)} rounds"
        )


class Bench:
    """A running suite, and two people who change its settings."""

    def __init__(self, suite: Running) -> None:
        self.config = suite.config
        self.host = Host(suite.config, applications(), suite.config.data_folder.parent)
        self.database = Database(suite.config.database.url)
        with self.database.begin() as session:
            for name in ("anna", "karen"):
                people.create_account(session, name, name.title(), [Role.RESPONSIBLE_RADIOLOGIST])

    def analysed(self, files: list[Path]) -> str:
        """Key of the report of the whole study, once it is released."""
        self._send(files)

        def released() -> str | None:
            with self.database.read() as session:
                return session.scalar(select(Report.key).where(Report.released_at.is_not(None)))

        return _until(released)

    def queued(self, files: list[Path], point: float) -> float:
        """Seconds until a study that is stored now is queued under a new operating point."""
        with tempfile.TemporaryDirectory() as place:
            paths = _renamed(files, Path(place))
            made = self._draft(POINT, point)
            began = time.monotonic()
            version = self._approve(made)
            self._send(paths)

            def row() -> bool:
                with self.database.read() as session:
                    query = select(Workitem.id).where(Workitem.settings_version == version)
                    return session.scalars(query.limit(1)).first() is not None

            _until(row)
        return time.monotonic() - began

    def sent(self, report: str, name: str, port: int) -> float:
        """Seconds until a worker has sent to a destination that was added."""
        one = {"kind": "dicom", "aet": "BENCH", "host": "127.0.0.1", "port": port}
        made = self._draft(f"destinations[{name}]", one)
        began = time.monotonic()
        if made is not None:
            self._approve(made)
        with self.database.begin() as session:
            now = settings_now(session, self.host).config
            router = Router(now.destinations, BlobStore(now.blob_folder), now.reading)
            route_again(session, report, "bench", router, [name])

        def there() -> bool:
            with self.database.read() as session:
                query = select(Delivery.id).where(
                    Delivery.destination == name, Delivery.state == DeliveryState.SENT
                )
                return session.scalars(query.limit(1)).first() is not None

        _until(there)
        return time.monotonic() - began

    def _draft(self, key: str, value: object) -> int | None:
        """Number of a draft that waits; None where it is in force."""
        with self.database.begin() as session:
            content = with_value(settings_now(session, self.host).content, key, value)
            made = propose(session, self.host, content, "anna", "measured", Origin.REST)
        return made.number if made.state is DraftState.WAITING else None

    def _approve(self, number: int | None) -> int:
        """The version that a draft became."""
        with self.database.begin() as session:
            account = people.find_account(session, "karen")
            if number is None or account is None:
                raise RuntimeError("the change did not wait for an approval")
            made = approve(session, self.host, number, account)
        if made.version is None:
            raise RuntimeError("the approval did not put it in force")
        return made.version

    def _send(self, files: list[Path]) -> None:
        orthanc = self.config.orthanc
        send(files, Peer(orthanc.aet, orthanc.dicom_host, orthanc.dicom_port, CALLING_AET))


def _renamed(files: list[Path], folder: Path) -> list[Path]:
    """The files as another study."""
    study, series = generate_uid(), generate_uid()
    paths = []
    for number, file in enumerate(files):
        image = dcmread(file)
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        paths.append(folder / f"{number}.dcm")
        image.save_as(paths[-1])
    return paths


@contextmanager
def _receiver() -> Iterator[int]:
    """The port of a peer that takes everything and keeps nothing."""
    entity = AE("BENCH")
    entity.maximum_associations = 1000  # each round's destination keeps some for a while
    entity.supported_contexts = StoragePresentationContexts
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _event: 0)]
    )
    if server is None:
        raise RuntimeError("the receiver did not start")
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()


def _until(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise TimeoutError(f"nothing came in {PATIENCE_SECONDS} s")


if __name__ == "__main__":
    main()
