"""What the bench of comparisons prints of how steady sizes are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from bench.mammo.made_pairs import Made
from bench.mammo.priors import Change, Result, steadiness
from gransk.core.followup import Outcome
from mammo.tracking.change import Growth
from training.mammo.films import Film

FILM = Film(
    key="one", patient="P", exam="E", side="L", view="CC", density=2, assessment=4,
    malignant=True, shapes="", margins="", boxes=(), shape=(10, 10), spacing_mm=0.2,
    scanner="A", image=Path("none.png"),
)  # fmt: skip
Sizes = tuple[float, float]


def told(made: Made, measured: Sizes, true: Sizes, own: Sizes | None) -> Result:
    return Result(
        film=FILM,
        made=made,
        mass=Outcome.MATCHED,
        unreported=own is None,
        change=Change(measured, true, own, Growth.STABLE, (-1.0, 1.0)),
        others=(),
        place_mm=np.zeros(1),
        likeness=1.0,
        seconds=1.0,
    )


def test_errors_are_those_of_unchanged_masses_that_both_exams_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steadiness(
        [
            told(Made.STABLE, (10, 11), (10, 10), (10, 12)),
            told(Made.STABLE, (10, 30), (10, 10), None),
            told(Made.GROWN, (10, 14), (10, 16), (10, 10)),
        ]
    )
    both, own = capsys.readouterr().out.splitlines()
    assert "drawn in both" in both
    assert f"err by {math.log(1.1):.3f} " in both
    assert f"{math.log(1.4) / math.log(1.6):.2f} of a change" in both
    assert "own outline" in own
    assert f"err by {math.log(1.2):.3f} " in own
    assert "0.00 of a change" in own
    assert "n 1)" in own
