"""The few words that every object says, in each language."""

from __future__ import annotations

from collections.abc import Iterable

from gransk.core.codes import SUSPICION
from gransk.core.findings import Finding

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
    "fallen": {"en": "Results that no longer stand", "da": "Resultater, der ikke gælder mere"},
    "replaced_by": {
        "en": "Replaced by a newer report of Gransk:",
        "da": "Erstattet af en nyere rapport fra Gransk:",
    },
    "not_replaced": {
        "en": "Withdrawn by Gransk; no report stands in its place.",
        "da": "Trukket tilbage af Gransk; ingen rapport er trådt i stedet.",
    },
    "finding": {"en": "Finding", "da": "Fund"},
    "findings": {"en": "Findings", "da": "Fund"},
    "score": {"en": "Model's score", "da": "Modellens score"},
    "score_text": {
        "en": "The model's score, 0 to 1, ranks the marks; it is no calibrated probability.",
        "da": "Modellens score, 0 til 1, rangordner fundene; "
        "den er ikke en kalibreret sandsynlighed.",
    },
    "suspicion": {"en": "Readers' suspicion", "da": "Læsernes mistanke"},
    "suspicion_text": {
        "en": "Readers' suspicion, 0 to 1, is how suspicious radiologists found what looks alike; "
        "it is no probability of cancer.",
        "da": "Læsernes mistanke, 0 til 1, er, hvor mistænkeligt radiologer fandt det, der ligner; "
        "den er ikke en sandsynlighed for kræft.",
    },
    "cancer": {"en": "Probability of cancer", "da": "Sandsynlighed for kræft"},
    "summary": {"en": "summary", "da": "oversigt"},
    "report": {"en": "report", "da": "rapport"},
    "cad": {"en": "CAD, research use", "da": "CAD, til forskningsbrug"},
    "segmentation": {"en": "segmentation", "da": "segmentering"},
    "marks": {"en": "marks", "da": "markeringer"},
    "key_images": {"en": "key images", "da": "nøglebilleder"},
    "document": {"en": "document", "da": "dokument"},
    "patient": {"en": "Patient", "da": "Patient"},
    "patient_id": {"en": "Patient ID", "da": "Patient-id"},
    "born": {"en": "Born", "da": "Født"},
    "sex": {"en": "Sex", "da": "Køn"},
    "study_date": {"en": "Study date", "da": "Undersøgt"},
    "accession": {"en": "Accession number", "da": "Accessionsnummer"},
    "study": {"en": "Study", "da": "Undersøgelse"},
    "pictures": {"en": "Pictures", "da": "Billeder"},
    "replaces": {
        "en": "Replaces an earlier report.",
        "da": "Erstatter en tidligere rapport.",
    },
    "analysed": {"en": "Analysed", "da": "Analyseret"},
    "images": {"en": "images", "da": "billeder"},
    "model": {"en": "Model", "da": "Model"},
    "matched": {"en": "Seen before", "da": "Set før"},
    "new": {"en": "New", "da": "Ny"},
    "resolved": {"en": "No longer seen", "da": "Ses ikke længere"},
    "not_covered": {"en": "Not shown by both studies", "da": "Vises ikke i begge undersøgelser"},
    "uncertain": {"en": "Correspondence uncertain", "da": "Sammenhæng usikker"},
    "added": {"en": "Added by {who}", "da": "Tilføjet af {who}"},
    "prepared": {"en": "Reviewed by {who}.", "da": "Gennemgået af {who}."},
    "signed": {"en": "Signed by {who}, {at}.", "da": "Underskrevet af {who}, {at}."},
    "unsigned": {"en": "Not signed by a radiologist.", "da": "Ikke underskrevet af en radiolog."},
    "rejected": {
        "en": "{finding} was rejected by a person; it stays in the record.",
        "da": "{finding} er afvist af en person; fundet bevares i journalen.",
    },
    "set_anew": {
        "en": "{finding}: {name} set from {before} to {after} by {who}.",
        "da": "{finding}: {name} ændret fra {before} til {after} af {who}.",
    },
    "not_given": {"en": "not given", "da": "ikke angivet"},
    "role_radiologist": {"en": "radiologist", "da": "radiolog"},
    "role_arbiter": {"en": "arbiter", "da": "opmand"},
    "role_trainee": {"en": "trainee", "da": "læge under uddannelse"},
    "role_radiographer": {"en": "radiographer", "da": "radiograf"},
    "role_nurse": {"en": "nurse", "da": "sygeplejerske"},
    "role_responsible_radiologist": {
        "en": "responsible radiologist",
        "da": "ansvarlig radiolog",
    },
    "not_there": {"en": "not there", "da": "findes ikke"},
    "same": {"en": "Same lesion", "da": "Samme læsion"},
    "same_lesion": {"en": "Same lesion as {names}", "da": "Samme læsion som {names}"},
    "page": {"en": "Page {page} of {pages}", "da": "Side {page} af {pages}"},
}

LANGUAGES = {"en": "English", "da": "Danish"}
"""RFC 5646 codes and their meanings."""


def any_suspicion(findings: Iterable[Finding]) -> bool:
    """Does any of them bear readers' suspicion, so that its sentence is due?"""
    return any(f.malignancy is not None and f.malignancy_concept == SUSPICION for f in findings)


def text(key: str, language: str) -> str:
    """One of these texts; English where the language has none."""
    words = TEXTS[key]
    return words.get(language, words["en"])
