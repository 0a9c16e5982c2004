"""A worker with one slow workflow; run by test_takeover.py as a real process."""

import os
import sys
import time
from pathlib import Path

from dbos import DBOS

from gransk.site.config import load_config
from gransk.site.database import Database
from gransk.site.events import EventKind, record
from gransk.site.workflows import configure, workflow

folder = Path(sys.argv[1])
slot = int(sys.argv[2])
worker = None
database = None


def note(text):
    with (folder / "steps.txt").open("a") as file:
        file.write(f"{text} {slot}\n")


@DBOS.step()
def first(key):
    note("first")
    return key


@DBOS.step()
def second(key):
    note("second")
    gate = folder / f"go-{slot}"
    while not gate.exists():
        time.sleep(0.05)
    with database.begin() as session:
        worker.seat.fence(session)
        record(session, worker.seat.id, EventKind.ANALYSIS_SEALED, key)
    note("sealed")
    return key


@workflow("slow")
def slow(key):
    return second(first(key))


if __name__ == "__main__":
    config = load_config(folder / "gransk.yaml")
    database = Database(config.database.url)
    worker = configure(config, database, slot=slot)
    worker.launch()
    (folder / f"up-{slot}").write_text(str(os.getpid()))
    while not (folder / f"stop-{slot}").exists():
        time.sleep(0.05)
    worker.stop()
