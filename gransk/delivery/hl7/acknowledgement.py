"""Acknowledgements: what a peer answers, and what we answer (HL7 v2.5.1, 2.9 and 2.15)."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from enum import StrEnum

from gransk.delivery.hl7.er7 import CHARSETS, Message, MessageError, encode, header, segment

POSITIVE = ("AA", "CA")
NEGATIVE = ("AE", "AR", "CE", "CR")
UNABLE = ("UA", "UX")
"""ORC-1 of an answer to an order (HL7 table 0119): unable to accept it, unable to change it."""


@dataclass(frozen=True)
class Acknowledgement:
    """What a peer answered.

    Parameters
    ----------
    code : str
        MSA-1, of HL7 table 0008.
    control_id : str
        MSA-2: which message is answered.
    errors : tuple of str
        Codes of ERR-3 (table 0357), no free text: that may repeat a patient's data.
    orders : tuple of str
        ORC-1 of an answer such as ORG^O20 or ORR^O02 that says it could not do what was asked.
    """

    code: str
    control_id: str
    errors: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether the message was not taken, or its order could not be changed."""
        return self.code in NEGATIVE or bool(self.orders)

    @property
    def told(self) -> str:
        """Code and errors, as the outbox shows them."""
        return " ".join([self.code, *self.errors, *self.orders])


def read_acknowledgement(content: bytes) -> Acknowledgement:
    """Read a peer's answer.

    Raises
    ------
    MessageError
        Where it is none.
    """
    message = Message(content)
    msa = message.first("MSA")
    if msa is None or msa.text(1) not in (*POSITIVE, *NEGATIVE):
        raise MessageError("no acknowledgement: wants MSA with a code of table 0008")
    codes = [(one.text(3) or one.text(1, 4)) for one in message.named("ERR")] or [msa.text(6)]
    errors = tuple(code for code in codes if re.fullmatch(r"[A-Za-z0-9._-]{1,20}", code))
    orders = tuple(one.text(1) for one in message.named("ORC") if one.text(1) in UNABLE)
    return Acknowledgement(msa.text(1), msa.text(2), errors, orders)


class Refusal(StrEnum):
    """Why a message is not taken: a closed list. Values are those of HL7 table 0357."""

    SEGMENT_MISSING = "100"
    FIELD_MISSING = "101"
    MALFORMED = "102"
    VALUE_UNKNOWN = "103"
    TYPE_NOT_TAKEN = "200"
    EVENT_NOT_TAKEN = "201"
    PROCESSING_NOT_TAKEN = "202"
    VERSION_NOT_TAKEN = "203"
    NOT_KNOWN = "204"
    """Exam, patient or reader are not known here, or do not belong together."""
    CONTROL_ID_USED = "205"
    """Another message came under this control id."""
    NOT_NOW = "206"
    """It cannot be taken as things stand; the same message may pass later."""
    INTERNAL = "207"

    @property
    def rejected(self) -> bool:
        """Whether the message is refused for its kind, not for its content."""
        return self in REJECTED


REJECTED = frozenset(
    {
        Refusal.TYPE_NOT_TAKEN,
        Refusal.EVENT_NOT_TAKEN,
        Refusal.PROCESSING_NOT_TAKEN,
        Refusal.VERSION_NOT_TAKEN,
    }
)


@dataclass(frozen=True)
class Verdict:
    """How a received message is answered; ``refusal`` None where it was taken."""

    refusal: Refusal | None = None
    detail: str = ""
    """What is missing or wrong: names of fields and codes, nothing of what they hold."""


def acknowledge(message: Message, verdict: Verdict, at: datetime.datetime) -> bytes:
    """The answer to a message, in its own version and character set.

    Under the rules that MSH-15 and MSH-16 ask for: where only an accept acknowledgement is
    wanted it is CA, CE or CR, else AA, AE or AR.
    """
    msh = message.msh
    accept = msh.text(15) in ("AL", "SU", "ER") and msh.text(16) not in ("AL", "SU", "ER")
    refusal = verdict.refusal
    letter = "A" if refusal is None else "R" if refusal.rejected else "E"
    code = ("C" if accept else "A") + letter
    version = msh.text(12) or "2.5.1"
    charset = msh.text(18) if msh.text(18) in CHARSETS else ""
    segments = [
        header(
            [msh.text(5), msh.text(5, 2), msh.text(5, 3)],
            [msh.text(6), msh.text(6, 2), msh.text(6, 3)],
            [msh.text(3), msh.text(3, 2), msh.text(3, 3)],
            [msh.text(4), msh.text(4, 2), msh.text(4, 3)],
            timestamp(at), "", ["ACK", msh.text(9, 2), "ACK"],
            f"A{message.control_id}"[:20], [msh.text(11) or "P"], version,
            "", "", "", "", "", charset,
        ),
        segment("MSA", code, message.control_id, verdict.detail[:80]),
    ]  # fmt: skip
    if refusal is not None:
        name = refusal.name.replace("_", " ").lower()
        fault = [refusal.value, name, "HL70357"]
        if version in ("2.1", "2.2", "2.3", "2.3.1", "2.4"):
            segments.append(segment("ERR", ["", "", "", fault]))
        else:
            segments.append(segment("ERR", "", "", fault, "E", "", "", verdict.detail))
    return encode(segments, charset)


def unreadable(at: datetime.datetime, detail: str) -> bytes:
    """The answer to what is no message: nobody's control id, application reject."""
    fault = [Refusal.MALFORMED.value, "malformed", "HL70357"]
    return encode(
        [
            header("", "", "", "", timestamp(at), "", ["ACK"], at.strftime("A%Y%m%d%H%M%S"),
                   "P", "2.5.1"),
            segment("MSA", "AR", "", detail[:80]),
            segment("ERR", "", "", fault, "E", "", "", detail),
        ],
        "",
    )  # fmt: skip


def timestamp(at: datetime.datetime) -> str:
    """An instant with its offset (data type TS, 2.A.77)."""
    return at.strftime("%Y%m%d%H%M%S%z")
