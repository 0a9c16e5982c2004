"""Leave a small database of this version, with work waiting, for upgrade tests.

    python tests/upgrade/leave.py

Writes ``tests/upgrade/<version>.tar.xz``: the data folder and Orthanc's storage of
a site with one study finished, one whose worker was killed in the middle, and two
that wait.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system")]

import misbehaving
from harness_suite import Suite
from radiographs import radiograph, save

import gransk
from gransk.results.tables import WorkState

SETTINGS = {
    "intake": {"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
    "workers": {"heartbeat_seconds": 0.5, "lost_after_seconds": 2, "retry_seconds": 0.5},
}
LEFT_OUT = ("secrets", "locks", "scratch", "site")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "suite"
        folder.mkdir()
        site = misbehaving.install(Path(place) / "site")
        with Suite(folder, environment=misbehaving.environment(site), **SETTINGS) as suite:
            _work(suite, Path(place))
        target = HERE / f"{gransk.__version__}.tar.xz"
        with tarfile.open(target, "w:xz") as archive:
            for name in ("data", "orthanc/storage"):
                archive.add(folder / name, name, filter=_kept)
        print(f"{target}: {target.stat().st_size} bytes")


def _work(suite: Suite, folder: Path) -> None:
    """One study finished, one cut off, two waiting."""
    for number, what in enumerate(("done", "pause", "waiting", "waiting")):
        image = radiograph(number, SeriesDescription=what)
        if what == "waiting" and suite.pid("worker-0") is not None:
            suite.until(
                lambda: any(i.state == WorkState.RUNNING and i.share > 0.15 for i in suite.items()),
                60,
                "the study to be in the middle",
            )
            suite.kill("worker-0")
        if suite.store(save(image, folder / f"{number}.dcm")) != [0]:
            raise SystemExit("Orthanc did not take the image")
        suite.until(lambda count=number + 1: len(suite.items()) == count, 60, "the study's row")
        if what == "done":
            suite.wait_ended(1, 60)
            suite.wait_delivered(60)


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if set(Path(entry.name).parts) & set(LEFT_OUT):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
