"""A DICOM file under another patient identity, everything else as it was."""

from __future__ import annotations

import io

from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings
from pydicom.errors import InvalidDicomError

from gransk.archive.identity import Who
from gransk.core.decode import DAMAGED
from gransk.core.errors import UnreadableInputError
from gransk.core.identity import MANUFACTURER

KEYWORDS = {
    "PatientID": "patient_id",
    "IssuerOfPatientID": "issuer",
    "PatientName": "patient_name",
    "PatientBirthDate": "birth_date",
    "PatientSex": "sex",
}
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
UTF_8 = "ISO_IR 192"


def is_ours(content: bytes) -> bool:
    """Did Gransk make the object? Ours are made anew, not changed.

    Raises
    ------
    UnreadableInputError
    """
    header = _read(content, pixels=False)
    return str(header.get("Manufacturer", "")).strip() == MANUFACTURER


def under(content: bytes, who: Who) -> bytes | None:
    """The file under an identity; None where it bears it already.

    Pixel data keep every byte, and so does every element that is not named in `KEYWORDS`, unless
    the character set lacks a letter of the name: then the text becomes UTF-8.

    Parameters
    ----------
    content : bytes
        DICOM file (PS3.10).
    who : Who

    Raises
    ------
    UnreadableInputError
        Where it cannot be read, or would not be the same but for the identity.
    """
    file = _read(content)
    wanted = {keyword: getattr(who, name) for keyword, name in KEYWORDS.items()}
    if all(str(file.get(keyword) or "").strip() == value for keyword, value in wanted.items()):
        return None
    try:
        if not _writes(file, wanted["PatientName"]):
            file.decode()
            file.SpecificCharacterSet = UTF_8
        for keyword, value in wanted.items():
            if value or keyword in file:
                setattr(file, keyword, value)
        buffer = io.BytesIO()
        file.save_as(buffer, enforce_file_format=False)
    except (ValueError, *DAMAGED) as error:
        raise UnreadableInputError(f"cannot be written ({type(error).__name__})") from error
    made = buffer.getvalue()
    again = _read(made)
    if any(again.get(keyword) != file.get(keyword) for keyword in PIXELS) or any(
        _read(content).get(keyword) != again.get(keyword) for keyword in PIXELS
    ):
        raise UnreadableInputError("its pixels would not be the same")
    return made


def _read(content: bytes, pixels: bool = True) -> Dataset:
    try:
        return dcmread(io.BytesIO(content), stop_before_pixels=not pixels)
    except (InvalidDicomError, RecursionError, *DAMAGED) as error:
        raise UnreadableInputError(f"cannot be read ({type(error).__name__})") from error


def _writes(file: Dataset, name: str) -> bool:
    """Has the file's character set every letter of a name?"""
    if name.isascii():
        return True
    told = file.get("SpecificCharacterSet") or ""
    try:
        encodings = convert_encodings(told if isinstance(told, str) else list(told))
        name.encode(encodings[0])
    except (LookupError, UnicodeEncodeError):
        return False
    return len(encodings) == 1
