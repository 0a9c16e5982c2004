"""How nodules are shown: every text in Danish and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gransk.core import reasons
from gransk.core.application import Presentation
from gransk.core.codes import Code
from gransk.core.findings import Finding, Findings
from gransk.core.reasons import Reason

SCHEME = "99GRANSK"
TEXTURE = Code(value="NODULE-TEXTURE", scheme=SCHEME, meaning="Nodule texture")
TEXTURES = {
    "solid": Code(value="SOLID", scheme=SCHEME, meaning="Solid"),
    "part_solid": Code(value="PART-SOLID", scheme=SCHEME, meaning="Part-solid"),
    "ground_glass": Code(value="GROUND-GLASS", scheme=SCHEME, meaning="Ground glass"),
}

_SERIES = {"en": "Series {series}: ", "da": "Serie {series}: "}
_ABOUT = {
    "en": "{slices} slices, {thickness_mm} mm, kernel {kernel}",
    "da": "{slices} snit, {thickness_mm} mm, kernel {kernel}",
}

# After "Series n: ".
_SERIES_TEXTS: dict[str, dict[str, str]] = {
    "series_chosen": {
        "en": f"analysed ({_ABOUT['en']}, {{length_mm}} mm long).",
        "da": f"analyseret ({_ABOUT['da']}, {{length_mm}} mm lang).",
    },
    "series_not_ct": {"en": "passed over, no CT.", "da": "sprunget over, ikke CT."},
    "series_localizer": {"en": "passed over, localizer.", "da": "sprunget over, oversigtsbillede."},
    "series_projection": {
        "en": "passed over, projection or reformat ({image_type}).",
        "da": "sprunget over, projektion eller reformat ({image_type}).",
    },
    "series_derived": {
        "en": "passed over, derived images ({image_type}).",
        "da": "sprunget over, afledte billeder ({image_type}).",
    },
    "series_secondary": {
        "en": "passed over, secondary images ({image_type}).",
        "da": "sprunget over, sekundære billeder ({image_type}).",
    },
    "series_lower_coverage": {
        "en": f"passed over, covers less ({{length_mm}} mm; {_ABOUT['en']}).",
        "da": f"sprunget over, dækker mindre ({{length_mm}} mm; {_ABOUT['da']}).",
    },
    "series_lower_thinness": {
        "en": f"passed over, thicker slices ({_ABOUT['en']}).",
        "da": f"sprunget over, tykkere snit ({_ABOUT['da']}).",
    },
    "series_lower_kernel": {
        "en": f"passed over, kernel less preferred ({_ABOUT['en']}).",
        "da": f"sprunget over, mindre foretrukken kernel ({_ABOUT['da']}).",
    },
    "series_lower_contrast": {
        "en": f"passed over, contrast less preferred ({_ABOUT['en']}).",
        "da": f"sprunget over, mindre foretrukken kontrast ({_ABOUT['da']}).",
    },
    "series_lower_thickness": {
        "en": f"passed over, slightly thicker slices ({_ABOUT['en']}).",
        "da": f"sprunget over, lidt tykkere snit ({_ABOUT['da']}).",
    },
    "series_lower_kind": {
        "en": f"passed over, image type less certain ({_ABOUT['en']}).",
        "da": f"sprunget over, billedtype mindre sikker ({_ABOUT['da']}).",
    },
    "series_lower_uid": {
        "en": f"passed over, equal to the analysed one ({_ABOUT['en']}).",
        "da": f"sprunget over, svarer til den analyserede ({_ABOUT['da']}).",
    },
}

_NOTES: dict[str, dict[str, str]] = {
    "thick_slices": {
        "en": "Slices of {thickness_mm} mm: small nodules may be missed, volumes are uncertain.",
        "da": "Snit på {thickness_mm} mm: små noduli kan overses, og volumener er usikre.",
    },
    "sharp_kernel": {
        "en": "Sharp kernel {kernel}: noise may disturb detection and measurement.",
        "da": "Skarp kernel {kernel}: støj kan forstyrre detektion og måling.",
    },
    "image_type_unusual": {
        "en": "The image type of the series is derived or not stated.",
        "da": "Seriens billedtype er afledt eller ikke angivet.",
    },
    "duplicates_dropped": {
        "en": "{count} images were there twice and were read once.",
        "da": "{count} billeder fandtes to gange og blev læst én gang.",
    },
    "more_not_reported": {
        "en": "{count} further marks of lower probability are not reported.",
        "da": "{count} yderligere fund med lavere sandsynlighed rapporteres ikke.",
    },
}

_NAMES: dict[str, dict[str, str]] = {
    "volume_mm3": {"en": "Volume", "da": "Volumen"},
    "long_axis_mm": {"en": "Long axis", "da": "Længste diameter"},
    "short_axis_mm": {"en": "Short axis", "da": "Korteste diameter"},
    "mean_hu": {"en": "Mean density", "da": "Middeltæthed"},
    "texture": {"en": "Texture", "da": "Tekstur"},
    "probability": {"en": "Probability of nodule", "da": "Sandsynlighed for nodulus"},
    "malignancy": {"en": "Suspicion", "da": "Mistanke"},
    "slice": {"en": "Slice from the feet", "da": "Snit fra fødderne"},
    "SOLID": {"en": "solid", "da": "solid"},
    "PART-SOLID": {"en": "part-solid", "da": "delvist solid"},
    "GROUND-GLASS": {"en": "ground glass", "da": "matglas"},
    "step_decode": {"en": "Reading images", "da": "Læser billeder"},
    "step_lungs": {"en": "Finding lungs", "da": "Finder lunger"},
    "step_detect": {"en": "Looking for nodules", "da": "Leder efter noduli"},
    "step_measure": {"en": "Measuring", "da": "Måler"},
}

_UNITS = {"volume_mm3": "mm³", "long_axis_mm": "mm", "short_axis_mm": "mm", "mean_hu": "HU"}
_DIGITS = {"volume_mm3": 0, "long_axis_mm": 1, "short_axis_mm": 1, "mean_hu": 0}


def _texts() -> Mapping[str, Mapping[str, str]]:
    texts = {
        code: {language: _SERIES[language] + text for language, text in by.items()}
        for code, by in _SERIES_TEXTS.items()
    }
    passed_over = {"en": "passed over. {why} {{detail}}", "da": "sprunget over. {why} {{detail}}"}
    for reason in Reason:
        texts.setdefault(
            f"series_{reason.value}",
            {
                language: _SERIES[language]
                + passed_over[language].format(why=reasons.text(reason, language))
                for language in ("en", "da")
            },
        )
    return texts | _NOTES | _NAMES


def number(value: float, digits: int, language: str) -> str:
    """A number with the decimal sign of the language."""
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "da" else text


def line(findings: Findings, language: str) -> str:
    """Findings in one line: how many, and the largest."""
    count = len(findings.findings)
    if count == 0:
        return {"en": "No nodules found", "da": "Ingen noduli fundet"}[language]
    largest = max(findings.findings, key=lambda f: f.measured("volume_mm3") or 0.0)
    named = {
        "en": "1 nodule" if count == 1 else f"{count} nodules",
        "da": "1 nodulus" if count == 1 else f"{count} noduli",
    }[language]
    sizes = [
        number(largest.measured(k) or 0, 1, language) for k in ("long_axis_mm", "short_axis_mm")
    ]
    volume = number(largest.measured("volume_mm3") or 0, 0, language)
    word = {"en": "largest ", "da": "største "}[language] if count > 1 else ""
    return f"{named}, {word}{sizes[0]} × {sizes[1]} mm, {volume} mm³"


def details(finding: Finding, language: str) -> list[tuple[str, str]]:
    """(label, value) pairs of one finding."""
    pairs = []
    for measurement in finding.measurements:
        name = measurement.name
        if name in _UNITS:
            value = number(measurement.value, _DIGITS[name], language)
            pairs.append((_NAMES[name][language], f"{value} {_UNITS[name]}"))
    texture = finding.quality("texture")
    if texture is not None:
        pairs.append((_NAMES["texture"][language], _NAMES[texture.value][language]))
    if finding.malignancy is not None:
        value = number(100 * finding.malignancy, 0, language)
        pairs.append((_NAMES["malignancy"][language], f"{value} %"))
    return pairs


def study_json(findings: Findings) -> dict[str, Any]:
    """Nothing beside what every application gives."""
    return {}


def finding_json(finding: Finding) -> dict[str, Any]:
    """Place, size and texture."""
    texture = finding.quality("texture")
    named = {code.value: name for name, code in TEXTURES.items()}
    sizes = ("volume_mm3", "long_axis_mm", "short_axis_mm")
    return {
        "centre_lps_mm": list(finding.centre_lps_mm) if finding.centre_lps_mm else None,
        **{name: finding.measured(name) for name in sizes},
        "texture": named[texture.value] if texture is not None else None,
    }


def presentation(commands: Mapping[str, Any]) -> Presentation:
    """The application's presentation.

    Parameters
    ----------
    commands : mapping
        What the command line offers of this application.
    """
    return Presentation(
        title={"en": "Lung nodules", "da": "Lungenoduli"},
        texts=_texts(),
        line=line,
        details=details,
        study_json=study_json,
        finding_json=finding_json,
        image_window=(-600.0, 1500.0),
        commands=commands,
    )
