"""What searches of our FHIR resources ask, and how they are answered (FHIR R4, ``search``)."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import ColumnElement, SQLColumnExpression, and_, false, or_

from gransk.archive.tables import SeenStudy
from gransk.delivery.fhir.codes import DICOM_UID, Json
from gransk.web.dicomweb import own_address
from gransk.web.fhir import written
from gransk.web.fhir_resources import Identifier

ROOT = "/fhir"
MEDIA_TYPE = "application/fhir+json"
COUNT = 20
MOST = 100
UID = "urn:oid:"
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")
FORMATS = ("json", "application/json", "application/fhir+json", "text/json")
ISSUES = {401: "login", 403: "forbidden", 404: "not-found", 500: "exception"}
"""Codes of HL7's ``issue-type`` by HTTP status."""
PASSED_OVER = ("_format", "_pretty")
"""Say how the answer is written: it is JSON whatever they say."""
PATIENT = (
    "patient.identifier", "patient:identifier", "subject.identifier", "subject:identifier",
)  # fmt: skip
ORDER = ("based-on.identifier", "based-on:identifier")


class SearchError(Exception):
    """A search that cannot be answered; the text names the parameter and what it wants."""


class Fhir(JSONResponse):
    """A FHIR resource."""

    media_type = MEDIA_TYPE


@dataclass(frozen=True)
class Span:
    """The instants that a date or time of a search covers: from ``low`` to before ``high``."""

    low: datetime.datetime
    high: datetime.datetime


@dataclass(frozen=True)
class Dated:
    """A date of a search with its prefix."""

    prefix: str
    span: Span

    def holds(self, column: SQLColumnExpression[Any], write: Callable[[Any], Any]) -> Any:
        """The condition on a column of instants, or of days where ``write`` makes days of them."""
        low, high = write(self.span.low), write(self.span.high)
        inside = and_(column >= low, column < high)
        return {
            "eq": inside,
            "ne": ~inside,
            "gt": column >= high if high > low else column > low,
            "sa": column >= high,
            "ge": column >= low,
            "lt": column < low,
            "eb": column < low,
            "le": column < high,
        }[self.prefix]


@dataclass(frozen=True)
class Asked:
    """A search: its parameters in order, how many at once, and after which entry."""

    parameters: Sequence[tuple[str, str]]
    count: int
    after: tuple[datetime.datetime, str] | None
    said: Sequence[tuple[str, str]] = field(default=())
    """As it was asked, without the place of the page."""


def asked(request: Request, known: Iterable[str]) -> Asked:
    """Read a search.

    Parameters
    ----------
    request : Request
    known : iterable of str
        Names of the parameters that the resource can be searched by.

    Raises
    ------
    SearchError
        Of a parameter that is not known: leaving it out would answer more than was asked.
    """
    count, after = COUNT, None
    parameters, said = [], []
    for name, value in request.query_params.multi_items():
        if name == "_after":
            after = _place(value)
            continue
        said.append((name, value))
        if name == "_count":
            if not re.fullmatch(r"\d{1,6}", value):
                raise SearchError("_count wants a whole number")
            count = min(int(value), MOST)
        elif name == "_format":
            if value not in FORMATS:
                raise SearchError("_format: resources are written as JSON alone")
        elif name in PASSED_OVER:
            continue
        elif name in known:
            parameters.append((name, value))
        else:
            raise SearchError(f"{name[:64]} is no parameter of this search; see /fhir/metadata")
    return Asked(parameters, count, after, said)


def tokens(value: str) -> list[Identifier]:
    """Each ``system|value`` of a token parameter; what has no bar has no system."""
    found = []
    for one in value.split(","):
        system, bar, rest = one.partition("|")
        found.append(Identifier(system=system if bar else "", value=rest if bar else system))
    return found


def dated(name: str, value: str) -> Dated:
    """A date parameter, such as ``ge2026-03`` (FHIR R4, 3.1.1.4.5).

    Raises
    ------
    SearchError
        Where it is none.
    """
    prefix = value[:2] if value[:2] in PREFIXES else "eq"
    text = value[2:] if value[:2] in PREFIXES else value
    try:
        return Dated(prefix, _span(text.replace(" ", "+")))
    except ValueError as error:
        raise SearchError(f"{name} wants a date or an instant, such as ge2026-03-02") from error


def _span(text: str) -> Span:
    """The instants of a year, month, day, minute, second or fraction; UTC where no zone is told."""
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(T.+)?", text)
    if found is None or (found[4] and not found[3]):
        raise ValueError(text)
    if found[4]:
        at = datetime.datetime.fromisoformat(text)
        low = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
        fraction = re.search(r"\.(\d+)", found[4])
        if fraction:
            step = datetime.timedelta(microseconds=max(1, 10 ** (6 - len(fraction[1][:6]))))
        else:
            step = datetime.timedelta(seconds=1 if found[4].count(":") > 1 else 60)
        return Span(low, low + step)
    year, month, day = int(found[1]), int(found[2] or 1), int(found[3] or 1)
    low = datetime.datetime(year, month, day, tzinfo=datetime.UTC)
    if found[3]:
        days = 1
    elif found[2]:
        days = calendar.monthrange(year, month)[1]
    else:
        days = 366 if calendar.isleap(year) else 365
    return Span(low, low + datetime.timedelta(days=days))


