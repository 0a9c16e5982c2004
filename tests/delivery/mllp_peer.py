"""An MLLP peer that behaves, or misbehaves, as a test says; it keeps what it took."""

import contextlib
import socket
import threading
import time

from gransk.delivery.hl7.mllp import Unframer, framed


def answer(control_id, code="AA", error=""):
    lines = ["MSH|^~\\&|RIS||GRANSK||20260302||ACK|X1|P|2.5.1", f"MSA|{code}|{control_id}"]
    if error:
        lines.append(f"ERR|||{error}^text^HL70357|E||||Sørensen, Åse")
    return framed("".join(f"{one}\r" for one in lines).encode())


def id_of(content):
    return content.split(b"\r")[0].split(b"|")[9].decode()


class Peer:
    """A server on a free port. ``behaviour(peer, connection, content)`` answers each message."""

    def __init__(self, behaviour=None, port=0, context=None):
        self.behaviour = behaviour or agreeable
        self.context = context
        self.taken = []
        self.connections = 0
        self._open = set()
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.settimeout(0.1)
        self.port = self._server.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self._stop.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            unframer = Unframer(10**6)
            while data := connection.recv(65536):
                for frame in unframer.feed(data):
                    self.taken.append(frame.content)
                    self.behaviour(self, connection, frame.content)
        connection.close()

    @property
    def ids(self):
        return [id_of(one) for one in self.taken]

    def close(self):
        self._stop.set()
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(2)


def agreeable(peer, connection, content):
    connection.sendall(answer(id_of(content)))


def saying(code, error=""):
    def behave(peer, connection, content):
        connection.sendall(answer(id_of(content), code, error))

    return behave


def silent(peer, connection, content):
    time.sleep(0)


def wrong_id(peer, connection, content):
    connection.sendall(answer("ANOTHER"))


def half_closed(peer, connection, content):
    connection.shutdown(socket.SHUT_WR)


def garbage(peer, connection, content):
    connection.sendall(framed(b"HTTP/1.1 400 Bad Request"))


def endless(peer, connection, content):
    for _ in range(40):
        connection.sendall(b"x" * 65536)


def in_pieces(peer, connection, content):
    for byte in answer(id_of(content)):
        connection.sendall(bytes([byte]))
        time.sleep(0.0005)


def accept_then_application(peer, connection, content):
    connection.sendall(answer(id_of(content), "CA") + answer(id_of(content), "AA"))
