"""Small synthetic radiographs, made with the standard's own attributes."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid


def radiograph(seed: int = 0, size: int = 64, **attributes: Any) -> Dataset:
    """A CR image with one bright rectangle; ``attributes`` are set on it last."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 500, (size, size), dtype=np.uint16)
    pixels[10:20, 30:50] = 4000
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = ComputedRadiographyImageStorage
    image.SOPInstanceUID = generate_uid()
    image.StudyInstanceUID = generate_uid()
    image.SeriesInstanceUID = generate_uid()
    image.PatientName = f"Prøve^Åse {seed}"
    image.PatientID = f"T{seed:04}"
    image.PatientBirthDate = "19600101"
    image.PatientSex = "F"
    image.StudyDate = datetime.date(2026, 1, 2).strftime("%Y%m%d")
    image.StudyTime = "101112"
    image.StudyID = "1"
    image.AccessionNumber = f"A{seed:04}"
    image.ReferringPhysicianName = ""
    image.Modality = "CR"
    image.Manufacturer = "Test"
    image.SeriesNumber = "1"
    image.InstanceNumber = "1"
    image.ViewPosition = "PA"
    image.BodyPartExamined = "CHEST"
    image.ImageType = ["ORIGINAL", "PRIMARY"]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows = image.Columns = size
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    image.PixelRepresentation = 0
    image.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return image


def save(image: Dataset, path: Path) -> Path:
    """Write an image as a DICOM file."""
    image.save_as(path, enforce_file_format=True)
    return path
