"""Have a child process check what arrived, within limits of time and memory."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from pydantic import ValidationError

from gransk.registry.checks import Check, Fault, Result
from gransk.registry.protocol import Job, Line
from gransk.site.child_process import MB

WATCH_SECONDS = 0.1
log = logging.getLogger(__name__)


@dataclass
class _Said:
    """What a child has said until now."""

    results: list[Result] = field(default_factory=list)
    doing: Check = Check.PACKAGE
    broken: bool = False


def run_checks(
    job: Job,
    memory_mb: int,
    seconds: float,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Check what arrived; a child that goes over a limit is ended, and that is what was found.

    Parameters
    ----------
    job : Job
    memory_mb : int
    seconds : float
        That everything may last.
    stopped : callable
        Asked now and then; the child is ended where it says True.

    Returns
    -------
    list of Result
        One for each `Check`, in order.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "gransk.registry.child", str(memory_mb)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MALLOC_ARENA_MAX": "2", "OMP_WAIT_POLICY": "passive"},
    )
    said = _Said()
    listener = threading.Thread(target=_listen, args=(process, said), daemon=True)
    try:
        _tell(process, job)
        listener.start()
        fault, detail = _watch(process, memory_mb, seconds, stopped)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if listener.ident is not None:
            listener.join()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
    return _whole(said, fault, detail)


def _tell(process: subprocess.Popen[bytes], job: Job) -> None:
    if process.stdin is None:
        raise RuntimeError("the child was started without a pipe")
    try:
        process.stdin.write(job.model_dump_json().encode("utf-8") + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        log.warning("a child that checks models ended before it could be told its job")


def _watch(
    process: subprocess.Popen[bytes], memory_mb: int, seconds: float, stopped: Callable[[], bool]
) -> tuple[Fault, str]:
    """Wait for the end; what it means for a check that was not told."""
    deadline, peak = time.monotonic() + seconds, 0
    while True:
        try:
            code = process.wait(WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            if code == -6 and peak > 0.7 * memory_mb * MB:
                # C++ code that gets no memory aborts instead of raising.
                return Fault.TOO_MUCH_MEMORY, f"{memory_mb} MB"
            return Fault.DIED, f"signal {-code}" if code < 0 else f"exit {code}"
        try:
            held = psutil.Process(process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
        peak = max(peak, held)
        if held > memory_mb * MB:
            return Fault.TOO_MUCH_MEMORY, f"{memory_mb} MB"
        if time.monotonic() > deadline:
            return Fault.TOO_SLOW, f"{seconds:g} s"
        if stopped():
            return Fault.DIED, "stopped"


def _listen(process: subprocess.Popen[bytes], said: _Said) -> None:
    if process.stdout is None:
        return
    for text in process.stdout:
        try:
            line = Line.model_validate_json(text)
        except ValidationError:
            said.broken = True
            return
        if line.doing is not None:
            said.doing = line.doing
        if line.result is not None:
            said.results.append(line.result)


def _whole(said: _Said, fault: Fault, detail: str) -> list[Result]:
    """One result for each check: the one that was being made has the fault, later ones none."""
    told = {result.check: result for result in said.results}
    for check in Check:
        if check not in told:
            ended = check is said.doing
            told[check] = Result(
                check=check, fault=fault if ended else None, done=ended,
                detail=detail if ended else "",
            )  # fmt: skip
    if all(result.fault is None for result in told.values()) and len(said.results) < len(Check):
        # It ended between two checks.
        last = Check.RESOURCES
        told[last] = Result(check=last, fault=fault, detail=detail)
    return [told[check] for check in Check]
