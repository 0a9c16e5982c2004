"""What a card makes of the models and of whole analyses, beside the processor.

    python -m bench.device --study FOLDER [--study FOLDER ..] [--device cuda]

Analyses each study by ``gransk analyse``'s own path on the processor and on the device, each in a
process of its own held to ``--cores`` cores, and prints how far the findings differ, the seconds
and the peak of the host's memory. On the way it keeps up to ``--calls`` inputs of each model, runs
them again on both in one process, and prints the largest difference of an output, the ratio of the
times (medians of five runs of one input), and what the first run of an input took: a card makes a
plan for each new shape.

What this does not show: one machine and a few studies; several workers that share a card; how
much of the card's memory they take.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.apart import apart
from gransk.archive.folder import one_study, read_paths
from gransk.core.application import Context, applications, model_folder
from gransk.core.device import Device
from gransk.core.findings import Finding, Findings, Measurement
from gransk.core.models import Model, ModelLibrary

Arrays = dict[str, npt.NDArray[Any]]
REPEATS = 5


@dataclass(frozen=True)
class Taken:
    """One analysis: its findings, seconds, and the peak of its process's memory."""

    findings: Findings
    seconds: float
    again_seconds: float
    peak_mb: int


class _Kept(Model):
    """A model that keeps its first inputs."""

    def __init__(self, model: Model, folder: Path, calls: int) -> None:
        super().__init__(model.card, model._session)
        self._folder, self._calls, self._count = folder, calls, 0

    def run(self, inputs: Arrays) -> Arrays:
        if self._count < self._calls:
            number, self._count = self._count, self._count + 1
            np.savez(
                self._folder / f"{self.card.id} {os.getpid()} {number}.npz",
                allow_pickle=False,
                **inputs,
            )
        return super().run(inputs)


class _Keeping(ModelLibrary):
    def __init__(self, folder: Path, device: Device, cores: int, inputs: Path, calls: int) -> None:
        super().__init__(folder, cores, device)
        self._inputs, self._calls = inputs, calls

    def _load(self, model_id: str) -> Model:
        return _Kept(super()._load(model_id), self._inputs, self._calls)


def analyse(
    path: Path, models: Path, device: Device, cores: int, inputs: Path, calls: int
) -> Taken:
    """Analyse a folder twice; the first time with all that has to be loaded."""
    library = _Keeping(models, device, cores, inputs, calls)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        study = one_study(read_paths([path]).instances)
        application = next(one for one in applications().values() if one.accepts(study) is None)
        settings = application.settings_schema()
        selection = application.select(study, settings)
        findings = application.analyse(study, selection, Context(library, settings))
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Taken(findings, seconds[0], seconds[1], peak)


def differ(one: Findings, other: Findings) -> str:
    """How far two analyses of a study are apart, finding by finding in the reports' order."""
    told = f"{len(one.findings)} and {len(other.findings)} findings"
    if len(one.findings) == len(other.findings):
        pairs = list(zip(one.findings, other.findings, strict=True))
        chance = max((abs(a.probability - b.probability) for a, b in pairs), default=0.0)
        share = max((_apart(a.measurements, b.measurements) for a, b in pairs), default=0.0)
        masks = sum(a.mask == b.mask for a, b in pairs)
        pixels = max((_pixels(a, b) for a, b in pairs), default=0.0)
        told += (
            f", probabilities up to {chance:.2g} and measurements up to {share:.2g} of their value "
            f"apart, masks of {masks} the same, outlines up to {pixels:.2g} pixels apart"
        )
    exam = _apart(one.measurements, other.measurements)
    alike = "the same" if one.qualities == other.qualities else "OTHER"
    return f"{told}; of the exam: measurements up to {exam:.2g} apart, qualities {alike}"


def _pixels(one: Finding, other: Finding) -> float:
    """Largest distance of two corners of the outlines on images."""
    own, others = ([point for r in f.regions for point in r.points] for f in (one, other))
    if len(own) != len(others):
        return float("inf")
    return max((math.dist(a, b) for a, b in zip(own, others, strict=True)), default=0.0)


def _apart(one: tuple[Measurement, ...], other: tuple[Measurement, ...]) -> float:
    """Largest difference of two values of one name, as a share; infinite where one is missing."""
    own = {m.name: m.value for m in one}
    others = {m.name: m.value for m in other}
    if own.keys() != others.keys():
        return float("inf")
    shares = [abs(v - others[name]) / max(abs(v), 1e-9) for name, v in own.items()]
    return max(shares, default=0.0)


def compare(models: Path, device: Device, inputs: Path, cores: int) -> list[str]:
    """A line for each model: largest difference of an output, and the times' ratio."""
    lines = []
    kept: dict[str, list[Path]] = {}
    for path in sorted(inputs.glob("*.npz")):
        kept.setdefault(path.name.split(" ")[0], []).append(path)
    for model_id, paths in kept.items():
        first: list[float] = []
        on: dict[Device, Model] = {
            where: ModelLibrary(models, cores, where).load(model_id)
            for where in dict.fromkeys(("cpu", device))
        }
        largest, ratios = 0.0, []
        for path in paths:
            with np.load(path) as loaded:
                arrays = {name: loaded[name] for name in loaded.files}
            made = {"cpu": on["cpu"].run(arrays)}
            began = time.perf_counter()
            made[device] = on[device].run(arrays)
            first.append(time.perf_counter() - began)
            for name, array in made["cpu"].items():
                off = np.abs(array.astype(np.float64) - made[device][name].astype(np.float64))
                largest = max(largest, float(off.max(initial=0.0)))
            ratios.append(_seconds(on["cpu"], arrays) / _seconds(on[device], arrays))
        lines.append(
            f"{model_id}: {len(paths)} inputs, outputs up to {largest:.2g} apart, "
            f"{device} {statistics.median(ratios):.1f} times as fast "
            f"({min(ratios):.1f} to {max(ratios):.1f}), first runs {min(first):.2f} to "
            f"{max(first):.2f} s"
        )
    return lines


def _seconds(model: Model, inputs: Arrays) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        model.run(inputs)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="A card beside the processor.")
    parser.add_argument("--study", type=Path, action="append", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--models", type=Path, default=model_folder())
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--calls", type=int, default=3, help="inputs kept of each model")
    given = parser.parse_args()
    print(f"{given.cores} cores beside the device {given.device}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for path in given.study:
            of = [
                apart(
                    given.cores,
                    analyse,
                    path,
                    given.models,
                    device,
                    given.cores,
                    Path(folder),
                    calls,
                )
                for device, calls in (("cpu", given.calls), (given.device, 0))
            ]
            print(f"{path.name}: {differ(of[0].findings, of[1].findings)}")
            for device, one in zip(("cpu", given.device), of, strict=True):
                print(
                    f"  {device}: {one.seconds:.1f} s with loading, {one.again_seconds:.1f} s "
                    f"again, peak {one.peak_mb} MB of the host's memory"
                )
        lines = apart(given.cores, compare, given.models, given.device, Path(folder), given.cores)
        print(*lines, sep="\n")


if __name__ == "__main__":
    main()
