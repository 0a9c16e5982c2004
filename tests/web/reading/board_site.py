"""A site with two units, their readers and exams, whose board is looked at."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "reading"))

from fastapi.testclient import TestClient
from reading_room import NORMAL, RECALL, ai, plan, sealed
from web_site import PASSWORD
from web_site import Site as WebSite

from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.entries import Arrival, Entry, Kind, TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import ExamRow
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.opinions import AiOpinion, DifferenceReason, Opinion
from gransk.reading.plan import Plan, PolicyKind
from gransk.reading.readers import Listing, list_reader
from gransk.site import people
from gransk.site.credentials import hash_password
from gransk.site.database import utcnow
from gransk.site.tables import Role

UNITS = {
    "units": [
        {"name": "herlev", "title": "Herlev", "match": [{"department": "Herlev"}]},
        {"name": "ribe", "title": "Ribe", "match": [{"department": "Ribe"}]},
    ]
}
WHY = DifferenceReason.OVERLOOKED
ALONE = plan(PolicyKind.REPLACE_READER)


@cache
def _hash() -> str:
    """Of everybody's password: slow on purpose, so it is made once."""
    return hash_password(PASSWORD)


@dataclass
class Board:
    """People, exams and what they do; ``kim`` coordinates and reads nowhere."""

    site: WebSite
    count: int = 0
    began: datetime.datetime = field(default_factory=utcnow)
    clients: dict[str, TestClient] = field(default_factory=dict)

    @property
    def database(self) -> Any:
        return self.site.database

    def staff(self) -> None:
        self.person("admin", "Anna Administrator", Role.ADMINISTRATOR)
        self.person("kim", "Kim Koordinator", Role.COORDINATOR)
        self.reader("anna", "Anna Andersen")
        self.reader("bo", "Bo Bach")
        self.reader("cara", "Cara Carlsen", arbitrates=True)
        self.reader("dan", "Dan Dam", arbitrates=True)

    def person(self, name: str, full_name: str, *roles: Role, language: str = "en") -> None:
        with self.database.begin() as session:
            account = people.create_account(session, name, full_name, roles, language=language)
            account.password_hash = _hash()
            account.created_at = self.began - datetime.timedelta(days=90)

    def reader(self, name: str, full_name: str, unit: str = "herlev", **values: Any) -> None:
        with self.database.read() as session:
            known = people.find_account(session, name) is not None
        if not known:
            self.person(name, full_name, Role.RADIOLOGIST)
        self.listed(name, unit, **values)

    def listed(self, name: str, unit: str = "herlev", **values: Any) -> None:
        with self.database.begin() as session:
            list_reader(session, unit, name, Listing(**values), "admin")

    def signed_in(self, name: str) -> TestClient:
        """A browser in which a person has signed in."""
        if name not in self.clients:
            self.clients[name] = self.site.signed_in(name)
        return self.clients[name]

    def exam(
        self,
        how: Plan | None = None,
        days: float = 0,
        unit: str = "herlev",
        opinion: AiOpinion | None = None,
        opens: bool = True,
    ) -> str:
        """An exam that arrived some days ago, and opened then."""
        self.count += 1
        key = self.site.study(self.count)
        at = utcnow() - datetime.timedelta(days=days)
        new = Arrival(unit=unit, application="mammo", images="i1", images_at=at, opens_at=at)

        def open_it(book: Any) -> None:
            if opinion is not None:
                book.add(Entry(Kind.AI_SEALED, sealed(opinion), at))
            if opens:
                book.open(how or plan(), at)

        with self.database.begin() as session:
            arrive(session, key, new, at)
            write(session, key, open_it)
        return key

    def state_of(self, key: str) -> Exam:
        with self.database.read() as session:
            return exam_of(session, key)

    def row(self, key: str) -> ExamRow:
        with self.database.read() as session:
            return session.get_one(ExamRow, key)

    def asked(self, key: str, task: TaskKind = TaskKind.FIRST) -> list[str]:
        return [given.account for given in self.state_of(key).open_tasks(task)]

    def act(self, what: Callable[..., Any], key: str, name: str, *values: Any) -> Any:
        with self.database.begin() as session:
            return what(session, key, Actor(name, "radiologist"), *values)

    def read(self, key: str, *opinions: Opinion) -> str:
        for opinion in opinions:
            exam = self.state_of(key)
            name = exam.open_tasks(TaskKind.FIRST)[0].account
            self.act(acts.read, key, name, opinion, exam.images)
        return key

    def read_as(self, key: str, name: str, opinion: Opinion) -> None:
        self.act(acts.read, key, name, opinion, self.state_of(key).images)

    def differing(self, **values: Any) -> str:
        return self.read(self.exam(**values), NORMAL, RECALL)

    def by_ai(self, score: float = 3.0, **values: Any) -> str:
        """An exam that one person reads beside the AI."""
        return self.exam(ALONE, opinion=ai(exam_score=score), **values)
