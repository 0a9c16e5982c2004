"""One child process for one study: started, watched, and ended within its limits."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import IO

import psutil
from pydantic import ValidationError

from gransk.core.reasons import Reason
from gransk.pipeline import protocol

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.2
PAUSE_SECONDS = 30.0
"""After a waiting child ended by itself."""

MB = 1024 * 1024

FETCH = "fetch"
"""The step in which a child waits for an archive."""


class How(StrEnum):
    """How a child ended."""

    DONE = "done"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    MISSING = "missing"
    BROKEN = "broken"
    NO_DEVICE = "no_device"
    DIED = "died"
    UNWANTED = "unwanted"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Ended:
    """The end of a child.

    Parameters
    ----------
    how : How
    objects : tuple of MadeFile
        What it wrote, where it is done.
    follow_up : str, optional
        The file of what the report tells beside its findings.
    reason : Reason, optional
        Why the input is not analysed, where it is refused.
    detail : str
        Without any value of the input.
    peak_mb : int
        Most memory that it held.
    """

    how: How
    objects: tuple[protocol.MadeFile, ...] = ()
    follow_up: str | None = None
    reason: Reason | None = None
    detail: str = ""
    peak_mb: int = 0


@dataclass(frozen=True)
class Callbacks:
    """How the worker answers its child.

    ``progress`` returns False where the work is no longer wanted; ``asked``
    answers questions; ``told`` seals results.
    """

    progress: Callable[[str, float], bool]
    asked: Callable[[protocol.Question], protocol.Reply]
    told: Callable[[protocol.Result], None]


class Nursery:
    """Starts children, one of them ahead of its job.

    A child needs a second to load its libraries; one that waits has them.

    Parameters
    ----------
    memory_mb : int
        That a child may use.
    """

    def __init__(self, memory_mb: int) -> None:
        self.memory_mb = memory_mb
        self._spare: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Have a child waiting; call it from a thread that lasts as long as the worker.

        The kernel ends a child when the thread that started it ends.
        """
        with self._lock:
            if self._spare is not None and self._spare.poll() is not None:
                log.warning("a waiting child ended with %s", self._spare.returncode)
                end(self._spare)
                self._spare, self._not_before = None, time.monotonic() + PAUSE_SECONDS
            if self._spare is None and time.monotonic() >= self._not_before:
                self._spare = self._start()

    def take(self) -> subprocess.Popen[bytes]:
        """The waiting child, or a new one."""
        with self._lock:
            spare, self._spare = self._spare, None
        return spare if spare is not None and spare.poll() is None else self._start()

    def close(self) -> None:
        """End the waiting child."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            end(spare)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "gransk.pipeline.child", str(self.memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive"},
        )


def run_child(
    nursery: Nursery,
    job: protocol.Job,
    seconds: float,
    callbacks: Callbacks,
    stopping: threading.Event,
) -> Ended:
    """Run one job in a child process and wait for its end.

    An error raised by a callback ends the child and is raised again.

    Parameters
    ----------
    nursery : Nursery
    job : Job
    seconds : float
        That it may last once its images are here.
    callbacks : Callbacks
    stopping : threading.Event
        Ends the child when it is set.
    """
    process = nursery.take()
    try:
        return _Watch(process, nursery.memory_mb, seconds, callbacks, stopping).until_end(job)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a child, if it still lives, and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            _close(pipe)


class _Watch:
    """Reads what one child says and holds it to its limits."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        memory_mb: int,
        seconds: float,
        callbacks: Callbacks,
        stopping: threading.Event,
    ) -> None:
        self.process = process
        self.memory_mb = memory_mb
        self.seconds = seconds
        self.callbacks = callbacks
        self.stopping = stopping
        self.deadline: float | None = None
        self.peak = 0
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True, name="child-output").start()

    def until_end(self, job: protocol.Job) -> Ended:
        self._tell(job.model_dump_json())
        while True:
            ended = self._next()
            if ended is None:
                ended = self._over_limits()
            if ended is not None:
                return replace(ended, peak_mb=self.peak // MB)

    def _next(self) -> Ended | None:
        """Take in one line, or note that there is none just now."""
        try:
            line = self.lines.get(timeout=WATCH_SECONDS)
        except queue.Empty:
            return None
        if line is None:
            return self._silent()
        try:
            message = protocol.parse(line)
        except ValidationError:
            return Ended(How.BROKEN, detail="the child said what is no message")
        return self._take(message)

    def _take(self, message: protocol.Message) -> Ended | None:
        match message:
            case protocol.Progress():
                self._time(message.step)
                if not self.callbacks.progress(message.step, message.share):
                    return Ended(How.UNWANTED)
            case (
                protocol.Asked()
                | protocol.Beside()
                | protocol.AskedComparison()
                | protocol.Paired()
                | protocol.Named()
            ):
                self._tell(self.callbacks.asked(message).model_dump_json())
            case protocol.Found() | protocol.Observed() | protocol.Measured() | protocol.Compared():
                self.callbacks.told(message)
            case protocol.Done():
                return Ended(How.DONE, objects=message.objects, follow_up=message.follow_up)
            case protocol.Refused():
                return Ended(How.REFUSED, reason=message.reason, detail=message.detail)
            case protocol.Unreachable():
                return Ended(How.UNREACHABLE, detail=message.detail)
            case protocol.Missing():
                return Ended(How.MISSING, detail=message.detail)
            case protocol.NoDevice():
                return Ended(How.NO_DEVICE, detail=message.detail)
            case protocol.Broken():
                return Ended(How.BROKEN, detail=message.detail)
        return None

    def _time(self, step: str) -> None:
        """Waiting for an archive does not count, and each study has the whole time."""
        if step == FETCH:
            self.deadline = None
        elif self.deadline is None:
            self.deadline = time.monotonic() + self.seconds

    def _over_limits(self) -> Ended | None:
        if self.stopping.is_set():
            return Ended(How.STOPPED)
        try:
            held = psutil.Process(self.process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            held = 0
        self.peak = max(self.peak, held)
        if held > self.memory_mb * MB:
            detail = f"over {self.memory_mb} MB"
            return Ended(How.REFUSED, reason=Reason.MEMORY_LIMIT, detail=detail)
        if self.deadline is not None and time.monotonic() > self.deadline:
            detail = f"over {self.seconds:.0f} s"
            return Ended(How.REFUSED, reason=Reason.TIME_LIMIT, detail=detail)
        return None

    def _silent(self) -> Ended:
        """The child closed its output without a last word: it died."""
        code = self.process.wait()
        if code == -6 and self.peak > 0.7 * self.memory_mb * MB:
            # C++ code that gets no memory aborts instead of raising.
            return Ended(How.REFUSED, reason=Reason.MEMORY_LIMIT, detail="aborted near its limit")
        return Ended(How.DIED, detail=f"signal {-code}" if code < 0 else f"exit {code}")

    def _tell(self, text: str) -> None:
        stdin = self.process.stdin
        if stdin is None:
            raise RuntimeError("the child was started without a pipe")
        try:
            stdin.write(text.encode("utf-8") + b"\n")
            stdin.flush()
        except BrokenPipeError:
            log.warning("a child ended before it could be told its job")

    def _read(self) -> None:
        stdout = self.process.stdout
        if stdout is not None:
            try:
                for line in stdout:
                    self.lines.put(line)
            except (OSError, ValueError):
                log.debug("a child's output was closed while it was read")
        self.lines.put(None)


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        log.debug("a child ended with unread input")
