"""Models by contract put through the mammography application: marks and scores as drawn."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from likely_exam import likely, likely_exam, study_of
from mammogram_phantom import PIXEL_MM
from pydicom import Dataset

from bench.contracts.cards import write
from gransk.core.application import Context
from gransk.core.contracts.image import Shown
from gransk.core.contracts.mammo_exam import MammoExam
from gransk.core.errors import ModelError, RefusalError
from gransk.core.findings import Findings
from gransk.core.models import Model, ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.roles import HasRoles
from gransk.core.study import Study
from mammo.application import MammoApplication, MammoSettings
from mammo.models import MammoModels
from mammo.view import STANDARD, Laterality, Projection

SHIPPED = Path(__file__).parents[2] / "onnx_models"
APPLICATION = MammoApplication()
BY_CONTRACT = {
    "masses": "example-image-boxes", "masses_fine": None, "calcifications": None,
    "exam": "example-mammo-exam",
}  # fmt: skip
MASS_MM, RADIUS_MM = (60.0, 90.0), 6.0
"""Column and row from the chest wall of the drawn mass."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    write(place, "image-boxes")
    write(place, "mammo-exam-four-views")
    for one in SHIPPED.glob("mammo-*"):
        (place / one.name).symlink_to(one)
    return place


def changed(folder: Path, into: Path, name: str, **contract: Any) -> Path:
    """A folder with one model whose contract says something else; the others as they are."""
    shutil.copytree(folder, into, symlinks=True)
    path = into / name / "card.yaml"
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    for part, values in contract.items():
        if isinstance(values, dict):
            card["contract"][part] |= values
        else:
            card["contract"][part] = values
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    return into


def analysed(study: Study, folder: Path, **models: Any) -> Findings:
    settings = MammoSettings(models=BY_CONTRACT | models)
    selection = APPLICATION.select(study, settings)
    context = Context(ModelLibrary(folder, threads=2), settings, analysis_key="key")
    return APPLICATION.analyse(study, selection, context)


def on_its_side(image: Dataset) -> Dataset:
    """The same image stored a quarter turn counterclockwise (PS3.3 C.7.6.1.1.1)."""
    pixels = np.rot90(image.pixel_array)
    along, down = image.PatientOrientation
    other = {"A": "P", "P": "A"}[along]
    image.PatientOrientation = [down, other]
    image.Rows, image.Columns = pixels.shape
    image.PixelData = np.ascontiguousarray(pixels).tobytes()
    return image


@pytest.fixture(scope="module")
def exam() -> Study:
    """The right breast with a mass; its MLO is stored lying on its side, the left ones upright."""
    right = [likely(Laterality.RIGHT, view, mass=MASS_MM) for view in Projection]
    left = [likely(Laterality.LEFT, view, mass=None) for view in Projection]
    return study_of([right[0], on_its_side(right[1]), *left])


@pytest.fixture(scope="module")
def findings(exam: Study, folder: Path) -> Findings:
    return analysed(exam, folder)


def in_stored_pixels(view: str, place_mm: tuple[float, float]) -> tuple[float, float]:
    """(column, row) of the stored image, of a place in mm from chest wall and top."""
    column, row = (value / PIXEL_MM for value in place_mm)
    width = 650.0
    x, y = (width - column, row) if view.startswith("R") else (column, row)
    # A quarter turn counterclockwise: what was right is at the top.
    return (y, width - x) if view == "R MLO" else (x, y)


def test_boxes_become_marks_at_their_place_in_the_stored_image(findings):
    labels = {frame.sop_instance_uid: frame.label for frame in findings.frames}
    for view in ("R CC", "R MLO"):
        wanted = np.array(in_stored_pixels(view, MASS_MM))
        marks = [c for c in findings.candidates if labels[c["sop_instance_uid"]] == view]
        near = [c for c in marks if np.hypot(*(c["centre_px"] - wanted)) * PIXEL_MM < 1.0]
        assert near, (view, [m["centre_px"] for m in marks], wanted)
        (mark,) = near
        assert mark["kind"] == "mass"
        assert mark["probability"] > 0.8
        assert mark["malignancy"] == pytest.approx(mark["probability"], abs=1e-4)
        assert mark["size_mm"] == pytest.approx(2 * RADIUS_MM, abs=2)
        outline = np.array(mark["outline_px"])
        assert np.hypot(*(outline.mean(axis=0) - wanted)) * PIXEL_MM < 1.0
    assert [m.id for m in findings.models] == [
        "mammo-view", "example-image-boxes", "mammo-density", "example-mammo-exam",
    ]  # fmt: skip


