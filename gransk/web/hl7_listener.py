"""Our door for HL7 v2 messages: an MLLP server beside the web service.

A message is answered AA once it is committed, and under one control id it counts once. Nothing
of a message stands in a log: only its kind, a digest, and which fields are wrong.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import suppress

from gransk.core.errors import ConfigurationError
from gransk.delivery.hl7.acknowledgement import (
    Refusal,
    Verdict,
    acknowledge,
    unreadable,
)
from gransk.delivery.hl7.er7 import Message, MessageError
from gransk.delivery.hl7.mllp import Frame, Unframer, framed
from gransk.site.config_messages import ListenerSection
from gransk.site.database import utcnow
from gransk.web.hl7_taking import Taking

log = logging.getLogger(__name__)

CHUNK = 65536
ACCEPT_SECONDS = 0.5
HANDSHAKE_SECONDS = 10.0
SEND_SECONDS = 30.0
TOLD_SECONDS = 3600.0
"""How often one stranger's address is told in the log."""
END_SECONDS = 10.0
"""How long connections may take to end when the service stops."""
OVERRUN = 16
"""How many times the largest message may follow without an end before the line is cut."""


class Hl7Listener:
    """The MLLP server. Making it opens the port.

    Parameters
    ----------
    settings : ListenerSection
    taking : Taking
        What becomes of a message.

    Raises
    ------
    ConfigurationError
        Where the port cannot be opened, or TLS is set up wrongly.
    """

    def __init__(self, settings: ListenerSection, taking: Taking) -> None:
        self.settings = settings
        self.taking = taking
        self._tls = settings.tls.context() if settings.tls else None
        self._free = threading.BoundedSemaphore(settings.connections)
        self._strangers: dict[str, float] = {}
        self._stop = threading.Event()
        place = (settings.host, settings.port)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            self._server = socket.create_server(place, family=family, backlog=64)
        except OSError as error:
            raise ConfigurationError(
                f"messages.listener: {settings.host}:{settings.port} cannot be opened "
                f"({error.strerror}); wants a free port of this machine"
            ) from error
        self._server.settimeout(ACCEPT_SECONDS)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def run(self, stop: threading.Event) -> None:
        """Take messages until told to stop; one that is being taken is answered first."""
        with self._server:
            while not stop.is_set():
                try:
                    connection, peer = self._server.accept()
                except TimeoutError:
                    continue
                except OSError as error:
                    log.warning("a connection could not be taken: %s", error.strerror)
                    stop.wait(ACCEPT_SECONDS)
                    continue
                self._begin(connection, str(peer[0]))
        self._stop.set()
        deadline = time.monotonic() + END_SECONDS
        for _ in range(self.settings.connections):
            if not self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return

    def _begin(self, connection: socket.socket, address: str) -> None:
        if not any(sender.reaches(address) for sender in self.settings.senders):
            self._tell_stranger(address)
            connection.close()
        elif not self._free.acquire(blocking=False):
            log.warning("HL7: more than %d connections", self.settings.connections)
            connection.close()
        else:
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _tell_stranger(self, address: str) -> None:
        now = time.monotonic()
        if now - self._strangers.get(address, -TOLD_SECONDS) >= TOLD_SECONDS:
            if len(self._strangers) > 1000:
                self._strangers.clear()
            self._strangers[address] = now
            log.warning("HL7: %s is no sender's address", address)

    def _serve(self, plain: socket.socket, address: str) -> None:
        connection = plain
        try:
            plain.settimeout(HANDSHAKE_SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
            self._converse(connection, address)
        except (OSError, ssl.SSLError) as error:
            log.info("HL7: the connection of %s ended: %s", address, type(error).__name__)
        finally:
            with suppress(OSError):
                connection.close()
            plain.close()
            self._free.release()

    def _converse(self, connection: socket.socket, address: str) -> None:
        limit = self.settings.largest_kb * 1024
        unframer = Unframer(limit)
        heard = time.monotonic()
        begun = heard
        while not self._stop.is_set():
            connection.settimeout(ACCEPT_SECONDS)
            try:
                data = connection.recv(CHUNK)
            except (TimeoutError, ssl.SSLWantReadError):
                now = time.monotonic()
                late = unframer.inside and now - begun > self.settings.message_seconds
                if late or now - heard > self.settings.idle_seconds:
                    return
                continue
            if not data:
                return
            was_inside, heard = unframer.inside, time.monotonic()
            frames = unframer.feed(data)
            if frames or not was_inside:
                begun = heard
            connection.settimeout(SEND_SECONDS)
            for frame in frames:
                connection.sendall(framed(self.answer(frame, address)))
            if unframer.skipped > OVERRUN * limit:
                log.warning("HL7: %s sends what is no message", address)
                return

    def answer(self, frame: Frame, address: str) -> bytes:
        """The acknowledgement of one message."""
        content = frame.content if frame.whole else frame.content.split(b"\r", 1)[0]
        try:
            message = Message(content, self.settings.charset)
        except MessageError as error:
            log.warning("HL7: %s sent what cannot be read: %s", address, error)
            return unreadable(utcnow(), str(error))
        if frame.whole:
            verdict = self.taking.take(message, frame.content, address)
        else:
            largest = f"longer than {self.settings.largest_kb} kB"
            verdict = Verdict(Refusal.MALFORMED, largest)
        return acknowledge(message, verdict, utcnow())
