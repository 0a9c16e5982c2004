"""Images and scans on the way into a model and back: every place returns, and shows the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gransk.core.contracts.image import ImageInput, Shown
from gransk.core.contracts.parts import Extremes, Standardised, Window
from gransk.core.contracts.scan import ScanFrame, ScanInput
from gransk.core.errors import ModelError
from gransk.core.models import Card
from gransk.core.volume import Geometry, Volume

HU = Window(low=-1000, high=400)
ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(("LR", "PA", "SI"))
    for letters in itertools.product(*axes)
]
AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
PRONE = ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))


def card(*inputs: tuple[str, list[int | str]], **changes: object) -> Card:
    """A card that states inputs and nothing else of interest."""
    tensors = [{"name": name, "dtype": "float32", "shape": shape} for name, shape in inputs]
    values = {
        "id": "other", "version": "1.0.0", "task": "t", "file": "m.onnx", "sha256": "0" * 64,
        "research": True, "inputs": tensors, "outputs": tensors[:1], "training_data": [],
        "performance": [], "licence": "CC0-1.0", "limits": ["none"], "created": "2026-01-01",
    }  # fmt: skip
    return Card.model_validate(values | changes)


@st.composite
def images(draw: st.DrawFn) -> tuple[ImageInput, Shown]:
    rows, columns = draw(st.integers(8, 60)), draw(st.integers(8, 60))
    fit = draw(st.sampled_from(("place", "contain", "stretch")))
    sized = fit != "place" or draw(st.booleans())
    spec = ImageInput(
        name="x",
        chest_wall=draw(st.sampled_from(("left", "right", "as_shown"))),
        pixel_mm=(draw(st.floats(0.1, 0.9)), draw(st.floats(0.1, 0.9)))
        if fit == "place" and draw(st.booleans())
        else None,
        size=(draw(st.integers(8, 80)), draw(st.integers(8, 80))) if sized else None,
        fit=fit,
        rows=draw(st.sampled_from(("start", "middle", "breast"))),
        columns=draw(st.sampled_from(("start", "middle", "chest_wall"))),
        multiple=1 if sized else draw(st.sampled_from((1, 8))),
    )
    shown = Shown(
        np.zeros((rows, columns), np.float32),
        (draw(st.floats(0.1, 0.5)), draw(st.floats(0.1, 0.5))),
        draw(st.booleans()),
        draw(st.floats(0, rows)),
    )
    return spec, shown


@given(images(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_place_of_an_image_comes_back(given_, across, down):
    spec, shown = given_
    frame = spec.frame(shown)
    place = np.array([across * shown.image.shape[1], down * shown.image.shape[0]])
    assert frame.to_image(frame.from_image(place)) == pytest.approx(place, abs=1e-9)
    grid = frame.grid
    corners = frame.from_image([[0, 0], shown.image.shape[::-1]])
    low, high = np.sort(corners, axis=0)
    # What the grid says of the image is where its corners fall, as far as the tensor reaches.
    assert grid.low == pytest.approx(np.maximum(low[::-1], 0))
    assert grid.high == pytest.approx(np.minimum(high[::-1], frame.shape))
    if spec.size is None:
        assert all(n % spec.multiple == 0 for n in frame.shape)
    else:
        assert frame.shape == spec.size


@given(images())
@settings(max_examples=150, deadline=None)
def test_the_tensor_shows_what_lies_there_in_the_image(given_):
    spec, shown = given_
    # A ramp stays itself where an image is averaged or drawn out, but near its edges.
    rows, columns = shown.image.shape
    down, across = np.mgrid[:rows, :columns] + 0.5
    shown.image[:] = 0.6 * across / columns + 0.4 * down / rows
    tensor, frame = spec.tensor(shown, card(("x", [1, 1, "r", "c"])))
    row, column = np.indices(frame.shape) + 0.5
    x, y = np.moveaxis(frame.to_image(np.stack([column, row], axis=-1)), -1, 0)
    reach = 1.5 * np.maximum(1, np.array(frame.image) / frame.scaled)
    inner = (abs(x - columns / 2) < columns / 2 - reach[1]) & (
        abs(y - rows / 2) < rows / 2 - reach[0]
    )
    wanted = 0.6 * x / columns + 0.4 * y / rows
    # Averages weigh whole pixels: a tenth of one is as near as they come.
    tenth = 0.1 * (0.6 / columns + 0.4 / rows)
    assert tensor[0, 0][inner] == pytest.approx(wanted[inner], abs=tenth)
    outside = (x < 0) | (x > columns) | (y < 0) | (y > rows)
    assert (tensor[0, 0][outside] == 0).all()


def test_a_letterbox_keeps_proportions_and_shows_its_border():
    shown = Shown(np.full((40, 20), 0.5, np.float32), (0.2, 0.2))
    spec = ImageInput(
        name="x", size=(64, 64), fit="contain", rows="middle", columns="middle", border=0.447,
        intensity=Window(low=0, high=1, to=(0, 255)),
    )  # fmt: skip
    tensor, frame = spec.tensor(shown, card(("x", [1, 3, 64, 64])))
    assert tensor.shape == (1, 3, 64, 64)
    assert frame.scaled == (64, 32)
    assert frame.first == (0, 16)
    assert tensor[0, :, 30, 5] == pytest.approx(np.full(3, 0.447 * 255), abs=1e-3)
    assert tensor[0, :, 30, 30] == pytest.approx(np.full(3, 127.5), abs=1e-3)


def test_dense_tissue_is_dark_where_the_model_wants_it_and_channels_last():
    shown = Shown(np.array([[0.0, 1.0], [0.25, 0.5]], np.float32), (0.2, 0.2))
    spec = ImageInput(name="x", layout="NHWC", tissue="dark")
    tensor, _ = spec.tensor(shown, card(("x", [1, 2, 2, 1])))
    assert tensor[0, :, :, 0].tolist() == [[1.0, 0.0], [0.75, 0.5]]


def test_intensities():
    values = np.array([-2000.0, -1000.0, 400.0, 3000.0], np.float32)
    window = Window(low=-1000, high=400, to=(0, 1), mean=(0.25, 0.5), std=(1.0, 0.5))
    assert window.applied(values, 2).tolist() == [[-0.25, -0.25, 0.75, 0.75], [-1, -1, 1, 1]]
    standard = Standardised(kind="standardised", low=-1000, high=400).applied(values)[0]
    assert standard.mean() == pytest.approx(0, abs=1e-6)
    assert standard.std() == pytest.approx(1, abs=1e-6)
    extremes = Extremes(kind="extremes", to=(-1, 1)).applied(values)[0]
    assert (extremes[0], extremes[-1]) == (-1, 1)
    with pytest.raises(ValidationError, match="low must lie below high"):
        Window(low=1, high=1)


@st.composite
def scans(draw: st.DrawFn) -> tuple[ScanInput, Volume]:
    shape = tuple(draw(st.integers(6, 14)) for _ in range(3))
    spacing = tuple(draw(st.floats(0.4, 4)) for _ in range(3))
    geometry = Geometry(shape, (-31.0, 12.5, 88.0), spacing, draw(st.sampled_from((AXIAL, PRONE))))
    spec = ScanInput(
        name="x",
        orientation=draw(st.sampled_from(ORIENTATIONS)),
        voxel_mm=tuple(draw(st.floats(0.5, 4)) for _ in range(3)) if draw(st.booleans()) else None,
        intensity=Window(low=-1024, high=1000, to=(-1024, 1000)),
        multiple=tuple(draw(st.sampled_from((1, 4))) for _ in range(3)),
    )
    return spec, Volume(np.zeros(shape, np.float32), geometry)


def patient_axes(frame: ScanFrame) -> str:
    """To where each index of the tensor rises, by the patient's coordinates alone."""
    told = ""
    zero = frame.geometry.to_lps(frame.to_scan((0, 0, 0)))
    for axis in np.eye(3):
        step = frame.geometry.to_lps(frame.to_scan(axis)) - zero
        n = int(np.abs(step).argmax())
        told += ("LR", "PA", "SI")[n][0 if step[n] > 0 else 1]
    return told


