"""What people call the profile's keys and answers."""

from __future__ import annotations

INPUTS: dict[str, dict[str, str]] = {
    "constant": {"en": "constant", "da": "konstant"},
    "age_years": {"en": "age, years", "da": "alder, år"},
    "sex": {"en": "sex", "da": "køn"},
    "smoking": {"en": "smoking", "da": "rygning"},
    "family_history_lung_cancer": {
        "en": "lung cancer in the family",
        "da": "lungekræft i familien",
    },
    "emphysema": {"en": "emphysema", "da": "emfysem"},
    "extrathoracic_cancer": {
        "en": "cancer outside the chest",
        "da": "kræft uden for thorax",
    },
    "earlier_lung_cancer": {"en": "earlier lung cancer", "da": "tidligere lungekræft"},
    "known_primary_cancer": {"en": "known primary cancer", "da": "kendt primær kræft"},
    "immunosuppressed": {"en": "immunosuppressed", "da": "immunsupprimeret"},
    "fleischner_risk": {"en": "risk (Fleischner)", "da": "risiko (Fleischner)"},
    "setting": {"en": "reason for the scan", "da": "årsag til skanningen"},
    "maximum_transverse_diameter_mm": {
        "en": "longest axial diameter, mm",
        "da": "længste aksiale diameter, mm",
    },
    "texture": {"en": "texture", "da": "tekstur"},
    "upper_lobe": {"en": "upper lobe", "da": "overlap"},
    "spiculated": {"en": "spiculated", "da": "spikuleret"},
    "nodule_count": {"en": "number of nodules", "da": "antal noduli"},
    "course": {"en": "course of the nodule", "da": "nodulus' forløb"},
    "pet_uptake": {"en": "uptake on PET", "da": "optagelse på PET"},
    "mayo_probability": {"en": "probability by Mayo", "da": "sandsynlighed efter Mayo"},
}

ANSWERS: dict[str, dict[str, str]] = {
    "yes": {"en": "yes", "da": "ja"},
    "no": {"en": "no", "da": "nej"},
    "female": {"en": "female", "da": "kvinde"},
    "male": {"en": "male", "da": "mand"},
    "never": {"en": "never", "da": "aldrig"},
    "former": {"en": "former", "da": "tidligere"},
    "current": {"en": "current", "da": "nuværende"},
    "none": {"en": "none", "da": "ingen"},
    "within_5_years": {"en": "within 5 years", "da": "inden for 5 år"},
    "over_5_years": {"en": "over 5 years ago", "da": "over 5 år siden"},
    "low": {"en": "low", "da": "lav"},
    "high": {"en": "high", "da": "høj"},
    "incidental": {"en": "incidental", "da": "tilfældigt fund"},
    "screening": {"en": "screening", "da": "screening"},
    "known_cancer": {"en": "known cancer", "da": "kendt kræft"},
    "solid": {"en": "solid", "da": "solid"},
    "part_solid": {"en": "part-solid", "da": "delvist solid"},
    "ground_glass": {"en": "ground glass", "da": "matglas"},
    "first": {"en": "first scan", "da": "første skanning"},
    "stable": {"en": "stable", "da": "stabil"},
    "new": {"en": "new", "da": "ny"},
    "growing": {"en": "growing", "da": "voksende"},
    "faint": {"en": "faint", "da": "svag"},
    "moderate": {"en": "moderate", "da": "moderat"},
    "intense": {"en": "intense", "da": "kraftig"},
}


def names(keys: tuple[str, ...], language: str) -> str:
    """Keys as people call them, one after the other; others stay as they are."""
    return ", ".join(INPUTS[key][language] if key in INPUTS else key for key in keys)
