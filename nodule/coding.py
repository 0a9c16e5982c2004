"""What is measured of a nodule, as coded measurements and properties of a finding."""

from __future__ import annotations

from collections.abc import Iterator

from gransk.core.codes import (
    ABSENT,
    AXIAL,
    CORONAL,
    DIAMETER,
    DIAMETER_3D,
    HU,
    LATERALITY,
    LEFT,
    LONG_AXIS,
    MEAN_ATTENUATION,
    MEAN_DIAMETER,
    MEDIAN_ATTENUATION,
    MM,
    MM3,
    NO,
    NO_UNITS,
    NOT_ASSESSED,
    PERCENT,
    PLANE,
    PRESENT,
    RIGHT,
    SAGITTAL,
    SHORT_AXIS,
    UNCERTAIN,
    VOLUME,
    YES,
    Code,
)
from gransk.core.findings import Measurement, Quality
from nodule.axes import PlaneAxes
from nodule.measurement import NoduleMeasurement
from nodule.morphology import MorphologyReading
from nodule.uncertainty import ErrorModel

SCHEME = "99GRANSK"

TEXTURE = Code(value="RID46010", scheme="RADLEX", meaning="Solidness descriptor")
TEXTURES = {
    "solid": Code(value="RID5741", scheme="RADLEX", meaning="Solid"),
    "part_solid": Code(value="RID46011", scheme="RADLEX", meaning="Partially solid"),
    "ground_glass": Code(value="RID46016", scheme="RADLEX", meaning="Non-solid"),
}
CALCIFICATION = Code(value="RID5196", scheme="RADLEX", meaning="Calcification")
CALCIFICATIONS = {
    "none": Code(value="RID39226", scheme="RADLEX", meaning="Noncalcified"),
    "diffuse": Code(value="125374009", scheme="SCT", meaning="Diffuse calcification"),
    "laminated": Code(value="125370000", scheme="SCT", meaning="Laminated calcification"),
    "popcorn": Code(value="RID35453", scheme="RADLEX", meaning="Popcorn calcification sign"),
    "central": Code(value="CENTRAL-CALCIUM", scheme=SCHEME, meaning="Central calcification"),
    "other": Code(value="OTHER-CALCIUM", scheme=SCHEME, meaning="Calcification, other pattern"),
    "not_assessed": NOT_ASSESSED,
}
FAT = Code(value="256674009", scheme="SCT", meaning="Fat")
FATS = {"present": PRESENT, "none": ABSENT, "not_assessed": NOT_ASSESSED}
SIDES = {"left": LEFT, "right": RIGHT}
LOBE = Code(value="31094006", scheme="SCT", meaning="Lobe of lung")
LOBES = {
    "upper": Code(value="45653009", scheme="SCT", meaning="Upper lobe of lung"),
    "middle": Code(value="72481006", scheme="SCT", meaning="Middle lobe of right lung"),
    "lower": Code(value="90572001", scheme="SCT", meaning="Lower lobe of lung"),
    "uncertain": UNCERTAIN,
}
UPPER_LOBE = LOBES["upper"]
JUXTAPLEURAL = Code(value="JUXTAPLEURAL", scheme=SCHEME, meaning="Nodule touches the pleura")
PERIFISSURAL = Code(
    value="PERIFISSURAL", scheme=SCHEME, meaning="Nodule at a fissure, estimate from geometry"
)
FISSURE_REASON = Code(
    value="FISSURE-REASON", scheme=SCHEME, meaning="Why a place at a fissure is not assessed"
)
FISSURE_REASONS = {
    "no_lungs": Code(value="NO-LUNGS", scheme=SCHEME, meaning="Lungs not known"),
    "thick_slices": Code(value="THICK-SLICES", scheme=SCHEME, meaning="Slices too thick"),
    "too_large": Code(value="TOO-LARGE", scheme=SCHEME, meaning="Nodule of 10 mm or more"),
    "not_solid": Code(value="NOT-SOLID", scheme=SCHEME, meaning="Nodule not solid"),
    "no_fissure_seen": Code(value="NO-FISSURE-SEEN", scheme=SCHEME, meaning="No fissure seen"),
}
ANSWERS = {"yes": YES, "no": NO, "uncertain": UNCERTAIN, "not_assessed": NOT_ASSESSED}
PLANES = {"axial": AXIAL, "coronal": CORONAL, "sagittal": SAGITTAL}
PLEURAL_CONTACT = Code(
    value="PLEURAL-CONTACT", scheme=SCHEME, meaning="Share of surface at the pleura"
)

