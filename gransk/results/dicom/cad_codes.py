"""Concepts and values of the CAD templates (PS3.16 Annex A and D)."""

from __future__ import annotations

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as Known

from gransk.core.codes import Code


def _dcm(value: str, meaning: str) -> Code:
    return Code(value=value, scheme="DCM", meaning=meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value=value, scheme="SCT", meaning=meaning)


# TID 4000, 4100 and what both hold
MAMMOGRAPHY_REPORT = _dcm("111036", "Mammography CAD Report")
CHEST_REPORT = _dcm("112000", "Chest CAD Report")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
IMAGE_LIBRARY = _dcm("111028", "Image Library")
SUMMARY = _dcm("111017", "CAD Processing and Findings Summary")
DETECTIONS = _dcm("111064", "Summary of Detections")
ANALYSES = _dcm("111065", "Summary of Analyses")
GOOD_DETECTIONS = _dcm("111063", "Successful Detections")
FAILED_DETECTIONS = _dcm("111025", "Failed Detections")
GOOD_ANALYSES = _dcm("111062", "Successful Analyses")
FAILED_ANALYSES = _dcm("111024", "Failed Analyses")
DETECTION = _dcm("111022", "Detection Performed")
ANALYSIS = _dcm("111004", "Analysis Performed")
SERIES = _dcm("112002", "Series Instance UID")

# TID 4002 and 4003
IMPRESSION = _dcm("111033", "Impression Description")
INDIVIDUAL = _dcm("111034", "Individual Impression/Recommendation")

# Findings and features (TID 4004 to 4006, 4102 to 4104)
FINDING = _dcm("111059", "Single Image Finding")
FEATURE = _dcm("111015", "Composite Feature")
FINDING_MODIFIER = _dcm("112024", "Single Image Finding Modifier")
FEATURE_MODIFIER = _dcm("112023", "Composite Feature Modifier")
INTENT = _dcm("111056", "Rendering Intent")
TRACKING_ID = _dcm("112039", "Tracking Identifier")
TRACKING_UID = _dcm("112040", "Tracking Unique Identifier")
CERTAINTY = _dcm("111012", "Certainty of Finding")
CANCER = _dcm("111047", "Probability of cancer")
CENTER = _dcm("111010", "Center")
OUTLINE = _dcm("111041", "Outline")
REGION_DESCRIPTION = _dcm("111058", "Selected Region Description")
FEATURE_TYPE = _dcm("111016", "Composite type")
FEATURE_SCOPE = _dcm("111057", "Scope of Feature")
QUADRANT = _dcm("111048", "Quadrant location")
CLOCKFACE = _dcm("111014", "Clockface or region")
DEPTH = _dcm("111020", "Depth")
SHAPE = _sct("107644003", "Shape")
MARGIN = _sct("112233002", "Margin")
COMPOSITION = _sct("129715009", "Breast composition")
PERCENT_TISSUE = _dcm("111046", "Percent Fibroglandular Tissue")
LOCATION = _dcm("112013", "Location in Chest")
LATERALITY = _sct("272741003", "Laterality")
CALCIFICATION = _dcm("112030", "Calcification Descriptor")

