"""The DICOMweb proxy: the one way by which people and machines reach images.

Reads (QIDO-RS, WADO-RS) and stores (STOW-RS) are passed on to the DICOMweb
plugin of Orthanc, streamed both ways. What may be asked is a closed list; our
credentials for Orthanc never leave, and addresses in answers are our own.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from gransk.site.events import EventKind, record
from gransk.web import withheld
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission
from gransk.web.seeing import BLINDED, looker_of
from gransk.web.wiring import wiring

ROOT = "/dicom-web"
router = APIRouter(prefix=ROOT)

_UID = r"[0-9]+(?:\.[0-9]+)*"
_STUDY = rf"studies/{_UID}"
_SERIES = rf"{_STUDY}/series/{_UID}"
_INSTANCE = rf"{_SERIES}/instances/{_UID}"
READS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:studies|series|instances)",
        rf"{_STUDY}(?:/(?:metadata|series|instances|rendered|thumbnail))?",
        rf"{_SERIES}(?:/(?:metadata|instances|rendered|thumbnail))?",
        rf"{_INSTANCE}(?:/(?:metadata|rendered|thumbnail|bulk(?:/[0-9a-fA-F,/]+)?))?",
        rf"{_INSTANCE}/frames/[0-9]+(?:,[0-9]+)*(?:/(?:rendered|thumbnail))?",
    )
)
"""Every path that may be read (PS3.18 chapters 8 and 10)."""
METADATA = re.compile(r"(?:^|/)(?:studies|series|instances|metadata)$")
RENDERED = re.compile(r"/(?:rendered|thumbnail)$")
STORES = re.compile(rf"studies(?:/{_UID})?")

REQUEST_HEADERS = ("accept", "accept-language", "if-none-match", "range")
STORE_HEADERS = ("accept", "content-type", "content-length")
ANSWER_HEADERS = (
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
)
TEXTUAL = ("json", "xml")
MAX_TEXT = 256 * 1024 * 1024
"""Bytes of JSON or XML that are held to rewrite the addresses in them."""


@router.get("/{path:path}")
async def read(
    path: str, request: Request, caller: Annotated[Caller, Depends(allow(Permission.IMAGES))]
) -> StreamingResponse:
    """QIDO-RS and WADO-RS, of exams that the caller may still be given without our results."""
    if not any(pattern.fullmatch(path) for pattern in READS):
        raise HTTPException(404)
    images = await run_in_threadpool(_may_read, request, caller, path)
    asked = parse_qsl(request.url.query, keep_blank_values=True)
    search = path == "studies" and await run_in_threadpool(_keeps_back, request, caller)
    uncut = images is not None or (search and withheld.by_more(asked))
    sent = withheld.uncut(asked) if uncut else asked
    upstream = wiring(request).upstream
    question = upstream.client.build_request(
        "GET",
        f"{upstream.root}/{path}{_query(path, sent)}",
        headers=_read_headers(path, request),
    )
    answer = await upstream.send(question)
    if answer.status_code == 404:
        # Orthanc's own words differ by what was asked.
        await answer.aclose()
        raise HTTPException(404)
    if answer.status_code != 200 or not METADATA.search(path):
        return await _answer(request, answer)
    body = await _held(answer)
    if images is not None:
        return _metadata(request, answer, withheld.inside(body, images, asked), kept=False)
    if search:
        known = await run_in_threadpool(_blind, request, caller, withheld.uids_in(body))
        return _metadata(request, answer, withheld.studies(body, known, asked), kept=False)
    return _metadata(request, answer, body)


def _may_read(request: Request, caller: Caller, path: str) -> withheld.Images | None:
    """What of a path's study the caller sees alone; None for who sees everything there.

    Raises
    ------
    HTTPException
        403 or 404 where the answer would tell of results that the caller may not see.
    """
    uid = withheld.study_of(path)
    if not uid:
        if path != "studies" and _keeps_back(request, caller):
            raise HTTPException(403, BLINDED)
        return None
    images = _blind(request, caller, {uid}).get(uid)
    if images is not None:
        withheld.check(path, images)
    return images


def _keeps_back(request: Request, caller: Caller) -> bool:
    known = wiring(request)
    with known.database.read() as session:
        return withheld.keeps_back(session, looker_of(known, session, caller))


def _blind(request: Request, caller: Caller, uids: set[str]) -> dict[str, withheld.Images]:
    known = wiring(request)
    with known.database.read() as session:
        return withheld.blind(session, looker_of(known, session, caller), uids)


@router.post("/{path:path}")
async def store(
    path: str, request: Request, caller: Annotated[Caller, Depends(allow(Permission.STORE))]
) -> StreamingResponse:
    """STOW-RS."""
    if not STORES.fullmatch(path):
        raise HTTPException(404)
    if not request.headers.get("content-type", "").lower().startswith("multipart/related"):
        raise HTTPException(415)
    limit = wiring(request).config.service.max_upload_mb * 1024 * 1024
    upstream = wiring(request).upstream
    asked = upstream.client.build_request(
        "POST",
        f"{upstream.root}/{path}",
        content=limited(request, limit),
        headers=_chosen(request, STORE_HEADERS),
    )
    answer = await upstream.send(asked)
    wiring(request).nudge()
    await run_in_threadpool(note_stored, request, caller)
    return await _answer(request, answer)


def note_stored(request: Request, caller: Caller) -> None:
    """The event that somebody stored images."""
    with wiring(request).database.begin() as session:
        record(session, caller.name, EventKind.IMAGES_STORED, caller.name)


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The request's body as it comes, ended with 413 where it grows past ``limit`` bytes."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise HTTPException(413)
        yield chunk


def _query(path: str, asked: Sequence[tuple[str, str]]) -> str:
    """The query with its question mark; Orthanc reads a window's commas only as they are."""
    safe = "," if RENDERED.search(path) else ""
    query = urlencode(asked, safe=safe)
    return f"?{query}" if query else ""


