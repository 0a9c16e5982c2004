"""Our own words in the character set of the source."""

from __future__ import annotations

import unicodedata

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})

PLAIN = {
    "æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa", "ß": "ss",
    "–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...",
    "×": "x", "·": "-", "•": "-", "µ": "u", "μ": "u", "°": " deg", "±": "+/-", "≤": "<=",
    "≥": ">=", "²": "2", "³": "3",
}  # fmt: skip


def encodings(header: Dataset) -> list[str]:
    """Python codecs of a dataset's Specific Character Set that our words may use.

    See PS3.3 C.12.1.1.2. ISO 2022 IR 58 is left out: pydicom writes no escape
    sequence for it.
    """
    value = header.get("SpecificCharacterSet")
    if not value:
        return ["ascii"]
    codecs = ["ascii" if codec == "iso8859" else codec for codec in convert_encodings(value)]
    return [codec for codec in codecs if codec != "iso_ir_58"]


def fit(text: str, codecs: list[str]) -> str:
    """Text with every character that no codec holds written plainly instead.

    Notes
    -----
    For the words that Gransk adds alone; what is copied from the source keeps
    its characters, since the character set is copied with it.
    """
    if text.isascii():
        return text
    return "".join(c if _holds(c, codecs) else _plain(c) for c in text)


def fit_dataset(dataset: Dataset, codecs: list[str]) -> None:
    """`fit` every text of a dataset, nested ones too, in place."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                fit_dataset(item, codecs)
        elif element.VR in TEXT_VRS:
            _fit_element(element, codecs)


def _fit_element(element: DataElement, codecs: list[str]) -> None:
    value = element.value
    if isinstance(value, MultiValue):
        if not all(str(part).isascii() for part in value):
            element.value = [fit(str(part), codecs) for part in value]
    elif value is not None and not str(value).isascii():
        element.value = fit(str(value), codecs)


def _holds(character: str, codecs: list[str]) -> bool:
    for codec in codecs:
        try:
            character.encode(codec)
        except (UnicodeEncodeError, LookupError):
            continue
        return True
    return False


def _plain(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    ascii_part = unicodedata.normalize("NFKD", character).encode("ascii", "ignore")
    return ascii_part.decode("ascii") or "?"
