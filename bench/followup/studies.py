"""A volume as the CT study that an archive would hold."""

from __future__ import annotations

import datetime

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from bench.followup.pairs import Made
from gransk.core.ct import CT_IMAGE
from gransk.core.keys import uid
from gransk.core.study import Instance, Study
from gransk.core.volume import Volume

INTERCEPT = -1024
# Of every first scan; nothing is read from it but the distance to the follow-up.
FIRST_DAY = datetime.date(2024, 1, 8)


def study_of(made: Made, patient: str, date: datetime.date, *names: str) -> Study:
    """One series of single-frame images, uncompressed.

    Parameters
    ----------
    made : Made
    patient : str
        Patient ID.
    date : date
        Of study, series and images.
    names : str
        Tell this study from every other; its UIDs are made of them.
    """
    volume = made.volume
    header = Dataset()
    header.SOPClassUID = CT_IMAGE
    header.StudyInstanceUID = uid("follow-up study", *names)
    header.SeriesInstanceUID = uid("follow-up series", *names)
    header.FrameOfReferenceUID = uid("follow-up frame", *names)
    header.PatientID, header.PatientName = patient, ""
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = date.strftime("%Y%m%d")
    header.Modality, header.BodyPartExamined = "CT", "CHEST"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SeriesNumber = 2
    header.ConvolutionKernel = made.kernel
    header.SliceThickness = round(made.thickness_mm, 4)
    header.PixelSpacing = [_text(s) for s in volume.geometry.spacing[1:]]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = INTERCEPT, 1, "HU"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = volume.hu.shape[1:]
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.PixelRepresentation = 0
    return Study.from_instances(_instance(header, volume, k, names) for k in range(len(volume.hu)))


def _instance(header: Dataset, volume: Volume, k: int, names: tuple[str, ...]) -> Instance:
    own = Dataset()
    own.update(header)
    own.SOPInstanceUID = UID(uid("follow-up image", *names, str(k)))
    own.InstanceNumber = k + 1
    own.ImagePositionPatient = [_text(v) for v in volume.geometry.to_lps((k, 0, 0))]
    own.file_meta = FileMetaDataset()
    own.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    own.file_meta.MediaStorageSOPClassUID = UID(CT_IMAGE)
    own.file_meta.MediaStorageSOPInstanceUID = own.SOPInstanceUID

    def load() -> Dataset:
        whole = Dataset()
        whole.update(own)
        whole.file_meta = own.file_meta
        stored = np.clip(np.round(volume.hu[k]) - INTERCEPT, 0, 65535).astype("<u2")
        whole.PixelData = stored.tobytes()
        whole["PixelData"].VR = "OW"
        return whole

    return Instance(own, load)


def _text(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    return f"{value:.6f}"
