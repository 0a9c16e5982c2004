"""The follow-up list: who is on it, from when, and what takes a patient off."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from gransk.core.followup import Advice, Assessment, FollowUp
from gransk.core.keys import digest
from gransk.core.patients import PatientStudy, patient_key
from gransk.reading import followup
from gransk.reading.followup import Filter, FollowUpError, Wish
from gransk.reading.noting import Noter, catch_up, tend
from gransk.reading.plan import PlanReason
from gransk.reading.release import release_report
from gransk.reading.tables import Closing, FollowUpRow, FollowUpState
from gransk.results import edits
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.edits import Person, Seen
from gransk.results.store import NewObject, seal_analysis, seal_report, withdraw_report
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site import people
from gransk.site.config import FollowUpSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Event, Role

DAY = datetime.date
FIRST, SECOND, THIRD = DAY(2026, 1, 5), DAY(2026, 7, 6), DAY(2027, 1, 4)
ANNA, BO = patient_key("1", "", "1950", "F"), patient_key("2", "", "1950", "F")
DORTE = Person("dorte", "Dorte Doctor", "radiologist")


def advice(due: tuple[DAY, DAY] | None, **values: Any) -> Advice:
    said = {"en": "CT in 6 months", "da": "CT om 6 måneder"}
    return Advice(
        **{
            "tracking_uid": "1.1",
            "guideline": "fleischner-2017",
            "version": "1",
            "source_state": "primary",
            "status": "advice",
            "row": "r1",
            "action": "ct",
            "due": due,
            "text": said,
            "reason": said,
        }
        | values
    )


def told(*advices: Advice) -> FollowUp:
    return FollowUp(assessment=Assessment(advice=advices))


DUE = (DAY(2026, 7, 1), DAY(2026, 8, 1))
LATER = (DAY(2027, 1, 1), DAY(2027, 2, 1))


@dataclass
class Place:
    """A site of which only reports and the list are here."""

    database: Database
    blobs: BlobStore
    after: str = "signed"
    gate: tuple[PlanReason, ...] = ()
    """Why the models may not spare a signature."""
    patients: dict[str, PatientStudy] = field(default_factory=dict)
    count: int = 0

    @property
    def noter(self) -> Noter:
        settings = FollowUpSection(after=self.after)
        return Noter(
            self.blobs, lambda _session, key: self.patients.get(key), settings, lambda *_: self.gate
        )

    def study(self, patient: str, date: DAY | None) -> str:
        key = digest(["study", len(self.patients)])[:32]
        self.patients[key] = PatientStudy((patient,), date)
        with self.database.begin() as session:
            session.add(
                Workitem(
                    id=digest(["item", key])[:32], study_key=key, application="nodule",
                    state=WorkState.READY, reason=None, detail="", step="", share=1.0, priority=0,
                    incomplete=False, fingerprint="f", generation=0, attempt=0, deaths=0,
                    analysis_key=None, report_key=None, settings_version=1, created_at=utcnow(),
                    images_at=utcnow(), started_at=None, finished_at=None,
                )
            )  # fmt: skip
        return key

    def item(self, session: Any, study: str) -> Workitem:
        return session.get_one(Workitem, digest(["item", study])[:32])

    def report(self, study: str, follow_up: FollowUp | None, key: str = "") -> str:
        """A report is sealed and released; its key."""
        self.count += 1
        key = key or digest(["report", self.count])
        kept = self.blobs.put(follow_up.model_dump_json().encode()) if follow_up else None
        with self.database.begin() as session:
            item, analysis = self.item(session, study), digest(["analysis", study])
            empty = self.blobs.put(b"{}")
            seal_analysis(session, analysis, "nodule", empty, empty, 1.0)
            made = NewObject("SR", "1.2.3", f"2.25.{self.count}", "2.25.99", empty)
            seal_report(session, item, key, analysis, utcnow(), [made], kept)
        with self.database.begin() as session:
            assert release_report(session, key, "policy", lambda *_: {}, self.noter)
        return key

    def sign(self, study: str, follow_up: FollowUp | None) -> str:
        """A person signs the report, and the signed one is released."""
        with self.database.begin() as session:
            edits.sign(session, Seen.of(self.item(session, study)), DORTE)
        return self.report(study, follow_up)

    def stored(self, report: str) -> str:
        """The digest of what a report advises."""
        with self.database.read() as session:
            found = session.get_one(Report, report).follow_up_sha256
        assert found is not None
        return found

    def rows(self) -> list[FollowUpRow]:
        with self.database.read() as session:
            return list(session.scalars(select(FollowUpRow).order_by(FollowUpRow.patient_key)))

    def row(self) -> FollowUpRow:
        (row,) = self.rows()
        return row

    def change(self, **wish: Any) -> None:
        row = self.row()
        with self.database.begin() as session:
            followup.change(session, row.id, row.version, Wish(**wish), "rita")

    def shown(self, today: DAY, state: str = "open", **wanted: str) -> list[followup.Line]:
        with self.database.read() as session:
            return followup.lines(session, Filter(state, **wanted), today, 14)


@pytest.fixture
def place(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        people.create_account(session, "rita", "Rita Radiographer", [Role.RADIOGRAPHER])
    yield Place(database, BlobStore(tmp_path / "blobs"))
    database.close()


def test_advice_waits_for_a_signature(place):
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    row = place.row()
    assert (row.state, row.signed) == (FollowUpState.PROPOSED, False)
    assert place.shown(FIRST) == []
    assert len(place.shown(FIRST, "proposed")) == 1
    signed = place.sign(study, told(advice(DUE)))
    row = place.row()
    assert (row.state, row.signed, row.report_key) == (FollowUpState.DUE, True, signed)
    assert (row.due_from, row.due_to, row.study_date) == (*DUE, FIRST)
    assert row.advice["text"]["da"] == "CT om 6 måneder"
    assert len(place.shown(FIRST)) == 1


def test_a_site_may_list_advice_at_once(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    assert place.row().state == FollowUpState.DUE


def test_advice_awaits_a_signature_where_the_gate_is_closed(place):
    place.after, place.gate = "released", (PlanReason.NOT_VALIDATED,)
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    assert (place.row().state, place.row().signed) == (FollowUpState.PROPOSED, False)
    place.sign(study, told(advice(DUE)))
    assert (place.row().state, place.row().signed) == (FollowUpState.DUE, True)


def test_behind_a_closed_gate_an_analysis_takes_nobody_off_the_list(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    place.gate = (PlanReason.RESEARCH_MODEL,)
    place.report(place.study(ANNA, SECOND), told())
    assert place.row().state == FollowUpState.PROPOSED


@pytest.mark.parametrize("follow_up", [None, FollowUp(), told(), told(advice(None))])
def test_without_a_date_nobody_is_listed(place, follow_up):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), follow_up)
    assert place.rows() == []


def test_the_most_pressing_advice_with_a_date_counts(place):
    place.after = "released"
    first = advice(None, action="pet_ct")
    second, third = advice(LATER, row="r2"), advice(DUE, row="r3")
    place.report(place.study(ANNA, FIRST), told(first, second, third))
    assert place.row().advice["row"] == "r2"


def test_one_row_a_patient_and_each_patient_a_row(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    place.report(place.study(BO, FIRST), told(advice(DUE)))
    place.report(place.study(ANNA, SECOND), told(advice(LATER)))
    assert sorted(row.patient_key for row in place.rows()) == sorted([ANNA, BO])


def test_a_newer_study_takes_the_old_advice_off(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    place.change(state=FollowUpState.BOOKED, booked_on=SECOND, responsible="rita", next_step="x")
    newer = place.study(ANNA, SECOND)
    place.report(newer, told(advice(LATER)))
    row = place.row()
    assert (row.state, row.due_to, row.study_key) == (FollowUpState.DUE, LATER[1], newer)
    assert (row.booked_on, row.next_step, row.responsible) == (None, "", "rita")
    last = place.study(ANNA, THIRD)
    place.report(last, told(advice(None, action="end_of_follow_up")))
    row = place.row()
    assert (row.state, row.closing) == (FollowUpState.CLOSED, Closing.NEW_STUDY)
    assert row.study_key == last


def test_an_unsigned_newer_study_is_not_forgotten(place):
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    place.sign(study, told(advice(DUE)))
    newer = place.study(ANNA, SECOND)
    place.report(newer, told(advice(None)))
    assert place.row().state == FollowUpState.PROPOSED
    assert place.shown(THIRD) == []
    place.sign(newer, told(advice(None)))
    row = place.row()
    assert (row.state, row.closing) == (FollowUpState.CLOSED, Closing.NO_ADVICE)


def test_an_older_study_that_comes_late_changes_nothing(place):
    place.after = "released"
    newer = place.study(ANNA, SECOND)
    place.report(newer, told(advice(LATER)))
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    row = place.row()
    assert (row.study_key, row.due_to) == (newer, LATER[1])


def test_a_new_report_of_the_same_study(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    place.change(state=FollowUpState.BOOKED, booked_on=SECOND, responsible="rita")
    place.report(study, told(advice(LATER)))
    row = place.row()
    assert (row.state, row.booked_on, row.due_to) == (FollowUpState.BOOKED, SECOND, LATER[1])
    place.report(study, None)
    row = place.row()
    assert (row.state, row.closing) == (FollowUpState.CLOSED, Closing.NO_ADVICE)
    place.report(study, told(advice(DUE)))
    assert place.row().state == FollowUpState.DUE


def test_signed_advice_stands_until_the_changed_report_is_signed(place):
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    place.sign(study, told(advice(DUE)))
    with place.database.begin() as session:
        edits.reject(session, Seen.of(place.item(session, study)), DORTE, "1.1", "vessel")
    place.report(study, None)
    row = place.row()
    assert (row.state, row.due_to, row.signed) == (FollowUpState.DUE, DUE[1], True)
    place.sign(study, None)
    assert place.row().closing == Closing.NO_ADVICE


def test_what_a_person_closed_stays_closed(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    place.change(state=FollowUpState.CLOSED, closing=Closing.DECLINED)
    place.report(study, told(advice(LATER)))
    assert place.row().state == FollowUpState.CLOSED
    place.report(place.study(ANNA, SECOND), told(advice(LATER)))
    row = place.row()
    assert (row.state, row.closing) == (FollowUpState.DUE, None)


def test_corrected_patient_data_move_the_advice(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    place.patients[study] = PatientStudy((BO,), FIRST)
    place.report(study, told(advice(DUE)))
    found = {row.patient_key: row for row in place.rows()}
    assert found[ANNA].closing == Closing.OTHER_PATIENT
    assert found[BO].state == FollowUpState.DUE


def test_joined_identifiers_are_one_patient(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    study = place.study(BO, SECOND)
    place.patients[study] = PatientStudy((BO, ANNA), SECOND)
    place.report(study, told(advice(LATER)))
    assert place.row().due_to == LATER[1]


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), BlobError("missing")])
def test_advice_that_cannot_be_read_now_lets_the_release_be_tried_again(place, fault, monkeypatch):
    def fails(store, sha256):
        raise fault

    study = place.study(ANNA, FIRST)
    with monkeypatch.context() as now:
        now.setattr(BlobStore, "get", fails)
        with pytest.raises(type(fault)):
            place.report(study, told(advice(DUE)))
    with place.database.read() as session:
        (report,) = session.scalars(select(Report)).all()
    assert report.released_at is None
    assert place.rows() == []
    with place.database.begin() as session:
        assert release_report(session, report.key, "policy", lambda *_: {}, place.noter)
    assert place.row().due_to == DUE[1]


def test_advice_that_makes_no_sense_is_told_once_and_stops_no_release(place, caplog, monkeypatch):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))
    monkeypatch.setattr(BlobStore, "get", lambda store, sha256: b'{"assessment": 1}')
    key = place.report(study, told(advice(LATER)))
    with place.database.begin() as session:
        assert session.get_one(Report, key).released_at is not None
        assert catch_up(session, place.noter) == 0
        events = session.scalars(select(Event).where(Event.kind == "follow_up_changed")).all()
    assert [event.data.get("error") for event in events] == [None, "ValidationError"]
    assert place.row().due_to == DUE[1]
    assert "makes no sense" in caplog.text


def test_one_that_cannot_be_read_holds_up_no_other_on_the_list(place, caplog, monkeypatch):
    """Reports that stand again are brought in step later; the others at once."""
    place.after = "released"
    studies = [place.study(ANNA, FIRST), place.study(BO, FIRST)]
    keys = [
        place.report(study, told(advice(due)))
        for study, due in zip(studies, (DUE, LATER), strict=True)
    ]
    for study in studies:
        place.report(study, None)
    with place.database.begin() as session:
        for study, key in zip(studies, keys, strict=True):
            item = place.item(session, study)
            seal_report(session, item, key, item.analysis_key, utcnow(), [])
    lost = place.blobs.path(place.stored(keys[0]))
    content = lost.read_bytes()
    lost.unlink()
    with place.database.begin() as session:
        assert catch_up(session, place.noter) == 1
    assert "cannot be read" in caplog.text
    assert {row.patient_key: row.state for row in place.rows()} == {ANNA: "closed", BO: "due"}
    lost.write_bytes(content)
    with place.database.begin() as session:
        assert catch_up(session, place.noter) == 1
        assert catch_up(session, place.noter) == 0
    assert {row.state for row in place.rows()} == {"due"}


def test_a_withdrawn_report_keeps_its_patient_on_the_list(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    key = place.report(study, told(advice(DUE)))
    assert not place.shown(FIRST)[0].withdrawn
    with place.database.begin() as session:
        withdraw_report(session, key, study)
    assert place.shown(FIRST)[0].withdrawn


def test_a_report_that_stands_again_brings_its_advice_back(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    key = place.report(study, told(advice(DUE)))
    place.report(study, None)
    assert place.row().state == FollowUpState.CLOSED
    with place.database.begin() as session:
        item = place.item(session, study)
        seal_report(session, item, key, item.analysis_key, utcnow(), [])
        assert catch_up(session, place.noter) == 1
        assert catch_up(session, place.noter) == 0
    assert place.row().state == FollowUpState.DUE


@pytest.mark.parametrize(
    ("today", "days"),
    [(DAY(2026, 7, 31), 0), (DAY(2026, 8, 15), 0), (DAY(2026, 8, 16), 1), (DAY(2026, 9, 1), 17)],
)
def test_overdue_is_the_clocks(place, today, days):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    (line,) = place.shown(today)
    assert line.overdue_days == days
    assert len(place.shown(today, "overdue")) == (days > 0)
    with place.database.read() as session:
        assert followup.count_overdue(session, today, 14) == (days > 0)
        assert followup.counts(session, today, 14)["due"] == 1


def test_a_booked_day_counts_instead_of_the_last_day(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    place.change(state=FollowUpState.BOOKED, booked_on=DAY(2026, 9, 20))
    assert place.shown(DAY(2026, 9, 25))[0].overdue_days == 0
    assert place.shown(DAY(2026, 10, 5))[0].overdue_days == 1


@pytest.mark.parametrize("state", ["lost", "moved", "died", "closed"])
def test_what_is_off_the_list_is_not_overdue(place, state):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    closing = Closing.NOT_FIT if state == "closed" else None
    place.change(state=FollowUpState(state), closing=closing)
    assert place.shown(THIRD) == []
    assert place.shown(THIRD, "overdue") == []
    assert len(place.shown(THIRD, state)) == 1
    place.change(state=FollowUpState.DUE)
    assert place.shown(THIRD)[0].overdue_days > 0


def test_unsigned_advice_is_overdue_too(place):
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    assert place.shown(THIRD)[0].overdue_days > 0


def test_an_alarm_is_told_once_for_each_day_it_was_due(place):
    place.after = "released"
    study = place.study(ANNA, FIRST)
    place.report(study, told(advice(DUE)))

    def tell(today: DAY) -> int:
        with place.database.begin() as session:
            return followup.tell_overdue(session, today, 14)

    assert tell(FIRST) == 0
    assert tell(THIRD) == 1
    assert tell(THIRD) == 0
    place.report(study, told(advice(LATER)))
    with place.database.begin() as session:
        tend(session, place.noter, DAY(2028, 1, 1))
    assert tell(DAY(2028, 1, 1)) == 0


def test_order_is_overdue_then_by_day(place):
    place.after = "released"
    for number, last in enumerate([DAY(2027, 3, 1), DAY(2026, 3, 1), DAY(2026, 12, 1)]):
        due = (DAY(2026, 2, 1), last)
        place.report(place.study(patient_key(str(number), "", "", ""), FIRST), told(advice(due)))
    shown = place.shown(DAY(2026, 6, 1))
    assert [line.row.due_to.month for line in shown] == [3, 12, 3]
    assert [line.overdue_days > 0 for line in shown] == [True, False, False]


def test_filter_by_who_is_responsible(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    assert len(place.shown(FIRST, responsible="-")) == 1
    place.change(state=FollowUpState.DUE, responsible="rita", note="called")
    assert place.shown(FIRST, responsible="-") == []
    assert len(place.shown(FIRST, responsible="rita")) == 1


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"state": "closed"}, "follow_up_wrong"),
        ({"state": "closed", "closing": "new_study"}, "follow_up_wrong"),
        ({"state": "due", "closing": "declined"}, "follow_up_wrong"),
        ({"state": "booked"}, "follow_up_wrong"),
        ({"state": "due", "booked_on": FIRST}, "follow_up_wrong"),
        ({"state": "proposed"}, "follow_up_wrong"),
        ({"state": "due", "note": "x" * 501}, "follow_up_wrong"),
        ({"state": "due", "responsible": "nobody"}, "follow_up_nobody"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(place, wish, code):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    before = place.row().version
    values = wish | {"state": FollowUpState(wish["state"])}
    if "closing" in wish:
        values["closing"] = Closing(wish["closing"])
    with pytest.raises(FollowUpError) as error:
        place.change(**values)
    assert error.value.code == code
    assert place.row().version == before


def test_two_people_do_not_undo_each_others_change(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    row = place.row()
    place.change(state=FollowUpState.LOST)
    with pytest.raises(FollowUpError) as error, place.database.begin() as session:
        followup.change(session, row.id, row.version, Wish(FollowUpState.DUE), "rita")
    assert error.value.code == "follow_up_changed"


def test_history_tells_who_and_what_but_no_words(place):
    place.after = "released"
    place.report(place.study(ANNA, FIRST), told(advice(DUE)))
    place.change(state=FollowUpState.DUE, note="secret words", responsible="rita")
    with place.database.read() as session:
        events = followup.history(session, place.row())
    assert [event.actor for event in events] == ["rita", "gransk"]
    assert events[0].data["fields"] == ["responsible", "note"]
    assert "secret" not in str([event.data for event in events])
