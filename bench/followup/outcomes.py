"""What was said of each lesion of a pair, beside what is true: one row of a log a pair."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.followup.pairs import Pair, TrueLesion
from gransk.core.findings import Finding, Findings, Measurement
from gransk.core.followup import Comparison, Lesion, Look, Outcome

OTHER = "matched with another"
MISSING = "not told"

Side = dict[str, Any]


def said_of(
    comparison: Comparison, truth: TrueLesion, current_uid: str | None, prior_uid: str | None
) -> tuple[str, Lesion | None]:
    """What a comparison says of a lesion, and its row.

    It is asked from the side of the current scan where that shows the lesion. A pairing is
    right where its other side is the lesion's own finding, or lies on the lesion.

    Parameters
    ----------
    comparison : Comparison
    truth : TrueLesion
    current_uid, prior_uid : str, optional
        Tracking UIDs of its findings; None where there is none.

    Returns
    -------
    str
        An outcome's value; ``OTHER`` where it was matched with another lesion,
        ``MISSING`` where the comparison does not name it.
    Lesion or None
    """
    side = "prior_uid" if current_uid is None else "current_uid"
    wanted = prior_uid if current_uid is None else current_uid
    rows = [one for one in comparison.lesions if wanted and getattr(one, side) == wanted]
    if not rows:
        return MISSING, None
    row = rows[0]
    if row.outcome is not Outcome.MATCHED or truth.outcome is not Outcome.MATCHED:
        return row.outcome.value, row
    if current_uid is None:
        right = _on(row.current, truth.current_mm, truth)
    else:
        right = row.prior_uid == prior_uid or _on(row.prior, truth.prior_mm, truth)
    return (Outcome.MATCHED.value if right else OTHER), row


def _on(look: Look | None, place: tuple[float, float, float] | None, truth: TrueLesion) -> bool:
    if look is None or look.centre_lps_mm is None or place is None:
        return False
    return math.dist(look.centre_lps_mm, place) <= truth.reach_mm


def others(comparison: Comparison, lesions: Sequence[TrueLesion]) -> dict[str, int]:
    """Outcomes of what lies on none of the known lesions: vessels, and what nobody marked."""
    told = Counter(
        row.outcome.value
        for row in comparison.lesions
        if not any(
            _on(row.current, one.current_mm, one) or _on(row.prior, one.prior_mm, one)
            for one in lesions
        )
    )
    return dict(told)


def found(findings: Findings, truth: TrueLesion, side: str) -> Finding | None:
    """The most probable finding that lies on a lesion in one scan, or None."""
    place = truth.current_mm if side == "current" else truth.prior_mm
    on = [
        f
        for f in findings.findings
        if place is not None
        and f.centre_lps_mm is not None
        and math.dist(f.centre_lps_mm, place) <= truth.reach_mm
    ]
    return max(on, key=lambda f: f.probability, default=None)


def side_json(finding: Finding | None) -> Side | None:
    """Sizes and kind of a finding."""
    if finding is None:
        return None
    texture, pleura = finding.quality("texture"), finding.quality("juxtapleural")
    return {
        "mm3": finding.measured("volume_mm3"),
        "mm": finding.measured("mean_diameter_mm"),
        "texture": None if texture is None else texture.meaning,
        "attached": pleura is not None and pleura.meaning == "Yes",
        "mean_hu": finding.measured("mean_hu"),
    }


def lesion_json(
    truth: TrueLesion, current: Finding | None, prior: Finding | None,
    comparison: Comparison | None,
) -> dict[str, Any]:  # fmt: skip
    """One lesion's truth, its sizes in both scans, and what was said of it."""
    row: dict[str, Any] = asdict(truth) | {"outcome": truth.outcome.value}
    row |= {"current": side_json(current), "prior": side_json(prior)}
    if comparison is None:
        return row
    said, lesion = said_of(
        comparison,
        truth,
        None if current is None else current.tracking_uid,
        None if prior is None else prior.tracking_uid,
    )
    row["said"] = said
    if lesion is not None:
        row["certainty"] = lesion.certainty
        row["withheld"] = [note.code for note in lesion.withheld]
        row["notes"] = [note.code for note in lesion.notes]
        row["changes"] = {m.name: _change(m) for m in lesion.changes}
        row["told_mm3"] = [
            None if look is None else look.measured("volume_mm3")
            for look in (lesion.prior, lesion.current)
        ]
        row["told_mm"] = [
            None if look is None else look.measured("mean_diameter_mm")
            for look in (lesion.prior, lesion.current)
        ]
    return row


def _change(measurement: Measurement) -> dict[str, Any]:
    interval = None if measurement.interval is None else list(measurement.interval)
    return {"value": measurement.value, "interval": interval}


def pair_json(
    pair: Pair, lesions: list[dict[str, Any]], comparison: Comparison | None,
    seconds: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    """A line of the log."""
    refused = None
    if comparison is not None and comparison.refused is not None:
        refused = comparison.refused.value
    return {
        **pair.json(), "spacing_mm": {
            "prior": list(pair.prior.volume.geometry.spacing),
            "current": list(pair.current.volume.geometry.spacing),
        }, "refused": refused, "compared": comparison is not None,
        "others": None if comparison is None else others(comparison, pair.lesions),
        "lesions": lesions, "seconds": seconds,
    }  # fmt: skip
