"""Summary pictures as one blob: arrays and captions, no executable content."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gransk.core.application import Picture, Placed


def pack_pictures(pictures: Sequence[Picture]) -> bytes:
    """Pictures as the bytes of one compressed NumPy archive."""
    words = [
        {
            "caption": dict(picture.caption),
            "outlines": picture.outlines,
            "spacing_mm": picture.spacing_mm,
            "tracking_uid": picture.tracking_uid,
            "role": picture.role,
            "placed": None if picture.placed is None else asdict(picture.placed),
        }
        for picture in pictures
    ]
    arrays = {f"pixels{n}": np.asarray(p.pixels, np.uint8) for n, p in enumerate(pictures)}
    arrays["words"] = np.frombuffer(json.dumps(words).encode("utf-8"), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_pictures(content: bytes) -> list[Picture]:
    """What `pack_pictures` packed."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        words = json.loads(archive["words"].tobytes().decode("utf-8"))
        return [
            Picture(
                pixels=archive[f"pixels{n}"],
                caption=word["caption"],
                outlines=tuple(
                    tuple((float(x), float(y)) for x, y in line) for line in word["outlines"]
                ),
                spacing_mm=word["spacing_mm"],
                tracking_uid=word.get("tracking_uid", ""),
                role=word.get("role", ""),
                placed=_placed(word.get("placed")),
            )
            for n, word in enumerate(words)
        ]


def _placed(word: dict[str, Any] | None) -> Placed | None:
    if word is None:
        return None
    a, b, c, d, e, f = (float(value) for value in word["affine"])
    return Placed(str(word["sop_instance_uid"]), (a, b, c, d, e, f), word["frame"])
