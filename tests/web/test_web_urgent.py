"""Urgent studies on the pages: order, reason, and that a person's own priority counts beside."""

import dataclasses

import pytest
from web_objects import Lesions, findings_of_study

from gransk.reading.release import in_turn, release_report
from gransk.reading.urgent import make_raiser
from gransk.results import edits
from gransk.results.blobs import BlobStore
from gransk.results.edits import Person, Seen
from gransk.results.message_tables import AnnouncementKind
from gransk.results.tables import Workitem
from gransk.results.urgency import Level, Urgency
from gransk.site.config import Config
from gransk.site.config_priority import PrioritySection
from gransk.site.database import utcnow
from gransk.site.tables import Role

RULES = PrioritySection.model_validate(
    {
        "rules": [
            {"name": "large", "level": "stat", "da": "Stor <nodulus>", "en": "Large <nodule>",
             "application": "lesion", "when": {"volume_mm3_from": 250}},
            {"name": "some", "level": "high", "da": "Nodulus", "en": "A nodule",
             "application": "lesion", "when": {"volume_mm3_from": 100}},
        ]
    }
)  # fmt: skip


@pytest.fixture
def ruled(site):
    """The site with rules of priority, and a way to release a study's report."""
    object.__setattr__(site.config, "priority", RULES)
    raiser = make_raiser(site.config, BlobStore(site.config.blob_folder), {"lesion": Sized()})

    def release(number, nodules, **values):
        key = site.study(number, **values.pop("study", {}))
        ident = site.sealed(key, findings_of_study("1.2.3", nodules), released=False, **values)
        with site.database.begin() as session:
            report = session.get_one(Workitem, ident).report_key
            assert release_report(session, report, "policy", lambda *_: {}, in_turn(raiser))
        return key

    site.release = release
    return site


class Sized(Lesions):
    presentation = dataclasses.replace(Lesions.presentation, sizes={"volume": "volume_mm3"})


def keys(reader, **query):
    return [row["key"] for row in reader.get("/api/worklist", params=query).json()["studies"]]


def test_urgent_studies_come_first_with_the_reason(ruled):
    plain, high, stat = ruled.release(1, 0), ruled.release(2, 1), ruled.release(3, 2)
    reader = ruled.person(Role.RADIOLOGIST)
    assert keys(reader) == [stat, high, plain]
    assert keys(reader, sort="priority") == [stat, high, plain]
    assert keys(reader, sort="priority", order="asc") == [plain, high, stat]
    assert keys(reader, sort="patient", order="asc") == [plain, high, stat]
    told = {row["key"]: row["urgent"] for row in reader.get("/api/worklist").json()["studies"]}
    assert told[plain] is None
    assert told[stat] == {
        "level": "stat", "rule": "large", "da": "Stor <nodulus>", "en": "Large <nodule>",
    }  # fmt: skip
    html = reader.get("/").text
    assert "Large &lt;nodule&gt;" in html
    assert html.index("Large &lt;nodule&gt;") < html.index("A nodule")
    case = reader.get(f"/studies/{stat}").text
    assert "Urgent by its findings" in case
    assert "Large &lt;nodule&gt;" in case
    assert "Urgent by its findings" not in reader.get(f"/studies/{plain}").text
    danish = ruled.person(Role.RADIOLOGIST, name="lis", language="da")
    assert "Stor &lt;nodulus&gt;" in danish.get(f"/studies/{stat}").text
    assert "Haster på grund af fund" in danish.get(f"/studies/{stat}").text


def test_a_person_s_priority_counts_where_it_is_higher(ruled):
    asked = ruled.release(1, 0, priority=100)
    high, stat = ruled.release(2, 1), ruled.release(3, 2)
    reader = ruled.person(Role.RADIOLOGIST)
    assert keys(reader, sort="priority") == [stat, asked, high], "equal ones by arrival"
    assert keys(reader, sort="priority", order="asc")[-1] == stat


def test_a_signed_study_has_its_ordinary_place(ruled):
    plain, stat = ruled.release(1, 0), ruled.release(2, 2)
    with ruled.database.begin() as session:
        item = session.get_one(Workitem, ruled.item_id(stat))
        edits.sign(session, Seen.of(item), Person("d", "D", "radiologist"))
    reader = ruled.person(Role.RADIOLOGIST)
    assert keys(reader) == [plain, stat]
    assert "Large &lt;nodule&gt;" not in reader.get("/").text
    assert "Large &lt;nodule&gt;" not in reader.get(f"/studies/{stat}").text


def test_the_reason_says_where_it_was_an_earlier_report(ruled):
    stat = ruled.release(1, 2)
    reader = ruled.person(Role.RADIOLOGIST)
    assert "by an earlier report" not in reader.get(f"/studies/{stat}").text
    with ruled.database.begin() as session:
        session.get_one(Urgency, stat).report_key = "e" * 64
    assert "by an earlier report" in reader.get(f"/studies/{stat}").text
    assert "by an earlier report" in reader.get("/").text


def test_a_rule_that_the_configuration_lost_is_named(ruled):
    key = ruled.release(1, 0)
    with ruled.database.begin() as session:
        session.add(
            Urgency(study_key=key, level=Level.HIGH, rule="gone", application="lesion",
                    report_key="e" * 64, at=utcnow())
        )  # fmt: skip
    reader = ruled.person(Role.RADIOLOGIST)
    assert reader.get("/api/worklist").json()["studies"][0]["urgent"]["en"] == "gone"


def test_a_rule_of_an_application_that_is_not_here_is_refused(tmp_path):
    from gransk.core.errors import ConfigurationError
    from gransk.site.config import check_applications

    config = Config.model_validate(
        {"data_folder": str(tmp_path), "priority": RULES.model_dump()},
        context={"folder": tmp_path},
    )
    with pytest.raises(ConfigurationError, match=r"priority\.rules\.large\.application"):
        check_applications(config, {})
    with pytest.raises(ValueError, match="at least one condition"):
        PrioritySection.model_validate({"rules": [RULES.rules[0].model_dump() | {"when": {}}]})


def test_the_page_of_messages_names_the_kind(ruled):
    from gransk.results.announcing import News, announce_news
    from gransk.results.told_reports import PriorityTold
    from gransk.site.events import EventKind

    key = ruled.study(1)
    told = PriorityTold(
        study_key=key, application="lesion", report_key="r", level=Level.STAT, rule="large",
        words="Large", at=utcnow(),
    )  # fmt: skip
    with ruled.database.begin() as session:
        announce_news(
            session,
            News(AnnouncementKind.PRIORITY, key, told, EventKind.PRIORITY_ANNOUNCED, {}, "lesion"),
            ["ris"],
        )
    html = ruled.person(Role.COORDINATOR).get("/messages").text
    assert "<td>Priority</td>" in html
    machine = ruled.machine()
    assert machine.get("/api/decisions").json()["decisions"] == [], "no decision"
