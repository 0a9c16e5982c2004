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

from gransk.archive.tables import Prior, PriorState, Purpose, SeenStudy
from gransk.reading import acts
from gransk.reading.entries import Entry, Kind, Moved, TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import EntryRow
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.opinions import AiOpinion
from gransk.reading.plan import Plan
from gransk.reading.readers import Listing, list_reader
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.sessions import start_session
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
        self.person("admin", Role.ADMINISTRATOR)
        for name, (role, listing) in PEOPLE.items():
            self.person(name, role)
            self.listed(name, **listing)

    def person(self, name: str, *roles: Role) -> None:
        """An account that came long ago; a session is made for it without a password."""
        with self.site.database.begin() as session:
            account = people.create_account(session, name, f"{name.title()} Gransker", roles)
            account.created_at = utcnow() - datetime.timedelta(days=30)

    def listed(self, name: str, unit: str = UNIT, **listing: Any) -> None:
        with self.site.database.begin() as session:
            list_reader(session, unit, name, Listing(**listing), "kim")

    def at(self, name: str, language: str = "") -> TestClient:
        """A person's browser."""
        if name not in self.clients:
            with self.site.database.begin() as session:
                account = session.scalars(select(Account).where(Account.name == name)).one()
                signed_in = start_session(session, account, 12)
            client = self.site.client()
            client.cookies.set("gransk_session", signed_in.token)
            client.headers["x-csrf-token"] = signed_in.csrf
            self.clients[name] = client
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

    def earlier(self, key: str, date: str) -> str:
        """An earlier study of the woman that is here; its Study Instance UID."""
        self.count += 1
        return self.join(key, self.site.study(self.count, study_date=date, purpose=Purpose.PRIOR))

    def join(self, key: str, before: str) -> str:
        """A study is known as an earlier one; its Study Instance UID."""
        with self.site.database.begin() as session:
            study = session.get_one(SeenStudy, before)
            session.add(
                Prior(
                    study_key=key, study_instance_uid=study.study_instance_uid, place=0,
                    source="orthanc", study_date=study.study_date, state=PriorState.HERE,
                    reason=None, prior_key=before,
                )
            )  # fmt: skip
            return study.study_instance_uid

    def new_images(self, key: str, name: str = "i2", how: Plan | None = None) -> None:
        """Other images arrive; with a plan the exam opens anew."""
        now = utcnow()
        with self.site.database.begin() as session:
            changed = images(name, now).model_copy(update={"opens_at": now})
            write(session, key, lambda book: book.add(Entry(Kind.IMAGES_CHANGED, changed, now)))
        if how is not None:
            with self.site.database.begin() as session:
                write(session, key, lambda book: book.open(how, now))

    def move(self, key: str, giver: str, taker: str, task: TaskKind = TaskKind.FIRST) -> None:
        """A coordinator gives a task to somebody else."""
        moved = Moved(task=task, giver=giver, taker=taker)
        with self.site.database.begin() as session:
            acts.reassign(session, key, acts.Actor("kim", "coordinator"), moved, "holiday")

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
