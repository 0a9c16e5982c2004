"""A released report in short: HL7 v2 ORU^R01, or JSON. Equal input makes equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gransk.core.codes import Code
from gransk.core.findings import Measurement
from gransk.delivery.hl7.acknowledgement import timestamp
from gransk.delivery.hl7.codes import of, written
from gransk.delivery.hl7.er7 import Field, Formatted
from gransk.delivery.hl7.outgoing import (
    Announced,
    Made,
    Observation,
    exam_json,
    message,
    order_result,
    pid,
    posted,
)
from gransk.results.told_reports import AdviceTold, FindingTold, ReportTold, RiskTold, Status
from gransk.site.config_messages import Hl7Destination
from gransk.site.hl7_mapping import Hl7Mapping

GROUP = "AI-{}"
"""OBX-4: 0 is the exam, from 1 a finding, with R an object. Not the numbers of a decision's marks,
which may be told of the same order."""
STATUSES = {Status.PRELIMINARY: "P", Status.FINAL: "F", Status.CORRECTED: "C"}
"""HL7 tables 0085 and 0123."""
WRONG, DELETED, CORRECTION = "W", "D", "C"
"""Of table 0085: told before and wrong; told before and not any more. Of 0123: a correction."""


def report_hl7(told: Announced[ReportTold], settings: Hl7Destination, mapping: Hl7Mapping) -> Made:
    """A report as ORU^R01.

    What was told before and is not any more is deleted (OBX-11 D), and all of a withdrawn report
    marked as wrong (W), without its values.
    """
    report = told.news
    at = timestamp(report.at.astimezone(told.at.tzinfo))
    status = STATUSES.get(report.status, CORRECTION)
    lines = [(one, status) for one in observations(report, told.exam.study_instance_uid, mapping)]
    if report.status is Status.WITHDRAWN:
        lines = []
    known = {_place(one) for one, _ in lines}
    gone = WRONG if report.status is Status.WITHDRAWN else DELETED
    lines += [
        (Observation(one.code, one.kind, "", one.group), gone)
        for one in _before(told, mapping)
        if _place(one) not in known
    ]
    service = written([mapping.documents.get(report.application, mapping.document)])
    body = [
        pid(told.exam),
        *order_result(told, service, report.at, status),
        *(one.segment(number, said, at) for number, (one, said) in enumerate(lines, start=1)),
    ]
    return message(("ORU", "R01", "ORU_R01"), told, settings, body)


def report_json(told: Announced[ReportTold]) -> dict[str, Any]:
    """A report as JSON values."""
    content = told.news.model_dump(mode="json", exclude={"study_key", "identity"})
    return {"kind": "findings"} | exam_json(told) | content


def report_post(told: Announced[ReportTold]) -> Made:
    """A report as the body of a POST."""
    return posted(told.number, report_json(told))


def observations(report: ReportTold, study: str, mapping: Hl7Mapping) -> list[Observation]:
    """What a report tells, in order; no two have code and group in common."""
    writer = _Report(mapping)
    writer.whole(report, study)
    for number, finding in enumerate(report.findings, start=1):
        writer.finding(finding, GROUP.format(number))
    return writer.found


def _before(told: Announced[ReportTold], mapping: Hl7Mapping) -> list[Observation]:
    """What the receiver may have of the study, each observation once."""
    study = told.exam.study_instance_uid
    found = {
        _place(one): one for report in told.before for one in observations(report, study, mapping)
    }
    return list(found.values())


def _place(one: Observation) -> tuple[str, str]:
    """By what a receiver knows an observation again."""
    return one.code[0], one.group


class _Report:
    """The observations of one report."""

    def __init__(self, mapping: Hl7Mapping) -> None:
        self.mapping = mapping
        self.found: list[Observation] = []

    def whole(self, report: ReportTold, study: str) -> None:
        """What is told of the exam."""
        exam = GROUP.format(0)
        self._named("study", "ST", study, exam)
        self._named("conclusion", "ST", report.line, exam)
        self._named("report", "FT", Formatted(report.text), exam)
        self._named("notice", "ST", " ".join(report.notices), exam)
        for quality in report.qualities:
            self._add(quality.concept, "CE", self._code(quality.value), exam)
        for measurement in report.measurements:
            self._number(measurement, exam)
        self._advice(report.advice, exam)
        self._named("models", "ST", ", ".join(report.models), exam)
        for number, one in enumerate(report.objects, start=1):
            path = f"studies/{study}/series/{one.series_instance_uid}/instances/"
            pointer: list[str | Sequence[str]] = [path + one.sop_instance_uid, "", "AP", "DICOM"]
            self._named("object", "RP", pointer, GROUP.format(f"R{number}"))

    def finding(self, finding: FindingTold, group: str) -> None:
        """What is told of one finding."""
        self._named("ai_finding", "CE", self._code(finding.kind), group)
        self._named("tracking_id", "ST", finding.name, group)
        self._named("tracking_uid", "ST", finding.tracking_uid, group)
        self._named("site", "CE", self._code(finding.site), group)
        for quality in finding.qualities:
            self._add(quality.concept, "CE", self._code(quality.value), group)
        for measurement in (*finding.measurements, *finding.changes):
            self._number(measurement, group)
        if finding.outcome is not None:
            compared = written(of(self.mapping.values.compared, finding.outcome.value))
            self._named("compared", "CE", compared, group)
        if finding.growth:
            self._named("growth", "CE", [finding.growth, finding.growth, "99GRANSK"], group)
        if finding.suspicion is not None and finding.suspicion_concept is not None:
            self._add(finding.suspicion_concept, "NM", _text(finding.suspicion), group)
        for number, risk in enumerate(finding.risks, start=1):
            self._risk(risk, f"{group}.{number}")
        self._advice(finding.advice, group)

    def _risk(self, risk: RiskTold, group: str) -> None:
        same = risk.least == risk.most
        value: Field = _text(risk.least) if same else ["", _text(risk.least), "-", _text(risk.most)]
        model = [risk.model, f"{risk.model} {risk.version}", "99GRANSK"]
        self._named("risk", "NM" if same else "SN", value, group, model)

    def _advice(self, advice: AdviceTold | None, group: str) -> None:
        if advice is None:
            return
        guideline = [advice.guideline, f"{advice.guideline} {advice.version}", "99GRANSK"]
        self._named("advice", "TX", " ".join(advice.text.split()), group, guideline)
        for name, date in zip(("advice_from", "advice_to"), advice.due or (), strict=False):
            self._named(name, "DT", date.strftime("%Y%m%d"), group, guideline)

    def _named(self, name: str, kind: str, value: Field, group: str, method: Field = "") -> None:
        """An observation of the mapping; one without a value is left out."""
        if value:
            code = written(of(self.mapping.observations, name))
            self.found.append(Observation(code, kind, value, group, method=method))

    def _add(self, concept: Code, kind: str, value: Field, group: str, units: Field = "") -> None:
        self.found.append(Observation(self._code(concept), kind, value, group, units))

    def _number(self, one: Measurement, group: str) -> None:
        self._add(one.concept, "NM", _text(one.value), group, list(_parts(one.unit)))

    def _code(self, code: Code) -> list[str]:
        """A code of the finding model, or what the site has in its place."""
        own = self.mapping.codes.get(f"{code.value}^{code.scheme}")
        return written([own]) if own else list(_parts(code))


def _parts(code: Code) -> Iterator[str]:
    yield from (code.value, code.meaning, code.scheme)


def _text(value: float) -> str:
    """A number of data type NM: digits and a point, no exponent."""
    told = f"{value:.6f}".rstrip("0").rstrip(".")
    return told or "0"
