"""Two synthetic studies of one patient, and findings as an analysis would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from nodule_synthetic import Ball, chest
from volume_study import volume_study

from gransk.core.application import Examined
from gransk.core.codes import LUNG, NODULE
from gransk.core.ct import frames_of, lay_out
from gransk.core.findings import Finding, Findings, ModelIdentity
from gransk.core.keys import uid
from gransk.core.study import Study

SPACING = (2.5, 1.2, 1.2)
IDENTITY = ModelIdentity(id="drawn", version="1", sha256="0" * 64)


def findings_of(
    study: Study, places: Mapping[str, Sequence[float]], candidates: Sequence[Any] = ()
) -> Findings:
    """Reported nodules by tracking UID and place, mm, LPS."""
    layout = lay_out(f for i in study.instances for f in frames_of(i))
    return Findings(
        application="nodule", application_version="0", models=(IDENTITY,),
        study_instance_uid=study.uid, series_instance_uids=(study.series[0].uid,),
        frames=tuple(f.reference for f in layout.frames),
        findings=tuple(
            Finding(tracking_uid=name, tracking_id=f"Nodule {n}", kind=NODULE, site=LUNG,
                    probability=0.9, centre_lps_mm=tuple(float(v) for v in place))
            for n, (name, place) in enumerate(places.items(), 1)
        ),
        candidates=tuple(candidates),
    )  # fmt: skip


def examined(
    name: str,
    date: str,
    balls: Mapping[str, Ball],
    unreported: Mapping[str, Ball] | None = None,
    shift_mm: Sequence[float] = (0, 0, 0),
    spacing: tuple[float, float, float] = SPACING,
    slices: slice = slice(None),
    seed: int = 3,
    vessels: int = 12,
    **changes: Any,
) -> Examined:
    """A chest with balls, on a table that was shifted; those named are reported."""
    hidden = unreported or {}
    whole = chest([*balls.values(), *hidden.values()], spacing=spacing, seed=seed, vessels=vessels)
    g = whole.geometry
    kept = whole.hu[slices]
    first = slices.indices(len(whole.hu))[0]
    origin = np.array(g.to_lps((first, 0, 0))) + shift_mm
    geometry = replace(g, origin=tuple(float(v) for v in origin), shape=kept.shape)
    study = volume_study(replace(whole, hu=kept, geometry=geometry), name, date, **changes)
    places = {uid_: np.array(ball.centre_mm[::-1]) + shift_mm for uid_, ball in balls.items()}
    return Examined(study, findings_of(study, places))


def named(number: int) -> str:
    return uid("follow-up test", str(number))
