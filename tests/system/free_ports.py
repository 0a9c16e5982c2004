"""Ports for servers that start later."""

from __future__ import annotations

import random
import socket

OURS = range(15_000, 32_000)
"""Below those that Linux lends to outgoing connections (32768 and up): of these, nothing but
another server takes one before its own server is up."""
_drawn = random.SystemRandom()


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    while True:
        port = _drawn.choice(OURS)
        with socket.socket() as door:
            try:
                door.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
