"""The child process that checks one model: bounded in memory, and dies with its parent.

Its standard output is for messages alone.
"""

from __future__ import annotations

import os
import signal
import sys

from gransk.registry.protocol import Job, Line
from gransk.site.child_process import die_with_parent, limit_memory


def main() -> None:
    """Check the model of the job that stands on standard input."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = Job.model_validate_json(sys.stdin.buffer.readline())
    os.chdir(job.folder)
    from gransk.registry.examine import examine

    def tell(line: Line) -> None:
        told.write(line.model_dump_json() + "\n")
        told.flush()

    limit_memory(int(sys.argv[1]), job.device)
    examine(
        job,
        tell=lambda result: tell(Line(result=result)),
        doing=lambda check: tell(Line(doing=check)),
    )


if __name__ == "__main__":
    main()