def test_the_exams_own_model_makes_the_score_and_marks_make_none(findings):
    told = APPLICATION.presentation.study_json(findings)
    assert told["probability"] == APPLICATION.raw_score(findings)
    right, left = (breast["probability"] for breast in told["breasts"])
    assert told["probability"] == right > 0.8 > 0.5 > left
    assert all(view["probability"] is None for view in told["views"])
    assert all(f.measured("score_share") is None for f in findings.findings)


def test_the_score_is_what_the_models_own_formula_says(exam, folder):
    """A disk of known contrast in an otherwise even image, by the example's own numbers."""
    model = ModelLibrary(folder, threads=1).load("example-mammo-exam")
    contract = model.card.contract
    assert isinstance(contract, MammoExam)
    told = contract.judge(model, four({"R CC": 0.30, "R MLO": 0.22}))
    sure = 1 / (1 + np.exp(-(0.30 - 0.2) / 0.02)), 1 / (1 + np.exp(-(0.22 - 0.2) / 0.02))
    assert told.breasts["R"] == pytest.approx(np.mean(sure), abs=0.05)
    assert told.breasts["L"] == pytest.approx(1 / (1 + np.exp(10)), abs=1e-3)
    assert told.exam == told.breasts["R"]


def four(contrasts: dict[str, float]) -> dict[str, Shown]:
    """Even images, each with a disk of 6 mm radius at 40 mm from its chest wall."""
    made = {}
    for side, view in STANDARD:
        name = f"{side} {view}"
        down, across = np.indices((1040, 780)) * 0.2
        disk = np.hypot(across - 40.0, down - 104.0) <= RADIUS_MM
        image = (0.3 + contrasts.get(name, 0.0) * disk).astype(np.float32)
        right = side is Laterality.RIGHT
        made[name] = Shown(image[:, ::-1] if right else image, (0.2, 0.2), right, 520.0)
    return made


def test_views_of_one_input_are_stacked_in_the_cards_order(folder):
    model = ModelLibrary(folder, threads=1).load("example-mammo-exam")
    contract = model.card.contract
    assert isinstance(contract, MammoExam)
    views = [
        one.model_copy(update={"image": one.image.model_copy(update={"name": "views"})})
        for one in contract.views
    ]
    for stack, shape in (("batch", (4, 1, 512, 384)), ("channel", (1, 4, 512, 384))):
        one = contract.model_copy(update={"views": tuple(views), "stack": stack})
        tensor = {"name": "views", "dtype": "float32", "shape": shape}
        card = model.card.model_copy(update={"inputs": (type(model.card.inputs[0])(**tensor),)})
        seen = one._inputs(Model(card, model._session), four({"L CC": 0.3, "R MLO": 0.2}))
        array = seen["views"]
        assert array.shape == shape
        brightest = array.reshape(4, -1).max(axis=1)
        # The card's order is L CC, R CC, L MLO, R MLO.
        assert brightest == pytest.approx([0.6, 0.3, 0.3, 0.5], abs=0.02)


def test_a_missing_view_refuses_the_exam_with_a_code(folder):
    with pytest.raises(RefusalError) as caught:
        analysed(likely_exam(STANDARD[:3]), folder)
    assert caught.value.reason is Reason.VIEWS_MISSING
    assert caught.value.detail == "L MLO"


