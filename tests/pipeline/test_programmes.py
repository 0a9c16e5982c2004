"""The programme that a study's order says, and what was said before it arrived."""

import pytest
from pydicom import Dataset, Sequence
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from gransk.archive.headers import dataset
from gransk.archive.tables import Archive, SeenStudy
from gransk.core.programme import Programme, order_of
from gransk.core.study import Instance, Study
from gransk.pipeline import programmes
from gransk.pipeline.handlers import Handlers, Rules
from gransk.results.programmes import Conflict, programme_of
from gransk.results.tables import ExamProgramme, ProgrammeSource, ProgrammeStatement
from gransk.site.config import ProgrammeSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

SCREENING = {"programme": "screening", "scheme": "99SITE", "value": "MAM-SCR"}
CLINICAL = {"programme": "clinical", "scheme": "99SITE", "value": "MAM-CLIN"}
HIGH_RISK = {"programme": "high_risk", "scheme": "SCT", "value": "1"}
TEXT = {"programme": "high_risk", "text": "Årlig kontrol"}
SECTION = ProgrammeSection(codes=(SCREENING, CLINICAL, HIGH_RISK), texts=(TEXT,))


def code(scheme, value, keyword="CodeValue"):
    item = Dataset()
    item.CodingSchemeDesignator = scheme
    setattr(item, keyword, value)
    item.CodeMeaning = "whatever"
    return item


def image(number=1, request=None, **attributes):
    header = Dataset()
    header.SOPClassUID = header.SeriesInstanceUID = "1.2.3"
    header.SOPInstanceUID = f"1.2.3.{number}"
    header.StudyInstanceUID = "1.2"
    for keyword, value in attributes.items():
        setattr(header, keyword, Sequence(value) if isinstance(value, list) else value)
    if request is not None:
        item = Dataset()
        for keyword, value in request.items():
            setattr(item, keyword, Sequence(value) if isinstance(value, list) else value)
        header.RequestAttributesSequence = Sequence([item])
    return Instance(header, lambda: header)


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        session.add(Archive(name="orthanc", identity="x", cursor=0, swept_at=None))
        yield session
    database.close()


def study(session, key="s" * 32, accession="A1", patient="p1"):
    values = {}
    for column in SeenStudy.__table__.columns:
        values[column.name] = {"Integer": 0, "Boolean": False, "JSON": []}.get(
            type(column.type).__name__, ""
        )
        if "DateTime" in type(column.type).__name__:
            values[column.name] = None if column.nullable else utcnow()
    values |= {"key": key, "archive": "orthanc", "fingerprint": "one"}
    values |= {"accession_number": accession, "patient_id": patient}
    seen = SeenStudy(**values)
    session.add(seen)
    session.flush()
    return seen


def submit(session, seen, *instances):
    handlers = Handlers({}, Rules(1, programme=SECTION))
    handlers.submit(session, seen, Study.from_instances(instances or [image()]), False)
    return session.get_one(ExamProgramme, seen.key)


@pytest.mark.parametrize(
    "instance",
    [
        image(request={"RequestedProcedureCodeSequence": [code("99SITE", "MAM-SCR")]}),
        image(request={"ReasonForRequestedProcedureCodeSequence": [code("99SITE", "MAM-SCR")]}),
        image(request={"ScheduledProtocolCodeSequence": [code("99SITE", "MAM-SCR")]}),
        image(RequestedProcedureCodeSequence=[code("99SITE", "MAM-SCR ")]),
        image(ProcedureCodeSequence=[code("X", "1"), code("99SITE", "MAM-SCR", "LongCodeValue")]),
        image(ReasonForRequestedProcedureCodeSequence=[code("99SITE", "MAM-SCR")]),
        # A code counts before a text.
        image(
            RequestedProcedureCodeSequence=[code("99SITE", "MAM-SCR")],
            StudyDescription="Årlig kontrol",
        ),
    ],
)
def test_codes_of_the_order_are_read(session, instance):
    row = submit(session, study(session), image(7), instance)
    assert (row.programme, row.source, row.conflict) == ("screening", "order", "")
    assert row.said_by == "gransk"


@pytest.mark.parametrize(
    ("instance", "programme"),
    [
        (image(StudyDescription=" Årlig kontrol "), "high_risk"),
        (image(request={"ReasonForTheRequestedProcedure": "Årlig kontrol"}), "high_risk"),
        (image(request={"RequestedProcedureDescription": "Årlig kontrol"}), "high_risk"),
        (image(StudyDescription="årlig kontrol"), None),
        (image(StudyDescription="Årlig kontrol af bryst"), None),
        (image(StudyDescription="Screening"), None),
        (image(RequestedProcedureCodeSequence=[code("OTHER", "MAM-SCR")]), None),
        (image(RequestedProcedureCodeSequence=[code("99SITE", "mam-scr")]), None),
        (image(RequestedProcedureCodeSequence=[Dataset()]), None),
        (image(), None),
    ],
)
def test_a_text_counts_whole_and_nothing_is_guessed(session, instance, programme):
    assert submit(session, study(session), instance).programme == programme


