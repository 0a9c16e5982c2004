"""ADT by HL7 v2: what is taken and refused, what follows of it, and taking it back."""

import datetime
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from sqlalchemy import select
from test_web_hl7 import NODE, Door

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from hl7_cases import NORMAL, message, msh, read_of

from gransk.archive.followed import patient_study
from gransk.archive.identity import Identities, Who
from gransk.archive.identity_tables import CorrectionState, IdentityCorrection, IdentityStatement
from gransk.archive.patients import identifiers_of
from gransk.archive.tables import SeenStudy
from gransk.core.patients import patient_key
from gransk.delivery.hl7.acknowledgement import Refusal
from gransk.delivery.hl7.mllp import framed
from gransk.reading.tables import Closing, FollowUpRow, FollowUpState
from gransk.results import decisions, profiles
from gransk.results.blobs import BlobStore, keep
from gransk.results.message_tables import Announcement, OutgoingMessage
from gransk.results.tables import ProfileAnswer
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.tables import Event, Role
from gransk.web.hl7_identity import IdentityTaker
from gransk.web.hl7_taking import Takers
from gransk.web.identity import Mover

OLD = {"patient_id": "OLD", "patient_name": "Wrong^Name", "accession_number": "ACC-1"}
SENDER = {"name": "pas", "addresses": ["127.0.0.0/8"], "application": "RIS", "takes": ["adt"]}
DAY = datetime.date
STRUCTURES = {"A08": "ADT_A01", "A31": "ADT_A05", "A40": "ADT_A39", "A47": "ADT_A30"}


def adt(event, now="NEW", prior="OLD", name="Right^Name", birth="19511224", sex="F", at="",
        control_id="I1", version="2.5.1", **values):  # fmt: skip
    """An ADT message, as a patient administration sends it."""
    header = msh(f"ADT^{event}^{STRUCTURES[event]}", control_id, version=version, **values)
    lines = [
        header.replace("20260302093015", at or "20260302093015"),
        f"EVN|{event}|20260302093015",
        f"PID|1||{now}||{name}||{birth}|{sex}",
    ]
    if event in ("A40", "A47"):
        lines.append(f"MRG|{prior}")
    else:
        lines.append("PV1|1|N")
    return message(*lines)


@pytest.fixture
def door(site):
    with closing(open_door(site)) as one:
        yield one


def open_door(site, **config):
    settings = site.config.model_copy(update=config)
    taker = IdentityTaker(settings, Mover(settings))
    one = Door(site, Takers(identity=taker), senders=[SENDER])
    one.taking.authorities = settings.identity.authorities
    return one


def seen(site, number=1):
    with site.database.read() as session:
        return session.get_one(SeenStudy, site.study_key(number))


def events(site, kind):
    with site.database.read() as session:
        return session.scalars(select(Event).where(Event.kind == kind)).all()


# What is taken


@pytest.mark.parametrize("event", ["A40", "A47"])
@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
def test_a_merge_or_a_changed_identifier_moves_the_study(site, door, event, version):
    key = site.study(1, **OLD)
    assert door.say(adt(event, version=version)).code == "AA"
    row = seen(site)
    assert (row.patient_id, row.patient_name, row.patient_birth_date) == (
        "NEW", "Right^Name", "19511224",
    )  # fmt: skip
    (changed,) = events(site, EventKind.IDENTITY_CHANGED)
    assert (changed.actor, changed.subject) == ("pas", key)
    assert changed.data["fields"] == ["patient_id", "patient_name"]
    with site.database.read() as session:
        assert identifiers_of(session, row) == {("OLD", ""), ("NEW", "")}


@pytest.mark.parametrize("event", ["A08", "A31"])
def test_an_update_changes_what_it_says_and_leaves_the_rest(site, door, event):
    site.study(1, **OLD)
    assert door.say(adt(event, now="OLD", name="", birth='""', sex="U")).code == "AA"
    row = seen(site)
    assert (row.patient_name, row.patient_birth_date, row.patient_sex) == (
        "Wrong^Name", "19511224", "F",
    )  # fmt: skip
    said = adt(event, now="OLD", name="Ny^Navn^Mellem^jr^Dr.", sex="M", control_id="I2")
    assert door.say(said).code == "AA"
    row = seen(site)
    assert (row.patient_name, row.patient_sex) == ("Ny^Navn^Mellem^Dr.^jr", "M")


