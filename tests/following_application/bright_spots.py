"""A small application that follows up: bright spots of a radiograph, matched by place.

It measures the spots' area and compares it with earlier radiographs of the same size. What
it needs of risk and advice is a sentence.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydicom.pixels import pixel_array
from scipy import ndimage

from gransk.core.application import (
    Context,
    Examined,
    KnownStudy,
    Picture,
    Place,
    Presentation,
    Selection,
)
from gransk.core.codes import NO_UNITS, PERCENT, Code
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Findings, FrameRef, Measurement, Region
from gransk.core.followup import (
    Advice,
    Assessment,
    Comparison,
    FollowUp,
    Lesion,
    Look,
    Outcome,
)
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study

BRIGHT = 3000
NEAR = 6.0
SPOT = Code(value="999003", scheme="99GRANSKTEST", meaning="Bright spot")
AREA = Code(value="999004", scheme="99GRANSKTEST", meaning="Area in pixels")
CHANGE = Code(value="999005", scheme="99GRANSKTEST", meaning="Change of area")
BODY = Code(value="38266002", scheme="SCT", meaning="Entire body")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _image(study: Study) -> Instance:
    return next(i for s in study.series if s.modality == "CR" for i in s.instances)


def _date(study: Study) -> datetime.date:
    return datetime.datetime.strptime(str(_image(study).header.StudyDate), "%Y%m%d").date()


def _labels(instance: Instance) -> np.ndarray:
    return ndimage.label(np.asarray(pixel_array(instance.load())) > BRIGHT)[0]


def _box(mask: np.ndarray) -> tuple[tuple[float, float], ...]:
    rows, columns = np.nonzero(mask)
    top, bottom = float(rows.min()), float(rows.max() + 1)
    left, right = float(columns.min()), float(columns.max() + 1)
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _spot(image: Instance, mask: np.ndarray, name: str, key: str, origin: str) -> Finding:
    row, column = ndimage.center_of_mass(mask)
    return Finding(
        tracking_uid=uid("spot", key, f"{row:.0f}", f"{column:.0f}"),
        tracking_id=name,
        kind=SPOT,
        site=BODY,
        probability=1.0,
        centre_lps_mm=(float(column), float(row), 0.0),
        measurements=(
            Measurement(name="area", concept=AREA, unit=NO_UNITS, value=float(mask.sum())),
        ),
        regions=(Region(sop_instance_uid=image.sop_instance_uid, points=_box(mask)),),
        origin=origin,
    )


def _frame(image: Instance) -> FrameRef:
    return FrameRef(
        sop_class_uid=image.sop_class_uid,
        sop_instance_uid=image.sop_instance_uid,
        series_instance_uid=image.series_instance_uid,
    )


class BrightSpots:
    id = "spots"
    version = "1.0.0"
    attributes_read = ("Rows", "Columns")
    settings_schema = Settings
    profile_schema: Mapping[str, Any] = {"type": "object"}
    presentation = Presentation(
        title={"en": "Bright spots", "da": "Lyse pletter"},
        texts={
            "area": {"en": "Area", "da": "Areal"},
            "area_change_percent": {"en": "Change of area", "da": "Ændring af areal"},
        },
        line=lambda findings, language: f"{len(findings.findings)} spots",
        details=lambda finding, language: [("Area", f"{finding.measured('area'):.0f}")],
        study_json=lambda findings: {},
        finding_json=lambda finding, findings: {"area": finding.measured("area")},
        image_window=(2048.0, 4096.0),
        course="area",
    )

    def accepts(self, study: Study) -> Reason | None:
        mine = any(series.modality == "CR" for series in study.series)
        return None if mine else Reason.NO_APPLICATION

    def ready(self, study: Study) -> bool:
        return True

    def select(self, study: Study, settings: BaseModel) -> Selection:
        return Selection((_image(study),))

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        return ()

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        (image,) = selection.instances
        labels = _labels(image)
        if str(image.header.get("ImageComments", "")) == "refuse":
            raise RefusalError(Reason.NO_LUNGS)
        return Findings(
            application=self.id,
            application_version=self.version,
            models=(),
            study_instance_uid=study.uid,
            series_instance_uids=(image.series_instance_uid,),
            frames=(_frame(image),),
            findings=tuple(
                _spot(image, labels == n, f"Spot {n}", context.analysis_key, "detector")
                for n in range(1, int(labels.max()) + 1)
            ),
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        pixels = np.asarray(pixel_array(_image(study).load())).astype(np.float32)
        grey = np.clip(pixels / 16, 0, 255).astype(np.uint8)
        return [
            Picture(
                pixels=grey,
                caption={"en": one.tracking_id, "da": one.tracking_id},
                outlines=(one.regions[0].points,),
                tracking_uid=one.tracking_uid,
            )
            for one in findings.findings
            if one.regions
        ]

    def priors_wanted(self, study: Study, known: Sequence[KnownStudy]) -> tuple[str, ...]:
        today = _date(study)
        earlier = [k for k in known if "CR" in k.modalities and k.date and k.date < today]
        earlier.sort(key=lambda one: one.date, reverse=True)
        return tuple(one.study_instance_uid for one in earlier)

    def measure(self, study: Study, findings: Findings, place: Place, context: Context) -> Finding:
        image = _image(study)
        row, column = int(place.row), int(place.column)
        mask = np.zeros((image.header.Rows, image.header.Columns), bool)
        if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]):
            raise RefusalError(Reason.INCONSISTENT_IMAGES)
        mask[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True
        name = f"Spot {len(findings.findings) + 1}"
        return _spot(image, mask, name, f"{context.analysis_key}-{row}-{column}", "person")

    def compare(self, current: Examined, prior: Examined, context: Context) -> Comparison:
        dates = _date(current.study), _date(prior.study)
        header = _image(prior.study).header
        refused = Reason.REGISTRATION_FAILED if header.Rows != 64 else None
        lesions = [] if refused else _lesions(current, prior, dates)
        return Comparison(
            application=self.id,
            application_version=self.version,
            current_study=current.study.uid,
            prior_study=prior.study.uid,
            current_date=dates[0],
            prior_date=dates[1],
            lesions=tuple(lesions),
            refused=refused,
        )

    def comparison_pictures(
        self, current: Study, prior: Study, comparison: Comparison
    ) -> list[Picture]:
        made = []
        for lesion in comparison.lesions:
            if lesion.outcome is Outcome.MATCHED:
                for study, date in ((prior, comparison.prior_date), (current, None)):
                    pixels = np.asarray(pixel_array(_image(study).load())).astype(np.float32)
                    caption = str(date or comparison.current_date)
                    made.append(
                        Picture(
                            pixels=np.clip(pixels / 16, 0, 255).astype(np.uint8),
                            caption={"en": caption, "da": caption},
                            tracking_uid=str(lesion.current_uid),
                        )
                    )
        return made

    def assess(
        self,
        study: Study,
        findings: Findings,
        comparisons: Sequence[Comparison],
        profile: Mapping[str, Any] | None,
        settings: BaseModel,
    ) -> Assessment:
        answers = sorted((profile or {}).keys())
        text = f"{len(findings.findings)} spots, {len(comparisons)} compared, told {answers}"
        due = _date(study) + datetime.timedelta(days=90)
        advice = Advice(
            guideline="spots",
            version="1",
            source_state="primary",
            status="advice",
            row="again",
            action="radiograph",
            due=(due, due),
            text={"en": text, "da": text},
            reason={"en": "", "da": ""},
        )
        return Assessment(advice=(advice,))

    def report_text(
        self, study: Study, findings: Findings, follow_up: FollowUp, language: str
    ) -> str:
        return f"{len(findings.findings)} spots\n{len(follow_up.comparisons)} compared"


def _look(examined: Examined, finding: Finding, date: datetime.date) -> Look:
    image = _image(examined.study)
    return Look(
        study_instance_uid=examined.study.uid,
        series_instance_uid=image.series_instance_uid,
        date=date,
        measurements=finding.measurements,
        frame=_frame(image),
        region=finding.regions[0] if finding.regions else None,
    )


def _lesions(
    current: Examined, prior: Examined, dates: tuple[datetime.date, datetime.date]
) -> list[Lesion]:
    left = list(prior.findings.findings)
    lesions = []
    for mine in current.findings.findings:
        theirs = next((one for one in left if _distance(mine, one) < NEAR), None)
        now = _look(current, mine, dates[0])
        if theirs is None:
            lesions.append(Lesion(outcome=Outcome.NEW, current_uid=mine.tracking_uid, current=now))
            continue
        left.remove(theirs)
        before = mine.measured("area"), theirs.measured("area")
        change = 100 * (before[0] / before[1] - 1)
        lesions.append(
            Lesion(
                outcome=Outcome.MATCHED,
                current_uid=mine.tracking_uid,
                prior_uid=theirs.tracking_uid,
                certainty=1.0,
                current=now,
                prior=_look(prior, theirs, dates[1]),
                changes=(
                    Measurement(
                        name="area_change_percent", concept=CHANGE, unit=PERCENT, value=change
                    ),
                ),
            )
        )
    return lesions + [
        Lesion(
            outcome=Outcome.RESOLVED,
            prior_uid=one.tracking_uid,
            prior=_look(prior, one, dates[1]),
        )
        for one in left
    ]


def _distance(one: Finding, other: Finding) -> float:
    a, b = one.centre_lps_mm or (0, 0, 0), other.centre_lps_mm or (0, 0, 0)
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
