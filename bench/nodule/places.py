"""Names that moved to :mod:`training.nodule.places`."""

from training.nodule.places import VESSEL_HU

__all__ = ["VESSEL_HU"]
