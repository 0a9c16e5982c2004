"""Every door by which somebody could learn something, as what stands there tells it.

Our own from the route table, Orthanc's from what Orthanc says of itself, its DICOMweb plugin's
from the plugin's own file, the DICOM services from what a listed peer can agree with Orthanc.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from pynetdicom import AE, sop_class
from starlette.routing import Mount

from gransk.archive.orthanc_config import plugins
from gransk.site.config import Config

STORAGE = re.compile(r"Storage(ForPresentation|ForProcessing)?$")
TOGETHER = 120
"""Presentation contexts of one association (PS3.8, 9.3.2.2: at most 128)."""


def ours(app: FastAPI) -> set[str]:
    """Method and path of every route, mounted folders and WebSockets too."""
    found = set()
    for route in _leaves(app.routes):
        if isinstance(route, Mount):
            found.add(f"GET {route.path}")
        elif isinstance(route, APIWebSocketRoute):
            found.add(f"WEBSOCKET {route.path}")
        else:
            found |= {f"{method} {route.path}" for method in route.methods}
    return found


def _leaves(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if isinstance(route, APIRoute | APIWebSocketRoute | Mount) or inner is None:
            yield route
        else:
            yield from _leaves(inner.routes)


@cache
def orthanc(folder: Path) -> frozenset[str]:
    """Method and path of everything that Orthanc's HTTP answers, documented or not."""
    file = folder / "openapi.json"
    said = subprocess.run(
        ["Orthanc", f"--openapi={file}"], capture_output=True, text=True, check=True, cwd=folder
    ).stderr
    paths = json.loads(file.read_text())["paths"]
    documented = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "put", "delete")
    }
    left = set(re.findall(r"Ignoring URI without API documentation: (\w+ \S+)", said))
    return frozenset(documented | left)


def plugin_routes() -> set[str]:
    """Paths of Orthanc's DICOMweb plugin, below its root, and of ours."""
    (file,) = [path for path in plugins() if "DicomWeb" in path.name]
    known = rb"(?:studies|series|instances|servers|app)"
    texts = re.findall(rb"\0(" + known + rb"(?:/[A-Za-z./()*^\[\]]*)?)(?=\0)", file.read_bytes())
    searches = {"studies", "series", "instances"}  # PS3.18, 10.6; ends of other texts in the file
    return {text.decode() for text in texts} | searches | {"/gransk/archive"}


def services(config: Config, peer: str) -> set[str]:
    """DICOM services that Orthanc agrees on with a peer, by the names of their SOP classes.

    Everything that pynetdicom knows is proposed; what only stores is one door, C-STORE.
    """
    known = {
        str(uid): name
        for name, uid in vars(sop_class).items()
        if not name.startswith("_") and getattr(uid, "is_valid", False)
    }
    found = set()
    uids = sorted(known)
    for start in range(0, len(uids), TOGETHER):
        entity = AE(peer)
        for uid in uids[start : start + TOGETHER]:
            entity.add_requested_context(uid)
        orthanc = config.orthanc
        door = entity.associate(orthanc.dicom_host, orthanc.dicom_port, ae_title=orthanc.aet)
        if door.is_established:
            found |= {known[str(one.abstract_syntax)] for one in door.accepted_contexts}
            door.release()
    return {"C-STORE" if STORAGE.search(name) else name for name in found}
