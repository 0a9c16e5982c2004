"""Reconstruction kernels as vendors name them, sorted into what they are for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatch

CLASSES = ("soft", "medium", "lung", "bone", "unknown")

# First match decides. Siemens: a letter for body part, a number for sharpness
# (B30f, Br40d, I70, Bl57, Qr40); Canon: FC with a number; Philips: letters.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"(LUNG|CHEST[ _+-]?PLUS|YA|YB|YC|L)$", "lung"),
    (r"(BONE|BONEPLUS|EDGE|D|E|YD|EB)$", "bone"),
    (r"(STANDARD|STND|CHEST|DETAIL|BODY|C|CB|ROUTINE)$", "medium"),
    (r"(SOFT|B|BRAIN|A|XRESSTD|SMOOTH|UA|UB)$", "soft"),
)
_SIEMENS = re.compile(r"^[A-Z]{1,2}V?(\d{2,3})[A-Z]*$")
_CANON = re.compile(r"^FC(\d{2})")


def kernel_class(name: str) -> str:
    """What a Convolution Kernel (0018,1210) is for.

    Parameters
    ----------
    name : str
        As the scanner wrote it.

    Returns
    -------
    str
        ``soft``, ``medium``, ``lung``, ``bone`` or ``unknown``.
    """
    text = name.strip().upper()
    canon = _CANON.match(text)
    if canon:
        return _canon(int(canon.group(1)))
    siemens = _SIEMENS.match(text)
    if siemens:
        return _siemens(text, int(siemens.group(1)))
    return next((kind for pattern, kind in _NAMES if re.match(pattern, text)), "unknown")


def _siemens(text: str, sharpness: int) -> str:
    if text.startswith("BL"):
        return "lung"
    if sharpness < 35:
        return "soft"
    if sharpness < 50:
        return "medium"
    return "lung" if sharpness < 80 else "bone"


def _canon(number: int) -> str:
    if number in (30, 31, 80, 81, 82, 83, 84, 85, 86):
        return "bone"
    if number >= 50 and number < 60:
        return "lung"
    return "soft" if number < 10 or 60 <= number < 80 else "medium"


def preference(name: str, wanted: Sequence[str]) -> int:
    """Place of a kernel in a site's list; the list's length where it is not in it.

    Parameters
    ----------
    name : str
        As the scanner wrote it.
    wanted : sequence of str
        Kernel names, with ``*`` and ``?`` where wanted, or classes.
    """
    text, kind = name.strip().upper(), kernel_class(name)
    for place, pattern in enumerate(wanted):
        if pattern == kind or fnmatch(text, pattern.upper()):
            return place
    return len(wanted)
