"""Loops beside a process, begun anew when their part of the configuration changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from gransk.core.errors import GranskError
from gransk.site.config import Config
from gransk.site.live import InForce

LOOK_SECONDS = 1.0
Loop = Callable[[threading.Event], None]
"""Goes on until the event is set."""
log = logging.getLogger(__name__)


def renewed(
    live: InForce,
    make: Callable[[Config], Sequence[Loop]],
    part: Callable[[Config], object],
    what: str,
) -> Loop:
    """Loops that are ended in good order and made anew whenever their part is another.

    Parameters
    ----------
    live : InForce
    make : callable
        The loops of a configuration, made in the process's own thread the first time.
    part : callable
        What of the configuration they are made from.
    what : str
        Names them in the log.

    Raises
    ------
    GranskError
        Where they cannot be made at first. Later it is logged, and none runs until the
        configuration is another.
    """
    config = live.config
    loops = make(config)

    def run(stop: threading.Event) -> None:
        nonlocal config, loops
        while not stop.is_set():
            ended = threading.Event()
            threads = [threading.Thread(target=one, args=(ended,), daemon=True) for one in loops]
            for thread in threads:
                thread.start()
            while not stop.wait(LOOK_SECONDS):
                now = live.config
                if now is not config and part(now) != part(config):
                    break
            ended.set()
            for thread in threads:
                thread.join()
            if not stop.is_set():
                config = live.config
                loops = _made(make, config, what)

    return run


def _made(make: Callable[[Config], Sequence[Loop]], config: Config, what: str) -> Sequence[Loop]:
    try:
        return make(config)
    except GranskError as error:
        log.error("%s cannot go on under the settings in force: %s", what, error)
        return ()