# By the name of the property: what it is, and the code of each of its values.
PROPERTIES: dict[str, tuple[Code, dict[str, Code]]] = {
    "texture": (TEXTURE, TEXTURES),
    "calcification": (CALCIFICATION, CALCIFICATIONS),
    "fat": (FAT, FATS),
    "side": (LATERALITY, SIDES),
    "lobe": (LOBE, LOBES),
    "upper_lobe": (UPPER_LOBE, ANSWERS),
    "juxtapleural": (JUXTAPLEURAL, ANSWERS),
    "perifissural": (PERIFISSURAL, ANSWERS),
    "perifissural_reason": (FISSURE_REASON, FISSURE_REASONS),
    "greatest_plane": (PLANE, PLANES),
}

# PS3.16 and SNOMED CT have no term for a change of size in numbers.
VOLUME_CHANGE = Code(value="VOLUME-CHANGE", scheme=SCHEME, meaning="Change of volume")
DIAMETER_CHANGE = Code(value="DIAMETER-CHANGE", scheme=SCHEME, meaning="Change of mean diameter")
DOUBLING_TIME = Code(value="DOUBLING-TIME", scheme=SCHEME, meaning="Volume doubling time")

AXIAL_METHOD = "axial plane of largest area"
ANY_AXIAL = "longest in any axial plane"
SOLID_METHOD = "solid component of part-solid nodule"
MIDDLE = "middle of the nodule"
PROBABILITIES = {
    "ground_glass": Code(
        value="GROUND-GLASS", scheme=SCHEME, meaning="Probability of ground glass texture"
    ),
    "part_solid": Code(
        value="PART-SOLID", scheme=SCHEME, meaning="Probability of part-solid texture"
    ),
    "solid": Code(value="SOLID", scheme=SCHEME, meaning="Probability of solid texture"),
    "spiculated": Code(value="SPICULATED", scheme=SCHEME, meaning="Probability of spiculation"),
    "lobulated": Code(value="LOBULATED", scheme=SCHEME, meaning="Probability of lobulation"),
    "calcified": Code(value="CALCIFIED", scheme=SCHEME, meaning="Probability of calcification"),
}
AT_FISSURE = Code(value="AT-FISSURE", scheme=SCHEME, meaning="Probability of a place at a fissure")
FISSURE_METHOD = "estimate from geometry"


