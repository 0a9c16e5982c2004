"""How nodules are shown: every text in Danish and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gransk.core import reasons
from gransk.core.application import Presentation
from gransk.core.cad import Cad, CadReport
from gransk.core.codes import NODULE
from gransk.core.findings import Finding, Findings
from gransk.core.reasons import Reason
from nodule import assess_texts
from nodule.coding import PROPERTIES
from nodule.labels import LABELS, REJECTIONS
from nodule.report_words import GROWTH
from nodule.tracking.texts import TEXTS as TRACKING_TEXTS

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
    "false_positives_dropped": {
        "en": "{count} marks were dropped: a second model does not take them for nodules.",
        "da": "{count} markeringer er fjernet: en anden model anser dem ikke for noduli.",
    },
    "outlined_classically": {
        "en": "{count} outlines were drawn without the segmenter, which gave none there.",
        "da": "{count} afgrænsninger er lavet uden segmenteringsmodellen, som ikke gav nogen der.",
    },
}

_NAMES: dict[str, dict[str, str]] = {
    "choice": {"en": "Choice of series", "da": "Valg af serie"},
    "volume_mm3": {"en": "Volume", "da": "Volumen"},
    "axial": {"en": "Axial diameters", "da": "Aksiale diametre"},
    "greatest": {"en": "Greatest plane", "da": "Største plan"},
    "long_axis_mm": {"en": "Long axis", "da": "Længste diameter"},
    "short_axis_mm": {"en": "Short axis", "da": "Korteste diameter"},
    "mean_diameter_mm": {"en": "Mean diameter", "da": "Middeldiameter"},
    "greatest_plane_long_axis_mm": {
        "en": "Long axis, greatest plane",
        "da": "Længste diameter, største plan",
    },
    "greatest_plane_short_axis_mm": {
        "en": "Short axis, greatest plane",
        "da": "Korteste diameter, største plan",
    },
    "greatest_plane_mean_diameter_mm": {
        "en": "Mean diameter, greatest plane",
        "da": "Middeldiameter, største plan",
    },
    "maximum_transverse_diameter_mm": {"en": "Longest axial", "da": "Længste aksialt"},
    "longest_diameter_3d_mm": {"en": "Longest in 3-D", "da": "Længste i 3-D"},
    "longest": {"en": "Longest axial / 3-D", "da": "Længste aksialt / 3-D"},
    "density": {"en": "Density, mean / middle", "da": "Tæthed, middel / midte"},
    "calcium_fat": {"en": "Calcification / fat", "da": "Forkalkning / fedt"},
    "place": {"en": "Side, estimated lobe", "da": "Side, anslået lap"},
    "mean_hu": {"en": "Mean density", "da": "Middeltæthed"},
    "core_hu": {"en": "Density of the middle", "da": "Tæthed i midten"},
    "solid_part_volume_mm3": {"en": "Solid part, volume", "da": "Solid del, volumen"},
    "solid_part_long_axis_mm": {"en": "Solid part, long axis", "da": "Solid del, længste mål"},
    "solid_part_short_axis_mm": {"en": "Solid part, short axis", "da": "Solid del, korteste mål"},
    "solid_part_mean_diameter_mm": {
        "en": "Solid part, mean diameter",
        "da": "Solid del, middeldiameter",
    },
    "solid_part": {"en": "Solid part", "da": "Solid del"},
    "pleural_contact_percent": {"en": "Surface at the pleura", "da": "Overflade ved pleura"},
    "ground_glass_probability": {
        "en": "Probability of ground glass",
        "da": "Sandsynlighed for matglas",
    },
    "part_solid_probability": {
        "en": "Probability of part-solid texture",
        "da": "Sandsynlighed for delvist solid tekstur",
    },
    "solid_probability": {
        "en": "Probability of solid texture",
        "da": "Sandsynlighed for solid tekstur",
    },
    "spiculated_probability": {
        "en": "Probability of spiculation",
        "da": "Sandsynlighed for spikulering",
    },
    "lobulated_probability": {
        "en": "Probability of lobulation",
        "da": "Sandsynlighed for lobulering",
    },
    "calcified_probability": {
        "en": "Probability of calcification",
        "da": "Sandsynlighed for forkalkning",
    },
    "texture": {"en": "Texture", "da": "Tekstur"},
    "calcification": {"en": "Calcification", "da": "Forkalkning"},
    "fat": {"en": "Fat", "da": "Fedt"},
    "side": {"en": "Side", "da": "Side"},
    "lobe": {"en": "Lobe, estimated", "da": "Lap, anslået"},
    "upper_lobe": {"en": "Upper lobe, estimated", "da": "Overlap, anslået"},
    "juxtapleural": {"en": "At the pleura", "da": "Ved pleura"},
    "perifissural": {"en": "At a fissure, estimated", "da": "Ved en fissur, anslået"},
    "perifissural_reason": {"en": "Fissure not assessed", "da": "Fissur ikke vurderet"},
    "perifissural_probability": {
        "en": "Probability of a place at a fissure",
        "da": "Sandsynlighed for plads ved en fissur",
    },
    "greatest_plane": {"en": "Plane of greatest size", "da": "Plan med størst mål"},
    "spiculated": {"en": "Spiculated", "da": "Spikuleret"},
    "probability": {"en": "Probability of nodule", "da": "Sandsynlighed for nodulus"},
    "malignancy": {"en": "Suspicion", "da": "Mistanke"},
    "lung_below_950_hu_percent": {"en": "Lung below -950 HU", "da": "Lunge under -950 HU"},
    "slice": {"en": "Slice from the feet", "da": "Snit fra fødderne"},
    "step_decode": {"en": "Reading images", "da": "Læser billeder"},
    "step_lungs": {"en": "Finding lungs", "da": "Finder lunger"},
    "step_detect": {"en": "Looking for nodules", "da": "Leder efter noduli"},
    "step_measure": {"en": "Measuring", "da": "Måler"},
}

_ANSWERS: dict[str, dict[str, str]] = {
    "yes": {"en": "yes", "da": "ja"},
    "no": {"en": "no", "da": "nej"},
    "uncertain": {"en": "uncertain", "da": "usikkert"},
    "not_assessed": {"en": "not assessed", "da": "ikke vurderet"},
}
# By property and value.
_VALUES: dict[str, dict[str, dict[str, str]]] = {
    "texture": {
        "solid": {"en": "solid", "da": "solid"},
        "part_solid": {"en": "part-solid", "da": "delvist solid"},
        "ground_glass": {"en": "ground glass", "da": "matglas"},
    },
    "calcification": {
        "none": {"en": "none", "da": "ingen"},
        "diffuse": {"en": "diffuse", "da": "diffus"},
        "central": {"en": "central", "da": "central"},
        "laminated": {"en": "laminated", "da": "lamineret"},
        "popcorn": {"en": "popcorn", "da": "popcorn"},
        "other": {"en": "other pattern", "da": "andet mønster"},
        "not_assessed": {"en": "not assessed", "da": "ikke vurderet"},
    },
    "fat": {
        "present": {"en": "present", "da": "ses"},
        "none": {"en": "none", "da": "ikke set"},
        "not_assessed": {"en": "not assessed", "da": "ikke vurderet"},
    },
    "side": {"left": {"en": "left", "da": "venstre"}, "right": {"en": "right", "da": "højre"}},
    "lobe": {
        "upper": {"en": "upper", "da": "overlap"},
        "middle": {"en": "middle", "da": "mellemlap"},
        "lower": {"en": "lower", "da": "underlap"},
        "uncertain": {"en": "uncertain", "da": "usikker"},
    },
    "upper_lobe": _ANSWERS,
    "juxtapleural": _ANSWERS,
    "perifissural": _ANSWERS,
    "spiculated": _ANSWERS,
    "perifissural_reason": {
        "no_lungs": {"en": "lungs not known", "da": "lunger ikke kendt"},
        "thick_slices": {"en": "slices too thick", "da": "for tykke snit"},
        "too_large": {"en": "10 mm or more", "da": "10 mm eller mere"},
        "not_solid": {"en": "not solid", "da": "ikke solid"},
        "no_fissure_seen": {"en": "no fissure seen", "da": "ingen fissur set"},
    },
    "greatest_plane": {
        "axial": {"en": "axial", "da": "aksial"},
        "coronal": {"en": "coronal", "da": "koronal"},
        "sagittal": {"en": "sagittal", "da": "sagittal"},
    },
}
_BY_CODE = {
    name: {code.value: value for value, code in values.items()}
    for name, (_, values) in PROPERTIES.items()
}

WINDOW = (-600.0, 1500.0)
"""Centre and width in which lungs are shown, HU."""
SIZES = (
    "volume_mm3", "long_axis_mm", "short_axis_mm", "mean_diameter_mm",
    "greatest_plane_long_axis_mm", "greatest_plane_short_axis_mm",
    "greatest_plane_mean_diameter_mm", "maximum_transverse_diameter_mm",
    "longest_diameter_3d_mm", "mean_hu", "core_hu", "solid_part_volume_mm3",
    "solid_part_long_axis_mm", "solid_part_short_axis_mm", "solid_part_mean_diameter_mm",
    "pleural_contact_percent",
)  # fmt: skip
LONGEST = ("maximum_transverse_diameter_mm", "longest_diameter_3d_mm")
_PROBABILITIES = ("spiculated_probability", "lobulated_probability", "calcified_probability")
_MORPHOLOGY = (
    "ground_glass_probability", "part_solid_probability", "solid_probability",
    *_PROBABILITIES, "perifissural_probability",
)  # fmt: skip


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
    values = {
        f"{name}_{value}": by for name, found in _VALUES.items() for value, by in found.items()
    }
    rejections = {f"rejected_{code}": by for code, by in REJECTIONS.items()}
    growth = {f"growth_{code}": by for code, by in GROWTH.items()}
    own = texts | _NOTES | _NAMES | values | rejections | growth
    return {**own, **assess_texts.texts(), **TRACKING_TEXTS}


def number(value: float, digits: int, language: str) -> str:
    """A number with the decimal sign of the language."""
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "da" else text


def line(findings: Findings, language: str) -> str:
    """Findings in one line: how many, and the largest."""
    count = len(findings.standing)
    if count == 0:
        return {"en": "No nodules found", "da": "Ingen noduli fundet"}[language]
    largest = max(findings.standing, key=lambda f: f.measured("volume_mm3") or 0.0)
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
    """(label, value) pairs of one finding: sizes first, then density, then place."""
    pairs = [
        ("volume_mm3", _with_interval(finding, "volume_mm3", "mm³", 0, language)),
        ("axial", _axes(finding, "", language)),
        ("mean_diameter_mm", _with_interval(finding, "mean_diameter_mm", "mm", 1, language)),
        ("greatest", _greatest(finding, language)),
        ("longest", _both(finding, LONGEST, "mm", 1, language)),
        ("texture", value_text(finding, "texture", language)),
        ("solid_part", _solid(finding, language)),
        ("density", _both(finding, ("mean_hu", "core_hu"), "HU", 0, language)),
        ("calcium_fat", _words(finding, ("calcification", "fat"), " / ", language)),
        ("place", _words(finding, ("side", "lobe"), ", ", language)),
        ("juxtapleural", _pleura(finding, language)),
        ("perifissural", _fissure(finding, language)),
        ("spiculated", value_text(finding, "spiculated", language)),
        *((name, _share(finding.measured(name), language)) for name in _PROBABILITIES),
        ("malignancy", _share(finding.malignancy, language)),
    ]
    return [(_NAMES[name][language], value) for name, value in pairs if value]


def value_text(finding: Finding, name: str, language: str) -> str:
    """A property's value as a person reads it; empty where the finding has none.

    Where an earlier version coded it otherwise, the code's own meaning.
    """
    code = finding.quality(name)
    if code is None:
        return ""
    value = _BY_CODE[name].get(code.value)
    return code.meaning.lower() if value is None else _VALUES[name][value][language]


def _with_interval(finding: Finding, name: str, unit: str, digits: int, language: str) -> str:
    """A number with its unit and 95 % interval; empty where the finding has none."""
    found = next((m for m in finding.measurements if m.name == name), None)
    if found is None:
        return ""
    value = f"{number(found.value, digits, language)} {unit}"
    if found.interval is None:
        return value
    low, high = found.interval
    if high is None:
        word = {"en": "or more", "da": "eller mere"}[language]
        return f"{value} (95 % {number(low, digits, language)} {word})"
    word = {"en": "to", "da": "til"}[language]
    ends = [number(end, digits, language) for end in (low, high)]
    return f"{value} (95 % {ends[0]} {word} {ends[1]})"


def _both(finding: Finding, names: tuple[str, str], unit: str, digits: int, language: str) -> str:
    values = [finding.measured(name) for name in names]
    shown = [number(value, digits, language) for value in values if value is not None]
    return f"{' / '.join(shown)} {unit}" if shown else ""


def _words(finding: Finding, names: tuple[str, str], between: str, language: str) -> str:
    words = [value_text(finding, name, language) for name in names]
    return between.join(word for word in words if word)


def _axes(finding: Finding, prefix: str, language: str) -> str:
    ends = [finding.measured(f"{prefix}{name}") for name in ("long_axis_mm", "short_axis_mm")]
    shown = [number(end, 1, language) for end in ends if end is not None]
    return f"{shown[0]} × {shown[1]} mm" if len(shown) == 2 else ""


def _greatest(finding: Finding, language: str) -> str:
    axes = _axes(finding, "greatest_plane_", language)
    plane = value_text(finding, "greatest_plane", language)
    return f"{plane}, {axes}" if axes and plane else axes


def _solid(finding: Finding, language: str) -> str:
    volume = finding.measured("solid_part_volume_mm3")
    mean = finding.measured("solid_part_mean_diameter_mm")
    if volume is None or mean is None:
        return ""
    return f"{number(mean, 1, language)} mm, {number(volume, 0, language)} mm³"


def _pleura(finding: Finding, language: str) -> str:
    answer = value_text(finding, "juxtapleural", language)
    contact = finding.measured("pleural_contact_percent")
    if contact is None or not contact:
        return answer
    return f"{answer} ({number(contact, 0, language)} %)"


def _fissure(finding: Finding, language: str) -> str:
    """Answer, and its probability or why there is none."""
    answer = value_text(finding, "perifissural", language)
    if finding.labelled("perifissural"):
        return answer
    more = _share(finding.measured("perifissural_probability"), language) or value_text(
        finding, "perifissural_reason", language
    )
    return f"{answer} ({more})" if answer and more else answer


def _share(value: float | None, language: str) -> str:
    return "" if value is None else f"{number(100 * value, 0, language)} %"


def study_json(findings: Findings) -> dict[str, Any]:
    """Nothing beside what every application gives."""
    return {}


def finding_json(finding: Finding, findings: Sequence[Finding] = ()) -> dict[str, Any]:
    """Place, sizes with their 95 % intervals, and properties; null where not known."""
    properties = {}
    for name, values in _BY_CODE.items():
        code = finding.quality(name)
        properties[name] = None if code is None else values.get(code.value)
    return {
        "centre_lps_mm": list(finding.centre_lps_mm) if finding.centre_lps_mm else None,
        **{name: finding.measured(name) for name in SIZES},
        **properties,
        "intervals": {m.name: list(m.interval) for m in finding.measurements if m.interval},
        "morphology": {
            name.removesuffix("_probability"): finding.measured(name)
            for name in _MORPHOLOGY
            if finding.measured(name) is not None
        },
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
        image_window=WINDOW,
        commands=commands,
        labels=LABELS,
        codes={name: values for name, (_, values) in PROPERTIES.items()},
        course="volume_mm3",
        rejections=tuple(REJECTIONS),
        cad=Cad(report=CadReport.CHEST, detects=(NODULE,)),
        sizes={"diameter": "mean_diameter_mm", "volume": "volume_mm3"},
        key_qualities=("side", "lobe", "texture"),
    )
