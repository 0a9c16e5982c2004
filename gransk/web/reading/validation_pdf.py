"""A signed local validation as a PDF of A4 pages."""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from importlib import resources

from fpdf import FPDF, FontFace

import gransk
from gransk.reading.policy_tables import Validation
from gransk.reading.validation.report import Called, Report
from gransk.web import texts
from gransk.web.reading import roc
from gransk.web.reading.said import named, percent, plain

FONT, SIZE, TITLE_SIZE, PART_SIZE = "DejaVu", 8, 15, 11
CURVE_MM, CURVE_ROOM_MM = 120, 110


def as_pdf(
    row: Validation, report: Report, unit: str, language: str, zone: datetime.tzinfo | None
) -> bytes:
    """The report as it was signed, whoever prints it and whenever: the same bytes."""
    page = _Document(row, report, language)
    page.heading(unit, zone)
    page.counts()
    page.called(report.limits, "validation_limits", "validation_limit")
    page.called(report.people, "validation_people", "validation_who")
    page.curve()
    page.subgroups()
    return bytes(page.output())


class _Document(FPDF):
    def __init__(self, row: Validation, report: Report, language: str) -> None:
        super().__init__()
        self._row, self._report, self._language = row, report, language
        font = resources.files("gransk.results.dicom").joinpath("DejaVuSans.ttf")
        with resources.as_file(font) as path:
            self.add_font(FONT, "", path)
        self.set_creation_date(row.signed_at)
        self.set_title(self._t("validation_title"))
        self.set_lang(language)
        self.add_page()

    def footer(self) -> None:
        """Digest and page number, as FPDF asks for it."""
        self.set_y(-15)
        self.set_font(FONT, size=6)
        self.cell(text=f"SHA-256 {self._row.digest}", w=self.epw * 0.8)
        self.cell(text=f"{self.page_no()} / {{nb}}", align="R", w=self.epw * 0.2)

    def heading(self, unit: str, zone: datetime.tzinfo | None) -> None:
        row, report = self._row, self._report
        self._line(f"{self._t('validation_title')}: {unit}", TITLE_SIZE)
        signed = texts.instant(row.signed_at, self._language, zone, full=True)
        days = [texts.day(day, self._language) for day in (report.first_exam, report.last_exam)]
        for words in (
            self._t("validation_signed_by", who=row.signed_by, when=signed),
            f"{self._t('validation_model')}: {report.model}",
            *(f"{name} {version}, SHA-256 {sha}" for name, (version, sha) in row.models.items()),
            self._t("figures_period", first=days[0] or "–", last=days[1] or "–"),
            f"Gransk {gransk.__version__}",
        ):
            self._line(words, SIZE)

    def counts(self) -> None:
        counts = self._report.counts.model_dump()
        self._table(
            "validation_counts",
            ["validation_what", "figures_counted"],
            [[self._t(f"validation_count_{name}"), str(count)] for name, count in counts.items()],
        )
        for lack in self._report.missing:
            self._line(self._t(f"validation_missing_{lack.what}", got=f"{lack.got:g}",
                               least=f"{lack.least:g}"), SIZE)  # fmt: skip
        area = plain(self._report.area, self._language)
        self._line(f"{self._t('validation_area')}: {area}", SIZE)

    def called(self, rows: Sequence[Called], title: str, first: str) -> None:
        if not rows:
            return
        self._table(
            title,
            [first, "validation_positive", "measure_sensitivity", "measure_specificity"],
            [
                [
                    one.name if one.name.isdecimal() else self._t(f"validation_{one.name}"),
                    *(percent(figure, self._language)
                      for figure in (one.positive, one.sensitivity, one.specificity)),
                ]
                for one in rows
            ],
        )  # fmt: skip

    def curve(self) -> None:
        if not self._report.curve:
            return
        if self.will_page_break(CURVE_ROOM_MM):
            self.add_page()
        self.ln(4)
        self._line(self._t("validation_curve"), PART_SIZE)
        drawn = str(roc.drawn(self._report, self._language)).replace("sans-serif", FONT)
        without = drawn[: drawn.index("<title>")] + drawn[drawn.index("</desc>") + 7 :]
        self.image(io.BytesIO(without.encode()), w=CURVE_MM)
        self._line(roc.described(self._report, self._language), SIZE)

    def subgroups(self) -> None:
        report, language = self._report, self._language
        if not report.subgroups:
            return
        self._table(
            "validation_subgroups",
            ["figures_group", "validation_exams", "validation_cancers", "validation_area",
             "measure_sensitivity", "measure_specificity"],
            [
                [
                    named(one.by, one.name, language),
                    *(("–" if count is None else str(count)) for count in (one.exams, one.cancers)),
                    plain(one.area, language),
                    percent(one.sensitivity, language),
                    percent(one.specificity, language),
                ]
                for one in report.subgroups
            ],
        )  # fmt: skip

    def _table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.ln(3)
        self._line(self._t(title), PART_SIZE)
        self.set_font(FONT, size=SIZE)
        with self.table(
            text_align="LEFT",
            borders_layout="HORIZONTAL_LINES",
            headings_style=FontFace(emphasis=""),
        ) as drawn:
            drawn.row([self._t(head) for head in heads])
            for cells in rows:
                drawn.row(cells)

    def _t(self, key: str, **values: object) -> str:
        return texts.text(key, self._language, **values)

    def _line(self, words: str, size: int) -> None:
        self.set_font(FONT, size=size)
        self.multi_cell(w=self.epw, text=words, new_x="LMARGIN", new_y="NEXT")
