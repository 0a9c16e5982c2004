"""Earlier studies in our own archive: which, whose, who waits, and what a late one does."""

import datetime

import pytest
from follower import FollowUpSite
from sqlalchemy import select
from tiny import TinyStudy

from gransk.archive import patients, priors
from gransk.archive.patients import Patient, agree, identifiers, may_agree
from gransk.archive.tables import Archive, PriorSearch, SearchState
from gransk.core.errors import InvalidValueError
from gransk.core.reasons import Reason
from gransk.pipeline import priors as known
from gransk.pipeline.analyse import open_rows
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import utcnow


@pytest.fixture
def follow(site):
    def make(remotes=(), **section):
        return FollowUpSite(site(), remotes, **section)

    return make


def started(one):
    """Studies whose analysis a worker may start."""
    with one.database.read() as session:
        ids = [row.arguments[0] for row in open_rows(session)]
        return [session.get_one(Workitem, ident).study_key for ident in ids]


def test_an_earlier_study_is_found_and_analysed_first(follow):
    one = follow()
    earlier = one.send("20230101")
    one.search()
    current = one.send("20240101")
    assert started(one) == [earlier], "the search was not made yet"
    with one.database.read() as session:
        assert priors.awaited(session, current)
        assert one.item(session, current).step == "priors"
    one.search()
    assert one.priors(current) == [("20230101", "here", None)]
    with one.database.read() as session:
        assert not priors.awaited(session, current)
        assert [ref.study_key for ref in priors.usable(session, current)] == [earlier]
        assert priors.dependents(session, earlier) == [current]
        assert priors.usable(session, earlier) == []
        assert known.analysed(session, current, "follower") == []
    assert started(one) == [earlier], "the earlier one is not analysed yet"
    one.analysed(earlier)
    assert started(one) == [current]
    with one.database.read() as session:
        (ready,) = known.analysed(session, current, "follower")
    assert (ready.study.study_key, ready.analysis_key) == (earlier, "a" * 64)
    assert ready.study.study_date.isoformat() == "2023-01-01"


def test_the_step_is_shown_only_while_the_study_waits(follow):
    one = follow()
    one.send("20240101")
    current = one.send("20250101")
    one.past_deadline(current)
    one.search()
    with one.database.read() as session:
        assert one.item(session, current).step == ""


def test_nothing_waits_beyond_its_deadline(follow):
    one = follow()
    one.send("20230101")
    current = one.send("20240101")
    one.past_deadline(current)
    assert current in started(one)
    one.search()
    with one.database.read() as session:
        (told,) = known.not_compared(session, current, "follower")
    assert told.reason is Reason.PRIOR_LATE


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientBirthDate": "19500102"},
        {"PatientSex": "M"},
        {"PatientBirthDate": ""},
        {"IssuerOfPatientID": "ELSEWHERE"},
    ],
)
def test_another_patient_under_the_same_identifier_is_refused(follow, attributes):
    one = follow()
    one.send("20230101", **attributes)
    current = one.send("20240101")
    one.search()
    assert one.priors(current) == [("20230101", "refused", "prior_identity_mismatch")]
    with one.database.read() as session:
        assert priors.usable(session, current) == []
        (told,) = priors.not_compared(session, current)
    assert told.reason is Reason.PRIOR_IDENTITY_MISMATCH
    assert current in started(one)


def test_another_identifier_is_not_asked_for(follow):
    one = follow()
    one.send("20230101", PatientID="P2")
    current = one.send("20240101")
    one.search()
    assert one.priors(current) == []


def test_the_issuer_of_the_site_is_meant_where_none_is_named(follow):
    one = follow(issuer="CPR")
    earlier = one.send("20230101", IssuerOfPatientID="CPR")
    current = one.send("20240101")
    one.search()
    with one.database.read() as session:
        assert [ref.study_key for ref in priors.usable(session, current)] == [earlier]


def test_limits_of_number_and_age_are_told(follow):
    one = follow(most=2, oldest_years=5)
    for date in ("20150101", "20210101", "20220101", "20230101"):
        one.send(date)
    one.send("20230601", description="Knee")
    current = one.send("20240101")
    one.search()
    assert one.priors(current) == [
        ("20230101", "here", None),
        ("20220101", "here", None),
        ("20210101", "refused", "prior_over_limit"),
        ("20150101", "refused", "prior_too_old"),
    ]


def test_none_is_looked_for_where_none_is_wanted(follow):
    one = follow(most=0)
    one.send("20230101")
    current = one.send("20240101")
    one.search()
    assert one.priors(current) == []
    assert current in started(one)


def test_a_study_without_a_date_is_told_and_not_compared(follow):
    one = follow()
    one.send("")
    current = one.send("20240101")
    one.search()
    assert one.priors(current) == [("", "refused", "no_date")]


def test_two_studies_of_one_day_do_not_wait_for_each_other(follow):
    one = follow()
    first, second = one.send("20240101"), one.send("20240101")
    one.search()
    with one.database.read() as session:
        both = [len(priors.usable(session, key)) for key in (first, second)]
    assert sorted(both) == [0, 1]


