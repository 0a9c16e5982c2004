"""Geometry checked image by image, values to HU, multi-frame objects."""

from __future__ import annotations

import random

import numpy as np
import pytest
from ct_images import ENHANCED, LEGACY, ct_slice, enhanced, instance, instances, stack, stored_slice
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from gransk.core.ct import LOWEST_HU, check_size, frames_of, lay_out, read_volume
from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason


def refused(datasets, **options) -> Reason:
    with pytest.raises(RefusalError) as refusal:
        read_volume(instances(datasets), **options)
    return refusal.value.reason


def hu(k: int) -> np.ndarray:
    return stored_slice(k).astype(np.float32) - 1024


def test_slices_are_sorted_from_feet_to_head():
    shuffled = stack(8)
    random.Random(1).shuffle(shuffled)
    volume, frames = read_volume(instances(shuffled))
    assert volume.hu.shape == (8, 40, 32)
    for k in range(8):
        assert np.array_equal(volume.hu[k], hu(k))
    assert [f.sop_instance_uid for f in frames] == [d.SOPInstanceUID for d in stack(8)]
    assert all(f.frame is None for f in frames)
    assert volume.geometry.spacing == (2.5, 0.8, 0.7)
    assert volume.geometry.origin == (-10, -20, 0)
    assert np.allclose(volume.geometry.to_lps([3, 4, 5]), [-10 + 3.5, -20 + 3.2, 7.5])


@pytest.mark.parametrize(
    ("orientation", "row", "column"),
    [
        ([1, 0, 0, 0, 1, 0], (1, 0, 0), (0, 1, 0)),  # supine
        ([-1, 0, 0, 0, -1, 0], (-1, 0, 0), (0, -1, 0)),  # prone
        ([-1, 0, 0, 0, 1, 0], (-1, 0, 0), (0, 1, 0)),  # seen from above, as feet first may be
        ([0, 1, 0, 1, 0, 0], (0, 1, 0), (1, 0, 0)),  # turned by a quarter
    ],
)
def test_flipped_orientations_keep_places_right(orientation, row, column):
    volume, _ = read_volume(instances(stack(ImageOrientationPatient=orientation)))
    head, down, across = volume.geometry.directions
    assert np.allclose(head, (0, 0, 1))
    assert np.allclose(down, column)
    assert np.allclose(across, row)
    place = np.array([-10, -20, 5]) + 0.8 * 4 * np.array(column) + 0.7 * 5 * np.array(row)
    assert np.allclose(volume.geometry.to_lps([2, 4, 5]), place)


def test_an_oblique_stack_along_its_normal_is_read_and_other_planes_are_not():
    angle = np.radians(15)
    column = np.array([0, np.cos(angle), np.sin(angle)])
    normal = np.array([0, -np.sin(angle), np.cos(angle)])
    images = [
        ct_slice(k, z=2.5 * k, ImageOrientationPatient=[1, 0, 0, *column],
                 ImagePositionPatient=list(2.5 * k * normal))
        for k in range(6)
    ]  # fmt: skip
    volume, _ = read_volume(instances(images))
    assert volume.geometry.spacing[0] == pytest.approx(2.5)
    assert refused(stack(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])) == Reason.NOT_AXIAL
    assert refused(stack(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])) == Reason.NOT_AXIAL


def test_gantry_tilt_is_refused():
    angle = np.radians(15)
    tilted = [1, 0, 0, 0, np.cos(angle), -np.sin(angle)]
    assert refused(stack(ImageOrientationPatient=tilted)) == Reason.GANTRY_TILT


def test_a_sideways_jump_is_refused():
    images = stack(9)
    images[4].ImagePositionPatient = [-7, -20, 10]
    assert refused(images) == Reason.INCONSISTENT_IMAGES


@pytest.mark.parametrize("missing", [[3], [3, 4], [2, 6]])
def test_gaps_are_refused(missing):
    images = [d for k, d in enumerate(stack(10)) if k not in missing]
    assert refused(images) == Reason.SLICE_GAP


def test_uneven_spacing_is_refused_and_rounding_is_not():
    uneven = [ct_slice(k, z=z) for k, z in enumerate([0, 2.5, 5.0, 7.5, 10.9, 13.4])]
    assert refused(uneven) == Reason.SLICE_GAP
    rounded = [ct_slice(k, z=round(0.6667 * k, 2)) for k in range(10)]
    volume, _ = read_volume(instances(rounded))
    assert volume.geometry.spacing[0] == pytest.approx(0.6667, abs=0.002)


