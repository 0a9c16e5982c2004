"""What people read of a comparison, in Danish and English."""

from __future__ import annotations

from collections.abc import Mapping

from nodule.growth.reasons import TEXTS as GROWTH_TEXTS

_DATE = {"en": "{year}-{month:02d}-{day:02d}", "da": "{day:02d}.{month:02d}.{year}"}

TEXTS: Mapping[str, Mapping[str, str]] = {
    **{code.value: by for code, by in GROWTH_TEXTS.items()},
    "no_growth": {
        "en": "No growth: the volume has not risen.",
        "da": "Ingen vækst: volumen er ikke steget.",
    },
    "no_growth_but": {
        "en": "No growth: the volume has not risen. Within the limits of measurement it may "
        "still double in {days} days or more.",
        "da": "Ingen vækst: volumen er ikke steget. Inden for måleusikkerheden kan den dog "
        "fordobles på {days} dage eller mere.",
    },
    "compared_series": {
        "en": "Sizes are compared in series {current} (slices of {current_mm} mm, kernel "
        "{current_kernel}) and, of the other study, {prior} ({prior_mm} mm, {prior_kernel}).",
        "da": "Mål er sammenlignet i serie {current} (snit på {current_mm} mm, kernel "
        "{current_kernel}) og i den anden undersøgelse {prior} ({prior_mm} mm, {prior_kernel}).",
    },
    "other_study_is_later": {
        "en": "The study that is compared with is later than this one.",
        "da": "Den undersøgelse, der sammenlignes med, er nyere end denne.",
    },
    "other_study_same_day": {
        "en": "Both studies are of one day.",
        "da": "Begge undersøgelser er fra samme dag.",
    },
    "seen_unreported": {
        "en": f"The analysis of the study of {_DATE['en']} had not reported this nodule; the "
        "comparison found and measured it there.",
        "da": f"Analysen af undersøgelsen fra {_DATE['da']} havde ikke rapporteret denne nodulus; "
        "den er fundet og målt dér ved sammenligningen.",
    },
    "maybe_seen": {
        "en": f"The study of {_DATE['en']} shows something at this place that may be the nodule.",
        "da": f"Undersøgelsen fra {_DATE['da']} viser noget på dette sted, som kan være nodulus.",
    },
    "volume_change_percent": {"en": "Change of volume", "da": "Ændring af volumen"},
    "diameter_change_mm": {
        "en": "Change of mean diameter",
        "da": "Ændring af middeldiameter",
    },
    "vdt_days": {"en": "Volume-doubling time", "da": "Volumenfordoblingstid"},
    "outcome_matched": {"en": "seen on both", "da": "ses på begge"},
    "outcome_new": {"en": "new", "da": "ny"},
    "outcome_resolved": {"en": "no longer seen", "da": "ses ikke længere"},
    "outcome_not_covered": {"en": "place not covered", "da": "området er ikke medtaget"},
    "outcome_uncertain": {"en": "uncertain pairing", "da": "usikker parring"},
    "step_register": {
        "en": "Aligning the studies",
        "da": "Lægger undersøgelserne over hinanden",
    },
    "step_match": {"en": "Matching nodules", "da": "Parrer noduli"},
}
"""By code of a note, name of a change, outcome or step."""
