"""What other limits would have reported, from what was kept."""

from __future__ import annotations

import pytest
from follow_up_cases import finding, findings

from gransk.core.application import TakesImages
from gransk.core.findings import Findings, Note
from nodule.previewing import Limits, preview

BEFORE = Limits(0.5, 3.0, 20)


def kept(*left_out: float, beyond: int = 0) -> Findings:
    """Nodules of 0.9 (7 mm), 0.7 (5 mm) and 0.6 (4 mm), and candidates that were left out."""
    shown = [
        finding(number, mm).model_copy(update={"probability": probability})
        for number, (probability, mm) in enumerate(((0.9, 7.0), (0.7, 5.0), (0.6, 4.0)), 1)
    ]
    candidates = [{"probability": one.probability, "reported": True} for one in shown]
    candidates += [{"probability": p, "reported": False} for p in left_out]
    notes = [Note(code="more_not_reported", values={"count": beyond})] if beyond else []
    changed = {"candidates": tuple(candidates), "notes": tuple(notes)}
    return findings(*shown).model_copy(update=changed)


@pytest.mark.parametrize(
    ("after", "left_out", "names"),
    [
        (Limits(0.5, 3.0, 20), (0.3, 0.55), 3),
        (Limits(0.65, 3.0, 20), (0.3, 0.55), 2),
        (Limits(0.5, 4.5, 20), (0.3, 0.55), 2),
        (Limits(0.5, 3.0, 1), (0.3,), 1),
        (Limits(1.0, 3.0, 20), (), 0),
        # Nothing lies between the limits: a lower one changes nothing.
        (Limits(0.4, 3.0, 20), (0.3,), 3),
        (Limits(0.5, 1.0, 20), (0.3,), 3),
        # The most are there already, and what would come is less probable.
        (Limits(0.2, 3.0, 3), (0.3,), 3),
    ],
)
def test_what_lies_above_both_limits_is_told_exactly(after, left_out, names):
    found = preview(kept(*left_out), BEFORE, after)
    if (after.most, after.probability) == (3, 0.2):
        assert (found.least, found.most) == (3, 3)
        return
    assert found.why is None
    assert [one.tracking_uid for one in found.findings.findings] == [
        f"1.2.{n}" for n in range(1, names + 1)
    ]
    assert (found.least, found.most) == (names, names)


@pytest.mark.parametrize(
    ("after", "left_out", "beyond", "least", "most"),
    [
        (Limits(0.2, 3.0, 20), (0.3, 0.25, 0.1), 0, 3, 5),
        (Limits(0.2, 3.0, 4), (0.3, 0.25), 0, 3, 4),
        (Limits(0.2, 4.5, 20), (0.3,), 0, 2, 3),
        # What was too small, or part of another nodule, is known by its probability alone.
        (Limits(0.5, 1.0, 20), (0.55, 0.3), 0, 3, 4),
        # What did not fit on the list moves up.
        (Limits(0.5, 3.0, 20), (0.55,), 1, 3, 4),
        (Limits(0.5, 4.5, 3), (0.55,), 1, 2, 3),
    ],
)
def test_what_was_never_measured_is_counted_and_not_guessed(after, left_out, beyond, least, most):
    before = Limits(0.5, 3.0, 3) if beyond else BEFORE
    found = preview(kept(*left_out, beyond=beyond), before, after)
    assert found.findings is None
    assert found.why is TakesImages.UNMEASURED
    assert (found.least, found.most) == (least, most)
