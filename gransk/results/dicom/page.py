"""Drawing of summary pages: dark, calm, readable at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from gransk.core.application import Picture
from gransk.core.codes import SUSPICION
from gransk.core.findings import Finding
from gransk.results.dicom.canvas import (
    ACCENT,
    BACKGROUND,
    BOTTOM,
    CARD,
    GUTTER,
    HEIGHT,
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
from gransk.results.dicom.overview import OVERVIEW_HEIGHT, draw_overview
from gransk.results.dicom.reviews import statements
from gransk.results.dicom.spread import draw_spread, lay_out
from gransk.results.dicom.texts import any_suspicion

TABLE_WIDTH = 560
GRID_LEFT = MARGIN + TABLE_WIDTH + 48
CAPTION = 78
PICTURES_A_PAGE = 6


@dataclass(frozen=True)
class Card:
    """One finding as lines of text, with its pictures and their captions."""

    heading: str
    score: str
    pairs: tuple[tuple[str, str], ...]
    pictures: tuple[tuple[Picture, str], ...]

    @property
    def height(self) -> int:
        return 66 + 28 * len(self.pairs) + 14


@dataclass
class _Page:
    """What stands on one page: cards, pictures and captions."""

    cards: list[Card] = field(default_factory=list)
    pictures: list[tuple[Picture, str]] = field(default_factory=list)


def draw_pages(
    report: Report, pictures: Sequence[Picture], compared: Sequence[Picture] = ()
) -> list[npt.NDArray[np.uint8]]:
    """Summary pages, each finding with its own pictures; then those that compare studies.

    Where the application has a layout, the first page shows the whole study in it.

    Returns
    -------
    list of ndarray of uint8, shape (1200, 1600, 3), the whole study's (2000, 1600, 3)
        At least one.
    """
    cards, others = cards_of(report, pictures)
    notes = [report.presentation.text(n, report.language) for n in report.findings.notes]
    notes += statements(report)
    whole = [p for p in pictures if p.role] if report.presentation.layout else None
    told = notes if whole is None else []
    pages = _lay_out(cards, others, _notes_height(told))
    if whole is not None and not cards and not others:
        pages = []
    spreads = lay_out(report, compared)
    first = 1 if whole is None else 2
    count = first - 1 + len(pages) + len(spreads)
    drawn = [] if whole is None else [_draw_whole(report, whole, notes, count)]
    drawn += [
        _draw_page(report, page, told if number == 1 else [], (number, count))
        for number, page in enumerate(pages, start=first)
    ]
    for number, spread in enumerate(spreads, start=first + len(pages)):
        image, draw = _framed(report, (number, count))
        draw_spread(image, draw, report, spread)
        drawn.append(np.asarray(image))
    return drawn


def cards_of(
    report: Report, pictures: Sequence[Picture]
) -> tuple[list[Card], list[tuple[Picture, str]]]:
    """Standing findings with their own pictures, and pictures of no finding with their captions.

    Pictures with a role are in neither.
    """
    own: dict[str, list[Picture]] = {f.tracking_uid: [] for f in report.findings.standing}
    rejected = {f.tracking_uid for f in report.findings.rejected}
    others = []
    for picture in pictures:
        if picture.tracking_uid in rejected or picture.role:
            continue
        if picture.tracking_uid in own:
            own[picture.tracking_uid].append(picture)
        else:
            others.append((picture, caption_of(picture, report.language)))
    cards = [_card(report, f, own[f.tracking_uid]) for f in report.findings.standing]
    return cards, others


def _card(report: Report, finding: Finding, pictures: Sequence[Picture]) -> Card:
    """A finding; what the model says of it stands under the suite's own words."""
    texts, language = report.presentation.texts, report.language
    apart = texts.get("malignancy", {}).get(language)
    details = [p for p in report.presentation.details(finding, language) if p[0] != apart]
    place, number = texts.get("slice", {}).get(language), report.findings.frame_number(finding)
    sliced = [(place, f"{number}/{len(report.findings.frames)}")] if place and number else []
    if finding.malignancy is None:
        worry = []
    else:
        suspicion = finding.malignancy_concept == SUSPICION
        word = report.say("suspicion" if suspicion else "cancer")
        worry = [(word, _share(finding.malignancy, language))]
    named = [*sliced, *details[:3]] if len(pictures) == 1 else []
    others = ", ".join(other.tracking_id for other in report.findings.same_lesion(finding))
    same = [(report.say("same"), others)] if others else []
    return Card(
        heading=finding.tracking_id,
        score=_score(report, finding),
        pairs=tuple([*worry, *sliced, *details, *same][:20]),
        pictures=tuple((p, _caption(finding, p, language, named)) for p in pictures),
    )


