"""Indicators on pages and in files, and a reader's own figures."""

import csv
import datetime
import io
import re
from functools import cache

import pytest
from fastapi.testclient import TestClient
from pypdf import PdfReader
from read_site import EXAMS, FIRST_DAY, READERS, Made, read_site
from sqlalchemy import select

from gransk.core.errors import ConfigurationError
from gransk.reading.indicators.counting import DANISH, Indicator
from gransk.reading.indicators.texts import text
from gransk.site.tables import Event


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with read_site(tmp_path_factory.mktemp("indicators")) as made:
        yield made


@pytest.fixture(scope="module")
def at(site):
    """Signed-in browsers by name."""
    return cache(site.signed_in)


def day(number):
    return (FIRST_DAY + datetime.timedelta(days=number)).date().isoformat()


def rows(answer):
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.mark.parametrize(("language", "name"), [("en", "conny"), ("da", "dorte")])
def test_the_eleven_and_the_others_by_name_with_rounds_apart(at, language, name):
    html = at(name).get("/reading/indicators", params={"unit": "herlev"}).text
    for indicator in DANISH:
        assert text("indicator", indicator, language) in html
    assert html.index(text("indicator", "breast_conserving", language)) < html.index(
        text("indicator", "detection", language)
    )
    assert text("needs", "dose", language) in html
    assert text("needs", "invited", language) in html
    first, later = (html.index(f'id="round-{name}"') for name in ("first", "later"))
    assert first < later
    share = {"en": "15.0 % (", "da": "15,0 % ("}[language]
    recall = html.index(text("indicator", "recall", language), later)
    assert html.index(share, recall) - recall < 200, "6 of 40 in later rounds"
    assert "6 / 40" in html[recall : recall + 400]


def test_figures_of_a_unit_and_a_period(at):
    conny = at("conny")
    assert "Exams counted: 46." in conny.get("/reading/indicators").text
    assert "Exams counted: 45." in conny.get("/reading/indicators?unit=herlev").text
    asked = {"unit": "herlev", "first": day(1), "last": day(10)}
    assert "Exams counted: 10." in conny.get("/reading/indicators", params=asked).text
    assert conny.get("/reading/indicators?unit=nowhere").status_code == 404
    assert conny.get("/reading/indicators?by=eye_colour").status_code == 422
    assert "South &amp; &lt;East&gt;" in conny.get("/reading/indicators").text


def test_participation_is_counted_from_those_invited(at):
    conny = at("conny")
    asked = {"unit": "herlev", "invited_later": "50", "invited_first": ""}
    html = conny.get("/reading/indicators", params=asked).text
    assert "80.0 % (" in html
    assert "40 / 50" in html


def test_an_open_exam_enters_no_figure(at):
    """Exam 46 waits for its second reader, and who reads has no figures of technical repeats."""
    found = rows(at("conny").get("/reading/indicators.csv?unit=herlev&by=month"))
    decided = {row["group"]: row for row in found if row["indicator"] == "readings"}
    days = [made for made in EXAMS if made.unit == "herlev"][:-1]
    assert len(days) == 45
    assert sum(int(row["cases"] or 0) for row in decided.values()) <= 45


def test_charts_are_drawn_and_told_in_words(at):
    conny = at("conny")
    html = conny.get("/reading/indicators?by=unit&by=&indicator=recall").text
    assert html.count("<svg xmlns") == 2, "a funnel for first and one for later rounds"
    assert "<desc>" in html
    assert re.search(r"<figcaption>[^<]*limits of chance", html)
    trend = conny.get("/reading/indicators?by=month&indicator=arbitration").text
    assert "over time" in trend
    assert "style=" not in trend, "the policy of contents allows no inline style"
    assert "<svg xmlns" not in conny.get("/reading/indicators?by=unit&indicator=agreement").text


def test_files_keep_small_counts_back_and_are_in_the_event_log(site, at):
    conny = at("conny")
    found = rows(conny.get("/reading/indicators.csv?unit=herlev&invited_later=50"))
    by = {(row["round"], row["indicator"]): row for row in found}
    assert by["later", "recall"]["cases"] == "40"
    assert by["later", "detection"]["kept_back"] == "yes", "four cancers"
    assert by["later", "detection"]["cases"] == ""
    assert by["later", "participation"]["value"] == "0.8"
    document = conny.get("/reading/indicators.pdf?unit=herlev&by=unit&indicator=recall")
    assert document.headers["content-type"] == "application/pdf"
    words = " ".join(p.extract_text() for p in PdfReader(io.BytesIO(document.content)).pages)
    assert "Recall" in words
    with site.database.read() as session:
        events = session.scalars(select(Event).where(Event.kind == "figures_exported")).all()
    assert [event.data["form"] for event in events][-2:] == ["csv", "pdf"]
    assert {event.actor for event in events} == {"conny"}


# Readers


