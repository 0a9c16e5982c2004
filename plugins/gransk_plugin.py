"""Gransk inside Orthanc: tells the service that something changed, and names the archive.

Runs in Orthanc's own process (Python plugin 4.0 and later), so it does little:
the callback sets a flag, and one thread sends the nudge. The service reads
Orthanc's change log by itself every second; a nudge that never arrives costs
that second and nothing else.

Its settings are the section "Gransk" of Orthanc's configuration:
    NudgeUrl         where the service listens, e.g. "http://127.0.0.1:8600/nudge"
    NudgeSecretFile  a file whose content is sent as bearer token
"""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
import uuid
from typing import Any

import orthanc

IDENTITY_PROPERTY = 5742
"""Orthanc's global property that holds the archive's identity; ours alone."""

PAUSE_SECONDS = 0.2
"""Least time between two nudges."""

TIMEOUT_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 10.0
"""Pause between tries while the service does not answer."""

CHANGED = frozenset(
    (
        orthanc.ChangeType.NEW_INSTANCE,
        orthanc.ChangeType.NEW_STUDY,
        orthanc.ChangeType.DELETED,
    )
)


class Nudger:
    """Many changes, few nudges: a thread that posts while a flag is set."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._flag = threading.Event()
        self._stop = threading.Event()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._thread = threading.Thread(target=self._run, name="gransk-nudge", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        self._flag.set()

    def stop(self) -> None:
        self._stop.set()
        self._flag.set()
        self._thread.join(TIMEOUT_SECONDS + 1)

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        silent = False
        while True:
            self._flag.wait()
            if self._stop.is_set():
                return
            self._flag.clear()
            problem = self._send()
            if problem and not silent:
                orthanc.LogWarning(
                    f"Gransk: nothing answers at {self._url} ({problem}); "
                    "the service reads the change log when it is back"
                )
            silent = bool(problem)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS) if problem else PAUSE_SECONDS
            self._stop.wait(pause)

    def _send(self) -> str | None:
        request = urllib.request.Request(  # noqa: S310 (the site's own setting)
            self._url,
            data=b"",
            headers={"Authorization": "Bearer " + self._secret},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            return f"status {error.code}"
        except (OSError, ValueError) as error:
            return type(error).__name__


def archive_identity() -> str:
    """Orthanc keeps no identity of its own: ours lies in its database and goes with it."""
    identity = orthanc.GetGlobalProperty(IDENTITY_PROPERTY, "")
    if not identity:
        identity = uuid.uuid4().hex
        orthanc.SetGlobalProperty(IDENTITY_PROPERTY, identity)
    return identity


def answer_archive(output: Any, uri: str, **request: Any) -> None:
    """GET /gransk/archive: the archive's identity and the room left for its files."""
    if request.get("method") != "GET":
        output.SendMethodNotAllowed("GET")
        return
    try:
        free = shutil.disk_usage(configuration.get("StorageDirectory", "OrthancStorage")).free
    except OSError:
        free = None
    answer = {"identity": archive_identity(), "free_bytes": free}
    output.AnswerBuffer(json.dumps(answer), "application/json")


def on_change(change: int, level: int, resource: str) -> None:
    """Called by Orthanc's own change thread: sets a flag and returns."""
    if change in CHANGED:
        nudger.changed()
    elif change == orthanc.ChangeType.ORTHANC_STOPPED:
        nudger.stop()


def read_secret(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        orthanc.LogError(f"Gransk: NudgeSecretFile cannot be read: {error.strerror}")
        return ""


configuration = json.loads(orthanc.GetConfiguration())
settings = configuration.get("Gransk", {})
orthanc.RegisterRestCallback("/gransk/archive", answer_archive)
if settings.get("NudgeUrl"):
    nudger = Nudger(settings["NudgeUrl"], read_secret(settings.get("NudgeSecretFile", "")))
    orthanc.RegisterOnChangeCallback(on_change)
else:
    orthanc.LogWarning("Gransk: no NudgeUrl; the service reads the change log by itself")
