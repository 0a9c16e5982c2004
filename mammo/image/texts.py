"""Texts of what pixels, quality and density tell by code, in Danish and English."""

from __future__ import annotations

from mammo.image.quality import Why

NOTES: dict[str, dict[str, str]] = {
    "scale_assumed": {
        "en": "The image does not say how large its pixels are: a film 24 cm high is assumed, "
        "and sizes are estimates.",
        "da": "Billedet oplyser ikke, hvor store dets pixels er: der forudsættes en film på "
        "24 cm i højden, og mål er skønnede.",
    },
    "window_left_out": {
        "en": "The window stored in the image would hide it; all its values are shown.",
        "da": "Det vindue, der er gemt i billedet, ville skjule det; alle dets værdier vises.",
    },
    "technical_repeat": {
        "en": "{view}: consider a new image: {why}.",
        "da": "{view}: overvej ny optagelse: {why}.",
    },
    "positioning": {
        "en": "{view}, positioning: {why}.",
        "da": "{view}, lejring: {why}.",
    },
    "density_from_film": {
        "en": "Breast density was learned from scanned film; on digital images it has not been "
        "measured.",
        "da": "Brysttætheden er lært af skannede film og er ikke efterprøvet på digitale billeder.",
    },
}

WHY: dict[Why, dict[str, str]] = {
    Why.LOW_CONTRAST: {"en": "low contrast", "da": "lav kontrast"},
    Why.SATURATED: {
        "en": "much of the breast is shown wholly white",
        "da": "en stor del af brystet er vist helt hvidt",
    },
    Why.BLURRED: {"en": "the image is blurred", "da": "billedet er uskarpt"},
    Why.NOISY: {"en": "the image is noisy", "da": "billedet er støjfyldt"},
    Why.CUT_OFF: {
        "en": "breast tissue is cut off at the image's edge",
        "da": "brystvæv er skåret af ved billedets kant",
    },
    Why.MUSCLE_MISSING: {
        "en": "the pectoral muscle is not seen",
        "da": "pectoralismusklen ses ikke",
    },
    Why.MUSCLE_SHORT: {
        "en": "the pectoral muscle ends more than 10 mm above the posterior nipple line",
        "da": "pectoralismusklen ender mere end 10 mm over den posteriore mamillelinje",
    },
    Why.NIPPLE_LINE: {
        "en": "the posterior nipple line is more than 10 mm shorter than in the breast's other "
        "view",
        "da": "den posteriore mamillelinje er mere end 10 mm kortere end i brystets anden "
        "projektion",
    },
    Why.NIPPLE_NOT_IN_PROFILE: {
        "en": "the nipple is in profile in none of the breast's views",
        "da": "mamillen er ikke i profil i nogen af brystets projektioner",
    },
}


def texts() -> dict[str, dict[str, str]]:
    """Every text by its note's code: those with a reason once for each reason."""
    plain = {code: by for code, by in NOTES.items() if "{why}" not in by["en"]}
    reasoned = {
        f"{code}_{why.value}": {
            language: by[language].replace("{why}", words[language]) for language in by
        }
        for code, by in NOTES.items()
        if code not in plain
        for why, words in WHY.items()
    }
    return plain | reasoned
