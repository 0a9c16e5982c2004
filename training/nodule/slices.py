"""Scans as other slices would show them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gransk.core.volume import FloatArray, Geometry, Volume

Alteration = Callable[[Volume], Volume]


def thickness(slice_mm: float) -> Alteration:
    """Slices of that thickness, one after another.

    Thicker slices are means over what they cover; thinner ones are interpolated,
    so that they show no more than the scan did.
    """

    def change(scan: Volume) -> Volume:
        own = scan.geometry.spacing[0]
        count = scan.hu.shape[0]
        number = max(1, round(count * own / slice_mm))
        # Middles in old slices, edges of the first slice at -0.5.
        middles = (np.arange(number) + 0.5) * slice_mm / own - 0.5
        if slice_mm > own:
            edges = np.arange(count + 1) - 0.5
            half = slice_mm / own / 2
            low = np.maximum(edges[:-1], (middles - half)[:, None])
            high = np.minimum(edges[1:], (middles + half)[:, None])
            weights = np.maximum(high - low, 0)
        else:
            weights = np.maximum(1 - np.abs(np.arange(count) - middles[:, None]), 0)
        kept = weights.sum(axis=1) > 0
        weights = weights[kept] / weights[kept].sum(axis=1, keepdims=True)
        hu = np.empty((len(weights), *scan.hu.shape[1:]), np.float32)
        for k, of_slice in enumerate(weights):
            used = np.flatnonzero(of_slice)
            hu[k] = np.tensordot(of_slice[used].astype(np.float32), scan.hu[used], 1)
        start = (float(middles[kept][0]), 0.0, 0.0)
        return placed(scan, hu, start, (slice_mm, *scan.geometry.spacing[1:]))

    return change


def placed(
    scan: Volume, hu: FloatArray, start: tuple[float, float, float],
    spacing: tuple[float, float, float],
) -> Volume:  # fmt: skip
    """A volume whose first voxel lies at an index of the scan."""
    x, y, z = (float(v) for v in scan.geometry.to_lps(start))
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    return Volume(hu, Geometry(shape, (x, y, z), spacing, scan.geometry.directions))
