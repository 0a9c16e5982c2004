"""Reads by HL7 v2 enter the ledger as if given here, and a refusal tells nothing."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))

from reading_room import START
from reading_site import Site

from gransk.core.exam_facts import Fact
from gransk.core.screening import Breast, FindingType, Verdict, View
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.incoming import ExamStatement, NotTakenError, ReadStatement
from gransk.reading.exam import State
from gransk.reading.ledger import entries
from gransk.results.blobs import BlobStore
from gransk.results.decisions import Mark
from gransk.results.exam_facts import statements
from gransk.site import people
from gransk.site.database import Database
from gransk.site.migrate import upgrade
from gransk.site.tables import Role
from gransk.web.hl7_reading import NOT_NOW, take_facts, take_read
from gransk.web.hl7_taking import TakenRead

MASS = Mark(breast=Breast.RIGHT, view=View.MLO, finding_type=FindingType.MASS, suspicion=4)


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    found = Site(database, BlobStore(tmp_path / "blobs"))
    found.unit()
    yield found
    database.close()


def read_by(site, key, account, **values):
    said = ReadStatement(
        accession_number="A1",
        patient_id="P1",
        reader=account,
        **({"verdict": Verdict.NORMAL} | values),
    )
    with site.database.begin() as session:
        take_read(session, TakenRead(said, key, account, "ris"))


def refused(site, key, account, **values):
    with pytest.raises(NotTakenError) as error:
        read_by(site, key, account, **values)
    return error.value.refusal, error.value.detail


def test_two_reads_by_message_decide(site):
    key = site.opened()
    one, other = site.asked(key)
    read_by(site, key, one, verdict=Verdict.RECALL, marks=(MASS,), comment="ny fortætning")
    assert site.row(key).state == State.SECOND_READ
    read_by(site, key, other, verdict=Verdict.RECALL, marks=(MASS,))
    assert site.row(key).state == State.DECIDED
    with site.database.read() as session:
        reads = [entry for entry in entries(session, key) if entry.kind == "read"]
    assert [entry.content.via for entry in reads] == ["ris", "ris"]
    assert reads[0].content.opinion.comment == "ny fortætning"
    assert reads[0].content.opinion.suspects[0].suspicion == 4


def test_every_refusal_reads_the_same(site):
    """Whether others have read, whether the exam is decided: a sender cannot tell."""
    key = site.opened()
    one, other = site.asked(key)
    stranger = next(name for name in ("anna", "bo", "cara", "dan") if name not in (one, other))
    same = (Refusal.NOT_NOW, NOT_NOW)
    assert refused(site, key, stranger) == same
    read_by(site, key, one)
    assert refused(site, key, one) == same, "twice"
    assert refused(site, key, stranger) == same
    read_by(site, key, other)
    assert refused(site, key, other) == same, "decided"
    assert refused(site, "0" * 32, one) == same, "not in the reading room"
    waiting = site.study()
    site.run()
    assert refused(site, waiting, one) == same, "not open yet"


def test_a_read_from_before_the_exam_opened_is_of_other_images(site):
    key = site.opened()
    one, _ = site.asked(key)
    assert refused(site, key, one, read_at=START.replace(year=START.year - 1))[0] is Refusal.NOT_NOW
    read_by(site, key, one, read_at=site.at.replace(tzinfo=None))


def test_a_recall_without_a_suspicion_says_what_is_missing(site):
    key = site.opened()
    one, _ = site.asked(key)
    bare = MASS.model_copy(update={"suspicion": None})
    refusal, detail = refused(site, key, one, verdict=Verdict.RECALL, marks=(bare,))
    assert refusal is Refusal.MALFORMED
    assert "P1" not in detail


def test_facts_of_an_order_are_a_machines_word(site):
    said = ExamStatement(accession_number="A1", treated=True, implant=False, round="first")
    with site.database.begin() as session:
        take_facts(session, said, "ris")
    with site.database.read() as session:
        told = {(row.fact, row.value, row.source) for row in statements(session, ["A1"], [])}
    assert told == {
        (Fact.TREATED, "yes", "machine"),
        (Fact.IMPLANT, "no", "machine"),
        (Fact.ROUND, "first", "machine"),
    }


def test_a_trainee_by_role_gives_no_read_that_counts(site):
    with site.database.begin() as session:
        account = people.create_account(session, "nils", "Nils", [Role.TRAINEE])
        account.created_at = START.replace(year=START.year - 1)
    site.people("anna", "bo", "cara", "dan", active=False)
    site.people("nils")
    key = site.opened()
    assert site.asked(key) == ["nils"]
    assert refused(site, key, "nils") == (Refusal.NOT_NOW, NOT_NOW)
    assert site.exam(key).reads == ()
