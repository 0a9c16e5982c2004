"""What is said of a mark and of an exam, as coded measurements and properties.

Terms are those of PS3.16: CID 6016 and 6017 (kinds), 6022 (sides), 4014 (views), 6020 (quadrants),
2 (halves), 6018 (regions), 6024 (depth), 6004 (shapes), 6006 (margins), 6000 (composition).
"""

from __future__ import annotations

from collections.abc import Mapping

from gransk.core.codes import (
    LATERALITY,
    LEFT,
    LONG_AXIS,
    MM,
    NO_UNITS,
    PERCENT,
    PROBABILITY,
    RIGHT,
    Code,
)
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Measurement, Quality
from mammo.marks.mark import Kind
from mammo.view import STANDARD, Laterality, Projection

SCHEME = "99GRANSK"

KINDS: dict[Kind, Code] = {
    Kind.MASS: Code(value="129788004", scheme="SCT", meaning="Mammographic breast mass"),
    Kind.DISTORTION: Code(
        value="129792006", scheme="SCT", meaning="Architectural distortion of breast"
    ),
    Kind.ASYMMETRY: Code(value="129790003", scheme="SCT", meaning="Asymmetric breast tissue"),
    Kind.CALCIFICATIONS: Code(value="129769006", scheme="SCT", meaning="Calcification Cluster"),
}
KIND = Code(value="111059", scheme="DCM", meaning="Single Image Finding")
BREASTS: dict[Laterality, Code] = {
    Laterality.RIGHT: Code(value="73056007", scheme="SCT", meaning="Right breast"),
    Laterality.LEFT: Code(value="80248007", scheme="SCT", meaning="Left breast"),
}
SIDES: dict[Laterality, Code] = {Laterality.RIGHT: RIGHT, Laterality.LEFT: LEFT}
VIEW = Code(value="111031", scheme="DCM", meaning="Image View")
VIEWS: dict[Projection, Code] = {
    Projection.CC: Code(value="399162004", scheme="SCT", meaning="cranio-caudal"),
    Projection.MLO: Code(value="399368009", scheme="SCT", meaning="medio-lateral oblique"),
}
QUADRANT = Code(value="111048", scheme="DCM", meaning="Quadrant location")
# One view alone tells a half: CC outer or inner, MLO upper or lower.
QUADRANTS = {
    "upper_outer": Code(value="76365002", scheme="SCT", meaning="Upper outer quadrant of breast"),
    "upper_inner": Code(value="77831004", scheme="SCT", meaning="Upper inner quadrant of breast"),
    "lower_outer": Code(value="33564002", scheme="SCT", meaning="Lower outer quadrant of breast"),
    "lower_inner": Code(value="19100000", scheme="SCT", meaning="Lower inner quadrant of breast"),
    "outer": Code(value="49370004", scheme="SCT", meaning="Lateral"),
    "inner": Code(value="255561001", scheme="SCT", meaning="Medial"),
    "upper": Code(value="264217000", scheme="SCT", meaning="Superior"),
    "lower": Code(value="261089000", scheme="SCT", meaning="Inferior"),
    "central": Code(value="129786000", scheme="SCT", meaning="Central region of breast"),
    "subareolar": Code(value="129784002", scheme="SCT", meaning="Subareolar region"),
    "axillary_tail": Code(value="129785001", scheme="SCT", meaning="Axillary tail region"),
}
DEPTH = Code(value="111020", scheme="DCM", meaning="Depth")
DEPTHS = {
    "anterior": Code(value="255549009", scheme="SCT", meaning="Anterior"),
    "middle": Code(value="C25569", scheme="NCIt", meaning="Middle"),
    "posterior": Code(value="255551008", scheme="SCT", meaning="Posterior"),
}
SHAPE = Code(value="300842002", scheme="SCT", meaning="Shape")
SHAPES = {
    "irregular": Code(value="49608001", scheme="SCT", meaning="Irregular"),
    # One word to the detector, which learned from both.
    "round": Code(value="ROUND-OR-OVAL", scheme=SCHEME, meaning="Round or oval"),
    "lobulated": Code(value="40266001", scheme="SCT", meaning="Lobular"),
}
MARGIN = Code(value="111037", scheme="DCM", meaning="Margins")
MARGINS = {
    "spiculated": Code(value="129742005", scheme="SCT", meaning="Spiculated lesion"),
    "ill_defined": Code(value="129741003", scheme="SCT", meaning="Indistinct lesion"),
    "obscured": Code(value="129740002", scheme="SCT", meaning="Obscured lesion"),
    "microlobulated": Code(value="129739004", scheme="SCT", meaning="Microlobulated lesion"),
    "circumscribed": Code(value="129738007", scheme="SCT", meaning="Circumscribed lesion"),
}
COMPOSITION = Code(value="129715009", scheme="SCT", meaning="Breast composition")
COMPOSITIONS = {
    "a": Code(value="129716005", scheme="SCT", meaning="Almost entirely fat"),
    "b": Code(value="129717001", scheme="SCT", meaning="Scattered fibroglandular densities"),
    "c": Code(value="129718006", scheme="SCT", meaning="Heterogeneously dense"),
    "d": Code(value="129719003", scheme="SCT", meaning="Extremely dense"),
}
# PS3.16 has no term for a site's own limit on a score.
SCORE_CATEGORY = Code(value="SCORE-CATEGORY", scheme=SCHEME, meaning="AI score, low or high")
SCORE_CATEGORIES = {
    "low": Code(value="SCORE-LOW", scheme=SCHEME, meaning="AI score low"),
    "high": Code(value="SCORE-HIGH", scheme=SCHEME, meaning="AI score high"),
}

