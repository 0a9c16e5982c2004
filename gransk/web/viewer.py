"""The OHIF viewer, served to people who may see images.

OHIF's built files name each other from the root, so they answer there; its
pages live under ``/viewer`` and its data come from our DICOMweb proxy alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from gransk.web.access import Caller, allow, language_of
from gransk.web.hanging import hanging
from gransk.web.permissions import Permission
from gransk.web.texts import text
from gransk.web.wiring import wiring

PAGES = "/viewer"
STUDY_PAGE = f"{PAGES}/viewer?StudyInstanceUIDs="
WITHHELD = frozenset(
    {"index.html", "app-config.js", "init-service-worker.js", "sw.js", "_headers", "_redirects"}
)
"""OHIF's own entry, configuration and service worker: ours stand in their place, or none."""

# ndarray and the decoders, which OHIF reads segmentations and images with, compile code from text.
# A PDF is an object of OHIF's own memory (blob:), which the browser's reader shows in a frame.
POLICY = (
    "script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval'; default-src 'none'; "
    "worker-src 'self' blob:; connect-src 'self' blob: data:; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; manifest-src 'self'; "
    "object-src 'self' blob:; frame-src blob:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Of OHIF's page and of its workers: nothing from, and nothing to, another host."""

OF_STUDY = "__STUDY__"
"""Stands in the kept page for the study that is asked for."""

router = APIRouter()
files = APIRouter()
"""OHIF's built files; included last, since it takes every path that is left."""

mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("text/javascript", ".mjs")


def app_config(language: str, hung: dict[str, Any] | None = None) -> str:
    """OHIF's configuration: our proxy, and no other source of data.

    Parameters
    ----------
    hung : dict, optional
        How the study that is opened hangs, as `hanging` tells it; OHIF's own way by default.
    """
    folder = Path(__file__).parent / "static"
    said = (folder / "ohif-config.js").read_text(encoding="utf-8")
    values = {"__RESEARCH__": json.dumps(text("research_short", language))}
    if hung is None:
        values |= {"__EXTENSIONS__": "[]", "__CUSTOMIZATIONS__": "[]"}
    else:
        said = (folder / "ohif-hanging.js").read_text(encoding="utf-8") + said
        values |= {
            "__EXTENSIONS__": "granskHanging.extensions",
            "__CUSTOMIZATIONS__": "granskHanging.customizations",
            "__HANGING__": json.dumps(hung),
            "__OUTLINES__": json.dumps(text("outlines", language)),
        }
    for name, value in values.items():
        said = said.replace(name, value)
    return said


@lru_cache(maxsize=4)
def _index(path: Path, _changed: float) -> tuple[str, str]:
    """OHIF's page without its service worker, and the policy that lets its scripts run."""
    html = path.read_text(encoding="utf-8")
    html = re.sub(r'<script[^>]*init-service-worker\.js"></script>', "", html)
    html = re.sub(r'<script[^>]*app-config\.js"></script>', "", html)
    html = html.replace(
        "<script defer", f'<script src="{PAGES}/app-config.js{OF_STUDY}"></script><script defer', 1
    )
    inline = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in inline
    )
    return html, POLICY.replace("'self'", f"'self' {hashes}", 1)


@router.get(f"{PAGES}/app-config.js")
def config(
    request: Request,
    caller: Annotated[Caller, Depends(allow(Permission.IMAGES))],
    studies: Annotated[str, Query(alias="StudyInstanceUIDs")] = "",
) -> Response:
    """OHIF's configuration for the first of some studies."""
    hung = hanging(wiring(request), caller, studies.split(",")[0])
    return Response(
        app_config(language_of(request), hung),
        media_type="text/javascript",
        headers={"cache-control": "private, no-store"},
    )


@router.get(PAGES)
@router.get(PAGES + "/{page:path}")
def index(
    request: Request,
    _caller: Annotated[Caller, Depends(allow(Permission.IMAGES))],
    studies: Annotated[str, Query(alias="StudyInstanceUIDs")] = "",
) -> Response:
    """Every page of OHIF; its own router reads the address."""
    path = wiring(request).viewer_folder / "index.html"
    if not path.is_file():
        raise HTTPException(503, "viewer_missing")
    html, policy = _index(path, path.stat().st_mtime)
    asked = f"?StudyInstanceUIDs={quote(studies, safe='')}" if studies else ""
    html = html.replace(OF_STUDY, asked)
    return HTMLResponse(html, headers={"content-security-policy": policy})


@files.get("/{path:path}", dependencies=[Depends(allow(Permission.IMAGES))])
def built_file(path: str, request: Request) -> Response:
    """One of OHIF's built files."""
    folder = wiring(request).viewer_folder.resolve()
    wanted = (folder / path).resolve()
    if path in WITHHELD or not wanted.is_relative_to(folder) or not wanted.is_file():
        raise HTTPException(404)
    hashed = re.search(r"\.[0-9a-f]{16}\.|^[0-9a-f]{16}\.", wanted.name) is not None
    kept = "private, max-age=31536000, immutable" if hashed else "private, no-cache"
    headers = {"cache-control": kept, "content-security-policy": POLICY}
    return FileResponse(wanted, headers=headers)
