"""Reports and priority as HL7 v2: read by hl7apy, which is not ours, in each version."""

import contextlib
import json

import pytest
from hl7_cases import AT, EXAM, NODULE, REPORT, URGENT, ris, told
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import ValidationError
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.core import codes
from gransk.core.findings import Measurement
from gransk.delivery.hl7.acknowledgement import read_acknowledgement
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.hl7.outgoing import OrderIdentity
from gransk.delivery.hl7.priority import priority_hl7, priority_json, priority_post
from gransk.delivery.hl7.report import report_hl7, report_json, report_post
from gransk.results.told_reports import ReportTold, Status
from gransk.results.urgency import Level
from gransk.site.hl7_mapping import Hl7Mapping, default_mapping, merged

MAPPING = default_mapping()
VERSIONS = ["2.3.1", "2.4", "2.5", "2.5.1"]
ORDER = OrderIdentity("P9", "F9", ("CT-TH", "CT of the chest", "99RIS"))


def report(values=None, before=(), mapping=MAPPING, order=None, **settings_):
    news = ReportTold.model_validate(REPORT.model_dump() | (values or {}))
    return report_hl7(told(news, order=order, before=before), ris(**settings_), mapping).content


def priority(order=None, mapping=MAPPING, news=URGENT, **settings_):
    return priority_hl7(told(news, order=order), ris(**settings_), mapping).content


def peer(content):
    parsed = parse_message(
        content.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True
    )
    assert parsed.validate()
    return parsed


def seen(content):
    """Type, code, group, value and status of each OBX, as hl7apy has them."""
    result = peer(content).oru_r01_patient_result.oru_r01_order_observation
    return [
        (
            one.obx.obx_2.value, one.obx.obx_3.obx_3_1.value, one.obx.obx_4.value,
            one.obx.obx_5.to_er7(), one.obx.obx_11.value,
        )
        for one in result.oru_r01_observation
    ]  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", list(Status))
def test_an_independent_reader_finds_a_report_valid(version, status):
    content = report({"status": status}, before=[REPORT], version=version)
    parsed = peer(content)
    assert parsed.msh.msh_9.value == "ORU^R01^ORU_R01"
    assert parsed.msh.msh_12.value == version


def test_what_an_independent_reader_finds_in_a_report():
    found = seen(report())
    assert {line[4] for line in found} == {"P"}
    told_ = {(code, group): (kind, value) for kind, code, group, value, _ in found}
    assert len(told_) == len(found), "no two observations are one to a receiver"
    assert told_["110180", "AI-0"] == ("ST", "1.2.3.4")
    assert told_["19005-8", "AI-0"] == ("ST", "1 nodule, 8.3 mm")
    assert told_["NOTICE", "AI-0"] == ("ST", "Research use, not a medical device.")
    assert told_["RESULT-OBJECT", "AI-R1"] == (
        "RP", "studies/1.2.3.4/series/1.2.3.9/instances/1.2.3.9.1^^AP^DICOM",
    )  # fmt: skip
    assert told_["121071", "AI-1"] == ("CE", "27925004^Nodule^SCT")
    assert told_["272741003", "AI-1"] == ("CE", "7771000^Left^SCT")
    assert told_["RID50155", "AI-1"] == ("NM", "8.25")
    assert told_["118565006", "AI-1"] == ("NM", "310")
    assert told_["DOUBLING-TIME", "AI-1"] == ("NM", "212")
    assert told_["111049", "AI-1"][1].startswith("matched^")
    assert told_["GROWTH-CLASS", "AI-1"][1].startswith("growth^")
    assert told_["111047", "AI-1"] == ("NM", "0.4")
    assert told_["RISK-MODEL", "AI-1.1"] == ("SN", "^0.05^-^0.11")
    assert told_["RISK-MODEL", "AI-1.2"] == ("NM", "0.2")
    assert told_["111053", "AI-1"] == ("TX", r"CT om 3 måneder \T\ igen")
    assert told_["111054", "AI-1"] == ("DT", "20260602")


