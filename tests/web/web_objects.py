"""Findings as the pages meet them."""

from __future__ import annotations

from pydantic import BaseModel

from gransk.core import codes
from gransk.core.application import Presentation
from gransk.core.findings import Finding, Findings, FrameRef, Measurement, ModelIdentity, Note
from gransk.core.keys import uid


def findings_of_study(study_uid: str, nodules: int = 2) -> Findings:
    """Findings of the nodule application, without masks."""
    found = tuple(
        Finding(
            tracking_uid=uid(study_uid, str(n)),
            tracking_id=f"Nodule {n}",
            kind=codes.NODULE,
            site=codes.LUNG,
            probability=0.9 - n / 10,
            centre_lps_mm=(10.0 * n, -20.0, -100.0),
            measurements=(
                Measurement(
                    name="volume_mm3", concept=codes.VOLUME, unit=codes.MM3, value=150.0 * n
                ),
                Measurement(
                    name="long_axis_mm", concept=codes.LONG_AXIS, unit=codes.MM, value=6.5 + n
                ),
                Measurement(
                    name="short_axis_mm", concept=codes.SHORT_AXIS, unit=codes.MM, value=5.0 + n
                ),
            ),
        )
        for n in range(1, nodules + 1)
    )
    return Findings(
        application="lesion",
        application_version="1.0.0",
        models=(ModelIdentity(id="nodule-detector", version="1.0.0", sha256="a" * 64),),
        study_instance_uid=study_uid,
        series_instance_uids=("1.2.3.4",),
        frames=(
            FrameRef(
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                sop_instance_uid="1.2.3.4.5",
                series_instance_uid="1.2.3.4",
            ),
        ),
        findings=found,
        choice=(Note(code="chosen", values={"number": 3}),),
    )


def _line(findings: Findings, language: str) -> str:
    word = {"en": "nodules", "da": "noduli"}[language]
    largest = max((f.measured("long_axis_mm") or 0 for f in findings.standing), default=0)
    return f"{len(findings.standing)} {word}, {largest:.1f} mm" if largest else f"0 {word}"


def _details(finding: Finding, language: str) -> list[tuple[str, str]]:
    names = {"en": ("Volume", "Axes"), "da": ("Volumen", "Akser")}[language]
    axes = f"{finding.measured('long_axis_mm')} × {finding.measured('short_axis_mm')} mm"
    return [(names[0], f"{finding.measured('volume_mm3')} mm³"), (names[1], axes)]


class Nothing(BaseModel):
    """Settings of an application that has none."""


class Lesions:
    """An application as far as the pages need one: its id and its presentation."""

    id = "lesion"
    settings_schema = Nothing
    presentation = Presentation(
        title={"en": "Lesions", "da": "Læsioner"},
        texts={"chosen": {"en": "Series {number}: thinnest.", "da": "Serie {number}: tyndest."}},
        line=_line,
        details=_details,
        study_json=lambda findings: {},
        finding_json=lambda finding, findings: {},
        course="volume_mm3",
    )
