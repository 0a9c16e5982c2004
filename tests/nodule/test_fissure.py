"""A nodule at a sheet, away from it, at a vessel, at a wall, and what is never told."""

from __future__ import annotations

import numpy as np
import pytest

from gransk.core.codes import LUNG, NODULE
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Finding
from gransk.core.volume import Geometry, Volume
from nodule.coding import measurements, qualities
from nodule.density import Texture
from nodule.fissure import (
    NO_LUNGS,
    Perifissural,
    Sheet,
    Surroundings,
    Unassessed,
    features,
    find_sheet,
    perifissural,
    probability,
)
from nodule.measurement import measure
from nodule.place import Answer
from nodule.presentation import details, finding_json
from nodule.segmentation import segment
from nodule.uncertainty import ErrorModel
from training.nodule import insertion
from training.nodule.insertion import Inserted, Scanner, Shape, insert

LUNG_HU, WALL_HU, NOISE_HU = -850.0, 40.0, 20.0
SIZE_MM = 64.0
THIN = (1.0, 0.7, 0.7)
SLANT = (0.8, -0.6, 0.0)


def block(
    diameter: float = 6.0,
    sheet: insertion.Sheet | None = None,
    spacing: tuple[float, float, float] = THIN,
    vessel: bool = False,
    wall: bool = False,
    seed: int = 1,
):
    """A cube of lung with a nodule in its middle: scan, nodule's mask, lungs.

    A vessel of 2.4 mm passes by the nodule; a wall touches it from behind.
    """
    shape = tuple(int(SIZE_MM / s) for s in spacing)
    rng = np.random.default_rng(seed)
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    hu = np.full(shape, LUNG_HU, np.float32)
    hu += rng.normal(0, NOISE_HU, shape).astype(np.float32)
    lungs = np.ones(shape, bool)
    if vessel:
        along = (k * 0.5 + j * 0.7 + i * 0.5) / np.sqrt(0.99)
        aside = np.sqrt(np.maximum(k**2 + (j - 2) ** 2 + i**2 - along**2, 0))
        hu[np.broadcast_to(aside <= 1.2, shape)] = WALL_HU
    if wall:
        behind = np.broadcast_to(j > diameter / 2, shape)
        hu[behind] = WALL_HU
        lungs &= ~behind
    middle = tuple((n - 1) / 2 for n in shape)
    ball = Shape(diameter, np.zeros((1, 3)), np.zeros(1), 0.0)
    insert(hu, spacing, Inserted(middle, ball, "solid", "", sheet), Scanner(0.5, NOISE_HU), rng)
    volume = Volume(hu, Geometry(shape, (0.0, 0.0, 0.0), spacing))
    return volume, segment(volume, middle, lungs), lungs


def told(volume, mask, lungs) -> Perifissural:
    return measure(volume, mask, lungs).perifissural


def fissure(depth_mm: float, normal=SLANT, thickness_mm: float = 0.15, **more) -> insertion.Sheet:
    return insertion.Sheet(normal, depth_mm, thickness_mm, **more)


@pytest.mark.parametrize("spacing", [THIN, (2.0, 0.8, 0.8)])
@pytest.mark.parametrize("normal", [SLANT, (0.5, 0.5, -(0.5**0.5)), (0.98, 0.0, 0.2)])
def test_a_nodule_at_a_sheet_is_told(spacing, normal):
    found = told(*block(sheet=fissure(3.0, normal), spacing=spacing))
    assert found.answer is Answer.YES
    assert found.reason is None
    assert found.sheet.coverage > 0.8
    assert found.sheet.area_mm2 > 300
    assert found.sheet.gap_mm < 1
    assert found.sheet.centre_mm == pytest.approx(3, abs=1)
    assert found.sheet.thickness_mm <= 3


def test_a_bent_sheet_through_the_nodule_is_told():
    found = told(*block(8.0, fissure(1.0, bend_per_mm=1 / 80)))
    assert found.answer is Answer.YES
    assert found.sheet.gap_mm == 0
    assert found.sheet.centre_mm == pytest.approx(1, abs=0.8)


@pytest.mark.parametrize(("gap", "answers"), [(3.0, {Answer.UNCERTAIN, Answer.NO}),
                                              (5.5, {Answer.NO})])  # fmt: skip
def test_a_sheet_that_the_nodule_does_not_touch_is_not_its_fissure(gap, answers):
    found = told(*block(sheet=fissure(3.0 + gap)))
    assert found.answer in answers
    assert found.sheet.gap_mm == pytest.approx(gap, abs=0.8)
    assert found.sheet.coverage > 0.8


@pytest.mark.parametrize("what", [{}, {"vessel": True}, {"wall": True}])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_a_sheet_nothing_is_told(what, seed):
    found = told(*block(seed=seed, **what))
    assert (found.probability, found.reason) == (None, Unassessed.NO_FISSURE_SEEN)
    assert found.answer is Answer.NOT_ASSESSED


