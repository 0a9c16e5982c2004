"""A decision as a message: HL7 v2 ORU^R01, or JSON. Equal input makes equal bytes."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from gransk.core.keys import digest
from gransk.core.patients import ExamIdentity
from gransk.core.screening import Breast, Verdict, View
from gransk.delivery.hl7.acknowledgement import timestamp
from gransk.delivery.hl7.codes import of, written
from gransk.delivery.hl7.er7 import Field, encode, header, segment
from gransk.results.decisions import Decision, Mark
from gransk.site.config_messages import Hl7Destination
from gransk.site.hl7_mapping import Hl7Mapping

SERVICE = ("24606-6", "Mammography Screening Report", "LN")
"""OBR-4 where the order's own code is not known: LOINC, as PS3.16 CID 7000 takes it."""
EXAM = "0"
"""OBX-4 of what is told of the exam as a whole; marks and images count from 1."""
SIDES = {Breast.RIGHT: "right", Breast.LEFT: "left"}
VIEWS = {View.CC: "cc", View.MLO: "mlo"}


@dataclass(frozen=True)
class OrderIdentity:
    """How the ordering system knows an exam: what it said in an order."""

    placer_order: str = ""
    filler_order: str = ""
    service: tuple[str, ...] = ()


@dataclass(frozen=True)
class Announced:
    """A decision to be told, with whose it is.

    Parameters
    ----------
    number : int
        Of the announcement.
    decision : Decision
    exam : ExamIdentity
    order : OrderIdentity
    at : datetime
        When it was announced, in the site's time zone.
    """

    number: int
    decision: Decision
    exam: ExamIdentity
    order: OrderIdentity
    at: datetime.datetime


@dataclass(frozen=True)
class Made:
    """A message's bytes and the control id that it is known by."""

    control_id: str
    content: bytes


def decision_hl7(told: Announced, settings: Hl7Destination, mapping: Hl7Mapping) -> Made:
    """A decision as ORU^R01."""
    body = [_pid(told.exam), *_order(told), *_observations(told, mapping)]
    control_id = digest([settings.name, timestamp(told.at), told.number, *body])[:20].upper()
    accept = settings.acknowledgement == "accept"
    msh = header(
        settings.sending_application, settings.sending_facility,
        settings.receiving_application, settings.receiving_facility,
        timestamp(told.at), "", ["ORU", "R01", "ORU_R01"], control_id,
        settings.processing_id, settings.version, "", "",
        "AL" if accept else "", "NE" if accept else "", "",
        "" if settings.charset == "ASCII" else settings.charset,
    )  # fmt: skip
    return Made(control_id, encode([msh, *body], settings.charset))


def decision_json(told: Announced) -> dict[str, Any]:
    """A decision as JSON values."""
    exam, decision = told.exam, told.decision
    return {
        "number": told.number,
        "study_instance_uid": exam.study_instance_uid,
        "accession_number": exam.accession_number,
        "patient_id": exam.patient_id,
        "issuer_of_patient_id": exam.issuer,
        "placer_order_number": told.order.placer_order,
        "filler_order_number": told.order.filler_order,
        **decision.model_dump(mode="json", exclude={"study_key", "number"}),
    }


def decision_post(told: Announced) -> Made:
    """A decision as the body of a POST."""
    content = json.dumps(decision_json(told), ensure_ascii=False, sort_keys=True).encode()
    return Made(digest([told.number, content.decode()])[:32], content)


def _pid(exam: ExamIdentity) -> str:
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


def _order(told: Announced) -> tuple[str, str]:
    placer = told.order.placer_order
    filler = told.order.filler_order or told.exam.accession_number
    fields: list[Field] = [""] * 25
    fields[:4] = ["1", placer, filler, list(told.order.service or SERVICE)]
    fields[6] = _date(told.exam.study_date) and _date(told.exam.study_date) + _time(
        told.exam.study_time
    )
    fields[17] = told.exam.accession_number
    fields[21] = timestamp(told.decision.decided_at.astimezone(told.at.tzinfo))
    fields[23] = "RAD"
    fields[24] = _status(told.decision)
    return segment("ORC", "RE", placer, filler), segment("OBR", *fields)


class _Writer:
    """The OBX of one message, in order."""

    def __init__(self, told: Announced, mapping: Hl7Mapping) -> None:
        self.status = _status(told.decision)
        self.at = timestamp(told.decision.decided_at.astimezone(told.at.tzinfo))
        self.mapping = mapping
        self.segments: list[str] = []

    def add(self, name: str, kind: str, value: Field, group: str = EXAM) -> None:
        code = written(of(self.mapping.observations, name))
        fields: list[Field] = [""] * 14
        fields[:5] = [str(len(self.segments) + 1), kind, code, group, value]
        fields[10], fields[13] = self.status, self.at
        self.segments.append(segment("OBX", *fields))

    def coded(self, name: str, value: str, group: str = EXAM) -> None:
        self.add(name, "CE", written(of(getattr(self.mapping.values, name), value)), group)


def _observations(told: Announced, mapping: Hl7Mapping) -> list[str]:
    decision, writer = told.decision, _Writer(told, mapping)
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
