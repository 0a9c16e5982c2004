"""The Minimal Lower Layer Protocol: how messages follow each other in a stream of bytes.

A message stands between 0x0B and 0x1C 0x0D (HL7 v2.5.1, appendix C).
"""

from __future__ import annotations

from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c\r"
HEAD = 4096
"""How much of a message over the limit is kept, so that it can be answered."""


@dataclass(frozen=True)
class Frame:
    """One message of a stream; ``whole`` is False where only its head was kept."""

    content: bytes
    whole: bool = True


def framed(content: bytes) -> bytes:
    """A message as it is sent."""
    return START + content + END


class Unframer:
    """Finds messages in bytes as they arrive. What stands between frames is left out.

    Of a message that breaks off and begins again, the last beginning counts.

    Parameters
    ----------
    limit : int
        Longest message in bytes; of a longer one only the head is kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.skipped = 0
        """Bytes since the last frame that were kept nowhere."""
        self._buffer = bytearray()
        self._inside = False
        self._head: bytes | None = None
        """Of a message over the limit."""

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes end."""
        self._buffer += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        if not self._inside and not self._begun():
            return None
        end = self._buffer.find(END)
        if end < 0:
            self._bound()
            return None
        content = bytes(self._buffer[:end]).rpartition(START)[2]
        del self._buffer[: end + len(END)]
        head, self._head = self._head, None
        self._inside, self.skipped = False, 0
        if head is None and len(content) > self.limit:
            head = content[:HEAD]
        return Frame(content) if head is None else Frame(head, whole=False)

    def _begun(self) -> bool:
        """Leave out what stands before a frame."""
        start = self._buffer.find(START)
        self.skipped += len(self._buffer) if start < 0 else start
        del self._buffer[: len(self._buffer) if start < 0 else start + 1]
        self._inside = start >= 0
        return self._inside

    def _bound(self) -> None:
        """Of an open frame over the limit keep the head, and the byte that may begin its end."""
        if len(self._buffer) <= self.limit + 1:
            return
        if self._head is None:
            self._head = bytes(self._buffer[:HEAD])
        self.skipped += len(self._buffer) - 1
        del self._buffer[:-1]
