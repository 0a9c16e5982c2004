"""The child's side of the pipes to its worker."""

from __future__ import annotations

import threading
import time
from typing import BinaryIO, TypeVar

from pydantic import BaseModel

from gransk.core import errors
from gransk.core.errors import GranskError
from gransk.pipeline import protocol

PROGRESS_SECONDS = 0.3

ReplyT = TypeVar("ReplyT", bound=BaseModel)


class Channel:
    """The pipes to the worker."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()
        self._said = ("", 0.0)

    def send(self, message: protocol.Message) -> None:
        with self._lock:
            self._writing.write(message.model_dump_json().encode("utf-8") + b"\n")
            self._writing.flush()

    def job(self) -> protocol.Job:
        return protocol.Job.model_validate_json(self._reading.readline())

    def ask(self, question: protocol.Question, reply: type[ReplyT]) -> ReplyT:
        """Ask the worker, and wait for its answer."""
        self.send(question)
        return reply.model_validate_json(self._reading.readline())

    def progress(self, step: str, share: float) -> None:
        """Tell step and share: each new step, else a few times a second."""
        now = time.monotonic()
        said_step, said_at = self._said
        if step != said_step or now - said_at >= PROGRESS_SECONDS:
            self._said = (step, now)
            self.send(protocol.Progress(step=step, share=share))


def place(error: Exception) -> str:
    """What went wrong and where; never a value, which may be a patient's."""
    if isinstance(error, GranskError):
        return f"{type(error).__name__}: {error}"
    return errors.place(error)
