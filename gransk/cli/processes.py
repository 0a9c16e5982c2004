"""Child processes that end with their parent, and are started again when they die."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gransk.cli.log_rotation import rotate
from gransk.core.waiting import backoff

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 60.0


def gransk_command(*arguments: str) -> list[str]:
    """The command line that runs ``gransk`` with this interpreter."""
    return [sys.executable, "-m", "gransk.cli.main", *arguments]


@dataclass
class Process:
    """One supervised process.

    Parameters
    ----------
    name : str
        Short; names the log file.
    command : sequence of str
    log : Path
        Standard output and error are appended to it.
    environment : mapping
        Added to ours.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    handle: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches us alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.handle = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self.started = time.monotonic()

    @property
    def running(self) -> bool:
        return self.handle is not None and self.handle.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it lives."""
        if self.handle is not None and self.running:
            self.handle.send_signal(number)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end; after a while, end it and what it left behind."""
        if self.handle is None:
            return
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.handle.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.handle.pid, signal.SIGKILL)
        self.handle.wait()


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when our parent ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Supervisor:
    """Keeps processes running, in the order they were added."""

    processes: list[Process] = field(default_factory=list)
    told: Callable[[str], None] = print

    def add(self, process: Process) -> Process:
        """Start a process and keep it running."""
        self.processes.append(process)
        process.start()
        return process

    def check(self) -> None:
        """Start again what has died, more slowly the more often it died; keep logs to a size."""
        for process in self.processes:
            # A full disk is told elsewhere; the log goes on growing until there is room.
            with contextlib.suppress(OSError):
                rotate(process.log)
            if process.running:
                continue
            wait = backoff(1.0, process.deaths, LONGEST_WAIT_SECONDS + 1) - 1
            if time.monotonic() - process.started < wait:
                continue
            code = process.handle.returncode if process.handle else None
            self.told(f"{process.name} ended with {code}; started again, see {process.log}")
            process.deaths += 1
            process.start()

    def stop(self) -> None:
        """End every process, the last started first."""
        for process in reversed(self.processes):
            process.signal(signal.SIGTERM)
        for process in reversed(self.processes):
            process.stop()
