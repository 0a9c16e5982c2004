"""What ADT messages tell us of a patient's identity (HL7 v2.5.1, chapter 3)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.er7 import Message, Segment
from gransk.delivery.hl7.incoming import NotTakenError, instant

UPDATES = ("A08", "A31")
"""Update patient information, update person information: PID as it is now."""
MOVES = ("A40", "A47")
"""Merge patient, change patient identifier list: MRG-1 is now PID-3's."""
EVENTS = (*UPDATES, *MOVES)
LONGEST_ID = 64
"""Of a Patient ID and its issuer (PS3.5 6.2, LO)."""
LONGEST_NAME = 324
"""Of a Patient's Name (PS3.5 6.2, PN): five components of 64 letters and what divides them."""
SEXES = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}
"""HL7 table 0001 as DICOM has it (PS3.3 C.7.1.1); U says nothing."""
ERASED = '""'
"""An explicit null (chapter 2.5.3): nothing is known of it, and nothing is taken from it."""

Identifier = tuple[str, str]
"""Patient ID and its issuer."""


@dataclass(frozen=True)
class IdentityWord:
    """What a message says of one patient.

    Parameters
    ----------
    event : str
        Trigger event.
    said_at : datetime
        MSH-7; without a zone where the message names none.
    identifier : (str, str)
        The patient's, as images name it.
    prior : (str, str), optional
        What the patient was filed under.
    name, birth_date, sex : str
        As DICOM has them; empty where they are not said.
    """

    event: str
    said_at: datetime.datetime
    identifier: Identifier
    prior: Identifier | None = None
    name: str = ""
    birth_date: str = ""
    sex: str = ""


def identity_words(message: Message, authorities: Mapping[str, str]) -> list[IdentityWord]:
    """What an ADT message of `EVENTS` says, in its order.

    Parameters
    ----------
    message : Message
    authorities : mapping of str to str
        The issuer that images name, by assigning authority; empty: as the message names it.

    Raises
    ------
    NotTakenError
        Where something that must stand in it is missing or wrong.
    """
    event = message.kind[1]
    said_at = instant(message.msh.text(7))
    if said_at is None:
        raise NotTakenError(Refusal.FIELD_MISSING, "MSH-7")
    moves = event in MOVES
    found = []
    for pid, mrg in _patients(message):
        if moves and mrg is None:
            raise NotTakenError(Refusal.SEGMENT_MISSING, "MRG")
        if not moves and mrg is not None:
            raise NotTakenError(Refusal.MALFORMED, f"MRG in {event}")
        identifier = _identifier(pid, "PID-3", 3, authorities)
        prior = None if mrg is None else _identifier(mrg, "MRG-1", 1, authorities, identifier[1])
        if prior == identifier:
            raise NotTakenError(Refusal.MALFORMED, "MRG-1: the same as PID-3")
        found.append(
            IdentityWord(event, said_at, identifier, prior, _name(pid), _birth_date(pid), _sex(pid))
        )
    if not found:
        raise NotTakenError(Refusal.SEGMENT_MISSING, "PID")
    if not moves and len(found) > 1:
        raise NotTakenError(Refusal.MALFORMED, "wants one PID")
    return found


def _patients(message: Message) -> Iterator[tuple[Segment, Segment | None]]:
    """Each PID with the MRG that follows it."""
    pid: Segment | None = None
    mrg: Segment | None = None
    for one in message.segments:
        if one.name == "PID":
            if pid is not None:
                yield pid, mrg
            pid, mrg = one, None
        elif one.name == "MRG":
            if pid is None or mrg is not None:
                raise NotTakenError(Refusal.MALFORMED, "MRG without a PID of its own")
            mrg = one
    if pid is not None:
        yield pid, mrg


def _identifier(
    segment: Segment,
    where: str,
    field: int,
    authorities: Mapping[str, str],
    like: str | None = None,
) -> Identifier:
    """The identifier that counts of a list (data type CX, 2.A.14).

    The first of an authority that the site names, or the first of all; of what was before, the
    one whose issuer is that of what is now.
    """
    listed = []
    for repeat in range(1, segment.repeats(field) + 1):
        number = segment.text(field, 1, 1, repeat)
        names = [segment.text(field, 4, part, repeat) for part in (1, 2)]
        if number in ("", ERASED):
            continue
        if not authorities:
            listed.append((number, names[0] or names[1]))
        else:
            listed += [(number, authorities[name]) for name in names if name in authorities][:1]
    if not listed:
        known = ": of no authority that the site names" if authorities else ""
        raise NotTakenError(Refusal.FIELD_MISSING, f"{where}{known}")
    found = next((one for one in listed if one[1] == like), listed[0])
    if max(map(len, found)) > LONGEST_ID or any("\\" in part for part in found):
        raise NotTakenError(Refusal.MALFORMED, where)
    return found


def _name(pid: Segment) -> str:
    """A name (XPN, 2.A.89) as DICOM writes it: prefix before suffix (PS3.5 6.2.1)."""
    if pid.text(5) == ERASED:
        return ""
    parts = [pid.text(5, place) for place in (1, 2, 3, 5, 4)]
    name = "^".join("" if part == ERASED else part for part in parts).rstrip("^")
    if len(name) > LONGEST_NAME or re.search(r"[\\=\x00-\x1f]", name):
        raise NotTakenError(Refusal.MALFORMED, "PID-5")
    return name


def _birth_date(pid: Segment) -> str:
    text = pid.text(7)
    if text in ("", ERASED):
        return ""
    try:
        datetime.datetime.strptime(text[:8], "%Y%m%d")
    except ValueError:
        raise NotTakenError(Refusal.MALFORMED, "PID-7: wants a whole date") from None
    return text[:8]


def _sex(pid: Segment) -> str:
    return SEXES.get(pid.text(8), "")
