"""Exams of the ledger as they are counted: what each holds, and who may count it."""

import datetime
from dataclasses import replace

import pytest
from closed_exams import UNSAID, Made, close
from reading_room import NORMAL, RECALL, START, TECHNICAL, Room, ai, no_ai, plan, sealed
from reading_site import Site
from reading_site import findings as findings_of

from gransk.core.codes import Code
from gransk.core.findings import Quality
from gransk.core.programme import Programme
from gransk.core.screening import Breast, Verdict
from gransk.reading import past_keeping, rooms
from gransk.reading.entries import Kind, TaskKind
from gransk.reading.exam import State
from gransk.reading.machine import fold
from gransk.reading.model_name import model_name
from gransk.reading.opinions import AiSaid
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.reading.past import Density
from gransk.reading.past_keeping import Owners, Whose
from gransk.reading.past_ledger import Beside, name_of, past_exam
from gransk.reading.plan import PolicyKind
from gransk.reading.planning import Known
from gransk.reading.policy import Room as Policies
from gransk.reading.site_past import SitePast
from gransk.reading.working_days import WorkingDays
from gransk.results.blobs import BlobStore
from gransk.results.tables import FactSource, Report
from gransk.site import people
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Role

TODAY = datetime.date(2026, 6, 1)
SCREENING = Beside(woman="w", date=START.date(), known=Known(programme=Programme.SCREENING, age=57))


def test_one_name_for_what_gave_a_score():
    models = {"mass": "a" * 64, "calc": "b" * 64}
    name = model_name("mammo", "1.0", models)
    assert name == "mammo 1.0 calc@bbbbbbbb mass@aaaaaaaa"
    assert model_name("mammo", "1.0", dict(reversed(models.items()))) == name
    assert model_name("mammo", "1.1", models) != name
    assert model_name("mammo", "1.0", models | {"mass": "c" * 64}) != name
    assert model_name("mammo", "1.0", {}) == ""
    many = {f"a_model_of_long_name_{n}": "d" * 64 for n in range(9)}
    other = many | {"a_model_of_long_name_8": "e" * 64}
    assert len(model_name("mammo", "1.0", many)) <= 128
    assert model_name("mammo", "1.0", many) != model_name("mammo", "1.0", other)


def read(how=None, opinion=None, *opinions):
    room = Room()
    room.open(how or plan(), opinion)
    room.read(*opinions)
    return room


def test_two_readers_who_agree():
    exam = read(None, ai(AiSaid.RECALL, exam_score=9.0, category="high"), RECALL, RECALL).exam
    found = past_exam("k", exam, SCREENING)
    assert {one.reader for one in found.reads} == {one.account for one in exam.counting}
    assert all(one.breasts == {Breast.RIGHT} for one in found.reads)
    assert (found.decision, found.arbitration) == (Verdict.RECALL, None)
    assert (found.unit, found.programme, found.age) == ("herlev", Programme.SCREENING, 57)
    assert (found.policy, found.policy_version, found.kind) == ("p", 1, PolicyKind.DOUBLE_READING)
    assert (found.ai.score, found.ai.high, found.ai.said) == (9.0, True, Verdict.RECALL)
    assert found.ai.breasts == {Breast.RIGHT}
    assert found.ai.in_time
    assert not found.ai_counted
    assert found.working_days == 0


def test_an_arbitration_and_a_counted_opinion():
    room = read(plan(PolicyKind.REPLACE_READER), ai(AiSaid.RECALL, exam_score=9.0), NORMAL)
    assert room.state is State.DISCORDANT
    with pytest.raises(ValueError, match="no decision"):
        past_exam("k", room.exam, SCREENING)
    arbiter = room.asked(TaskKind.ARBITRATION)[0]
    room.at += datetime.timedelta(days=14)
    found = past_exam("k", room.arbitrate(NORMAL), SCREENING)
    assert found.ai_counted
    assert found.first_verdicts == (Verdict.NORMAL, Verdict.RECALL)
    assert (found.arbitration.reader, found.decision) == (arbiter, Verdict.NORMAL)
    assert found.working_days == 10


def test_a_technical_repeat_is_counted_as_one():
    found = past_exam("k", read(None, ai(), TECHNICAL, TECHNICAL).exam, SCREENING)
    assert found.decision is Verdict.TECHNICAL
    assert found.reads[0].breasts == frozenset()


def test_no_opinion_has_no_model_and_a_late_one_is_late():
    assert past_exam("k", read(None, no_ai(), NORMAL, NORMAL).exam, SCREENING).ai is None
    room = read(None, None, NORMAL, NORMAL)
    room.add(Kind.LATE_AI, sealed(ai(exam_score=7.0)))
    found = past_exam("k", room.exam, SCREENING)
    assert (found.ai.score, found.ai.in_time) == (7.0, False)
    assert found.ai.model == name_of(ai())


def test_days_are_those_of_the_site():
    late = START.replace(hour=23, minute=30)
    exam = read(None, ai(), NORMAL, NORMAL).exam
    exam = replace(exam, images_at=late, decided_at=late + datetime.timedelta(minutes=45))
    utc = past_exam("k", exam, Beside(), datetime.UTC)
    assert (utc.date, utc.working_days) == (datetime.date(2026, 3, 2), 1)
    east = past_exam("k", exam, Beside(), datetime.timezone(datetime.timedelta(hours=1)))
    assert (east.date, east.working_days) == (datetime.date(2026, 3, 3), 0)


