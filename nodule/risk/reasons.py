"""Closed lists of codes: why a model gives no probability, and what to know of one."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Why a model gives no probability."""

    PROFILE_INVALID = "profile_invalid"
    INPUT_MISSING = "input_missing"
    CANCER_WITHIN_5_YEARS = "cancer_within_5_years"
    EARLIER_LUNG_CANCER = "earlier_lung_cancer"
    NEW_OR_GROWING = "new_or_growing"


class Warned(StrEnum):
    """What a reader must know of a probability."""

    NEVER_SMOKER = "never_smoker"
    NOT_FIRST_SCAN = "not_first_scan"
    SCOPE_UNKNOWN = "scope_unknown"
    ANOTHER_MODEL = "another_model"
    RANGE = "range"
    TYPED_MAYO = "typed_mayo"
    SECONDARY = "secondary"


TEXTS: dict[str, dict[str, str]] = {
    Refusal.PROFILE_INVALID: {
        "en": "The profile cannot be used: {detail}",
        "da": "Risikoprofilen kan ikke bruges: {detail}",
    },
    Refusal.INPUT_MISSING: {
        "en": "The model needs answers that are missing: {detail}",
        "da": "Modellen kræver svar, der mangler: {detail}",
    },
    Refusal.CANCER_WITHIN_5_YEARS: {
        "en": "Not applicable: a cancer within the last 5 years.",
        "da": "Kan ikke anvendes: kræft inden for de seneste 5 år.",
    },
    Refusal.EARLIER_LUNG_CANCER: {
        "en": "Not applicable: an earlier lung cancer.",
        "da": "Kan ikke anvendes: tidligere lungekræft.",
    },
    Refusal.NEW_OR_GROWING: {
        "en": "Not offered for new or growing nodules.",
        "da": "Tilbydes ikke for nye eller voksende noduli.",
    },
    Warned.NEVER_SMOKER: {
        "en": "The model was made on ever-smokers; this patient never smoked.",
        "da": "Modellen er lavet på nuværende og tidligere rygere; patienten har aldrig røget.",
    },
    Warned.NOT_FIRST_SCAN: {
        "en": "The model was made on first (baseline) scans; this is a later one.",
        "da": "Modellen er lavet på første (baseline-)skanninger; dette er en senere.",
    },
    Warned.SCOPE_UNKNOWN: {
        "en": "Whether the model applies is not known: {detail}",
        "da": "Det vides ikke, om modellen kan anvendes: {detail}",
    },
    Warned.ANOTHER_MODEL: {
        "en": "Spiculation is unknown: calculated by {detail}, which does without it.",
        "da": "Spikulering er ukendt: beregnet med {detail}, der ikke bruger den.",
    },
    Warned.RANGE: {
        "en": "A range, because answers are unknown: {detail}",
        "da": "Et interval, fordi svar er ukendte: {detail}",
    },
    Warned.TYPED_MAYO: {
        "en": "The probability of the Mayo model was typed in, not calculated.",
        "da": "Mayo-modellens sandsynlighed er indtastet, ikke beregnet.",
    },
    Warned.SECONDARY: {
        "en": "The source could not be read in full.",
        "da": "Kilden kunne ikke læses i sin helhed.",
    },
}


def text(code: Refusal | Warned, language: str, detail: str = "") -> str:
    """What a person reads for a code, in ``da`` or ``en``."""
    return TEXTS[code][language].format(detail=detail)
