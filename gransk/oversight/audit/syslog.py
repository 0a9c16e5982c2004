"""Syslog over TLS: RFC 5424 messages in RFC 5425's frames, as PS3.15 A.6 wants them."""

from __future__ import annotations

import datetime
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gransk.core.errors import ConfigurationError, GranskError
from gransk.site.config_audit import AuditRepository

FACILITY = 10
"""Security and authorization messages (A.6)."""
NOTICE, WARNING = 5, 4
MESSAGE_ID = "DICOM+RFC3881"
NIL = "-"
CHUNK = 65536
SETTLE_SECONDS = 2.0
"""A repository that ends without an answer is watched for so long before we end."""
BOM = b"\xef\xbb\xbf"
"""Begins a message in UTF-8 (RFC 5424 6.4)."""


class RepositoryError(GranskError):
    """Messages are not with the repository; the text says why."""


@dataclass(frozen=True)
class Entry:
    """One message with its header.

    Parameters
    ----------
    at : datetime
    host, application : str
        HOSTNAME and APP-NAME.
    content : bytes
        In UTF-8.
    severity : int
    """

    at: datetime.datetime
    host: str
    application: str
    content: bytes
    severity: int = NOTICE

    def written(self) -> bytes:
        """SYSLOG-MSG (RFC 5424 6)."""
        at = self.at.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
        header = " ".join(
            (
                f"<{FACILITY * 8 + self.severity}>1",
                at.replace("+00:00", "Z"),
                self.host or NIL,
                self.application,
                NIL,
                MESSAGE_ID,
                NIL,
                "",
            )
        )
        return header.encode("ascii", "replace") + BOM + self.content


def framed(message: bytes) -> bytes:
    """MSG-LEN SP SYSLOG-MSG (RFC 5425 4.3)."""
    return b"%d " % len(message) + message


def deliver(settings: AuditRepository, entries: Iterable[Entry]) -> None:
    """Send messages on a connection of their own, and see that the repository has read them all.

    Syslog has no acknowledgement. But a receiver answers the end of the connection (close_notify)
    with its own (RFC 5425 4.4), and reads in order: so who answers has read everything. What is
    sent to one that does not is not known to have arrived, and is sent again. A receiver that is
    known to end without an answer (``ends: plain``) has read everything where it left the
    connection open until we ended it, as one that refuses us does not.

    Raises
    ------
    RepositoryError
        Where it cannot be reached, its certificate does not stand, it refuses ours, or it ends
        before we do.
    """
    try:
        context = settings.tls.context()
        place = (settings.host, settings.port)
        with socket.create_connection(place, settings.timeout_seconds) as plain:
            channel = _Channel(plain, context, settings.host)
            for entry in entries:
                channel.send(framed(entry.written()))
            if settings.ends == "plain":
                channel.rest(SETTLE_SECONDS)
            channel.end(settings.ends == "plain")
    except (OSError, ValueError, ConfigurationError) as error:
        raise RepositoryError(_said(error)) from error


class _Channel:
    """TLS over a socket.

    By way of buffers, as an `ssl.SSLSocket` that ends takes a refusal (a fatal alert) for an
    answer: both close it. What is read afterwards tells them apart.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._pump(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        self._pump(lambda: self._tls.write(data))

    def rest(self, seconds: float) -> None:
        """Wait; a repository that ends in the meantime refuses us."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._plain], [], [], left)[0]:
                self._fill()
                try:
                    self._tls.read(1)
                except ssl.SSLWantReadError:  # of TLS itself, such as a session ticket
                    continue
                except ssl.SSLZeroReturnError as error:
                    raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "ended") from error

    def end(self, plain: bool) -> None:
        """Say that this was all, and wait for the answer."""
        try:
            self._pump(self._tls.unwrap)
        except ssl.SSLEOFError:
            if plain:
                return
            raise
        try:
            self._tls.read(1)
        except ssl.SSLZeroReturnError:
            return
        raise ssl.SSLError("an answer after the end")

    def _pump(self, act: Callable[[], object]) -> None:
        while True:
            try:
                act()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()

    def _flush(self) -> None:
        if self._out.pending:
            self._plain.sendall(self._out.read())

    def _fill(self) -> None:
        data = self._plain.recv(CHUNK)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()


def _said(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate does not stand: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return (
            "TLS: the repository ended the connection without its close_notify: it refuses us, or "
            "does so always, and wants ends: plain"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'refused'}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
