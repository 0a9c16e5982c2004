"""C-STORE peers that are not ours: npm dcmjs-dimse, and dcmtk's storescp."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from free_ports import free_port
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

STORESCP = "/usr/bin/storescp"
"""Of Debian's dcmtk: pynetdicom puts a program of the same name beside Python."""
NODE = Path(__file__).with_name("dicom_node")
START_SECONDS = 20


def wait(holds: Any, what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def an_object(
    sop_class: str = EnhancedSRStorage,
    syntax: str = ExplicitVRLittleEndian,
    size: int = 0,
    **attributes: Any,
) -> tuple[str, bytes]:
    """An object's UID and file: with a sequence of undefined length and a private element."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID, dataset.PatientName = "0101010001", "Ærø^Åse"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "OT" if sop_class == SecondaryCaptureImageStorage else "SR"
    inner = Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99GRANSK", "odd"
    dataset.ConceptNameCodeSequence = Sequence([inner])
    dataset["ConceptNameCodeSequence"].is_undefined_length = True
    block = dataset.private_block(0x0099, "GRANSK TEST", create=True)
    block.add_new(0x01, "OB", bytes(size or 6))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        sop_class,
        dataset.SOPInstanceUID,
    )
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    with io.BytesIO() as file:
        dataset.save_as(file, enforce_file_format=True)
        return str(dataset.SOPInstanceUID), file.getvalue()


def dataset_of(content: bytes) -> bytes:
    """A file's bytes after its meta information (PS3.10 7.1)."""
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


class NodePeer:
    """npm dcmjs-dimse as a process; ``plan`` says how it behaves, ``lines`` what it saw."""

    def __init__(self, folder: Path, key: Path | None = None, cert: Path | None = None) -> None:
        self.port = free_port()
        self._plan, self._log = folder / f"plan-{self.port}.json", folder / f"took-{self.port}"
        self._files = {} if key is None else {"key": str(key), "cert": str(cert)}
        self._process: subprocess.Popen[str] | None = None
        self._log.touch()
        self.plan()

    def plan(self, **values: Any) -> None:
        new = self._plan.with_suffix(".new")
        new.write_text(json.dumps(values))
        new.replace(self._plan)

    def start(self) -> NodePeer:
        if not (NODE / "node_modules").is_dir():
            raise RuntimeError("the C-STORE peer is not installed; run: npm run test-tools")
        values = {
            "port": self.port,
            "log": str(self._log),
            "plan": str(self._plan),
            **self._files,
        }
        self._process = subprocess.Popen(
            ["node", "server.cjs", json.dumps(values)],
            cwd=NODE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready", self._process.wait(5)
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process.stdout.close()
            self._process = None

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @property
    def taken(self) -> list[dict[str, Any]]:
        """Every object that arrived whole, in order."""
        return [line for line in self.lines if "uid" in line]

    @property
    def counted(self) -> dict[str, set[str]]:
        """Digests of the bytes that came under each UID and were answered with success."""
        found: dict[str, set[str]] = {}
        for line in self.taken:
            if line["status"] == 0:
                found.setdefault(line["uid"], set()).add(line["sha256"])
        return found

    def count(self, what: str) -> int:
        return sum(what in line for line in self.lines)


class Storescp:
    """dcmtk's storescp as a process, which writes what it takes exactly as it read it."""

    def __init__(self, folder: Path, *options: str | Path, aet: str = "STORESCP") -> None:
        self.port, self.aet = free_port(), aet
        self.folder = folder / f"storescp-{self.port}"
        self.folder.mkdir(parents=True)
        self._options = [str(option) for option in options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Storescp:
        command = [STORESCP, "+B", "-aet", self.aet, "-od", str(self.folder), *self._options]
        self._process = subprocess.Popen(
            [*command, str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait(lambda: answers(self.port), "storescp")
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def forget(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()

    @property
    def held(self) -> dict[str, bytes]:
        """Datasets by the UID in their file's name."""
        return {
            path.name.split(".", 1)[1]: dataset_of(path.read_bytes())
            for path in self.folder.iterdir()
        }
