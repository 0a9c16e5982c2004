"""The page of the whole study: analysed images in the application's own places, every mark."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from gransk.core.application import Picture
from gransk.core.findings import Finding
from gransk.results.dicom.canvas import (
    ACCENT,
    BACKGROUND,
    CARD,
    GUTTER,
    LINE,
    MARGIN,
    OUTLINE,
    QUIET,
    TEXT,
    TOP,
    WARNING,
    WIDTH,
    clip,
    font_of,
    wrap,
)
from gransk.results.dicom.common import Report

OVERVIEW_HEIGHT = 2000
"""Tall, as the screens that such studies are read on."""
BOTTOM = OVERVIEW_HEIGHT - 138
COLUMN = 400
GRID_LEFT = MARGIN + COLUMN + 40
NAME = 36
LARGEST = 1.5
"""How far a picture is enlarged at most."""


def draw_overview(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    report: Report,
    pictures: Sequence[Picture],
    notes: Sequence[str],
) -> None:
    """Draw the page below its header.

    Parameters
    ----------
    pictures : sequence of Picture
        Those with a role; the first of each is shown.
    notes : sequence of str
        What a reader must know.
    """
    below = _draw_summary(draw, report)
    below = _draw_marks(draw, report, below + 12)
    _draw_notes(draw, notes, below + 12)
    _draw_grid(image, draw, report, {p.role: p for p in reversed(pictures)})


def number_of(finding: Finding) -> str:
    """What a mark is called on a picture: its number, or its name where it has none."""
    found = re.search(r"(\d+)\s*$", finding.tracking_id)
    return found[1] if found else finding.tracking_id


def _draw_summary(draw: ImageDraw.ImageDraw, report: Report) -> int:
    y = TOP
    for label, value in report.presentation.summary(report.findings, report.language):
        for line in wrap(label, 18, COLUMN):
            draw.text((MARGIN, y), line, QUIET, font_of(18))
            y += 24
        for line in wrap(value, 24, COLUMN):
            draw.text((MARGIN, y), line, TEXT, font_of(24))
            y += 32
        y += 12
    return y


def _draw_marks(draw: ImageDraw.ImageDraw, report: Report, y: int) -> int:
    """One card a mark, as many as there is room for; where they end comes back."""
    standing = report.findings.standing
    if not standing:
        draw.text((MARGIN, y), report.say("none"), TEXT, font_of(26))
        return y + 44
    for shown, finding in enumerate(standing):
        lines = _mark_lines(report, finding)
        height = 52 + 26 * len(lines)
        if y + height > BOTTOM - 200:
            more = f"+ {len(standing) - shown}"
            draw.text((MARGIN, y), more, QUIET, font_of(22))
            return y + 36
        draw.rounded_rectangle((MARGIN, y, MARGIN + COLUMN, y + height), 12, fill=CARD)
        draw.text((MARGIN + 18, y + 12), number_of(finding), OUTLINE, font_of(26))
        value = finding.probability if finding.malignancy is None else finding.malignancy
        if finding.origin != "person" or finding.malignancy is not None:
            right = MARGIN + COLUMN - 18
            said = f"{value:.2f}".replace(".", "," if report.language == "da" else ".")
            draw.text((right, y + 14), said, ACCENT, font_of(24), anchor="ra")
        for n, line in enumerate(lines):
            draw.text((MARGIN + 18, y + 46 + 26 * n), line, TEXT, font_of(18))
        y += height + 12
    return y


def _mark_lines(report: Report, finding: Finding) -> list[str]:
    values = [told for _, told in report.presentation.details(finding, report.language)[:3]]
    said = [", ".join(values)]
    same = [number_of(other) for other in report.findings.same_lesion(finding)]
    if same:
        said.append(report.say("same_lesion").format(names=", ".join(same)))
    return [line for text in said for line in wrap(text, 18, COLUMN - 36)]


def _draw_notes(draw: ImageDraw.ImageDraw, notes: Sequence[str], y: int) -> None:
    for note in notes:
        for line in wrap(note, 18, COLUMN):
            if y > BOTTOM - 26:
                return
            draw.text((MARGIN, y), line, WARNING, font_of(18))
            y += 26
        y += 8


def _draw_grid(
    image: Image.Image, draw: ImageDraw.ImageDraw, report: Report, shown: dict[str, Picture]
) -> None:
    """All pictures in one scale, each against the middle of the page."""
    layout = report.presentation.layout
    across, down = max(map(len, layout)), len(layout)
    width = (WIDTH - MARGIN - GRID_LEFT - 4 * (across - 1)) // across
    height = (BOTTOM - TOP - GUTTER * (down - 1)) // down - NAME
    shapes = [np.asarray(p.pixels).shape for p in shown.values()] or [(1, 1)]
    scale = min(LARGEST, *(min(height / s[0], width / s[1]) for s in shapes))
    for r, row in enumerate(layout):
        for c, role in enumerate(row):
            left = GRID_LEFT + c * (width + 4)
            box = (left, TOP + r * (height + NAME + GUTTER) + NAME, left + width, 0)
            box = (*box[:3], box[1] + height)
            inner = c < across / 2
            picture = shown.get(role)
            if picture is None:
                _draw_missing(draw, report, role, box)
            else:
                caption = picture.caption.get(report.language) or picture.caption.get("en", role)
                where = (box[2] - 8 if inner else box[0] + 8, box[1] - NAME + 4)
                draw.text(
                    where,
                    clip(caption, 22, width),
                    TEXT,
                    font_of(22),
                    anchor="ra" if inner else "la",
                )
                _draw_picture(image, report, picture, box, scale, inner)


def _draw_missing(
    draw: ImageDraw.ImageDraw, report: Report, role: str, box: tuple[int, int, int, int]
) -> None:
    draw.rectangle(box, outline=LINE, width=2)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.text(middle, f"{role}: {report.say('not_there')}", WARNING, font_of(22), anchor="mm")


def _draw_picture(
    image: Image.Image,
    report: Report,
    picture: Picture,
    box: tuple[int, int, int, int],
    scale: float,
    inner: bool,
) -> None:
    """The picture at the side of its box that is nearer to the middle, with its marks."""
    large = marked_picture(report, picture, scale)
    image.paste(large, (box[2] - large.width if inner else box[0], box[1]))


def marked_picture(report: Report, picture: Picture, scale: float) -> Image.Image:
    """A picture of the whole study, enlarged, with the marks that stand."""
    grey = np.asarray(picture.pixels, np.uint8)
    shape = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    large = Image.fromarray(grey).resize(shape, Image.Resampling.BICUBIC).convert("RGB")
    draw = ImageDraw.Draw(large)
    for finding in report.findings.standing:
        for region in finding.regions:
            points = picture.placed.outline(region) if picture.placed else ()
            if points:
                _draw_mark(draw, [(x * scale, y * scale) for x, y in points], number_of(finding))
    return large


def _draw_mark(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], number: str) -> None:
    draw.line([*points, points[0]], OUTLINE, 2, joint="curve")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    width, _ = draw.im.size
    right = max(xs) + 44 < width
    where = (max(xs) + 6, min(ys)) if right else (min(xs) - 6, min(ys))
    draw.text(
        where,
        number,
        OUTLINE,
        font_of(24),
        anchor="lm" if right else "rm",
        stroke_width=3,
        stroke_fill=BACKGROUND,
    )
