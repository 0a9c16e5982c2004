"""Messages out, HL7 v2 and JSON: what all have, and the decision. Equal input makes equal bytes."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gransk.core.keys import digest
from gransk.core.patients import ExamIdentity
from gransk.core.screening import Breast, Verdict, View
from gransk.delivery.hl7.acknowledgement import timestamp
from gransk.delivery.hl7.codes import of, written
from gransk.delivery.hl7.er7 import Field, encode, header, segment
from gransk.results.decisions import Decision, Mark
from gransk.results.told_reports import PriorityTold, ReportTold
from gransk.site.config_messages import Hl7Destination
from gransk.site.hl7_mapping import Hl7Mapping

SERVICE = ("24606-6", "Mammography Screening Report", "LN")
"""OBR-4 where the order's own code is not known: LOINC, as PS3.16 CID 7000 takes it."""
EXAM = "0"
"""OBX-4 of what is told of the exam as a whole; marks and images count from 1."""
SIDES = {Breast.RIGHT: "right", Breast.LEFT: "left"}
VIEWS = {View.CC: "cc", View.MLO: "mlo"}
News = TypeVar("News", bound=Decision | ReportTold | PriorityTold, covariant=True)


@dataclass(frozen=True)
class OrderIdentity:
    """How the ordering system knows an exam: what it said in an order."""

    placer_order: str = ""
    filler_order: str = ""
    service: tuple[str, ...] = ()


@dataclass(frozen=True)
class Announced(Generic[News]):
    """What is to be told, with whose it is.

    Parameters
    ----------
    number : int
        Of the announcement.
    news : Decision, ReportTold or PriorityTold
    exam : ExamIdentity
    order : OrderIdentity
    at : datetime
        When it was announced, in the site's time zone.
    before : sequence of ReportTold
        Of a report, those of the same study and application that the destination may have of
        now, the oldest first.
    """

    number: int
    news: News
    exam: ExamIdentity
    order: OrderIdentity
    at: datetime.datetime
    before: Sequence[ReportTold] = ()


@dataclass(frozen=True)
class Made:
    """A message's bytes and the control id that it is known by."""

    control_id: str
    content: bytes


def decision_hl7(told: Announced[Decision], settings: Hl7Destination, mapping: Hl7Mapping) -> Made:
    """A decision as ORU^R01."""
    decision = told.news
    status = _status(decision)
    result = order_result(told, SERVICE, decision.decided_at, status)
    body = [pid(told.exam), *result, *_observations(told, mapping, status)]
    return message(("ORU", "R01", "ORU_R01"), told, settings, body)


def message(
    kind: tuple[str, str, str],
    told: Announced[Any],
    settings: Hl7Destination,
    body: Sequence[str],
) -> Made:
    """Segments under a header; the control id is a digest of what they say."""
    control_id = digest([settings.name, timestamp(told.at), told.number, *body])[:20].upper()
    accept = settings.acknowledgement == "accept"
    msh = header(
        settings.sending_application, settings.sending_facility,
        settings.receiving_application, settings.receiving_facility,
        timestamp(told.at), "", kind, control_id,
        settings.processing_id, settings.version, "", "",
        "AL" if accept else "", "NE" if accept else "", "",
        "" if settings.charset == "ASCII" else settings.charset,
    )  # fmt: skip
    return Made(control_id, encode([msh, *body], settings.charset))


def decision_json(told: Announced[Decision]) -> dict[str, Any]:
    """A decision as JSON values."""
    content = told.news.model_dump(mode="json", exclude={"study_key", "number", "identity"})
    return exam_json(told) | content


def exam_json(told: Announced[Any]) -> dict[str, Any]:
    """Whose exam something is told of, as JSON values."""
    exam = told.exam
    return {
        "number": told.number,
        "study_instance_uid": exam.study_instance_uid,
        "accession_number": exam.accession_number,
        "patient_id": exam.patient_id,
        "issuer_of_patient_id": exam.issuer,
        "placer_order_number": told.order.placer_order,
        "filler_order_number": told.order.filler_order,
    }


def decision_post(told: Announced[Decision]) -> Made:
    """A decision as the body of a POST."""
    return posted(told.number, decision_json(told))


def posted(number: int, values: Mapping[str, Any]) -> Made:
    """JSON values as the body of a POST."""
    content = json.dumps(values, ensure_ascii=False, sort_keys=True).encode()
    return Made(digest([number, content.decode()])[:32], content)


