"""Doors without a page: HL7 v2 in, everything that leaves, the log, and the hour of opening."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from blinding_look import Answers
from blinding_programme import BLINDED, OPENED, Programme
from hl7_cases import read_of
from sqlalchemy import select

from gransk.core.patients import ExamIdentity
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.hl7.outgoing import decision_json
from gransk.delivery.messages import announced_decision
from gransk.results.decisions import announcements
from gransk.results.message_tables import Announcement, AnnouncementKind, OutgoingMessage
from gransk.results.urgency import Urgency
from gransk.site.config_messages import ListenerSection
from gransk.site.hl7_mapping import default_mapping
from gransk.web import hl7_reading
from gransk.web.hl7_taking import Taking

READ_IN = "HL7 ORU^R01 in"
DELIVERED = "Results that left"
MESSAGES = "Messages out"
FHIR = "FHIR to a machine"
URGENT = "Urgent studies"
OPENING = "Opening of exams"
LOG = "Log"


@contextmanager
def logged(run: Programme) -> Iterator[None]:
    """Keep what Gransk logs during a run."""
    handler = _Kept(run.log)
    root = logging.getLogger("gransk")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name} {record.getMessage()}")


def look(run: Programme, again: str = "") -> Answers:
    """A read of each exam by message, in the name of who is not asked for it: the same refusal."""
    sender = {"name": "ris", "addresses": ["127.0.0.0/8"], "application": "RIS"}
    settings = ListenerSection.model_validate({"port": 2575, "senders": [sender]})
    taking = Taking(settings, default_mapping(), run.site.database, hl7_reading.takers())
    found = {}
    for number in BLINDED:
        content = read_of(
            reader=_not_asked(run, number), accession=f"A{number}", patient=f"T{number:04}",
            control_id=f"C{number}{again}",
        )  # fmt: skip
        verdict = taking.take(Message(content, "utf-8"), content, "127.0.0.1")
        found[READ_IN, str(number)] = repr(verdict).encode()
    return Answers(found, frozenset(run.secrets()))


def _not_asked(run: Programme, number: int) -> str:
    """A blinded person who was not drawn for an exam: a read in that name is refused."""
    drawn = run.exam(number).drawn if number in OPENED else ()
    return next(name for name in run.blinded if name not in drawn)


def outputs(run: Programme) -> Answers:
    """What left, what was logged, and when exams opened."""
    with run.site.database.read() as session:
        told = [
            decision_json(announced_decision(session, one, ExamIdentity("", ""), run.config.zone))
            for one in announcements(session, 0, 100)
        ]
        out = [(row.study_key, row.destination) for row in session.scalars(select(OutgoingMessage))]
        others = select(Announcement).where(Announcement.kind != AnnouncementKind.DECISION)
        news = [
            (row.kind, row.study_key, row.content)
            for row in session.scalars(others.order_by(Announcement.number))
        ]
        urgent = [(row.study_key, row.level) for row in session.scalars(select(Urgency))]
    opened = [
        (row.study_key, row.arrived_at, row.opens_at, row.opened_at, row.drawn_first)
        for row in run.rows()
    ]
    found = {
        (DELIVERED, "the outbox of results"): run.delivered(),
        (FHIR, "released reports and open tasks"): _fhir(run),
        (MESSAGES, "decisions, reports, priority and their outbox"): (told, news, out),
        (URGENT, "studies that moved up"): urgent,
        (OPENING, "hours and first readers"): opened,
        (LOG, "every line"): run.log,
    }
    return Answers({key: repr(said).encode() for key, said in found.items()},
                   frozenset(run.secrets()))  # fmt: skip


def _fhir(run: Programme) -> object:
    """What a machine with a token is told: which reports are released, and the open tasks."""
    with run.site.machine(f"machine-{len(run.site.clients)}") as client:
        reports = client.get("/fhir/DiagnosticReport").json()
        tasks = client.get("/fhir/Task?status=requested,in-progress").json()
    entries = [one["resource"] for one in tasks["entry"]]
    return reports["total"], [one["fullUrl"] for one in reports.get("entry", [])], entries