@given(scans())
@settings(max_examples=200, deadline=None)
def test_a_place_of_a_scan_comes_back_and_axes_point_where_the_card_says(given_):
    spec, volume = given_
    frame = spec.whole(volume)
    assert patient_axes(frame) == spec.orientation
    places = np.array([[0, 0, 0], [1.5, 2.25, 3.0]])
    assert frame.to_scan(frame.from_scan(places)) == pytest.approx(places, abs=1e-9)
    if spec.voxel_mm is not None:
        steps = [
            np.linalg.norm(
                np.diff(volume.geometry.to_lps(frame.to_scan([(0, 0, 0), axis])), axis=0)
            )
            for axis in np.eye(3)
        ]
        assert steps == pytest.approx(spec.voxel_mm)
    assert all(n % m == 0 for n, m in zip(frame.shape, spec.multiple, strict=True))


@given(scans())
@settings(max_examples=100, deadline=None)
def test_the_tensor_shows_what_lies_there_in_the_patient(given_):
    spec, volume = given_
    # A ramp in mm of the patient is linear, so that linear interpolation gives it exactly.
    every = np.moveaxis(np.indices(volume.hu.shape), 0, -1)
    ramp = volume.geometry.to_lps(every) @ [1.0, 2.0, -1.5]
    volume.hu[:] = ramp
    frame = spec.whole(volume)
    seen = spec.tensor(volume, frame, card(("x", [1, 1, "a", "b", "c"])))[0, 0]
    points = np.moveaxis(np.indices(frame.shape), 0, -1)
    at = frame.to_scan(points)
    inside = ((at >= 0) & (at <= np.array(volume.hu.shape) - 1)).all(axis=-1)
    wanted = volume.geometry.to_lps(at) @ [1.0, 2.0, -1.5]
    assert inside.any()
    assert seen[inside] == pytest.approx(wanted[inside], abs=1e-2)
    outside = ((at < -0.5) | (at > np.array(volume.hu.shape) - 0.5)).any(axis=-1)
    assert (seen[outside] == -1024).all()


