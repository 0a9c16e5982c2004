"""How long pages of the reading room take on 10,000 open exams and as many decided ones.

    python -m bench.reading.pages [--open 10000] [--decided 10000] [--repeat 30] [--database URL]

Made-up women and readers (`bench.reading.filling`); that each exam's row is what its entries make
is checked at the end. The time is that of the service, from the request to the last byte, on this
machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.reading.filling import PASSWORD, UNITS, fill
from gransk.archive.orthanc import Orthanc
from gransk.archive.orthanc_config import ensure_secret
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.figures import THREAD
from gransk.reading.ledger import wrong_rows
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, Found, Outcome
from gransk.reading.readers import Listing, list_reader
from gransk.results.tables import FactSource
from gransk.site import people
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import upgrade
from gransk.web.app import create_app

COUNTING = 202
"""Answered where figures are not there yet."""
POLL_SECONDS = 0.05


def pages(database: Database) -> list[tuple[str, str, str]]:
    """What is asked: its name, who asks, the address."""
    with database.read() as session:
        query = select(ExamRow.study_key).where(ExamRow.state == State.DISCORDANT)
        key = session.scalars(query.order_by(ExamRow.study_key)).first()
    board, exam = "/reading/board", f"/reading/board/exams/{key}"
    return [
        ("board", "kim", board),
        ("board, renewed", "kim", f"{board}/list"),
        ("board, last page", "kim", f"{board}?page=200"),
        ("board, one unit, overdue", "kim", f"{board}?unit=ribe&age=overdue"),
        ("board, opinions differ", "kim", f"{board}?state=discordant"),
        ("board, a reader's", "kim", f"{board}?unit=odense&reader=odense7"),
        ("board, not analysed", "kim", f"{board}?trouble=analysis_refused"),
        ("board, decided today", "kim", f"{board}?state=decided"),
        ("board, of who reads in a unit", "ole", board),
        ("history of an exam", "kim", exam),
        ("reassigning", "kim", f"{exam}/reassign"),
        ("withdrawing", "kim", f"{exam}/withdraw"),
        ("pausing", "kim", f"{board}/units/ribe/pause"),
        ("readers", "kim", "/reading/readers"),
        ("a reader's list", "ribe0", "/reading"),
        ("policies", "karen", "/reading/policies"),
    ]


FIGURES = (
    ("indicators", "kim", "/reading/indicators"),
    ("indicators, one unit", "kim", "/reading/indicators?unit=ribe"),
    ("indicators by month", "kim", "/reading/indicators?by=month&indicator=recall"),
    ("indicators by unit", "kim", "/reading/indicators?by=unit&indicator=recall"),
    ("indicators by age and month", "kim", "/reading/indicators?by=age&by=month&indicator="),
    ("indicators by density", "kim", "/reading/indicators?by=density&indicator=recall"),
    ("indicators by reader", "karen", "/reading/indicators?by=reader&indicator=reader_recall"),
    ("own figures", "ribe0", "/reading/own-figures?by=quarter"),
    ("validation", "karen", "/reading/validation?unit=ribe"),
    ("simulation, nothing tried", "kim", "/reading/simulation?unit=ribe"),
    ("simulation, replacing a reader", "kim",
     "/reading/simulation?unit=ribe&kind=replace_reader&recall_from=9"),
    ("simulation, triage", "kim", "/reading/simulation?unit=ribe&kind=triage&double_from=8"),
)  # fmt: skip
"""Pages of what is counted of decided exams."""
FILES = (
    ("indicators, CSV", "kim", "/reading/indicators.csv"),
    ("indicators by unit, PDF", "kim", "/reading/indicators.pdf?by=unit&indicator=recall"),
)


def clients_of(app: Any, database: Database) -> dict[str, Any]:
    """Signed-in browsers of one service."""
    return {name: _client(app, database, name) for name in ("kim", "ole", "karen", "ribe0")}


def _client(app: Any, database: Database, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient
    client = TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000))
    client.cookies.set("gransk_session", people.sign_in(database, name, PASSWORD, 12).token)
    return client


def _config(folder: Path) -> Config:
    values = {
        "data_folder": str(folder / "data"),
        "database": {
            "url": f"sqlite:///{folder}/gransk.db",
            "workflows_url": f"sqlite:///{folder}/flow.db",
        },
        "orthanc": {"url": "http://127.0.0.1:1"},
        "service": {"port": 8080},
        "reading": {
            "units": [
                {"name": unit, "title": unit.title(), "match": [{"department": unit}]}
                for unit in UNITS
            ]
        },
    }
    config = Config.model_validate(values, context={"folder": folder})
    ensure_secret(config.orthanc.password_file)
    ensure_secret(config.service.nudge_secret_file)
    return config


def measure(client: Any, address: str, repeat: int) -> tuple[list[float], list[float], int]:
    """Seconds and seconds of the processor of each answer, and the last one's size.

    The first one warms up. The processor's are this process's: with SQLite the database's too.
    """
    seconds, processor = [], []
    size = 0
    for _ in range(repeat + 1):
        began, busy = time.perf_counter(), time.process_time()
        answer = client.get(address)
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
        size = len(answer.content)
    return seconds[1:], processor[1:], size


@dataclass(frozen=True)
class Look:
    """Seconds of one look at a page of figures.

    Parameters
    ----------
    answer, processor : float
        Of the first answer; what is counted beside it is left out of the processor's.
    there, whole : float
        Until the figures are there; of the processor, the counting and every answer.
    """

    answer: float
    processor: float
    there: float
    whole: float


def look(client: Any, address: str) -> Look:
    """Ask for a page, and again until its figures are there."""
    began, busy = time.perf_counter(), time.process_time()
    answer, processor, status = ask(client, address)
    while status == COUNTING:
        time.sleep(POLL_SECONDS)
        status = ask(client, address)[2]
    there, whole = time.perf_counter() - began, time.process_time() - busy
    return Look(answer, processor, there, whole)


def ask(client: Any, address: str) -> tuple[float, float, int]:
    """Seconds and seconds of the processor of one answer, and its status."""
    began, busy, before = time.perf_counter(), time.process_time(), _behind()
    status = client.get(address).status_code
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    if status not in (200, COUNTING):
        raise RuntimeError(f"{address} answered {status}")
    behind = sum(used - before.get(thread, 0.0) for thread, used in _behind().items())
    return seconds, processor - behind, status


def _behind() -> dict[int, float]:
    """Seconds of the processor of each thread that is counting figures."""
    return {
        thread.ident: time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.name == THREAD and thread.ident is not None
    }


def started(config: Config, database: Database) -> dict[str, Any]:
    """Ask for every page of figures as the service starts; who goes on looking."""
    clients = clients_of(create_app(config, database, Orthanc(config.orthanc)), database)
    for client in clients.values():
        client.get("/account")
    began = time.perf_counter()
    answers = [ask(clients[who], address) for _, who, address in FIGURES]
    looks = [look(clients[who], address) for _, who, address in FIGURES]
    everything = time.perf_counter() - began
    seconds, processor = ([one[n] for one in answers] for n in (0, 1))
    print(f"figures as the service starts: {len(looks)} pages answered in at most "
          f"{1000 * max(seconds):.0f} ms, {1000 * max(processor):.0f} ms of the processor; "
          f"all of them there after {everything:.1f} s", flush=True)  # fmt: skip
    return clients


def figures(config: Config, database: Database, opened: int, repeat: int) -> None:
    """Pages of figures: as the service starts, after each change of an exam, and again."""
    clients = started(config, database)
    print("| figures | after a change, ms | 95th percentile | of the processor | 95th | with the "
          "counting | 95th | there | 95th | again | 95th |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    number = 0
    for name, who, address in FIGURES:
        look(clients[who], address)
        changed, again = [], []
        for _ in range(repeat):
            number += 1
            change(database, opened + number)
            changed.append(look(clients[who], address))
            again.append(look(clients[who], address))
        cells = [_ms([getattr(one, what) for one in changed])
                 for what in ("answer", "processor", "whole", "there")]  # fmt: skip
        print(
            f"| {name} | {' | '.join(cells)} | {_ms([one.answer for one in again])} |", flush=True
        )
    for name, who, address in FILES:
        seconds, processor, size = measure(clients[who], address, repeat)
        print(f"| {name} | {_ms(seconds)} | {_ms(processor)} | {size / 1000:.0f} kB |", flush=True)


def change(database: Database, number: int) -> None:
    """Another outcome of an exam that is decided."""
    with database.begin() as session:
        found = Outcome(cancer=True, found=Found.INTERVAL, invasive=True, size_mm=1 + number % 100)
        name = (ACCESSION, f"A{number}")
        state_outcomes(session, {name: found}, FactSource.FILE, "kim")


def _ms(seconds: list[float]) -> str:
    """Median and 95th percentile."""
    high = statistics.quantiles(seconds, n=20)[-1]
    return f"{1000 * statistics.median(seconds):.0f} | {1000 * high:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--open", type=int, default=10_000, help="open exams")
    parser.add_argument("--decided", type=int, default=10_000, help="exams decided of late")
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--database", help="URL of an empty database; SQLite by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        config = _config(Path(place))
        database = Database(arguments.database or config.database.url)
        upgrade(database)
        fill(database, arguments.open, arguments.decided)
        with database.begin() as session:
            list_reader(session, UNITS[0], "ole", Listing(), "admin")
        clients = clients_of(create_app(config, database, Orthanc(config.orthanc)), database)
        kind = database.engine.dialect.name
        print(f"{arguments.open} open and {arguments.decided} decided exams, {kind}")
        print("| page | median, ms | 95th percentile | of the processor | 95th | kB |")
        print("|---|---|---|---|---|---|")
        for name, who, address in pages(database):
            seconds, processor, size = measure(clients[who], address, arguments.repeat)
            told = " | ".join(f"{_ms(values)}" for values in (seconds, processor))
            print(f"| {name} | {told} | {size / 1000:.0f} |", flush=True)
        figures(config, database, arguments.open, arguments.repeat)
        with database.read() as session:
            wrong = len(wrong_rows(session))
        print(f"rows that are not what their entries make: {wrong}")
        database.close()


if __name__ == "__main__":
    main()
