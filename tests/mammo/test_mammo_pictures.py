"""Pictures of an exam: each view as it hangs, marks at their places."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from mammo_exam import (
    DRAWN,
    GE_R_MLO,
    NO_PACKAGE,
    draw,
    drawn_exam,
    image,
    package_exam,
    package_folder,
)
from pydicom import dcmread

from gransk.core.application import Picture
from gransk.core.findings import Finding
from gransk.core.study import Instance
from gransk.results.pictures import pack_pictures, unpack_pictures
from mammo.image.pixels import read_pixels
from mammo.pictures import VIEW_MM, hang, pictures
from mammo.view import Laterality, Projection

R, L = Laterality


def inside(picture: Picture, outline) -> float:
    """Mean grey within an outline's inner half."""
    points = np.array(outline)
    x, y = points.mean(axis=0)
    radius = np.hypot(*(points[0] - (x, y))) / 2
    rows, columns = np.mgrid[: picture.pixels.shape[0], : picture.pixels.shape[1]]
    return float(
        picture.pixels[(columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2].mean()
    )


@pytest.mark.parametrize("inverted", [False, True])
def test_views_hang_with_the_chest_wall_in_the_middle_and_marks_on_their_lesions(
    tmp_path, inverted
):
    exam = drawn_exam(tmp_path, inverted=inverted)
    made = pictures(exam.study, exam.findings)
    views = {p.role: p for p in made if p.role}
    assert list(views) == ["R CC", "R MLO", "L CC", "L MLO"]
    for role, view in views.items():
        middle = view.pixels.shape[0] // 2
        left, right = view.pixels[middle, :8].mean(), view.pixels[middle, -8:].mean()
        assert (right > 3 * left) if role.startswith("R") else (left > 3 * right), role
    for finding in exam.findings.findings:
        shown = [(p, p.placed.outline(finding.regions[0])) for p in views.values()]
        drawn = [(p, line) for p, line in shown if line]
        assert len(drawn) == 1
        assert inside(*drawn[0]) > 190
        assert drawn[0][0].pixels.mean() < 90


def test_every_view_has_the_same_scale(tmp_path):
    exam = drawn_exam(tmp_path)
    for finding in exam.findings.findings:
        views = [p for p in pictures(exam.study, exam.findings) if p.role]
        lines = [p.placed.outline(finding.regions[0]) for p in views]
        points = np.array(next(line for line in lines if line))
        assert np.ptp(points[:, 0]) * VIEW_MM == pytest.approx(finding.measured("size_mm"), abs=0.3)


def test_a_close_up_has_its_mark_in_the_middle(tmp_path):
    exam = drawn_exam(tmp_path)
    close = [p for p in pictures(exam.study, exam.findings) if not p.role]
    assert [p.tracking_uid for p in close] == [f.tracking_uid for f in exam.findings.findings]
    for picture in close:
        middle = np.array(picture.outlines[0]).mean(axis=0)
        assert middle == pytest.approx([240, 240], abs=3)
        assert inside(picture, picture.outlines[0]) > 190
    assert "same lesion as Mark 2" in close[0].caption["en"]
    assert "samme læsion som Mark 2" in close[0].caption["da"]


def test_a_mirrored_image_is_hung_the_right_way(tmp_path):
    drawn = draw(R, Projection.CC)
    made = image(R, Projection.CC, np.ascontiguousarray(drawn[:, ::-1]))
    made.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    read = partial(dcmread, tmp_path / "one.dcm")
    hung = hang(read_pixels(Instance(read(), read)), R)
    assert hung.flipped
    middle = hung.image.shape[0] // 2
    assert hung.image[middle, -8:].mean() > 3 * hung.image[middle, :8].mean()
    mirrored = (drawn.shape[1] - DRAWN[0].centre[0], DRAWN[0].centre[1])
    assert hung.from_native(mirrored) == pytest.approx(DRAWN[0].centre)


def test_pictures_survive_packing(tmp_path):
    exam = drawn_exam(tmp_path)
    made = pictures(exam.study, exam.findings)
    again = unpack_pictures(pack_pictures(made))
    assert [(p.role, p.placed, p.tracking_uid, p.caption) for p in again] == [
        (p.role, p.placed, p.tracking_uid, dict(p.caption)) for p in made
    ]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(again, made, strict=True))


@pytest.mark.skipif(not GE_R_MLO.is_file(), reason=f"{GE_R_MLO.name} is not in GRANSK_DATA")
def test_a_real_digital_view_hangs():
    read = partial(dcmread, GE_R_MLO)
    hung = hang(read_pixels(Instance(read(), read)), R)
    top, bottom, left, right = hung.box
    middle = (top + bottom) // 2
    assert right > hung.image.shape[1] - 60
    assert (
        hung.image[middle, right - 40 : right].mean()
        > 3 * hung.image[middle, left : left + 20].mean()
    )


@pytest.mark.full
@pytest.mark.skipif(package_folder() is None, reason=NO_PACKAGE)
@pytest.mark.parametrize("case", ["sfm-malign-0", "sfm-benign-0"])
def test_real_films_hang_back_to_back(tmp_path, case):
    exam = package_exam(tmp_path, case)
    views = {p.role: p for p in pictures(exam.study, exam.findings) if p.role}
    for role, view in views.items():
        rows = slice(view.pixels.shape[0] // 3, view.pixels.shape[0] // 2)
        left, right = view.pixels[rows, 10:30].mean(), view.pixels[rows, -30:-10].mean()
        assert (right > 2 * left) if role.startswith("R") else (left > 2 * right), role
    found: list[Finding] = list(exam.findings.findings)
    assert found
    for finding in found:
        lines = [line for p in views.values() if (line := p.placed.outline(finding.regions[0]))]
        assert len(lines) == 1