@given(scans(), st.tuples(*[st.floats(0, 5)] * 3))
@settings(max_examples=100, deadline=None)
def test_a_window_about_a_place_has_it_in_its_middle(given_, place):
    spec, volume = given_
    frame = spec.about(volume, place, (5, 6, 7))
    assert frame.to_scan((2.0, 2.5, 3.0)) == pytest.approx(place)
    assert patient_axes(frame) == spec.orientation


@given(st.integers(5, 40), st.integers(2, 20), st.floats(0, 0.9))
def test_windows_cover_a_scan(length, patch, overlap):
    volume = Volume(
        np.zeros((length, 4, 4), np.float32), Geometry((length, 4, 4), (0, 0, 0), (1, 1, 1))
    )
    spec = ScanInput(
        name="x", orientation="SPL", intensity=HU, patch=(patch, 4, 4), overlap=overlap
    )
    frame = spec.whole(volume)
    seen = np.zeros(frame.shape[0], int)
    for (first, _, _), window in spec.windows(frame):
        seen[first : first + window.shape[0]] += 1
        assert window.to_scan((0, 0, 0)) == pytest.approx(frame.to_scan((first, 0, 0)))
    assert (seen > 0).all()


def test_only_the_lungs_box_is_shown_where_the_card_says():
    geometry = Geometry((30, 40, 50), (0, 0, 0), (2.0, 1.0, 1.0))
    volume = Volume(np.zeros((30, 40, 50), np.float32), geometry)
    lungs = np.zeros(volume.hu.shape, bool)
    lungs[10:20, 12:22, 20:30] = True
    frame = ScanInput(name="x", orientation="SPL", intensity=HU, lungs_margin_mm=4).whole(
        volume, lungs
    )
    assert frame.shape == (14, 18, 18)
    assert frame.to_scan((0, 0, 0)).tolist() == [8, 8, 16]


def test_an_orientation_names_each_axis_once():
    with pytest.raises(ValidationError, match="each axis of the patient once"):
        ScanInput(name="x", orientation="RLS", intensity=HU)


def test_an_input_that_the_card_does_not_state_is_told():
    with pytest.raises(ModelError, match="its contract names an input 'x', its card has none"):
        ImageInput(name="x").tensor(
            Shown(np.zeros((4, 4), np.float32), (1, 1)), card(("y", [1, 1, 4, 4]))
        )
