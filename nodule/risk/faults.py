"""What is wrong with a profile, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# By the type that pydantic gives an error, and our own.
TEXTS: dict[str, dict[str, str]] = {
    "not_json": {"en": "not JSON in UTF-8", "da": "ikke JSON i UTF-8"},
    "twice": {"en": "the key {key} stands twice", "da": "nøglen {key} står to gange"},
    "nodule_twice": {
        "en": "one tracking UID stands at two nodules",
        "da": "samme tracking UID står ved to noduli",
    },
    "string_pattern_mismatch": {"en": "must be a UID", "da": "skal være et UID"},
    "tuple_type": {"en": "must be a list", "da": "skal være en liste"},
    "by_person": {
        "en": "{name} is a person's answer; its source cannot be {source}",
        "da": "{name} er en persons svar; kilden kan ikke være {source}",
    },
    "contradicts": {
        "en": "known_primary_cancer contradicts a history without any cancer",
        "da": "known_primary_cancer modsiger en sygehistorie uden kræft",
    },
    "missing": {"en": "is missing", "da": "mangler"},
    "extra_forbidden": {"en": "there is no such key", "da": "nøglen findes ikke"},
    "model_type": {"en": "must be an object", "da": "skal være et objekt"},
    "float_type": {"en": "must be a number", "da": "skal være et tal"},
    "int_type": {"en": "must be a whole number", "da": "skal være et helt tal"},
    "bool_type": {"en": "must be true or false", "da": "skal være true eller false"},
    "finite_number": {"en": "must be a finite number", "da": "skal være et endeligt tal"},
    "greater_than": {"en": "must be over {gt:g}", "da": "skal være over {gt:g}"},
    "greater_than_equal": {"en": "must be at least {ge:g}", "da": "skal være mindst {ge:g}"},
    "less_than_equal": {"en": "must be at most {le:g}", "da": "må højst være {le:g}"},
    "enum": {"en": "must be one of: {expected}", "da": "skal være en af: {expected}"},
    "date_type": {"en": "must be a date, YYYY-MM-DD", "da": "skal være en dato, ÅÅÅÅ-MM-DD"},
    "date_parsing": {"en": "must be a date, YYYY-MM-DD", "da": "skal være en dato, ÅÅÅÅ-MM-DD"},
    "date_from_datetime_parsing": {
        "en": "must be a date, YYYY-MM-DD",
        "da": "skal være en dato, ÅÅÅÅ-MM-DD",
    },
}
OTHER = {"en": "is not valid", "da": "er ikke gyldig"}


@dataclass(frozen=True)
class Fault:
    """One fault.

    Parameters
    ----------
    key : str
        Where, as ``patient.age_years.value``; empty where it is the whole.
    kind : str
        Of :data:`TEXTS`; others read as :data:`OTHER`.
    about : mapping
        Limits, keys and sources, never values.
    """

    key: str
    kind: str
    about: Mapping[str, object] = field(default_factory=dict)

    def told(self, language: str) -> str:
        """In ``da`` or ``en``."""
        words = TEXTS.get(self.kind, OTHER)[language]
        if self.kind == "enum":
            expected = str(self.about["expected"]).replace(" or ", ", ")
            words = words.format(expected=expected)
        else:
            words = words.format(**self.about)
        return f"{self.key}: {words}" if self.key else words
