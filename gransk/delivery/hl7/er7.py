"""HL7 v2 text: delimiters, escapes and character sets (HL7 v2.5.1, chapter 2).

python-hl7 divides a message into its parts. Escapes are ours, as it writes every letter beyond
ASCII in hexadecimal and logs the values that it cannot read, which may be a patient's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import hl7

from gransk.core.errors import GranskError

CHARSETS = {
    "": "ascii",
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/15": "iso8859-15",
    "UNICODE UTF-8": "utf-8",
}
"""Names of MSH-18 (HL7 table 0211) and Python's. Those of two or more bytes a character that
MLLP cannot carry are not there."""

SEPARATORS = "|^~\\&"
ESCAPES = {"\\": "E", "|": "F", "^": "S", "~": "R", "&": "T", "\r": "X0D", "\n": "X0A"}
CONTROL = {code: f"\\X{code:02X}\\" for code in (*range(32), 127)}
_WRITTEN = str.maketrans(CONTROL | {ord(char): f"\\{name}\\" for char, name in ESCAPES.items()})
_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?")
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_SPACING = {".br": "\n", ".sp": "\n", ".ce": "\n", ".sk": " ", ".in": "", ".ti": "", ".fi": "",
            ".nf": ""}  # fmt: skip


class MessageError(GranskError):
    """Bytes that are no HL7 v2 message. The text repeats nothing of them."""


def escape(text: str) -> str:
    """Text as it stands within a component; reading it gives the same text (section 2.7)."""
    return text.translate(_WRITTEN)


def unescape(text: str, separators: str = SEPARATORS, charset: str = "utf-8") -> str:
    """Text of a component; what no sequence of section 2.7 is stays as it stands.

    Parameters
    ----------
    text : str
    separators : str
        Field, component, repetition, escape and subcomponent, as MSH-1 and MSH-2 say.
    charset : str
        Python's name of the message's character set, in which hexadecimal bytes are read.
    """
    sign = separators[3]
    parts = text.split(sign)
    if len(parts) < 3:
        return text
    meant = dict(zip("FSRET", separators, strict=True))
    told = [parts[0]]
    at = 1
    while at < len(parts):
        if at + 1 == len(parts):
            told.append(sign + parts[at])
            break
        told += [_meant(parts[at], meant, charset, sign), parts[at + 1]]
        at += 2
    return "".join(told)


def _meant(name: str, meant: dict[str, str], charset: str, sign: str) -> str:
    if name in meant:
        return meant[name]
    if name in ("H", "N"):  # highlighting begins and ends
        return ""
    if (found := _HEX.fullmatch(name)) is not None:
        return bytes.fromhex(found[1]).decode(charset, "replace")
    if (spacing := _SPACING.get(name[:3])) is not None and len(name) <= 6:
        count = name[3:].lstrip("+")
        return spacing * (min(int(count), 40) if count.isdecimal() else 1)
    return f"{sign}{name}{sign}"


Component = str | Sequence[str]
"""Text, or subcomponents."""
Field = str | Sequence[Component]
"""Text, or components."""


class Formatted(str):
    """Text of data type FT: its lines are parted by ``.br`` (section 2.7.6)."""


class Repeated(list[Field]):
    """A field that repeats."""


def segment(name: str, *fields: Field | Repeated) -> str:
    """One segment, each value escaped, empty fields at the end left out."""
    written = [_field(field) for field in fields]
    while written and not written[-1]:
        written.pop()
    return "|".join([name, *written])


def header(*fields: Field | Repeated) -> str:
    """MSH, from MSH-3 on."""
    return segment("MSH", "", *fields).replace("MSH|", f"MSH{SEPARATORS}", 1)


def _field(field: Field | Repeated) -> str:
    if isinstance(field, Repeated):
        return "~".join(_field(one) for one in field)
    if isinstance(field, Formatted):
        return "\\.br\\".join(escape(line) for line in field.splitlines())
    if isinstance(field, str):
        return escape(field)
    return "^".join(_component(one) for one in field).rstrip("^")


def _component(component: Component) -> str:
    if isinstance(component, str):
        return escape(component)
    return "&".join(escape(one) for one in component).rstrip("&")


def encode(segments: Sequence[str], charset: str) -> bytes:
    """A message's bytes.

    Letters that the character set lacks lose their accents, or become a question mark: who a
    message is about is told by identifiers.
    """
    text = "".join(f"{one}\r" for one in segments)
    codec = CHARSETS[charset]
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return "".join(_nearest(char, codec) for char in text).encode(codec)


def _nearest(char: str, codec: str) -> str:
    for form in (char, "".join(c for c in unicodedata.normalize("NFKD", char) if c.isascii())):
        try:
            if form and form.encode(codec):
                return form
        except UnicodeEncodeError:
            continue
    return "?"


@dataclass(frozen=True)
class Path:
    """Where a value stands: segment, field, component and subcomponent, each from 1."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1

    @classmethod
    def parse(cls, text: str) -> Path:
        """Of the form ``OBR-18``, ``PID-3.1`` or ``OBR-32.1.1``.

        Raises
        ------
        ValueError
            Where it is none.
        """
        found = _PATH.fullmatch(text)
        numbers = [int(n) for n in found.groups("1")[1:]] if found else []
        if found is None or 0 in numbers or (found[1] == "MSH" and numbers[0] < 3):
            raise ValueError("a field such as OBR-18, PID-3.1 or OBR-32.1.1")
        return cls(found[1], *numbers)


