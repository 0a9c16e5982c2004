"""Published and checked results of the risk models, typed from their sources."""

from __future__ import annotations

import json
from typing import Any

from nodule.risk.profile import Profile, read_profile

# Age, female, family history, emphysema, mm, texture, upper lobe, count, spiculated;
# percent by 2b, 2a, 1b, 1a.
BROCK = [
    ((55, 0, 0, 0, 4, "solid", 0, 4, 0), (0.092011, 0.088256, 0.133912, 0.136819)),
    ((68, 1, 1, 0, 10, "solid", 1, 2, 0), (14.588653, 17.039228, 10.533258, 12.325113)),
    ((80, 1, 1, 1, 30, "part_solid", 1, 1, 1), (91.535942, 87.701681, 75.746670, 62.607315)),
    ((65, 0, 0, 0, 10, "ground_glass", 0, 1, 0), (3.065470, 3.001016, 3.270646, 3.967705)),
    ((65, 1, 0, 0, 15, "solid", 1, 1, 0), (25.373400, 29.737827, 24.597301, 29.185888)),
]
BROCK_IDS = ("brock-2b", "brock-2a", "brock-1b", "brock-1a")

# Age, smoker, extrathoracic cancer over 5 years ago, mm, spiculated, upper lobe; probability.
MAYO = [
    ((60, 1, 0, 10, 0, 1), 0.163598),
    ((72, 1, 1, 18, 1, 1), 0.903454),
    ((74, 1, 0, 7, 0, 1), 0.187475),
]

# Probability by Mayo; Herder's by uptake none, faint, moderate, intense.
HERDER = [
    (0.187, (0.0171, 0.1510, 0.6384, 0.6731)),
    (0.10, (0.0125, 0.1143, 0.5615, 0.5990)),
]
UPTAKES = ("none", "faint", "moderate", "intense")

PATIENT = (
    "age_years", "sex", "smoking", "family_history_lung_cancer", "emphysema",
    "extrathoracic_cancer", "earlier_lung_cancer", "known_primary_cancer", "immunosuppressed",
    "fleischner_risk", "setting",
)  # fmt: skip


def profile_json(**values: Any) -> str:
    """A profile whose answers a person typed."""
    parts: dict[str, Any] = {"patient": {}, "nodule": {}}
    for name, value in values.items():
        answer = {"value": value, "source": "person", "date": "2026-11-01"}
        parts["patient" if name in PATIENT else "nodule"][name] = answer
    return json.dumps(parts)


def profile(**values: Any) -> Profile:
    """The same, read."""
    return read_profile(profile_json(**values))


def brock_values(vector: tuple[Any, ...]) -> dict[str, Any]:
    """A vector by the profile's keys."""
    age, female, family, emphysema, mm, texture, upper, count, spiculated = vector
    return {
        "age_years": age,
        "sex": "female" if female else "male",
        "smoking": "former",
        "family_history_lung_cancer": bool(family),
        "emphysema": bool(emphysema),
        "maximum_transverse_diameter_mm": mm,
        "texture": texture,
        "upper_lobe": bool(upper),
        "nodule_count": count,
        "spiculated": bool(spiculated),
        "course": "first",
    }


def mayo_values(vector: tuple[Any, ...], smoking: str = "former") -> dict[str, Any]:
    """A vector by the profile's keys."""
    age, smoker, cancer, mm, spiculated, upper = vector
    return {
        "age_years": age,
        "smoking": smoking if smoker else "never",
        "extrathoracic_cancer": "over_5_years" if cancer else "none",
        "earlier_lung_cancer": False,
        "maximum_transverse_diameter_mm": mm,
        "spiculated": bool(spiculated),
        "upper_lobe": bool(upper),
    }
