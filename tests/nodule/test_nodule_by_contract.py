"""Models by contract put through the nodule application: places and sizes as in the phantom."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from bench.contracts.cards import write
from bench.contracts.graphs import Graph
from gransk.core.application import Context
from gransk.core.errors import ModelError, RefusalError
from gransk.core.findings import Findings
from gransk.core.keys import selection_key
from gransk.core.models import ModelLibrary
from gransk.core.reasons import Reason
from gransk.core.roles import HasRoles
from gransk.core.study import Instance, Study
from gransk.core.volume import Geometry, Volume
from nodule.application import NoduleApplication, NoduleSettings
from nodule.foreign import ContractSegmenter
from nodule.models import NoduleModels
from nodule.phantom import PhantomSpec, make_phantom

SHIPPED = Path(__file__).parents[2] / "onnx_models"
APPLICATION = NoduleApplication()
BY_ITSELF = {"search": None, "detector": "example-volume-boxes"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for name in ("volume-boxes", "volume-segmenter", "volume-segmenter-labels",
                 "volume-false-positive"):  # fmt: skip
        write(place, name)
    for name in ("nodule-search", "nodule-detector", "nodule-segmenter", "nodule-morphology"):
        (place / name).symlink_to(SHIPPED / name)
    return place


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(PhantomSpec(matrix=192, spacing_mm=2.5, noise_hu=10))


@pytest.fixture(scope="module")
def images(phantom) -> Study:
    return Study.from_instances(Instance(ds, lambda ds=ds: ds) for ds in phantom.images)


def analysed(images: Study, folder: Path, **models: Any) -> Findings:
    settings = NoduleSettings(models=BY_ITSELF | models)
    library = ModelLibrary(folder, threads=2)
    selection = APPLICATION.select(images, settings)
    return APPLICATION.analyse(images, selection, Context(library, settings, analysis_key="key"))


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


def against_truth(phantom, findings: Findings, volume_share: float) -> None:
    """Solid nodules that lie free are found where they are, and as large as they are."""
    truth = [n for n in phantom.truth["nodules"]
             if n["texture"] == "solid" and n["place"] == "isolated"]  # fmt: skip
    assert len(truth) == 2
    for nodule in truth:
        away = [np.linalg.norm(np.subtract(f.centre_lps_mm, nodule["centre_lps_mm"]))
                for f in findings.findings]  # fmt: skip
        finding = findings.findings[int(np.argmin(away))]
        assert min(away) < 1.0
        assert finding.measured("volume_mm3") == pytest.approx(
            nodule["volume_mm3"], rel=volume_share
        )
        assert finding.measured("long_axis_mm") == pytest.approx(nodule["long_axis_mm"], abs=1.5)


def test_detector_segmenter_and_judge_by_contract_find_the_phantoms_nodules(
    phantom, images, folder
):
    findings = analysed(
        images, folder, segmenter="example-volume-segmenter",
        false_positive="example-volume-false-positive",
    )  # fmt: skip
    assert [m.id for m in findings.models] == [
        "example-volume-boxes", "example-volume-segmenter", "nodule-morphology",
        "example-volume-false-positive",
    ]  # fmt: skip
    against_truth(phantom, findings, 0.25)
    # Boxes lie within half a cell of 2.5 x 2.5 x 3 mm of their nodules.
    for nodule in phantom.truth["nodules"]:
        if nodule["texture"] == "solid" and nodule["place"] == "isolated":
            away = [np.abs(np.subtract(c["centre_lps_mm"], nodule["centre_lps_mm"]))
                    for c in findings.candidates]  # fmt: skip
            nearest = min(away, key=np.linalg.norm)
            assert (nearest <= (2.5, 2.5, 3.0)).all()
    dropped = [c for c in findings.candidates if c.get("nodule_score", 1.0) < 0.5]
    told = {n.code: n.values for n in findings.notes}
    assert dropped
    assert told["false_positives_dropped"] == {"count": len(dropped)}
    assert not any(c["reported"] for c in dropped)
    for code in ("false_positives_dropped", "outlined_classically"):
        for language in ("en", "da"):
            note = next(n for n in findings.notes if n.code == code)
            assert "{" not in APPLICATION.presentation.text(note, language)


@pytest.mark.full
def test_a_map_of_labels_over_the_whole_scan_outlines_them_too(phantom, images, folder):
    findings = analysed(images, folder, segmenter="example-volume-labels")
    against_truth(phantom, findings, 0.25)


@pytest.mark.full
def test_our_segmenter_outlines_what_another_detector_finds(phantom, images, folder):
    against_truth(phantom, analysed(images, folder), 0.35)


@pytest.mark.parametrize(
    ("name", "contract", "reason"),
    [
        ("example-volume-boxes", {"output": {"frame": "unit"}}, Reason.MODEL_OUTPUT_PLACE),
        ("example-volume-boxes", {"output": {"boxes": "scores"}}, Reason.MODEL_OUTPUT_SHAPE),
        (
            "example-volume-boxes",
            {"output": {"score": {"range": [0.0, 0.1]}}},
            Reason.MODEL_OUTPUT_SCORE,
        ),
        ("example-volume-segmenter", {"channel": 2}, Reason.MODEL_OUTPUT_SHAPE),
        ("example-volume-segmenter", {"score": {"activation": "none"}}, Reason.MODEL_OUTPUT_SCORE),
        ("example-volume-segmenter", {"output": "mask"}, Reason.MODEL_OUTPUT_SHAPE),
    ],
)
def test_an_answer_that_the_card_does_not_describe_is_refused(
    chest, folder, tmp_path, name, contract, reason
):
    volume, lungs = chest
    models = ModelLibrary(changed(folder, tmp_path / "m", name, **contract), threads=1)
    model = models.load(name)
    spoken = model.card.contract
    outlines = name == "example-volume-segmenter"
    with pytest.raises(RefusalError) as caught:
        spoken.at(model, volume, CENTRE) if outlines else spoken.find(model, volume, lungs)
    assert caught.value.reason is reason


def test_what_is_no_number_refuses_the_study(images, folder, tmp_path):
    into = changed(folder, tmp_path / "m", "example-volume-boxes")
    graph = Graph()
    shape = graph.node("Shape", ["image"])
    graph.node("Cast", [graph.node("Mul", [shape, graph.constant(0, np.int64)])], "zero", to=1)
    nan = graph.node("Div", ["zero", "zero"])
    graph.node("Slice", [nan, *(graph.constant([n], np.int64) for n in (0, 1))], "scores")
    graph.node("Identity", [graph.constant(np.full((1, 6), 5.0))], "boxes")
    graph.node("Identity", [graph.constant([0], np.int64)], "labels")
    content = graph.content(
        {"image": (1, 1, "a", "b", "c")}, {"boxes": (1, 6), "scores": (1,), "labels": (1,)}
    )
    place = into / "example-volume-boxes"
    (place / "model.onnx").write_bytes(content)
    card = yaml.safe_load((place / "card.yaml").read_text(encoding="utf-8"))
    card["sha256"] = hashlib.sha256(content).hexdigest()
    for tensor in card["outputs"]:
        tensor["shape"] = [1, *tensor["shape"][1:]]
    (place / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    with pytest.raises(RefusalError) as caught:
        analysed(images, into)
    assert caught.value.reason is Reason.MODEL_OUTPUT_NOT_FINITE


CENTRE, DIAMETER_MM = (31.3, 40.6, 47.2), 10.0


def ball(directions: tuple[tuple[float, float, float], ...]) -> tuple[Volume, np.ndarray]:
    """A ball in lung, on voxels that are no cubes; all of it counts as lung."""
    geometry = Geometry((60, 80, 90), (-12.0, 30.0, -200.0), (1.25, 0.9, 0.7), directions)
    fine = 4
    offset = (np.arange(fine) + 0.5) / fine - 0.5
    axes = [
        ((np.arange(n)[:, None] + offset).ravel() - c) * s
        for n, c, s in zip(geometry.shape, CENTRE, geometry.spacing, strict=True)
    ]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = (k**2 + j**2 + i**2 <= (DIAMETER_MM / 2) ** 2).reshape(60, fine, 80, fine, 90, fine)
    share = inside.mean(axis=(1, 3, 5))
    return Volume((-850 + 900 * share).astype(np.float32), geometry), np.ones(share.shape, bool)


AXIAL = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
PRONE = ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))


@pytest.fixture(scope="module", params=[AXIAL, PRONE], ids=["supine", "prone"])
def chest(request: pytest.FixtureRequest) -> tuple[Volume, np.ndarray]:
    return ball(request.param)


def test_a_box_lies_about_the_ball_in_the_patient(chest, folder):
    volume, lungs = chest
    model = ModelLibrary(folder, threads=1).load("example-volume-boxes")
    found = model.card.contract.find(model, volume, lungs)[0]
    wanted = volume.geometry.to_lps(CENTRE)
    away = np.abs(volume.geometry.to_lps(found.index) - wanted)
    assert (away <= np.array((2.5, 2.5, 3.0)) / 2 + 0.1).all()
    # The example knows balls of 8 and of 11 mm.
    assert found.sides_mm == pytest.approx((11.0,) * 3) or found.sides_mm == pytest.approx(
        (8.0,) * 3
    )
    assert found.score > 0.8


@pytest.mark.parametrize("name", ["example-volume-segmenter", "example-volume-labels"])
def test_an_outline_is_the_ball_in_the_patient(chest, folder, name):
    volume, lungs = chest
    model = ModelLibrary(folder, threads=1).load(name)
    outliner = ContractSegmenter(model.card.contract, model)
    mask = outliner.segment(volume, (30.0, 42.0, 45.0), lungs)
    assert outliner.classical == 0
    points = np.argwhere(mask.to_array()) + mask.origin
    truth = np.pi / 6 * DIAMETER_MM**3
    assert len(points) * volume.geometry.voxel_volume_mm3 == pytest.approx(truth, rel=0.1)
    middle = volume.geometry.to_lps(points.mean(axis=0))
    assert np.linalg.norm(middle - volume.geometry.to_lps(CENTRE)) < 0.3


def test_where_the_segmenter_gives_nothing_the_classical_outline_stands(chest, folder):
    volume, lungs = chest
    model = ModelLibrary(folder, threads=1).load("example-volume-segmenter")
    faint = Volume(np.where(volume.hu > -700, -500, volume.hu).astype(np.float32), volume.geometry)
    outliner = ContractSegmenter(model.card.contract, model)
    assert outliner.segment(faint, CENTRE, lungs).to_array().sum() > 100
    assert outliner.classical == 1


def test_a_judge_answers_for_the_middle_of_its_window(chest, folder):
    volume, _ = chest
    model = ModelLibrary(folder, threads=1).load("example-volume-false-positive")
    beside = (CENTRE[0], CENTRE[1] + 12 / 0.9, CENTRE[2])
    at_edge = (1.0, 2.0, 3.0)
    scores = model.card.contract.scores(model, volume, [CENTRE, beside, at_edge])
    assert scores[0] > 0.9
    assert max(scores[1:]) < 0.01


def test_a_model_fits_its_role_or_is_refused_by_name(folder):
    card = ModelLibrary(folder).card
    NoduleModels().check(card)
    NoduleModels(**BY_ITSELF).check(card)
    for models, told in (
        ({"detector": "example-volume-boxes"}, "set models.search to null"),
        ({"search": None}, "judges what a search proposes"),
        ({"segmenter": "example-volume-boxes"}, "role segmenter: model 'example-volume-boxes' has"),
        ({"false_positive": "nodule-detector"}, "fits: volume-false-positive"),
        ({"detector": "nodule-morphology"}, "role detector: model 'nodule-morphology' has no"),
        ({"morphology": "absent"}, "'absent' has no card.yaml"),
    ):
        with pytest.raises(ModelError, match=told):
            NoduleModels(**models).check(card)
    with pytest.raises(ValidationError, match="should match pattern"):
        NoduleModels(detector="Not a name")
    assert NoduleModels(detector="nodule-detector@1.2.3").chosen()["detector"].endswith("@1.2.3")


def test_a_card_of_a_detector_wants_an_operating_point(folder, tmp_path):
    into = changed(folder, tmp_path / "m", "example-volume-boxes")
    path = into / "example-volume-boxes" / "card.yaml"
    card = yaml.safe_load(path.read_text(encoding="utf-8"))
    del card["operating_point"]
    path.write_text(yaml.safe_dump(card), encoding="utf-8")
    with pytest.raises(ModelError, match="wants an operating point"):
        ModelLibrary(into).card("example-volume-boxes")


def test_the_shipped_choice_leaves_the_analysis_key_as_it_was(images, folder, tmp_path):
    assert isinstance(APPLICATION, HasRoles)
    assert "models" not in NoduleSettings().model_dump(mode="json")
    other = NoduleSettings(models=BY_ITSELF)
    assert other.model_dump(mode="json")["models"]["detector"] == "example-volume-boxes"
    assert NoduleSettings.model_validate(other.model_dump(mode="json")) == other
    selection = APPLICATION.select(images, other)
    library = ModelLibrary(folder)
    key = selection_key(APPLICATION, selection, other, library)
    assert key != selection_key(APPLICATION, selection, NoduleSettings(), library)
    # The same weights, spoken to in another way, are another model.
    into = changed(folder, tmp_path / "m", "example-volume-boxes", input={"voxel_mm": [2, 2, 3]})
    assert key != selection_key(APPLICATION, selection, other, ModelLibrary(into))
