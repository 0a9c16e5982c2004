"""Codes of views and of what modifies them (PS3.16 CID 4014 and CID 4015)."""

from __future__ import annotations

from enum import StrEnum

SCHEMES = frozenset({"SCT", "SRT", "SNM3", "99SDM"})
"""Coding schemes of the codes below: SNOMED CT, and the retired names of SNOMED RT."""


class ViewName(StrEnum):
    """Views by their ACR label (CID 4014), and two that only labels know."""

    CC = "CC"
    MLO = "MLO"
    ML = "ML"
    LM = "LM"
    LMO = "LMO"
    FB = "FB"
    SIO = "SIO"
    ISO = "ISO"
    XCCL = "XCCL"
    XCCM = "XCCM"
    XCC = "XCC"
    SPECIMEN = "SPECIMEN"


class Modifier(StrEnum):
    """What modifies a view (CID 4015)."""

    CLEAVAGE = "cleavage"
    AXILLARY_TAIL = "axillary_tail"
    AXILLARY_TISSUE = "axillary_tissue"
    ROLLED = "rolled"
    IMPLANT_DISPLACED = "implant_displaced"
    MAGNIFICATION = "magnification"
    SPOT = "spot"
    TANGENTIAL = "tangential"
    NIPPLE_IN_PROFILE = "nipple_in_profile"
    ANTERIOR_COMPRESSION = "anterior_compression"
    INFRAMAMMARY_FOLD = "inframammary_fold"


STANDARD_WITH = frozenset({Modifier.IMPLANT_DISPLACED, Modifier.NIPPLE_IN_PROFILE})
"""A CC or MLO with these shows the whole breast and stays a standard view."""

VIEWS: dict[str, ViewName] = {
    "399162004": ViewName.CC, "R-10242": ViewName.CC,
    "399368009": ViewName.MLO, "R-10226": ViewName.MLO,
    "399260004": ViewName.ML, "R-10224": ViewName.ML,
    "399352003": ViewName.LM, "R-10228": ViewName.LM,
    "399099002": ViewName.LMO, "R-10230": ViewName.LMO,
    "399196006": ViewName.FB, "R-10244": ViewName.FB,
    "399188001": ViewName.SIO, "R-102D0": ViewName.SIO,
    "441555000": ViewName.ISO, "R-40AAA": ViewName.ISO,
    # Y-X1770 and Y-X1771: superseded, but to be recognised (CID 4014, note).
    "399192008": ViewName.XCCL, "R-1024A": ViewName.XCCL, "Y-X1770": ViewName.XCCL,
    "399101009": ViewName.XCCM, "R-1024B": ViewName.XCCM, "Y-X1771": ViewName.XCCM,
    "127457009": ViewName.SPECIMEN, "G-8310": ViewName.SPECIMEN,
}  # fmt: skip

MODIFIERS: dict[str, Modifier] = {
    "399161006": Modifier.CLEAVAGE, "R-102D2": Modifier.CLEAVAGE,
    "399011000": Modifier.AXILLARY_TAIL, "R-102D1": Modifier.AXILLARY_TAIL,
    "442580003": Modifier.AXILLARY_TISSUE, "R-40AB2": Modifier.AXILLARY_TISSUE,
    "399197002": Modifier.ROLLED, "R-102D3": Modifier.ROLLED,
    "399226006": Modifier.ROLLED, "R-102D4": Modifier.ROLLED,
    "414493004": Modifier.ROLLED, "R-102CA": Modifier.ROLLED,
    "415670009": Modifier.ROLLED, "R-102C9": Modifier.ROLLED,
    "399209000": Modifier.IMPLANT_DISPLACED, "R-102D5": Modifier.IMPLANT_DISPLACED,
    "399163009": Modifier.MAGNIFICATION, "R-102D6": Modifier.MAGNIFICATION,
    "399055006": Modifier.SPOT, "R-102D7": Modifier.SPOT,
    "399110001": Modifier.TANGENTIAL, "R-102C2": Modifier.TANGENTIAL,
    "442581004": Modifier.NIPPLE_IN_PROFILE, "R-40AB3": Modifier.NIPPLE_IN_PROFILE,
    "441752004": Modifier.ANTERIOR_COMPRESSION, "P2-00161": Modifier.ANTERIOR_COMPRESSION,
    "442593008": Modifier.INFRAMAMMARY_FOLD, "R-40ABE": Modifier.INFRAMAMMARY_FOLD,
}  # fmt: skip

MEANINGS: dict[str, ViewName] = {
    "cranio-caudal": ViewName.CC,
    "craniocaudal": ViewName.CC,
    "medio-lateral oblique": ViewName.MLO,
    "mediolateral oblique": ViewName.MLO,
    "medio-lateral": ViewName.ML,
    "latero-medial": ViewName.LM,
    "latero-medial oblique": ViewName.LMO,
}
"""Code Meaning (0008,0104), read where a code of another scheme is used."""

LABEL_MODIFIERS: dict[str, Modifier] = {
    "M": Modifier.MAGNIFICATION,
    "S": Modifier.SPOT,
    "ID": Modifier.IMPLANT_DISPLACED,
    "RL": Modifier.ROLLED,
    "RM": Modifier.ROLLED,
    "RI": Modifier.ROLLED,
    "RS": Modifier.ROLLED,
    "TAN": Modifier.TANGENTIAL,
    "NP": Modifier.NIPPLE_IN_PROFILE,
    "AC": Modifier.ANTERIOR_COMPRESSION,
    "IMF": Modifier.INFRAMAMMARY_FOLD,
    "AX": Modifier.AXILLARY_TISSUE,
    "AT": Modifier.AXILLARY_TAIL,
    "CV": Modifier.CLEAVAGE,
}
"""ACR labels of modifiers (CID 4015, table of ACR MQCM equivalents)."""
