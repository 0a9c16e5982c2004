"""Work in a process of its own: its peak memory is its own, and it is held to a few cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from gransk.core.errors import GranskError

Made = TypeVar("Made")


def apart(cores: int, work: Callable[..., Made], *arguments: Any) -> Made:
    """Do it in a new process on so many cores; an error of Gransk's there is raised here.

    Parameters
    ----------
    cores : int
    work : callable
        Of a module's top level; it, its arguments and what it returns go from process to process.
    """
    context = get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(cores, send, work, arguments))
    process.start()
    send.close()
    try:
        made: Made | GranskError = receive.recv()
    finally:
        process.join()
    if isinstance(made, GranskError):
        raise made
    return made


def _child(
    cores: int, answer: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    try:
        answer.send(work(*arguments))
    except GranskError as error:
        answer.send(error)