@pytest.mark.parametrize(
    ("name", "contract", "reason"),
    [
        ("example-image-boxes", {"output": {"frame": "unit"}}, Reason.MODEL_OUTPUT_PLACE),
        ("example-image-boxes", {"output": {"layout": "rows"}}, Reason.MODEL_OUTPUT_SCORE),
        (
            "example-image-boxes",
            {"output": {"format": "corners", "edge": 0.0}},
            Reason.MODEL_OUTPUT_PLACE,
        ),
        ("example-mammo-exam", {"score": {"activation": "none"}}, Reason.MODEL_OUTPUT_SCORE),
        (
            "example-mammo-exam",
            {"outputs": [{"of": "exam", "name": "cc", "index": [0, 9, 1]}]},
            Reason.MODEL_OUTPUT_SHAPE,
        ),
    ],
)
def test_an_answer_that_the_card_does_not_describe_is_refused(
    folder, tmp_path, name, contract, reason
):
    into = changed(folder, tmp_path / "m", name, **contract)
    model = ModelLibrary(into, threads=1).load(name)
    shown = four({"R CC": 0.4})
    spoken = model.card.contract
    with pytest.raises(RefusalError) as caught:
        spoken.judge(model, shown) if isinstance(spoken, MammoExam) else spoken.find(
            model, shown["R CC"]
        )
    assert caught.value.reason is reason


def test_such_an_answer_refuses_the_whole_exam(exam, folder, tmp_path):
    into = changed(folder, tmp_path / "m", "example-image-boxes", output={"frame": "unit"})
    with pytest.raises(RefusalError) as caught:
        analysed(exam, into)
    assert caught.value.reason is Reason.MODEL_OUTPUT_PLACE


def test_models_fit_their_roles_and_each_other(folder, tmp_path):
    card = ModelLibrary(folder).card
    assert isinstance(APPLICATION, HasRoles)
    MammoModels().check(card)
    MammoModels(**BY_CONTRACT).check(card)
    MammoModels(masses_fine=None).check(card)
    for models, told in (
        ({"masses": "example-image-boxes"}, "set models.masses_fine to null"),
        ({"exam": "mammo-view"}, "fits: mammo-exam-four-views"),
        ({"masses": "mammo-calcifications"}, "role masses"),
        ({"calcifications": "example-image-boxes"}, "must be calcifications alone"),
    ):
        with pytest.raises(ModelError, match=told):
            MammoModels(**models).check(card)
    silent = changed(folder, tmp_path / "a", "example-image-boxes", malignancy="none")
    alone = MammoModels(masses="example-image-boxes", masses_fine=None)
    with pytest.raises(ModelError, match="name a model for the role exam"):
        alone.check(ModelLibrary(silent).card)
    MammoModels(**BY_CONTRACT).check(ModelLibrary(silent).card)
    cats = changed(folder, tmp_path / "b", "example-image-boxes", output={"classes": {0: "cat"}})
    with pytest.raises(ModelError, match="classes \\['cat'\\] are none of"):
        alone.check(ModelLibrary(cats).card)
    both = {0: "mass", 1: "calcifications"}
    specks = changed(folder, tmp_path / "c", "example-image-boxes", output={"classes": both})
    with pytest.raises(ModelError, match=r"set models\.calcifications to null"):
        alone.check(ModelLibrary(specks).card)


def test_another_scorer_ends_a_calibration_and_another_marker_beside_it_does_not(folder):
    digests = {name: "0" * 64 for one in (MammoModels(), MammoModels(**BY_CONTRACT))
               for name in one.chosen().values()}  # fmt: skip
    mine = MammoModels(**BY_CONTRACT)
    assert set(mine.scoring(digests)) == {"mammo-view", "example-mammo-exam"}
    ours = MammoModels(exam="example-mammo-exam")
    assert set(ours.scoring(digests)) == set(mine.scoring(digests))
    assert set(MammoModels().scoring(digests)) == {
        "mammo-view", "mammo-detector", "mammo-detector-fine",
    }  # fmt: skip
    named = MammoModels(exam="other@1.2.0")
    assert set(named.scoring({"other@1.2.0": "1" * 64})) == {"other"}


def test_the_shipped_choice_leaves_the_analysis_key_as_it_was():
    assert "models" not in MammoSettings().model_dump(mode="json")
    other = MammoSettings(models=BY_CONTRACT)
    assert MammoSettings.model_validate(other.model_dump(mode="json")) == other
