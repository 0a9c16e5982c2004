"""What is observed of an analysed study, in the child that has its images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pydantic import BaseModel
from pydicom import Dataset

from gransk.core.application import Application, Selection
from gransk.core.calibration import EXAM_SCORE, Calibrates
from gransk.core.exam_facts import Fact, facts_of
from gransk.core.findings import Findings
from gransk.core.keys import digest
from gransk.core.models import ModelLibrary
from gransk.core.study import Study
from gransk.results.observed import PROBABILITY

LONGEST = 64
"""Characters of a text."""
DGY_TO_MGY = 100.0
CALIBRATED = "screening_probability"
"""Name of the measurement that is the calibrated probability of disease."""
Facts = dict[str, str | float]


def regime_of(application: Application, settings: BaseModel, models: ModelLibrary) -> str:
    """What a study is analysed by, as a short digest: version, models, settings."""
    used = {name: models.digest(name) for name in application.models(settings)}
    content = [application.id, application.version, used, settings.model_dump(mode="json")]
    return digest(content)[:16]


def observed(
    application: Application, study: Study, selection: Selection, findings: Findings
) -> Facts:
    """Facts of a study and its analysis.

    Returns
    -------
    dict of str to str or float
        ``manufacturer``, ``equipment``, ``kernel``: texts. ``thickness``: mm. ``dose``: mGy, the
        mean CTDIvol of a CT, the sum of organ doses (else of entrance doses, ``entrance_dose``)
        of a mammography. ``age``: years. ``score``: what the application's calibration begins
        with, else the highest probability of a finding. ``findings``: how many. Every coded
        quality of the study as a whole by its name, and what is calibrated as ``exam_score`` and
        ``probability``.
    """
    headers = [instance.header for instance in selection.instances]
    said: Facts = {}
    known = facts_of(study, {})
    texts = {
        "manufacturer": _common(_text(h, "Manufacturer") for h in headers),
        "equipment": known.get(Fact.EQUIPMENT, ""),
        "kernel": _common(_text(h, "ConvolutionKernel") for h in headers),
        **{one.name: one.value.value for one in findings.qualities},
    }
    numbers: dict[str, float | None] = {
        "thickness": _middle(_number(h, "SliceThickness") for h in headers),
        **_doses(headers),
        "age": float(known[Fact.AGE]) if Fact.AGE in known else None,
        "score": _score(application, findings),
        "exam_score": findings.measured(EXAM_SCORE),
        PROBABILITY: findings.measured(CALIBRATED),
        "findings": float(len(findings.findings)),
    }
    said |= {name: text[:LONGEST] for name, text in texts.items() if text}
    said |= {name: value for name, value in numbers.items() if value is not None}
    return said


def _score(application: Application, findings: Findings) -> float | None:
    if isinstance(application, Calibrates):
        return application.raw_score(findings)
    return max((one.probability for one in findings.findings), default=0.0)


def _doses(headers: list[Dataset]) -> dict[str, float | None]:
    """CTDIvol (0018,9345) in mGy; Organ Dose (0040,0316) in dGy (PS3.3 C.8.21.3.4), Entrance
    Dose in mGy (0040,8302)."""
    ct = _all(headers, "CTDIvol")
    organ, entrance = _all(headers, "OrganDose"), _all(headers, "EntranceDoseInmGy")
    if ct:
        return {"dose": sum(ct) / len(ct)}
    return {
        "dose": DGY_TO_MGY * sum(organ) if organ else None,
        "entrance_dose": sum(entrance) if entrance else None,
    }


def _all(headers: Iterable[Dataset], keyword: str) -> list[float]:
    found = [_number(header, keyword) for header in headers]
    return [value for value in found if value is not None and value > 0]


def _number(header: Dataset, keyword: str) -> float | None:
    value = _read(header, keyword)
    try:
        found = float(str(value))
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _text(header: Dataset, keyword: str) -> str:
    value = _read(header, keyword)
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else (value or "",)
    text = " ".join(" ".join(map(str, parts)).split())
    return text if text.isprintable() else ""


def _read(header: Dataset, keyword: str) -> object:
    """An attribute's value; None where it cannot be read."""
    reads: Callable[[str], object] = header.get
    try:
        return reads(keyword)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def _common(values: Iterable[str]) -> str:
    """The text that most images bear; of equals the first of the alphabet."""
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda text: (-counts[text], text), default="")


def _middle(values: Iterable[float | None]) -> float | None:
    found = sorted(value for value in values if value is not None)
    return found[len(found) // 2] if found else None
