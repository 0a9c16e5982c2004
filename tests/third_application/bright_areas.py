"""The smallest application: the bright area of a single radiograph."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydicom.pixels import pixel_array

from gransk.core.application import Context, Picture, Presentation, Selection
from gransk.core.codes import NO_UNITS, Code
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Findings, FrameRef, Measurement, Note, Region
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study

MODALITIES = ("CR", "OT")
BRIGHT = Code(value="999001", scheme="99GRANSKTEST", meaning="Bright area")
SHARE = Code(value="999002", scheme="99GRANSKTEST", meaning="Share of bright pixels")
BODY = Code(value="38266002", scheme="SCT", meaning="Entire body")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share_of_maximum: float = Field(default=0.8, gt=0, lt=1)


def _pixels(instance: Instance) -> np.ndarray:
    return np.asarray(pixel_array(instance.load()))


def _line(findings: Findings, language: str) -> str:
    word = {"en": "bright areas", "da": "lyse områder"}[language]
    return f"{len(findings.findings)} {word}"


def _details(finding: Finding, language: str) -> list[tuple[str, str]]:
    label = {"en": "Share of the image", "da": "Andel af billedet"}[language]
    return [(label, f"{finding.measured('bright_share'):.3f}")]


class BrightAreas:
    id = "bright"
    version = "1.0.0"
    attributes_read = ("Rows", "Columns", "PhotometricInterpretation")
    settings_schema = Settings
    presentation = Presentation(
        title={"en": "Bright areas", "da": "Lyse områder"},
        texts={
            "chosen": {"en": "The only image.", "da": "Det eneste billede."},
            "bright_share": {"en": "Share of bright pixels", "da": "Andel af lyse pixler"},
        },
        line=_line,
        details=_details,
        study_json=lambda findings: {},
        finding_json=lambda finding, findings: {"bright_share": finding.measured("bright_share")},
        image_window=(128.0, 256.0),
    )

    def _images(self, study: Study) -> list[Instance]:
        return [i for s in study.series if s.modality in MODALITIES for i in s.instances]

    def accepts(self, study: Study) -> Reason | None:
        return None if self._images(study) else Reason.NO_APPLICATION

    def ready(self, study: Study) -> bool:
        return True

    def select(self, study: Study, settings: BaseModel) -> Selection:
        images = self._images(study)
        if len(images) != 1:
            raise RefusalError(Reason.NO_SUITABLE_SERIES, f"{len(images)} images")
        return Selection(tuple(images), choice=(Note(code="chosen"),))

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        return ()

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        assert isinstance(context.settings, Settings)
        (image,) = selection.instances
        pixels = _pixels(image)
        context.progress("count", 0.5)
        bright = pixels >= context.settings.share_of_maximum * pixels.max()
        rows, columns = np.nonzero(bright)
        top, bottom = float(rows.min()), float(rows.max() + 1)
        left, right = float(columns.min()), float(columns.max() + 1)
        finding = Finding(
            tracking_uid=uid(context.analysis_key, "bright"),
            tracking_id="Area 1",
            kind=BRIGHT,
            site=BODY,
            probability=1.0,
            measurements=(
                Measurement(
                    name="bright_share", concept=SHARE, unit=NO_UNITS, value=float(bright.mean())
                ),
            ),
            regions=(
                Region(
                    sop_instance_uid=image.sop_instance_uid,
                    points=((left, top), (right, top), (right, bottom), (left, bottom)),
                ),
            ),
        )
        return Findings(
            application=self.id,
            application_version=self.version,
            models=(),
            study_instance_uid=study.uid,
            series_instance_uids=(image.series_instance_uid,),
            frames=(
                FrameRef(
                    sop_class_uid=image.sop_class_uid,
                    sop_instance_uid=image.sop_instance_uid,
                    series_instance_uid=image.series_instance_uid,
                ),
            ),
            findings=(finding,),
            choice=selection.choice,
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        image = next(
            i for i in study.instances if i.sop_instance_uid == findings.frames[0].sop_instance_uid
        )
        pixels = _pixels(image).astype(np.float32)
        shown = (255 * pixels / max(float(pixels.max()), 1.0)).astype(np.uint8)
        caption = {"en": "The whole image", "da": "Hele billedet"}
        outlines = tuple(region.points for region in findings.findings[0].regions)
        return [Picture(pixels=shown, caption=caption, outlines=outlines)]