def test_a_vessel_does_not_hide_a_sheet_and_a_wall_half_of_it():
    free, vessel, wall = (
        told(*block(sheet=fissure(-3.0), **what)) for what in ({}, {"vessel": True}, {"wall": True})
    )
    assert vessel.answer is Answer.YES
    assert wall.probability > 0.4
    assert wall.sheet.area_mm2 < vessel.sheet.area_mm2 < free.sheet.area_mm2


def test_a_faint_sheet_is_less_probable():
    clear = probability(find_sheet(Surroundings.of(*block(sheet=fissure(3.0)))))
    weak = fissure(3.0, thickness_mm=0.08)
    faint = probability(find_sheet(Surroundings.of(*block(sheet=weak))))
    none = probability(find_sheet(Surroundings.of(*block())))
    assert none < faint < clear


def test_what_is_never_told():
    volume, mask, lungs = block(sheet=fissure(3.0))
    args = (volume, mask)
    assert perifissural(*args, lungs, 6.0, None).answer is Answer.YES
    assert perifissural(*args, None, 6.0, None) == NO_LUNGS
    assert perifissural(*args, lungs, 10.0, None).reason is Unassessed.TOO_LARGE
    for texture in (Texture.PART_SOLID, Texture.GROUND_GLASS):
        assert perifissural(*args, lungs, 6.0, texture).reason is Unassessed.NOT_SOLID
    large = told(*block(12.0, fissure(6.0)))
    assert large.reason is Unassessed.TOO_LARGE
    thick = told(*block(sheet=fissure(3.0, thickness_mm=0.5), spacing=(3.0, 0.7, 0.7)))
    assert thick.reason is Unassessed.THICK_SLICES
    assert thick.answer is Answer.NOT_ASSESSED


def test_the_same_images_give_the_same_answer():
    scan = block(sheet=fissure(3.0))
    assert told(*scan) == told(*scan)


def test_a_nodule_at_the_scans_end_is_looked_at_as_far_as_it_goes():
    volume, mask, lungs = block(sheet=fissure(3.0))
    first = mask.origin[0] - 2
    part = Volume(volume.hu[first:], Geometry((64 - first, 91, 91), (0.0, 0.0, 0.0), THIN))
    moved = mask.model_copy(update={"origin": (2, *mask.origin[1:])})
    whole, cut = told(volume, mask, lungs), told(part, moved, lungs[first:])
    assert cut.sheet.area_mm2 < 0.8 * whole.sheet.area_mm2


def sheet_of(coverage: float = 0.9, area_mm2: float = 400.0, gap_mm: float = 0.0) -> Sheet:
    return Sheet(coverage, area_mm2, 60.0, 1.5, gap_mm, 3.0)


def test_evidence_raises_and_distance_lowers_the_probability():
    assert probability(sheet_of()) > probability(sheet_of(coverage=0.7))
    assert probability(sheet_of()) > probability(sheet_of(area_mm2=150.0))
    assert probability(sheet_of()) > probability(sheet_of(gap_mm=2.0)) > probability(None)
    assert probability(sheet_of(1.0, 5000.0)) == 0.95
    assert features(None) == (0.0, 0.0)
    assert features(sheet_of(gap_mm=100.0)) == pytest.approx((0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize("values", [(None, None), (0.5, Unassessed.TOO_LARGE), (1.5, None)])
def test_what_makes_no_sense_is_refused(values):
    with pytest.raises(InvalidValueError):
        Perifissural(*values)


@pytest.mark.parametrize(
    ("value", "answer"),
    [(0.7, Answer.YES), (0.69, Answer.UNCERTAIN), (0.21, Answer.UNCERTAIN), (0.2, Answer.NO)],
)
def test_a_probability_in_words(value, answer):
    assert Perifissural(value, None).answer is answer


def finding_of(measured) -> Finding:
    return Finding(
        tracking_uid="1.2.3", tracking_id="Nodule 1", kind=NODULE, site=LUNG, probability=0.9,
        measurements=measurements(measured, ErrorModel(THIN)), qualities=qualities(measured),
    )  # fmt: skip


def test_it_is_coded_and_shown_in_both_languages():
    finding = finding_of(measure(*block(sheet=fissure(3.0))))
    found = finding_json(finding)
    assert (found["perifissural"], found["perifissural_reason"]) == ("yes", None)
    share = found["morphology"]["perifissural"]
    assert 0.7 <= share <= 0.95
    number = next(m for m in finding.measurements if m.name == "perifissural_probability")
    assert number.method == "estimate from geometry"
    assert dict(details(finding, "en"))["At a fissure, estimated"] == f"yes ({100 * share:.0f} %)"
    assert dict(details(finding, "da"))["Ved en fissur, anslået"] == f"ja ({100 * share:.0f} %)"


def test_why_it_is_not_assessed_is_coded_and_shown():
    finding = finding_of(measure(*block()))
    found = finding_json(finding)
    assert (found["perifissural"], found["perifissural_reason"]) == (
        "not_assessed", "no_fissure_seen",
    )  # fmt: skip
    assert "perifissural" not in found["morphology"]
    shown = dict(details(finding, "da"))["Ved en fissur, anslået"]
    assert shown == "ikke vurderet (ingen fissur set)"
