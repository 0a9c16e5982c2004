"""The kept past equals one that is converted anew, whatever is written meanwhile."""

import datetime
import shutil
from dataclasses import replace

import pytest
from closed_exams import Made, close
from reading_room import NORMAL, RECALL, START, ai, images, sealed
from reading_site import Site

from gransk.archive.followed import ExamsMark
from gransk.archive.tables import Archive as Archived
from gransk.archive.tables import JoinedPatient, SeenStudy
from gransk.core.exam_facts import Fact
from gransk.core.programme import Programme
from gransk.core.screening import Verdict
from gransk.reading import acts, past_keeping, rooms
from gransk.reading.entries import Alert, AlertCode, Entry, Kind, TaskKind
from gransk.reading.ledger import write
from gransk.reading.machine import fold
from gransk.reading.outcome_store import state_outcomes
from gransk.reading.outcomes import ACCESSION, STUDY, Outcome
from gransk.reading.past_keeping import Owners, Whose
from gransk.reading.policy import Room as Policies
from gransk.reading.policy_tables import OutcomeStatement
from gransk.reading.site_past import SitePast
from gransk.results import exam_facts, programmes
from gransk.results.blobs import BlobStore
from gransk.results.tables import ExamKnown, ExamProgramme, FactSource, ProgrammeSource, Workitem
from gransk.site import people
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Role

TODAY = utcnow().date()
ASKERS = (("kim", True), ("anna", False), ("tove", False), ("dan", False))
CASES = (
    Made(1), Made(2, "rr", score=9.0, days=1), Made(3, "nr", "n", days=2), Made(4, "tt", days=3),
    Made(5, days=4), Made(6, "nr", "r", days=5), Made(7, "n", days=6), Made(8, days=7),
)  # fmt: skip


class Archive:
    """Whose exams are: numbers 1 and 2 one woman's, and whatever a test says."""

    def __init__(self):
        self.women = {Made(1).key: "w2"}

    def of(self, _session, keys):
        numbers = {Made(n).key: n for n in range(1, 12)}
        days = {key: datetime.date(2020 + n, 3, 2) for key, n in numbers.items()}
        return {
            key: Whose(self.women.get(key, f"w{numbers[key]}"), days[key],
                       f"ACC{numbers[key]}", f"1.2.{numbers[key]}")
            for key in keys
            if key in numbers
        }  # fmt: skip

    def mark(self, _session):
        return tuple(sorted(self.women.items()))


class Watched:
    """A site, and its past as it is kept and as it is converted anew."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder}/gransk.db")
        self.site = Site(self.database, BlobStore(folder / "blobs"))
        self.archive = Archive()
        self.kept = self.past()

    def past(self):
        owners = Owners(self.archive.of, self.archive.mark)
        return SitePast(owners, self.site.blobs, datetime.UTC)

    def same(self):
        """What everybody may see now; kept and new must say the same."""
        fresh, seen = self.past(), {}
        with self.database.read() as session:
            for account, oversees in ASKERS:
                mark, seen[account] = self.kept(session, account, oversees, TODAY)
                new = fresh(session, account, oversees, TODAY).closed
                assert [(one.past, one.analysis_key, one.guarded) for one in seen[account]] == [
                    (one.past, one.analysis_key, one.guarded) for one in new
                ]
                assert self.kept(session, account, oversees, TODAY).mark == mark
        return {name: {one.past.exam: one.past for one in found} for name, found in seen.items()}

    def entry(self, number, kind, content, at=START):
        with self.database.begin() as session:
            entry = Entry(kind, content, at + datetime.timedelta(days=90))
            write(session, Made(number).key, lambda book: book.add(entry) and None)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The database with all cases, made once."""
    folder = tmp_path_factory.mktemp("filled")
    database = Database(f"sqlite:///{folder}/gransk.db")
    upgrade(database)
    Site(database, BlobStore(folder / "blobs")).unit()
    close(database, CASES)
    database.close()
    return folder


@pytest.fixture
def watched(filled, tmp_path):
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    made = Watched(tmp_path)
    made.before = made.same()
    yield made
    made.database.close()


