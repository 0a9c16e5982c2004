"""Measured volume of synthetic nodules of known volume, outlined in both ways.

    python -m bench.nodule.phantoms [--scans 4] [--spacing 1.0 1.5] [--write-card]

Makes phantoms (:mod:`nodule.phantom`: ellipsoids of 6 to 14 mm, solid and ground glass,
free and at the wall, between vessels), outlines each nodule from a point as far beside
its centre as the detector's marks lie, and compares the measured volume with that of the
ellipsoid. Bias and limits of agreement are mean and mean +- 1.96 standard deviations of
the relative error. Synthetic: says how the edge is placed, not how real nodules are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.nodule.cards import row, write_rows
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
EVERYWHERE = "all"


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


@dataclass(frozen=True)
class Agreement:
    """Relative errors of volumes summed up.

    Parameters
    ----------
    count : int
        How many nodules.
    bias, deviation, median : float
        Mean, standard deviation and median of the relative error.
    """

    count: int
    bias: float
    deviation: float
    median: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Agreement:
        """Of at least two errors."""
        errors = np.asarray(values)
        return cls(
            len(errors), float(errors.mean()), float(errors.std(ddof=1)), float(np.median(errors))
        )

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the bias."""
        half = 1.96 * self.deviation / self.count**0.5
        return self.bias - half, self.bias + half

    @property
    def limits(self) -> tuple[float, float]:
        """Bland and Altman's 95 % limits of agreement."""
        return self.bias - 1.96 * self.deviation, self.bias + 1.96 * self.deviation

    def __str__(self) -> str:
        low, high = (100 * v for v in self.interval)
        least, most = (100 * v for v in self.limits)
        return (
            f"n {self.count:3d}  bias {100 * self.bias:+6.1f} % ({low:+.1f} to {high:+.1f})  "
            f"limits {least:+6.1f} to {most:+6.1f} %  median {100 * self.median:+6.1f} %"
        )


def figures(kind: str, found: Agreement, spacing: float, command: str) -> list[dict[str, Any]]:
    """Entries of the network's card: bias and limits of one kind and slice spacing."""
    data = f"synthetic chests, slices of {spacing:g} mm, ellipsoids of 6 to 14 mm: {kind}"
    return [
        row("mean relative error of the measured volume", found.bias, found.interval, data,
            found.count, command),
        row("half width of its 95 % limits of agreement", 1.96 * found.deviation, None, data,
            found.count, command),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Volume of synthetic nodules.")
    parser.add_argument("--models", type=Path, default=Path("onnx_models"))
    parser.add_argument("--scans", type=int, default=4, help="for each slice spacing")
    parser.add_argument("--nodules", type=int, default=9, help="in each scan")
    parser.add_argument("--spacing", type=float, nargs="+", default=[1.0, 1.5])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-card", action="store_true", help="put the figures in the card")
    arguments = parser.parse_args()
    command = (
        f"python -m bench.nodule.phantoms --scans {arguments.scans} "
        f"--nodules {arguments.nodules} --spacing {' '.join(f'{s:g}' for s in arguments.spacing)}"
    )
    network = Segmenter(ModelLibrary(arguments.models, arguments.threads).load(MODEL_ID))
    ways: dict[str, Way] = {"classical": segment, "network": network.segment}
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
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
                    found.setdefault((texture, EVERYWHERE, name), []).append(error)
        print(f"\nslices of {spacing:g} mm")
        for (texture, place, name), values in sorted(found.items()):
            if len(values) < 2:
                continue
            agreement = Agreement.of(values)
            print(f"{texture:12s} {place:12s} {name:9s} {agreement}", flush=True)
            if name == "network":
                kind = f"{place} {texture}".replace("_", " ")
                rows += figures(kind, agreement, spacing, command)
    if arguments.write_card:
        write_rows(arguments.models / MODEL_ID, rows)


if __name__ == "__main__":
    main()