# By the name of the property: what it is, and the code of each of its values.
PROPERTIES: dict[str, tuple[Code, Mapping[str, Code]]] = {
    "kind": (KIND, {str(kind): code for kind, code in KINDS.items()}),
    "laterality": (LATERALITY, {str(side): code for side, code in SIDES.items()}),
    "view": (VIEW, {str(view): code for view, code in VIEWS.items()}),
    "quadrant": (QUADRANT, QUADRANTS),
    "depth": (DEPTH, DEPTHS),
    "shape": (SHAPE, SHAPES),
    "margin": (MARGIN, MARGINS),
    "density_category": (COMPOSITION, COMPOSITIONS),
    "score_category": (SCORE_CATEGORY, SCORE_CATEGORIES),
}

NIPPLE_DISTANCE = Code(value="121242", scheme="DCM", meaning="Distance from nipple")
PERCENT_DENSITY = Code(value="111046", scheme="DCM", meaning="Percent Fibroglandular Tissue")
SCORE_SHARE = Code(value="SCORE-SHARE", scheme=SCHEME, meaning="Share of the exam's score")
SCREENING_PROBABILITY = Code(
    value="SCREENING-PROBABILITY",
    scheme=SCHEME,
    meaning="Share of cancer among the site's screening exams of this score",
)
EXAM_SCORE = Code(value="EXAM-SCORE", scheme=SCHEME, meaning="AI score of the exam, 1 to 10")

_OF_SIDE = {f"_{side.lower()}": f"{side} breast" for side in Laterality}
_OF_VIEW = {f"_{side.lower()}_{view.lower()}": f"{side} {view}" for side, view in STANDARD}
# By the name of the measurement: what it is, its unit, and the part of the exam it is of.
MEASUREMENTS: dict[str, tuple[Code, Code, str | None]] = {
    "size_mm": (LONG_AXIS, MM, None),
    "nipple_distance_mm": (NIPPLE_DISTANCE, MM, None),
    "score_share": (SCORE_SHARE, PERCENT, None),
    "exam_score": (EXAM_SCORE, NO_UNITS, None),
    "screening_probability": (SCREENING_PROBABILITY, NO_UNITS, None),
    **{
        f"malignancy_probability{part}": (PROBABILITY, NO_UNITS, of)
        for part, of in {"": None, **_OF_SIDE, **_OF_VIEW}.items()
    },
    **{
        f"percent_density{part}": (PERCENT_DENSITY, PERCENT, of)
        for part, of in {"": None, **_OF_SIDE}.items()
    },
}


def quality(name: str, value: str) -> Quality:
    """A coded property by its name and value, such as ``quality("depth", "anterior")``.

    Raises
    ------
    InvalidValueError
        Where there is no such property or value.
    """
    concept, values = PROPERTIES.get(name, (KIND, {}))
    if value not in values:
        raise InvalidValueError(f"quality {name!r}", value, ", ".join(values) or "a known name")
    return Quality(name=name, concept=concept, value=values[value])


def measurement(
    name: str, value: float, interval: tuple[float, float | None] | None = None
) -> Measurement:
    """A number by its name: lengths in mm, shares in percent, probabilities 0 to 1.

    The method of a number that is of one breast or view names it.

    Raises
    ------
    InvalidValueError
        Where there is no such measurement.
    """
    if name not in MEASUREMENTS:
        raise InvalidValueError("measurement", name, "a name of mammo.coding.MEASUREMENTS")
    concept, unit, of = MEASUREMENTS[name]
    return Measurement(
        name=name, concept=concept, unit=unit, value=value, interval=interval, method=of
    )


def value_of(name: str, code: Code | None) -> str | None:
    """The value of a property that has this code; None where it has none."""
    _, values = PROPERTIES[name]
    return next((value for value, known in values.items() if known == code), None)
