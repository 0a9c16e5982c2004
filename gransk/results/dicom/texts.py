"""The few words that every object says, in each language."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "research": {
        "en": "Research use, not a medical device.",
        "da": "Til forskningsbrug, ikke medicinsk udstyr.",
    },
    "incomplete": {
        "en": "The study was incomplete when it was analysed.",
        "da": "Undersøgelsen var ikke komplet, da den blev analyseret.",
    },
    "intervals": {
        "en": "Ranges of uncertainty are 95 % intervals.",
        "da": "Usikkerhedsgrænser er 95 %-intervaller.",
    },
    "none": {
        "en": "No findings.",
        "da": "Ingen fund.",
    },
    "finding": {"en": "Finding", "da": "Fund"},
    "findings": {"en": "Findings", "da": "Fund"},
    "probability": {"en": "Model's score", "da": "Modellens score"},
    "summary": {"en": "summary", "da": "oversigt"},
    "report": {"en": "report", "da": "rapport"},
    "segmentation": {"en": "segmentation", "da": "segmentering"},
    "analysed": {"en": "Analysed", "da": "Analyseret"},
    "images": {"en": "images", "da": "billeder"},
    "model": {"en": "Model", "da": "Model"},
    "page": {"en": "Page {page} of {pages}", "da": "Side {page} af {pages}"},
}

LANGUAGES = {"en": "English", "da": "Danish"}
"""RFC 5646 codes and their meanings."""


def text(key: str, language: str) -> str:
    """One of these texts; English where the language has none."""
    words = TEXTS[key]
    return words.get(language, words["en"])
