"""What a child process does first: it bounds its memory, and dies with its parent (Linux)."""

from __future__ import annotations

import ctypes
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
MB = 1024 * 1024
NEAR = 0.8


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(megabytes: int, device: str) -> None:
    """Bound the private memory of this process.

    CUDA reserves address space far beyond what it uses, so there the parent's
    own watch on the memory held stands alone.
    """
    if device == "cpu":
        limit = megabytes * MB
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def no_memory(error: Exception) -> bool:
    """Whether an error says that no more memory was given."""
    said = str(error)
    if isinstance(error, MemoryError) or "bad_alloc" in said or "allocate" in said.lower():
        return True
    # C code that gets no memory may return without saying why, and Python raises this.
    return isinstance(error, SystemError) and _near_limit()


def _near_limit() -> bool:
    """Whether this process holds nearly what `limit_memory` lets it (Linux)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return limit != resource.RLIM_INFINITY and memory_bytes("VmData") > NEAR * limit


def memory_bytes(name: str) -> int:
    """What a line of this process's status says, such as ``VmHWM`` (proc(5))."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024
