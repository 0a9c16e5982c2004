"""What a mass looks like to the detector, in the words of readers."""

from __future__ import annotations

from collections.abc import Mapping

SHAPES = ("irregular", "round", "lobulated")
MARGINS = ("spiculated", "obscured", "circumscribed")
"""Of readers' words those that the network tells apart; an ill-defined and a microlobulated margin
it does not (`bench.mammo.signs`: AUC 0.58 and 0.45)."""
TOLD_FROM = 0.5
"""Less probable words are not told: nobody is helped by a guess."""


def told(signs: Mapping[str, float]) -> dict[str, str]:
    """Shape and margin of a mass: the most probable word of each, where it is probable enough.

    Parameters
    ----------
    signs : mapping of str to float
        The probability of each of `mammo.marks.detector.SIGNS`.

    Returns
    -------
    dict of str to str
        By ``shape`` and ``margin``; what is not told is absent.
    """
    likely = {
        name: max(words, key=lambda word: signs[word])
        for name, words in (("shape", SHAPES), ("margin", MARGINS))
    }
    return {name: word for name, word in likely.items() if signs[word] >= TOLD_FROM}
