"""The pages of the document: whose it is, what was found, pictures; read on paper and screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from fpdf import FPDF
from PIL import Image

from gransk.core.application import Picture
from gransk.results.dicom.canvas import FONT as FONT_FILE
from gransk.results.dicom.canvas import drawn_picture
from gransk.results.dicom.common import Report
from gransk.results.dicom.overview import marked_picture
from gransk.results.dicom.page import Card, caption_of, cards_of
from gransk.results.dicom.reviews import standing, statements
from gransk.results.dicom.texts import any_suspicion

FONT = "DejaVu"
SIZE, SMALL, PART, TITLE = 9, 7, 11, 15
"""Of text, in points."""
LINE_MM = 5.0
NAME_MM = 62
"""Width of the names of values."""
ACROSS, GAP_MM, PIXELS = 3, 5.0, 420
"""Pictures in a row, between them, and pixels of the longer side of each."""
MISSING = "\N{REPLACEMENT CHARACTER}"


def draw_document(
    report: Report, pictures: Sequence[Picture], compared: Sequence[Picture] = ()
) -> bytes:
    """The document as PDF.

    Parameters
    ----------
    pictures : sequence of Picture
        Of the analysis; those of rejected findings are left out.
    compared : sequence of Picture
        Both sides of lesions that were compared with earlier studies.
    """
    cards, others = cards_of(report, pictures)
    document = _Document(report)
    document.identity()
    document.lines([*standing(report), *_more(report)])
    document.pairs(report.presentation.summary(report.findings, report.language))
    if report.text:
        document.part(report.say("report").capitalize())
        document.lines(report.text.splitlines())
    document.part(report.say("findings"))
    if not cards:
        document.lines([report.say("none")])
    for card in cards:
        document.card(card)
    document.lines(_explained(report), SMALL)
    own = [(drawn_picture(p, PIXELS), caption) for card in cards for p, caption in card.pictures]
    whole = [(_marked(report, p), caption_of(p, report.language)) for p in pictures if p.role]
    rest = [
        *others,
        *((picture, caption_of(picture, report.language)) for picture in compared),
    ]
    document.pictures([*whole, *own, *((drawn_picture(p, PIXELS), said) for p, said in rest)])
    document.lines(_makers(report), SMALL)
    return bytes(document.output())


def _marked(report: Report, picture: Picture) -> Image.Image:
    return marked_picture(report, picture, PIXELS / max(picture.pixels.shape))


def _more(report: Report) -> Iterator[str]:
    """What people did, and what the application warns of."""
    said = standing(report)
    yield from (line for line in statements(report) if line not in said)
    yield from (report.presentation.text(n, report.language) for n in report.findings.notes)


def _explained(report: Report) -> Iterator[str]:
    """What the numbers are, and are not."""
    found = report.findings.standing
    if found:
        yield report.say("score_text")
    if any_suspicion(found):
        yield report.say("suspicion_text")
    if any(m.interval for finding in found for m in finding.measurements):
        yield report.say("intervals")


def _makers(report: Report) -> Iterator[str]:
    findings = report.findings
    images = len({frame.sop_instance_uid for frame in findings.frames})
    yield f"Gransk {report.version}, {findings.application} {findings.application_version}"
    yield from (
        f"{report.say('model')}: {m.id} {m.version}, SHA-256 {m.sha256}" for m in findings.models
    )
    analysed = f"{report.say('analysed')} {report.local_time:%Y-%m-%d %H:%M}"
    yield f"{analysed}, {images} {report.say('images')}"


class _Document(FPDF):
    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self.add_font(FONT, "", FONT_FILE)
        self._letters = frozenset(getattr(self.fonts[FONT.lower()], "cmap", ()))
        self.set_creation_date(report.created)
        self.set_title(f"{report.title}: {report.say('report')}")
        self.set_lang(report.language)
        self.set_auto_page_break(True, margin=22)
        self.add_page()

    def header(self) -> None:
        """Research use and whose report it is, as FPDF asks for it on each page."""
        header = self._report.header
        whose = ", ".join(
            said
            for said in (person(value(header, "PatientName")), value(header, "PatientID"))
            if said
        )
        self.set_font(FONT, size=SMALL)
        self.cell(text=self._shown(whose), w=self.epw / 2)
        research = self._report.say("research")
        self.cell(text=research, w=self.epw / 2, align="R", new_x="LMARGIN", new_y="NEXT")
        self.ln(2)

    def footer(self) -> None:
        """Study and page number, as FPDF asks for it."""
        accession = value(self._report.header, "AccessionNumber")
        self.set_y(-15)
        self.set_font(FONT, size=SMALL)
        said = f"{self._report.say('accession')}: {accession}" if accession else ""
        self.cell(text=self._shown(said), w=self.epw / 2)
        page = self._report.say("page").format(page=self.page_no(), pages="{nb}")
        self.cell(text=page, w=self.epw / 2, align="R")

    def identity(self) -> None:
        """Title, patient and study, of what the source says."""
        report, header = self._report, self._report.header
        self._line(report.title, TITLE)
        name = person(value(header, "PatientName"))
        self.pairs(
            (report.say(label), said)
            for label, said in (
                ("patient", name),
                ("patient_id", value(header, "PatientID")),
                ("born", day(value(header, "PatientBirthDate"))),
                ("sex", value(header, "PatientSex")),
                ("study_date", day(value(header, "StudyDate"))),
                ("accession", value(header, "AccessionNumber")),
                ("study", value(header, "StudyDescription")),
            )
            if said
        )

    def part(self, words: str) -> None:
        self.ln(2)
        self._line(words, PART)

    def card(self, card: Card) -> None:
        """One finding: its name and score, then what was measured."""
        self.ln(1.5)
        self._line(f"{card.heading}  –  {card.score}", SIZE + 1)
        self.pairs(card.pairs)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.set_font(FONT, size=SIZE)
        for pair in pairs:
            cells = list(zip((NAME_MM, self.epw - NAME_MM), map(self._shown, pair), strict=True))
            heights = [
                cast(float, self.multi_cell(w, LINE_MM, said, dry_run=True, output="HEIGHT"))
                for w, said in cells
            ]
            if self.will_page_break(max(heights)):
                self.add_page()
                self.set_font(FONT, size=SIZE)
            top = self.get_y()
            for w, said in cells:
                self.multi_cell(w, LINE_MM, said, align="L", new_x="RIGHT", new_y="TOP")
            self.set_xy(self.l_margin, top + max(heights))

    def lines(self, lines: Iterable[str], size: int = SIZE) -> None:
        self.ln(1.5)
        for line in lines:
            if line.strip():
                self._line(line, size)
            else:
                self.ln(LINE_MM / 2)

    def pictures(self, pictures: Sequence[tuple[Image.Image, str]]) -> None:
        """In rows, each with its caption beneath; a row stays on one page."""
        if not pictures:
            return
        self.part(self._report.say("pictures"))
        width = (self.epw - GAP_MM * (ACROSS - 1)) / ACROSS
        for n in range(0, len(pictures), ACROSS):
            row = pictures[n : n + ACROSS]
            height = max(image.height / image.width for image, _ in row) * width
            if self.will_page_break(height + 3 * LINE_MM):
                self.add_page()
            top = self.get_y()
            for column, (image, caption) in enumerate(row):
                left = self.l_margin + column * (width + GAP_MM)
                self.image(image, x=left, y=top, w=width)
                self.set_xy(left, top + height + 1)
                self.set_font(FONT, size=SMALL)
                self.multi_cell(w=width, h=3.5, text=self._shown(caption), align="L")
            self.set_xy(self.l_margin, top + height + 2.5 * LINE_MM)

    def _shown(self, text: str) -> str:
        """Text with every character that the font lacks replaced: FPDF would log it."""
        return "".join(c if ord(c) in self._letters else MISSING for c in text)

    def _line(self, words: str, size: int) -> None:
        self.set_font(FONT, size=size)
        height = LINE_MM * size / SIZE
        said = self._shown(words)
        self.multi_cell(self.epw, height, said, align="L", new_x="LMARGIN", new_y="NEXT")


def value(header: object, keyword: str) -> str:
    """What the source says, on one line; empty where it says nothing, or what nobody can read."""
    try:
        said = header.get(keyword)  # type: ignore[attr-defined]
        return " ".join(str(said).split()) if said not in (None, "") else ""
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


def person(name: str) -> str:
    """A person name's first representation, family name first (PS3.5 6.2)."""
    family, *given = name.split("=")[0].split("^")
    return ", ".join(part for part in (family, " ".join(part for part in given if part)) if part)


def day(date: str) -> str:
    """A DA value with hyphens; anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdecimal() else date
