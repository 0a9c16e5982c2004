"""Indicators as a PDF: tables by round, then charts with their words beneath."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from importlib import resources

from fpdf import FPDF, FontFace

import gransk
from gransk.core.findings import Frozen
from gransk.reading.indicators.charts import Chart
from gransk.reading.indicators.levels import Held
from gransk.reading.indicators.svg import described, picture, titled, value_text
from gransk.reading.indicators.table import Row, kept_back
from gransk.reading.indicators.texts import text

FONT, SIZE, TITLE_SIZE, ROUND_SIZE = "DejaVu", 8, 15, 11
CHART_MM = 170
CHART_ROOM_MM = 115
WIDTHS = {False: (62, 46, 24, 48), True: (50, 30, 42, 22, 36)}


class Heading(Frozen):
    """What stands above the tables.

    Parameters
    ----------
    unit, period : str
        As people read them.
    made_on : datetime
    language : str
        ``da`` or ``en``.
    """

    unit: str
    period: str
    made_on: datetime.datetime
    language: str


def as_pdf(
    rows: Sequence[Row],
    heading: Heading,
    charts: Sequence[Chart] = (),
    *,
    keep_back_small: bool = True,
) -> bytes:
    """A document of A4 pages.

    Parameters
    ----------
    rows : sequence of Row
    heading : Heading
    charts : sequence of Chart, optional
        Of what `kept_back` leaves, where small counts are kept back.
    keep_back_small : bool, optional
        As in `gransk.reading.indicators.table.as_csv`.
    """
    page = _Document(heading)
    hidden = kept_back(rows) if keep_back_small else set()
    for name in dict.fromkeys(row.round for row in rows):
        members = [(row, n in hidden) for n, row in enumerate(rows) if row.round == name]
        page.round_table(name, members)
    for chart in charts:
        page.chart(chart)
    return bytes(page.output())


class _Document(FPDF):
    def __init__(self, heading: Heading) -> None:
        super().__init__()
        self._heading = heading
        self._language = heading.language
        font = resources.files("gransk.results.dicom").joinpath("DejaVuSans.ttf")
        with resources.as_file(font) as path:
            self.add_font(FONT, "", path)
        self.set_creation_date(heading.made_on)
        self.set_title(self._word("title"))
        self.set_lang(heading.language)
        self.set_font(FONT, size=TITLE_SIZE)
        self.add_page()
        self._line(self._word("title"), TITLE_SIZE)
        made = self._word("made").format(
            unit=heading.unit,
            period=heading.period,
            day=f"{heading.made_on:%Y-%m-%d}",
            version=gransk.__version__,
        )
        self._line(made, SIZE)

    def footer(self) -> None:
        """Page number, as FPDF asks for it."""
        self.set_y(-15)
        self.set_font(FONT, size=SIZE)
        shown = self._word("page").format(number=self.page_no(), all="{nb}")
        self.cell(text=shown, align="R", w=self.epw)

    def round_table(self, round_name: str, rows: Sequence[tuple[Row, bool]]) -> None:
        grouped = any(row.group for row, _ in rows)
        self.ln(3)
        self._line(text("round", round_name, self._language), ROUND_SIZE)
        self.set_font(FONT, size=SIZE)
        heads = ["indicator", *(["group"] if grouped else []), "value", "counts", "level"]
        with self.table(
            col_widths=WIDTHS[grouped],
            text_align="LEFT",
            borders_layout="HORIZONTAL_LINES",
            headings_style=FontFace(emphasis=""),
        ) as drawn:
            drawn.row([self._word(head) for head in heads])
            for row, hidden in rows:
                cells = self._cells(row, hidden)
                drawn.row(cells if grouped else [cells[0], *cells[2:]])

    def chart(self, chart: Chart) -> None:
        if self.will_page_break(CHART_ROOM_MM):
            self.add_page()
        self.ln(4)
        self._line(titled(chart, self._language), ROUND_SIZE)
        drawn = picture(chart, self._language, FONT)
        self.image(io.BytesIO(drawn.encode()), w=CHART_MM)
        self.set_font(FONT, size=SIZE)
        self.multi_cell(w=self.epw, text=described(chart, self._language))

    def _cells(self, row: Row, hidden: bool) -> list[str]:
        name = text("indicator", row.indicator, self._language)
        if row.category:
            name = f"{name}: {row.category}"
        cells = [name, " / ".join(row.group)]
        if hidden:
            return [*cells, self._word("kept_back"), "", ""]
        if row.figure is None:
            lacks = text("needs", row.needs, self._language) if row.needs else ""
            return [*cells, lacks, "", ""]
        value, low, high = (value_text(row.kind, one, self._language) for one in row.figure)
        counted = str(row.cases) if row.hits is None else f"{row.hits:g} / {row.cases}"
        levels = "; ".join(self._level(level) for level in row.held)
        return [*cells, f"{value} ({low} – {high})", counted, levels]

    def _level(self, level: Held) -> str:
        told = [text("reached", level.reached or "needs_background", self._language)]
        if level.reached is not None and not level.certain:
            told.append(self._word("uncertain"))
        if not level.verified:
            told.append(text("reached", "unverified", self._language))
        return f"{level.table}: {', '.join(told)}"

    def _word(self, code: str) -> str:
        return text("document", code, self._language)

    def _line(self, words: str, size: int) -> None:
        self.set_font(FONT, size=size)
        self.multi_cell(w=self.epw, text=words, new_x="LMARGIN", new_y="NEXT")
