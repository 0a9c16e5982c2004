"""Small synthetic mammograms as DICOM objects, for tests."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gransk.core.decode import read_dataset
from gransk.core.keys import uid
from gransk.core.study import Instance

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def breast(rows: int = 240, columns: int = 180, bright: int = 3000) -> np.ndarray:
    """A half ellipse at the left edge, its upper half denser; background 100."""
    y, x = np.mgrid[:rows, :columns]
    inside = ((y - rows / 2) / (rows * 0.42)) ** 2 + (x / (columns * 0.8)) ** 2 < 1
    tissue = np.where(y < rows / 2, bright, bright * 0.7) + (x * 3 + y) % 50
    return np.where(inside, tissue, 100).astype(np.uint16)


def mammogram(pixels: np.ndarray | None = None, **changes: Any) -> Dataset:
    """A left MLO of 0.7 mm pixels; None in ``changes`` deletes an attribute."""
    pixels = breast() if pixels is None else pixels
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = MAMMOGRAM
    ds.SOPInstanceUID = uid("test mammogram", str(pixels.shape), str(sorted(changes)))
    ds.StudyInstanceUID = uid("test mammography study")
    ds.SeriesInstanceUID = uid("test mammography series")
    ds.Modality, ds.PresentationIntentType = "MG", "FOR PRESENTATION"
    ds.ImageLaterality, ds.ViewPosition = "L", "MLO"
    ds.PatientOrientation = ["A", "FR"]
    ds.ImagerPixelSpacing = [0.7, 0.7]
    ds.PresentationLUTShape = "IDENTITY"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored, ds.HighBit = ds.BitsAllocated, ds.BitsAllocated - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def lut(entries: np.ndarray, first: int = 0, bits: int = 16) -> Dataset:
    """One item of a look-up table sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries).astype("<u2").tobytes())
    return item


def instance_of(ds: Dataset) -> Instance:
    """As it comes from a file."""
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return read(stream.getvalue())


def read(raw: bytes) -> Instance:
    """An instance of these bytes."""
    header = read_dataset(BytesIO(raw), pixels=False)
    return Instance(header, lambda: read_dataset(BytesIO(raw)))
