"""A decision as ORU^R01: read by hl7apy, an implementation that is not ours, and by ourselves."""

import pytest
from hl7_cases import AT, EXAM, NORMAL, RECALL, TECHNICAL, order_of, read_of, ris, told
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.core.programme import Programme
from gransk.core.screening import Breast, FindingType, Verdict, View
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.er7 import Message
from gransk.delivery.hl7.incoming import (
    NotTakenError,
    Round,
    exam_statement,
    read_statement,
)
from gransk.delivery.hl7.outgoing import (
    Announced,
    OrderIdentity,
    decision_hl7,
    decision_json,
    decision_post,
)
from gransk.results.decisions import Decision, Mark
from gransk.site.hl7_mapping import Hl7Mapping, default_mapping, merged

MAPPING = default_mapping()
MARKS = st.lists(
    st.builds(
        Mark,
        breast=st.sampled_from(Breast),
        view=st.none() | st.sampled_from(View),
        finding_type=st.sampled_from(FindingType),
        suspicion=st.none() | st.integers(0, 10),
    ),
    min_size=1,
    max_size=5,
)


def made(decision=RECALL, mapping=MAPPING, order=None, exam=EXAM, **settings_):
    return decision_hl7(told(decision, exam, order), ris(**settings_), mapping)


def peer(content, charset="utf-8"):
    """The message as hl7apy reads it, checked against the structure of its version."""
    parsed = parse_message(
        content.decode(charset), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True
    )
    assert parsed.validate()
    return parsed


@pytest.mark.parametrize("decision", [NORMAL, RECALL, TECHNICAL], ids=["normal", "recall", "tech"])
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1"])
def test_an_independent_reader_finds_it_valid_in_each_version(decision, version):
    parsed = peer(made(decision, version=version).content)
    assert parsed.msh.msh_9.value == "ORU^R01^ORU_R01"
    assert parsed.msh.msh_12.value.startswith(version)


def test_who_and_which_exam_as_an_independent_reader_has_it():
    order = OrderIdentity("PLACER1", "FILLER1", ("MAM-SCR", "Screening mammography", "99RIS"))
    parsed = peer(made(order=order).content)
    result = parsed.oru_r01_patient_result
    pid = result.oru_r01_patient.pid
    assert pid.pid_3.value == "PAT0001^^^DK-CPR"
    assert pid.pid_5.value == "Sørensen^Ærlig Åse^^^Dr."
    assert (pid.pid_7.value, pid.pid_8.value) == ("19500101", "F")
    group = result.oru_r01_order_observation
    assert (
        group.orc.value == "ORC|RE|PLACER1|FILLER1"
        or group.orc.to_er7() == "ORC|RE|PLACER1|FILLER1"
    )
    obr = group.obr
    assert (obr.obr_2.value, obr.obr_3.value) == ("PLACER1", "FILLER1")
    assert obr.obr_4.value == "MAM-SCR^Screening mammography^99RIS"
    assert obr.obr_7.value == "20260226101112"
    assert obr.obr_18.value == "ACC-1"
    assert obr.obr_25.value == "F"


def test_marks_as_an_independent_reader_has_them():
    parsed = peer(made().content)
    group = parsed.oru_r01_patient_result.oru_r01_order_observation
    told_ = [
        (o.obx.obx_1.value, o.obx.obx_3.obx_3_1.value, o.obx.obx_4.value, o.obx.obx_5.to_er7())
        for o in group.oru_r01_observation
    ]
    assert told_ == [
        ("1", "111413", "0", "111591^Recall for imaging findings^DCM"),
        ("2", "110180", "0", "1.2.3.4"),
        ("3", "111059", "1", "129788004^Mammographic breast mass^SCT"),
        ("4", "272741003", "1", "73056007^Right breast^SCT"),
        ("5", "111031", "1", "399162004^cranio-caudal^SCT"),
        ("6", "SUSPICION", "1", "4"),
        ("7", "111059", "2", "129769006^Calcification Cluster^SCT"),
        ("8", "272741003", "2", "80248007^Left breast^SCT"),
    ]


def test_danish_letters_in_latin_1():
    content = made(charset="8859/1").content
    assert "Sørensen^Ærlig Åse".encode("iso8859-1") in content
    assert peer(content, "iso8859-1").msh.msh_18.value == "8859/1"


def test_the_same_decision_is_the_same_bytes_and_another_is_another_id():
    first, again, other = made(), made(), made(NORMAL)
    assert first == again
    assert first.control_id != other.control_id
    assert len(first.control_id) == 20
    assert Message(first.content).control_id == first.control_id


def test_a_correction_is_told_as_one():
    corrected = Decision.model_validate(NORMAL.model_dump() | {"corrected": True})
    message = Message(made(corrected).content)
    assert message.first("OBR").text(25) == "C"
    assert {obx.text(11) for obx in message.named("OBX")} == {"C"}


