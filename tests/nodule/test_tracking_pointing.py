"""A nodule that a person points at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from follow_up import examined, named
from nodule_synthetic import Ball

from gransk.core.application import Context, Place
from gransk.core.errors import RefusalError
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from nodule.application import NoduleApplication, NoduleSettings

BALL = Ball((10.0, 10.0, 70.0), 9.0)
SPACING = (2.5, 1.2, 1.2)


@pytest.fixture(scope="module")
def context() -> Context:
    library = ModelLibrary(Path(__file__).parents[2] / "onnx_models", 1)
    return Context(library, NoduleSettings())


@pytest.fixture(scope="module")
def case():
    return examined("pointed at", "20260105", {}, {named(1): BALL})


def place_of(case, lps) -> Place:
    """The image nearest to a point, and where on it the point lies."""
    instance = min(
        case.study.instances, key=lambda i: abs(i.header.ImagePositionPatient[2] - lps[2])
    )
    x, y, _ = (float(v) for v in instance.header.ImagePositionPatient)
    column, row = ((lps[n] - o) / SPACING[2 - n] + 0.5 for n, o in enumerate((x, y)))
    return Place(instance.sop_instance_uid, column, row)


def pointed(case, lps, context):
    return NoduleApplication().measure(case.study, case.findings, place_of(case, lps), context)


def test_what_is_pointed_at_is_measured(case, context):
    centre = np.array(BALL.centre_mm[::-1])
    finding = pointed(case, np.add(centre, (1.0, -1.0, 0)), context)
    assert finding.origin == "person"
    assert finding.probability == 1
    assert np.linalg.norm(np.subtract(finding.centre_lps_mm, centre)) < 1.5
    assert finding.measured("volume_mm3") == pytest.approx(np.pi / 6 * 9**3, rel=0.3)
    assert finding.tracking_id == "Nodule 1"
    assert finding.malignancy is not None
    assert finding.quality("texture") is not None
    frames = [f.sop_instance_uid for f in case.findings.frames]
    assert {r.sop_instance_uid for r in finding.regions} <= set(frames)
    # Who points a little beside it means the same nodule.
    assert pointed(case, centre, context).tracking_uid == finding.tracking_uid


@pytest.mark.parametrize(
    "lps",
    [
        (-468.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        (0.0, -118.0, 0.0),
    ],
    ids=["beyond the scan", "between the lungs", "in the air before the chest"],
)
def test_where_nothing_can_be_outlined(case, context, lps):
    with pytest.raises(RefusalError) as refusal:
        pointed(case, lps, context)
    assert refusal.value.reason is Reason.NOTHING_TO_OUTLINE


def test_an_image_of_another_study_is_refused(case, context):
    with pytest.raises(RefusalError) as refusal:
        NoduleApplication().measure(case.study, case.findings, Place("1.2.3", 5, 5), context)
    assert refusal.value.reason is Reason.NOTHING_TO_OUTLINE


def test_lung_alone_is_no_nodule(context):
    plain = examined("plain", "20260105", {}, vessels=0)
    with pytest.raises(RefusalError) as refusal:
        pointed(plain, np.array((68.0, 0.0, 0.0)), context)
    assert refusal.value.reason is Reason.NOTHING_TO_OUTLINE