def pid(exam: ExamIdentity) -> str:
    """Whose exam it is."""
    family, given, middle, prefix, suffix = (
        part.strip()
        for part in (*exam.patient_name.split("=")[0].split("^"), "", "", "", "", "")[:5]
    )
    sex = exam.sex.strip().upper()
    return segment(
        "PID", "1", "", [exam.patient_id, "", "", exam.issuer], "",
        [family, given, middle, suffix, prefix], "", _date(exam.birth_date),
        sex if sex in ("M", "F", "O") else "U",
    )  # fmt: skip


def order_numbers(told: Announced[Any]) -> tuple[str, str]:
    """Placer and filler number: as the order said, else the accession number as filler."""
    return told.order.placer_order, told.order.filler_order or told.exam.accession_number


def order_fields(told: Announced[Any], service: Sequence[str], count: int) -> list[Field]:
    """OBR up to a field: the order, when the exam was made, its accession number."""
    fields: list[Field] = [""] * count
    fields[:4] = ["1", *order_numbers(told), list(told.order.service or service)]
    fields[6] = _date(told.exam.study_date) and _date(told.exam.study_date) + _time(
        told.exam.study_time
    )
    fields[17] = told.exam.accession_number
    return fields


def order_result(
    told: Announced[Any], service: Sequence[str], at: datetime.datetime, status: str
) -> tuple[str, str]:
    """ORC and OBR of a result."""
    fields = order_fields(told, service, 25)
    fields[21] = timestamp(at.astimezone(told.at.tzinfo))
    fields[23] = "RAD"
    fields[24] = status
    return segment("ORC", "RE", *order_numbers(told)), segment("OBR", *fields)


@dataclass(frozen=True)
class Observation:
    """What one OBX says.

    Parameters
    ----------
    code : sequence of str
        OBX-3.
    kind : str
        OBX-2.
    value : Field
    group : str
        OBX-4.
    units, method : Field
        OBX-6 and OBX-17.
    """

    code: Sequence[str]
    kind: str
    value: Field
    group: str
    units: Field = ""
    method: Field = ""

    def segment(self, number: int, status: str, at: str) -> str:
        """The OBX; ``status`` is of HL7 table 0085."""
        fields: list[Field] = [""] * 17
        fields[:6] = [str(number), self.kind, self.code, self.group, self.value, self.units]
        fields[10], fields[13], fields[16] = status, at, self.method
        return segment("OBX", *fields)


class _Writer:
    """The OBX of one decision, in order."""

    def __init__(self, at: str, mapping: Hl7Mapping, status: str) -> None:
        self.status = status
        self.at = at
        self.mapping = mapping
        self.segments: list[str] = []

    def add(self, name: str, kind: str, value: Field, group: str = EXAM) -> None:
        code = written(of(self.mapping.observations, name))
        made = Observation(code, kind, value, group)
        self.segments.append(made.segment(len(self.segments) + 1, self.status, self.at))

    def coded(self, name: str, value: str, group: str = EXAM) -> None:
        self.add(name, "CE", written(of(getattr(self.mapping.values, name), value)), group)


def _observations(told: Announced[Decision], mapping: Hl7Mapping, status: str) -> list[str]:
    decision = told.news
    writer = _Writer(timestamp(decision.decided_at.astimezone(told.at.tzinfo)), mapping, status)
    writer.coded("outcome", Verdict(decision.outcome).value)
    writer.add("study", "ST", told.exam.study_instance_uid)
    for number, mark in enumerate(decision.marks, start=1):
        _mark(writer, mark, str(number))
    if decision.repeat is not None:
        writer.coded("technical_reason", decision.repeat.reason.value)
        for number, (breast, view) in enumerate(decision.repeat.views, start=1):
            writer.coded("side", SIDES[breast], str(number))
            writer.coded("view", VIEWS[view], str(number))
    return writer.segments


def _mark(writer: _Writer, mark: Mark, group: str) -> None:
    writer.coded("finding", mark.finding_type.value, group)
    writer.coded("side", SIDES[mark.breast], group)
    if mark.view is not None:
        writer.coded("view", VIEWS[mark.view], group)
    if mark.suspicion is not None:
        writer.add("suspicion", "NM", str(mark.suspicion), group)


def _status(decision: Decision) -> str:
    """Final, or a correction of what was told before (HL7 tables 0085 and 0123)."""
    return "C" if decision.corrected else "F"


def _date(text: str) -> str:
    """A DICOM date (PS3.5 6.2, DA) as HL7 has it; empty where it is none."""
    try:
        found = datetime.datetime.strptime(text.strip().replace(".", ""), "%Y%m%d")
    except ValueError:
        return ""
    return found.strftime("%Y%m%d")


def _time(text: str) -> str:
    """Hours, minutes and seconds of a DICOM time (TM); empty where they are not all there."""
    digits = text.strip().replace(":", "")[:6]
    return digits if len(digits) == 6 and digits.isdecimal() else ""
