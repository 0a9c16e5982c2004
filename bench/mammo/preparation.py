"""Time and memory of reading an exam: decoding, preparation, anatomy, quality.

    python -m bench.mammo.preparation FILE... [--threads 2]

Each FILE is one view as DICOM; its projection is read from View Position, else taken as MLO, the
slower one. Prints seconds of the wall clock and of the processors for all files together, the
second time round, and the most memory that the process ever held.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pydicom import Dataset

from gransk.core.decode import read_dataset
from gransk.core.study import Instance
from mammo.image.anatomy import find_anatomy
from mammo.image.pixels import read_pixels
from mammo.image.quality import measure
from mammo.view import Projection


def instance_of(path: Path) -> Instance:
    """One DICOM file, whose pixels are read when asked for."""
    with path.open("rb") as stream:
        header = read_dataset(stream, pixels=False)

    def load() -> Dataset:
        with path.open("rb") as stream:
            return read_dataset(stream)

    return Instance(header, load)


def read(path: Path, whole: bool) -> None:
    """Decode and prepare one view; with ``whole`` also look for anatomy and measure quality."""
    instance = instance_of(path)
    pixels = read_pixels(instance)
    prepared = pixels.prepared()
    if whole:
        projection = (
            Projection.CC if instance.header.get("ViewPosition") == "CC" else Projection.MLO
        )
        measure(pixels, prepared, find_anatomy(prepared, projection), projection)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of reading an exam.")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for name, whole in (("decoded and prepared", False), ("with anatomy and quality", True)):
        with ThreadPoolExecutor(arguments.threads) as pool:
            for _ in range(2):
                start, used = time.perf_counter(), time.process_time()
                list(pool.map(partial(read, whole=whole), arguments.files))
                seconds, used = time.perf_counter() - start, time.process_time() - used
        print(
            f"{len(arguments.files)} views {name}: {seconds:.2f} s with {arguments.threads} "
            f"threads, {used:.2f} s of processor time"
        )
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"most memory held: {held:.0f} MiB")


if __name__ == "__main__":
    main()
