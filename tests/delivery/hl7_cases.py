"""Decisions and messages of invented people."""

import datetime

from gransk.core import codes
from gransk.core.codes import Code
from gransk.core.findings import Measurement, Quality
from gransk.core.followup import Outcome
from gransk.core.patients import ExamIdentity
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.delivery.hl7.outgoing import Announced, OrderIdentity
from gransk.results.decisions import Decision, Mark, Repeat
from gransk.results.told_reports import (
    AdviceTold,
    FindingTold,
    ObjectTold,
    PriorityTold,
    ReportTold,
    RiskTold,
    Status,
)
from gransk.results.urgency import Level
from gransk.site.config_messages import Hl7Destination

AT = datetime.datetime(2026, 3, 2, 9, 30, 15, tzinfo=datetime.UTC)
EXAM = ExamIdentity(
    patient_id="PAT0001",
    issuer="DK-CPR",
    patient_name="Sørensen^Ærlig Åse^^Dr.^",
    birth_date="19500101",
    sex="F",
    accession_number="ACC-1",
    study_instance_uid="1.2.3.4",
    study_date="20260226",
    study_time="101112.5",
)
RECALL = Decision(
    study_key="s" * 32,
    number=7,
    outcome=Verdict.RECALL,
    marks=(
        Mark(breast=Breast.RIGHT, view=View.CC, finding_type=FindingType.MASS, suspicion=4),
        Mark(breast=Breast.LEFT, finding_type=FindingType.CALCIFICATIONS),
    ),
    decided_at=AT,
)
NORMAL = Decision(study_key="s" * 32, number=1, outcome=Verdict.NORMAL, decided_at=AT)
TECHNICAL = Decision(
    study_key="s" * 32,
    number=2,
    outcome=Verdict.TECHNICAL,
    repeat=Repeat(
        views=((Breast.RIGHT, View.MLO), (Breast.LEFT, View.CC)), reason=TechnicalReason.BLURRED
    ),
    decided_at=AT,
)


def told(news=RECALL, exam=EXAM, order=None, number=1, before=()):
    return Announced(number, news, exam, order or OrderIdentity(), AT, before)


def ris(**values):
    """A destination of kind hl7."""
    return Hl7Destination.model_validate(
        {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 2575, **values}
    )


def message(*segments, charset="utf-8"):
    """A message as bytes, its segments given."""
    return "".join(f"{one}\r" for one in segments).encode(charset)


def msh(
    kind="ORU^R01^ORU_R01",
    control_id="C1",
    charset="UNICODE UTF-8",
    version="2.5.1",
    application="RIS",
    facility="HOSP",
    processing="P",
    accept="",
    answer="",
):
    """The header of a message from a RIS."""
    fields = [
        "MSH", "^~\\&", application, facility, "GRANSK", "", "20260302093015", "", kind,
        control_id, processing, version, "", "", accept, answer, "", charset,
    ]  # fmt: skip
    return "|".join(fields)


def read_of(outcome="111591^Recall for imaging findings^DCM", marks=True, reader="RIS17",
            accession="ACC-1", patient="PAT0001", status="F", **values):  # fmt: skip
    """A reader's opinion, as a RIS sends it."""
    lines = [
        msh(**values),
        f"PID|1||{patient}^^^DK-CPR||Sørensen^Åse||19500101|F",
        f"OBR|1|P1|F1|24606-6^Mammography Screening Report^LN||||||||||||||{accession}",
        f"OBX|1|CE|111413^^DCM||{outcome}||||||{status}|||20260302091500||{reader}",
    ]
    if marks:
        lines += [
            f"OBX|2|CE|111059^Single Image Finding^DCM|1|129788004^mass^SCT||||||{status}",
            f"OBX|3|CE|272741003^Laterality^SCT|1|R||||||{status}",
            f"OBX|4|CE|111031^Image View^DCM|1|MLO||||||{status}",
            f"OBX|5|NM|SUSPICION^^99GRANSK|1|4||||||{status}",
        ]
    return message(*lines)


def order_of(*observations, accession="ACC-1", patient="PAT0001", control="NW", **values):
    """An order with programme data, as a RIS sends it."""
    values = {"kind": "ORM^O01^ORM_O01", "control_id": "O1", **values}
    return message(
        msh(**values),
        f"PID|1||{patient}^^^DK-CPR||Sørensen^Åse||19500101|F",
        f"ORC|{control}|P1^RIS|F1^RIS",
        f"OBR|1|P1^RIS|F1^RIS|MAM-SCR^Screening mammography^99RIS||||||||||||||{accession}",
        *observations,
    )


MEAN = Measurement(name="mean_diameter_mm", concept=codes.MEAN_DIAMETER, unit=codes.MM, value=8.25)
VOLUME = Measurement(name="volume_mm3", concept=codes.VOLUME, unit=codes.MM3, value=310.0)
DOUBLING = Measurement(
    name="vdt_days",
    concept=Code(value="DOUBLING-TIME", scheme="99GRANSK", meaning="Volume doubling time"),
    unit=codes.DAY,
    value=212.0,
)
NODULE = FindingTold(
    name="Nodule 1",
    tracking_uid="1.2.3.99",
    kind=codes.NODULE,
    site=codes.LUNG,
    qualities=(Quality(name="side", concept=codes.LATERALITY, value=codes.LEFT),),
    measurements=(MEAN, VOLUME),
    changes=(DOUBLING,),
    outcome=Outcome.MATCHED,
    growth="growth",
    suspicion=0.4,
    suspicion_concept=codes.PROBABILITY,
    risks=(
        RiskTold(model="brock-1a", version="1", least=0.05, most=0.11),
        RiskTold(model="mayo", version="1", least=0.2, most=0.2),
    ),
    advice=AdviceTold(
        guideline="fleischner-2017", version="1", action="ct", text="CT om 3 måneder & igen",
        due=(datetime.date(2026, 6, 2), datetime.date(2026, 7, 2)),
    ),
)  # fmt: skip
REPORT = ReportTold(
    study_key="s" * 32,
    application="nodule",
    report_key="r" * 64,
    status=Status.PRELIMINARY,
    at=AT,
    research=True,
    notices=("Research use, not a medical device.",),
    models=("nodule-detector 1.0.0",),
    findings=(NODULE,),
    line="1 nodule, 8.3 mm",
    text="Fund: én nodulus\n| venstre ^ underlap & mere\n\nSlut.",
    objects=(
        ObjectTold(
            kind="SR", sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
            sop_instance_uid="1.2.3.9.1", series_instance_uid="1.2.3.9",
        ),
    ),
)  # fmt: skip
URGENT = PriorityTold(
    study_key="s" * 32,
    application="nodule",
    report_key="r" * 64,
    level=Level.STAT,
    rule="large",
    words="Stor nodulus",
    at=AT,
)
