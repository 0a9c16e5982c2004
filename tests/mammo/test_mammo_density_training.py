"""How the density model is made: agreement, cuts, percentages, folds; labelled films."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from bench.mammo.labelled import DENSE, FAT, PECTORAL, dice, labelled
from mammo.image.density import LIMITS
from training.mammo import density as made
from training.mammo.agreement import kappa


def test_kappa_is_that_worked_out_by_hand():
    truth, told = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 1, 2, 2])
    # Disagreement 2 of 6; by chance, from the margins 2 2 1 1 and 1 3 2 0:
    # sum of |i - j| is 2*(3 + 4) + 2*(1 + 2) + 1*(2 + 3) + 1*(3 + 6 + 2) = 36, of 36 pairs.
    assert kappa(truth, told, 1) == pytest.approx(1 - (2 / 6) / (36 / 36))
    squares = 2 * (3 + 8) + 2 * (1 + 2) + 1 * (4 + 3) + 1 * (9 + 12 + 2)
    assert kappa(truth, told, 2) == pytest.approx(1 - (2 / 6) / (squares / 36))
    assert kappa(truth, truth, 1) == 1
    assert np.isnan(kappa(np.zeros(3, int), np.zeros(3, int), 1))


def examples(count=400, seed=0):
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(count, 6))
    hidden = x[:, 0] + 0.5 * x[:, 1] ** 2 + dice.normal(0, 0.2, count)
    return x, 1 + np.digitize(hidden, [-0.5, 0.5, 1.5])


def test_the_regression_learns_values_and_squares():
    x, density = examples()
    scores = made.fitted(x[:300], density[:300]).scores(x[300:])
    assert np.corrcoef(scores, density[300:])[0, 1] > 0.85
    cuts = made.best_cuts(scores, density[300:])
    assert list(cuts) == sorted(cuts)
    assert kappa(density[300:] - 1, np.digitize(scores, cuts), 2) > 0.75


def test_the_shipped_network_tells_the_same_percentages():
    x, density = examples()
    regression, cuts = made.fitted(x, density), (1.5, 2.2, 3.1)
    told = made.Percent(regression, cuts)(torch.tensor(x, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(told, made.percent(regression.scores(x), cuts), atol=0.01)
    np.testing.assert_allclose(made.percent(np.array(cuts), cuts), LIMITS)
    assert made.percent(np.array([-9.0, 9.0]), cuts).tolist() == [0, 100]


def test_a_films_own_fold_teaches_nothing_of_it():
    x, density = examples()
    fold = np.arange(len(x)) % 5
    before = made.out_of_fold(x, density, fold)
    changed = density.copy()
    changed[fold == 2] = 5 - changed[fold == 2]
    after = made.out_of_fold(x, changed, fold)
    np.testing.assert_array_equal(before[fold == 2], after[fold == 2])
    assert np.abs(before - after)[fold == 1].max() > 0.1


def test_figures_are_of_every_film_in_the_fold_of_its_patient():
    with made.OUT_OF_FOLD.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["key"] for row in rows}) == len(rows) == 1231
    folds = {}
    for row in rows:
        patient = "_".join(row["key"].split("_")[:2])
        folds.setdefault(patient, set()).add(row["fold"])
    assert all(len(own) == 1 for own in folds.values())


def test_labelled_films_lie_on_the_prepared_grid(tmp_path):
    rows, columns = 480, 240
    y, x = np.mgrid[:rows, :columns]
    breast = ((y - 240) / 200) ** 2 + ((columns - x) / 180) ** 2 < 1
    dense = breast & (np.hypot(y - 240, x - 150) < 40)
    muscle = breast & (columns - x < 60 - y / 4)
    image = np.where(dense, 200, np.where(breast, 110, 5)).astype(np.uint8)
    labels = np.full((rows, columns), 64, np.uint8)
    labels[breast], labels[dense], labels[muscle] = FAT, DENSE, PECTORAL
    for folder, name, pixels in (
        ("fgt_seg", "A.png", image),
        ("fgt_seg_labels", "A_LI.png", labels),
    ):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / name)
    (film,) = labelled(tmp_path)
    assert film.prepared.mirrored
    assert dice(film.prepared.breast, film.mask(FAT, DENSE, PECTORAL)) > 0.97
    bright = film.prepared.grey > 0.75
    assert dice(bright, film.mask(DENSE)) > 0.9
    with pytest.raises(FileNotFoundError):
        list(labelled(tmp_path / "fgt_seg_labels"))
