"""Closed lists of codes: why a doubling time is withheld, and what to know of one."""

from __future__ import annotations

from enum import StrEnum


class Withheld(StrEnum):
    """Why volume-doubling time and growth class are not given."""

    SLICE_THICKNESS = "slice_thickness"
    THICKNESS_UNKNOWN = "thickness_unknown"
    KERNEL_CLASS = "kernel_class"
    KERNEL_UNKNOWN = "kernel_unknown"
    SAME_DAY = "same_day"
    NO_SIZE = "no_size"
    LONG_INTERVAL = "long_interval"


class Noted(StrEnum):
    """What a reader must know of a change."""

    CONTRAST_DIFFERS = "contrast_differs"
    CONTRAST_UNKNOWN = "contrast_unknown"
    VOXELS_UNKNOWN = "voxels_unknown"
    ALLOWED_SLICE_THICKNESS = "allowed_slice_thickness"
    ALLOWED_THICKNESS_UNKNOWN = "allowed_thickness_unknown"
    ALLOWED_KERNEL_CLASS = "allowed_kernel_class"
    ALLOWED_KERNEL_UNKNOWN = "allowed_kernel_unknown"


TEXTS: dict[Withheld | Noted, dict[str, str]] = {
    Withheld.SLICE_THICKNESS: {
        "en": "Withheld: the slices are too thick, or too unlike in thickness.",
        "da": "Tilbageholdt: snittene er for tykke eller for forskellige i tykkelse.",
    },
    Withheld.THICKNESS_UNKNOWN: {
        "en": "Withheld: a slice thickness is unknown.",
        "da": "Tilbageholdt: en snittykkelse er ukendt.",
    },
    Withheld.KERNEL_CLASS: {
        "en": "Withheld: the reconstruction kernels are of different classes.",
        "da": "Tilbageholdt: rekonstruktionskernerne er af forskellige klasser.",
    },
    Withheld.KERNEL_UNKNOWN: {
        "en": "Withheld: the class of a reconstruction kernel is unknown.",
        "da": "Tilbageholdt: en rekonstruktionskernes klasse er ukendt.",
    },
    Withheld.SAME_DAY: {
        "en": "Withheld: both scans are of one day.",
        "da": "Tilbageholdt: begge skanninger er fra samme dag.",
    },
    Withheld.NO_SIZE: {
        "en": "Withheld: the size that the rule asks for is not known on both scans.",
        "da": "Tilbageholdt: det mål, som reglen kræver, kendes ikke på begge skanninger.",
    },
    Withheld.LONG_INTERVAL: {
        "en": "Withheld: the rule is about a shorter time than lies between the scans.",
        "da": "Tilbageholdt: reglen gælder kortere tid, end der er mellem skanningerne.",
    },
    Noted.CONTRAST_DIFFERS: {
        "en": "One scan is with contrast medium, the other without: contrast adds volume.",
        "da": "Den ene skanning er med kontrast, den anden uden: kontrast øger volumen.",
    },
    Noted.CONTRAST_UNKNOWN: {
        "en": "Whether contrast medium was given is not known of both scans.",
        "da": "Det vides ikke for begge skanninger, om der er givet kontrast.",
    },
    Noted.VOXELS_UNKNOWN: {
        "en": "The interval leaves out the size of the voxels, which is unknown.",
        "da": "Intervallet medregner ikke voxelstørrelsen, som er ukendt.",
    },
    Noted.ALLOWED_SLICE_THICKNESS: {
        "en": "The slices are too thick or too unlike in thickness; this site allows it.",
        "da": "Snittene er for tykke eller for forskellige i tykkelse; afdelingen tillader det.",
    },
    Noted.ALLOWED_THICKNESS_UNKNOWN: {
        "en": "A slice thickness is unknown; this site allows it.",
        "da": "En snittykkelse er ukendt; afdelingen tillader det.",
    },
    Noted.ALLOWED_KERNEL_CLASS: {
        "en": "The reconstruction kernels are of different classes; this site allows it.",
        "da": "Rekonstruktionskernerne er af forskellige klasser; afdelingen tillader det.",
    },
    Noted.ALLOWED_KERNEL_UNKNOWN: {
        "en": "The class of a reconstruction kernel is unknown; this site allows it.",
        "da": "En rekonstruktionskernes klasse er ukendt; afdelingen tillader det.",
    },
}


def text(code: Withheld | Noted, language: str) -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return TEXTS[code][language]