class Segment:
    """One segment of a message that was received."""

    def __init__(self, parts: hl7.Segment, separators: str, charset: str) -> None:
        self._parts = parts
        self._separators = separators
        self._charset = charset
        self.name = str(parts[0])

    def text(self, field: int, component: int = 1, subcomponent: int = 1, repeat: int = 1) -> str:
        """A value, unescaped; empty where it is not there."""
        found = self._parts
        for place in (field, repeat - 1, component - 1, subcomponent - 1):
            if isinstance(found, str):  # a part that is not divided is its own first
                if place:
                    return ""
                continue
            if place >= len(found):
                return ""
            found = found[place]
        return unescape(str(found), self._separators, self._charset).strip()

    def repeats(self, field: int) -> int:
        """How often a field stands."""
        return len(self._parts[field]) if field < len(self._parts) else 0

    def at(self, path: Path) -> str:
        """The value at a path of this segment."""
        return self.text(path.field, path.component, path.subcomponent)


class Message:
    """A message that was received.

    Parameters
    ----------
    content : bytes
        Without the frame of MLLP.
    charset : str
        What MSH-18 is read as where it is empty.

    Raises
    ------
    MessageError
        Where the bytes are no HL7 v2 message, or not in the character set that they name.
    """

    def __init__(self, content: bytes, charset: str = "UNICODE UTF-8") -> None:
        content = content.replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r \t")
        first = content.split(b"\r", 1)[0]
        if not re.match(rb"MSH[^\w\s][^\w\s]{4}#?.", first) or len(set(first[3:8])) < 5:
            raise MessageError("no HL7 v2 message: wants MSH and five separators first")
        named = first.split(first[3:4])
        name = (
            named[17].split(first[5:6])[0].strip().decode("ascii", "replace")
            if len(named) > 17
            else ""
        )
        codec = CHARSETS.get(name or charset)
        if codec is None:
            raise MessageError(f"MSH-18: wants one of {', '.join(filter(None, CHARSETS))}")
        try:
            text = content.decode(codec)
        except UnicodeDecodeError as error:
            raise MessageError(f"byte {error.start} is not of the character set {codec}") from error
        if "\x00" in text:
            raise MessageError("a byte of value 0")
        separators = text[3:8]
        lines = [line for line in text.split("\r") if line.strip()]
        try:
            parsed = hl7.parse("\r".join(lines))
        except (hl7.HL7Exception, AssertionError, IndexError, ValueError) as error:
            raise MessageError("cannot be divided into segments and fields") from error
        self.segments = [Segment(one, separators, codec) for one in parsed]
        if not all(re.fullmatch(r"[A-Z][A-Z0-9]{2}", one.name) for one in self.segments):
            raise MessageError("a segment without a name of three letters")

    def named(self, name: str) -> Iterator[Segment]:
        """Segments of a name, in order."""
        return (one for one in self.segments if one.name == name)

    def first(self, name: str) -> Segment | None:
        """The first segment of a name."""
        return next(self.named(name), None)

    @property
    def msh(self) -> Segment:
        return self.segments[0]

    @property
    def control_id(self) -> str:
        return self.msh.text(10)

    @property
    def kind(self) -> tuple[str, str]:
        """Message type and trigger event, such as ORU and R01."""
        return self.msh.text(9, 1), self.msh.text(9, 2)
