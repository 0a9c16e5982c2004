"""What a person may say of a nodule: properties with their values, and why it is none."""

from __future__ import annotations

from gransk.core.findings import Quality
from nodule.coding import PROPERTIES

_SURE = ("yes", "no", "uncertain")

# By property, the values that a person may give it.
_VALUES: dict[str, tuple[str, ...]] = {
    "texture": ("solid", "part_solid", "ground_glass"),
    "calcification": ("none", "diffuse", "central", "laminated", "popcorn", "other"),
    "fat": ("present", "none"),
    "perifissural": _SURE,
    "juxtapleural": _SURE,
    "spiculated": _SURE,
    "side": ("left", "right"),
    "lobe": ("upper", "middle", "lower"),
}

# What follows from a property's value.
_FOLLOWS: dict[tuple[str, str], tuple[str, str]] = {
    ("lobe", "upper"): ("upper_lobe", "yes"),
    ("lobe", "middle"): ("upper_lobe", "no"),
    ("lobe", "lower"): ("upper_lobe", "no"),
}


def _quality(name: str, value: str) -> Quality:
    concept, codes = PROPERTIES[name]
    return Quality(name=name, concept=concept, value=codes[value])


def _qualities(name: str, value: str) -> tuple[Quality, ...]:
    follows = _FOLLOWS.get((name, value))
    return (_quality(name, value), *([_quality(*follows)] if follows else []))


LABELS: dict[str, dict[str, tuple[Quality, ...]]] = {
    name: {value: _qualities(name, value) for value in values} for name, values in _VALUES.items()
}

# By code, why a mark is no nodule to report.
REJECTIONS: dict[str, dict[str, str]] = {
    "vessel": {"en": "Vessel", "da": "Kar"},
    "airway": {"en": "Airway or mucus", "da": "Luftvej eller slim"},
    "scar": {"en": "Scar or pleural thickening", "da": "Ar eller pleurafortykkelse"},
    "atelectasis": {"en": "Atelectasis", "da": "Atelektase"},
    "infection": {"en": "Infection or consolidation", "da": "Infektion eller konsolidering"},
    "lymph_node": {"en": "Lymph node outside the lung", "da": "Lymfeknude uden for lungen"},
    "outside_lung": {"en": "Outside the lung", "da": "Uden for lungen"},
    "artefact": {"en": "Artefact", "da": "Artefakt"},
    "duplicate": {"en": "Marked twice", "da": "Markeret to gange"},
    "other": {"en": "Other", "da": "Andet"},
}
