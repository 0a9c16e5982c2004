"""An application that takes as long as its settings say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import misbehaving
from pydantic import BaseModel, ConfigDict

from gransk.core.application import Context, Selection
from gransk.core.findings import Findings
from gransk.core.study import Study


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pause_seconds: float = 0


class Pausing(misbehaving.Misbehaving):
    id = "pausing"
    settings_schema = Settings

    def analyse(self, study: Study, selection: Selection, context: Context) -> Findings:
        time.sleep(cast(Settings, context.settings).pause_seconds)
        return super().analyse(study, selection, context)


def install(folder: Path) -> Path:
    """Make it the one installed application of a folder; returns the folder."""
    misbehaving.install(folder)
    (folder / "pausing.py").write_bytes(Path(__file__).read_bytes())
    points = "[gransk.applications]\npausing = pausing:Pausing\n"
    (folder / "misbehaving-1.0.0.dist-info" / "entry_points.txt").write_text(points)
    return folder
