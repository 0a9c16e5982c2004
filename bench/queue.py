"""What a study costs in the queue itself, as ever more studies wait before it.

    python -m bench.queue [--waiting 10 100 1000 10000] [--studies 40] [--repeat 3]

A process does what a worker does, but for the analysis: the starter puts rows of the worklist into
the durable queue, DBOS takes them out one by one, the row is started and ended. Times are those of
the whole process's work (CPU, of all its threads) and, of each part alone, of the clock:

enqueue the starter's first look, at a queue that is empty yet
look    the starter looks once while all wait and nothing is new: each second, and after each study
study   one study from the queue to its end, all parts and threads together (CPU)

The rows are made up. Each round is another database; ratios are to the shortest queue.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dbos import DBOS
from sqlalchemy import func, select

from bench.postgresql import BINARIES, postgresql
from bench.worklist import fill
from gransk.pipeline import analyse, workitems
from gransk.pipeline.gpu import GpuQueue
from gransk.pipeline.workitems import OPEN, Work
from gransk.results.tables import Workitem, WorkState
from gransk.site import workflows
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import open_database

PARTS = ("enqueue", "look", "study")
MILLISECONDS = 1000.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--studies", type=int, default=40, help="measured in each round")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("URL", "URL", "WAITING"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        url, workflows_url, waiting = arguments.one
        print(json.dumps(_round(url, workflows_url, int(waiting), arguments.studies)))
        return
    for kind in ("sqlite", "postgresql") if BINARIES else ("sqlite",):
        _table(kind, arguments.waiting, arguments.studies, arguments.repeat)


def _table(kind: str, sizes: list[int], studies: int, repeat: int) -> None:
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    for number in range(repeat):
        for size in sizes if number % 2 == 0 else reversed(sizes):
            found[size].append(_process(kind, size, studies))
    for size in sizes:
        print(f"{kind}, {size} waiting: " + "; ".join(_part(found[size], p) for p in PARTS))
    least, most = sizes[0], sizes[-1]
    for part in PARTS:
        ratios = sorted(
            long[part] / short[part] for long, short in zip(found[most], found[least], strict=True)
        )
        print(
            f"{kind}, {part}: {most} waiting / {least} waiting "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


def _part(rounds: list[dict[str, float]], part: str) -> str:
    times = sorted(one[part] for one in rounds)
    return f"{part} {statistics.median(times):.1f} ms ({times[0]:.1f} to {times[-1]:.1f})"


def _process(kind: str, waiting: int, studies: int) -> dict[str, float]:
    """One round in a process of its own, as DBOS is one for each."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if kind == "sqlite":
            urls = [f"sqlite:///{folder}/{name}.db" for name in ("gransk", "workflows")]
        else:
            server = stack.enter_context(postgresql())
            urls = [server.make(name) for name in ("gransk", "workflows")]
        options = ["--one", *urls, str(waiting), "--studies", str(studies)]
        done = subprocess.run(
            [sys.executable, "-m", "bench.queue", *options], check=True, capture_output=True
        )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _round(url: str, workflows_url: str, waiting: int, studies: int) -> dict[str, float]:
    """Milliseconds of each part."""
    # Looks as often as there is work, so that what is measured is work and not waiting.
    workflows.POLL_SECONDS = 0.01
    with tempfile.TemporaryDirectory() as folder:
        values = {
            "data_folder": folder,
            "database": {"url": url, "workflows_url": workflows_url},
        }
        config = Config.model_validate(values, context={"folder": Path(folder)})
        database = open_database(config)
        with database.begin() as session:
            fill(session, waiting + studies, "tiny")
            for row in session.scalars(select(Workitem)):
                workitems.wait(row)
        return _measure(config, database, studies)


def _measure(config: Config, database: Database, studies: int) -> dict[str, float]:
    look = threading.Event()
    done = threading.Semaphore(0)

    @DBOS.step(name="analyse_once")
    def once(item: str, generation: int, attempt: int) -> None:
        work = Work(item, generation, attempt)
        with database.begin() as session:
            workitems.start(session, work, 3)
        with database.begin() as session:
            workitems.clear_deaths(session, work)
            row = workitems.locked(session, work)
            if row is not None:
                workitems.ready(session, row)

    @workflows.workflow(analyse.NAME)
    def run(item: str, generation: int, attempt: int) -> str:
        once(item, generation, attempt)
        look.set()
        done.release()
        return "done"

    workflows.configure(config, database, slot=0)
    starter = analyse.starter(database, GpuQueue(config.workers))
    DBOS.launch()
    enqueued = _timed(starter.run_once)
    looked = statistics.median(_timed(starter.run_once) for _ in range(5))
    workflows.register_queues(config)
    began, counted = 0.0, 0
    while counted < studies:
        look.wait(1.0)
        look.clear()
        starter.run_once()
        while done.acquire(blocking=False):
            counted += 1
            began = began or time.process_time()
    spent = (time.process_time() - began) / (counted - 1)
    with database.read() as session:
        left = session.scalar(
            select(func.count()).select_from(Workitem).where(Workitem.state.in_(OPEN))
        )
        ended = session.scalar(
            select(func.count()).select_from(Workitem).where(Workitem.state == WorkState.READY)
        )
    if not left or not ended or ended < studies:
        raise SystemExit("the queue ran empty: measure fewer studies")
    print(
        json.dumps({"enqueue": enqueued, "look": looked, "study": spent * MILLISECONDS}), flush=True
    )
    os._exit(0)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * MILLISECONDS


if __name__ == "__main__":
    main()
