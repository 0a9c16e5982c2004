"""Small synthetic CT objects, single-frame and enhanced, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gransk.core.decode import read_dataset
from gransk.core.keys import uid
from gransk.core.study import Instance

ENHANCED = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY = "1.2.840.10008.5.1.4.1.1.2.2"
CT = "1.2.840.10008.5.1.4.1.1.2"


def stored_slice(k: int, rows: int = 40, columns: int = 32) -> np.ndarray:
    """Stored values, unsigned with intercept -1024: air, and a block that moves with k."""
    j, i = np.mgrid[:rows, :columns]
    values = 20 + (7 * i + 3 * j + k) % 11
    values[10 : 20 + k % 5, 8:20] = 1064 + (i[10 : 20 + k % 5, 8:20] % 3)
    return values.astype(np.uint16)


def ct_slice(k: int = 0, z: float | None = None, pixels: np.ndarray | None = None,
             series: str = "a", **changes: Any) -> Dataset:  # fmt: skip
    """One CT image 2.5 mm above the one before; None in ``changes`` deletes an attribute."""
    pixels = stored_slice(k) if pixels is None else pixels
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CT
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = uid("test image", series, str(k), str(z))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = uid("test study")
    ds.SeriesInstanceUID = uid("test series", series)
    ds.FrameOfReferenceUID = uid("test frame")
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesNumber = 3
    ds.InstanceNumber = k + 1
    ds.ImagePositionPatient = [-10, -20, 2.5 * k if z is None else z]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [0.8, 0.7]
    ds.SliceThickness = 2.5
    ds.ConvolutionKernel = "STANDARD"
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def stack(count: int = 6, **changes: Any) -> list[Dataset]:
    return [ct_slice(k, **changes) for k in range(count)]


def enhanced(slices: Sequence[int] = range(6), sop_class: str = ENHANCED) -> Dataset:
    """One multi-frame object whose frames lie in the given order."""
    ds = ct_slice(0, series="enhanced")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames = len(slices)
    ds.PixelData = b"".join(stored_slice(k).tobytes() for k in slices)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.8, 0.7], SliceThickness=2.5)]
    shared.PixelValueTransformationSequence = [
        _item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
    ]
    ds.SharedFunctionalGroupsSequence = [shared]
    own = []
    for k in slices:
        item = Dataset()
        item.PlanePositionSequence = [_item(ImagePositionPatient=[-10, -20, 2.5 * k])]
        own.append(item)
    ds.PerFrameFunctionalGroupsSequence = own
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                    "SliceThickness", "RescaleSlope", "RescaleIntercept",
                    "RescaleType"):  # fmt: skip
        delattr(ds, keyword)
    return ds


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def file_bytes(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def instance(ds: Dataset) -> Instance:
    """An instance whose header and pixels pass through a real file's bytes."""
    return from_bytes(file_bytes(ds))


def from_bytes(content: bytes) -> Instance:
    def load() -> Dataset:
        return read_dataset(BytesIO(content))

    return Instance(read_dataset(BytesIO(content), pixels=False), load)


def instances(datasets: Sequence[Dataset]) -> list[Instance]:
    return [instance(ds) for ds in datasets]
