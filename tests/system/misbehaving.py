"""An application that does what the series description says, and the packaging for it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from gransk.core.application import Context, Picture, Presentation, Selection
from gransk.core.errors import DeviceError, RefusalError
from gransk.core.findings import Findings, FrameRef
from gransk.core.reasons import Reason
from gransk.core.study import Study

CARD_LOST = "card-lost"
"""A file beside this module: the next analysis finds no card, and takes the file away."""


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Misbehaving:
    id = "misbehaving"
    version = "1.0.0"
    attributes_read = ()
    settings_schema = Settings
    presentation = Presentation(
        title={"en": "Misbehaving", "da": "Uartig"},
        texts={},
        line=lambda findings, language: "nothing",
        details=lambda finding, language: [],
        study_json=lambda findings: {},
        finding_json=lambda finding, findings: {},
    )

    def accepts(self, study: Study) -> Reason | None:
        return None if study.series[0].modality == "CR" else Reason.NO_APPLICATION

    def ready(self, study: Study) -> bool:
        return True

    def select(self, study: Study, settings: BaseModel) -> Selection:
        return Selection(study.instances)

    def models(self, settings: BaseModel) -> tuple[str, ...]:
        return ()

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        context.progress("analyse", 0.1)
        lost = Path(__file__).with_name(CARD_LOST)
        if lost.exists():
            lost.unlink()
            raise DeviceError("the card does not answer")
        match study.series[0].description:
            case "memory":
                kept = [np.ones((64, 1 << 17)) for _ in range(1000)]
                raise RuntimeError(f"{len(kept)} blocks were given")
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(60)
            case "slow":
                time.sleep(600)
            case "pause":
                time.sleep(3)
            case "fault":
                raise ValueError("Patient^Name must stay out of every log")
            case "refuse":
                raise RefusalError(Reason.NO_LUNGS)
        return Findings(
            application=self.id,
            application_version=self.version,
            models=(),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(series.uid for series in study.series),
            frames=tuple(
                FrameRef(
                    sop_class_uid=image.sop_class_uid,
                    sop_instance_uid=image.sop_instance_uid,
                    series_instance_uid=image.series_instance_uid,
                )
                for image in selection.instances
            ),
        )

    def pictures(self, study: Study, findings: Findings) -> list[Picture]:
        return []


def install(folder: Path) -> Path:
    """Make this module an installed application in a folder; returns the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "misbehaving.py").write_bytes(Path(__file__).read_bytes())
    info = folder / "misbehaving-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(
        "[gransk.applications]\nmisbehaving = misbehaving:Misbehaving\n"
    )
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Where processes find the installed application, before what they find already."""
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{known}" if known else str(folder)}