def test_units_and_methods_stand_beside_their_numbers():
    lines = {
        (one.text(3), one.text(4)): one for one in Message(report()).named("OBX")
    }  # as we read it ourselves
    assert [lines["RID50155", "AI-1"].text(6, n) for n in (1, 2, 3)] == [
        "mm", "millimeter", "UCUM",
    ]  # fmt: skip
    assert lines["RISK-MODEL", "AI-1.2"].text(17) == "mayo"
    assert lines["111053", "AI-1"].text(17) == "fleischner-2017"


def test_the_text_keeps_its_lines_and_signs():
    (line,) = [one for one in Message(report()).named("OBX") if one.text(3) == "59776-5"]
    assert line.text(2) == "FT"
    assert line.text(5) == REPORT.text
    assert rb"\.br\\S\ " not in report()
    assert rb"nodulus\.br\\F\ venstre \S\ underlap \T\ mere\.br\\.br\Slut." in report()


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (Status.PRELIMINARY, "P"),
        (Status.FINAL, "F"),
        (Status.CORRECTED, "C"),
    ],
)
def test_the_status_of_a_result(status, result):
    message = Message(report({"status": status}))
    assert message.first("OBR").text(25) == result
    assert {one.text(11) for one in message.named("OBX")} == {result}


def test_what_is_told_no_more_is_deleted():
    fewer = {"status": Status.CORRECTED, "findings": (), "line": "0 nodules"}
    found = seen(report(fewer, before=[REPORT]))
    gone = [line for line in found if line[4] == "D"]
    assert {line[2] for line in gone} == {"AI-1", "AI-1.1", "AI-1.2"}
    assert {line[3] for line in gone} == {""}
    assert ("ST", "19005-8", "AI-0", "0 nodules", "C") in found
    assert not [line for line in seen(report({"status": Status.CORRECTED}, before=[REPORT]))
                if line[4] == "D"]  # fmt: skip


def test_a_withdrawn_report_is_told_as_wrong_and_without_its_values():
    values = {"status": Status.WITHDRAWN, "findings": (), "objects": (), "text": "", "line": ""}
    content = report(values, before=[REPORT])
    found = seen(content)
    assert {(line[3], line[4]) for line in found} == {("", "W")}
    assert {line[2] for line in found} >= {"AI-0", "AI-1", "AI-R1"}
    # The order itself is not cancelled: that would be X.
    assert Message(content).first("OBR").text(25) == "C"


def test_the_order_of_the_exam_or_the_title_of_the_report():
    obr = Message(report(order=ORDER)).first("OBR")
    assert [obr.text(n) for n in (2, 3, 4, 18)] == ["P9", "F9", "CT-TH", "ACC-1"]
    assert Message(report()).first("OBR").text(4) == "24627-2"
    assert Message(report({"application": "other"})).first("OBR").text(4) == "18748-4"


def test_a_site_s_own_codes_are_written():
    own = Hl7Mapping.model_validate(
        merged(
            {
                "codes": {"RID50155^RADLEX": "MD^Mean diameter^99RIS"},
                "observations": {"ai_finding": ["FUND^Finding^99RIS"]},
                "documents": {"nodule": "CTN^CT nodules^99RIS"},
                "values": {"priority": {"stat": ["1^Straks^99RIS"]}},
            }
        )
    )
    written = report(mapping=own)
    assert b"|MD^Mean diameter^99RIS|AI-1|8.25|" in written
    assert b"|FUND^Finding^99RIS|AI-1|" in written
    assert b"CTN^CT nodules^99RIS" in written
    assert b"TQ1|1||||||||1^Straks^99RIS\r" in priority(mapping=own)


def test_the_same_report_is_the_same_bytes():
    first, again = (report_hl7(told(REPORT), ris(), MAPPING) for _ in range(2))
    assert first == again
    other = ReportTold.model_validate(REPORT.model_dump() | {"line": "2 nodules"})
    assert report_hl7(told(other), ris(), MAPPING).control_id != first.control_id
    assert report_post(told(REPORT)) == report_post(told(REPORT))


