"""The whole suite as real processes in a folder of its own: Orthanc, service, workers."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml
from harness_orthanc import OrthancProcess, make_config, store_scu
from sqlalchemy import func, select

from gransk.archive.tables import SeenStudy
from gransk.cli.processes import gransk_command
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.database import Database
from gransk.site.events import verify

START_SECONDS = 60
PATIENCE = float(os.environ.get("PATIENCE", "1"))
"""A busy machine is waited for so many times longer."""
ENDED = (WorkState.READY, WorkState.NOT_ANALYSED, WorkState.FAILED, WorkState.WITHDRAWN)


class Suite:
    """Orthanc, the service and workers, each of which can be killed and started again.

    Parameters
    ----------
    folder : Path
        Holds configuration, data, archive and logs.
    environment : dict, optional
        Added to that of the service and the workers.
    sections : dict
        Sections of the configuration that override the defaults; as many workers
        are started as ``workers.processes`` says.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        **sections: Any,
    ) -> None:
        self.folder = folder
        self.environment = environment or {}
        self.config = make_config(folder, **sections)
        self.config_file = folder / "gransk.yaml"
        content = self.config.model_dump(mode="json")
        self.config_file.write_text(yaml.safe_dump(content), encoding="utf-8")
        (folder / "orthanc").mkdir(exist_ok=True)
        self.orthanc = OrthancProcess(self.config, folder / "orthanc")
        count = self.config.workers.processes
        self.names = ["orthanc", "service", *(f"worker-{n}" for n in range(count))]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._database: Database | None = None

    def __enter__(self) -> Suite:
        try:
            for name in self.names:
                self.start(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database(self) -> Database:
        if self._database is None:
            self._database = Database(self.config.database.url)
        return self._database

    def start(self, name: str, config_file: Path | None = None) -> None:
        """Start one process, by its host's own file; the service and Orthanc are waited for."""
        if name == "orthanc":
            self.orthanc.start()
            return
        arguments = ["serve"] if name == "service" else ["worker", "--slot", name.split("-")[1]]
        with self.log_file(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                gransk_command(*arguments, "--config", str(config_file or self.config_file)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                start_new_session=True,
            )
        if name == "service":
            self.until(self.answers, START_SECONDS, "the service to answer")

    def answers(self) -> bool:
        """Does the service answer? Raises where its process ended."""
        process = self._processes["service"]
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}:\n{self.log()}")
        try:
            url = f"http://127.0.0.1:{self.config.service.port}/api/health"
            return httpx.get(url, timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def pid(self, name: str) -> int | None:
        """Process id, or None where it does not run."""
        if name == "orthanc":
            return self.orthanc.pid
        process = self._processes.get(name)
        return process.pid if process is not None and process.poll() is None else None

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would."""
        if name == "orthanc":
            self.orthanc.kill()
        else:
            self._end(name, signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Start a process again, ending it first where it still runs."""
        if self.pid(name) is not None:
            self._end(name, signal.SIGTERM) if name != "orthanc" else self.orthanc.stop()
        self.start(name)

    def stop(self) -> None:
        """End everything, in good order."""
        for name in reversed(list(self._processes)):
            self._end(name, signal.SIGTERM)
        self.orthanc.stop()
        if self._database is not None:
            self._database.close()
            self._database = None

    def store(self, paths: Path | Iterable[Path]) -> list[int]:
        """C-STORE files or folders; the status of each file."""
        return store_scu(self.config, [paths] if isinstance(paths, Path) else paths)

    def items(self) -> list[Workitem]:
        """The rows of the worklist, oldest first."""
        with self.database.read() as session:
            return list(session.scalars(select(Workitem).order_by(Workitem.created_at)))

    def deliveries(self) -> list[Delivery]:
        """The outbox."""
        with self.database.read() as session:
            return list(session.scalars(select(Delivery)))

    def wait_ended(self, count: int, seconds: float) -> list[Workitem]:
        """Wait until at least ``count`` rows are there and none is open any more."""

        def ended() -> bool:
            items = self.items()
            return len(items) >= count and all(item.state in ENDED for item in items)

        self.until(ended, seconds, f"{count} rows to end")
        return self.items()

    def wait_delivered(self, seconds: float) -> list[Delivery]:
        """Wait until every report is released and all of its objects are sent.

        One that was superseded before its release never is.
        """
        superseded = select(Report.supersedes).where(Report.supersedes.is_not(None))
        query = select(Report).where(
            Report.released_at.is_(None),
            Report.withdrawn_at.is_(None),
            Report.key.not_in(superseded),
        )

        def delivered() -> bool:
            with self.database.read() as session:
                unreleased = session.scalars(query).all()
            lines = self.deliveries()
            unfinished = (DeliveryState.WAITING, DeliveryState.RECALL)
            open_lines = [line for line in lines if line.state in unfinished]
            return bool(lines) and not unreleased and not open_lines

        self.until(delivered, seconds, "deliveries")
        return self.deliveries()

    def all_once(self, count: int) -> None:
        """Wait; then every study is there once: one row, one report, each object in the archive.

        Raises
        ------
        AssertionError
            Where one is lost, doubled or stuck.
        """
        items = self.wait_ended(count, 180)
        assert Counter(item.state for item in items) == {WorkState.READY: count}, self.log()
        lines = self.wait_delivered(60)
        assert {line.state for line in lines} == {DeliveryState.SENT}
        with self.database.read() as session:
            assert session.scalar(select(func.count()).select_from(SeenStudy)) == count
            reports = session.scalars(select(Report)).all()
            assert verify(session) is None, "the event log's chain is broken"
        assert Counter(one.workitem_id for one in reports) == {item.id: 1 for item in items}
        assert len({one.analysis_key for one in reports}) == count, "one input analysed twice"
        client = self.orthanc.client
        held = Counter(
            one.sop_instance_uid for study in client.study_ids() for one in client.instances(study)
        )
        assert len(held) == count + len(lines)
        assert {line.sop_instance_uid for line in lines} <= set(held)

    def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition, ``PATIENCE`` times as long.

        Raises
        ------
        TimeoutError
            With the rows and the ends of all logs.
        """
        deadline = time.monotonic() + seconds * PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s for {what}\n{self.log()}")
            time.sleep(0.1)

    def log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self) -> str:
        """The ends of all logs, and the rows."""
        parts = []
        for name in dict.fromkeys((*self.names, *self._processes)):
            path = self.orthanc.log if name == "orthanc" else self.log_file(name)
            if path.exists():
                parts.append(f"--- {name}\n{path.read_text(errors='replace')[-4000:]}")
        if (self.config.data_folder / "gransk.db").exists():
            parts += [
                f"{i.application} {i.state} {i.reason} {i.detail} {i.step}" for i in self.items()
            ]
        return "\n".join(parts)

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
