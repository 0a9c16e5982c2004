"""DICOM files and tables as research archives ship them, with drawn pixels."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as Mammogram
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

VIEWS = {"CC": "399162004", "MLO": "399368009"}


def write_image(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
    """One image; ``view`` becomes a View Code Sequence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = Mammogram, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = Mammogram, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.Modality, image.PhotometricInterpretation = "MG", "MONOCHROME2"
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.Rows, image.Columns = pixels.shape
    bits = pixels.dtype.itemsize * 8
    image.BitsAllocated, image.BitsStored, image.HighBit = bits, bits, bits - 1
    view = attributes.pop("view", None)
    if view is not None:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = VIEWS[str(view)], "SCT"
        code.CodeMeaning = str(view)
        image.ViewCodeSequence = Sequence([code])
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    image.PixelData = pixels.tobytes()
    image.save_as(path)
    return path


def write_sheet(path: Path, rows: list[list[str]]) -> Path:
    """A workbook of one sheet with shared strings, as spreadsheet programs write it."""
    words = list(dict.fromkeys(value for row in rows for value in row))
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    lines = []
    for number, row in enumerate(rows, 1):
        cells = "".join(
            f'<c r="{chr(65 + n)}{number}" t="s"><v>{words.index(value)}</v></c>'
            for n, value in enumerate(row)
            if value
        )
        lines.append(f'<row r="{number}">{cells}</row>')
    shared = "".join(f"<si><t>{escape(word)}</t></si>" for word in words)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", f"<sst {space}>{shared}</sst>")
        sheet = f"<worksheet {space}><sheetData>{''.join(lines)}</sheetData></worksheet>"
        book.writestr("xl/worksheets/sheet1.xml", sheet)
    return path