def test_identical_duplicates_are_dropped_and_different_ones_refused():
    twin = ct_slice(2, series="twin")
    volume, frames = read_volume(instances([*stack(), twin]))
    assert volume.hu.shape[0] == len(frames) == 6
    layout = lay_out([f for d in [*stack(), twin] for f in frames_of(instance(d))])
    assert [k for k, _ in layout.duplicates] == [2]
    other = ct_slice(2, series="twin", pixels=stored_slice(4))
    assert refused([*stack(), other]) == Reason.DUPLICATE_SLICES


def test_mixed_orientation_and_frames_of_reference_are_refused():
    prone = ct_slice(6, ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    assert refused([*stack(), prone]) == Reason.MIXED_ORIENTATION
    elsewhere = ct_slice(6, FrameOfReferenceUID="1.2.3")
    assert refused([*stack(), elsewhere]) == Reason.INCONSISTENT_IMAGES


@pytest.mark.parametrize(
    "keyword",
    ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
     "RescaleIntercept", "Rows", "PixelRepresentation"],
)  # fmt: skip
@pytest.mark.parametrize("which", ["one", "all"])
def test_missing_tags_are_refused(keyword, which):
    images = stack()
    for image in images if which == "all" else images[3:4]:
        delattr(image, keyword)
    assert refused(images) in (Reason.MISSING_ATTRIBUTE, Reason.INCONSISTENT_IMAGES)
    if which == "all":
        assert refused(images) == Reason.MISSING_ATTRIBUTE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PixelSpacing": [0, 0.7]}, Reason.INCONSISTENT_IMAGES),
        ({"PixelSpacing": [0.8, 0.8]}, Reason.INCONSISTENT_IMAGES),
        ({"ImagePositionPatient": [1, 2]}, Reason.INCONSISTENT_IMAGES),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, Reason.INCONSISTENT_IMAGES),
        ({"RescaleType": "OD"}, Reason.NOT_HOUNSFIELD),
        ({"RescaleSlope": -1}, Reason.NOT_HOUNSFIELD),
        ({"pixels": stored_slice(3, 44, 32)}, Reason.INCONSISTENT_IMAGES),
    ],
)
def test_one_odd_image_is_refused(changes, reason):
    assert refused([*stack(3), ct_slice(3, **changes), *stack(6)[4:]]) == reason


def test_values_without_air_are_not_hounsfield():
    assert refused(stack(RescaleIntercept=0)) == Reason.NOT_HOUNSFIELD


def test_signed_values_and_rescale_slice_by_slice():
    signed = [ct_slice(k, pixels=stored_slice(k).astype(np.int16) - 1024, RescaleIntercept=0)
              for k in range(3)]  # fmt: skip
    scaled = [
        ct_slice(k, pixels=stored_slice(k) * 2, RescaleSlope=0.5, RescaleIntercept=-1024)
        for k in range(3, 6)
    ]
    images = signed
    volume, _ = read_volume(instances(images))
    assert np.array_equal(volume.hu[1], hu(1))
    volume, _ = read_volume(instances(stack(3) + scaled))
    assert np.allclose(volume.hu[4], hu(4))


@pytest.mark.parametrize("declared", [-2000, 63536])
def test_padding_becomes_air_even_with_the_wrong_sign(declared):
    pixels = stored_slice(0).astype(np.int16)
    pixels[:3] = -2000
    images = [ct_slice(k, pixels=pixels) for k in range(3)]
    for image in images:
        image.add_new("PixelPaddingValue", "US" if declared > 0 else "SS", declared)
    volume, _ = read_volume(instances(images))
    assert (volume.hu[:, :3] == LOWEST_HU).all()
    assert np.array_equal(volume.hu[1, 3:], hu(0)[3:])


def test_a_padding_range_of_high_values_becomes_air_and_one_that_hides_tissue_is_not_believed():
    pixels = stored_slice(0)
    pixels[:3] = 60001
    images = [ct_slice(k, pixels=pixels) for k in range(3)]
    for image in images:
        image.add_new("PixelPaddingValue", "US", 60000)
        image.add_new("PixelPaddingRangeLimit", "US", 60010)
    volume, _ = read_volume(instances(images))
    assert (volume.hu[:, :3] == LOWEST_HU).all()
    images = stack()
    for image in images:
        image.add_new("PixelPaddingValue", "US", 1064)
    volume, _ = read_volume(instances(images))
    assert np.array_equal(volume.hu[2], hu(2))


