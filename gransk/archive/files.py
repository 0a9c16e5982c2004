"""DICOM files on this machine's disk."""

from __future__ import annotations

import mmap
from pathlib import Path

from pydicom import Dataset

from gransk.core.decode import read_dataset
from gransk.core.errors import UnreadableInputError


def read_file(path: Path, pixels: bool = True) -> Dataset:
    """One DICOM file, mapped so that no claimed length is believed.

    Raises
    ------
    UnreadableInputError
        Where it cannot be opened or is no DICOM object.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return read_dataset(view, pixels)  # type: ignore[arg-type]
    except ValueError as error:
        raise UnreadableInputError("the file is empty") from error
    except OSError as error:
        raise UnreadableInputError(f"the file cannot be read: {error.strerror}") from error
