"""Changes to a scan as other scanners and settings would make them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from bench.nodule.metal import metal
from gransk.core.volume import FloatArray, Geometry, Volume
from training.nodule.slices import Alteration, placed, thickness

__all__ = ["ALTERATIONS", "blur", "noise", "pixels", "prone", "sharpen", "shift", "thickness"]

SHARPEN_MM = 0.8
NOISE_MM = 0.6


def noise(sigma_hu: float, seed: int = 0) -> Alteration:
    """More noise, grainy as a smooth kernel leaves it."""

    def change(scan: Volume) -> Volume:
        rng = np.random.default_rng(seed)
        hu = scan.hu.copy()
        grain = [NOISE_MM / s for s in scan.geometry.spacing[1:]]
        for plane in hu:
            added = ndimage.gaussian_filter(rng.standard_normal(plane.shape, np.float32), grain)
            plane += added * np.float32(sigma_hu / float(added.std()))
        return replace(scan, hu=np.maximum(hu, np.float32(-1024)))

    return change


def blur(sigma_mm: float) -> Alteration:
    """A smoother kernel: Gaussian within slices."""
    return lambda scan: replace(scan, hu=_smooth(scan, sigma_mm))


def sharpen(amount: float) -> Alteration:
    """A sharper kernel: what a 0.8 mm Gaussian removes is added again, so many times."""

    def change(scan: Volume) -> Volume:
        hu = scan.hu + np.float32(amount) * (scan.hu - _smooth(scan, SHARPEN_MM))
        return replace(scan, hu=np.clip(hu, -1024, 3071))

    return change


def shift(share: float) -> Alteration:
    """The grid shifted by a share of a voxel along each axis (cubic interpolation)."""

    def change(scan: Volume) -> Volume:
        hu = ndimage.shift(scan.hu, [-share] * 3, order=3, mode="nearest", output=np.float32)
        hu = np.clip(hu, -1024, 3071)
        return placed(scan, hu, (share, share, share), scan.geometry.spacing)

    return change


def pixels(size_mm: float) -> Alteration:
    """Pixels of another size within slices."""

    def change(scan: Volume) -> Volume:
        _, rows, columns = scan.geometry.spacing
        scale = (rows / size_mm, columns / size_mm)
        widths = [max(0.0, 0.4 * (1 / s - 1)) for s in scale]
        planes = [
            ndimage.zoom(ndimage.gaussian_filter(p, widths), scale, order=1, grid_mode=True,
                         mode="nearest")
            for p in scan.hu
        ]  # fmt: skip
        hu = np.stack(planes).astype(np.float32)
        own = [n / m for n, m in zip(scan.hu.shape[1:], hu.shape[1:], strict=True)]
        start = (0.0, own[0] / 2 - 0.5, own[1] / 2 - 0.5)
        spacing = (scan.geometry.spacing[0], rows * own[0], columns * own[1])
        return placed(scan, hu, start, spacing)

    return change


def prone(scan: Volume) -> Volume:
    """Turned by half a turn within slices, as a patient who lay on the belly reads in."""
    _, rows, columns = scan.hu.shape
    x, y, z = (float(v) for v in scan.geometry.to_lps((0, rows - 1, columns - 1)))
    along, down, across = scan.geometry.directions
    turned = (along, _opposite(down), _opposite(across))
    geometry = Geometry(scan.geometry.shape, (x, y, z), scan.geometry.spacing, turned)
    return Volume(np.ascontiguousarray(scan.hu[:, ::-1, ::-1]), geometry)


def _opposite(direction: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = direction
    return -x, -y, -z


def _smooth(scan: Volume, sigma_mm: float) -> FloatArray:
    widths = [sigma_mm / s for s in scan.geometry.spacing[1:]]
    out = np.empty_like(scan.hu)
    for k, plane in enumerate(scan.hu):
        ndimage.gaussian_filter(plane, widths, output=out[k])
    return out


ALTERATIONS: dict[str, Alteration] = {
    **{f"slices of {t:g} mm": thickness(t) for t in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)},
    **{f"noise of {s:g} HU added": noise(s) for s in (10.0, 20.0, 40.0)},
    **{f"kernel blurred by {s:g} mm": blur(s) for s in (0.5, 1.0)},
    **{f"kernel sharpened {a:g} times": sharpen(a) for a in (0.5, 1.5)},
    "grid shifted by half a voxel": shift(0.5),
    "pixels of 0.5 mm": pixels(0.5),
    "pixels of 0.9 mm": pixels(0.9),
    "lying on the belly": prone,
    "metal rods along the spine": metal,
}
