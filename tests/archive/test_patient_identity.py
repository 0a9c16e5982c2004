"""Whose a study is: what was said of patients, and images that are changed to it."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
import requests
from pydicom import dcmread
from sqlalchemy import select
from tiny import SR, Site, TinyStudy

from gransk.archive.changing import under
from gransk.archive.correcting import queue
from gransk.archive.corrector import Corrector
from gransk.archive.identity import Changed, Identities, Said, Who
from gransk.archive.identity_tables import CorrectionState, IdentityChange, IdentityCorrection
from gransk.archive.orthanc import ArchiveUnavailableError, Orthanc
from gransk.archive.patients import identifiers, identifiers_of
from gransk.archive.tables import SeenStudy
from gransk.core.errors import UnreadableInputError
from gransk.site.config_identity import IdentitySection
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.tables import Event

pytestmark = pytest.mark.system
CORRECT = IdentitySection(images="correct")
NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)


def minute(number: int) -> datetime.datetime:
    return NOON + datetime.timedelta(minutes=number)


def merged(prior: str, now: str, at: int = 0, **said: str) -> Said:
    return Said("A40", minute(at), Who(now, **said), (prior, ""))


def updated(name: str, at: int = 0, **said: str) -> Said:
    return Said("A08", minute(at), Who(name, **said))


class Told:
    """A site that is told of identities as the service tells it."""

    def __init__(self, site: Site, section: IdentitySection | None = None) -> None:
        self.site = site
        if section is not None:
            site.config = site.config.model_copy(update={"identity": section})
            site.restarted()
        self.known = Identities(section)
        self.corrector = Corrector(site.database, Orthanc(site.config.orthanc), site.diary.absorb)

    def say(self, *words: Said) -> list[Changed]:
        changed: list[Changed] = []
        with self.site.database.begin() as session:
            for word in words:
                changed += self.known.take(session, word, "ris")
            for one in changed:
                if self.known.corrects:
                    queue(session, one.seen)
            self.known.tell(session)
        return changed

    def undo(self, number: int) -> list[Changed] | None:
        with self.site.database.begin() as session:
            changed = self.known.undo(session, number, "rita")
            for one in changed or ():
                if self.known.corrects:
                    queue(session, one.seen)
            self.known.tell(session)
        return changed

    def settle(self, times: int = 4) -> list[str]:
        """Let images be changed and looked at; what intake told."""
        before = len(self.site.diary.told)
        for _ in range(times):
            self.site.look()
            self.corrector.run_once()
        return self.site.diary.acts[before:]

    def corrections(self) -> list[tuple[str, str]]:
        with self.site.database.read() as session:
            return [
                (CorrectionState(row.state), row.error)
                for row in session.scalars(select(IdentityCorrection))
            ]

    def changes(self) -> list[IdentityChange]:
        with self.site.database.read() as session:
            return list(session.scalars(select(IdentityChange).order_by(IdentityChange.number)))

    def files(self) -> list[Any]:
        """Every object that Orthanc holds."""
        client = self.site.process.client
        return [
            dcmread(io.BytesIO(client.file(one.orthanc_id)))
            for study in client.study_ids()
            for one in client.instances(study)
        ]


@pytest.fixture
def told(site):
    def make(section: IdentitySection | None = None, **intake: Any) -> Told:
        return Told(site(**intake), section)

    return make


# What was said


def test_the_latest_word_counts_in_whatever_order_messages_come(told):
    one = told()
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(updated("A", at=2, patient_name="Second^Name"))
    one.say(updated("A", at=1, patient_name="First^Name", sex="M"))
    row = one.site.row()
    assert (row.patient_name, row.patient_sex) == ("Second^Name", "M")


def test_a_merge_names_the_survivor_and_joins_both_identifiers(told):
    one = told()
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    (changed,) = one.say(merged("A", "B", patient_name="Right^Name"))
    row = one.site.row()
    assert (row.patient_id, row.patient_name) == ("B", "Right^Name")
    assert changed.before.patient_id == "A"
    with one.site.database.read() as session:
        assert identifiers(session, ("B", "")) == {("A", ""), ("B", "")}


def test_merges_follow_each_other_and_may_be_reversed(told):
    one = told()
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(merged("B", "C", at=2))
    one.say(merged("A", "B", at=1))
    assert one.site.row().patient_id == "C"
    one.say(merged("C", "A", at=3))
    assert one.site.row().patient_id == "A"


def test_images_that_come_later_under_the_old_identifier_are_the_survivors(told):
    one = told()
    one.say(merged("A", "B", patient_name="Right^Name"))
    one.site.send(*TinyStudy("A").images())
    assert one.site.look(2) == ["submit"]
    row = one.site.row()
    assert (row.patient_id, row.patient_name) == ("B", "Right^Name")
    (change,) = one.changes()
    assert (change.actor, change.before["patient_id"], change.statement) == ("ris", "A", 1)


def test_a_word_of_another_person_does_not_hide_a_mistyped_identifier(told):
    one = told(IdentitySection(images="correct"))
    one.say(updated("A", patient_name="Another^Person", birth_date="19800202", sex="M"))
    one.site.send(*TinyStudy("A").images())
    assert one.settle() == ["submit"]
    row = one.site.row()
    assert (row.patient_name, row.patient_birth_date, row.patient_sex) == (
        "Test^Tiny", "19500101", "F",
    )  # fmt: skip
    assert {str(file.PatientName) for file in one.files()} == {"Test^Tiny"}
    assert one.changes() == []
    with one.site.database.read() as session:
        query = select(Event).where(Event.kind == EventKind.IDENTITY_NOT_APPLIED.value)
        (event,) = session.scalars(query)
    assert (event.subject, event.data["reason"]) == (row.key, "birth_date_and_sex_differ")
    one.say(updated("A", at=1, patient_name="Right^Name", birth_date="19500102", sex="F"))
    assert one.site.row().patient_name == "Right^Name", "one of both may be corrected"


@pytest.mark.parametrize("issuer", ["", "HOSPITAL"])
def test_a_merge_before_the_images_joins_what_they_will_bear(told, issuer):
    one = told()
    one.known = Identities(None, issuer)
    one.say(merged("A", "B"))
    one.site.send(*TinyStudy("B").images())
    one.site.look(2)
    with one.site.database.read() as session:
        assert {name for name, _ in identifiers_of(session, one.site.row())} == {"A", "B"}
        assert ("A", issuer) in identifiers(session, ("B", issuer))


@pytest.mark.full
def test_what_was_said_counts_no_longer_than_the_site_keeps_it(told):
    one = told(IdentitySection(keep_days=1e-9))
    one.say(merged("A", "B"))
    one.site.send(*TinyStudy("A").images())
    one.site.look(3)
    assert one.site.row().patient_id == "A"


@pytest.mark.full
def test_an_issuer_is_part_of_the_identifier(told):
    one = told()
    one.site.send(*TinyStudy("A").images(IssuerOfPatientID="HERE"))
    one.site.look(2)
    assert one.say(Said("A40", NOON, Who("B", "THERE"), ("A", "THERE"))) == []
    assert len(one.say(Said("A40", NOON, Who("B", "HERE"), ("A", "HERE")))) == 1


def test_a_person_takes_a_merge_back(told):
    one = told()
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(merged("A", "B", patient_name="Wrong^Name"))
    (changed,) = one.undo(1)
    assert (changed.before.patient_id, one.site.row().patient_name) == ("B", "Test^Tiny")
    assert one.undo(1) is None, "once"
    with one.site.database.read() as session:
        assert identifiers(session, ("B", "")) == {("B", "")}
    assert {EventKind.IDENTITY_STATED, EventKind.IDENTITY_CHANGED, EventKind.IDENTITY_UNDONE} <= {
        *one.site.events()
    }
    one.site.send(*TinyStudy("A", uid="1.2.3.4").images())
    one.site.look(2)
    assert {row.patient_id for row in one.site.rows()} == {"A"}


# Images that are changed


def test_images_are_changed_to_the_survivor_and_keep_every_byte_of_their_pixels(told):
    one = told(CORRECT)
    study = TinyStudy("A")
    report = study.other(SR, "SR")
    one.site.send(*study.images(), report)
    one.site.look(2)
    key, was = one.site.row().key, one.site.row()
    before = {file.SOPInstanceUID: file for file in one.files()}
    one.say(merged("A", "B", patient_name="Ærlig^Åse", birth_date="19600202"))
    assert one.settle() == ["submit"]
    (row,) = one.site.rows()
    assert (row.key, row.patient_id, row.deleted_at, row.pending) == (key, "B", None, False)
    assert row.read_as == was.settled_fingerprint, "the images are the same"
    after = one.files()
    assert len(after) == 4
    for file in after:
        assert (file.PatientID, str(file.PatientName)) == ("B", "Ærlig^Åse")
        source = before[file.SOPInstanceUID]
        assert file.get("PixelData") == source.get("PixelData")
        for element in source:
            if not element.keyword.startswith("Patient"):
                assert file[element.tag] == element
    assert one.corrections() == [("done", "")]


def test_a_name_is_changed_where_the_images_lie(told):
    one = told(CORRECT)
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    orthanc_id = one.site.row().orthanc_id
    one.say(updated("A", patient_name="New^Name"))
    assert one.settle() == ["submit"]
    assert one.site.row().orthanc_id == orthanc_id
    assert {str(file.PatientName) for file in one.files()} == {"New^Name"}
    assert one.settle() == [], "once"


def test_images_that_come_late_under_the_old_identifier_join_their_study(told):
    one = told(CORRECT)
    study = TinyStudy("A", expected=4)
    one.site.send(*study.images()[:3])
    one.site.look(2)
    one.say(merged("A", "B"))
    one.settle()
    one.site.send(study.image(4))
    one.settle(6)
    (row,) = one.site.rows()
    assert (row.patient_id, row.images) == ("B", 4)
    assert {file.PatientID for file in one.files()} == {"B"}


@pytest.mark.full
def test_images_of_a_patient_who_was_merged_before_are_changed_before_they_are_read(told):
    one = told(CORRECT)
    one.say(merged("A", "B"))
    one.site.send(*TinyStudy("A").images())
    assert one.settle() == ["submit"]
    assert {file.PatientID for file in one.files()} == {"B"}


def test_a_merge_that_is_taken_back_gives_the_images_back(told):
    one = told(CORRECT)
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(merged("A", "B", patient_name="Wrong^Name"))
    one.settle()
    one.undo(1)
    assert one.settle() == ["submit"]
    (row,) = one.site.rows()
    assert (row.patient_id, row.patient_name) == ("A", "Test^Tiny")
    assert {(file.PatientID, str(file.PatientName)) for file in one.files()} == {("A", "Test^Tiny")}


def test_a_crash_at_any_step_loses_nothing_and_leaves_nothing_twice(told, monkeypatch):
    one = told(CORRECT)
    study = TinyStudy("A")
    one.site.send(*study.images())
    one.site.look(2)
    key = one.site.row().key
    one.say(merged("A", "B"))
    done = 0
    for step in range(40):
        calls = 0

        def broken(name, step=step):
            real = getattr(Orthanc, name)

            def call(self, *args):
                nonlocal calls
                calls += 1
                if calls > step:
                    raise SystemExit
                return real(self, *args)

            return call

        with monkeypatch.context() as patch:
            for name in ("store", "delete_instance", "series_of"):
                patch.setattr(Orthanc, name, broken(name))
            try:
                one.corrector.run_once()
                done = step
                break
            except SystemExit:
                pass
        one.site.look()
    assert done > 3
    one.site.restarted()
    assert one.settle()[-1:] in (["submit"], [])
    (row,) = one.site.rows()
    assert (row.key, row.patient_id, row.images, row.deleted_at) == (key, "B", 3, None)
    assert len(one.files()) == 3
    assert {file.PatientID for file in one.files()} == {"B"}
    assert one.site.diary.acts.count("submit") == 2
    assert "withdraw" not in one.site.diary.acts


@pytest.mark.full
def test_an_archive_that_is_away_is_asked_again(told, monkeypatch):
    one = told(CORRECT)
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(merged("A", "B"))

    def away(self, content):
        raise ArchiveUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Orthanc, "store", away)
        one.corrector.run_once()
    assert one.corrections() == [("waiting", "away")]
    with one.site.database.begin() as session:
        session.scalars(select(IdentityCorrection)).one().next_at = utcnow()
    assert one.settle() == ["submit"]


def test_a_file_that_cannot_be_changed_leaves_the_study_as_it_is(told, monkeypatch):
    one = told(CORRECT)
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    one.say(merged("A", "B"))

    def damaged(content, who):
        raise UnreadableInputError("damaged")

    monkeypatch.setattr("gransk.archive.corrector.under", damaged)
    one.settle()
    assert one.corrections() == [("failed", "damaged")]
    assert EventKind.IMAGES_NOT_CORRECTED in one.site.events()
    assert {file.PatientID for file in one.files()} == {"A"}
    assert one.site.row().patient_id == "B", "what was said stands"


@pytest.mark.parametrize("charset", ["ISO_IR 100", None, "ISO_IR 192"])
def test_a_name_is_written_in_a_character_set_that_has_its_letters(charset):
    image = TinyStudy("A", patient_name="Sørensen^Åse" if charset else "Test").image(
        1, SpecificCharacterSet=charset
    )
    made = under(image, Who("B", "", "Łódź^Ærlig", "19500101", "F"))
    file = dcmread(io.BytesIO(made))
    assert str(file.PatientName) == "Łódź^Ærlig"
    assert file.PixelData == dcmread(io.BytesIO(image)).PixelData
    assert under(made, Who("B", "", "Łódź^Ærlig", "19500101", "F")) is None


# What Orthanc says


def modify(site: Site, path: str, body: dict[str, Any]) -> None:
    orthanc = site.config.orthanc
    answer = requests.post(
        orthanc.url + path,
        json={"Force": True, "Synchronous": True, **body},
        auth=(orthanc.username, orthanc.password()),
        timeout=20,
    )
    assert answer.status_code == 200, answer.text


def patient(site: Site) -> str:
    return str(site.process.client.study(site.row().orthanc_id)["ParentPatient"])


@pytest.mark.parametrize("level", ["patients", pytest.param("studies", marks=pytest.mark.full)])
def test_a_study_that_orthanc_modified_to_new_uids_goes_on(told, level):
    one = told()
    study = TinyStudy("A")
    one.site.send(*study.images())
    one.site.look(2)
    key = one.site.row().key
    ours = study.other(SR, "SR", Manufacturer="Gransk")
    theirs = study.other(SR, "SR")
    one.site.send(ours, theirs)
    where = patient(one.site) if level == "patients" else one.site.row().orthanc_id
    replace = {"PatientName": "New^Name"} | ({"PatientID": "B"} if level == "patients" else {})
    modify(one.site, f"/{level}/{where}/modify", {"Replace": replace, "KeepSource": False})
    acts = one.site.look(4)
    row = one.site.row()
    assert (row.key, row.patient_name, row.deleted_at) == (key, "New^Name", None)
    assert row.study_instance_uid != study.uid
    assert acts == ["identified", "submit"]
    assert row.read_as == "", "images under new UIDs are others"
    makers = [file.Manufacturer for file in one.files() if file.Modality == "SR"]
    assert makers == ["Maker"], "a copy of our own report tells of what is no more"


@pytest.mark.full
def test_a_copy_that_orthanc_made_goes_on_where_its_source_is_deleted_later(told):
    one = told(reconcile_seconds=1e-6)
    one.site.send(*TinyStudy("A").images())
    one.site.look(2)
    key = one.site.row().key
    body = {"Replace": {"PatientID": "B"}, "KeepSource": True}
    modify(one.site, f"/patients/{patient(one.site)}/modify", body)
    assert one.site.look(3) == ["submit"]
    rows = {row.key: row for row in one.site.rows()}
    assert len(rows) == 2, "as long as both are there they are two"
    one.site.process.client.delete_study(rows[key].orthanc_id)
    assert one.site.look(3) == ["absorb", "identified", "submit"]
    kept = {row.key: row for row in one.site.rows()}[key]
    assert (kept.patient_id, kept.deleted_at, kept.images) == ("B", None, 3)


def test_images_sent_again_under_another_patient_go_on_where_the_old_are_deleted_later(told):
    one = told(reconcile_seconds=1e-6)
    study = TinyStudy("A")
    one.site.send(*study.images())
    one.site.look(2)
    old = one.site.row()
    study.patient_id = "B"
    one.site.send(*study.images())
    one.site.look(3)
    assert len(one.site.rows()) == 2
    one.site.process.client.delete_study(old.orthanc_id)
    assert one.site.look(3) == ["absorb", "identified", "submit"]
    kept = {row.key: row for row in one.site.rows()}[old.key]
    assert (kept.patient_id, kept.read_as) == ("B", old.settled_fingerprint)
    with one.site.database.read() as session:
        gone = session.scalars(select(SeenStudy).where(SeenStudy.key != old.key)).one()
    assert gone.deleted_at is not None
