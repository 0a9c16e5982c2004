"""``GET /fhir/metadata``: what of FHIR R4 stands here, made from what the routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

import gransk
from gransk.delivery.fhir.codes import Json
from gransk.web import fhir_reports, fhir_tasks
from gransk.web.access import Caller, allow
from gransk.web.dicomweb import own_address
from gransk.web.fhir_search import ROOT, Fhir
from gransk.web.permissions import Permission
from gransk.web.wiring import wiring

VERSION = "4.0.1"
WRITTEN = "2026-11-26"
"""When what this page says last changed."""
TYPES = {"_lastUpdated": "date", "date": "date"}
PARAMETERS = {
    "_id": "http://hl7.org/fhir/SearchParameter/Resource-id",
    "_lastUpdated": "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated",
}
router = APIRouter()


@router.get("/fhir/metadata")
def metadata(
    request: Request, _caller: Annotated[Caller, Depends(allow(Permission.RESULTS))]
) -> Response:
    """The CapabilityStatement."""
    older = wiring(request).config.fhir.older_versions
    reads = ["read", "vread", "history-instance", "search-type"]
    statement: Json = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": WRITTEN,
        "kind": "instance",
        "software": {"name": "Gransk", "version": gransk.__version__},
        "implementation": {
            "description": "Released reports of Gransk, and the reads that are wanted",
            "url": own_address(request) + ROOT,
        },
        "fhirVersion": VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "A machine token as Bearer, or a person's session."},
                "resource": [
                    _resource(fhir_reports.KIND, reads, fhir_reports.PARAMETERS)
                    | {"versioning": "versioned", "readHistory": older},
                    _resource(fhir_tasks.KIND, ["read", "search-type"], fhir_tasks.PARAMETERS)
                    | {"versioning": "no-version"},
                ],
            }
        ],
    }
    return Fhir(statement)


def _resource(kind: str, interactions: list[str], parameters: tuple[str, ...]) -> Json:
    """A resource; a modifier or a chain is part of its parameter (FHIR R4, 3.1.1.5.4)."""
    names = dict.fromkeys(one.split(":")[0].split(".")[0] for one in parameters)
    return {
        "type": kind,
        "interaction": [{"code": one} for one in interactions],
        "searchParam": [_parameter(name) for name in names],
    }


def _parameter(name: str) -> Json:
    reference = name in ("patient", "subject", "based-on", "owner")
    made = {"name": name, "type": "reference" if reference else TYPES.get(name, "token")}
    if name in PARAMETERS:
        made["definition"] = PARAMETERS[name]
    if reference:
        made["documentation"] = "By identifier alone: a chain .identifier, or the modifier."
    return made