def _score(report: Report, finding: Finding) -> str:
    """The model's score, or who added what no model found."""
    if finding.origin != "person":
        return f"{report.say('score')} {_share(finding.probability, report.language)}"
    who = finding.reviews[0].by if finding.reviews else "–"
    return clip(report.say("added").format(who=who), 20, 260)


def _caption(
    finding: Finding, picture: Picture, language: str, named: Sequence[tuple[str, str]]
) -> str:
    """Whose picture it is, and each number by its name; else the application's words."""
    if not named:
        return caption_of(picture, language)
    return f"{finding.tracking_id}: " + ", ".join(f"{label} {value}" for label, value in named)


def caption_of(picture: Picture, language: str) -> str:
    """What a picture shows; in English where the language has no words."""
    return picture.caption.get(language) or picture.caption.get("en", "")


def _share(value: float, language: str) -> str:
    """A number from 0 to 1 with the decimal sign of the language."""
    text = f"{value:.2f}"
    return text.replace(".", ",") if language == "da" else text


def _lay_out(
    cards: Sequence[Card], others: Sequence[tuple[Picture, str]], notes_height: int
) -> list[_Page]:
    """As many cards a page as its height and their pictures leave room for.

    Notes stand on the first page; pictures of no finding where there is room.
    """
    pages, used = [_Page()], notes_height
    for card in cards:
        crowded = len(pages[-1].pictures) + len(card.pictures) > PICTURES_A_PAGE
        if pages[-1].cards and (crowded or used + card.height > BOTTOM - TOP):
            pages.append(_Page())
            used = 0
        pages[-1].cards.append(card)
        used += card.height + 16
        for picture in card.pictures:
            if len(pages[-1].pictures) == PICTURES_A_PAGE:
                pages.append(_Page())
                used = 0
            pages[-1].pictures.append(picture)
    for picture in others:
        roomy = next((page for page in pages if len(page.pictures) < PICTURES_A_PAGE), None)
        if roomy is None:
            roomy = _Page()
            pages.append(roomy)
        roomy.pictures.append(picture)
    return pages


