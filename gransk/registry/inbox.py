"""The inbox: models that are dropped into ``models/inbox/`` under the data folder.

What is admitted is taken out of it. What is refused goes to ``models/refused/``, under the number
of its attempt, which the page of models explains.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from pathlib import Path

from gransk.core.errors import GranskError
from gransk.registry.admission import INBOX, REFUSED, Admission, StoppedError, tidy
from gransk.registry.tables import ModelAttempt, Source
from gransk.site.events import SYSTEM

log = logging.getLogger(__name__)


class Inbox:
    """Looks at the folder; a thing is taken once it stood unchanged between two looks.

    Parameters
    ----------
    admission : Admission
    """

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        root = admission.config.admitted_folder
        self.folder = root / INBOX
        self._refused = root / REFUSED
        self._seen: dict[str, list[tuple[str, int, int]]] = {}
        self._stuck: dict[str, list[tuple[str, int, int]]] = {}

    def open(self) -> None:
        """Make the folder, and remove what killed checks left; once, when the service starts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tidy(self.admission.config)

    def look(self, stopped: threading.Event) -> int:
        """Admit or refuse what has arrived; returns how many were tried."""
        tried = 0
        before, self._seen = self._seen, {}
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith("."):
                continue
            stands = _state(path)
            self._seen[path.name] = stands
            stuck = self._stuck.get(path.name) == stands
            if before.get(path.name) == stands and not stuck and not stopped.is_set():
                tried += self._take(path, stopped)
        return tried

    def _take(self, path: Path, stopped: threading.Event) -> bool:
        try:
            attempt = self.admission.admit(path, Source.INBOX, SYSTEM, stopped=stopped.is_set)
        except StoppedError:
            return False
        except GranskError as error:
            log.error("a model in the inbox waits: %s", error)
            return False
        try:
            self._clear(path, attempt)
        except OSError as error:
            # Said once: it is not tried again until it is another.
            self._stuck[path.name] = _state(path)
            why = error.strerror
            log.error("attempt %d cannot be taken out of the inbox: %s", attempt.number, why)
        return True

    def _clear(self, path: Path, attempt: ModelAttempt) -> None:
        if attempt.admitted:
            log.info("model %s is admitted", attempt.model)
            _remove(path)
            return
        log.warning("a model in the inbox is refused: attempt %d", attempt.number)
        self._refused.mkdir(exist_ok=True)
        suffix = "" if path.is_dir() else path.suffix
        path.rename(self._refused / f"{attempt.number}{suffix}")


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of what lies there, links not followed."""
    found = [(path.name, path.lstat())]
    # What may not be read is tried as it stands, and its refusal says so.
    with contextlib.suppress(PermissionError):
        if path.is_dir() and not path.is_symlink():
            found += [(one.name, one.lstat()) for one in sorted(path.iterdir())]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