@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
    st.text(max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_told_can_be_read_again(value, text):
    number = Measurement(name="x", concept=codes.VOLUME, unit=codes.MM3, value=value)
    finding = NODULE.model_copy(update={"measurements": (number,), "changes": ()})
    content = report({"findings": (finding.model_dump(),), "text": text, "line": text})
    lines = {(one.text(3), one.text(4)): one for one in Message(content).named("OBX")}
    assert float(lines["118565006", "AI-1"].text(5)) == pytest.approx(value, abs=1e-6)
    assert "e" not in lines["118565006", "AI-1"].text(5)


def test_a_report_as_json():
    values = report_json(told(REPORT))
    assert (values["kind"], values["status"], values["accession_number"]) == (
        "findings", "preliminary", "ACC-1",
    )  # fmt: skip
    assert values["findings"][0]["advice"]["due"] == ["2026-06-02", "2026-07-02"]
    assert "study_key" not in values
    assert json.loads(report_post(told(REPORT)).content) == values


def faults(content, path):
    """What hl7apy finds wrong with a message."""
    parsed = parse_message(
        content.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True
    )
    with contextlib.suppress(ValidationError):
        parsed.validate(report_file=str(path))
    lines = path.read_text().splitlines()
    return parsed, [line for line in lines if line.startswith("Error:")]


@pytest.mark.parametrize("version", VERSIONS)
def test_priority_in_each_version(version, tmp_path):
    content = priority(version=version, order=ORDER)
    parsed, wrong = faults(content, tmp_path / "told")
    # hl7apy asks for every alternative of a choice of ORM_O01 at once: RQD, RQ1 and others.
    assert all("ORM_O01_CHOICE" in line for line in wrong), wrong
    assert bool(wrong) == (version in ("2.3.1", "2.4"))
    message = Message(content)
    orc = message.first("ORC")
    assert [orc.text(n) for n in (1, 2, 3)] == ["XO", "P9", "F9"]
    assert [orc.text(16, n) for n in (1, 2, 3)] == ["large", "Stor nodulus", "99GRANSK"]
    assert message.first("OBR").text(18) == "ACC-1"
    assert message.first("NTE").text(3) == "Stor nodulus"
    if version in ("2.5", "2.5.1"):
        assert parsed.msh.msh_9.value == "OMG^O19^OMG_O19"
        timing = parsed.omg_o19_order.omg_o19_timing.tq1
        assert timing.tq1_9.value == "S^Stat^HL70485"
        assert message.first("OBR").text(27, 6) == ""
    else:
        assert parsed.msh.msh_9.value == "ORM^O01^ORM_O01"
        assert message.first("TQ1") is None
        assert message.first("OBR").text(27, 6) == orc.text(7, 6) == "S"


def test_priority_as_json_and_by_level():
    high = URGENT.model_copy(update={"level": Level.HIGH})
    assert b"A^ASAP^HL70485" in priority(news=high)
    values = priority_json(told(high))
    assert (values["kind"], values["level"], values["rule"]) == ("priority", "high", "large")
    assert values["patient_id"] == EXAM.patient_id
    assert json.loads(priority_post(told(high)).content) == values
    assert AT.isoformat()[:19] in values["at"]


def test_an_answer_that_could_not_change_the_order_is_a_refusal():
    lines = ["MSH|^~\\&|RIS||GRANSK||20260302||ORG^O20^ORG_O20|X1|P|2.5.1", "MSA|AA|C1"]
    taken = "".join(f"{one}\r" for one in [*lines, "ORC|XR|P9|F9"]).encode()
    unable = "".join(f"{one}\r" for one in [*lines, "ORC|UX|P9|F9"]).encode()
    assert not read_acknowledgement(taken).refuses
    answer = read_acknowledgement(unable)
    assert (answer.refuses, answer.told) == (True, "AA UX")
