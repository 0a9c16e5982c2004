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
import time
import warnings
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.reading.filling import PASSWORD, UNITS, fill
from gransk.archive.orthanc import Orthanc
from gransk.archive.orthanc_config import ensure_secret
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.reading.ledger import wrong_rows
from gransk.reading.readers import Listing, list_reader
from gransk.site import people
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.migrate import upgrade
from gransk.web.app import create_app


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
    ]


def _client(config: Config, database: Database, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient
    app = create_app(config, database, Orthanc(config.orthanc))
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
        clients = {name: _client(config, database, name) for name in ("kim", "ole")}
        kind = database.engine.dialect.name
        print(f"{arguments.open} open and {arguments.decided} decided exams, {kind}")
        print("| page | median, ms | 95th percentile | of the processor | 95th | kB |")
        print("|---|---|---|---|---|---|")
        for name, who, address in pages(database):
            seconds, processor, size = measure(clients[who], address, arguments.repeat)
            told = " | ".join(f"{_ms(values)}" for values in (seconds, processor))
            print(f"| {name} | {told} | {size / 1000:.0f} |", flush=True)
        with database.read() as session:
            wrong = len(wrong_rows(session))
        print(f"rows that are not what their entries make: {wrong}")
        database.close()


if __name__ == "__main__":
    main()
