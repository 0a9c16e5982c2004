"""People of a unit at their pages, and exams that they are given."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient
from reading_room import arrival, images, plan, sealed
from sqlalchemy import select
from web_site import Site

from gransk.reading.entries import Entry, Kind, TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import EntryRow
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.opinions import AiOpinion
from gransk.reading.plan import Plan
from gransk.reading.readers import Listing, list_reader
from gransk.site.database import utcnow
from gransk.site.tables import Account, Role

UNIT = "herlev"
PEOPLE: dict[str, tuple[Role, dict[str, bool]]] = {
    "anna": (Role.RADIOLOGIST, {}),
    "bo": (Role.RADIOLOGIST, {}),
    "cara": (Role.RADIOLOGIST, {"arbitrates": True}),
    "dan": (Role.ARBITER, {"arbitrates": True}),
    "tove": (Role.TRAINEE, {"reads": False, "experienced": False, "trainee": True}),
}


@dataclass
class Desks:
    """A site whose unit reads; ``clients`` are its people's browsers."""

    site: Site
    clients: dict[str, TestClient] = field(default_factory=dict)
    count: int = 0

    def unit(self) -> None:
        for name, (role, listing) in PEOPLE.items():
            if name not in ("admin",):
                self.site.account(name, f"{name.title()} Gransker", role)
            self.listed(name, **listing)

    def listed(self, name: str, unit: str = UNIT, **listing: Any) -> None:
        with self.site.database.begin() as session:
            account = session.scalars(select(Account).where(Account.name == name)).one()
            account.created_at = utcnow() - datetime.timedelta(days=30)
            session.flush()
            list_reader(session, unit, name, Listing(**listing), "kim")

    def at(self, name: str, language: str = "") -> TestClient:
        """A person's browser."""
        if name not in self.clients:
            self.clients[name] = self.site.signed_in(name)
        if language:
            with self.site.database.begin() as session:
                account = session.scalars(select(Account).where(Account.name == name)).one()
                account.language = language
        return self.clients[name]

    def exam(self, how: Plan | None = None, ai: AiOpinion | None = None, **study: Any) -> str:
        """An exam that is opened; its key."""
        self.count += 1
        usual = {"description": "Mammography", "modalities": ["MG"]}
        key = self.site.study(self.count, **usual | study)
        now = utcnow()
        new = arrival(unit=UNIT, images="i1", images_at=now, opens_at=now)
        with self.site.database.begin() as session:
            arrive(session, key, new, now)
            if ai is not None:
                opinion = Entry(Kind.AI_SEALED, sealed(ai), now)
                write(session, key, lambda book: book.add(opinion))
            write(session, key, lambda book: book.open(how or plan(), now))
        return key

    def new_images(self, key: str, name: str = "i2", how: Plan | None = None) -> None:
        """Other images arrive; with a plan the exam opens anew."""
        now = utcnow()
        with self.site.database.begin() as session:
            changed = images(name, now).model_copy(update={"opens_at": now})
            write(session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, changed, now)))
        if how is not None:
            with self.site.database.begin() as session:
                write(session, key, lambda book: book.open(how, now))

    def asked(self, key: str, task: TaskKind = TaskKind.FIRST) -> list[str]:
        return [given.account for given in self.of(key).open_tasks(task)]

    def of(self, key: str) -> Exam:
        with self.site.database.read() as session:
            return exam_of(session, key)

    def kinds(self, key: str) -> list[str]:
        with self.site.database.read() as session:
            query = select(EntryRow.kind).where(EntryRow.study_key == key)
            return list(session.scalars(query.order_by(EntryRow.place)))

    def open(self, name: str, key: str) -> str:
        """A person opens an exam; the digest of its images."""
        answer = self.at(name).post(f"/reading/{key}/open")
        assert answer.status_code == 303, answer.text
        html = self.at(name).get(answer.headers["location"]).text
        found = re.search(r'name="images" value="([^"]*)"', html)
        return found[1] if found else ""

    def say(self, name: str, key: str, what: str = "read", **form: Any) -> Any:
        """A person opens an exam and saves a form."""
        token = self.open(name, key)
        return self.at(name).post(f"/reading/{key}/{what}", data={"images": token} | form)


NORMAL = {"verdict": "normal"}
RECALL = {
    "verdict": "recall", "side-1": "R", "view-1": "MLO", "type-1": "mass", "suspicion-1": "4",
}  # fmt: skip
TECHNICAL = {"verdict": "technical", "views": ["L CC", "L MLO"], "reason": "blurred"}