def _read_headers(path: str, request: Request) -> dict[str, str]:
    headers = _chosen(request, REQUEST_HEADERS) | {"accept-encoding": "identity"}
    if METADATA.search(path):
        # Metadata as multipart XML would pass with Orthanc's addresses in it.
        headers["accept"] = "application/dicom+json"
    elif RENDERED.search(path) and "image/*" in headers.get("accept", ""):
        # What a browser asks of an image; Orthanc refuses a list of kinds.
        headers["accept"] = "image/png"
    return headers


def _chosen(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.headers[name] for name in names if name in request.headers}


async def _answer(request: Request, answer: httpx.Response) -> StreamingResponse:
    """Orthanc's answer with our addresses and without its other headers."""
    if answer.status_code in (401, 403):
        # Our credentials were refused: the caller is not to be asked for any.
        await answer.aclose()
        raise HTTPException(502, "orthanc")
    headers = _answer_headers(answer)
    kind = headers.get("content-type", "").lower().split(";")[0]
    if not any(kind.endswith(text) for text in TEXTUAL):
        return StreamingResponse(
            answer.aiter_raw(),
            status_code=answer.status_code,
            headers=headers,
            background=BackgroundTask(answer.aclose),
        )
    return _metadata(request, answer, await _held(answer))


def _answer_headers(answer: httpx.Response) -> dict[str, str]:
    headers = {name: answer.headers[name] for name in ANSWER_HEADERS if name in answer.headers}
    headers["cache-control"] = "private, no-cache"
    return headers


def _metadata(
    request: Request, answer: httpx.Response, body: bytes, kept: bool = True
) -> StreamingResponse:
    """JSON or XML with our addresses; not ``kept``: of another content than Orthanc's tags say."""
    headers = _answer_headers(answer)
    headers.pop("content-length", None)
    if not kept:
        headers.pop("etag", None)
        headers.pop("last-modified", None)
    rewritten = rewrite(body, wiring(request).upstream.root, own_address(request) + ROOT)
    return StreamingResponse(iter([rewritten]), answer.status_code, headers)


async def _held(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    try:
        async for chunk in answer.aiter_bytes():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_TEXT:
                raise HTTPException(502, "too large")
    except httpx.HTTPError as error:
        raise HTTPException(502, "orthanc") from error
    finally:
        await answer.aclose()
    return b"".join(parts)


def own_address(request: Request) -> str:
    """How the caller reaches us: our public address, or the one it used on the way in."""
    public = wiring(request).config.service.public_url
    return public if urlsplit(public).netloc == request.url.netloc else str(request.base_url)[:-1]


def rewrite(body: bytes, root: str, address: str) -> bytes:
    """Orthanc's own addresses (RetrieveURL, BulkDataURI) made the proxy's.

    Whatever host Orthanc names itself by, an address is known by the plugin's
    root followed by a resource. The slashes may be escaped, as JSON allows.

    Parameters
    ----------
    body : bytes
        JSON or XML.
    root : str
        Of the plugin in Orthanc, such as ``/dicom-web``.
    address : str
        Of the proxy.
    """
    slash = rb"\\?/"
    named = re.escape(root).encode().replace(b"/", slash)
    host = rb"https?:" + slash + slash + rb"[^\"\s<>/\\]+"
    after = rb"(?=" + slash + rb"(?:studies|series|instances)\b)"
    return re.sub(host + named + after, address.encode(), body)