# TID 4019
ALGORITHM = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")
ALGORITHM_MANUFACTURER = _dcm("122405", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS = _dcm("111002", "Algorithm Parameters")

# TID 4020
IMAGE_SIDE = _dcm("111027", "Image Laterality")
IMAGE_VIEW = _dcm("111031", "Image View")
IMAGE_VIEW_MODIFIER = _dcm("111032", "Image View Modifier")
ORIENTATION_ROW = _dcm("111044", "Patient Orientation Row")
ORIENTATION_COLUMN = _dcm("111043", "Patient Orientation Column")
STUDY_DATE = _dcm("111060", "Study Date")
STUDY_TIME = _dcm("111061", "Study Time")
CONTENT_DATE = _dcm("111018", "Content Date")
CONTENT_TIME = _dcm("111019", "Content Time")
HORIZONTAL_SPACING = _dcm("111026", "Horizontal Pixel Spacing")
VERTICAL_SPACING = _dcm("111066", "Vertical Pixel Spacing")
SLICE_THICKNESS = _dcm("112225", "Slice Thickness")
POSITION = tuple(_dcm(f"11090{n}", f"Image Position (Patient) {c}") for n, c in enumerate("XYZ", 1))
ORIENTATION = tuple(
    _dcm(f"11090{n}", f"Image Orientation (Patient) {way} {c}")
    for n, (way, c) in enumerate(((w, c) for w in ("Row", "Column") for c in "XYZ"), 4)
)
ROWS = _dcm("110910", "Pixel Data Rows")
COLUMNS = _dcm("110911", "Pixel Data Columns")

# Values
REQUIRED = _dcm("111150", "Presentation Required: Rendering device is expected to present")
OPTIONAL = _dcm("111151", "Presentation Optional: Rendering device may present")
SUCCEEDED = _dcm("111222", "Succeeded")
PARTIALLY = _dcm("111223", "Partially Succeeded")
FAILED = _dcm("111224", "Failed")
NOT_ATTEMPTED = _dcm("111225", "Not Attempted")
ALL_WITHOUT = _dcm("111241", "All algorithms succeeded; without findings")
ALL_WITH = _dcm("111242", "All algorithms succeeded; with findings")
SOME_WITHOUT = _dcm("111243", "Not all algorithms succeeded; without findings")
SOME_WITH = _dcm("111244", "Not all algorithms succeeded; with findings")
TEMPORAL = _dcm("111153", "Target Content Items are related temporally")
SPATIAL = _dcm("111154", "Target Content Items are related spatially")
ON_ONE_IMAGE = _dcm("111157", "Feature detected on only one of the images")
ON_SEVERAL_IMAGES = _dcm("111158", "Feature detected on multiple images")
SELECTED_REGION = _dcm("111099", "Selected region")
OPACITY = _dcm("112033", "Abnormal opacity")
DENSITY = _sct("129793001", "Mammography breast density")
CALCIFICATIONS = _sct("129769006", "Calcification Cluster")
MASS = _sct("129788004", "Mammographic breast mass")
ASYMMETRIES = (
    _sct("129789007", "Focal asymmetric breast tissue"),
    _sct("129790003", "Asymmetric breast tissue"),
)
COLLOCATION = _sct("133884007", "Spatial collocation analysis")
TEMPORAL_CORRELATION = _sct("133886009", "Temporal correlation")
COMPOSITION_ANALYSIS = _sct("133890006", "Breast composition analysis")
OVERALL_ANALYSIS = _dcm("111234", "Overall Impression/Recommendation Analysis")
SIZE_DIFFERENCE = _sct("442714003", "Difference in size")
BREASTS = {
    "R": _sct("73056007", "Right breast"),
    "L": _sct("80248007", "Left breast"),
    "B": _sct("63762007", "Both breasts"),
}
SIDES = {
    "R": _sct("24028007", "Right"),
    "L": _sct("7771000", "Left"),
    "B": _sct("51440002", "Bilateral"),
    "U": _sct("66459002", "Unilateral"),
}
COSINE = Code(value="{-1:1}", scheme="UCUM", meaning="{-1:1}")
PIXELS = Code(value="{pixels}", scheme="UCUM", meaning="pixels")


def known(value: Code, group: int) -> Code | None:
    """A code of a context group as the standard of today writes it; None where it is not in it.

    Retired codes of SNOMED RT come back as those of SNOMED CT.
    """
    given = Known(value.value, value.scheme, value.meaning)
    for one in getattr(codes, f"cid{group}").concepts.values():
        if one == given:
            return Code(value=one.value, scheme=one.scheme_designator, meaning=one.meaning)
    return None
