"""Orthanc's doors: its HTTP, its DICOMweb plugin, and DICOM as each listed peer.

Nobody but Gransk holds the password of Orthanc's HTTP. It is asked twice all the same: as a
blinded person, who must be refused everywhere, and with the password, since what is not there
cannot leak: the answers of two runs must not differ even then.

A GET is probed by itself: its placeholders are filled by what its parent lists. What is asked by
POST stands in `QUESTIONS`. Everything else changes something; `ACTS` says what, by pattern.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from blinding_doors import orthanc, plugin_routes
from blinding_look import Answers, LeakError
from blinding_programme import BLINDED, DECIDED, Programme

LEVELS = "(instances|patients|series|studies)"
FILES = [{"Resources": "{studies}", "Synchronous": True}]
QUESTIONS: dict[str, list[Any]] = {
    "POST /tools/find": [
        {"Level": level, "Query": query, "Expand": True}
        for level in ("Patient", "Study", "Series", "Instance")
        for query in ({}, {"Modality": "SR"} if level == "Series" else {"PatientID": "T0001"})
    ],
    "POST /tools/lookup": ["{uid}", "{uid}.1", "{uid}.99", "{uid}.99.1", "{uid}.1.1"],
    "POST /tools/bulk-content": [{"Resources": "{studies}", "Metadata": True}],
    "POST /tools/create-archive": FILES,
    "POST /tools/create-media": FILES,
    "POST /tools/create-media-extended": FILES,
    "POST /tools/reconstruct": [],
    **{f"POST /{level}/{{id}}/archive": [{"Synchronous": True}]
       for level in ("patients", "series", "studies")},
    **{f"POST /{level}/{{id}}/media": [{"Synchronous": True}]
       for level in ("patients", "series", "studies")},
}  # fmt: skip
ACTS = {
    rf"(DELETE|PUT) /{LEVELS}/\{{id\}}.*": "removes or sets something of a resource",
    rf"POST /{LEVELS}/\{{id\}}/(anonymize|modify|reconstruct|merge|split|export)": "makes copies",
    rf"POST /{LEVELS}/\{{id\}}/attachments/.*": "packs or checks an attachment",
    r"POST /instances": "stores",
    r"(DELETE|PUT|POST) /(modalities|peers)/.*": "sets other machines, sends to them or asks them",
    r"(DELETE|POST) /(jobs|queries)/.*": "ends, repeats or retrieves",
    r"DELETE /(changes|exports)": "empties a list",
    r"DELETE /storage-commitment/.*|POST /storage-commitment/.*": "removes what was confirmed",
    r"POST /tools/(bulk-(anonymize|delete|modify)|create-dicom|execute-script|invalidate-tags"
    r"|reset|shutdown|dicom-echo)": "changes, makes or ends something",
    r"PUT /tools/.*": "sets what Orthanc logs or takes",
}
"""What is probed by being refused alone."""
SKIPPED = {
    "GET /tools/now": "the time",
    "GET /tools/now-local": "the time",
    "GET /tools/generate-uid": "drawn by chance",
}
"""What has nothing of studies, and differs each time."""


def unprobed(doors: frozenset[str]) -> list[str]:
    """Doors that nothing here asks."""
    return [
        f"{door} has no probe: say in blinding_orthanc.QUESTIONS what to ask, or in ACTS why not"
        for door in sorted(doors)
        if not door.startswith("GET ")
        and door not in QUESTIONS
        and not any(re.fullmatch(act, door) for act in ACTS)
    ]


def refuses(run: Programme, folder: Path, cookies: dict[str, str]) -> int:
    """Every door of Orthanc's refuses a blinded person, who has no password; returns how many.

    Raises
    ------
    LeakError
    """
    doors = orthanc(folder) | {f"GET {path}" for path in _plugin(run)}
    with httpx.Client(base_url=run.config.orthanc.url, cookies=cookies, trust_env=False) as door:
        for one in sorted(doors):
            method, path = one.split(" ")
            filled = re.sub(r"\{\w+\}", "none", path)
            answer = door.request(method, filled)
            if answer.status_code != 401:
                raise LeakError(f"Orthanc {one} answers without a password: {answer.status_code}")
    return len(doors)


def look(run: Programme, folder: Path, only: frozenset[str] = frozenset()) -> Answers:
    """Everything that Orthanc's HTTP answers to who has its password; ``only`` some doors."""
    section = run.config.orthanc
    found: dict[tuple[str, str], bytes] = {}
    auth = (section.username, section.password())
    with httpx.Client(base_url=section.url, auth=auth, trust_env=False, timeout=60) as client:
        asker = _Asker(client)
        for door in sorted(orthanc(folder)):
            method, path = door.split(" ")
            if method == "GET" and door not in SKIPPED and (door in only or not only):
                for address in asker.expanded(path):
                    _add(found, f"Orthanc {door}", address, asker.get(address))
        for address in _plugin(run) if not only else ():
            found["Orthanc DICOMweb", address] = asker.get(address)
        for door, bodies in QUESTIONS.items() if not only else ():
            for address in asker.expanded(door.split(" ")[1]):
                for body in _bodies(bodies, run, asker):
                    said = json.dumps(body) if not isinstance(body, str) else body
                    found[f"Orthanc {door}", f"{address} {said}"] = asker.post(address, said)
    return Answers(found, frozenset(run.secrets()))


