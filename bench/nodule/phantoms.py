"""Measured volume of synthetic nodules of known volume, outlined in both ways.

    python -m bench.nodule.phantoms [--scans 6] [--spacing 1.0 1.5]

Makes phantoms (:mod:`nodule.phantom`: ellipsoids of 6 to 14 mm, solid and ground glass,
free and at the wall, between vessels), outlines each nodule from a point as far beside
its centre as the detector's marks lie, and compares the measured volume with that of the
ellipsoid. Bias and limits of agreement are mean and mean +- 1.96 standard deviations of
the relative error. Synthetic: says how the edge is placed, not how real nodules are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from gransk.core.findings import Mask
from gransk.core.models import ModelLibrary
from gransk.core.volume import Geometry, Volume
from nodule.lungs import segment_lungs
from nodule.measurement import measure
from nodule.phantom import Nodule, Phantom, PhantomSpec, make_phantom
from nodule.segmentation import segment
from nodule.segmenter import MODEL_ID, Segmenter

BoolArray = npt.NDArray[np.bool_]
Way = Callable[[Volume, tuple[float, float, float], BoolArray], Mask]
KERNELS: tuple[Literal["STANDARD", "B30f", "LUNG"], ...] = ("STANDARD", "B30f", "LUNG")
LENGTH_MM = 200.0


def volume_of(phantom: Phantom) -> Volume:
    """HU of a phantom's images."""
    hu = np.stack([d.pixel_array * np.float32(1) + d.RescaleIntercept for d in phantom.images])
    first = phantom.images[0]
    row, column = (float(v) for v in first.PixelSpacing)
    x, y, z = (float(v) for v in first.ImagePositionPatient)
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    geometry = Geometry(shape, (x, y, z), (float(first.SpacingBetweenSlices), row, column))
    return Volume(np.maximum(hu, -1024).astype(np.float32), geometry)


def errors(
    spec: PhantomSpec, ways: dict[str, Way], rng: np.random.Generator
) -> Iterator[tuple[str, str, str, float]]:
    """(way, texture, place, relative volume error) of each nodule."""
    phantom = make_phantom(spec)
    volume = volume_of(phantom)
    lungs = segment_lungs(volume)
    fields = Nodule.model_fields
    for entry in phantom.truth["nodules"]:
        nodule = Nodule.model_validate({k: v for k, v in entry.items() if k in fields})
        width = 0.4 + 0.07 * nodule.axes_mm[0]
        moved = np.asarray(nodule.centre_lps_mm) + rng.normal(0, width, 3)
        k, j, i = (float(v) for v in volume.geometry.to_index(moved))
        for name, way in ways.items():
            found = measure(volume, way(volume, (k, j, i), lungs)).volume_mm3
            yield name, nodule.texture, nodule.place, found / nodule.volume_mm3 - 1


def summary(values: Sequence[float]) -> str:
    """Number, bias with its 95 % interval, and limits of agreement, in per cent."""
    share = 100 * np.asarray(values)
    deviation = float(share.std(ddof=1)) if len(share) > 1 else float("nan")
    bias, half = float(share.mean()), 1.96 * deviation / len(share) ** 0.5
    return (
        f"n {len(share):3d}  bias {bias:+6.1f} % ({bias - half:+.1f} to {bias + half:+.1f})  "
        f"limits {bias - 1.96 * deviation:+6.1f} to {bias + 1.96 * deviation:+6.1f} %  "
        f"median {float(np.median(share)):+6.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Volume of synthetic nodules.")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--scans", type=int, default=4, help="for each slice spacing")
    parser.add_argument("--nodules", type=int, default=9, help="in each scan")
    parser.add_argument("--spacing", type=float, nargs="+", default=[1.0, 1.5])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    network = Segmenter(ModelLibrary(arguments.models, arguments.threads).load(MODEL_ID))
    ways: dict[str, Way] = {"classical": segment, "network": network.segment}
    rng = np.random.default_rng(0)
    for spacing in arguments.spacing:
        found: dict[tuple[str, str, str], list[float]] = {}
        for number in range(arguments.scans):
            spec = PhantomSpec(
                seed=1000 + number,
                spacing_mm=spacing,
                length_mm=LENGTH_MM,
                nodules=arguments.nodules,
                kernel=KERNELS[number % len(KERNELS)],
            )
            for name, texture, place, error in errors(spec, ways, rng):
                found.setdefault((texture, place, name), []).append(error)
                if texture == "solid":
                    found.setdefault((texture, "all", name), []).append(error)
        print(f"\nslices of {spacing:g} mm")
        for (texture, place, name), values in sorted(found.items()):
            print(f"{texture:12s} {place:12s} {name:9s} {summary(values)}", flush=True)


if __name__ == "__main__":
    main()
