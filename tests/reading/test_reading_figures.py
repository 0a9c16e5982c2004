"""Figures that are counted beside the answers: each once, and anew where the past is another."""

import datetime
import threading
import time

import pytest
from closed_exams import Made, close
from reading_site import Site

from gransk.core.errors import InvalidValueError
from gransk.reading.figures import Asker, Figures, NotYetCountedError
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, Outcome
from gransk.reading.past_keeping import Owners, Whose
from gransk.reading.site_past import SitePast
from gransk.results.blobs import BlobStore
from gransk.results.tables import FactSource
from gransk.site.database import Database
from gransk.site.migrate import upgrade

TODAY = datetime.date(2026, 6, 1)
KIM, ANNA = Asker("kim", oversees=True, today=TODAY), Asker("anna", oversees=False, today=TODAY)


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    made = Site(database, BlobStore(tmp_path / "blobs"))
    made.unit()
    close(database, [Made(1), Made(2, "tt")])
    yield made
    database.close()


@pytest.fixture
def figures(site):
    def whose(_session, keys):
        return {key: Whose("", None, "ACC1" if key == Made(1).key else "", "") for key in keys}

    past = SitePast(Owners(whose, lambda _session: 0), site.blobs, datetime.UTC)
    made = Figures(site.database, past)
    made.patience_seconds = 30.0
    return made


def counted(calls):
    def make(_session, closed):
        calls.append(len(closed))
        return [one.past.cancer for one in closed]

    return make


def test_each_question_is_counted_once_until_the_past_is_another(site, figures):
    calls = []
    assert figures(KIM, "cancers", counted(calls)) == [False, False]
    assert figures(KIM, "cancers", counted(calls)) == [False, False]
    assert figures(KIM, "others", counted(calls)) == [False, False]
    assert calls == [2, 2]
    with site.database.begin() as session:
        said = {(ACCESSION, "ACC1"): Outcome(cancer=True)}
        state_outcomes(session, said, FactSource.FILE, "kim")
    assert sorted(figures(KIM, "cancers", counted(calls))) == [False, True]
    assert calls == [2, 2, 2]


def test_nobody_is_given_figures_of_exams_that_the_person_may_not_see(site, figures):
    calls = []
    reader = site.exam(Made(2).key).counting[0].account
    assert len(figures(KIM, "cancers", counted(calls))) == 2
    blinded = Asker(reader, oversees=False, today=TODAY)
    assert len(figures(blinded, "cancers", counted(calls))) == 1


def test_what_takes_long_is_asked_for_again_and_goes_on_meanwhile(figures):
    figures.patience_seconds = 0.02
    go, calls = threading.Event(), []

    def make(_session, closed):
        calls.append(len(closed))
        go.wait(30)
        return "there"

    for _ in range(3):
        with pytest.raises(NotYetCountedError):
            figures(KIM, "slow", make)
    go.set()
    assert figures(KIM, "slow", make, until_there=True) == "there"
    assert calls == [2]


def test_who_asks_is_told_what_went_wrong_and_may_ask_again(figures):
    def wrong(_session, _closed):
        raise InvalidValueError("past", 0, "an exam")

    with pytest.raises(InvalidValueError):
        figures(KIM, "wrong", wrong)
    assert figures(KIM, "wrong", lambda _session, closed: len(closed)) == 2


def test_figures_that_nobody_came_for_are_counted_anew(figures, monkeypatch):
    monkeypatch.setattr("gransk.reading.figures.FRESH_SECONDS", 0.0)
    figures.patience_seconds = 0.0
    answers = []

    def make(_session, closed):
        answers.append(len(closed))
        return len(answers)

    with pytest.raises(NotYetCountedError):
        figures(KIM, ("late", 1), lambda s, c: time.sleep(0.2) or make(s, c))
    time.sleep(1.0)
    assert figures(KIM, ("late", 2), make, until_there=True) == 2
    assert figures._jobs == {}, "what nobody came for is forgotten"