def _add(found: dict[tuple[str, str], bytes], door: str, address: str, said: bytes) -> None:
    """Keep an answer; of what has a name by chance, such as jobs, all in order of content."""
    key = (door, NORMAL[1](address.encode()).decode())
    kept = [*found[key].split(BETWEEN), said] if key in found else [said]
    found[key] = BETWEEN.join(sorted(kept))


BETWEEN = b"\n---- the next ----\n"


class _Asker:
    """Asks Orthanc, and knows what a listing holds."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._listed: dict[str, list[str]] = {}

    def get(self, address: str) -> bytes:
        return normalised(address, self.client.get(address, headers={"accept": "*/*"}))

    def post(self, address: str, body: str) -> bytes:
        return normalised(address, self.client.post(address, content=body))

    def expanded(self, path: str) -> Iterator[str]:
        """A path with every value of its placeholders, as their parents list them."""
        if "{" not in path:
            yield path
            return
        before, rest = path.split("{", 1)
        after = rest.split("}", 1)[1]
        for name in self.listed(before.rstrip("/")) or ["none"]:
            yield from self.expanded(before + name + after)

    def listed(self, parent: str) -> list[str]:
        if parent not in self._listed:
            answer = self.client.get(parent)
            try:
                found = answer.json()
            except ValueError:
                found = []
            named = found if isinstance(found, list) else []
            self._listed[parent] = [str(one) for one in named if isinstance(one, str)]
        return self._listed[parent]


def _plugin(run: Programme) -> list[str]:
    """The plugin's addresses, of every study that is here."""
    found = []
    for path in sorted(plugin_routes()):
        for number in (*BLINDED, DECIDED) if "studies/" in path else (1,):
            uid = run.uid(number)
            filled = path
            for part, value in (
                ("studies/", uid), ("series/", f"{uid}.1"), ("instances/", f"{uid}.1.1"),
                ("frames/", "1"), ("bulk/", "00100010"), ("servers/", "none"),
                ("libs/", "none"), ("client/", "none"),
            ):  # fmt: skip
                filled = re.sub(rf"{part}\([^)]*\)", part + value, filled)
            root = "" if filled.startswith("/") else f"{run.config.orthanc.dicomweb_root}/"
            found.append(root + filled)
    return found


def _bodies(bodies: list[Any], run: Programme, asker: _Asker) -> Iterator[Any]:
    for body in bodies:
        if isinstance(body, str):
            yield from (body.replace("{uid}", run.uid(number)) for number in BLINDED)
        elif body.get("Resources"):
            yield body | {"Resources": asker.listed("/studies")}
        else:
            yield body


def normalised(address: str, answer: httpx.Response) -> bytes:
    """An answer without what differs each time, and tells nothing of a study.

    * files that are packed when asked (ZIP, gzip): what is in them, without the hour of packing;
      of a DICOMDIR, which names itself by chance, that it is there (its images are beside it)
    * the hours at which Orthanc took images in, and changed: its own clock, in every run another
    * names that Orthanc draws for files and jobs (UUIDs), and borders of multipart answers
    * the archive's name for itself, which is drawn once, and the room on the machine's disk
    * how long jobs took, and all metrics but counts and sizes: of the machine that runs the test
    """
    said = answer.content
    kind = answer.headers.get("content-type", "")
    if said[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(said)) as packed:
            said = repr(sorted(_packed(one) for one in packed.infolist())).encode()
    elif said[:2] == b"\x1f\x8b":
        said = gzip.decompress(said)
    elif address == "/tools/metrics-prometheus":
        lines = [line.split()[:2] for line in said.splitlines()]
        said = repr([line for line in lines if re.match(COUNTED, line[0])]).encode()
    said = f"{answer.status_code} {kind}\n".encode() + said
    border = re.search(rb"boundary=([0-9a-f-]{30,})", said)
    if border:
        said = said.replace(border[1], b"BORDER")
    for normal in NORMAL:
        said = normal(said)
    return said


def _packed(one: zipfile.ZipInfo) -> tuple[str, int]:
    return one.filename, 0 if one.filename == "DICOMDIR" else one.CRC


COUNTED = rb"orthanc_(count|disk|uncompressed)_\w+"
NORMAL: tuple[Callable[[bytes], bytes], ...] = (
    lambda said: re.sub(rb"\b20\d{6}T\d{6}(\.\d+)?\b", b"TIME", said),
    lambda said: re.sub(rb"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", b"UUID", said),
    lambda said: re.sub(rb'("identity": )"[0-9a-f]{32}"|("free_bytes": )\d+', rb"\1\2N", said),
    lambda said: re.sub(rb'("EffectiveRuntime" : )[\d.]+', rb"\1N", said),
)
