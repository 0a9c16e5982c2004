"""The ROC curve of a local validation as SVG, with words for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from markupsafe import Markup

from gransk.reading.validation.report import Called, Report
from gransk.web.texts import number, text

SIZE, LEFT, TOP = 420, 60, 15
EDGE = SIZE + LEFT + TOP
SHAPES = {
    "disc": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z",
    "square": "M-5 -5H5V5H-5Z",
    "diamond": "M0 -7L7 0L0 7L-7 0Z",
    "triangle": "M0 -7L7 6H-7Z",
}
PEOPLE = {"first_reader": "square", "second_reader": "diamond", "decision": "triangle"}
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def drawn(report: Report, language: str) -> Markup:
    """The curve, the operating point of the report's limit, and what people did on the exams."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {EDGE + 150} {EDGE + 45}" '
        'role="img" class="chart" font-family="sans-serif" font-size="13" fill="currentColor">',
        f"<title>{escape(text('validation_curve', language))}</title>",
        f"<desc>{escape(described(report, language))}</desc>",
        *_axes(language),
        _line(report),
    ]
    marks = [(one, text(f"validation_{one.name}", language)) for one in report.people]
    if (point := chosen(report)) is not None:
        marks.insert(0, (point, text("validation_ai_at", language, limit=point.name)))
    for n, (one, name) in enumerate(marks):
        parts += _mark(n, _shape_of(one, report), one, name)
    # Every text in it is escaped above.
    return Markup("\n".join([*parts, "</svg>"]))  # noqa: S704


def described(report: Report, language: str) -> str:
    """What the picture shows, in words."""
    told = []
    if report.area is not None:
        value, low, high = (number(one, 3, language) for one in report.area)
        told.append(text("validation_area_told", language, value=value, low=low, high=high))
    if (point := chosen(report)) is not None:
        told.append(_told(point, text("validation_ai_at", language, limit=point.name), language))
    told += [_told(one, text(f"validation_{one.name}", language), language)
             for one in report.people]  # fmt: skip
    return " ".join(told)


def chosen(report: Report) -> Called | None:
    """What the report's limit calls positive; None where it has no such limit."""
    return next((one for one in report.limits if one.name == str(report.recall_from)), None)


def _told(one: Called, name: str, language: str) -> str:
    return text(
        "validation_point_told",
        language,
        name=name,
        sensitivity=number(100 * one.sensitivity.value, 1, language),
        specificity=number(100 * one.specificity.value, 1, language),
    )


def _x(false_positive: float) -> float:
    return round(LEFT + SIZE * false_positive, 1)


def _y(sensitivity: float) -> float:
    return round(TOP + SIZE * (1 - sensitivity), 1)


def _axes(language: str) -> Iterable[str]:
    yield (
        f'<path d="M{LEFT} {TOP}V{TOP + SIZE}H{LEFT + SIZE}" fill="none" stroke="currentColor"/>'
        f'<path d="M{LEFT} {TOP + SIZE}L{LEFT + SIZE} {TOP}" fill="none" stroke="currentColor" '
        'stroke-width="0.6" stroke-dasharray="4,4"/>'
    )
    for at in TICKS:
        shown = number(at, 1, language)
        yield f'<text x="{LEFT - 8}" y="{_y(at) + 4}" text-anchor="end">{shown}</text>'
        yield f'<text x="{_x(at)}" y="{TOP + SIZE + 18}" text-anchor="middle">{shown}</text>'
    across, up = (escape(text(f"validation_axis_{one}", language)) for one in ("x", "y"))
    middle = LEFT + SIZE / 2
    yield f'<text x="{middle}" y="{TOP + SIZE + 40}" text-anchor="middle">{across}</text>'
    yield (
        f'<text x="14" y="{TOP + SIZE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {TOP + SIZE / 2})">{up}</text>'
    )


def _line(report: Report) -> str:
    places = [(0.0, 0.0), *((one[2], one[1]) for one in report.curve), (1.0, 1.0)]
    path = "L".join(f"{_x(across)} {_y(up)}" for across, up in places)
    return f'<path d="M{path}" fill="none" stroke="currentColor" stroke-width="2"/>'


def _shape_of(one: Called, report: Report) -> str:
    """The AI is a disc, people have shapes of their own."""
    return "disc" if one in report.limits else PEOPLE.get(one.name, "square")


def _mark(n: int, shape: str, one: Called, name: str) -> tuple[str, str, str]:
    """A mark where it lies, and again beside its name at the right."""
    x, y = _x(1 - one.specificity.value), _y(one.sensitivity.value)
    right, row = LEFT + SIZE + 25, TOP + 20 + 24 * n
    told = f'<text x="{right + 14}" y="{row + 4}">{escape(name)}</text>'
    return _drawn(shape, x, y, name), _drawn(shape, right, row, name), told


def _drawn(shape: str, x: float, y: float, name: str) -> str:
    path = SHAPES[shape]
    return f'<path transform="translate({x} {y})" d="{path}"><title>{escape(name)}</title></path>'
