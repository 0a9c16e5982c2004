"""A real Orthanc with our plugin, on free ports in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_port
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE
from pynetdicom.association import Association

from gransk.archive.orthanc import ArchiveError, Orthanc
from gransk.archive.orthanc_config import LOOPBACK_AET, render
from gransk.site.config import Config

START_SECONDS = 60

ORTHANC = os.environ.get("ORTHANC", "Orthanc")
"""Another version's may be named, such as scripts/orthanc_of.sh makes."""


def orthanc_of(release: str, folder: Path) -> str:
    """Orthanc of another Debian release; the test is passed over where it cannot be had.

    ``ORTHANCS`` may name a folder with what scripts/orthanc_of.sh made, by release; else it is
    made in ``folder``, which takes some minutes.
    """
    place = Path(os.environ.get("ORTHANCS", folder)) / release
    if not (place / "Orthanc").exists():
        script = Path(__file__).parents[2] / "scripts" / "orthanc_of.sh"
        made = subprocess.run([script, release, place], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"Orthanc of {release}: {made.stderr.strip()[-300:]}")
    return str(place / "Orthanc")


def make_config(folder: Path, **sections: dict[str, Any]) -> Config:
    """A configuration with free ports, data in ``folder``; sections override."""
    orthanc = {
        "url": f"http://127.0.0.1:{free_port()}",
        "dicom_port": free_port(),
        "timeout_seconds": 20,
    }
    values: dict[str, Any] = {
        "data_folder": str(folder / "data"),
        "orthanc": orthanc | sections.pop("orthanc", {}),
        "service": {"port": free_port()} | sections.pop("service", {}),
        "intake": {"min_free_disk_mb": 1} | sections.pop("intake", {}),
        **sections,
    }
    return Config.model_validate(values, context={"folder": folder})


class OrthancProcess:
    """Orthanc as a process that can be killed and started again.

    Parameters
    ----------
    config : Config
        Says where it listens.
    folder : Path
        Its configuration, storage and log.
    extra : dict, optional
        Keys of Orthanc's configuration that override everything.
    binary : str
        Looked at with each start, so that it may be another version's next time.
    """

    def __init__(
        self,
        config: Config,
        folder: Path,
        extra: dict[str, Any] | None = None,
        binary: str = ORTHANC,
    ) -> None:
        self.config = config
        self.folder = folder
        self.extra = extra or {}
        self.binary = binary
        self.log = folder / "orthanc.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Orthanc | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def client(self) -> Orthanc:
        if self._client is None:
            self._client = Orthanc(self.config.orthanc)
        return self._client

    def start(self) -> OrthancProcess:
        path = render(self.config, self.folder)
        if self.extra:
            values = json.loads(path.read_text()) | self.extra
            path.write_text(json.dumps(values))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, str(path)],
                env={**os.environ, "TCP_NODELAY": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.client.system()
            except ArchiveError:
                time.sleep(0.05)
            else:
                return self
        text = self.log.read_text(errors="replace")[-3000:]
        self.stop()
        raise RuntimeError(f"Orthanc did not start:\n{text}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def forget(self) -> None:
        """Lose everything it ever stored; it must be stopped."""
        shutil.rmtree(self.folder / "storage", ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if self._client is not None:
            self._client.close()
            self._client = None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def dicom_files(paths: Iterable[Path]) -> list[Path]:
    """Files, and the files below folders, in order of name."""
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return found


def store_scu(config: Config, paths: Iterable[Path], aet: str = LOOPBACK_AET) -> list[int]:
    """Send files or folders by C-STORE, each in its own transfer syntax.

    Returns
    -------
    list of int
        Status of each file, 0 where it was stored, -1 where nothing was answered.
    """
    files = dicom_files(paths)
    kinds = set()
    for file in files:
        meta = read_file_meta_info(file)
        kinds.add((str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)))
    entity = AE(aet)
    for sop_class, syntax in sorted(kinds):
        entity.add_requested_context(sop_class, syntax)
    orthanc = config.orthanc
    door = entity.associate(orthanc.dicom_host, orthanc.dicom_port, ae_title=orthanc.aet)
    if not door.is_established:
        return [-1] * len(files)
    try:
        return [_store(door, file) for file in files]
    finally:
        door.release()


def _store(door: Association, file: Path) -> int:
    try:
        return int(door.send_c_store(file).get("Status", -1))
    except (RuntimeError, ValueError):
        return -1
