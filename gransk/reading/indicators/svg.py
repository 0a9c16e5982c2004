"""Funnel and trend charts as SVG: a picture with a title and words for who cannot see it.

Colours come from the page (``currentColor``); what lies outside of the limits differs by shape,
not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from gransk.reading.indicators.charts import Chart, Mark
from gransk.reading.indicators.counting import Kind
from gransk.reading.indicators.texts import text

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 60
TICKS = 6
"""Most steps of an axis."""
ROOM = 1.05
"""Highest value drawn, over the highest there is."""
PERCENT = 100.0


def draw(chart: Chart, language: str) -> str:
    """The chart as one ``<svg>`` element that also says in words what it shows."""
    words = (
        f"<title>{escape(titled(chart, language))}</title>",
        f"<desc>{escape(described(chart, language))}</desc>",
    )
    return _element(chart, language, words, "sans-serif")


def picture(chart: Chart, language: str, font: str) -> str:
    """The chart without words, for a document that has them beside it, in its font."""
    return _element(chart, language, (), font)


def titled(chart: Chart, language: str) -> str:
    """What the chart is of."""
    return text("chart", "funnel" if chart.lines else "trend", language).format(
        indicator=text("indicator", chart.indicator, language),
        round=text("round", chart.round, language),
    )


def _element(chart: Chart, language: str, words: Sequence[str], font: str) -> str:
    plane = _Plane(chart)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'class="chart" font-family="{font}" font-size="13" fill="currentColor">',
        *words,
        *_axes(plane, chart, language),
        *_limits(plane, chart),
        *(_point(plane, n, mark) for n, mark in enumerate(chart.marks)),
        "</svg>",
    ]
    return "\n".join(parts)


def described(chart: Chart, language: str) -> str:
    """What the chart shows, in words."""
    beyond = [mark.name for mark in chart.marks if mark.outside]
    outside = (
        text("chart", "outside", language).format(names=", ".join(beyond))
        if beyond
        else text("chart", "none_outside", language)
    )
    told = [
        f"{text('chart', 'target', language)}: {value_text(chart.kind, chart.target, language)}",
        text("chart", "limits", language),
        outside,
    ]
    runs = [mark.name for mark in chart.marks if mark.run]
    if runs:
        told.append(text("chart", "run", language).format(names=", ".join(runs)))
    return "; ".join(told) + "."


def value_text(kind: Kind, value: float, language: str) -> str:
    """A value as people read it: shares in percent, decimals by language."""
    shown = f"{100 * value:.1f} %" if kind is Kind.SHARE else f"{value:.2f}"
    return shown.replace(".", ",") if language == "da" else shown


def ticks(highest: float) -> list[float]:
    """From 0 to at least the highest, in steps of 1, 2 or 5 and zeros."""
    if highest <= 0:
        return [0.0, 1.0]
    size = 10.0 ** math.floor(math.log10(highest / TICKS))
    step = next(size * n for n in (1, 2, 5, 10) if size * n * TICKS >= highest * (1 - 1e-9))
    return [step * n for n in range(math.ceil(highest / step - 1e-9) + 1)]


class _Plane:
    """From values to places in the picture."""

    def __init__(self, chart: Chart) -> None:
        per = PERCENT if chart.kind is Kind.SHARE else 1.0
        # The mouth of a funnel, at few cases, is wider than what there is to see.
        highest = max(v for mark in chart.marks for v in (mark.value, mark.outer[1]))
        self.values = [value / per for value in ticks(highest * ROOM * per)]
        self.top = self.values[-1]
        self.funnel = bool(chart.lines)
        self.cases = ticks(chart.lines[-1][0]) if chart.lines else []
        self.wide = self.cases[-1] if self.cases else max(len(chart.marks), 1)

    def x(self, at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * at / self.wide, 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.top, 0.0), 1.0)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)

    def place(self, n: int, mark: Mark) -> tuple[float, float]:
        return self.x(mark.cases if self.funnel else n + 0.5), self.y(mark.value)


def _axes(plane: _Plane, chart: Chart, language: str) -> Iterable[str]:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield (
        f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="currentColor" '
        'stroke-width="1"/>'
    )
    for value in plane.values:
        shown = value_text(chart.kind, value, language)
        yield f'<text x="{LEFT - 8}" y="{plane.y(value) + 4}" text-anchor="end">{shown}</text>'
    if not plane.funnel:
        every = max(1, -(-len(chart.marks) // 10))
        for n, mark in enumerate(chart.marks):
            if n % every == 0:
                x = plane.place(n, mark)[0]
                yield f'<text x="{x}" y="{floor + 20}" text-anchor="middle">{escape(mark.name)}</text>'  # noqa: E501
        return
    for cases in plane.cases[1:]:
        yield f'<text x="{plane.x(cases)}" y="{floor + 20}" text-anchor="middle">{cases:.0f}</text>'
    label = escape(text("chart", "cases", language))
    yield f'<text x="{(LEFT + right) / 2}" y="{floor + 44}" text-anchor="middle">{label}</text>'


def _limits(plane: _Plane, chart: Chart) -> Iterable[str]:
    middle = plane.y(chart.target)
    yield f'<path d="M{LEFT} {middle}H{WIDTH - RIGHT}" stroke="currentColor" stroke-width="1.5"/>'
    if plane.funnel:
        columns = [
            [(plane.x(row[0]), plane.y(row[k])) for row in chart.lines if row[k] <= plane.top]
            for k in range(1, 5)
        ]
    else:
        ends = [[(*mark.inner, *mark.outer)[k] for mark in chart.marks] for k in range(4)]
        columns = [[(plane.x(n + 0.5), plane.y(v)) for n, v in enumerate(one)] for one in ends]
    for n, places in enumerate(columns):
        if not places:
            continue
        yield _line(places, "6,4" if n < 2 else "2,3")


def _line(places: Sequence[tuple[float, float]], dashes: str) -> str:
    path = "L".join(f"{x} {y}" for x, y in places)
    return (
        f'<path d="M{path}" fill="none" stroke="currentColor" stroke-width="0.7" '
        f'stroke-dasharray="{dashes}"/>'
    )


def _point(plane: _Plane, n: int, mark: Mark) -> str:
    """A disc within the limits, a square outside of them, with its name beside it."""
    x, y = plane.place(n, mark)
    tip = f"<title>{escape(mark.name)}</title>"
    if not mark.outside:
        return f'<circle cx="{x}" cy="{y}" r="4">{tip}</circle>'
    return (
        f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10">{tip}</rect>'
        f'<text x="{x + 8}" y="{y - 8}">{escape(mark.name)}</text>'
    )
