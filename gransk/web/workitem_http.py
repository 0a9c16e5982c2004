"""How UPS-RS speaks HTTP: datasets in JSON, the standard's Warning headers (PS3.18 8.4 and 8.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from pydicom.uid import RE_VALID_UID

from gransk.results.step_acts import StepError, Told
from gransk.results.step_rules import Attributes, WorkitemError, check_model
from gransk.web.dicomweb import ROOT, own_address
from gransk.web.wiring import Wiring

JSON = "application/dicom+json"
KINDS = (JSON, "application/json")
LARGEST = 1024 * 1024
"""Bytes of a workitem that is sent."""
TOLD_STATUS = {Told.TRANSACTION_MISSING: 400, Told.TRANSACTION_WRONG: 400}
"""Of a refusal; 409 of all others (PS3.18 tables 11.6.3-1, 11.7.3-1 and 11.8.3-1)."""


def address_of(request: Request) -> str:
    """Root of our DICOMweb, as the caller reaches it."""
    return own_address(request) + ROOT


def answer(
    request: Request, status: int, body: Any = None, warnings: Sequence[str] = (), **headers: str
) -> Response:
    """An answer with Warning headers as PS3.18 8.4 writes them."""
    service = address_of(request)
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    if warnings:
        told["warning"] = ", ".join(f"299 {service}: {one}" for one in warnings)
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status, told, JSON if body is not None else None)


def refusal(request: Request, error: StepError) -> Response:
    """What a caller is answered whose act the workitem's state does not allow."""
    body = {"error": error.told.value} | ({"missing": error.missing} if error.missing else {})
    return answer(request, TOLD_STATUS.get(error.told, 409), body, [error.told.value])


def wrong(request: Request, error: WorkitemError) -> Response:
    """What a caller is answered whose dataset or query is not what the standard asks."""
    return answer(request, 400, {"error": str(error)})


def check_accept(request: Request) -> None:
    """406 for who takes no JSON."""
    wanted = request.headers.get("accept", "*/*").lower()
    if not any(kind in wanted for kind in (*KINDS, "*/*", "application/*")):
        raise HTTPException(406)


async def dataset(request: Request) -> Attributes:
    """The dataset of a request; one alone in a list too."""
    kind = request.headers.get("content-type", "").lower().partition(";")[0].strip()
    if kind not in KINDS:
        raise HTTPException(415)
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise HTTPException(413)
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WorkitemError("the body is no JSON") from error
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    return check_model(given)


def uid_in(request: Request, *names: str) -> str:
    """The UID that a query gives: by itself, as the standard writes it, or by a name."""
    for name, text in parse_qsl(request.url.query, keep_blank_values=True):
        if not text and name[:1].isdigit():
            return name
        if name.lower() in names:
            return text
    return ""


def is_uid(text: str) -> bool:
    """Is it a UID (PS3.5 section 9)?"""

    return 0 < len(text) <= 64 and re.fullmatch(RE_VALID_UID, text) is not None


def bring_up(known: Wiring) -> None:
    """What our tables say now, before anybody is told of workitems."""
    with known.database.read() as session:
        entering = known.entering.keys(session)
    known.steps(entering)
