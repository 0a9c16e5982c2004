"""A chart of drift as SVG: the statistic as a share of its limit, with words beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from gransk.web.texts import number, text

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 15, 35
TOP_VALUE = 1.4
"""Highest share of the limit that is drawn."""
LABELS = 6


def drawn(content: Mapping[str, Any], title: str, language: str) -> Markup:
    """The picture of a chart that is kept; empty where it has no point yet."""
    points: Sequence[Mapping[str, Any]] = content["points"]
    if not points:
        return Markup("")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'class="chart" font-family="sans-serif" font-size="13" fill="currentColor">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(described(content, language))}</desc>",
        *_axes(points, language),
        *_line(points),
    ]
    # Every text in it is escaped above.
    return Markup("\n".join([*parts, "</svg>"]))  # noqa: S704


def described(content: Mapping[str, Any], language: str) -> str:
    """What the picture shows, in words."""
    points = content["points"]
    return text(
        "drift_out_told" if content["out"] else "drift_in_told",
        language,
        share=number(abs(points[-1]["of_limit"]), 2, language),
        day=points[-1]["day"],
    )


def _x(n: int, count: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * (n + 0.5) / count, 1)


def _y(share: float) -> float:
    part = (min(max(share, -TOP_VALUE), TOP_VALUE) + TOP_VALUE) / (2 * TOP_VALUE)
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - part), 1)


def _axes(points: Sequence[Mapping[str, Any]], language: str) -> Iterable[str]:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield (
        f'<path d="M{LEFT} {TOP}V{floor}M{LEFT} {_y(0)}H{right}" fill="none" '
        'stroke="currentColor" stroke-width="1"/>'
    )
    for share in (-1.0, 1.0):
        yield (
            f'<path d="M{LEFT} {_y(share)}H{right}" fill="none" stroke="currentColor" '
            'stroke-width="1.5" stroke-dasharray="6,4"/>'
        )
    for share in (-1.0, 0.0, 1.0):
        shown = number(share, 0, language)
        yield f'<text x="{LEFT - 8}" y="{_y(share) + 4}" text-anchor="end">{shown}</text>'
    every = max(1, -(-len(points) // LABELS))
    for n, point in enumerate(points):
        if n % every == 0:
            yield (
                f'<text x="{_x(n, len(points))}" y="{floor + 20}" text-anchor="middle">'
                f"{escape(str(point['day']))}</text>"
            )


def _line(points: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    places = [(_x(n, len(points)), _y(point["of_limit"])) for n, point in enumerate(points)]
    path = "L".join(f"{x} {y}" for x, y in places)
    yield f'<path d="M{path}" fill="none" stroke="currentColor" stroke-width="1.2"/>'
    for (x, y), point in zip(places, points, strict=True):
        if abs(point["of_limit"]) > 1:
            yield f'<rect x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
        else:
            yield f'<circle cx="{x}" cy="{y}" r="2.5"/>'
