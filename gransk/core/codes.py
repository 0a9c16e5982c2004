"""Coded concepts: DICOM, SNOMED CT, RadLex and UCUM terms that findings use."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Code(BaseModel):
    """A coded concept (PS3.3 section 8).

    Parameters
    ----------
    value, scheme, meaning : str
        Code Value, Coding Scheme Designator and Code Meaning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str = Field(min_length=1, max_length=64)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)


# Units (UCUM)
MM = Code(value="mm", scheme="UCUM", meaning="millimeter")
MM3 = Code(value="mm3", scheme="UCUM", meaning="cubic millimeter")
HU = Code(value="[hnsf'U]", scheme="UCUM", meaning="Hounsfield unit")
PERCENT = Code(value="%", scheme="UCUM", meaning="percent")
DAY = Code(value="d", scheme="UCUM", meaning="day")
NO_UNITS = Code(value="1", scheme="UCUM", meaning="no units")

# Measurements
VOLUME = Code(value="118565006", scheme="SCT", meaning="Volume")
LONG_AXIS = Code(value="103339001", scheme="SCT", meaning="Long Axis")
SHORT_AXIS = Code(value="103340004", scheme="SCT", meaning="Short Axis")
# RadLex and IBSI where PS3.16 takes them (CID 7470) or SNOMED CT has no term
MEAN_DIAMETER = Code(value="RID50155", scheme="RADLEX", meaning="Average Diameter")
DIAMETER = Code(value="81827009", scheme="SCT", meaning="Diameter")
DIAMETER_3D = Code(value="L0JK", scheme="IBSI", meaning="Maximum 3D Diameter of a Mesh")
MEAN_ATTENUATION = Code(value="112181", scheme="DCM", meaning="Mean Attenuation Coefficient")
MEDIAN_ATTENUATION = Code(value="112182", scheme="DCM", meaning="Median Attenuation Coefficient")
ATTENUATION = Code(value="112031", scheme="DCM", meaning="Attenuation Coefficient")
PROBABILITY = Code(value="111047", scheme="DCM", meaning="Probability of cancer")
CERTAINTY = Code(value="111012", scheme="DCM", meaning="Certainty of Finding")
SUSPICION = Code(value="SUSPICION", scheme="99GRANSK", meaning="Readers' suspicion of malignancy")

# Kinds and sites
NODULE = Code(value="27925004", scheme="SCT", meaning="Nodule")
LUNG = Code(value="39607008", scheme="SCT", meaning="Lung")
MORPHOLOGICALLY_ABNORMAL = Code(
    value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure"
)

# Properties, with their values
YES = Code(value="373066001", scheme="SCT", meaning="Yes")
NO = Code(value="373067005", scheme="SCT", meaning="No")
PRESENT = Code(value="121053", scheme="DCM", meaning="Present")
ABSENT = Code(value="121054", scheme="DCM", meaning="Absent")
NOT_ASSESSED = Code(value="NOT-ASSESSED", scheme="99GRANSK", meaning="Not assessed")
UNCERTAIN = Code(value="UNCERTAIN", scheme="99GRANSK", meaning="Uncertain")
LATERALITY = Code(value="272741003", scheme="SCT", meaning="Laterality")
LEFT = Code(value="7771000", scheme="SCT", meaning="Left")
RIGHT = Code(value="24028007", scheme="SCT", meaning="Right")
PLANE = Code(value="130546", scheme="DCM", meaning="Cross-sectional scan plane orientation")
AXIAL = Code(value="24422004", scheme="SCT", meaning="Axial")
CORONAL = Code(value="81654009", scheme="SCT", meaning="Coronal")
SAGITTAL = Code(value="30730003", scheme="SCT", meaning="Sagittal")

# Procedures, by modality (PS3.16 CID 100)
IMAGING = Code(value="363679005", scheme="SCT", meaning="Imaging procedure")
PROCEDURES = {
    "CT": Code(value="77477000", scheme="SCT", meaning="Computed tomography"),
    "MG": Code(value="71651007", scheme="SCT", meaning="Mammography"),
}


def procedure(modality: str) -> Code:
    """What was done to make images of a modality."""
    return PROCEDURES.get(modality, IMAGING)
