"""How a mammography exam is shown.

Until a site has calibrated it, findings hold no ``exam_score``, ``score_category`` and
``screening_probability``. The network's own probabilities are called research before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gransk.core.application import Presentation
from gransk.core.findings import Finding, Findings, FrameRef, Region
from mammo.coding import KINDS, PROPERTIES, value_of
from mammo.labels import LABELS, REJECTIONS
from mammo.texts import NAMES, texts, value
from mammo.view import STANDARD, Laterality, Projection

LAYOUT = (("R CC", "L CC"), ("R MLO", "L MLO"))
"""Breasts back to back: what each place of the page and of the viewer shows."""
_BREAST = "malignancy_probability_{}"


def number(of: float, digits: int, language: str) -> str:
    """A number with the decimal sign of the language."""
    text = f"{of:.{digits}f}"
    return text.replace(".", ",") if language == "da" else text


def calibrated(findings: Findings) -> bool:
    """May a reader see the score?"""
    return findings.measured("exam_score") is not None


def missing(findings: Findings) -> tuple[str, ...]:
    """Names of the standard views that are not there, such as ``R MLO``."""
    there = {frame.label for frame in findings.frames}
    return tuple(name for side, view in STANDARD if (name := f"{side} {view}") not in there)


def side_and_view(frame: FrameRef) -> tuple[Laterality, Projection]:
    """Which breast and view an analysed image shows, from its label."""
    side, view = frame.label.split(" ")
    return Laterality(side), Projection(view)


def partners(finding: Finding, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The other marks of the same lesion."""
    if not finding.lesion_uid:
        return ()
    return tuple(
        other
        for other in findings
        if other.lesion_uid == finding.lesion_uid and other.tracking_uid != finding.tracking_uid
    )


# One line


def line(findings: Findings, language: str) -> str:
    """The exam in one line: AI score or research, marks, density, what is missing."""
    parts = [_score_line(findings, language), _marks_line(findings, language)]
    density = findings.quality("density_category")
    letter = value_of("density_category", density)
    if letter:
        parts.append(f"{NAMES['density_category'][language].lower()} {letter}")
    absent = missing(findings)
    if absent:
        word = {"en": "incomplete, no", "da": "ufuldstændig, mangler"}[language]
        parts.append(f"{word} {', '.join(absent)}")
    return " · ".join(parts)


def _score_line(findings: Findings, language: str) -> str:
    score = findings.measured("exam_score")
    if score is None:
        return {"en": "Research", "da": "Forskning"}[language]
    category = value_of("score_category", findings.quality("score_category"))
    said = (
        NAMES["exam_score"][language]
        if category is None
        else value("score_category", category, language)
    )
    return f"{said} ({number(score, 0, language)})"


def _marks_line(findings: Findings, language: str) -> str:
    marks = findings.standing
    if not marks:
        return {"en": "no marks", "da": "ingen markeringer"}[language]
    words = {"en": ("mark", "marks"), "da": ("markering", "markeringer")}[language]
    highest = max(marks, key=lambda mark: (mark.malignancy or 0.0, mark.probability))
    told = "" if highest.malignancy is None else f" {number(highest.malignancy, 2, language)}"
    word = {"en": "highest", "da": "højest"}[language]
    count = f"{len(marks)} {words[len(marks) > 1]}"
    return f"{count}, {word} {image_name(highest)}{told}"


# One finding


def image_name(finding: Finding) -> str:
    """Such as ``R MLO``; empty where the finding does not say it."""
    side, view = (value_of(name, finding.quality(name)) for name in ("laterality", "view"))
    return f"{side} {view}" if side and view else ""


def kind_text(finding: Finding, language: str) -> str:
    """What the mark shows, as a person reads it."""
    kind = value_of("kind", finding.kind)
    return finding.kind.meaning if kind is None else value("kind", kind, language)


def details(finding: Finding, language: str) -> list[tuple[str, str]]:
    """(label, value) pairs of one finding: where, what, how large."""
    pairs = [
        ("image", image_name(finding)),
        ("kind", kind_text(finding, language)),
        ("size_mm", _unit(finding.measured("size_mm"), "mm", language)),
        ("shape", value_text(finding, "shape", language)),
        ("margin", value_text(finding, "margin", language)),
        ("quadrant", value_text(finding, "quadrant", language)),
        ("depth", value_text(finding, "depth", language)),
        ("nipple_distance_mm", _unit(finding.measured("nipple_distance_mm"), "mm", language)),
        ("score_share", _unit(finding.measured("score_share"), "%", language)),
    ]
    return [(NAMES[name][language], told) for name, told in pairs if told]


def value_text(of: Finding | Findings, name: str, language: str) -> str:
    """A property's value as a person reads it; empty where there is none."""
    code = of.quality(name)
    if code is None:
        return ""
    known = value_of(name, code)
    return code.meaning.lower() if known is None else value(name, known, language)


def _unit(of: float | None, unit: str, language: str) -> str:
    return "" if of is None else f"{number(of, 0, language)} {unit}"


def _percent(share: float, language: str) -> str:
    """A small share with two digits that count, such as 0.42 %."""
    percent = 100 * share
    digits = next((n for n, least in enumerate((10, 1)) if percent >= least), 2)
    return f"{number(percent, digits, language)} %"


# The exam


