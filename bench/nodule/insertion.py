"""Names that moved to :mod:`training.nodule.insertion`."""

from training.nodule.insertion import even_directions

__all__ = ["even_directions"]
