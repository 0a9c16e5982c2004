"""Figures of marks and scores, and labels of other people's exams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.mammo.accuracy import exam_auc, largest_mm, scanner_auc
from bench.mammo.folder import read_labels
from gransk.core.errors import UnreadableInputError
from training.mammo.films import Film, folds
from training.mammo.measures import (
    Marked,
    Read,
    auc,
    breast_auc,
    film_auc,
    interval,
    sensitivity,
)


def film(patient: str, side: str, view: str, malignant: bool, boxes: int = 1) -> Film:
    return Film(
        key=f"{patient}_{side}_{view}",
        patient=patient,
        exam=f"{patient}_1",
        side=side,
        view=view,
        density=2,
        assessment=4,
        malignant=malignant,
        shapes="IRREGULAR-ARCHITECTURAL_DISTORTION",
        margins="SPICULATED|ILL_DEFINED",
        boxes=((0.0, 0.0, 100.0, 40.0),) * boxes,
        shape=(1000, 800),
        spacing_mm=0.05,
        scanner="A" if malignant else "B",
        image=Path("none.jpg"),
    )


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert auc([1, 2, 3, 4], [0, 0, 1, 1]) == 1
    assert auc([1, 2, 2, 3], [0, 0, 1, 1]) == pytest.approx(0.875)
    assert np.isnan(auc([1, 2], [1, 1]))


def test_all_masses_count_and_a_benign_hit_is_no_false_mark() -> None:
    reads = [
        Read(film("a", "L", "CC", True), (Marked(0.9, 0.9, 0), Marked(0.8, 0.1, None)), 0.9),
        Read(film("b", "L", "CC", False), (Marked(0.7, 0.95, 0), Marked(0.3, 0.2, None)), 0.2),
    ]
    assert sensitivity(reads, 0, malignant=False) == 0.5
    assert sensitivity(reads, 0.5, malignant=False) == 1
    # By malignancy the mark on the benign mass is false, and outranks the malignant one.
    assert sensitivity(reads, 0, malignant=True) == 0
    assert sensitivity(reads, 0.5, malignant=True) == 1
    # As some count, it is neither.
    assert sensitivity(reads, 0, malignant=True, benign=False) == 1


def test_a_lesion_without_a_mark_is_never_found() -> None:
    reads = [Read(film("a", "L", "CC", True, boxes=2), (Marked(0.9, 0.9, 1),), 0.9)]
    assert sensitivity(reads, 4, malignant=False) == 0.5


def test_breasts_are_means_of_views_and_exams_the_higher_breast() -> None:
    reads = [
        Read(film("a", "L", "CC", True), (), 0.6),
        Read(film("a", "L", "MLO", True), (), 0.7),
        Read(film("a", "R", "CC", False), (), 0.65),
        Read(film("b", "L", "CC", False), (), 0.9),
        Read(film("b", "L", "MLO", False), (), 0.1),
    ]
    assert film_auc(reads) == pytest.approx(3 / 6)
    assert breast_auc(reads) == 1
    assert exam_auc(reads) == 1
    assert scanner_auc(reads) == 1


def test_an_interval_draws_patients() -> None:
    rng = np.random.default_rng(0)
    reads = [
        Read(film(str(n), "L", "CC", n % 2 == 0), (), float(rng.uniform(0.2, 0.8)))
        for n in range(60)
    ]
    low, high = interval(reads, film_auc)
    assert low < film_auc(reads) < high
    alone = interval(reads[:2], lambda some: float(len({r.film.patient for r in some})))
    assert alone == (1, 2)


def test_what_readers_said_is_read_word_by_word() -> None:
    said = dict(
        zip(
            ["irregular", "round", "lobulated", "distortion"],
            film("a", "L", "CC", True).signs,
            strict=False,
        )
    )
    assert said == {"irregular": True, "round": False, "lobulated": False, "distortion": True}
    assert film("a", "L", "CC", True).signs[5:8] == (True, True, False)
    assert largest_mm(film("a", "L", "CC", True)) == 5


def test_no_patient_is_in_two_folds_and_folds_are_alike() -> None:
    films = [
        film(f"P{n}", side, view, n % 3 == 0)
        for n in range(100)
        for side in "LR"
        for view in ("CC", "MLO")
    ]
    fold = folds(films)
    assert fold == folds(films)
    assert sorted(fold.values()) == sorted(list(range(5)) * 20)
    bad = [sum(fold[f"P{n}"] == k for n in range(0, 100, 3)) for k in range(5)]
    assert max(bad) - min(bad) <= 1


GOOD = "study_instance_uid,laterality,malignant,x0,y0,x1,y1,density\n"


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(GOOD + "1.2,L,1,1,2,3,4,b\n1.3,,0,,,,,\n")
    first, second = read_labels(path)
    assert (first.name, first.malignant, first.box, first.density) == ("1.2", True, (1, 2, 3, 4), 2)
    assert (second.laterality, second.malignant, second.box) == ("", False, None)


@pytest.mark.parametrize("row", [",L,1,,,,,", "1.2,L,2,,,,,", "1.2,L,1,1,2,,,", "1.2,L,1,,,,,e"])
def test_a_wrong_label_names_its_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(GOOD + "1.2,L,1,,,,,\n" + row + "\n")
    with pytest.raises(UnreadableInputError, match="line 3"):
        read_labels(path)
