"""What people read of a comparison, of pairs of views and of sides, in Danish and English."""

from __future__ import annotations

from collections.abc import Mapping

_DATE = {"en": "{year}-{month:02d}-{day:02d}", "da": "{day:02d}.{month:02d}.{year}"}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "mark_grown": {
        "en": "Larger: the change exceeds what measuring twice explains ({percent} % of the "
        "diameter).",
        "da": "Større: ændringen overstiger måleusikkerheden ({percent} % af diameteren).",
    },
    "mark_stable": {
        "en": "No certain change: the difference lies within what measuring twice explains "
        "({percent} % of the diameter).",
        "da": "Ingen sikker ændring: forskellen ligger inden for måleusikkerheden ({percent} % "
        "af diameteren).",
    },
    "mark_shrunk": {
        "en": "Smaller: the change exceeds what measuring twice explains ({percent} % of the "
        "diameter).",
        "da": "Mindre: ændringen overstiger måleusikkerheden ({percent} % af diameteren).",
    },
    "growth_grown": {"en": "larger", "da": "større"},
    "growth_stable": {"en": "no certain change", "da": "ingen sikker ændring"},
    "growth_shrunk": {"en": "smaller", "da": "mindre"},
    "scale_unknown": {
        "en": "One of the images does not say how large its pixels are, so sizes are not compared.",
        "da": "Et af billederne oplyser ikke pixelstørrelsen, så mål sammenlignes ikke.",
    },
    "compared_views": {
        "en": "Compared view by view: {views}.",
        "da": "Sammenlignet projektion for projektion: {views}.",
    },
    "views_in_one_study": {
        "en": "Only one of the two studies has {views}; marks there are not compared.",
        "da": "Kun den ene af de to undersøgelser har {views}; markeringer dér er ikke "
        "sammenlignet.",
    },
    "view_in_one_study": {
        "en": "The other study does not have {view}.",
        "da": "Den anden undersøgelse har ikke {view}.",
    },
    "views_not_registered": {
        "en": "{views}: the images could not be laid over each other, so marks there are left "
        "open.",
        "da": "{views}: billederne kunne ikke lægges over hinanden, så markeringer dér står åbne.",
    },
    "view_not_registered": {
        "en": "The two images of {view} could not be laid over each other.",
        "da": "De to billeder af {view} kunne ikke lægges over hinanden.",
    },
    "views_disagree": {
        "en": "The breast's other view of this lesion tells otherwise; look at both.",
        "da": "Den anden projektion af denne læsion viser noget andet; se på begge.",
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
        "en": f"The analysis of the study of {_DATE['en']} had not reported this mark; the "
        "comparison found and measured it there.",
        "da": f"Analysen af undersøgelsen fra {_DATE['da']} havde ikke rapporteret denne "
        "markering; den er fundet og målt dér ved sammenligningen.",
    },
    "maybe_seen": {
        "en": f"The study of {_DATE['en']} shows something at this place that may be the same.",
        "da": f"Undersøgelsen fra {_DATE['da']} viser noget på dette sted, som kan være det samme.",
    },
    "priors_beside_score": {
        "en": "The comparison with earlier studies stands beside the score and does not change it.",
        "da": "Sammenligningen med tidligere undersøgelser står ved siden af scoren og ændrer den "
        "ikke.",
    },
    "no_counterpart": {
        "en": "{marks}: no counterpart in the same view of the other breast.",
        "da": "{marks}: intet modstykke i samme projektion af det andet bryst.",
    },
    "diameter_mm": {
        "en": "Diameter (disk of equal area)",
        "da": "Diameter (cirkel med samme areal)",
    },
    "diameter_change_mm": {"en": "Change of diameter", "da": "Ændring af diameter"},
    "asymmetry": {"en": "Asymmetry against the other breast", "da": "Asymmetri mod andet bryst"},
    "asymmetry_cc": {"en": "Asymmetry of the breasts, CC", "da": "Asymmetri mellem brysterne, CC"},
    "asymmetry_mlo": {
        "en": "Asymmetry of the breasts, MLO",
        "da": "Asymmetri mellem brysterne, MLO",
    },
    "outcome_matched": {"en": "seen on both", "da": "ses på begge"},
    "outcome_new": {"en": "new", "da": "ny"},
    "outcome_resolved": {"en": "no longer seen", "da": "ses ikke længere"},
    "outcome_not_covered": {"en": "place not covered", "da": "området er ikke medtaget"},
    "outcome_uncertain": {"en": "uncertain pairing", "da": "usikker parring"},
    "step_register": {
        "en": "Aligning the studies",
        "da": "Lægger undersøgelserne over hinanden",
    },
}
"""By code of a note, name of a measurement, growth, outcome or step."""