def test_what_the_ledger_says_later(watched):
    key = Made(7).key
    assert key not in watched.before["kim"]
    exam = watched.site.exam(key)
    (first,) = [read.account for read in exam.counting]
    watched.site.act(acts.correct, key, first, RECALL, exam.images)
    assert key not in watched.same()["kim"]
    second = exam.open_tasks(TaskKind.FIRST)[0].account
    watched.site.act(acts.read, key, second, RECALL, exam.images)
    found = watched.same()["kim"][key]
    assert (found.decision, found.reads[0].verdict) == (Verdict.RECALL, Verdict.RECALL)
    watched.entry(1, Kind.ALERT, Alert(code=AlertCode.IMAGES_CHANGED, images="i9"))
    close(watched.database, [replace(Made(9), score=None, days=8)])
    assert watched.same()["kim"][Made(9).key].ai is None
    watched.entry(9, Kind.LATE_AI, sealed(ai(exam_score=7.0)))
    assert watched.same()["kim"][Made(9).key].ai.score == 7.0


def test_an_exam_that_is_opened_again_is_out(watched):
    key = Made(4).key
    assert key in watched.before["kim"]
    watched.entry(4, Kind.IMAGES_CHANGED, images("i2", START + datetime.timedelta(days=80)))
    assert key not in watched.same()["kim"]


def test_a_trainee_who_has_read_sees_it(watched):
    key = Made(5).key
    assert key not in watched.before["tove"]
    watched.site.act(acts.read, key, "tove", NORMAL, watched.site.exam(key).images)
    assert key in watched.same()["tove"]


def test_outcomes_and_corrections_of_them(watched):
    def state(**said):
        with watched.database.begin() as session:
            name = (STUDY, "1.2.2") if said.pop("study", False) else (ACCESSION, "ACC2")
            state_outcomes(session, {name: Outcome(**said)}, FactSource.FILE, "kim")
        return watched.same()["kim"][Made(2).key]

    assert not state(cancer=False, follow_up_months=24).cancer
    assert state(cancer=True, found="screening").detected
    assert not state(cancer=True, found="interval").detected
    assert not state(cancer=False, study=True).cancer, "a word about the study counts first"


def test_an_outcome_whose_transaction_ended_after_a_later_one(watched):
    def add(number, name):
        with watched.database.begin() as session:
            session.add(
                OutcomeStatement(
                    number=number, accession_number=name, study_instance_uid="", cancer=True,
                    content=Outcome(cancer=True).model_dump(mode="json"), actor="kim",
                    source=FactSource.FILE, at=utcnow(),
                )
            )  # fmt: skip
        return watched.same()["kim"]

    assert add(9, "ACC3")[Made(3).key].cancer
    assert add(8, "ACC6")[Made(6).key].cancer


def test_facts_and_programmes(watched):
    one, two = Made(1).key, Made(2).key
    assert watched.before["kim"][two].previous_on == datetime.date(2021, 3, 2)
    with watched.database.begin() as session:
        said = exam_facts.say(session, FactSource.PERSON, Fact.AGE, "66", "kim", (), study_key=two)
        exam_facts.settle(session, two, session.get(ExamKnown, two), [said])
    assert watched.same()["kim"][two].age == 66
    with watched.database.begin() as session:
        said = programmes.say(
            session, ProgrammeSource.PERSON, [Programme.CLINICAL], "kim", (), study_key=one
        )
        row = session.get(ExamProgramme, one)
        row.programme, row.source = Programme.CLINICAL, said.source
    found = watched.same()["kim"]
    assert found[one].programme is Programme.CLINICAL
    assert found[two].previous_on is None, "the other exam of the woman was no screening"


def test_a_view_that_is_missing_is_seen_at_the_next_word(watched):
    key, other = Made(8).key, watched.site.study()
    with watched.database.begin() as session:
        item = watched.site.item(session, other)
        values = {c.name: getattr(item, c.name) for c in Workitem.__table__.columns}
        session.add(Workitem(**values | {"id": "w8", "study_key": key, "incomplete": True}))
        state_outcomes(session, {(ACCESSION, "ACC8"): Outcome(cancer=True)}, FactSource.FILE, "k")
    assert watched.same()["kim"][key].humans_only


