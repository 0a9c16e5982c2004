"""What a person may say of a mark: properties with their values, and why it is none."""

from __future__ import annotations

from gransk.core.findings import Quality
from mammo.coding import PROPERTIES, quality

# Side and view are the image's own, and no person's to set.
LABELS: dict[str, dict[str, tuple[Quality, ...]]] = {
    name: {value: (quality(name, value),) for value in PROPERTIES[name][1]}
    for name in ("kind", "shape", "margin", "quadrant", "depth")
}

# By code, why a mark is nothing to report.
REJECTIONS: dict[str, dict[str, str]] = {
    "overlapping_tissue": {"en": "Overlapping tissue", "da": "Overlejring af væv"},
    "normal_tissue": {"en": "Normal glandular tissue", "da": "Normalt kirtelvæv"},
    "cyst": {"en": "Cyst", "da": "Cyste"},
    "fibroadenoma": {
        "en": "Fibroadenoma, known or typical",
        "da": "Fibroadenom, kendt eller typisk",
    },
    "lymph_node": {"en": "Lymph node", "da": "Lymfeknude"},
    "fat_containing": {
        "en": "Fat-containing lesion (such as oil cyst or lipoma)",
        "da": "Fedtholdig læsion (fx oliecyste eller lipom)",
    },
    "benign_calcification": {
        "en": "Benign calcification (such as vascular or skin)",
        "da": "Benign forkalkning (fx i kar eller hud)",
    },
    "skin_lesion": {"en": "Skin lesion", "da": "Hudforandring"},
    "nipple": {"en": "Nipple", "da": "Papil"},
    "scar": {"en": "Scar or earlier operation", "da": "Ar eller tidligere operation"},
    "implant_or_device": {"en": "Implant, clip or device", "da": "Implantat, clips eller udstyr"},
    "stable": {"en": "Unchanged for years", "da": "Uændret gennem år"},
    "outside_breast": {"en": "Outside the breast", "da": "Uden for brystet"},
    "artefact": {"en": "Artefact", "da": "Artefakt"},
    "duplicate": {"en": "Marked twice", "da": "Markeret to gange"},
    "other": {"en": "Other", "da": "Andet"},
}
