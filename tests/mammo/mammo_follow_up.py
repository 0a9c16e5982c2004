"""Exams of one drawn breast on two dates, for tests of comparisons."""

from __future__ import annotations

import numpy as np
from drawn import breast
from mammogram_objects import SECONDARY_CAPTURE, instance_of, mammogram

from gransk.core.application import Examined
from gransk.core.findings import Finding, Findings, FrameRef, Region
from gransk.core.keys import uid
from gransk.core.study import Study
from mammo.coding import BREASTS, KINDS, measurement, quality
from mammo.marks.mark import Kind
from mammo.view import Laterality

SPACING = 0.2
Mass = tuple[float, float, float]
"""Column, row, radius in mm."""
PLACE: Mass = (320.0, 520.0, 6.0)


def image(mass: Mass | None, shift: tuple[int, int] = (0, 0), seed: int = 0) -> np.ndarray:
    """A left breast, moved by rows and columns; another exposure for another seed."""
    pixels = breast(mass=mass)
    pixels = np.roll(pixels, shift, axis=(0, 1))
    if shift[1] > 0:
        pixels[:, : shift[1]] = pixels[:, shift[1] : shift[1] + 1]
    noise = np.random.default_rng(seed).normal(0, 6, pixels.shape)
    return np.where(pixels > 200, pixels * (1 + 0.1 * seed) + noise, 0).astype(np.uint16)


def exam(
    date: str,
    views: dict[str, tuple[np.ndarray, list[Mass]]],
    lesion: bool = False,
    scanned: bool = False,
) -> Examined:
    """A study of views by name, each with its image and the marks that were reported.

    Parameters
    ----------
    lesion : bool
        Are the marks of all views one lesion?
    scanned : bool
        Without any word on the size of pixels.
    """
    instances, frames, findings = [], [], []
    for name, (pixels, marks) in views.items():
        side, projection = name.split(" ")
        changes = {
            "StudyInstanceUID": uid("test exam", date),
            "SeriesInstanceUID": uid("test exam", date, name),
            "SOPInstanceUID": uid("test exam", date, name, "image"),
            "StudyDate": date,
            "ImageLaterality": side,
            "ViewPosition": projection,
            "ImagerPixelSpacing": [SPACING, SPACING],
        }
        if scanned:
            changes |= {"ImagerPixelSpacing": None, "SOPClassUID": SECONDARY_CAPTURE}
        made = instance_of(mammogram(pixels, **changes))
        instances.append(made)
        frames.append(
            FrameRef(
                sop_class_uid=made.sop_class_uid,
                sop_instance_uid=made.sop_instance_uid,
                series_instance_uid=made.series_instance_uid,
                label=name,
            )
        )
        for mark in marks:
            findings.append(_finding(len(findings) + 1, date, name, made.sop_instance_uid, mark))
    if lesion:
        one = uid("test lesion", date)
        findings = [f.model_copy(update={"lesion_uid": one}) for f in findings]
    study = Study.from_instances(instances)
    return Examined(
        study,
        Findings(
            application="mammo",
            application_version="1.0.0",
            models=(),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(f.series_instance_uid for f in frames),
            frames=tuple(frames),
            findings=tuple(findings),
        ),
    )


def _finding(number: int, date: str, name: str, image_uid: str, mark: Mass) -> Finding:
    column, row, radius = mark
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = tuple(
        (float(column + radius / SPACING * np.cos(a)), float(row + radius / SPACING * np.sin(a)))
        for a in angles
    )
    side, view = name.split(" ")
    return Finding(
        tracking_uid=uid("test mark", date, name, str(number)),
        tracking_id=f"Mark {number}",
        kind=KINDS[Kind.MASS],
        site=BREASTS[Laterality(side)],
        probability=0.8,
        malignancy=0.5,
        measurements=(measurement("size_mm", round(2 * radius, 1)),),
        qualities=(quality("laterality", side), quality("view", view)),
        regions=(Region(sop_instance_uid=image_uid, points=points),),
    )
