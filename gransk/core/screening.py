"""The words of an opinion of a screening exam, as people, messages and tables share them."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What becomes of a woman by an opinion or a decision."""

    NORMAL = "normal"
    RECALL = "recall"
    TECHNICAL = "technical"
    """Images must be made again before anybody can say more."""


class Breast(StrEnum):
    """Which breast (Image Laterality, PS3.3 C.8.11.7)."""

    RIGHT = "R"
    LEFT = "L"


class View(StrEnum):
    """The standard views (PS3.16 CID 4014)."""

    CC = "CC"
    MLO = "MLO"


class FindingType(StrEnum):
    """What a mark is, in the words of BI-RADS."""

    MASS = "mass"
    CALCIFICATIONS = "calcifications"
    DISTORTION = "distortion"
    ASYMMETRY = "asymmetry"
    LYMPH_NODE = "lymph_node"
    SKIN = "skin"
    OTHER = "other"


class TechnicalReason(StrEnum):
    """Why an image must be made again: a closed list."""

    POSITIONING = "positioning"
    BLURRED = "blurred"
    EXPOSURE = "exposure"
    ARTEFACT = "artefact"
    COMPRESSION = "compression"
    VIEW_MISSING = "view_missing"
    WRONG_SIDE = "wrong_side"
    OTHER = "other"
