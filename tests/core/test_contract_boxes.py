"""Boxes in a model's answer: every layout read, and what cannot be right refused with a code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gransk.core.contracts.boxes import Box, BoxOutput, Grid, shared
from gransk.core.contracts.parts import Score
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason

GRID = Grid((40, 60), (4.0, 0.0), (40.0, 50.0), (0.5, 0.5))
CUBE = Grid((40, 40, 20), (0.0, 0.0, 0.0), (40.0, 40.0, 18.0), (1.0, 1.0, 2.0))
WANTED = [((10.0, 20.0), (16.0, 30.0), 0.9, "mass"), ((20.0, 5.0), (26.0, 12.0), 0.6, "asymmetry")]


def spec(**values: Any) -> BoxOutput:
    given_ = {"boxes": "b", "scores": "s", "coordinates": "reversed", "classes": {0: "mass"}}
    return BoxOutput.model_validate(given_ | values)


def told(found: list[Box]) -> list[tuple[Any, ...]]:
    return [(b.low, b.high, pytest.approx(b.score), b.word) for b in found]


def refused(output: BoxOutput, outputs: dict[str, Any], grid: Grid = GRID) -> Reason:
    with pytest.raises(RefusalError) as caught:
        output.read({name: np.asarray(v, np.float32) for name, v in outputs.items()}, grid)
    return caught.value.reason


def test_torchvision_gives_corners_scores_and_labels():
    output = spec(labels="l", classes={1: "mass", 3: "asymmetry"})
    outputs = {
        "b": np.array([[20, 10, 30, 16], [5, 20, 12, 26], [5, 20, 12, 26]], np.float32),
        "s": np.array([0.9, 0.6, 0.99], np.float32),
        "l": np.array([1, 3, 2]),
    }
    assert told(output.read(outputs, GRID)) == WANTED


def test_yolo_gives_one_column_a_box_and_a_score_a_class():
    table = np.array(
        [[25, 13, 10, 6, 0.9, 0.1], [8.5, 23, 7, 6, 0.2, 0.6], [8.5, 23, 7, 6, 0.01, 0.02]],
        np.float32,
    )
    output = spec(
        scores=None, layout="columns", format="centre_size", classes={0: "mass", 1: "asymmetry"}
    )
    assert told(output.read({"b": table.T[None]}, GRID)) == WANTED


def test_yolo_with_suppression_gives_one_row_a_box_and_its_class():
    rows = np.array([[[20, 10, 30, 16, 0.9, 0], [5, 20, 12, 26, 0.6, 1], [0] * 6]], np.float32)
    output = spec(
        scores=None, layout="rows", label_at=5, classes={0: "mass", 1: "asymmetry"}, overlap=None
    )
    assert told(output.read({"b": rows}, GRID)) == WANTED


def test_detr_gives_shares_of_the_image_and_logits_with_nothing_last():
    centres = np.array([[[25 / 60, 13 / 40, 10 / 60, 6 / 40]]], np.float32)
    logits = np.array([[[3.0, 0.0, 0.0]]], np.float32)
    output = spec(format="centre_size", frame="unit", score={"activation": "softmax"})
    (box,) = output.read({"b": centres, "s": logits}, GRID)
    assert box.low == pytest.approx((10, 20), abs=1e-4)
    assert box.high == pytest.approx((16, 30), abs=1e-4)
    assert box.score == pytest.approx(np.exp(3) / (np.exp(3) + 2))


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("corners", [10, 12, 3, 16, 20, 7]),
        ("corners_by_axis", [10, 16, 12, 20, 3, 7]),
        ("centre_size", [13, 16, 5, 6, 8, 4]),
        ("corner_size", [10, 12, 3, 6, 8, 4]),
    ],
)
@pytest.mark.parametrize("middle", [False, True])
def test_volumes_in_every_format(form, values, middle):
    output = spec(
        coordinates="as_axes", format=form, whole_number_at="centre" if middle else "corner",
        classes={0: "nodule"},
    )  # fmt: skip
    (box,) = output.read({"b": np.array([values], float), "s": np.array([0.7])}, CUBE)
    more = 0.5 if middle else 0.0
    assert box.low == (10 + more, 12 + more, 3 + more)
    assert box.high == (16 + more, 20 + more, 7 + more)


def test_wrong_shapes_are_refused():
    box = [[20, 10, 30, 16]]
    assert refused(spec(), {"b": [[1, 2, 3]], "s": [1]}) is Reason.MODEL_OUTPUT_SHAPE
    assert refused(spec(), {"b": box}) is Reason.MODEL_OUTPUT_SHAPE
    assert refused(spec(), {"b": box, "s": [0.5, 0.5, 0.1]}) is Reason.MODEL_OUTPUT_SHAPE
    assert refused(spec(), {"b": [box, box], "s": [0.5]}) is Reason.MODEL_OUTPUT_SHAPE
    assert refused(spec(classes={7: "mass"}), {"b": box, "s": [0.5]}) is Reason.MODEL_OUTPUT_SHAPE
    rows = spec(scores=None, layout="rows")
    assert refused(rows, {"b": [[1, 2, 3, 4]]}) is Reason.MODEL_OUTPUT_SHAPE


def test_what_is_no_number_is_refused_wherever_it_stands():
    nan = float("nan")
    good = [20, 10, 30, 16]
    code = Reason.MODEL_OUTPUT_NOT_FINITE
    assert refused(spec(), {"b": [good, [nan, 0, 1, 1]], "s": [0.9, 0.0]}) is code
    assert refused(spec(), {"b": [good], "s": [nan]}) is code
    assert refused(spec(), {"b": [good], "s": [float("inf")]}) is code


def test_scores_outside_their_range_are_refused():
    box = [[20, 10, 30, 16]]
    assert refused(spec(), {"b": box, "s": [1.7]}) is Reason.MODEL_OUTPUT_SCORE
    assert refused(spec(), {"b": box, "s": [-0.1]}) is Reason.MODEL_OUTPUT_SCORE
    percent = spec(score={"range": [0, 100]})
    outputs = {"b": np.array(box), "s": np.array([40.0])}
    assert percent.read(outputs, GRID)[0].score == pytest.approx(0.4)


@pytest.mark.parametrize(
    "box",
    [
        [45, 10, 55, 16],  # over the image's end, in the border
        [20, 0, 30, 6],  # over its beginning
        [52, 10, 58, 16],  # in the border alone
        [200, 100, 230, 116],  # of another image
        [0.3, 0.2, 0.5, 0.4],  # shares of the image, told as cells
        [30, 16, 20, 10],  # corners changed over
        [20, 10, 20, 16],  # no width
    ],
)
def test_a_box_that_cannot_be_there_is_refused(box):
    assert refused(spec(), {"b": [box], "s": [0.9]}) is Reason.MODEL_OUTPUT_PLACE
    assert spec().read({"b": np.array([box], float), "s": np.array([0.01])}, GRID) == []


def test_cells_told_as_shares_are_refused():
    wrong = spec(frame="unit")
    assert refused(wrong, {"b": [[20, 10, 30, 16]], "s": [0.9]}) is Reason.MODEL_OUTPUT_PLACE


def test_a_box_may_reach_over_the_edge_as_far_as_the_card_says():
    outputs = {"b": np.array([[43.0, 10.0, 52.0, 16.0]]), "s": np.array([0.9])}
    (box,) = spec(edge=2).read(outputs, GRID)
    assert (box.low, box.high) == ((10.0, 43.0), (16.0, 50.0))
    assert refused(spec(edge=1.9), outputs) is Reason.MODEL_OUTPUT_PLACE


boxes_of_images = st.tuples(
    st.floats(4, 30), st.floats(0, 40), st.floats(2.5, 9), st.floats(2.5, 9), st.floats(0.1, 1)
)


@given(st.lists(boxes_of_images, min_size=1, max_size=12), st.floats(0.1, 0.9))
@settings(max_examples=100, deadline=None)
def test_what_is_kept_overlaps_nothing_that_is_kept(some, overlap):
    table = np.array([(x, y, x + w, y + h) for y, x, h, w, _ in some])
    outputs = {"b": table, "s": np.array([s for *_, s in some])}
    kept = spec(overlap=overlap, least=0.0).read(outputs, GRID)
    assert [b.score for b in kept] == sorted((b.score for b in kept), reverse=True)
    for n, box in enumerate(kept):
        assert all(shared(box, other) <= overlap for other in kept[:n])
    # Nothing is left out but for a more probable one that it overlaps.
    every = spec(overlap=None, least=0.0, most=100).read(outputs, GRID)
    for box in every:
        assert any(box is k or box == k or shared(box, k) > overlap for k in kept)


def test_scores_become_probabilities():
    assert Score(activation="sigmoid").probabilities([0.0]) == pytest.approx([0.5])
    assert Score(activation="exp").probabilities([np.log(0.2)]) == pytest.approx([0.2])
    assert Score(activation="softmax").probabilities([[0.0, 0.0]])[0] == pytest.approx([0.5, 0.5])
    shifted = Score(intercept=-2.0, slope=0.5).probabilities([0.5, 0.9])
    odds = -2.0 + 0.5 * np.log(9)
    assert shifted == pytest.approx([1 / (1 + np.exp(2)), 1 / (1 + np.exp(-odds))])
    with pytest.raises(RefusalError, match="model_output_score"):
        Score(activation="exp").probabilities([0.1])


def test_a_contract_that_contradicts_itself_is_refused():
    with pytest.raises(ValidationError, match="an output of its own for the layout separate"):
        spec(layout="rows")
    with pytest.raises(ValidationError, match="the shorter first"):
        spec(sides_mm=[5, 2])
    with pytest.raises(ValidationError, match="Extra inputs"):
        spec(scors="s")
