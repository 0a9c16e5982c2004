"""What every summary page is drawn with: sizes, colours, text and pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gransk.core.application import Picture

WIDTH, HEIGHT = 1600, 1200
MARGIN, GUTTER = 56, 24
TOP, BOTTOM = 196, HEIGHT - 138

BACKGROUND, CARD, LINE = (13, 17, 23), (22, 28, 36), (48, 58, 70)
TEXT, QUIET, ACCENT, WARNING = (230, 236, 242), (142, 154, 168), (86, 182, 214), (242, 184, 75)
OUTLINE = (255, 196, 0)
FONT = Path(__file__).parent / "DejaVuSans.ttf"


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


def draw_picture(image: Image.Image, picture: Picture, corner: tuple[int, int], size: int) -> int:
    """`drawn_picture` at a corner of a page; its height comes back."""
    large = drawn_picture(picture, size)
    image.paste(large, corner)
    return large.height


def drawn_picture(picture: Picture, size: int) -> Image.Image:
    """The picture as large as a square of ``size`` lets it, outlines sharp."""
    grey = np.asarray(picture.pixels, np.uint8)
    scale = size / max(grey.shape)
    shape = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    large = Image.fromarray(grey).resize(shape, Image.Resampling.BICUBIC).convert("RGB")
    draw = ImageDraw.Draw(large)
    for outline in picture.outlines:
        points = [(x * scale, y * scale) for x, y in outline]
        draw.line([*points, points[0]], OUTLINE, 2)
    if picture.spacing_mm:
        _draw_scale(draw, shape, scale / picture.spacing_mm)
    return large


def _draw_scale(draw: ImageDraw.ImageDraw, shape: tuple[int, int], pixels_a_mm: float) -> None:
    """A bar of 10 mm, or 50 mm where that would be tiny."""
    length = 10 if 10 * pixels_a_mm >= 30 else 50
    right, bottom = shape[0] - 14, shape[1] - 16
    left = right - length * pixels_a_mm
    if left < 10:
        return
    for colour, width in ((BACKGROUND, 7), (TEXT, 3)):
        draw.line((left, bottom, right, bottom), colour, width)
        for x in (left, right):
            draw.line((x, bottom - 6, x, bottom + 6), colour, width)
    where = ((left + right) / 2, bottom - 10)
    draw.text(
        where,
        f"{length} mm",
        TEXT,
        font_of(15),
        anchor="ms",
        stroke_width=2,
        stroke_fill=BACKGROUND,
    )


def clip(text: str, size: int, width: float) -> str:
    """Text cut to a width in pixels."""
    font = font_of(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def wrap(text: str, size: int, width: float) -> list[str]:
    """Text in lines of a width in pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font_of(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(clip(word, size, width))
    return lines
