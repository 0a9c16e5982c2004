import numpy as np
from nodule_synthetic import Ball, chest, index_of

from nodule.candidates import find_spots
from nodule.lungs import segment_lungs

BALLS = [
    Ball((20.0, 10.0, 70.0), 4),
    Ball((-50.0, 10.0, 70.0), 8),
    Ball((10.0, -30.0, -70.0), 16),
    Ball((-40.0, 20.0, -70.0), 26),
]


def test_balls_are_among_the_spots_at_their_places_and_sizes():
    volume = chest(BALLS, vessels=4)
    lungs = segment_lungs(volume)
    told = []
    spots = find_spots(volume, lungs, told.append)
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


def test_faint_balls_are_among_the_spots_though_vessels_are_brighter():
    faint = [Ball((20.0, 10.0, 70.0), 8, -620.0), Ball((-40.0, 20.0, -70.0), 14, -680.0)]
    volume = chest(faint, vessels=12)
    spots = find_spots(volume, segment_lungs(volume))
    for ball in faint:
        away = [
            np.linalg.norm((np.array(s.index) - index_of(volume, ball)) * volume.geometry.spacing)
            for s in spots
        ]
        assert min(away) < ball.diameter_mm / 4