def test_a_site_s_own_codes_are_written():
    own = Hl7Mapping.model_validate(
        merged({"values": {"outcome": {"recall": ["G^Genindkaldt^L"]}}})
    )
    message = Message(made(mapping=own).content)
    obx = message.first("OBX")
    assert (obx.text(5), obx.text(5, 2), obx.text(5, 3)) == ("G", "Genindkaldt", "L")


@settings(deadline=None, max_examples=60)
@given(MARKS)
def test_a_recall_that_we_write_we_read(marks):
    decision = RECALL.model_copy(update={"marks": tuple(marks)})
    said = _as_read(told(decision))
    assert said.verdict is Verdict.RECALL
    assert said.marks == tuple(marks)


@pytest.mark.parametrize("decision", [NORMAL, TECHNICAL])
def test_what_we_write_we_read(decision):
    said = _as_read(told(decision))
    assert (said.verdict, said.repeat, said.marks) == (decision.outcome, decision.repeat, ())
    assert said.study_instance_uid == "1.2.3.4"
    assert said.read_at == AT


def _as_read(told_: Announced):
    """Our own message as a read, with the reader that it lacks."""
    content = decision_hl7(told_, ris(), MAPPING).content
    first = b"|20260302093015+0000\rOBX|2"
    assert first in content
    return read_statement(
        Message(content.replace(first, b"|20260302093015+0000||R1\rOBX|2")), MAPPING
    )


def test_a_decision_as_json():
    values = decision_json(told())
    assert values["outcome"] == "recall"
    assert values["marks"][0] == {
        "breast": "R", "view": "CC", "finding_type": "mass", "suspicion": 4
    }  # fmt: skip
    assert "study_key" not in values
    assert decision_post(told()) == decision_post(told())
    again = told(NORMAL.model_copy(update={"corrected": True, "identity": "one.1"}))
    assert "identity" not in decision_json(again), "a digest of ours is nobody else's"


def test_a_reader_s_opinion_is_read():
    said = read_statement(Message(read_of()), MAPPING)
    assert said.reader == "RIS17"
    assert (said.accession_number, said.patient_id) == ("ACC-1", "PAT0001")
    assert said.marks == (
        Mark(breast=Breast.RIGHT, view=View.MLO, finding_type=FindingType.MASS, suspicion=4),
    )
    assert said.read_at.hour == 9


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (read_of(outcome="X^unheard of^L"), Refusal.VALUE_UNKNOWN),
        (read_of(outcome=""), Refusal.SEGMENT_MISSING),
        (read_of(reader=""), Refusal.FIELD_MISSING),
        (read_of(patient=""), Refusal.FIELD_MISSING),
        (read_of(status="P"), Refusal.VALUE_UNKNOWN),
        (
            read_of().replace(b"OBX|3|CE|272741003^Laterality^SCT|1|R", b"NTE|1||"),
            Refusal.SEGMENT_MISSING,
        ),
        (read_of().replace(b"|1|4|", b"|1|four|"), Refusal.MALFORMED),
        (read_of().replace(b"|1|4|", b"|1|99|"), Refusal.MALFORMED),
        (read_of() + read_of().split(b"\r", 4)[3] + b"\r", Refusal.MALFORMED),
        (read_of().replace(b"\rOBX", b"\rOBR|2\rOBX", 1), Refusal.SEGMENT_MISSING),
    ],
)
def test_what_a_read_lacks_is_named(content, refusal):
    with pytest.raises(NotTakenError) as refused:
        read_statement(Message(content), MAPPING)
    assert refused.value.refusal is refusal
    assert "PAT0001" not in str(refused.value)
    assert "Sørensen" not in str(refused.value)


def test_the_facts_of_an_order():
    content = order_of(
        "OBX|1|ST|PROGRAMME^^99GRANSK||screening||||||F",
        "OBX|2|ST|ROUND^^99GRANSK||first||||||F",
        "OBX|3|CE|TREATED^^99GRANSK||N^No^HL70136||||||F",
        "OBX|4|CE|DECLINES-AI^^99GRANSK||Y^Yes^HL70136||||||F",
    )
    said = exam_statement(Message(content), MAPPING)
    assert said.programme is Programme.SCREENING
    assert said.round is Round.FIRST
    assert (said.treated, said.implant, said.declines_ai) == (False, None, True)
    assert (said.placer_order, said.filler_order) == ("P1", "F1")
    assert said.service == ("MAM-SCR", "Screening mammography", "99RIS")
    assert not said.cancelled


def test_a_programme_that_a_site_has_in_a_field():
    own = Hl7Mapping.model_validate(
        merged(
            {
                "fields": {"programme": ["OBR-4"]},
                "values": {"programme": {"screening": ["MAM-SCR"]}},
            }
        )
    )
    assert exam_statement(Message(order_of()), own).programme is Programme.SCREENING
    other = order_of().replace(b"MAM-SCR", b"MAM-KLI")
    with pytest.raises(NotTakenError, match="programme"):
        exam_statement(Message(other), own)


def test_a_cancelled_order_is_one():
    assert exam_statement(Message(order_of(control="CA")), MAPPING).cancelled
