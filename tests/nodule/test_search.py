import numpy as np
import pytest
from nodule_synthetic import Ball, chest, index_of

from gransk.core.volume import Geometry, Volume
from nodule.lungs import segment_lungs
from nodule.search import STRIDE, Lattice

BALLS = [
    Ball((20.0, 10.0, 70.0), 4),
    Ball((-50.0, 10.0, 70.0), 8),
    Ball((10.0, -30.0, -70.0), 16),
    Ball((-40.0, 20.0, -70.0), 26),
]


def test_balls_are_among_the_spots_at_their_places_and_sizes(search):
    volume = chest(BALLS, vessels=4)
    lungs = segment_lungs(volume)
    told = []
    spots = search.find(volume, lungs, told.append)
    for ball in BALLS:
        away = [
            np.linalg.norm((np.array(s.index) - index_of(volume, ball)) * volume.geometry.spacing)
            for s in spots
        ]
        best = int(np.argmin(away))
        assert away[best] < max(1.5, ball.diameter_mm / 6)
        assert 0.5 < 2 * spots[best].radius_mm / ball.diameter_mm < 2
    for spot in spots:
        k, j, i = np.round(spot.index).astype(int)
        assert lungs[max(0, k - 1) : k + 2, max(0, j - 2) : j + 3, max(0, i - 2) : i + 3].any()
    assert told == sorted(told)
    assert told[-1] == 1


def test_faint_balls_are_among_the_spots_though_vessels_are_brighter(search):
    faint = [Ball((20.0, 10.0, 70.0), 8, -620.0), Ball((-40.0, 20.0, -70.0), 14, -680.0)]
    volume = chest(faint, vessels=12)
    spots = search.find(volume, segment_lungs(volume))
    for ball in faint:
        away = [
            np.linalg.norm((np.array(s.index) - index_of(volume, ball)) * volume.geometry.spacing)
            for s in spots
        ]
        assert min(away) < ball.diameter_mm / 4


@pytest.mark.parametrize("spacing", [(1.0, 0.7, 0.7), (2.5, 0.8, 0.8), (5.0, 0.5, 0.5)])
def test_the_lattice_knows_where_its_points_lie_in_the_scan(spacing):
    ball = Ball((20.0, 10.0, 70.0), 16)
    volume = chest([ball], spacing, vessels=0, noise_hu=0)
    lungs = segment_lungs(volume)
    lattice = Lattice.of(volume, lungs)
    assert lattice.hu.shape[1] % 16 == lattice.hu.shape[2] % 16 == 0
    assert lattice.inside.shape == (len(lattice.hu), *(n // STRIDE for n in lattice.hu.shape[1:]))
    at = index_of(volume, ball)
    points = np.argwhere(np.ones(lattice.inside.shape, bool))
    places = np.array(lattice.start) + points * (1, STRIDE, STRIDE) * lattice.per_point
    away = np.linalg.norm((places - at) * volume.geometry.spacing, axis=1)
    grey = lattice.hu[:, ::STRIDE, ::STRIDE].reshape(-1)
    assert grey[away < 4].min() > -100
    shell = (away > 12) & (away < 15)
    assert grey[shell].max() < -700
    nearest = int(np.argmin(away))
    assert lattice.index(points[nearest]) == pytest.approx(places[nearest])


def test_a_slab_repeats_the_first_and_last_slice():
    volume = chest(vessels=0)
    lattice = Lattice.of(volume, segment_lungs(volume))
    slab = lattice.slab(0, 1)
    assert slab.shape == (1, 7, *lattice.hu.shape[1:])
    assert (slab[0, :4] == lattice.hu[0]).all()
    assert (slab[0, 4:] == lattice.hu[1:4]).all()


def test_spots_at_the_scans_border_lie_in_the_scan(search):
    shape, spacing = (20, 77, 93), (1.3, 0.7, 0.7)
    corner = np.array(shape) - 1
    steps = [np.arange(1 - n, 1) * s for n, s in zip(shape, spacing, strict=True)]
    k, j, i = np.meshgrid(*steps, indexing="ij", sparse=True)
    hu = np.where(np.sqrt(k**2 + j**2 + i**2) <= 6, 40, -850).astype(np.float32)
    hu += np.random.default_rng(1).normal(0, 20, shape).astype(np.float32)
    volume = Volume(hu, Geometry(shape, (0.0, 0.0, 0.0), spacing))
    # The lattice is filled up beyond the last row and column.
    lattice = Lattice.of(volume, np.ones(shape, bool))
    assert (lattice.index(np.array(lattice.inside.shape) - 1) > corner)[1:].all()
    spots = search.find(volume, np.ones(shape, bool))
    assert spots
    for spot in spots:
        assert (np.array(spot.index) >= 0).all()
        assert (np.array(spot.index) <= corner).all()
