"""An outbox with exams, reports and destinations, on a real database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import select

from gransk.core.keys import digest
from gransk.core.object_kinds import ObjectKind
from gransk.delivery import deliver, trying
from gransk.delivery.pacing import Pace
from gransk.delivery.trying import Result
from gransk.reading.release import release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, seal_analysis, seal_report
from gransk.results.tables import Delivery, DeliveryState, Report, ReportObject, Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade


class Taker:
    """A destination that notes what it takes, in order; ``meanwhile`` runs as it does."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.error: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append((sop_instance_uid, content))
        self.meanwhile()

    def remove(self, sop_instance_uid: str) -> None:
        self.taken = [one for one in self.taken if one[0] != sop_instance_uid]

    @property
    def uids(self) -> list[str]:
        return [uid for uid, _ in self.taken]


class Outbox:
    """Exams by number, each with reports by number, of one application or several."""

    def __init__(self, url: str, folder: Path, *names: str, made: bool = False) -> None:
        self.database = Database(url)
        self.blobs = BlobStore(folder / "blobs")
        self.names = names
        self.takers = {name: Taker() for name in names}
        self.paces: dict[str, Pace] = {}
        if not made:
            upgrade(self.database)

    def seal(
        self,
        study: int,
        number: int = 1,
        application: str = "x",
        objects: Sequence[tuple[str, str, bytes]] = (),
    ) -> str:
        """A report of a study, sealed; its key. ``objects``: kind, UID, bytes."""
        key = digest(["report", study, application, number])
        analysis = digest(["analysis", study, application, number])
        made = objects or [
            (kind, f"2.25.{study}.{len(application)}.{number}.{n}", f"{kind} {key}".encode())
            for n, kind in enumerate(("SR", "SC"))
        ]
        with self.database.begin() as session:
            ident = digest(["item", study, application])[:32]
            item = session.get(Workitem, ident)
            if item is None:
                item = Workitem(
                    id=ident, study_key=f"{study:032d}", application=application,
                    state=WorkState.READY, reason=None, detail="", step="", share=1.0, priority=0,
                    incomplete=False, fingerprint="f", generation=0, attempt=0, deaths=0,
                    analysis_key=None, report_key=None, settings_version=1, created_at=utcnow(),
                    images_at=utcnow(), started_at=None, finished_at=None,
                )  # fmt: skip
                session.add(item)
                session.flush()
            seal_analysis(
                session, analysis, application, self.blobs.put(b"{}"), self.blobs.put(b"p"), 1.0
            )
            new = [
                NewObject(kind, "1.2", uid, "2.25.9", self.blobs.put(content))
                for kind, uid, content in made
            ]
            seal_report(session, item, key, analysis, utcnow(), new)
        return key

    def release(self, key: str, *names: str) -> None:
        wanted = dict.fromkeys(names or self.names, tuple(ObjectKind))
        with self.database.begin() as session:
            assert release_report(session, key, "policy", lambda *_: wanted)

    def add(self, study: int, number: int = 1, application: str = "x") -> str:
        """A report, sealed and released."""
        key = self.seal(study, number, application)
        self.release(key)
        return key

    def open(self, name: str = "") -> list[tuple[str, int]]:
        """Deliveries that may be sent now, with their attempts."""
        with self.database.read() as session:
            rows = deliver.open_rows(session)
        return [
            (str(row.arguments[0]), int(row.arguments[1]))
            for row in rows
            if name in ("", row.partition)
        ]

    def send(self, delivery: str, attempt: int) -> trying.Answer:
        return deliver.send_once(
            self.database, self.blobs, self.takers, delivery, attempt, self.paces
        )

    def send_all(self) -> list[Result]:
        """Send until nothing may be sent any more."""
        results = []
        while rows := self.open():
            for row in rows:
                results.append(self.send(*row).result)
        return results

    def lines(self, key: str) -> list[Delivery]:
        with self.database.read() as session:
            query = select(Delivery).where(Delivery.report_key == key)
            return list(session.scalars(query.order_by(Delivery.destination, Delivery.id)))

    def states(self, key: str) -> set[DeliveryState]:
        return {line.state for line in self.lines(key)}

    def uids(self, key: str) -> set[str]:
        with self.database.read() as session:
            query = select(ReportObject.sop_instance_uid).where(ReportObject.report_key == key)
            return set(session.scalars(query))

    def released_at(self, key: str) -> object:
        with self.database.read() as session:
            return session.get_one(Report, key).released_at

    def close(self) -> None:
        self.database.close()