def measurements(
    measured: NoduleMeasurement, errors: ErrorModel, reading: MorphologyReading | None = None
) -> tuple[Measurement, ...]:
    """Every number of a nodule, with its 95 % interval where the error model has one.

    Parameters
    ----------
    measured : NoduleMeasurement
        The nodule.
    errors : ErrorModel
        Of its scan and kind.
    reading : MorphologyReading, optional
        Its probabilities are added.
    """
    found = [
        Measurement(
            name="volume_mm3", concept=VOLUME, unit=MM3, value=round(measured.volume_mm3, 1),
            interval=errors.volume(measured.volume_mm3),
        ),
        *_plane("", measured.axial, AXIAL_METHOD, errors),
        *_plane(
            "greatest_plane_", measured.greatest,
            f"{measured.greatest.view.value} plane, that of greatest dimension", errors,
        ),
        _length("maximum_transverse_diameter_mm", DIAMETER, measured.maximum_transverse_mm,
                ANY_AXIAL, errors.in_plane(measured.maximum_transverse_mm)),
        _length("longest_diameter_3d_mm", DIAMETER_3D, measured.longest_mm, None,
                errors.in_space(measured.longest_mm)),
        Measurement(name="mean_hu", concept=MEAN_ATTENUATION, unit=HU,
                    value=round(measured.density.mean_hu, 1)),
        Measurement(name="core_hu", concept=MEDIAN_ATTENUATION, unit=HU,
                    value=round(measured.density.core_hu, 1), method=MIDDLE),
    ]  # fmt: skip
    found += _solid(measured)
    contact = measured.place.pleural_contact
    if contact is not None:
        found.append(Measurement(name="pleural_contact_percent", concept=PLEURAL_CONTACT,
                                 unit=PERCENT, value=round(100 * contact, 1)))  # fmt: skip
    at_fissure = measured.perifissural.probability
    if at_fissure is not None:
        found.append(Measurement(name="perifissural_probability", concept=AT_FISSURE,
                                 unit=NO_UNITS, value=round(at_fissure, 3),
                                 method=FISSURE_METHOD))  # fmt: skip
    for name, concept in PROBABILITIES.items() if reading is not None else ():
        found.append(Measurement(name=f"{name}_probability", concept=concept, unit=NO_UNITS,
                                 value=round(getattr(reading, name), 3)))  # fmt: skip
    return tuple(found)


def _plane(prefix: str, axes: PlaneAxes, method: str, errors: ErrorModel) -> Iterator[Measurement]:
    bound = errors.in_plane if axes.view.value == "axial" else errors.in_space
    for name, concept, value in (
        ("long_axis_mm", LONG_AXIS, axes.long_axis.length_mm),
        ("short_axis_mm", SHORT_AXIS, axes.short_axis.length_mm),
        ("mean_diameter_mm", MEAN_DIAMETER, axes.mean_mm),
    ):
        yield _length(prefix + name, concept, value, method, bound(value))


def _length(
    name: str,
    concept: Code,
    value: float,
    method: str | None,
    interval: tuple[float, float] | None = None,
) -> Measurement:
    return Measurement(name=name, concept=concept, unit=MM, value=round(value, 2),
                       method=method, interval=interval)  # fmt: skip


def _solid(measured: NoduleMeasurement) -> Iterator[Measurement]:
    solid = measured.solid
    if solid is None:
        return
    yield Measurement(name="solid_part_volume_mm3", concept=VOLUME, unit=MM3,
                      value=round(solid.volume_mm3, 1), method=SOLID_METHOD)  # fmt: skip
    long_axis = solid.axes.long_axis.length_mm
    yield _length("solid_part_long_axis_mm", LONG_AXIS, long_axis, SOLID_METHOD)
    short_axis = solid.axes.short_axis.length_mm
    yield _length("solid_part_short_axis_mm", SHORT_AXIS, short_axis, SOLID_METHOD)
    yield _length("solid_part_mean_diameter_mm", MEAN_DIAMETER, solid.axes.mean_mm, SOLID_METHOD)


def qualities(measured: NoduleMeasurement) -> tuple[Quality, ...]:
    """Every property of a nodule that is known or told as not assessed."""
    place = measured.place
    values = {
        "texture": measured.texture,
        "calcification": measured.density.calcification,
        "fat": measured.density.fat,
        "side": place.side,
        "lobe": place.lobe,
        "upper_lobe": place.upper_lobe,
        "juxtapleural": place.juxtapleural,
        "perifissural": measured.perifissural.answer,
        "perifissural_reason": measured.perifissural.reason,
        "greatest_plane": measured.greatest.view,
    }
    return tuple(
        Quality(name=name, concept=PROPERTIES[name][0], value=PROPERTIES[name][1][str(value)])
        for name, value in values.items()
        if value is not None
    )