def test_the_same_message_counts_once_and_a_stranger_is_kept_for_later(site, door):
    assert [door.say(adt("A40")).code for _ in range(3)] == ["AA"] * 3
    with site.database.read() as session:
        (statement,) = session.scalars(select(IdentityStatement)).all()
    assert (statement.prior_id, statement.patient_id, statement.actor) == ("OLD", "NEW", "pas")
    (told,) = events(site, EventKind.IDENTITY_STATED)
    assert told.data == {"statement": 1, "event": "A40", "studies": 0}


def test_no_event_and_no_log_holds_a_name_or_an_identifier(site, door, caplog):
    site.study(1, **OLD)
    door.say(adt("A40"))
    door.say(adt("A40", prior="", control_id="I2"))
    with site.database.read() as session:
        told = "".join(json.dumps(one.data) + one.subject for one in session.scalars(select(Event)))
    for word in ("OLD", "NEW", "Right", "Wrong", "19511224"):
        assert word not in told
        assert word not in caplog.text


def test_a_message_of_several_patients_is_taken_whole_or_not_at_all(site, door):
    site.study(1, **OLD)
    site.study(2, **OLD | {"patient_id": "OLD2"})
    lines = adt("A40").decode().rstrip("\r").split("\r")
    both = message(*lines, "PID|2||NEW2||Other^Name||19600101|M", "MRG|OLD2")
    assert door.say(both).code == "AA"
    assert [seen(site, n).patient_id for n in (1, 2)] == ["NEW", "NEW2"]
    half = message(*adt("A40", "N3", "NEW", control_id="I3").decode().rstrip("\r").split("\r"),
                   "PID|2||N4||Other^Name||19600101|M")  # fmt: skip
    answer = door.say(half)
    assert (answer.code, answer.errors) == ("AE", (Refusal.SEGMENT_MISSING.value,))
    assert seen(site).patient_id == "NEW"


def test_the_authority_that_the_site_names_counts(site):
    site.study(1, **OLD | {"issuer_of_patient_id": "DICOM"})
    section = site.config.identity.model_copy(update={"authorities": {"CPR": "DICOM"}})
    with closing(open_door(site, identity=section)) as one:
        said = adt("A40", "1^^^LOCAL~NEW^^^CPR&1.2.3&ISO", "2^^^LOCAL~OLD^^^CPR")
        assert one.say(said).code == "AA"
        assert one.say(adt("A40", "1^^^LOCAL", "OLD^^^CPR", control_id="I2")).errors == (
            Refusal.FIELD_MISSING.value,
        )
    assert (seen(site).patient_id, seen(site).issuer_of_patient_id) == ("NEW", "DICOM")


REFUSED = [
    (adt("A40").replace(b"ADT^A40^ADT_A39", b"ADT^A37^ADT_A37"), "AR", "201"),
    (adt("A40").replace(b"ADT^A40^ADT_A39", b"ADT^A24^ADT_A24"), "AR", "201"),
    (adt("A40").replace(b"ADT^A40^ADT_A39", b"ADT^A34^ADT_A30"), "AR", "201"),
    (adt("A40").replace(b"ADT^A40^ADT_A39", b"ADT^A36^ADT_A30"), "AR", "201"),
    (adt("A40").replace(b"ADT^A40^ADT_A39", b"ADT^A01^ADT_A01"), "AR", "201"),
    (read_of(), "AR", "200"),
    (adt("A40", prior=""), "AE", "101"),
    (adt("A40", now=""), "AE", "101"),
    (adt("A40", prior="NEW"), "AE", "102"),
    (adt("A40", birth="19511399"), "AE", "102"),
    (adt("A40", now="N" * 65), "AE", "102"),
    (adt("A40", name="\\R\\=evil"), "AE", "102"),
    (adt("A40").replace(b"20260302093015", b"", 1), "AE", "101"),
    (adt("A40").replace(b"MRG|OLD\r", b""), "AE", "100"),
    (adt("A08") + b"MRG|OLD\r", "AE", "102"),
    (adt("A08").replace(b"PID|", b"ZID|"), "AE", "100"),
]