def test_an_earlier_study_that_comes_late_makes_a_new_report(follow):
    one = follow()
    current = one.send("20240101")
    one.search()
    one.analysed(current)
    late = one.send("20230101")
    with one.database.read() as session:
        assert session.get_one(PriorSearch, current).state is not SearchState.DONE
    one.search()
    with one.database.read() as session:
        assert priors.dependents(session, late) == [current]
        item = one.item(session, current)
        assert (item.state, item.attempt) == (WorkState.READY, 0), "it is not analysed yet"


def test_what_a_study_waits_for_goes_no_later_than_the_study(follow):
    one = follow()
    earlier = one.send("20230101")
    current = one.send("20240101", RequestedProcedurePriority="STAT")
    one.search()
    with one.database.read() as session:
        item, waited = one.item(session, current), one.item(session, earlier)
        assert waited.priority == item.priority > 0


@pytest.mark.parametrize("corrected", ["earlier", "current"])
def test_corrected_patient_data_are_looked_at_anew(follow, corrected):
    one = follow()
    studies = {"earlier": TinyStudy(), "current": TinyStudy()}
    earlier = one.send("20230101", study=studies["earlier"])
    current = one.send("20240101", study=studies["current"])
    one.search()
    assert one.priors(current) == [("20230101", "here", None)]
    for key in (earlier, current):
        one.analysed(key)
    date = {"earlier": "20230101", "current": "20240101"}[corrected]
    key = one.send(date, study=studies[corrected], PatientBirthDate="19600101")
    assert key in (earlier, current)
    one.search()
    assert one.priors(current) == [("20230101", "refused", "prior_identity_mismatch")]
    with one.database.read() as session:
        assert one.item(session, current).state == WorkState.WAITING, "a new report is due"


def test_replacement_numbers_are_joined_and_parted_by_a_person(follow):
    one = follow()
    earlier = one.send("20230101", PatientID="P-OLD")
    one.search()
    one.analysed(earlier)
    current = one.send("20240101", PatientID="P-NEW")
    one.search()
    one.analysed(current)
    assert one.priors(current) == []
    with one.database.begin() as session:
        assert patients.join(session, ("P-NEW", ""), ("P-OLD", ""), "anna", current)
        assert not patients.join(session, ("P-OLD", ""), ("P-NEW", ""), "anna", current)
        priors.ask_for_patient(session, "P-NEW", "")
    one.search()
    assert one.priors(current) == [("20230101", "here", None)]
    with one.database.read() as session:
        item = one.item(session, current)
        assert (item.state, item.attempt) == (WorkState.WAITING, 1)
        (link,) = patients.links(session, ("P-OLD", ""))
    assert (link.joined_by, link.parted_at) == ("anna", None)
    one.analysed(current)
    with one.database.begin() as session:
        priors.ask_for_patient(session, "P-NEW", "")
        assert patients.part(session, link.id, "bo", current)
        assert not patients.part(session, link.id, "bo", current)
    one.search()
    assert one.priors(current) == []
    with one.database.read() as session:
        item = one.item(session, current)
        assert (item.state, item.attempt) == (WorkState.WAITING, 2)
        assert identifiers(session, ("P-NEW", "")) == {("P-NEW", "")}


def test_an_empty_identifier_is_not_joined(follow):
    one = follow()
    with one.database.begin() as session, pytest.raises(InvalidValueError, match="identifier"):
        patients.join(session, ("P", ""), ("", ""), "anna", "k")


def test_an_earlier_study_that_was_deleted_is_gone(follow):
    one = follow()
    earlier = one.send("20230101")
    current = one.send("20240101")
    one.search()
    with one.database.read() as session:
        (ref,) = priors.usable(session, current)
    one.site.process.client.delete_study(ref.orthanc_id)
    one.intake._watch.count_soon()
    one.intake.run_once()
    with one.database.read() as session:
        assert priors.usable(session, current) == []
        (told,) = priors.not_compared(session, current)
        assert [ref.study_key for ref in priors.removed(session, current)] == [earlier]
    assert told.reason is Reason.PRIOR_GONE
    assert current in started(one)


ANNA = Patient("P1", "", "19500101", "F")
SAME = frozenset({("P1", "")})


@pytest.mark.parametrize(
    ("other", "agrees", "may"),
    [
        (Patient("P1", "", "19500101", "F"), True, True),
        (Patient("P1", "", "", ""), False, True),
        (Patient("P1", "X", "19500101", "F"), False, False),
        (Patient("p1", "", "19500101", "F"), False, False),
        (Patient("P1", "", "19500101", "O"), False, False),
        (Patient("", "", "19500101", "F"), False, False),
    ],
)
def test_who_is_the_same_patient(other, agrees, may):
    assert agree(ANNA, other, SAME, "") is agrees
    assert may_agree(ANNA, other, SAME) is may


def test_nobody_agrees_with_a_patient_without_a_birth_date():
    nobody = Patient("P1", "", "", "F")
    assert not agree(nobody, nobody, SAME, "")
    assert not may_agree(nobody, ANNA, SAME)


def test_nothing_waits_for_a_service_that_is_down(follow):
    """Workers go on without it: queued studies finish while the service is down."""
    one = follow()
    one.send("20230101")
    current = one.send("20240101")

    def attended(seconds):
        with one.database.begin() as session:
            archive = session.scalars(select(Archive)).one()
            archive.attended_at = utcnow() - datetime.timedelta(seconds=seconds)

    assert current not in started(one)
    attended(seconds=31)
    assert current in started(one)
    attended(seconds=1)
    assert current not in started(one)
