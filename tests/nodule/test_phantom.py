"""The phantom's truth is true, its DICOM valid, its check strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from gransk.core.ct import read_volume
from gransk.core.errors import InvalidValueError
from gransk.core.study import Instance, Study
from nodule.acceptance import Limits, check
from nodule.lungs import segment_lungs
from nodule.phantom import NAMES, Phantom, PhantomSpec, make_phantom
from nodule.series import SeriesRules, choose, ready

QUICK = {"matrix": 192, "spacing_mm": 3.0}


@pytest.fixture(scope="module")
def made() -> Phantom:
    return make_phantom(PhantomSpec(**QUICK))


def study(phantom: Phantom) -> Study:
    return Study.from_instances(Instance(ds, lambda ds=ds: ds) for ds in phantom.images)


def as_findings(truth: dict) -> list[dict]:
    keys = ("centre_lps_mm", "volume_mm3", "long_axis_mm", "short_axis_mm")
    return [{key: nodule[key] for key in keys} for nodule in truth["nodules"]]


def test_equal_seeds_give_equal_bytes_and_other_seeds_others():
    spec = PhantomSpec(matrix=128, spacing_mm=10, nodules=1)
    first, again = make_phantom(spec), make_phantom(spec)
    assert [d.PixelData for d in first.images] == [d.PixelData for d in again.images]
    assert first.truth == again.truth
    other = make_phantom(spec.model_copy(update={"seed": 2}))
    assert other.images[3].PixelData != first.images[3].PixelData
    assert other.truth["study_instance_uid"] != first.truth["study_instance_uid"]
    salted = make_phantom(spec.model_copy(update={"salt": "x"}))
    assert salted.truth["study_instance_uid"] != first.truth["study_instance_uid"]
    assert salted.images[3].PixelData == first.images[3].PixelData


def test_it_is_a_complete_chest_with_lungs(made):
    whole = study(made)
    assert ready(whole, SeriesRules())
    selection = choose(whole, SeriesRules())
    assert len(selection.instances) == len(made.images) == 93
    volume, _ = read_volume(selection.instances)
    lungs = segment_lungs(volume)
    litres = lungs.sum() * volume.geometry.voxel_volume_mm3 / 1e6
    assert 3 < litres < 7
    assert -900 < np.median(volume.hu[lungs]) < -800
    places = [n["centre_lps_mm"] for n in made.truth["nodules"]]
    for place in places:
        k, j, i = np.round(volume.geometry.to_index(place)).astype(int)
        assert lungs[k, j, i]


def test_nodules_have_the_stated_density_and_volume():
    phantom = make_phantom(PhantomSpec(noise_hu=0, nodules=3, matrix=320, spacing_mm=1.5))
    volume, _ = read_volume(study(phantom).instances)
    for nodule in phantom.truth["nodules"]:
        k, j, i = np.round(volume.geometry.to_index(nodule["centre_lps_mm"])).astype(int)
        assert volume.hu[k, j, i] == pytest.approx(nodule["hu"], abs=30)
        if nodule["place"] != "isolated":
            continue
        reach = [int(12 / s) for s in volume.geometry.spacing]
        box = tuple(slice(c - r, c + r + 1) for c, r in zip((k, j, i), reach, strict=True))
        part = volume.hu[box]
        at = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), -1)
        away = np.linalg.norm(volume.geometry.to_lps(at) - nodule["centre_lps_mm"], axis=-1)
        near = away < nodule["long_axis_mm"] / 2 + 2
        lung = np.median(part[(away > nodule["long_axis_mm"] / 2 + 2) & (part < -700)])
        share = np.clip((part[near] - lung) / (nodule["hu"] - lung), 0, 1).sum()
        found = share * volume.geometry.voxel_volume_mm3
        assert found == pytest.approx(nodule["volume_mm3"], rel=0.15)


@pytest.mark.parametrize("character_set", list(NAMES))
def test_images_are_valid_dicom(character_set, tmp_path):
    phantom = make_phantom(
        PhantomSpec(matrix=128, spacing_mm=10, nodules=0, character_set=character_set)
    )
    path = tmp_path / "image.dcm"
    phantom.images[4].save_as(path, enforce_file_format=True)
    tool = Path(sys.executable).parent / "dciodvfy"
    said = subprocess.run([tool, path], capture_output=True, text=True, check=False)
    assert "Error" not in said.stdout + said.stderr
    assert str(phantom.images[4].PatientName) == NAMES[character_set]


@pytest.mark.parametrize(
    "values", [{"seed": -1}, {"nodules": 99}, {"kernel": "SOFT"}, {"colour": "red"}]
)
def test_wrong_specs_are_refused(values):
    with pytest.raises(ValidationError):
        PhantomSpec(**values)


def test_nodules_that_find_no_place_are_refused():
    with pytest.raises(InvalidValueError, match="nodules"):
        make_phantom(PhantomSpec(matrix=128, slices=3, nodules=3))


def test_the_truth_passes_its_own_check(made):
    outcome = check(made.truth, as_findings(made.truth))
    assert outcome.passed
    assert [r.outcome for r in outcome.rows] == ["found"] * 5
    assert all(r.volume_percent == 0 for r in outcome.rows)


def test_the_check_sees_missed_extra_and_wrong(made):
    found = as_findings(made.truth)
    assert not check(made.truth, found[1:]).passed
    assert check(made.truth, found[1:], Limits(solid_missed=1)).passed
    extra = dict(found[0], centre_lps_mm=[0, 0, 0])
    assert check(made.truth, [*found, *2 * [extra]]).passed
    assert not check(made.truth, [*found, *3 * [extra]]).passed
    swollen = [dict(found[0], volume_mm3=found[0]["volume_mm3"] * 1.5), *found[1:]]
    faults = check(made.truth, swollen).faults
    assert len(faults) == 1
    assert "nodule 1" in faults[0]
    longer = [dict(found[0], long_axis_mm=found[0]["long_axis_mm"] + 3), *found[1:]]
    assert not check(made.truth, longer).passed
    assert not check(made.truth, []).passed


def test_a_later_scan_is_of_the_same_chest_its_nodules_grown():
    small = {"seed": 3, "spacing_mm": 10.0, "matrix": 128, "nodules": 2}
    first = make_phantom(PhantomSpec(**small))
    later = make_phantom(PhantomSpec(**small, days=182, growth_percent=60))
    ones, others = first.truth["nodules"], later.truth["nodules"]
    for one, other in zip(ones, others, strict=True):
        assert other["centre_lps_mm"] == one["centre_lps_mm"]
        assert other["volume_mm3"] == pytest.approx(1.6 * one["volume_mm3"], rel=0.002)
    was, now = first.images[0], later.images[0]
    assert (was.StudyDate, now.StudyDate) == ("20260105", "20260706")
    assert was.PatientID == now.PatientID
    assert was.StudyInstanceUID != now.StudyInstanceUID
    assert was.PixelData != now.PixelData


def test_a_first_scan_is_what_it_was_before_there_were_later_ones():
    spec = PhantomSpec(seed=3)
    assert "days" not in spec.identity
    assert spec.identity != PhantomSpec(seed=3, days=1).identity
    with pytest.raises(ValidationError, match="days"):
        PhantomSpec(growth_percent=10)