def test_monochrome1_has_the_same_values():
    volume, _ = read_volume(instances(stack(PhotometricInterpretation="MONOCHROME1")))
    assert np.array_equal(volume.hu[2], hu(2))


@pytest.mark.parametrize("sop_class", [ENHANCED, LEGACY])
def test_multi_frame_objects_are_read_by_their_groups(sop_class):
    order = [3, 0, 5, 1, 4, 2]
    volume, frames = read_volume([instance(enhanced(order, sop_class))])
    for k in range(6):
        assert np.array_equal(volume.hu[k], hu(k))
    assert [f.frame for f in frames] == [order.index(k) + 1 for k in range(6)]
    assert volume.geometry.spacing == (2.5, 0.8, 0.7)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: delattr(d, "PerFrameFunctionalGroupsSequence"), Reason.MISSING_ATTRIBUTE),
        (lambda d: delattr(d, "SharedFunctionalGroupsSequence"), Reason.MISSING_ATTRIBUTE),
        (lambda d: d.PerFrameFunctionalGroupsSequence.pop(), Reason.INCONSISTENT_IMAGES),
        (lambda d: setattr(d, "NumberOfFrames", 7), Reason.INCONSISTENT_IMAGES),
        (lambda d: setattr(d, "PixelData", d.PixelData[:-100]), Reason.UNDECODABLE_PIXELS),
        (
            lambda d: setattr(
                d.PerFrameFunctionalGroupsSequence[2], "PlaneOrientationSequence", [_coronal()]
            ),
            Reason.MIXED_ORIENTATION,
        ),
    ],
)
def test_incomplete_multi_frame_objects_are_refused(change, reason):
    ds = enhanced()
    change(ds)
    with pytest.raises(RefusalError) as refusal:
        read_volume([instance(ds)])
    assert refusal.value.reason == reason


def _coronal() -> Dataset:
    item = Dataset()
    item.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    return item


def test_other_objects_are_refused():
    ds = ct_slice()
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    assert refused([ds]) == Reason.UNSUPPORTED_SOP_CLASS
    assert refused(stack(2)) == Reason.TOO_FEW_SLICES
    assert refused(stack(NumberOfFrames=2)) == Reason.INCONSISTENT_IMAGES


def test_too_many_slices_are_refused_before_anything_is_read():
    check_size(1365, 512, 512, 4096)
    with pytest.raises(RefusalError) as refusal:
        check_size(1366, 512, 512, 4096)
    assert refusal.value.reason == Reason.TOO_MANY_SLICES
    large = [ct_slice(k, Rows=4096, Columns=4096) for k in range(12)]
    assert refused(large, memory_mb=1024) == Reason.TOO_MANY_SLICES


def test_a_file_that_vanished_is_undecodable():
    found = instances(stack())

    def gone() -> Dataset:
        raise OSError("gone")

    broken = type(found[0])(found[2].header, gone)
    with pytest.raises(RefusalError) as refusal:
        read_volume([*found[:2], broken, *found[3:]])
    assert refusal.value.reason == Reason.UNDECODABLE_PIXELS


def test_progress_ends_at_one():
    shares: list[float] = []
    read_volume(instances(stack()), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@settings(max_examples=60, deadline=None)
@given(
    yaw=st.floats(-180, 180),
    nod=st.floats(-20, 20),
    step=st.floats(0.4, 5),
    mirrored=st.booleans(),
    data=st.data(),
)
def test_any_axial_stack_keeps_every_place(yaw, nod, step, mirrored, data):
    """Whatever the direction of rows and columns, index and patient place agree."""
    a, b = np.radians(yaw), np.radians(nod)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    row, column, normal = (tip @ turn @ axis for axis in np.eye(3))
    if mirrored:
        row = -row
    images = []
    for k in range(4):
        place = np.array([30.0, -50, 7]) + k * step * normal
        images.append(
            ct_slice(k, ImagePositionPatient=[f"{v:.6f}" for v in place],
                     ImageOrientationPatient=[f"{v:.8f}" for v in (*row, *column)])
        )  # fmt: skip
    order = data.draw(st.permutations(range(4)))
    layout = lay_out([f for k in order for f in frames_of(instance(images[k]))])
    for k in range(4):
        expected = np.array([30.0, -50, 7]) + k * step * normal + 3 * 0.8 * column + 2 * 0.7 * row
        assert np.allclose(layout.geometry.to_lps([k, 3, 2]), expected, atol=0.02)