def summary(findings: Findings, language: str) -> list[tuple[str, str]]:
    """(label, value) pairs of the exam: score, probabilities, density, what is missing."""
    pairs = [(NAMES["exam_score"][language], _score_text(findings, language))]
    screening = findings.measured("screening_probability")
    if screening is not None:
        label = NAMES["screening_probability"][language]
        pairs.append((label, _percent(screening, language)))
    exam = findings.measured("malignancy_probability")
    if exam is not None:
        # The network's own number: a calibration gives another and leaves this one research.
        label = NAMES["malignancy_probability"][language]
        research = {"en": " (research)", "da": " (forskning)"}[language]
        pairs.append((label + research, number(exam, 2, language)))
    for side in Laterality:
        name = _BREAST.format(side.lower())
        of = findings.measured(name)
        if of is not None:
            pairs.append((NAMES[name][language], number(of, 2, language)))
    density = value_text(findings, "density_category", language)
    if density:
        pairs.append((NAMES["density_category"][language], density))
    share = findings.measured("percent_density")
    if share is not None:
        pairs.append((NAMES["percent_density"][language], _unit(share, "%", language)))
    absent = missing(findings)
    if absent:
        pairs.append((NAMES["missing"][language], ", ".join(absent)))
    return pairs


def _score_text(findings: Findings, language: str) -> str:
    score = findings.measured("exam_score")
    if score is None:
        return {
            "en": "not shown: not calibrated here",
            "da": "vises ikke: ikke kalibreret her",
        }[language]
    category = value_of("score_category", findings.quality("score_category"))
    word = {
        "low": {"en": "low", "da": "lav"},
        "high": {"en": "high", "da": "høj"},
    }.get(category or "", {}).get(language)
    of = {"en": "of 10", "da": "af 10"}[language]
    return f"{number(score, 0, language)} {of}" + (f", {word}" if word else "")


# The command line


def study_json(findings: Findings) -> dict[str, Any]:
    """Views, scores, density and breasts; null where not known or not calibrated."""
    certainty = {
        str(note.values.get("view")): float(note.values.get("percent", 100)) / 100
        for note in findings.notes
        if note.code == "view_from_image"
    }
    views = []
    for frame in findings.frames:
        side, view = side_and_view(frame)
        name = f"malignancy_probability_{side.lower()}_{view.lower()}"
        views.append(
            {
                "name": frame.label,
                "laterality": side.value,
                "view": view.value,
                "sop_instance_uid": frame.sop_instance_uid,
                "series_instance_uid": frame.series_instance_uid,
                "probability": findings.measured(name),
                "certainty": certainty.get(frame.label, 1.0),
                "read_from_image": frame.label in certainty,
            }
        )
    return {
        "views": views,
        "incomplete": bool(missing(findings)),
        "missing": list(missing(findings)),
        "probability": findings.measured("malignancy_probability"),
        "exam_score": findings.measured("exam_score"),
        "screening_probability": findings.measured("screening_probability"),
        "category": value_of("score_category", findings.quality("score_category")),
        "score_calibrated": calibrated(findings),
        "density": value_of("density_category", findings.quality("density_category")),
        "percent_density": findings.measured("percent_density"),
        "breasts": [
            {
                "laterality": side.value,
                "probability": findings.measured(_BREAST.format(side.lower())),
                "percent_density": findings.measured(f"percent_density_{side.lower()}"),
            }
            for side in Laterality
            if any(side_and_view(frame)[0] is side for frame in findings.frames)
        ],
    }


def finding_json(finding: Finding, findings: Sequence[Finding]) -> dict[str, Any]:
    """Where, what and how large, and the mark of the same lesion in the other view."""
    paired = partners(finding, findings)
    region = finding.regions[0] if finding.regions else None
    return {
        "sop_instance_uid": None if region is None else region.sop_instance_uid,
        "laterality": value_of("laterality", finding.quality("laterality")),
        "view": value_of("view", finding.quality("view")),
        "kind": value_of("kind", finding.kind),
        "outline_px": [] if region is None else [list(point) for point in region.points],
        "centre_px": None if region is None else list(centre_of(region)),
        "size_mm": finding.measured("size_mm"),
        "pair": paired[0].tracking_uid if paired else None,
        "shape": value_of("shape", finding.quality("shape")),
        "margin": value_of("margin", finding.quality("margin")),
        "quadrant": value_of("quadrant", finding.quality("quadrant")),
        "depth": value_of("depth", finding.quality("depth")),
        "nipple_distance_mm": finding.measured("nipple_distance_mm"),
        "score_share": finding.measured("score_share"),
    }


def centre_of(region: Region) -> tuple[float, float]:
    """Centroid (column, row) of a polygon's area; of its points where it has none."""
    points = region.points
    area = column = row = 0.0
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        cross = x0 * y1 - x1 * y0
        area += cross
        column += (x0 + x1) * cross
        row += (y0 + y1) * cross
    if abs(area) < 1e-9:
        return (
            sum(x for x, _ in points) / len(points),
            sum(y for _, y in points) / len(points),
        )
    return column / (3 * area), row / (3 * area)


def presentation(commands: Mapping[str, Any] | None = None) -> Presentation:
    """The application's presentation.

    Parameters
    ----------
    commands : mapping, optional
        What the command line offers of this application.
    """
    return Presentation(
        title={"en": "Mammography", "da": "Mammografi"},
        texts=texts(),
        line=line,
        details=details,
        study_json=study_json,
        finding_json=finding_json,
        image_window=None,
        course="diameter_mm",
        commands=commands or {},
        labels=LABELS,
        codes={
            **{name: values for name, (_, values) in PROPERTIES.items()},
            "kind": {str(kind): code for kind, code in KINDS.items()},
        },
        rejections=tuple(REJECTIONS),
        layout=LAYOUT,
        summary=summary,
        sizes={"diameter": "size_mm"},
        key_qualities=("laterality", "view", "quadrant"),
    )
