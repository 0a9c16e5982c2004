"""Pages that compare: both sides of a lesion, its course as a curve, and the plain report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from gransk.core.application import Picture
from gransk.core.findings import Finding
from gransk.core.followup import Comparison, FollowUp, Lesion, course, course_unit
from gransk.results.curve import Curve, curve
from gransk.results.dicom.canvas import (
    ACCENT,
    BOTTOM,
    CARD,
    GUTTER,
    LINE,
    MARGIN,
    QUIET,
    TEXT,
    TOP,
    WARNING,
    WIDTH,
    clip,
    draw_picture,
    font_of,
    wrap,
)
from gransk.results.dicom.common import Report
from gransk.results.spoken import number_text, unit_text

ROWS_A_PAGE = 2
ROW = (BOTTOM - TOP - GUTTER) // ROWS_A_PAGE
SIDE = ROW - 84
RIGHT = MARGIN + 2 * SIDE + 3 * GUTTER
TEXT_LINE = 30
LINES_A_PAGE = (BOTTOM - TOP) // TEXT_LINE


@dataclass(frozen=True)
class Row:
    """One lesion since one earlier study."""

    finding: Finding
    comparison: Comparison
    lesion: Lesion
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Spread:
    """One page: rows of lesions, or lines of the plain report."""

    rows: tuple[Row, ...] = ()
    lines: tuple[str, ...] = ()


def lay_out(report: Report, compared: Sequence[Picture]) -> list[Spread]:
    """The pages that follow the summary; none where nothing is followed up."""
    if report.follow_up is None:
        return []
    rows = _rows(report, report.follow_up, compared)
    spreads = [
        Spread(rows=tuple(rows[start : start + ROWS_A_PAGE]))
        for start in range(0, len(rows), ROWS_A_PAGE)
    ]
    lines = [
        line
        for paragraph in report.text.splitlines()
        for line in wrap(paragraph, 20, WIDTH - 2 * MARGIN) or [""]
    ]
    spreads += [
        Spread(lines=tuple(lines[start : start + LINES_A_PAGE]))
        for start in range(0, len(lines), LINES_A_PAGE)
    ]
    return spreads


def draw_spread(
    image: Image.Image, draw: ImageDraw.ImageDraw, report: Report, spread: Spread
) -> None:
    """Draw one page below its header."""
    for number, row in enumerate(spread.rows):
        _draw_row(image, draw, report, row, TOP + number * (ROW + GUTTER))
    for number, line in enumerate(spread.lines):
        draw.text((MARGIN, TOP + number * TEXT_LINE), line, TEXT, font_of(20))


def _rows(report: Report, follow_up: FollowUp, compared: Sequence[Picture]) -> list[Row]:
    """Every lesion of today with the latest study in which its pictures show it."""
    rows = []
    for finding in report.findings.findings:
        pictures = tuple(p for p in compared if p.tracking_uid == finding.tracking_uid)[:2]
        for comparison in follow_up.comparisons:
            lesion = comparison.of(finding.tracking_uid)
            if lesion is not None and (pictures or lesion.prior is not None):
                rows.append(Row(finding, comparison, lesion, pictures))
                break
    return rows


def _draw_row(
    image: Image.Image, draw: ImageDraw.ImageDraw, report: Report, row: Row, top: int
) -> None:
    draw.rounded_rectangle((MARGIN, top, WIDTH - MARGIN, top + ROW), 12, fill=CARD)
    for number, picture in enumerate(row.pictures):
        left = MARGIN + GUTTER // 2 + number * (SIDE + GUTTER)
        bottom = top + 12 + draw_picture(image, picture, (left, top + 12), SIDE)
        caption = picture.caption.get(report.language) or picture.caption.get("en", "")
        for line_number, line in enumerate(wrap(caption, 17, SIDE)[:3]):
            draw.text((left, bottom + 4 + 22 * line_number), line, QUIET, font_of(17))
    draw.text((RIGHT, top + 16), clip(row.finding.tracking_id, 26, 300), TEXT, font_of(26))
    said = f"{report.say(row.lesion.outcome)} ({row.comparison.prior_date.isoformat()})"
    draw.text((RIGHT, top + 54), clip(said, 19, WIDTH - MARGIN - RIGHT - 20), ACCENT, font_of(19))
    below = _draw_numbers(draw, report, row, top + 86)
    if report.follow_up is None:
        return
    points = course(report.follow_up, row.finding.tracking_uid, report.presentation.course)
    drawn = curve(points)
    if drawn and top + ROW - below > 110:
        box = (RIGHT + 56, below + 30, WIDTH - MARGIN - 40, top + ROW - 36)
        unit = course_unit(report.follow_up, report.presentation.course)
        said = unit_text(unit, report.language).strip()
        draw.text((box[0] - 12, box[1] - 14), said, QUIET, font_of(15), anchor="rm")
        _draw_curve(draw, drawn, box)


def _draw_numbers(draw: ImageDraw.ImageDraw, report: Report, row: Row, y: int) -> int:
    """Change and doubling time, or why they are withheld; where they end comes back."""
    width = WIDTH - MARGIN - RIGHT - 20
    for one in row.lesion.changes:
        label = report.presentation.texts.get(one.name, {}).get(report.language, one.name)
        draw.text((RIGHT, y), f"{label}: {number_text(one, report.language)}", TEXT, font_of(18))
        y += 26
    for note in (*row.lesion.withheld, *row.lesion.notes):
        for line in wrap(report.presentation.text(note, report.language), 17, width)[:2]:
            draw.text((RIGHT, y), line, WARNING, font_of(17))
            y += 24
    return y


def _draw_curve(draw: ImageDraw.ImageDraw, drawn: Curve, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * (right - left), bottom - y * (bottom - top)

    draw.line((left, top, left, bottom), LINE, 2)
    draw.line((left, bottom, right, bottom), LINE, 2)
    for height, text in drawn.ticks:
        y = at(0, height)[1]
        draw.line((left - 6, y, right, y), LINE, 1)
        draw.text((left - 12, y), text, QUIET, font_of(15), anchor="rm")
    draw.line([at(dot.x, dot.y) for dot in drawn.dots], ACCENT, 2)
    for number, dot in enumerate(drawn.dots):
        x, y = at(dot.x, dot.y)
        for end in (dot.low, dot.high):
            edge = at(dot.x, end)[1]
            draw.line((x, y, x, edge), QUIET, 2)
            draw.line((x - 6, edge, x + 6, edge), QUIET, 2)
        colour = WARNING if dot.point.current else ACCENT
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
        ends = number in (0, len(drawn.dots) - 1)
        if ends:
            anchor = "lt" if number == 0 else "rt"
            where = (left if number == 0 else right, bottom + 6)
            draw.text(where, dot.point.date.isoformat(), QUIET, font_of(15), anchor=anchor)
