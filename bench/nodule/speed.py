"""Wall time and memory of one analysis of a 300-slice scan.

    python -m bench.nodule.speed --scan ../shared/data/ct/LIDC-IDRI-0001

Resamples a scan to 300 slices of 512 x 512 over the same length, writes them as
DICOM (JPEG-LS lossless, as the shared scans are), and runs the analysis of
`gransk analyse` on them in a process of its own, held to two cores. In the same
run are taken: the seconds of decoding, the seconds in which the runtime computed
(raw inference; parallel calls count once), and the process's peak memory. Wall
time is also given as a ratio to decode plus raw inference, which depends less on
the machine. Processor time, of all threads together, tells most where other
programs take the cores: then it, and not the wall time, is what to compare.

What this does not show: one scan on one machine; slices interpolated from 2.5 mm
compress better than real thin ones.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless

from bench.apart import apart
from bench.nodule.alterations import thickness
from bench.nodule.analysis import MODELS
from bench.nodule.scans import find_scan
from gransk.archive.folder import one_study, read_paths
from gransk.core.application import Context
from gransk.core.ct import CT_IMAGE
from gransk.core.keys import uid
from gransk.core.models import Model, ModelLibrary
from gransk.core.volume import Volume
from nodule.application import NoduleApplication

SLICES = 300
CORES = 2
SECONDS, GIB, SHARE = 20.0, 2.0, 0.85


@dataclass(frozen=True)
class Taken:
    """What one analysis took.

    Parameters
    ----------
    wall, decode, inference : float
        Seconds.
    cpu, decode_cpu, inference_cpu : float
        Seconds of processor time, of all threads together.
    peak_gib : float
        Resident memory of the process at its peak.
    steps : dict
        Seconds by step as the application tells them.
    findings : int
    """

    wall: float
    decode: float
    inference: float
    cpu: float
    decode_cpu: float
    inference_cpu: float
    peak_gib: float
    steps: dict[str, float]
    findings: int


class Stopwatch:
    """Seconds, and the process's seconds of processor time, in which at least one call ran."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu = 0.0
        self._running = 0
        self._since = (0.0, 0.0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._running == 0:
                self._since = time.perf_counter(), time.process_time()
            self._running += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self.seconds += time.perf_counter() - self._since[0]
                self.cpu += time.process_time() - self._since[1]


class StepClock:
    """Processor time by step, from the application's progress."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self._step, self._since = "load", time.process_time()

    def __call__(self, step: str, share: float) -> None:
        if step != self._step:
            now = time.process_time()
            self.cpu[self._step] = self.cpu.get(self._step, 0.0) + now - self._since
            self._step, self._since = step, now


class TimedModel(Model):
    """A model whose computing is timed."""

    def __init__(self, model: Model, watch: Stopwatch) -> None:
        super().__init__(model.card, model._session)
        self._watch = watch

    def run(
        self, inputs: dict[str, npt.NDArray[Any]]
    ) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
        with self._watch:
            return super().run(inputs)


class TimedLibrary(ModelLibrary):
    """Models that share one stopwatch."""

    def __init__(self, folder: Path, threads: int) -> None:
        super().__init__(folder, threads)
        self.watch = Stopwatch()

    def _load(self, model_id: str) -> Model:
        return TimedModel(super()._load(model_id), self.watch)


def write_series(scan: Volume, folder: Path) -> None:
    """One CT series of a volume, JPEG-LS lossless."""
    k, j, i = scan.geometry.shape
    for number in range(k):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(CT_IMAGE)
        instance = UID(uid("bench speed", str(number)))
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = instance
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("bench", "study"), uid("bench", "series")
        ds.FrameOfReferenceUID = uid("bench", "frame")
        ds.Modality, ds.PatientID, ds.PatientName = "CT", "BENCH", "Bench"
        ds.StudyDate, ds.StudyTime = "20260101", "080000"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.BodyPartExamined, ds.SeriesDescription = "CHEST", "CHEST"
        ds.SeriesNumber, ds.InstanceNumber = 2, number + 1
        ds.SliceThickness = f"{scan.geometry.spacing[0]:.6g}"
        ds.ImagePositionPatient = [f"{v:.4f}" for v in scan.geometry.to_lps((number, 0, 0))]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing = [f"{v:.6g}" for v in scan.geometry.spacing[1:]]
        ds.Rows, ds.Columns = j, i
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
        ds.PixelData = np.rint(scan.hu[number]).astype("<i2").tobytes()
        ds["PixelData"].VR = "OW"
        ds.compress(JPEGLSLossless, generate_instance_uid=False)
        ds.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)


def analyse(folder: Path, models: Path, threads: int) -> Taken:
    """Analyse a folder once and tell what it took; peak memory is that of this process."""
    application = NoduleApplication()
    settings = application.settings_schema()
    library = TimedLibrary(models, threads)
    steps = StepClock()
    began, began_cpu = time.perf_counter(), time.process_time()
    study = one_study(read_paths([folder]).instances)
    selection = application.select(study, settings)
    context = Context(library, settings, steps, "bench")
    findings = application.analyse(study, selection, context)
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return Taken(
        wall=wall,
        decode=findings.seconds["decode"],
        inference=library.watch.seconds,
        cpu=cpu,
        decode_cpu=steps.cpu["decode"],
        inference_cpu=library.watch.cpu,
        peak_gib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        steps=findings.seconds,
        findings=len(findings.findings),
    )


def report(taken: Taken) -> str:
    """The figures beside the aims."""
    raw = taken.decode + taken.inference
    cpu = taken.decode_cpu + taken.inference_cpu
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in taken.steps.items())
    return "\n".join(
        [
            f"wall {taken.wall:.1f} s (aim {SECONDS:g}), peak memory {taken.peak_gib:.2f} GiB "
            f"(aim {GIB:g}), findings {taken.findings}",
            f"decode {taken.decode:.1f} s, raw inference {taken.inference:.1f} s: "
            f"{raw / taken.wall:.0%} of the wall time (aim {SHARE:.0%})",
            f"wall / (decode + raw inference) = {taken.wall / raw:.2f} (aim {1 / SHARE:.2f})",
            f"processor time {taken.cpu:.1f} s: decode {taken.decode_cpu:.1f}, raw inference "
            f"{taken.inference_cpu:.1f}, {cpu / taken.cpu:.0%} of it",
            f"steps in s: {steps}",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Wall time and memory of one analysis.")
    parser.add_argument("--scan", type=Path, required=True, help="folder of one DICOM series")
    parser.add_argument("--slices", type=int, default=SLICES)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--threads", type=int, default=CORES)
    arguments = parser.parse_args()
    scan = find_scan(arguments.scan).volume()
    length = scan.hu.shape[0] * scan.geometry.spacing[0]
    thin = thickness(length / arguments.slices)(scan)
    with tempfile.TemporaryDirectory() as folder:
        write_series(thin, Path(folder))
        print(
            f"{arguments.scan.name} as {thin.hu.shape[0]} slices of {length / arguments.slices:.2f}"
            f" mm, {thin.hu.shape[1]} x {thin.hu.shape[2]}; {min(CORES, os.cpu_count() or 1)} "
            f"cores, {arguments.threads} threads; load {os.getloadavg()[0]:.1f}"
        )
        for _ in range(arguments.repeats):
            print(
                report(apart(CORES, analyse, Path(folder), arguments.models, arguments.threads)),
                flush=True,
            )


if __name__ == "__main__":
    main()
