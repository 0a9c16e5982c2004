"""Counts hour by hour as bars; the same numbers stand in a table beside them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

WIDTH, HEIGHT, FOOT = 24, 90, 18


def bars(counts: Sequence[tuple[str, int]]) -> Markup:
    """An SVG that screen readers pass over: labels under every third bar, counts over each.

    Parameters
    ----------
    counts : sequence of (str, int)
        Label and count, in order.
    """
    most = max((count for _, count in counts), default=0) or 1
    width = WIDTH * len(counts)
    parts = [
        f'<svg viewBox="0 -14 {width} {HEIGHT + FOOT + 14}" class="chart bars" aria-hidden="true" '
        'font-family="sans-serif" font-size="10" fill="currentColor" text-anchor="middle">',
        f'<path d="M0 {HEIGHT}H{width}" stroke="currentColor" opacity=".5"/>',
    ]
    for n, (label, count) in enumerate(counts):
        middle, high = WIDTH * (n + 0.5), HEIGHT * count / most
        if count:
            parts.append(
                f'<rect x="{WIDTH * n + 3}" y="{HEIGHT - high:.1f}" width="{WIDTH - 6}" '
                f'height="{high:.1f}" fill="var(--accent)"/>'
                f'<text x="{middle}" y="{HEIGHT - high - 3:.1f}">{count}</text>'
            )
        if n % 3 == 0:
            parts.append(f'<text x="{middle}" y="{HEIGHT + FOOT - 4}">{escape(label)}</text>')
    # Every text in it is escaped above.
    return Markup("\n".join([*parts, "</svg>"]))  # noqa: S704


def by_hour(
    counts: Sequence[tuple[datetime.datetime, int]], zone: datetime.tzinfo | None
) -> list[tuple[str, int]]:
    """Hours as people of a time zone read them; None for the machine's own."""
    return [(start.astimezone(zone).strftime("%H"), count) for start, count in counts]
