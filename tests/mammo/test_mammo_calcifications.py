"""Clusters of calcifications: marks and outlines, the simulation, measures and network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import breast
from PIL import Image
from speck_model import write_speck_model

from gransk.core.models import ModelLibrary
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.calcifications import (
    MODEL_ID,
    NOT_ESTIMATED,
    SPECK_STRIDE,
    UNKNOWN_MM,
    Calcifications,
    hull,
)
from mammo.marks.mark import Kind
from training.mammo.calcifications import insertion
from training.mammo.calcifications.insertion import painted, scene, shown
from training.mammo.calcifications.measures import (
    Read,
    Target,
    between,
    rows,
    sensitivity,
    simulated,
    threshold_for,
)
from training.mammo.calcifications.specks import (
    FEWEST,
    LARGEST_MM,
    MOST,
    Ball,
    Distribution,
    Shape,
    cluster,
)
from training.mammo.films import Film

CELL_MM = SPECK_STRIDE * SPACING_MM


@pytest.fixture
def model(tmp_path: Path):
    return ModelLibrary(write_speck_model(tmp_path), threads=1).load(MODEL_ID)


def drawn_view(places: list[tuple[int, int]]) -> Prepared:
    """Even tissue with bright specks of one pixel."""
    grey = np.full((512, 288), 0.4, np.float32)
    for column, row in places:
        grey[row, column] = 1.0
    return Prepared(grey, grey > 0, (512, 288), (SPACING_MM, SPACING_MM), (0.0, 0.0), False)


def ring(column: int, row: int, radius_mm: float, count: int = 9) -> list[tuple[int, int]]:
    far = radius_mm / SPACING_MM
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return [(round(column + far * np.cos(a)), round(row + far * np.sin(a))) for a in angles]


def test_a_cluster_is_marked_outlined_and_measured(model) -> None:
    places = [*ring(150, 240, 4.0), *ring(150, 240, 2.0, 5)]
    mark = Calcifications(model).detect(drawn_view(places), view=2)[0]
    assert mark.kind is Kind.CALCIFICATIONS
    assert mark.view == 2
    assert mark.centre == pytest.approx((150, 240), abs=8)
    assert mark.malignancy == NOT_ESTIMATED
    assert mark.size_mm == pytest.approx(8.0, abs=1.3)
    xs, ys = np.array(mark.outline).T
    assert (xs.min() - 2, ys.min() - 2) <= (130, 220)
    assert xs.max() >= 168
    assert ys.max() >= 258


def test_one_member_is_that_network_alone_and_all_are_their_mean(model) -> None:
    view = drawn_view(ring(150, 240, 3.0))
    strong, weak, mean = (
        Calcifications(model, member).detect(view, 0)[0].probability for member in (0, 1, None)
    )
    assert strong == pytest.approx(2 * weak)
    assert mean == pytest.approx((strong + weak) / 2)
    assert Calcifications(model).threshold == 0.4


def test_two_clusters_are_two_marks_with_outlines_of_their_own(model) -> None:
    view = drawn_view([*ring(80, 150, 3.0), *ring(180, 320, 2.0)])
    first, second = Calcifications(model).detect(view, 0)[:2]
    upper, lower = sorted((first, second), key=lambda mark: mark.centre[1])
    assert upper.centre == pytest.approx((80, 150), abs=8)
    assert lower.centre == pytest.approx((180, 320), abs=8)
    assert upper.size_mm == pytest.approx(6.0, abs=1.3)
    assert lower.size_mm == pytest.approx(4.0, abs=1.3)


def test_a_hull_follows_specks_and_leaves_far_ones() -> None:
    specks = np.zeros((125, 75), np.float32)
    specks[60, 30:40:2] = 0.9
    specks[110, 70] = 0.9
    outline, size = hull(specks, (35 * SPECK_STRIDE, 60 * SPECK_STRIDE))
    assert size == pytest.approx(9 * CELL_MM, abs=CELL_MM)
    xs, ys = np.array(outline).T
    assert xs.min() == pytest.approx(30 * SPECK_STRIDE, abs=SPECK_STRIDE)
    assert xs.max() < 41 * SPECK_STRIDE
    assert np.ptp(ys) <= SPECK_STRIDE


def test_where_no_specks_are_seen_the_outline_is_a_circle() -> None:
    specks = np.zeros((125, 75), np.float32)
    assert hull(specks, (100.0, 200.0))[1] == UNKNOWN_MM
    specks[50, 60] = specks[50, 61] = 0.9
    assert hull(specks, (100.0, 200.0))[1] == UNKNOWN_MM


def test_clusters_have_the_numbers_and_sizes_that_are_stated() -> None:
    rng = np.random.default_rng(5)
    made = [cluster(rng) for _ in range(300)]
    counts = [len(c.specks) for c in made]
    assert min(counts) >= FEWEST
    assert max(counts) <= MOST
    assert {c.shape for c in made} == set(Shape)
    assert {c.distribution for c in made} == set(Distribution)
    for one in made:
        assert np.abs(one.places.mean(axis=0)).max() < 0.3
        if one.distribution is Distribution.GROUPED:
            assert np.hypot(*one.places.T).max() < 12
    punctate = [c.mean_mm for c in made if c.shape is Shape.PUNCTATE]
    assert 0.18 < np.median(punctate) < 0.32
    assert max(punctate) < LARGEST_MM
    again = cluster(np.random.default_rng(9)), cluster(np.random.default_rng(9))
    assert again[0] == again[1]


def test_painted_calcium_has_the_volume_of_its_ellipsoid_wherever_it_is_averaged() -> None:
    ball = Ball(0.1, -0.2, 0.4, 0.25, 0.7, 0.8)
    volume = 4 / 3 * np.pi * 0.4 * 0.25**2 * 0.8
    fine = painted([ball], np.array([-1.0, -1.0]), (80, 80), (0.025, 0.025))
    assert fine.sum() * 0.025**2 == pytest.approx(volume, rel=0.01)
    assert fine.max() == pytest.approx(2 * 0.25 * 0.8, rel=0.01)
    for mm in ((0.3, 0.19), (0.1, 0.1)):
        depth, top, left = shown([ball], (20.03, 31.4), mm, 0.06)
        assert depth.sum() * mm[0] * mm[1] == pytest.approx(volume, rel=0.02)
        down, across = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]] + 0.5
        row, column = ((depth * m).sum() / depth.sum() for m in (down, across))
        assert ((left + column) * mm[1], (top + row) * mm[0]) == pytest.approx(
            (20.13, 31.2), abs=0.02
        )


@pytest.fixture
def films(tmp_path: Path) -> list[Film]:
    """One right and one left film, squashed; a PNG, so that nothing else changes."""
    made = []
    for side in "RL":
        image = breast((1200, 900), 0.2, right=side == "R", mass=None, seed=ord(side))
        path = tmp_path / f"{side}.png"
        squashed = Image.fromarray((image / 4.2).astype(np.uint8)).resize((800, 800))
        squashed.save(path)
        made.append(
            Film(
                side, side, side, side, "CC", 2, 0, False, "", "", (), (4800, 3600), 0.05, "A", path
            )
        )
    return made


def test_specks_lie_where_the_scene_says_on_either_side(films: list[Film]) -> None:
    for film in films:
        made = scene(film, 2, 0, np.random.default_rng(3))
        clean = film.prepared()
        assert made.prepared.mirrored == (film.side == "R")
        assert len(made.planted) == 2
        change = made.prepared.grey - clean.grey
        for one in made.planted:
            x, y = one.places.astype(int).T
            assert made.specks[y, x].mean() > 20 * made.specks.mean()
            assert change[y, x].mean() > 0.5 * made.specks[y, x].mean()
            assert clean.breast[y, x].all()
        nothing = (made.specks < 1e-4) & clean.breast
        assert np.abs(change[nothing]).max() < 0.02


def test_brighter_calcium_has_more_contrast(
    films: list[Film], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = []
    for level in (0.4, 1.2):
        monkeypatch.setattr(insertion, "BRIGHTNESS", (level, level))
        planted += scene(films[1], 1, 0, np.random.default_rng(3)).planted
    faint, clear = planted
    assert clear.contrast > 1.8 * faint.contrast > 0
    # Nothing is lost where the film is no JPEG but the rounding to whole grey values.
    assert clear.shown == pytest.approx(clear.contrast, rel=0.3)


def test_compression_takes_contrast_away(films: list[Film], tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    Image.open(films[1].image).save(path, quality=8)
    made = scene(replace(films[1], image=path), 3, 0, np.random.default_rng(3))
    before, after = (sum(getattr(p, name) for p in made.planted) for name in ("contrast", "shown"))
    assert 0 <= after < 0.8 * before


def test_a_film_that_is_a_jpeg_stays_as_it_was_compressed(
    films: list[Film], tmp_path: Path
) -> None:
    path = tmp_path / "film.jpg"
    Image.open(films[1].image).save(path, quality=60)
    film = replace(films[1], image=path)
    pixels, _ = film.pixels()
    again = insertion.compressed(film, pixels.astype(np.float32))
    # Coding again with its own tables changes next to nothing, with others much more.
    assert np.abs(again.astype(int) - pixels).mean() < 0.2


def read(patient: str, false: list[float], found: list[float]) -> Read:
    targets = tuple(Target(p, 6.0, 7.5, ("all", "small")) for p in found)
    return Read(patient, tuple(false), targets)


def test_sensitivity_counts_clusters_and_false_marks_a_film() -> None:
    reads = [read("a", [0.9, 0.2], [0.95, 0.5]), read("b", [0.6], [0.1]), read("c", [], [0.7])]
    assert threshold_for(reads, 1 / 3) == 0.6
    assert threshold_for(reads, 5) == 0.0
    assert sensitivity(reads, 0.6, "all") == 0.5
    told = {row.measure: row for row in rows(reads, 0.4, "simulated")}
    assert all(name.startswith("simulated") for name in told)
    assert told["simulated: false marks a film at the operating point"].value == pytest.approx(
        2 / 3
    )
    found = told["simulated clusters found, small, at the operating point"]
    assert (found.value, found.cases) == (0.75, 4)
    assert found.interval[0] <= 0.75 <= found.interval[1]
    assert told["simulated: median error of a found cluster's size, mm"].value == 1.5
    assert between("x", 1.0, (0, 1, 2, np.inf), " mm") == "x 1 to 2 mm"
    assert between("x", 9.0, (0, 1, 2, np.inf), " mm") == "x from 2 mm"


def test_each_film_is_read_by_the_network_of_its_own_fold(films: list[Film], model) -> None:
    finders = [Calcifications(model, 0), Calcifications(model, 1)]
    upright = simulated(films, {"R": 0, "L": 1}, finders, seed=1)
    turned = simulated(films, {"R": 1, "L": 0}, finders, seed=1)
    assert [r.patient for r in upright] == ["R", "L"]
    strong, weak = (max(r[0].false) for r in (upright, turned))
    assert strong == pytest.approx(2 * weak)
    # A fold without a network is left out.
    assert [r.patient for r in simulated(films, {"R": 1, "L": 0}, finders[:1], 1)] == ["L"]


def test_the_exported_networks_say_what_the_fitted_ones_say(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import onnxruntime

    from training.mammo.calcifications.export import write_onnx
    from training.mammo.calcifications.network import Finder, structure

    torch.manual_seed(0)
    nets = [Finder().eval(), Finder().eval()]
    assert sum(p.numel() for p in nets[0].parameters()) < 100_000
    write_onnx(nets, tmp_path)
    film = torch.rand(1, 1, 224, 160)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    cluster_map, specks = session.run(["cluster", "specks"], {"film": film.numpy()})
    assert cluster_map.shape == (2, 1, 28, 20)
    assert specks.shape == (2, 1, 56, 40)
    with torch.no_grad():
        for number, net in enumerate(nets):
            seen = net(film)
            assert np.allclose(seen.cluster.sigmoid(), cluster_map[number], atol=1e-4)
            assert np.allclose(seen.specks.sigmoid(), specks[number], atol=1e-4)
        # Fine structure is told in units of its own strength.
        channels = [structure(x)[:, 0] for x in (film * 0.9, film * 0.45)]
    assert torch.allclose(channels[0], channels[1], atol=0.1)


def test_windows_want_clear_clusters_and_leave_faint_ones_out() -> None:
    torch = pytest.importorskip("torch")
    from training.mammo.calcifications.fit import loss
    from training.mammo.calcifications.network import Opinion
    from training.mammo.calcifications.samples import STRIDE, WINDOW, Example, _centres, batch

    ovals = np.array([[40.0, 48.0, 12.0, 12.0, 5.0], [120.0, 120.0, 12.0, 12.0, 0.5]])
    heat, counted = _centres(ovals)
    assert heat[48 // STRIDE, 40 // STRIDE] == 1
    assert heat[120 // STRIDE, 120 // STRIDE] == 0
    assert counted[120 // STRIDE, 120 // STRIDE] == 0
    assert counted[48 // STRIDE, 40 // STRIDE] == 1
    grey = torch.full((400, 300), 120, dtype=torch.uint8)
    specks = torch.zeros(400, 300, dtype=torch.uint8)
    specks[200, 150] = 50
    example = Example(grey, specks, np.array([[150.0, 200.0, 10.0, 10.0, 4.0]]))
    made = [batch([example] * 8, np.random.default_rng(7)) for _ in range(2)]
    assert torch.equal(made[0].films, made[1].films)
    truth = made[0]
    assert truth.films.shape == (8, 1, WINDOW, WINDOW)
    # Wherever the cluster is in a window, the speck in its middle is there too.
    for n in range(8):
        centre = torch.nonzero(truth.centres[n] == 1)
        speck = torch.nonzero(truth.specks[n])
        assert len(centre) == len(speck)
        if len(centre):
            assert torch.equal(centre[0], speck[0] // 2)
    good = Opinion(truth.centres * 12 - 6, truth.specks * 12 - 6)
    bad = Opinion(-good.cluster, -good.specks)
    assert loss(good, truth) < 0.2 < loss(bad, truth)