def test_figures_of_readers_are_for_the_responsible_radiologist_of_their_unit(at):
    asked = "/reading/indicators?by=reader&indicator=reader_recall"
    conny, karen, svend = (at(name) for name in ("conny", "karen", "svend"))
    for address in (asked, asked.replace("indicators?", "indicators.csv?")):
        assert conny.get(address).status_code == 403
        assert svend.get(f"{address}&unit=herlev").status_code == 403
    assert 'value="reader"' not in conny.get("/reading/indicators").text
    html = karen.get(asked).text
    assert "Anna &lt;radiologist&gt;" in html
    assert "Exams counted: 45." in html, "those of her unit"
    assert "Undersøgelser talt med: 1." in svend.get(asked).text


def test_a_reader_sees_own_figures_and_nobody_elses(at):
    anna = at("anna")
    html = anna.get("/reading/own-figures").text
    assert "Reader&#39;s own recall" in html
    for other in READERS[1:]:
        assert f"{other.title()} &lt;radiologist&gt;" not in html
    assert anna.get("/reading/indicators").status_code == 403
    quarter = anna.get("/reading/own-figures?by=quarter").text
    assert f"{FIRST_DAY:%Y}-Q" in quarter or f"{FIRST_DAY.year + 1}-Q" in quarter
    assert "anna" not in quarter.split("<main")[1]
    count = int(re.search(r"read first or second: (\d+)", html)[1])
    assert 0 < count < 45
    none = anna.get(f"/reading/own-figures?first={day(4000)}").text
    assert "No screening exam has ended" in none


def test_nothing_of_an_own_read_before_the_exam_is_decided(tmp_path):
    exams = (Made(1, "n"), Made(2, "tt"), Made(3))
    with read_site(tmp_path, exams) as site:
        own = [site.signed_in(name).get("/reading/own-figures").text for name in READERS]
        assert sum(int(re.search(r"read first or second: (\d+)", html)[1]) for html in own) == 2
        html = site.signed_in("conny").get("/reading/indicators").text
        assert "Exams counted: 2." in html, "the repeat counts for who can be given none of it"


def test_every_indicator_has_a_place_in_one_of_the_choices(at):
    html = at("karen").get("/reading/indicators?by=unit").text
    html += at("karen").get("/reading/indicators?by=reader").text
    for indicator in Indicator:
        assert f'value="{indicator.value}"' in html


def test_figures_are_held_against_the_sites_own_levels_too(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "{id: herlev, version: '3', source: the unit, date: '2026', levels: "
        "[{indicator: recall, better: lower, acceptable: 0.2, desirable: 0.16}]}"
    )
    with read_site(tmp_path, levels_file=str(own), background_per_1000=3) as site:
        html = site.signed_in("conny").get("/reading/indicators?unit=herlev").text
    assert "herlev 3" in html
    assert "needs the background incidence" not in html
    own.write_text("{id: herlev}")
    with (
        pytest.raises(ConfigurationError, match=r"own\.yaml"),
        read_site(tmp_path / "b", levels_file=str(own)),
    ):
        pass


def test_a_page_whose_figures_take_long_says_so_and_brings_them(site, at, monkeypatch):
    conny = at("conny")
    asked = "/reading/indicators?by=unit&indicator=recall&last=2040-01-01"
    wrong = "/reading/simulation?unit=herlev&kind=triage&recall_from=9"
    with monkeypatch.context() as patch:
        patch.setattr(site.app.state.wiring.figures, "patience_seconds", 0.0)
        page = conny.get(asked)
        assert page.status_code == 202
        assert "The figures are being counted" in page.text
        assert 'hx-get="/reading/indicators?by=unit&amp;indicator=recall' in page.text
        assert at("karen").get("/reading/validation?unit=herlev").status_code == 202
        assert conny.get(wrong).status_code == 202
        # A download waits.
        assert rows(conny.get("/reading/indicators.csv?unit=herlev&last=2041-01-01"))
    there = conny.get(asked)
    assert there.status_code == 200
    assert "Exams counted: 46." in there.text
    assert conny.get(wrong, headers={"hx-request": "true"}).status_code == 200


def test_a_page_that_waits_for_figures_which_fail_asks_no_more(site, at, monkeypatch):
    conny = at("conny")
    asked = "/reading/indicators?by=unit&indicator=recall&last=2042-01-01"

    def fails(*_arguments):
        raise OSError("gone")

    monkeypatch.setattr(site.app.state.wiring.figures, "_past", fails)
    careful = TestClient(site.app, raise_server_exceptions=False)
    careful.cookies.update(conny.cookies)
    answer = careful.get(asked, headers={"hx-request": "true", "x-gransk-counting": "1"})
    assert (answer.status_code, answer.headers["hx-refresh"]) == (500, "true")
    assert "hx-refresh" not in careful.get(asked, headers={"hx-request": "true"}).headers