def test_an_order_that_contradicts_itself_says_nothing_and_is_shown(session):
    codes = [code("99SITE", "MAM-SCR"), code("99SITE", "MAM-CLIN")]
    seen = study(session)
    row = submit(session, seen, image(ProcedureCodeSequence=codes))
    assert (row.programme, row.conflict) == (None, Conflict.DISAGREE)
    programmes.state_study(session, seen, Programme.CLINICAL, "karen")
    row = session.get_one(ExamProgramme, seen.key)
    assert (row.programme, row.source) == ("clinical", "person")


def test_broken_sequences_are_left_out():
    header = image().header
    header.add_new("StudyDescription", "LO", ["a", "b"])
    header.add_new("ProcedureCodeSequence", "SQ", [])
    assert order_of(Study.from_instances([Instance(header, lambda: header)])).codes == frozenset()


def test_codes_are_read_from_the_archives_tags():
    def string(value):
        return {"Name": "", "Type": "String", "Value": value}

    def sequence(*items):
        return {"Name": "", "Type": "Sequence", "Value": list(items)}

    coded = {"0008,0100": string("MAM-SCR"), "0008,0102": string("99SITE")}
    tags = {
        "0008,0016": string("1.2.3"),
        "0008,0018": string("1.2.3"),
        "0020,000d": string("1.2"),
        "0020,000e": string("1.2.3"),
        "0008,1030": string("Mammografi"),
        "0040,0275": sequence({"0032,1064": sequence(coded)}),
    }
    header = dataset(tags)
    order = order_of(Study.from_instances([Instance(header, lambda: header)]))
    assert order.codes == {("99SITE", "MAM-SCR")}
    assert order.texts == {"Mammografi"}


def test_what_was_said_before_the_images_arrived_counts_before_the_order(session):
    said = {"A1": Programme.SCREENING}
    done = programmes.state_exams(session, said, ProgrammeSource.MACHINE, "booking")
    assert (done.added, done.studies) == (1, 0)
    order = image(ProcedureCodeSequence=[code("99SITE", "MAM-CLIN")])
    row = submit(session, study(session), order)
    assert (row.programme, row.source, row.said_by) == ("screening", "machine", "booking")
    assert row.conflict == Conflict.DISAGREE
    other = submit(session, study(session, "o" * 32, accession="A2"))
    assert (other.programme, other.conflict) == (None, "")


def test_a_corrected_order_replaces_what_it_said(session):
    seen = study(session)
    submit(session, seen, image(ProcedureCodeSequence=[code("99SITE", "MAM-CLIN")]))
    seen.fingerprint = "two"
    order = image(ProcedureCodeSequence=[code("99SITE", "MAM-SCR")])
    assert submit(session, seen, order).programme == "screening"
    assert submit(session, seen, order).programme == "screening"
    assert len(session.scalars(select(ProgrammeStatement)).all()) == 2
    seen.fingerprint = "three"
    assert submit(session, seen).programme is None


def test_a_number_shared_by_patients_counts_again_once_one_of_them_is_gone(session):
    programmes.state_exams(session, {"A1": Programme.SCREENING}, ProgrammeSource.MACHINE, "booking")
    mine = study(session)
    assert submit(session, mine).programme == "screening"
    other = study(session, "o" * 32, patient="p2")
    submit(session, other)
    assert programme_of(session, mine.key) is None
    assert session.get_one(ExamProgramme, mine.key).conflict == Conflict.SHARED
    other.deleted_at = utcnow()
    Handlers({}, Rules(1)).withdraw(session, other)
    assert programme_of(session, mine.key) is Programme.SCREENING
    other.deleted_at = None
    Handlers({}, Rules(1)).restore(session, other)
    assert programme_of(session, mine.key) is None


def test_two_studies_of_one_patient_may_share_an_order(session):
    programmes.state_exams(session, {"A1": Programme.CLINICAL}, ProgrammeSource.FILE, "shell:it")
    for key in ("s" * 32, "o" * 32):
        assert submit(session, study(session, key)).programme == "clinical"


@pytest.mark.parametrize("act", ["UPDATE programme_statement SET actor = 'x'",
                                 "DELETE FROM programme_statement"])  # fmt: skip
def test_the_database_refuses_to_change_what_was_said(tmp_path, act):
    database = Database(f"sqlite:///{tmp_path}/own.db")
    upgrade(database)
    with database.begin() as session:
        programmes.state_exams(session, {"A": Programme.CLINICAL}, ProgrammeSource.FILE, "x")
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(act))
    database.close()


@pytest.mark.parametrize(
    "section",
    [
        {"codes": (SCREENING, {**SCREENING, "programme": "clinical"})},
        {"texts": (TEXT, TEXT)},
        {"codes": ({**SCREENING, "programme": "other"},)},
        {"codes": ({**SCREENING, "value": ""},)},
    ],
)
def test_a_table_that_contradicts_itself_is_refused(section):
    with pytest.raises(ValueError, match="validation error"):
        ProgrammeSection.model_validate(section)
