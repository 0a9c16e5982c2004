"""What images say of an exam, whose word counts, and what a plan is told of it."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from test_programmes import image, study

from gransk.archive.tables import Archive
from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import Fact, Place, Round, Where, checked, facts_of, unit_of
from gransk.core.programme import Programme
from gransk.core.study import Study
from gransk.pipeline import exam_facts, programmes
from gransk.pipeline.handlers import Handlers, Rules
from gransk.reading.knowing import known_exam
from gransk.reading.planning import UNSAID, Word
from gransk.results.exam_facts import Standing, known_of
from gransk.results.tables import ExamFact, FactSource, ProgrammeSource
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database
from gransk.site.migrate import upgrade

SECTION = ReadingSection(
    units=(
        {
            "name": "north",
            "title": "North",
            "match": ({"institution": "Hospital", "department": "Mamma"}, {"aet": "BUS1"}),
        },
        {"name": "south", "title": "South", "match": ({"station": "S1"},)},
    )
)


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        session.add(Archive(name="orthanc", identity="x", cursor=0, swept_at=None))
        yield session
    database.close()


def read(*instances):
    return facts_of(Study.from_instances(instances), SECTION.matches)


def submit(session, seen, *instances):
    handlers = Handlers({}, Rules(1, reading=SECTION))
    handlers.submit(session, seen, Study.from_instances(instances or [image()]), False)
    return known_of(session, seen.key)


def say(session, source, number="A1", **facts):
    said = {number: {Fact(name): value for name, value in facts.items()}}
    return exam_facts.state_exams(session, said, source, "somebody")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["YES", "NO"], "yes"),
        (["NO", "NO"], "no"),
        (["NO", ""], None),
        (["NO", None], None),
        ([None, None], None),
        (["yes", None], "yes"),
    ],
)
def test_an_implant_is_said_by_one_image_its_absence_by_all(values, said):
    headers = [{} if value is None else {"BreastImplantPresent": value} for value in values]
    found = read(*(image(n, **header) for n, header in enumerate(headers, start=1)))
    assert found.get(Fact.IMPLANT) == said


@pytest.mark.parametrize(
    ("attributes", "age"),
    [
        ({"PatientAge": "055Y"}, "55"),
        ({"PatientAge": "011M"}, None),
        ({"PatientAge": "55"}, None),
        ({"PatientAge": "055Y", "PatientBirthDate": "19700302", "StudyDate": "20260301"}, "55"),
        ({"PatientAge": "099Y", "PatientBirthDate": "19700301", "StudyDate": "20260301"}, "56"),
        ({"PatientBirthDate": "19700301"}, None),
        ({"PatientAge": "050Y", "PatientBirthDate": "1970", "StudyDate": "20260301"}, "50"),
        ({"PatientBirthDate": "20270301", "StudyDate": "20260301"}, None),
        ({}, None),
    ],
)
def test_age_is_whole_years_at_the_exam(attributes, age):
    assert read(image(**attributes)).get(Fact.AGE) == age


def test_equipment_is_told_where_the_images_are_of_one_machine():
    one = {"Manufacturer": "Maker", "ManufacturerModelName": "M1"}
    assert read(image(1, **one), image(2, **one))[Fact.EQUIPMENT] == "Maker M1"
    assert Fact.EQUIPMENT not in read(image(1, **one), image(2, Manufacturer="Other"))


@pytest.mark.parametrize(
    ("places", "unit"),
    [
        ([Place(institution=" hospital ", department="MAMMA")], "north"),
        ([Place(institution="Hospital")], ""),
        ([Place(institution="Hospital", department="Lung")], ""),
        ([Place(aet="BUS1")], "north"),
        ([Place(station="S1")], "south"),
        ([Place(station="S1"), Place(station="unknown")], "south"),
        ([Place(station="S1"), Place(aet="BUS1")], ""),
        ([Place()], ""),
    ],
)
def test_images_are_a_units_when_everything_given_is_equal(places, unit):
    assert unit_of(places, SECTION.matches) == unit


def test_a_match_of_nothing_would_be_everything():
    with pytest.raises(InvalidValueError):
        Where()
    with pytest.raises(ValueError, match="institution"):
        ReadingSection(units=({"name": "n", "title": "N", "match": ({"station": " "},)},))


def test_who_sent_the_images_is_read_from_the_file_meta_information():
    from pydicom.dataset import FileMetaDataset

    sent = image()
    sent.header.file_meta = FileMetaDataset()
    sent.header.file_meta.SendingApplicationEntityTitle = "BUS1"
    assert read(sent)[Fact.UNIT] == "north"


def test_images_are_read_when_a_study_settles_and_again_when_they_change(session):
    seen = study(session)
    found = submit(session, seen, image(BreastImplantPresent="NO", StationName="S1"))
    assert found[Fact.IMPLANT] == Standing("no", FactSource.IMAGES)
    assert found[Fact.UNIT].value == "south"
    seen.fingerprint = "two"
    found = submit(session, seen, image(StationName="S1"))
    assert Fact.IMPLANT not in found
    rows = session.scalars(select(ExamFact.value).where(ExamFact.fact == Fact.IMPLANT)).all()
    assert rows == ["no", ""]
    submit(session, seen, image(StationName="S1"))
    assert len(session.scalars(select(ExamFact)).all()) == 3


def test_what_is_said_before_the_images_arrive_counts(session):
    say(session, FactSource.MACHINE, round="later", declines_ai="yes")
    found = submit(session, study(session))
    assert (found[Fact.ROUND].value, found[Fact.DECLINES_AI].value) == ("later", "yes")


def test_a_yes_counts_until_a_person_says_no(session):
    seen = study(session)
    submit(session, seen, image(BreastImplantPresent="YES"))
    say(session, FactSource.MACHINE, implant="no")
    assert known_of(session, seen.key)[Fact.IMPLANT] == Standing("yes", FactSource.IMAGES)
    exam_facts.state_study(session, seen, Fact.IMPLANT, "no", FactSource.PERSON, "karen")
    assert known_of(session, seen.key)[Fact.IMPLANT] == Standing("no", FactSource.PERSON)
    exam_facts.state_study(session, seen, Fact.IMPLANT, "", FactSource.PERSON, "karen")
    assert known_of(session, seen.key)[Fact.IMPLANT].value == "yes"


def test_a_round_is_the_highest_ranks_latest_word(session):
    seen = study(session)
    for word in ("first", "later"):
        say(session, FactSource.FILE, round=word)
    assert known_of(session, seen.key)[Fact.ROUND].value == "later"
    exam_facts.state_study(session, seen, Fact.ROUND, "first", FactSource.PERSON, "karen")
    say(session, FactSource.MACHINE, round="later")
    assert known_of(session, seen.key)[Fact.ROUND].value == "first"


def test_the_same_again_is_not_written(session):
    study(session)
    assert say(session, FactSource.FILE, treated="no", round="first").added == 1
    assert say(session, FactSource.FILE, treated="no").added == 0
    assert say(session, FactSource.FILE, treated="").added == 1
    assert len(session.scalars(select(ExamFact)).all()) == 3


def test_a_shared_number_counts_at_none_until_one_study_goes(session):
    one, other = study(session), study(session, "t" * 32, patient="p2")
    say(session, FactSource.FILE, treated="no")
    assert known_of(session, one.key) == {}
    other.deleted_at = other.changed_at
    exam_facts.settle(session, other)
    assert known_of(session, one.key)[Fact.TREATED].value == "no"


def test_the_database_keeps_every_word(session):
    say(session, FactSource.FILE, treated="no")
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(text("UPDATE exam_fact SET value = 'yes'"))
    session.rollback()


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        (Fact.TREATED, "maybe"),
        (Fact.ROUND, "yes"),
        (Fact.AGE, "131"),
        (Fact.AGE, "-1"),
        (Fact.UNIT, "A b"),
        (Fact.EQUIPMENT, "x" * 129),
    ],
)
def test_what_is_no_value_of_a_fact_is_refused(fact, value):
    with pytest.raises(InvalidValueError):
        checked(fact, value)


def test_a_plan_is_told_what_counts(session):
    seen = study(session)
    headers = {"BreastImplantPresent": "NO", "StationName": "S1", "PatientAge": "061Y"}
    submit(session, seen, image(**headers))
    nothing = known_exam(session, "x" * 32, incomplete=True)
    assert (nothing.programme, nothing.unit, nothing.implant, nothing.incomplete) == (
        None, "", UNSAID, True,
    )  # fmt: skip
    said = {"A1": Programme.SCREENING}
    programmes.state_exams(session, said, ProgrammeSource.MACHINE, "booking")
    say(session, FactSource.MACHINE, round="first", treated="yes")
    found = known_exam(session, seen.key, incomplete=False)
    assert (found.programme, found.listed) == (Programme.SCREENING, True)
    assert (found.unit, found.age, found.round) == ("south", 61, Round.FIRST)
    assert (found.implant, found.treated) == (Word(False, by_images=True), Word(True))
    assert found.declines_ai == UNSAID
    programmes.state_study(session, seen, Programme.SCREENING, "karen")
    assert not known_exam(session, seen.key, incomplete=False).listed
