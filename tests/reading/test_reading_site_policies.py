"""From a study to readers by the site's policies: place, sealed opinion and plan."""

import datetime

import pytest
from reading_site import Site, findings

from gransk.core.findings import Quality
from gransk.reading import gate, rooms
from gransk.reading.ai import CATEGORIES, CATEGORY
from gransk.reading.machine import State
from gransk.reading.opinions import AiSaid
from gransk.reading.plan import PlanReason
from gransk.reading.policy import Room
from gransk.reading.room_changes import Evidence
from gransk.reading.site_policies import SitePolicies
from gransk.results.blobs import BlobStore
from gransk.results.tables import ExamKnown, ExamProgramme
from gransk.site import people
from gransk.site.config import parse_config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Role

TEXT = "time_zone: UTC\nreading: {units: [{name: north, title: North}]}"
STUDY = {"kind": "simulation", "reference": "The past year", "until": "2099-01-01"}
NO = ["no", "machine"]
KNOWN = {"treated": NO, "implant": NO, "declines_ai": NO, "unit": ["north", "images"]}


def document(study=STUDY, **policy):
    standard = {"name": "p", "kind": "replace_reader", "recall_from": 8, "waiting_minutes": 30}
    when = {"programmes": ["screening"], "units": ["north"]}
    return Room.model_validate(
        {
            "valid_from": utcnow().date(),
            "policies": [standard | policy],
            "rules": [{"when": when, "policy": "p", "study": study}],
            "minimum": {"mammo": {"exams": 10, "cancers": 1}},
        }
    )


@pytest.fixture
def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    config = parse_config(TEXT, tmp_path / "gransk.yaml")
    blobs = BlobStore(tmp_path / "blobs")
    made = Site(database, blobs, SitePolicies(config, blobs, lambda s, key: False))
    made.at = utcnow()
    with database.begin() as session:
        people.create_account(session, "karen", "Karen", [Role.RESPONSIBLE_RADIOLOGIST])
    made.people("anna", "bo", "cara", unit="north")
    yield made
    database.close()


def force(site, room, *evidence):
    section = site.policies.config.reading
    with site.database.begin() as session:
        made = rooms.draft(session, section, room, "kim", "as agreed", utcnow().date(), evidence)
        rooms.approve(session, section, made.row.version, people.find_account(session, "karen"))


def known(site, key, programme="screening", source="machine", **facts):
    with site.database.begin() as session:
        session.add(ExamProgramme(study_key=key, programme=programme, source=source, conflict=""))
        session.add(ExamKnown(study_key=key, facts=KNOWN | facts, at=utcnow()))


def read(site, score=3.0, **facts):
    """The exam once it has opened."""
    key = site.study()
    known(site, key, **facts)
    site.analysed(key, findings(score) if score is None or isinstance(score, float) else score)
    site.run()
    site.run(31)
    return site.exam(key)


def test_without_a_version_in_force_every_exam_stays_outside(site):
    key = site.study()
    known(site, key)
    with site.database.read() as session:
        assert site.policies.place(session, site.item(session, key)) is None


def test_the_ai_is_one_of_two_reads_of_a_screening_exam(site):
    force(site, document())
    exam = read(site)
    assert (exam.unit, exam.state is State.WAITING) == ("north", False)
    assert exam.opens_at - exam.images_at == datetime.timedelta(minutes=30)
    assert (exam.plan.ai_counts, exam.plan.human_reads, exam.plan.version) == (True, 1, 1)
    assert exam.ai.opinion.said is AiSaid.NORMAL
    assert (exam.ai.opinion.policy, exam.ai.opinion.policy_version) == ("p", 1)
    assert read(site, 9.0).ai.opinion.said is AiSaid.RECALL


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"implant": ["yes", "images"]}, PlanReason.IMPLANT),
        ({"implant": ["no", "images"]}, PlanReason.IMPLANT_UNKNOWN),
        ({"score": None}, PlanReason.NOT_CALIBRATED),
        ({"programme": None}, PlanReason.PROGRAMME_UNKNOWN),
    ],
)
def test_two_people_read_where_the_ai_may_not_count(site, facts, reason):
    force(site, document())
    exam = read(site, **facts)
    assert (exam.plan.ai_counts, exam.plan.human_reads) == (False, 2)
    assert reason in exam.plan.reasons


def test_other_programmes_and_earlier_studies_stay_outside(site):
    force(site, document())
    clinical, prior = site.study(), site.study()
    known(site, clinical, programme="clinical")
    known(site, prior)
    site.policies.earlier = lambda session, key: key == prior
    with site.database.read() as session:
        for key in (clinical, prior):
            assert site.policies.place(session, site.item(session, key)) is None


@pytest.mark.parametrize("research", [True, False])
def test_a_validated_model_counts_unless_its_card_says_research(site, research):
    used = findings().model_copy(
        update={"models": tuple(m.model_copy(update={"research": research})
                                for m in findings().models)}
    )  # fmt: skip
    with site.database.begin() as session:
        karen = people.find_account(session, "karen")
        section = site.policies.config.reading
        gate.sign(session, section, karen, "north", "mammo", used.models, {"auc": 0.9}, 10, 1)
    today = utcnow().date()
    simulation = Evidence(
        unit="north", kind="replace_reader", limits={"recall_from": 8}, first=today, last=today,
        exams=900, cancers=6, figures={"recall": 0.03}, made_on=today,
    )  # fmt: skip
    force(site, document(study=None), simulation)
    exam = read(site, used)
    assert exam.plan.ai_counts is not research
    assert exam.plan.reasons == ((PlanReason.RESEARCH_MODEL,) if research else (PlanReason.POLICY,))


def test_a_pause_holds_from_the_next_exam_on(site):
    force(site, document())
    with site.database.begin() as session:
        karen = people.find_account(session, "karen")
        gate.pause(session, site.policies.config.reading, karen, "north", "drift")
    exam = read(site)
    assert exam.plan.reasons == (PlanReason.PAUSED,)


@pytest.mark.parametrize(("side", "said"), [("low", AiSaid.NORMAL), ("high", AiSaid.RECALL)])
def test_the_category_is_a_limit_too(site, side, said):
    force(site, document(recall_from="category"))
    code = next(code for code, name in CATEGORIES.items() if name == side)
    concept = findings().measurements[0].concept
    value = concept.model_copy(update={"value": code})
    quality = Quality(name=CATEGORY, concept=concept, value=value)
    exam = read(site, findings(5.0).model_copy(update={"qualities": (quality,)}))
    assert (exam.ai.opinion.said, exam.plan.ai_counts) == (said, True)
