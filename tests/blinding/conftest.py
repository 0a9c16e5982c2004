"""Runs of the blinding suite: each made once a session, its answers kept."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

import blinding_dicom
import blinding_look
import blinding_messages
import blinding_orthanc
from blinding_look import Answers
from blinding_programme import Ai, Mammo, Programme, configuration
from free_ports import free_port
from harness_orthanc import OrthancProcess

STANDS_STILL = {"StableAge": 24 * 60 * 60}
"""Orthanc says by its own clock when nothing came to a series for a while: in no run, however slow
the machine is. Else whether that stands before or after what came next in `/changes` would differ.
"""

Living = Callable[[Ai], "contextmanager[Programme]"]


@pytest.fixture(scope="session")
def living(tmp_path_factory: pytest.TempPathFactory) -> Living:
    """A run whose doors are open: ``with living(Ai.HIGH) as run``. One at a time.

    Each in the same place, since pages of models and settings name folders.
    """
    folder = tmp_path_factory.mktemp("blinding") / "run"
    ports = (free_port(), free_port(), free_port())
    peers = free_port()

    @contextmanager
    def make(ai: Ai) -> Iterator[Programme]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        config = configuration(folder, ports)
        extra = blinding_dicom.listed(peers) | STANDS_STILL
        orthanc = OrthancProcess(config, folder / "orthanc", extra)
        run = Programme(config, orthanc.start(), ai, peers)
        patch = pytest.MonkeyPatch()
        patch.setattr("gransk.web.app.applications", lambda: {"mammo": Mammo()})
        try:
            with run.clock.running(), blinding_messages.logged(run):
                yield run.run()
        finally:
            patch.undo()
            run.close()
            orthanc.stop()

    return make


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Orthanc writes what it says of its own routes."""
    return tmp_path_factory.mktemp("orthanc-routes")


@pytest.fixture(scope="session")
def answers(living: Living, folder: Path) -> Callable[[Ai, bool], Answers]:
    """Everything that a run answered: ``answers(Ai.LOW, full)``."""
    kept: dict[tuple[Ai, bool], Answers] = {}

    def of(ai: Ai, full: bool) -> Answers:
        if (ai, full) not in kept:
            with living(ai) as run:
                kept[ai, full] = everything(run, folder, full)
        return kept[ai, full]

    return of


def everything(run: Programme, folder: Path, full: bool) -> Answers:
    """All doors of a run, in the order in which one changes least for the next."""
    reader = run.blinded[0]
    found = [
        blinding_look.look(run, full=full),
        blinding_messages.look(run),
        blinding_dicom.look(run, run.peers, full),
        blinding_orthanc.look(run, folder),
        blinding_messages.outputs(run),
        blinding_look.last(run),
        blinding_look.after(run, reader, full),
    ]
    of = {key: said for answers in found for key, said in answers.of.items()}
    return Answers(of, found[0].secrets)