def _draw_page(
    report: Report, page: _Page, notes: list[str], number: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    image, draw = _framed(report, number)
    bottom = _draw_cards(draw, report, page.cards)
    _draw_notes(draw, notes, bottom + 8)
    _draw_pictures(image, draw, page.pictures)
    _draw_words(draw, report, BOTTOM)
    return np.asarray(image)


def _draw_whole(
    report: Report, pictures: Sequence[Picture], notes: list[str], count: int
) -> npt.NDArray[np.uint8]:
    image, draw = _framed(report, (1, count), OVERVIEW_HEIGHT)
    draw_overview(image, draw, report, pictures, notes)
    _draw_words(draw, report, OVERVIEW_HEIGHT - HEIGHT + BOTTOM)
    return np.asarray(image)


def _framed(
    report: Report, number: tuple[int, int], height: int = HEIGHT
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty page with header and footer."""
    image = Image.new("RGB", (WIDTH, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    _draw_header(draw, report)
    _draw_footer(draw, report, number, height)
    return image, draw


def _draw_header(draw: ImageDraw.ImageDraw, report: Report) -> None:
    draw.text((MARGIN, 34), "Gransk", ACCENT, font_of(24))
    draw.text((MARGIN, 66), clip(report.title, 38, 900), TEXT, font_of(38))
    analysed = f"{report.say('analysed')} {report.local_time:%Y-%m-%d %H:%M}"
    count = f"{len(report.findings.frames)} {report.say('images')}"
    draw.text((MARGIN, 122), f"{analysed}  ·  {count}", QUIET, font_of(20))
    statement = report.say("research")
    width = draw.textlength(statement, font_of(22))
    left = WIDTH - MARGIN - width - 36
    draw.rounded_rectangle((left, 48, WIDTH - MARGIN, 98), 10, outline=WARNING, width=2)
    draw.text((left + 18, 59), statement, WARNING, font_of(22))
    if report.incomplete:
        draw.text(
            (WIDTH - MARGIN, 122), report.say("incomplete"), WARNING, font_of(20), anchor="ra"
        )
    draw.line((MARGIN, 166, WIDTH - MARGIN, 166), LINE, 2)


def _draw_cards(draw: ImageDraw.ImageDraw, report: Report, cards: list[Card]) -> int:
    """The cards from the top down; where they end comes back."""
    y = TOP
    if not report.findings.standing:
        draw.text((MARGIN, y), report.say("none"), TEXT, font_of(30))
        y += 64
    for card in cards:
        box = (MARGIN, y, MARGIN + TABLE_WIDTH, y + card.height)
        draw.rounded_rectangle(box, 12, fill=CARD)
        draw.text((MARGIN + 22, y + 18), clip(card.heading, 26, 250), TEXT, font_of(26))
        right = MARGIN + TABLE_WIDTH - 22
        draw.text((right, y + 24), card.score, ACCENT, font_of(20), anchor="ra")
        for n, (label, value) in enumerate(card.pairs):
            line = y + 62 + 28 * n
            name = clip(label, 19, 270)
            draw.text((MARGIN + 22, line), name, QUIET, font_of(19))
            room = right - MARGIN - 22 - round(draw.textlength(name, font_of(19))) - 16
            draw.text((right, line), clip(value, 19, room), TEXT, font_of(19), anchor="ra")
        y += card.height + 16
    return y


def _notes_height(notes: Sequence[str]) -> int:
    """Kept free for notes, half of the page at most."""
    lines = sum(len(wrap(note, 18, TABLE_WIDTH)) for note in notes)
    return min(26 * lines + 24, (BOTTOM - TOP) // 2) if lines else 0


def _draw_notes(draw: ImageDraw.ImageDraw, notes: list[str], y: int) -> None:
    lines = [line for note in notes for line in wrap(note, 18, TABLE_WIDTH)]
    for line in lines[: max(0, (BOTTOM - y) // 26)]:
        draw.text((MARGIN, y), line, WARNING, font_of(18))
        y += 26


def _draw_pictures(
    image: Image.Image, draw: ImageDraw.ImageDraw, pictures: Sequence[tuple[Picture, str]]
) -> None:
    across = 1 if len(pictures) == 1 else 2 if len(pictures) <= 4 else 3
    down = max(1, -(-len(pictures) // across))
    width = (WIDTH - MARGIN - GRID_LEFT - GUTTER * (across - 1)) // across
    height = (BOTTOM - TOP - GUTTER * (down - 1)) // down - CAPTION
    size = min(width, height)
    for n, (picture, caption) in enumerate(pictures):
        left = GRID_LEFT + (n % across) * (width + GUTTER)
        top = TOP + (n // across) * (size + CAPTION + GUTTER)
        bottom = top + draw_picture(image, picture, (left, top), size)
        for line_number, line in enumerate(wrap(caption, 17, width)[:3]):
            draw.text((left, bottom + 8 + 22 * line_number), line, QUIET, font_of(17))


def _draw_words(draw: ImageDraw.ImageDraw, report: Report, bottom: int) -> None:
    """What the model's numbers are not."""
    findings = report.findings.standing
    words = [report.say("score_text")] if findings else []
    if any_suspicion(findings):
        words.append(report.say("suspicion_text"))
    for n, line in enumerate(words):
        draw.text((MARGIN, bottom + 12 + 25 * n), line, QUIET, font_of(17))


def _draw_footer(
    draw: ImageDraw.ImageDraw, report: Report, number: tuple[int, int], height: int
) -> None:
    findings = report.findings
    draw.line((MARGIN, height - 72, WIDTH - MARGIN, height - 72), LINE, 2)
    models = ", ".join(f"{m.id} {m.version}" for m in findings.models)
    made = (
        f"Gransk {report.version}  ·  {findings.application} {findings.application_version}"
        f"  ·  {report.say('model')}: {models or '-'}"
    )
    draw.text((MARGIN, height - 54), clip(made, 17, 1200), QUIET, font_of(17))
    page = report.say("page").format(page=number[0], pages=number[1])
    draw.text((WIDTH - MARGIN, height - 54), page, QUIET, font_of(17), anchor="ra")
