"""Indicators as a PDF: what a reader of it sees."""

import datetime
import io

import pytest
from past_exams import FREE, past
from pypdf import PdfReader

from gransk.core.exam_facts import Round
from gransk.reading.groups import Dimension
from gransk.reading.indicators.charts import funnel
from gransk.reading.indicators.counting import Indicator
from gransk.reading.indicators.levels import shipped
from gransk.reading.indicators.pdf import Heading, as_pdf
from gransk.reading.indicators.table import table

EXAMS = [
    *(past(n, "rr" if n < 8 else "nn", outcome=FREE) for n in range(200)),
    *(past(300 + n, "rr" if n < 2 else "nn", outcome=FREE, round=Round.FIRST) for n in range(50)),
]


def heading(language):
    made = datetime.datetime(2026, 11, 26, 8, tzinfo=datetime.UTC)
    return Heading(unit="Łódź", period="2026", made_on=made, language=language)


def words(document):
    pages = PdfReader(io.BytesIO(document)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.fixture(scope="module")
def rows():
    return table(EXAMS, levels=[shipped()])


def test_a_document_in_danish(rows):
    told = words(as_pdf(rows, heading("da")))
    assert "Indikatorer for mammografiscreening" in told
    assert "Enhed Łódź, 2026. Dannet 2026-11-26" in told
    assert "Genindkaldelse 4,0 % (1,7 % – 7,7 %) 8 / 200 eu-2006 1: acceptabelt niveau" in told
    assert told.index("første runde") < told.index("senere runder")
    assert "Genindkaldelse tilbageholdt: små tal" in told, "two women of the first round"
    assert "Kræver antallet af inviterede kvinder" in told


def test_small_numbers_are_shown_where_they_are_asked_for(rows):
    told = words(as_pdf(rows, heading("en"), keep_back_small=False))
    assert "Recall 4.0 % (0.5 % – 13.7 %) 2 / 50" in told
    assert "kept back" not in told


def test_charts_have_their_words():
    exams = [exam.model_copy(update={"unit": "Łódź"}) for exam in EXAMS]
    by_unit = [r for r in table(exams, [Dimension.UNIT]) if r.indicator is Indicator.RECALL]
    later = [row for row in by_unit if row.round == "later"]
    told = words(as_pdf(by_unit, heading("en"), [funnel(later, target=0.2)]))
    assert "Recall, later rounds: groups by size" in told
    assert "outside the limits: Łódź" in told