def test_public_holidays_are_no_days_of_work():
    exam = read(None, ai(), NORMAL, NORMAL).exam
    before, after = (datetime.datetime(2026, 4, day, 12, tzinfo=datetime.UTC) for day in (1, 7))
    exam = replace(exam, images_at=before, decided_at=after)
    assert past_exam("k", exam, Beside(), datetime.UTC).working_days == 4
    assert past_exam("k", exam, Beside(), datetime.UTC, WorkingDays("DK")).working_days == 1


# Of a site


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    made = Site(database, BlobStore(tmp_path / "blobs"))
    made.unit()
    yield made
    database.close()


def whose(_session, keys):
    """Studies 1 and 2 are one woman's, a year apart."""
    days = {Made(n).key: (n, datetime.date(2024 + n, 3, 2)) for n in range(1, 9)}
    return {
        key: Whose(f"w{max(days[key][0], 2)}", days[key][1], f"ACC{days[key][0]}", f"1.2.{key}")
        for key in keys
        if key in days
    }


def past_of(site, kept=None, account="kim", oversees=True, today=TODAY):
    asked = kept or SitePast(Owners(whose, lambda _session: 0), site.blobs, datetime.UTC)
    with site.database.read() as session:
        return {one.past.exam: one.past for one in asked(session, account, oversees, today).closed}


def test_a_sites_past_with_what_stands_beside_the_ledger(site):
    one, two = close(site.database, [Made(1), Made(2, "rr", facts={"age": ["63", "images"]})])
    with site.database.begin() as session:
        said = {
            (ACCESSION, "ACC1"): Outcome(cancer=False, follow_up_months=24),
            (ACCESSION, "ACC2"): Outcome(cancer=False),
            (STUDY, f"1.2.{two}"): Outcome(cancer=True),
        }
        state_outcomes(session, said, FactSource.FILE, "kim")
    found = past_of(site)
    assert (found[one].age, found[two].age) == (57, 63)
    assert found[one].equipment == "Maker M1"
    assert found[one].woman == found[two].woman == "w2"
    assert found[one].previous_on is None
    assert found[two].previous_on == datetime.date(2025, 3, 2)
    assert found[one].known(24)
    assert found[two].cancer, "a word about the study counts before one by accession number"


def test_what_is_new_comes_in_and_the_rest_is_not_folded_again(site, monkeypatch):
    (one,) = close(site.database, [Made(1)])
    kept = SitePast(Owners(whose, lambda _session: 0), site.blobs, datetime.UTC)
    assert set(past_of(site, kept)) == {one}
    folded = []
    monkeypatch.setattr(past_keeping, "fold", lambda e: folded.append(1) or fold(e))
    assert set(past_of(site, kept)) == {one}
    assert folded == []
    (two,) = close(site.database, [Made(2)])
    assert set(past_of(site, kept)) == {one, two}
    with site.database.begin() as session:
        state_outcomes(session, {(ACCESSION, "ACC1"): Outcome(cancer=True)}, FactSource.FILE, "k")
    found = past_of(site, kept)
    assert set(found) == {one, two}
    assert found[one].cancer
    assert len(folded) == 1


def test_nothing_of_an_exam_that_may_still_be_given_to_the_person(site):
    open_, technical = Made(3, "n"), Made(4, "tt")
    close(site.database, [open_, technical])
    assert set(past_of(site)) == {technical.key}
    exam = site.exam(technical.key)
    reader = exam.counting[0].account
    assert past_of(site, account=reader) == {}, "new images may be given to the reader again"


def test_a_trainee_counts_no_exam_that_is_still_to_be_read(site):
    (key,) = close(site.database, [Made(5)])
    assert site.exam(key).holds("tove", TaskKind.TRAINEE)
    assert past_of(site, account="tove", oversees=False) == {}
    assert set(past_of(site, account="anna", oversees=False)) == {key}


def test_two_people_read_it_anyway_where_a_fact_is_against_it(site):
    document = {
        "valid_from": utcnow().date(),
        "policies": [{"name": "p", "kind": "shadow"}],
        "rules": [{"when": {"programmes": ["screening"]}, "policy": "p"}],
    }
    section = ReadingSection(units=({"name": "herlev", "title": "Herlev"},))
    with site.database.begin() as session:
        karen = people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])
        room = Policies.model_validate(document)
        made = rooms.draft(session, section, room, "kim", "as agreed", utcnow().date())
        rooms.approve(session, section, made.row.version, karen)
    keys = close(
        site.database,
        [
            Made(6),
            Made(7, facts={"implant": ["yes", "person"]}),
            Made(8, facts={"treated": UNSAID}),
        ],
    )
    assert not any(one.humans_only for one in past_of(site).values())
    found = past_of(site, today=utcnow().date())
    assert [found[key].humans_only for key in keys] == [False, True, True]


def test_density_comes_from_the_findings(site):
    dense = Code(value="129718006", scheme="SCT", meaning="Heterogeneously dense")
    composition = Code(value="129715009", scheme="SCT", meaning="Breast composition")
    quality = Quality(name="density_category", concept=composition, value=dense)
    found = findings_of().model_copy(update={"qualities": (quality,)})
    key = site.study()
    site.analysed(key, found)
    with site.database.read() as session:
        report = site.item(session, key).report_key
        analysis = session.get_one(Report, report).analysis_key
    close(site.database, [Made(6, ai={"analysis_key": analysis}), Made(7)])
    kept = SitePast(Owners(whose, lambda _session: 0), site.blobs, datetime.UTC)
    with site.database.read() as session:
        closed = kept(session, "kim", True, TODAY).closed
        densities = {one.exam: one.density for one in kept.with_density(session, closed)}
        assert kept.models(session, closed) == (), "of other models than were sealed"
    assert densities == {Made(6).key: Density.C, Made(7).key: None}