def test_policies_in_force(watched):
    section = ReadingSection(units=({"name": "herlev", "title": "Herlev"},))
    close(watched.database, [Made(10, facts={"implant": ["yes", "person"]})])
    assert not watched.same()["kim"][Made(10).key].humans_only
    with watched.database.begin() as session:
        karen = people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])
        room = Policies.model_validate(
            {
                "valid_from": TODAY,
                "policies": [{"name": "p", "kind": "shadow"}],
                "rules": [{"when": {"programmes": ["screening"]}, "policy": "p"}],
            }
        )
        made = rooms.draft(session, section, room, "kim", "as agreed", TODAY)
        rooms.approve(session, section, made.row.version, karen)
    found = watched.same()["kim"]
    assert found[Made(10).key].humans_only
    assert not found[Made(1).key].humans_only


def test_women_who_turn_out_to_be_one(watched):
    assert watched.before["kim"][Made(3).key].previous_on is None
    watched.archive.women[Made(3).key] = "w2"
    found = watched.same()["kim"]
    assert found[Made(3).key].previous_on == datetime.date(2022, 3, 2)
    del watched.archive.women[Made(1).key]
    assert watched.same()["kim"][Made(2).key].previous_on is None


def test_only_what_changed_is_converted_again(watched, monkeypatch):
    folded, converted = [], []
    convert = past_keeping.KeptPast._convert
    monkeypatch.setattr(past_keeping, "fold", lambda e: folded.append(1) or fold(e))

    def noted(kept, key):
        converted.append(key)
        convert(kept, key)

    monkeypatch.setattr(past_keeping.KeptPast, "_convert", noted)
    with watched.database.begin() as session:
        said = {(ACCESSION, "ACC2"): Outcome(cancer=True)}
        state_outcomes(session, said, FactSource.FILE, "kim")
    with watched.database.read() as session:
        watched.kept(session, "kim", True, TODAY)
    assert folded == []
    assert set(converted) == {Made(1).key, Made(2).key}, "the woman's exams"


def test_what_was_heard_when_it_failed_is_heard_again(watched, monkeypatch):
    with watched.database.begin() as session:
        said = {(ACCESSION, "ACC3"): Outcome(cancer=True)}
        state_outcomes(session, said, FactSource.FILE, "kim")
    watched.entry(4, Kind.IMAGES_CHANGED, images("i2", START + datetime.timedelta(days=80)))

    def away(*_):
        raise OSError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(past_keeping.KeptPast, "_look_up", away)
        with watched.database.read() as session, pytest.raises(OSError, match="went away"):
            watched.kept(session, "kim", True, TODAY)
    found = watched.same()["kim"]
    assert found[Made(3).key].cancer
    assert Made(4).key not in found


def test_the_mark_of_the_archive_tells_what_exams_do_not(watched):
    mark = ExamsMark()

    def now():
        with watched.database.read() as session:
            return mark(session)

    def change(**values):
        with watched.database.begin() as session:
            seen = session.get_one(SeenStudy, "two")
            for name, value in (values | {"changed_at": utcnow()}).items():
                setattr(seen, name, value)
        return now()

    with watched.database.begin() as session:
        session.add(Archived(name="orthanc", identity="one", cursor=0, swept_at=None))
        session.flush()
        session.add_all([study("one", "A1"), study("two", "A2")])
    first = now()
    assert change(description="changed") == first
    shared = change(accession_number="A1")
    assert shared != first
    assert change(deleted_at=utcnow()) == first
    with watched.database.begin() as session:
        session.add(
            JoinedPatient(id="j", one_id="1", one_issuer="", other_id="2", other_issuer="",
                          joined_by="kim", joined_at=utcnow())
        )  # fmt: skip
    joined = now()
    assert joined != first
    with watched.database.begin() as session:
        session.get_one(JoinedPatient, "j").parted_at = utcnow()
    assert now() not in (joined, first)


def study(key, number):
    """Of a patient of its own."""
    return SeenStudy(
        key=key, archive="orthanc", orthanc_id=key, study_instance_uid=f"1.{number[1:]}",
        issuer_of_patient_id="", patient_name="", patient_id=key, patient_birth_date="",
        patient_sex="", study_date="20260105", study_time="", description="",
        accession_number=number, modalities=["MG"], images=4, fingerprint="f",
        settled_fingerprint="f", priority=0, first_seen_at=utcnow(), changed_at=utcnow(),
        deleted_at=None, pending=False,
    )  # fmt: skip
