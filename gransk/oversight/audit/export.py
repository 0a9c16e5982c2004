"""One patient's or one study's entries of the event log, as a file.

An export holds what the log holds, which has no patient's attributes: names are study keys and
accounts. It repeats the identifier that was asked for and no other.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from gransk.archive.patients import Identifier
from gransk.oversight.audit.studies import events_about, studies_of_patient
from gransk.reading.indicators.table import FORMULA
from gransk.site.events import EventKind, head, record
from gransk.site.tables import Event

Form = Literal["jsonl", "csv"]
FORMS: tuple[Form, ...] = ("jsonl", "csv")
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
COLUMNS = ("number", "at", "actor", "kind", "subject", "data", "previous_hash", "hash")


@dataclass(frozen=True)
class Export:
    """Entries, and what was asked for.

    Parameters
    ----------
    asked : dict
        ``study``, or ``patient_id`` and ``issuer``.
    keys : tuple of str
        Studies whose entries they are.
    events : tuple of Event
        In order.
    head : (int, str)
        Number and hash of the last event of the log at that time.
    """

    asked: dict[str, str]
    keys: tuple[str, ...]
    events: tuple[Event, ...]
    head: tuple[int, str]

    def written(self, form: Form) -> bytes:
        """As JSON lines, of which the first says what was asked for; or as CSV."""
        return self._json_lines() if form == "jsonl" else self._csv()

    def _json_lines(self) -> bytes:
        about = {
            "asked": self.asked,
            "studies": len(self.keys),
            "events": len(self.events),
            "log": {"number": self.head[0], "hash": self.head[1]},
        }
        lines = [about, *map(_row, self.events)]
        return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in lines).encode()

    def _csv(self) -> bytes:
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for event in self.events:
            row = _row(event)
            row["data"] = json.dumps(row["data"], ensure_ascii=False)
            writer.writerow([_cell(row[name]) for name in COLUMNS])
        return file.getvalue().encode("utf-8-sig")


def of_study(session: Session, key: str) -> Export:
    """The entries of one study."""
    return _export(session, {"study": key}, [key])


def of_patient(session: Session, identifier: Identifier) -> Export:
    """The entries of every study of a patient, by every identifier that the patient has or had.

    Parameters
    ----------
    session : Session
    identifier : (str, str)
        Patient ID and issuer; without an issuer, of any.
    """
    keys, stated = studies_of_patient(session, identifier)
    asked = {"patient_id": identifier[0], "issuer": identifier[1]}
    return _export(session, asked, keys, stated)


def note_exported(session: Session, actor: str, export: Export, form: Form) -> None:
    """Record that entries were taken out: with each study, so that its own history tells it."""
    data: dict[str, Any] = {"of": "study" if "study" in export.asked else "patient", "form": form,
                            "events": len(export.events)}  # fmt: skip
    for key in export.keys or (actor,):
        record(session, actor, EventKind.AUDIT_EXPORTED, key, data)


def _export(
    session: Session,
    asked: dict[str, str],
    keys: Sequence[str],
    subjects: Collection[str] = (),
) -> Export:
    found = events_about(session, keys, subjects)
    return Export(asked, tuple(keys), tuple(found), head(session))


def _row(event: Event) -> dict[str, Any]:
    return {
        "number": event.number,
        "at": event.at.isoformat(timespec="microseconds"),
        "actor": event.actor,
        "kind": event.kind,
        "subject": event.subject,
        "data": event.data,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def _cell(value: Any) -> str:
    """A cell that a spreadsheet takes for text."""
    said = str(value)
    return f"'{said}" if said.startswith(FORMULA) else said
