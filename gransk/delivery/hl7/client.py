"""Sending messages over MLLP: one connection kept, one message at a time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

from gransk.core.errors import ConfigurationError
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.hl7.acknowledgement import Acknowledgement, read_acknowledgement
from gransk.delivery.hl7.er7 import MessageError
from gransk.delivery.hl7.mllp import Unframer, framed
from gransk.site.config_messages import Hl7Destination, TlsClient


class _EndedError(UnavailableError):
    """The peer ended the connection without an answer."""


ANSWER_LIMIT = 65536
"""Longest acknowledgement in bytes."""
CHUNK = 8192


class MllpClient:
    """The connection to one peer. It is opened when it is needed and kept between messages.

    Parameters
    ----------
    settings : Hl7Destination
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self, settings: Hl7Destination, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._used = 0.0

    def send(self, control_id: str, content: bytes) -> bytes:
        """Send one message and wait for its acknowledgement.

        Returns
        -------
        bytes
            The acknowledgement: positive, of this control id.

        Raises
        ------
        UnavailableError
            Where the peer cannot be reached, is silent, ends the connection or answers
            something else; the connection is closed, so that no late answer is taken for the
            next message's.
        RefusedError
            Where it answers AE, AR, CE or CR, or that it cannot change the order.
        """
        with self._lock:
            kept = self._socket is not None
            try:
                return self._try(control_id, content)
            except _EndedError:
                if not kept:
                    raise
            # The peer had ended the kept connection, which shows only now.
            return self._try(control_id, content)

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _try(self, control_id: str, content: bytes) -> bytes:
        try:
            return self._exchange(control_id, content)
        except UnavailableError:
            self.close()
            raise
        except (OSError, MessageError, ConfigurationError) as error:
            self.close()
            ended = isinstance(error, (BrokenPipeError, ConnectionResetError))
            raise (_EndedError if ended else UnavailableError)(_said(error)) from error

    def _exchange(self, control_id: str, content: bytes) -> bytes:
        connection = self._connected()
        connection.settimeout(self.settings.timeout_seconds)
        connection.sendall(framed(content))
        unframer = Unframer(ANSWER_LIMIT)
        deadline = self._clock() + self.settings.timeout_seconds
        accepted = False
        while True:
            for frame in self._frames(connection, unframer, deadline, accepted):
                if not frame:
                    raise UnavailableError("the answer is too long")
                answer = read_acknowledgement(frame)
                if answer.control_id != control_id:
                    raise UnavailableError("the answer bears another control id")
                if answer.refuses:
                    self._used = self._clock()
                    raise RefusedError(f"answered {answer.told}")
                if self._final(answer):
                    self._used = self._clock()
                    return frame
                accepted = True

    def _final(self, answer: Acknowledgement) -> bool:
        """Whether a positive answer is the one that was asked for."""
        return answer.code == "AA" or self.settings.acknowledgement == "accept"

    def _frames(
        self, connection: socket.socket, unframer: Unframer, deadline: float, accepted: bool
    ) -> list[bytes]:
        """What has arrived; an answer that is too long as nothing."""
        left = deadline - self._clock()
        silence = "no answer in time" if not accepted else (
            "CA, and then no AA in time; a peer that sends no AA wants acknowledgement: accept"
        )  # fmt: skip
        if left <= 0:
            raise UnavailableError(silence)
        connection.settimeout(left)
        try:
            data = connection.recv(CHUNK)
        except TimeoutError as error:
            raise UnavailableError(silence) from error
        if not data:
            raise _EndedError("the peer ended the connection without an answer")
        found = [frame.content if frame.whole else b"" for frame in unframer.feed(data)]
        if unframer.skipped > ANSWER_LIMIT:
            raise UnavailableError("the peer answers something that is no HL7")
        return found

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            idle = self._clock() - self._used
            if idle < self.settings.idle_seconds and _open(self._socket):
                return self._socket
            self.close()
        place = (self.settings.host, self.settings.port)
        plain = socket.create_connection(place, self.settings.timeout_seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            self._socket = _secured(plain, self.settings.tls, self.settings.host)
        except (OSError, ssl.SSLError):
            plain.close()
            raise
        return self._socket


def _secured(plain: socket.socket, tls: TlsClient | None, host: str) -> socket.socket:
    if tls is None:
        return plain
    return tls.context().wrap_socket(plain, server_hostname=host)


def _open(connection: socket.socket) -> bool:
    """Whether an idle connection stands: nothing waits to be read, not even its end.

    A peer that closed, or said something that nobody asked for, is met on a new one.
    """
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _said(error: Exception) -> str:
    """What went wrong, as the outbox shows it."""
    if isinstance(error, MessageError):
        return f"the answer cannot be read: {error}"
    if isinstance(error, ConfigurationError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate does not stand: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
