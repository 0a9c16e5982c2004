"""Texture, solid part, calcium and fat of drawn nodules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from nodule.density import Calcification, Fat, Texture, density, solid_part

SPACING = (1.0, 0.7, 0.7)


def drawn(radius, paint=None, spacing=SPACING, inner=30.0, noise=15.0):
    """HU and mask of a ball; ``paint(distance, k, j, i)`` gives its HU in mm coordinates."""
    counts = [2 * int(np.ceil((radius + 5) / s)) + 1 for s in spacing]
    k, j, i = (
        g * s
        for g, s in zip(
            np.meshgrid(*[np.arange(n) - n // 2 for n in counts], indexing="ij"),
            spacing,
            strict=True,
        )
    )
    away = np.sqrt(k**2 + j**2 + i**2)
    mask = away <= radius
    hu = np.where(mask, inner if paint is None else paint(away, k, j, i), -860.0)
    hu = ndimage.gaussian_filter(hu, [0.5 / s for s in spacing])
    hu += np.random.default_rng(0).normal(0, noise, hu.shape)
    return hu.astype(np.float32), mask


def ball(k0, j0, i0, radius):
    return lambda a, k, j, i: (k - k0) ** 2 + (j - j0) ** 2 + (i - i0) ** 2 <= radius**2


def popcorn(a, k, j, i):
    balls = [ball(2.5, 3, 3, 2), ball(-2.5, -3, 3, 2), ball(2.5, -3, -3, 2), ball(-2.5, 3, -3, 2)]
    return np.where(np.any([b(a, k, j, i) for b in balls], axis=0), 600.0, 30.0)


PATTERNS = {
    Calcification.NONE: lambda a, k, j, i: 40.0 + 0 * a,
    Calcification.DIFFUSE: lambda a, k, j, i: 500.0 + 0 * a,
    Calcification.CENTRAL: lambda a, k, j, i: np.where(a < 3.6, 600.0, 30.0),
    Calcification.LAMINATED: lambda a, k, j, i: np.where((a > 3.2) & (a < 5.2), 700.0, 30.0),
    Calcification.POPCORN: popcorn,
    Calcification.OTHER: lambda a, k, j, i: np.where(ball(0, 4, 0, 3)(a, k, j, i), 600.0, 30.0),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_calcification_patterns(pattern):
    hu, mask = drawn(7.0, PATTERNS[pattern])
    assert density(hu, mask, SPACING).calcification is pattern


def test_calcium_is_not_assessed_in_thick_slices_sharp_kernels_and_tiny_soft_nodules():
    hu, mask = drawn(7.0)
    sharp = density(hu, mask, SPACING, sharp=True)
    assert (sharp.calcification, sharp.fat) == (Calcification.NOT_ASSESSED, Fat.NOT_ASSESSED)
    thick = (4.0, 0.7, 0.7)
    hu, mask = drawn(7.0, spacing=thick)
    assert density(hu, mask, thick).calcification is Calcification.NOT_ASSESSED
    hu, mask = drawn(2.0)
    assert density(hu, mask, SPACING).calcification is Calcification.NOT_ASSESSED
    hu, mask = drawn(2.0, inner=900.0)
    assert density(hu, mask, SPACING).calcification not in (
        Calcification.NOT_ASSESSED, Calcification.NONE
    )  # fmt: skip


def test_fat_is_told_from_soft_tissue_and_from_air():
    for inner, fat in ((-80.0, Fat.PRESENT), (30.0, Fat.NONE), (-800.0, Fat.NONE)):
        hu, mask = drawn(
            9.0, lambda a, k, j, i, x=inner: np.where(ball(1, 1, 0, 3.5)(a, k, j, i), x, 30.0)
        )
        assert density(hu, mask, SPACING).fat is fat


def test_fat_is_not_assessed_in_ground_glass():
    hu, mask = drawn(8.0, inner=-600.0)
    found = density(hu, mask, SPACING)
    assert (found.texture, found.fat) == (Texture.GROUND_GLASS, Fat.NOT_ASSESSED)


@pytest.mark.parametrize("core", [3.0, 4.0, 5.0])
def test_the_solid_part_has_its_size(core):
    hu, mask = drawn(8.0, lambda a, k, j, i: np.where(a < core, 30.0, -620.0))
    assert density(hu, mask, SPACING).texture is Texture.PART_SOLID
    part = solid_part(hu, mask, SPACING)
    volume = part.sum() * np.prod(SPACING)
    assert volume == pytest.approx(4 / 3 * np.pi * core**3, rel=0.25)


def test_nothing_is_solid_in_ground_glass():
    hu, mask = drawn(8.0, inner=-620.0)
    assert solid_part(hu, mask, SPACING) is None


def test_the_middle_is_not_blurred_by_the_edge():
    hu, mask = drawn(5.0, inner=40.0)
    found = density(hu, mask, SPACING)
    assert found.core_hu == pytest.approx(40, abs=8)
    assert found.mean_hu < found.core_hu - 30