def of_patient(value: str, issuers: Mapping[str, str]) -> ColumnElement[bool]:
    """Studies of a patient with one of these identifiers, of systems of the configuration."""
    either: list[ColumnElement[bool]] = []
    for one in tokens(value):
        if not one.value:
            continue
        if not one.system:
            either.append(SeenStudy.patient_id == one.value)
        elif one.system in issuers:
            either.append(
                and_(
                    SeenStudy.patient_id.in_(written(one)),
                    SeenStudy.issuer_of_patient_id == issuers[one.system],
                )
            )
    return or_(false(), *either)


def of_order(value: str) -> ColumnElement[bool]:
    """Studies with one of these accession numbers."""
    numbers = [one.value for one in tokens(value) if one.value and not one.system]
    return SeenStudy.accession_number.in_(numbers)


def of_exam(value: str) -> ColumnElement[bool]:
    """Studies with one of these accession numbers or Study Instance UIDs."""
    uids = [
        one.value.removeprefix(UID)
        for one in tokens(value)
        if one.system == DICOM_UID or (not one.system and one.value.startswith(UID))
    ]
    return or_(of_order(value), SeenStudy.study_instance_uid.in_(uids))


def after(
    place: tuple[datetime.datetime, str] | None,
    at: SQLColumnExpression[Any],
    ident: SQLColumnExpression[str],
) -> list[ColumnElement[bool]]:
    """What comes after an entry, in the order of time and id."""
    if place is None:
        return []
    return [or_(at > place[0], and_(at == place[0], ident > place[1]))]


def _place(value: str) -> tuple[datetime.datetime, str]:
    at, _, ident = value.partition("~")
    try:
        return datetime.datetime.fromisoformat(at.replace("Z", "+00:00")), ident
    except ValueError as error:
        raise SearchError("_after is taken from the link to the next page") from error


def searchset(
    request: Request,
    kind: str,
    search: Asked,
    total: int,
    resources: Sequence[Json],
    more: tuple[str, str] | None,
    unreadable: Sequence[str] = (),
) -> Fhir:
    """The answer to a search.

    Parameters
    ----------
    request : Request
    kind : str
        Of the resources.
    search : Asked
    total : int
        How many there are.
    resources : sequence of resources
        Of this page.
    more : tuple of str, optional
        Time and id of the page's last entry where others follow.
    unreadable : sequence of str
        Ids that belong on the page and cannot be read: each is told in its place.
    """
    address = f"{own_address(request)}{ROOT}"
    page = f"{address}/{kind}"
    links = [{"relation": "self", "url": f"{page}?{urlencode(search.said)}".rstrip("?")}]
    if more is not None:
        following = urlencode([*search.said, ("_after", "~".join(more))])
        links.append({"relation": "next", "url": f"{page}?{following}"})
    entries = [
        {
            "fullUrl": f"{address}/{kind}/{one['id']}",
            "resource": one,
            "search": {"mode": "match"},
        }
        for one in resources
    ]
    entries += [{"resource": _left_out(kind, one), "search": {"mode": "outcome"}}
                for one in unreadable]  # fmt: skip
    made: Json = {"resourceType": "Bundle", "type": "searchset", "total": total, "link": links}
    return Fhir(made | ({"entry": entries} if entries else {}), headers=KEPT)


KEPT = {"cache-control": "private, no-cache"}


def outcome(status: int, code: str, text: str) -> Fhir:
    """A refusal as an OperationOutcome."""
    return Fhir(_issue("error", code, text), status)


def _left_out(kind: str, ident: str) -> Json:
    text = f"{kind}/{ident} cannot be read now and is left out; read it later by its id"
    return _issue("warning", ISSUES[500], text)


def _issue(severity: str, code: str, text: str) -> Json:
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def refusal(status: int, text: str, headers: Mapping[str, str] | None) -> Fhir:
    """What was refused before a resource was looked for."""
    made = outcome(status, ISSUES.get(status, "processing"), text)
    made.headers.update(headers or {})
    return made


def not_found() -> Fhir:
    """The same whether there is nothing, or nothing that is released or that may be seen."""
    return outcome(404, "not-found", "There is no such resource.")


def resource(made: Json) -> Response:
    """One resource, with its version where it has one."""
    headers = dict(KEPT)
    meta = made.get("meta", {})
    if "versionId" in meta:
        headers["etag"] = f'W/"{meta["versionId"]}"'
    return Fhir(made, headers=headers)
