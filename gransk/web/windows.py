"""In which window an image is shown that brings its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FUNCTIONS = {"LINEAR": "linear", "LINEAR_EXACT": "linear-exact", "SIGMOID": "sigmoid"}
"""VOI LUT Function (0028,1056) in the words of PS3.18 8.3.5.1.4."""
Tags = Mapping[str, Any]


def own_window(tags: Tags) -> tuple[float, float, str]:
    """Centre, width and function of an image's own window.

    Parameters
    ----------
    tags : mapping
        As Orthanc gives an image's attributes: ``{"0028,1050": {"Value": ..}}``.

    Notes
    -----
    The first window; else the values that the first VOI LUT maps, as a straight line; else all
    values that the image holds, or can hold where it does not say (PS3.3 C.11.2, C.7.6.3).
    """
    centres, widths = numbers(tags, "0028,1050"), numbers(tags, "0028,1051")
    if centres and widths and widths[0] >= 1:
        function = str(tags.get("0028,1056", {}).get("Value") or "LINEAR").strip().upper()
        return centres[0], widths[0], FUNCTIONS.get(function, "linear")
    low, high = _lut(tags) or _range(tags)
    return (low + high + 1) / 2, max(1.0, high - low + 1), "linear"


def numbers(tags: Tags, tag: str) -> tuple[float, ...]:
    """Numbers of an attribute; none where it is absent or no number."""
    value = tags.get(tag, {}).get("Value")
    try:
        return tuple(float(part) for part in str(value or "").split("\\") if part.strip())
    except ValueError:
        return ()


def _lut(tags: Tags) -> tuple[float, float] | None:
    """First and last value that the VOI LUT maps."""
    items = tags.get("0028,3010", {}).get("Value") or []
    described = numbers(items[0], "0028,3002") if isinstance(items, list) and items else ()
    if len(described) != 3:
        return None
    return described[1], described[1] + (described[0] or 65536) - 1


def _range(tags: Tags) -> tuple[float, float]:
    slope = (numbers(tags, "0028,1053") or (1.0,))[0] or 1.0
    intercept = (numbers(tags, "0028,1052") or (0.0,))[0]
    held = numbers(tags, "0028,0106")[:1] + numbers(tags, "0028,0107")[:1]
    if len(held) != 2 or held[0] >= held[1]:
        bits = (numbers(tags, "0028,0101") or (16.0,))[0]
        signed = (numbers(tags, "0028,0103") or (0.0,))[0] == 1
        held = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0.0, 2**bits - 1)
    ends = sorted(value * slope + intercept for value in held)
    return ends[0], ends[1]