def test_what_is_not_taken_is_refused_with_its_reason(site, door):
    site.study(1, **OLD)
    with door.connect() as connection:
        for number, (content, code, error) in enumerate(REFUSED):
            named = content.replace(b"|I1|", f"|I{number}|".encode(), 1)
            answer = door.say(named.replace(b"|C1|", b"|R1|", 1), connection)
            assert (answer.code, answer.errors) == (code, (error,)), number
    assert seen(site).patient_id == "OLD"


def test_a_sender_that_may_not_tell_of_patients_is_refused(site):
    site.account("rita", "Rita Reader", Role.RADIOLOGIST)
    with closing(
        Door(site, Takers(identity=IdentityTaker(site.config, Mover(site.config))))
    ) as one:
        assert one.say(adt("A40")).errors == (Refusal.TYPE_NOT_TAKEN.value,)


def test_the_messages_are_what_another_implementation_takes_for_valid():
    for event in STRUCTURES:
        parsed = parse_message(
            adt(event).decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True
        )
        assert parsed.validate()


def test_the_client_of_another_implementation_merges(site, door, tmp_path):
    site.study(1, **OLD)
    (tmp_path / "merge.hl7").write_bytes(adt("A40"))
    told = subprocess.run(
        ["node", NODE, "client", str(door.listener.port), tmp_path / "merge.hl7"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert json.loads(told.stdout.splitlines()[-1]) == {"code": "AA", "id": "I1"}
    assert seen(site).patient_id == "NEW"


def test_a_message_that_is_cut_off_never_moves_a_study_wrongly(site, door):
    site.study(1, **OLD)
    whole = adt("A40")
    for cut in range(1, len(whole) - 3, 7):
        door.raw(framed(whole[:cut].replace(b"|I1|", f"|I{cut}|".encode())))
        assert seen(site).patient_id == "OLD"


# What follows


def follow_up(session, site, number, patient, **values):
    """A row of the follow-up list of a study."""
    row = FollowUpRow(
        **{
            "id": f"row{number}", "application": "lesion",
            "patient_key": patient_key(patient, "", "19511224", "F"),
            "study_key": site.study_key(number), "study_date": DAY(2026, 1, number),
            "report_key": "r", "advice": None, "due_from": None, "due_to": DAY(2026, 7, 1),
            "signed": True, "state": FollowUpState.BOOKED, "closing": None,
            "responsible": "dorte", "next_step": "CT", "note": "n",
            "booked_on": DAY(2026, 6, 30), "told_overdue": None, "changed_at": utcnow(),
            "changed_by": "dorte", "version": 1,
        }
        | values
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def rows(site):
    with site.database.read() as session:
        return session.scalars(select(FollowUpRow).order_by(FollowUpRow.id)).all()


def test_a_follow_up_goes_with_its_patient_with_all_that_people_wrote(site, door):
    site.study(1, **OLD)
    with site.database.begin() as session:
        follow_up(session, site, 1, "OLD")
    door.say(adt("A40"))
    (row,) = rows(site)
    assert row.patient_key == patient_key("NEW", "", "19511224", "F")
    assert (row.state, row.responsible, row.booked_on) == ("booked", "dorte", DAY(2026, 6, 30))
    with site.database.read() as session:
        assert patient_study(session, site.study_key(1)).keys[0] == row.patient_key
    page = site.person(Role.COORDINATOR).get("/follow-up").text
    assert "Right" in page or "Name" in page


@pytest.mark.parametrize(("mine", "theirs", "stands"), [(1, 2, "row2"), (2, 1, "row2")])
def test_of_two_follow_ups_that_become_one_patients_the_newer_stands(
    site, door, mine, theirs, stands
):
    site.study(mine, **OLD)
    site.study(theirs, patient_id="NEW")
    with site.database.begin() as session:
        follow_up(session, site, mine, "OLD")
        follow_up(session, site, theirs, "NEW")
    door.say(adt("A40"))
    states = {row.id: (row.state, row.closing, row.patient_key) for row in rows(site)}
    closed = "row1" if stands == "row2" else "row2"
    assert states[stands][:2] == (FollowUpState.BOOKED, None)
    assert states[stands][2] == patient_key("NEW", "", "19511224", "F")
    assert states[closed][:2] == (FollowUpState.CLOSED, Closing.MERGED)


def test_answers_of_a_profile_are_found_at_both_identifiers_studies(site, door):
    site.study(1, **OLD)
    site.study(2, patient_id="NEW")
    answer = {"patient": {"smoked": {"value": True, "source": "person", "date": "2026-01-01"}}}
    schema = {"properties": {"patient": {"properties": {"smoked": {}}}}}
    with site.database.begin() as session:
        profiles.keep(session, seen(site, 1), "lesion", answer, schema, "rita")
    assert door.say(adt("A40")).code == "AA"
    with site.database.read() as session:
        (row,) = session.scalars(select(ProfileAnswer)).all()
        assert row.patient_id == "OLD", "what was said stays as it was said"
        stranger = SeenStudy(key="x", patient_id="OLD", issuer_of_patient_id="", study_date="",
                             patient_birth_date="19511224", patient_sex="F")  # fmt: skip
        assert profiles.current(session, stranger, "lesion") == {}
        for number in (1, 2):
            known = profiles.current(session, seen(site, number), "lesion")
            assert known["patient"]["smoked"]["value"] is True


def test_a_decision_that_was_told_is_told_again_under_the_new_identifier(site, door):
    key = site.study(1, **OLD)
    with site.database.begin() as session:
        decided = NORMAL.model_copy(update={"study_key": key})
        decisions.announce(session, decided, ["ris", "never"])
        sent = session.scalars(select(OutgoingMessage).where(OutgoingMessage.destination == "ris"))
        kept = BlobStore(site.config.blob_folder).put(b"m")
        keep(session, [kept])
        sent.one().sha256 = kept.sha256
    with site.database.begin() as session:
        assert decisions.announce_again(session, key, "one", ["ris", "never"])
        assert decisions.announce_again(session, key, "one", ["ris", "never"])
    with site.database.read() as session:
        told = session.scalars(select(Announcement).order_by(Announcement.number)).all()
        assert [one.content["corrected"] for one in told] == [False, True], "once an identity"
        assert decisions.decision_of(told[1]).outcome is NORMAL.outcome
        again = session.scalars(
            select(OutgoingMessage.destination).where(
                OutgoingMessage.announcement == told[1].number
            )
        ).all()
    assert list(again) == ["ris"], "who was never told is not told of a correction"
    with site.database.begin() as session:
        for identity in ("two", "one"):
            assert decisions.announce_again(session, key, identity, ["ris"])
        told = session.scalars(select(Announcement)).all()
    assert len(told) == 4, "whose the patient was once before is told anew"


def test_a_reader_at_the_ris_may_send_either_identifier(site):
    key = site.study(1, **OLD)
    site.account("rita", "Rita Reader", Role.RADIOLOGIST)
    taker = IdentityTaker(site.config, Mover(site.config))
    with closing(Door(site, None, senders=[SENDER | {"takes": ["adt", "reads"]}])) as one:
        taken = []
        one.taking.takers = Takers(read=lambda _, read: taken.append(read), identity=taker)
        one.say(adt("A40"))
        for number, patient in enumerate(("OLD", "NEW", "OTHER")):
            one.say(read_of(patient=patient, control_id=f"R{number}"))
        assert [read.study_key for read in taken] == [key, key]


def test_images_are_asked_to_be_corrected_where_the_site_wants_it(site):
    site.study(1, **OLD)
    section = site.config.identity.model_copy(update={"images": "correct"})
    with closing(open_door(site, identity=section)) as one:
        one.say(adt("A40"))
    with site.database.read() as session:
        (row,) = session.scalars(select(IdentityCorrection)).all()
    assert (row.orthanc_id, row.state) == ("id-1", CorrectionState.WAITING)


# The pages


def test_a_case_says_that_its_identity_changed_and_the_old_one_to_who_may_see(site, door):
    key = site.study(1, **OLD)
    door.say(adt("A40"))
    html = site.person(Role.RADIOLOGIST).get(f"/studies/{key}").text
    for words in ("Changed patient identity", "pas", "A40", "OLD", "Wrong", "identifier, name"):
        assert words in html
    danish = site.person(Role.NURSE, language="da").get(f"/studies/{key}").text
    assert "Ændret patientidentitet" in danish
    assert "OLD" not in danish


def test_a_person_takes_a_merge_back_and_the_events_say_so(site, door):
    key = site.study(1, **OLD)
    with site.database.begin() as session:
        follow_up(session, site, 1, "OLD")
    door.say(adt("A40"))
    client = site.person(Role.RADIOLOGIST, name="rita")
    assert "Take back" in client.get(f"/studies/{key}/patient").text
    assert client.post(f"/studies/{key}/undo-identity", data={"statement": 2}).status_code == 404
    answer = client.post(f"/studies/{key}/undo-identity", data={"statement": 1})
    assert answer.status_code == 303
    row = seen(site)
    assert (row.patient_id, row.patient_name) == ("OLD", "Wrong^Name")
    (undone,) = events(site, EventKind.IDENTITY_UNDONE)
    assert (undone.actor, undone.data) == ("rita", {"statement": 1, "studies": 1})
    (moved,) = rows(site)
    assert moved.patient_key == patient_key("OLD", "", "19511224", "F")
    with site.database.read() as session:
        assert identifiers_of(session, row) == {("OLD", "")}
    assert client.post(f"/studies/{key}/undo-identity", data={"statement": 1}).status_code == 404
    assert "Take back" not in client.get(f"/studies/{key}/patient").text


def test_what_was_taken_back_is_not_said_again_by_a_message_that_is_repeated(site, door):
    key = site.study(1, **OLD)
    door.say(adt("A40"))
    door.say(adt("A40", control_id="I2"))
    client = site.person(Role.RADIOLOGIST, name="rita")
    answer = client.post(f"/studies/{key}/undo-identity", data={"statement": 1})
    assert (answer.status_code, seen(site).patient_id) == (303, "OLD"), "said twice, taken back"
    assert door.say(adt("A40", control_id="I3")).code == "AA"
    row = seen(site)
    assert (row.patient_id, row.patient_name) == ("OLD", "Wrong^Name")
    with site.database.read() as session:
        assert identifiers_of(session, row) == {("OLD", "")}
    door.say(adt("A40", control_id="I4", at="20260303093015"))
    assert seen(site).patient_id == "NEW", "a later word counts"


@pytest.mark.parametrize("first", ["the later", "the earlier"])
def test_a_word_said_before_does_not_move_on_what_a_later_one_moved(site, door, first):
    site.study(1, **OLD)
    later = adt("A40", control_id="I1", at="20260302093015")
    earlier = adt("A40", now="THIRD", prior="NEW", control_id="I2", at="20260301093015")
    for said in [later, earlier] if first == "the later" else [earlier, later]:
        assert door.say(said).code == "AA"
    assert seen(site).patient_id == "NEW"
    with site.database.read() as session:
        known, images = Identities(), Who("NEW")
        row = seen(site)
        stated, _ = known.stated(session, images, row.first_seen_at, row.key)
        assert stated.patient_id == "NEW", "images that were changed to it stay its"
    door.say(adt("A40", now="FOURTH", prior="NEW", control_id="I3", at="20260303093015"))
    assert seen(site).patient_id == "FOURTH"
