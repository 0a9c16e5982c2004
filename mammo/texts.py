"""Every text of mammography, in Danish and English."""

from __future__ import annotations

from collections.abc import Mapping

from gransk.core import reasons
from gransk.core.reasons import Reason
from mammo.exam import texts as exam_texts
from mammo.image import texts as quality_texts
from mammo.labels import REJECTIONS
from mammo.scores.calibration import NOTE_TEXTS
from mammo.tracking.texts import TEXTS as TRACKING
from mammo.view import STANDARD

By = Mapping[str, str]

NOTES: dict[str, By] = {
    "more_not_reported": {
        "en": "{count} further marks of lower probability are not reported.",
        "da": "{count} yderligere markeringer med lavere sandsynlighed rapporteres ikke.",
    },
}

NAMES: dict[str, By] = {
    "choice": {
        "en": "Choice of views (number of series/image)",
        "da": "Valg af projektioner (nummer på serie/billede)",
    },
    "image": {"en": "View", "da": "Projektion"},
    "kind": {"en": "Kind", "da": "Type"},
    "size_mm": {"en": "Longest diameter", "da": "Største diameter"},
    "shape": {"en": "Shape", "da": "Form"},
    "margin": {"en": "Margin", "da": "Afgrænsning"},
    "quadrant": {"en": "Quadrant", "da": "Kvadrant"},
    "depth": {"en": "Depth", "da": "Dybde"},
    "nipple_distance_mm": {"en": "Distance from nipple", "da": "Afstand til papillen"},
    "score_share": {"en": "Share of the exam's result", "da": "Andel af undersøgelsens resultat"},
    "malignancy": {"en": "Probability of cancer", "da": "Sandsynlighed for kræft"},
    "laterality": {"en": "Breast", "da": "Bryst"},
    "view": {"en": "View", "da": "Projektion"},
    "exam_score": {"en": "AI score", "da": "AI-score"},
    "score_category": {"en": "AI score", "da": "AI-score"},
    "malignancy_probability": {
        "en": "Probability of cancer, exam",
        "da": "Sandsynlighed for kræft, undersøgelsen",
    },
    "screening_probability": {
        "en": "Probability of cancer in this site's screening",
        "da": "Sandsynlighed for kræft i afdelingens screening",
    },
    "malignancy_probability_r": {"en": "Right breast", "da": "Højre bryst"},
    "malignancy_probability_l": {"en": "Left breast", "da": "Venstre bryst"},
    **{
        f"malignancy_probability_{side.lower()}_{view.lower()}": {
            "en": f"{side} {view}",
            "da": f"{side} {view}",
        }
        for side, view in STANDARD
    },
    "density_category": {"en": "Density", "da": "Densitet"},
    "percent_density": {"en": "Dense area", "da": "Tæt areal"},
    "percent_density_r": {"en": "Dense area, right", "da": "Tæt areal, højre"},
    "percent_density_l": {"en": "Dense area, left", "da": "Tæt areal, venstre"},
    "missing": {"en": "Missing", "da": "Mangler"},
    "step_decode": {"en": "Reading images", "da": "Læser billeder"},
    "step_prepare": {"en": "Preparing images", "da": "Forbereder billeder"},
    "step_detect": {"en": "Looking for lesions", "da": "Leder efter læsioner"},
    "step_score": {"en": "Scoring", "da": "Beregner score"},
    "step_density": {"en": "Measuring density", "da": "Måler densitet"},
}

# By property and value.
VALUES: dict[str, dict[str, By]] = {
    "kind": {
        "mass": {"en": "mass", "da": "masse"},
        "distortion": {"en": "architectural distortion", "da": "arkitekturforstyrrelse"},
        "asymmetry": {"en": "asymmetry", "da": "asymmetri"},
        "calcifications": {"en": "calcifications", "da": "forkalkninger"},
    },
    "shape": {
        "irregular": {"en": "irregular", "da": "uregelmæssig"},
        "round": {"en": "round or oval", "da": "rund eller oval"},
        "lobulated": {"en": "lobulated", "da": "lobuleret"},
    },
    "margin": {
        "spiculated": {"en": "spiculated", "da": "spikuleret"},
        "ill_defined": {"en": "indistinct", "da": "uskarp"},
        "obscured": {"en": "obscured", "da": "tilsløret"},
        "microlobulated": {"en": "microlobulated", "da": "mikrolobuleret"},
        "circumscribed": {"en": "circumscribed", "da": "velafgrænset"},
    },
    "laterality": {"R": {"en": "right", "da": "højre"}, "L": {"en": "left", "da": "venstre"}},
    "view": {"CC": {"en": "CC", "da": "CC"}, "MLO": {"en": "MLO", "da": "MLO"}},
    "quadrant": {
        "upper_outer": {"en": "upper outer", "da": "øvre laterale"},
        "upper_inner": {"en": "upper inner", "da": "øvre mediale"},
        "lower_outer": {"en": "lower outer", "da": "nedre laterale"},
        "lower_inner": {"en": "lower inner", "da": "nedre mediale"},
        "outer": {"en": "outer half", "da": "laterale halvdel"},
        "inner": {"en": "inner half", "da": "mediale halvdel"},
        "upper": {"en": "upper half", "da": "øvre halvdel"},
        "lower": {"en": "lower half", "da": "nedre halvdel"},
        "central": {"en": "central", "da": "centralt"},
        "subareolar": {"en": "subareolar", "da": "subareolært"},
        "axillary_tail": {"en": "axillary tail", "da": "aksillære udløber"},
    },
    "depth": {
        "anterior": {"en": "anterior third", "da": "forreste tredjedel"},
        "middle": {"en": "middle third", "da": "midterste tredjedel"},
        "posterior": {"en": "posterior third", "da": "bageste tredjedel"},
    },
    "density_category": {
        "a": {"en": "a, almost entirely fatty", "da": "a, næsten udelukkende fedt"},
        "b": {"en": "b, scattered fibroglandular", "da": "b, spredt kirtelvæv"},
        "c": {"en": "c, heterogeneously dense", "da": "c, heterogent tæt"},
        "d": {"en": "d, extremely dense", "da": "d, ekstremt tæt"},
    },
    "score_category": {
        "low": {"en": "AI score low", "da": "AI-score lav"},
        "high": {"en": "AI score high", "da": "AI-score høj"},
    },
}


def value(name: str, of: str, language: str) -> str:
    """A property's value as a person reads it."""
    return VALUES[name][of][language]


def texts() -> dict[str, By]:
    """Every text by its code."""
    values = {f"{name}_{of}": by for name, found in VALUES.items() for of, by in found.items()}
    rejections = {f"rejected_{code}": by for code, by in REJECTIONS.items()}
    refusals = {
        f"image_left_out_{reason.value}": {
            language: f"{{image}}: {reasons.text(reason, language)}" for language in ("en", "da")
        }
        for reason in Reason
    }
    others: tuple[Mapping[str, By], ...] = (
        refusals, exam_texts.TEXTS, quality_texts.texts(), NOTE_TEXTS, TRACKING,
    )  # fmt: skip
    joined: dict[str, By] = {**NOTES, **NAMES, **values, **rejections}
    for texts_of in others:
        joined.update(texts_of)
    return joined
