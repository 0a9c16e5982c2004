"""How long the worklist's pages take on a full database, against a bare count of its rows.

    python -m bench.worklist [--studies 10000] [--repeat 5]

The rows are made up; each study has one row, two of three waiting and one failed.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from gransk.archive.tables import Archive, SeenStudy
from gransk.core.reasons import Reason
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.web import worklist

QUERIES = (
    worklist.Query(),
    worklist.Query(search="family12"),
    worklist.Query(sort="patient", page=100),
    worklist.Query(state=WorkState.FAILED, sort="priority"),
)


def fill(session: Session, count: int, application: str) -> None:
    """Put made-up studies into a database, each with one row of the worklist."""
    now = utcnow()
    if session.get(Archive, "orthanc") is None:
        session.add(Archive(name="orthanc", identity="one", cursor=0, swept_at=None))
        session.flush()
    session.execute(insert(SeenStudy), [_study(n, now) for n in range(count)])
    session.execute(insert(Workitem), [_row(n, now, application) for n in range(count)])


def _study(number: int, now: datetime.datetime) -> dict[str, Any]:
    changed = now - datetime.timedelta(minutes=number)
    return {
        "key": f"{number:032d}", "archive": "orthanc", "orthanc_id": f"id-{number}",
        "study_instance_uid": f"1.2.3.{number}", "issuer_of_patient_id": "",
        "patient_name": f"Family{number * 7919 % 10007}^Given", "patient_id": f"ID{number}",
        "patient_birth_date": "19511224", "patient_sex": "F", "study_date": "20260105",
        "study_time": "101500", "description": "CT Thorax", "accession_number": f"A{number}",
        "modalities": ["CT"], "images": 133, "fingerprint": "f", "settled_fingerprint": "f",
        "priority": 0, "first_seen_at": changed, "changed_at": changed, "deleted_at": None,
        "pending": False,
    }  # fmt: skip


def _row(number: int, now: datetime.datetime, application: str) -> dict[str, Any]:
    failed = number % 3 == 0
    return {
        "id": f"{number:032d}", "study_key": f"{number:032d}", "application": application,
        "state": WorkState.FAILED if failed else WorkState.WAITING,
        "reason": Reason.INTERNAL_ERROR.value if failed else None, "detail": "", "step": "",
        "share": 0.0, "priority": 0, "incomplete": False, "fingerprint": "f", "generation": 0,
        "attempt": 0, "deaths": 0, "analysis_key": None, "report_key": None,
        "settings_version": 1, "created_at": now,
        "images_at": now - datetime.timedelta(minutes=number),
        "started_at": None, "finished_at": None,
    }  # fmt: skip


def _seconds(act: Callable[[], object], repeat: int) -> float:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        database = Database(f"sqlite:///{Path(place) / 'gransk.db'}")
        upgrade(database)
        with database.begin() as session:
            fill(session, arguments.studies, "nodule")
        with database.read() as session:
            joined = (
                select(func.count(), func.max(SeenStudy.changed_at), func.max(Workitem.images_at))
                .select_from(SeenStudy)
                .outerjoin(Workitem, Workitem.study_key == SeenStudy.key)
            )
            bare = _seconds(lambda: session.execute(joined).all(), arguments.repeat)
            print(f"bare count of {arguments.studies} rows: {bare * 1000:.1f} ms")
            for query in QUERIES:
                took = _seconds(
                    lambda asked=query: worklist.page(session, asked, "en", {}, lambda *_: None),  # type: ignore[misc]
                    arguments.repeat,
                )
                named = query.model_dump(exclude_defaults=True, mode="json")
                print(f"{named}: {took * 1000:.1f} ms, {took / bare:.1f} times the bare count")
        database.close()


if __name__ == "__main__":
    main()
