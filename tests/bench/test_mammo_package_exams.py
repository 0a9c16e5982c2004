"""Unrelated views of the package become one exam that is read by its attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from bench.mammo.exams import SPACING_MM, write
from gransk.archive.folder import one_study, read_paths
from mammo.exam.choice import ViewRules, choose, ready
from mammo.image.pixels import pixel_spacing


def view(name: str, turned: str) -> Dataset:
    """As the package has it: everything of its own, the view where the orientation belongs."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.Modality, made.PatientID, made.PatientName = "MG", name, name
    made.PatientOrientation = turned
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = 64, 48
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.PixelData = np.zeros((64, 48), np.uint16).tobytes()
    return made


def test_four_views_become_one_exam(tmp_path: Path) -> None:
    case = tmp_path / "cases" / "one"
    case.mkdir(parents=True)
    for side in ("LEFT", "RIGHT"):
        for projection in ("CC", "MLO"):
            name = f"Mass-Test_P_00001_{side}_{projection}"
            view(name, projection).save_as(case / f"{name}.dcm", enforce_file_format=True)
    (folder,) = write(tmp_path / "cases", tmp_path / "out")
    study = one_study(read_paths([folder]).instances)
    assert ready(study)
    chosen = choose(study, ViewRules()).instances
    names = [f"{i.header.ImageLaterality} {i.header.ViewPosition}" for i in chosen]
    assert names == ["R CC", "R MLO", "L CC", "L MLO"]
    assert {str(i.header.PatientID) for i in chosen} == {"one"}
    assert pixel_spacing(chosen[0].header)[0] == (SPACING_MM, SPACING_MM)
