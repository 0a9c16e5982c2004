"""Versions of the room, their approval, local validations and pauses."""

import datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from gransk.core.errors import InvalidValueError
from gransk.core.findings import ModelIdentity
from gransk.reading import gate, rooms
from gransk.reading.plan import PlanReason
from gransk.reading.policy import Room, StudyMark
from gransk.reading.policy_refusals import TEXTS, PolicyError, PolicyRefusal
from gransk.reading.room_changes import Evidence
from gransk.site import answering, people
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Event, Role

TODAY = utcnow().date()
DAY = datetime.timedelta(days=1)
SECTION = ReadingSection(
    units=(
        {"name": "north", "title": "North", "responsible": ("karen",)},
        {"name": "south", "title": "South", "responsible": ("svend",)},
    )
)
MODELS = (ModelIdentity(id="marks", version="1.0.0", sha256="a" * 64, research=False),)
RESEARCH = (ModelIdentity(id="marks", version="1.0.0", sha256="a" * 64, research=True),)


@pytest.fixture
def session(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        for name, role in (
            ("karen", Role.RESPONSIBLE_RADIOLOGIST),
            ("svend", Role.RESPONSIBLE_RADIOLOGIST),
            ("conny", Role.COORDINATOR),
            ("rasmus", Role.RADIOLOGIST),
        ):
            people.create_account(session, name, name.title(), [role])
        yield session
    database.close()


def account(session, name):
    return people.find_account(session, name)


def room(recall_from=None, units=(), on=TODAY, study=None, **policy):
    if recall_from is None:
        policy = {"name": "p", "kind": "shadow"} | policy
    else:
        policy = {"name": "p", "kind": "replace_reader", "recall_from": recall_from} | policy
    when = {"programmes": ["screening"], "units": list(units)}
    return Room(
        valid_from=on,
        policies=[policy],
        rules=[{"when": when, "policy": "p", "study": study}],
        minimum={"mammo": {"exams": 100, "cancers": 5}},
    )


def simulation(unit="north", recall_from=10, kind="replace_reader"):
    return Evidence(
        unit=unit,
        kind=kind,
        limits={"recall_from": recall_from},
        first=TODAY - 400 * DAY,
        last=TODAY - 30 * DAY,
        exams=2000,
        cancers=12,
        figures={"recall": 0.03},
        made_on=TODAY,
    )


def draft(session, made, *evidence, author="conny"):
    return rooms.draft(session, SECTION, made, author, "as agreed", TODAY, evidence)


def approve(session, version, *names):
    return [rooms.approve(session, SECTION, version, account(session, name)) for name in names]


def sign(session, name="karen", unit="north", models=MODELS, exams=100, cancers=5, **values):
    return gate.sign(session, SECTION, account(session, name), unit,
                     values.get("application", "mammo"), models, values.get("report", {"auc": 0.9}),
                     exams, cancers)  # fmt: skip


def refused(call, refusal):
    with pytest.raises(PolicyError) as error:
        call()
    assert error.value.refusal is refusal


def test_a_version_is_in_force_when_every_unit_that_it_changes_approved(session):
    assert rooms.in_force(session, TODAY) is None
    made = draft(session, room())
    assert made.open_units == ("north", "south")
    assert approve(session, 1, "karen") == [("north",)]
    assert rooms.in_force(session, TODAY) is None
    approve(session, 1, "svend")
    found = rooms.in_force(session, TODAY)
    assert (found.version, found.policies) == (1, made.room.policies)
    kinds = [e.kind for e in session.scalars(select(Event)) if e.kind.startswith("room")]
    assert kinds == ["room_drafted", "room_approved", "room_approved"]


def test_a_version_is_not_in_force_before_its_first_day(session):
    draft(session, room())
    approve(session, 1, "karen", "svend")
    draft(session, room(on=TODAY + 3 * DAY, waiting_minutes=5))
    approve(session, 2, "karen", "svend")
    days = (TODAY, TODAY + 2 * DAY, TODAY + 3 * DAY)
    assert [rooms.in_force(session, day).version for day in days] == [1, 1, 2]
    assert rooms.in_force(session, TODAY - DAY) is None


def test_only_units_that_it_changes_approve_it(session):
    draft(session, room())
    approve(session, 1, "karen", "svend")
    both = room()
    north = {"programmes": ["screening"], "units": ["north"], "age_to": 54}
    policy = {"name": "double", "kind": "double_reading"}
    made = Room.model_validate(
        both.document()
        | {
            "policies": [*both.document()["policies"], policy],
            "rules": [{"when": north, "policy": "double"}, *both.document()["rules"]],
        }
    )
    found = draft(session, made)
    assert found.row.units == ["north"]
    refused(lambda: approve(session, 2, "svend"), PolicyRefusal.NOT_RESPONSIBLE)
    approve(session, 2, "karen")
    assert rooms.in_force(session, TODAY).version == 2


def test_nobody_approves_an_own_draft(session):
    for author in ("karen", "shell:karen"):
        version = draft(session, room(), author=author).row.version
        refused(lambda v=version: approve(session, v, "karen"), PolicyRefusal.OWN_DRAFT)


@pytest.mark.parametrize("name", ["conny", "rasmus"])
def test_others_approve_nothing(session, name):
    draft(session, room(), author="karen")
    refused(lambda: approve(session, 1, name), PolicyRefusal.NOT_RESPONSIBLE)


def test_a_role_that_was_taken_away_or_an_account_that_left_approves_nothing(session):
    draft(session, room())
    people.set_active(session, account(session, "karen"), False, actor="gransk")
    refused(lambda: approve(session, 1, "karen"), PolicyRefusal.NOT_RESPONSIBLE)
    people.change_account(session, account(session, "svend"), roles=[Role.RADIOLOGIST],
                          actor="gransk")  # fmt: skip
    refused(lambda: approve(session, 1, "svend"), PolicyRefusal.NOT_RESPONSIBLE)


def test_only_the_newest_draft_against_what_stands_is_approved(session):
    draft(session, room())
    draft(session, room(waiting_minutes=5))
    refused(lambda: approve(session, 1, "karen"), PolicyRefusal.NOT_NEWEST)
    approve(session, 2, "karen", "svend")
    refused(lambda: approve(session, 2, "karen"), PolicyRefusal.APPROVED)
    refused(lambda: approve(session, 9, "karen"), PolicyRefusal.NO_VERSION)


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (room(units=["west"]), PolicyRefusal.UNKNOWN_UNIT),
        (room(on=TODAY - DAY), PolicyRefusal.IN_THE_PAST),
        (room(on=TODAY + DAY), PolicyRefusal.NO_CHANGE),
        (room(recall_from=10), PolicyRefusal.NO_SIMULATION),
    ],
)
def test_a_draft_is_refused(session, made, refusal):
    draft(session, room())
    approve(session, 1, "karen", "svend")
    refused(lambda: draft(session, made), refusal)


def test_a_draft_needs_a_reason_and_units(session):
    with pytest.raises(InvalidValueError):
        rooms.draft(session, SECTION, room(), "conny", " x ", TODAY)
    refused(
        lambda: rooms.draft(session, ReadingSection(), room(), "conny", "as agreed", TODAY),
        PolicyRefusal.UNKNOWN_UNIT,
    )


def test_a_limit_needs_its_own_simulation_at_each_unit(session):
    for evidence in ([simulation()], [simulation(), simulation("south", 9)],
                     [simulation(), simulation("south", kind="safety_net")]):  # fmt: skip
        refused(lambda e=evidence: draft(session, room(10), *e), PolicyRefusal.NO_SIMULATION)
    made = draft(session, room(10), simulation(), simulation("south"))
    assert [one["unit"] for one in made.row.evidence] == ["north", "south"]
    draft(session, room(10, units=["north"]), simulation())


def test_a_study_needs_neither_simulation_nor_validation(session):
    study = {"kind": "simulation", "reference": "The past year", "until": TODAY.isoformat()}
    draft(session, room(10, units=["north"], study=study))
    approve(session, 1, "karen")
    assert rooms.in_force(session, TODAY).rules[0].study is not None


def test_ai_is_switched_on_only_where_a_validation_is_signed(session):
    draft(session, room(10, units=["north"]), simulation())
    refused(lambda: approve(session, 1, "karen"), PolicyRefusal.NOT_VALIDATED)
    sign(session, exams=99)
    sign(session, "svend", "south")
    refused(lambda: approve(session, 1, "karen"), PolicyRefusal.NOT_VALIDATED)
    sign(session)
    assert approve(session, 1, "karen") == [("north",)]


def test_to_undo_is_another_version_with_what_was_simulated_then(session):
    sign(session)
    draft(session, room(10, units=["north"]), simulation())
    approve(session, 1, "karen")
    draft(session, room(9, units=["north"]), simulation(recall_from=9))
    approve(session, 2, "karen")
    back = rooms.restore(session, SECTION, 1, TODAY, "conny", "too many recalls", TODAY)
    assert (back.row.version, back.row.restores) == (3, 1)
    assert back.row.evidence == [simulation().model_dump(mode="json")]
    assert rooms.in_force(session, TODAY).version == 2
    approve(session, 3, "karen")
    assert rooms.in_force(session, TODAY).policies == rooms.one_version(session, 1).room.policies
    assert rooms.in_force(session, TODAY).version == 3


@pytest.mark.parametrize("table", ["room_version", "room_approval", "validation", "ai_pause"])
def test_nothing_of_it_is_edited(session, table):
    draft(session, room(), author="gransk")
    approve(session, 1, "karen")
    sign(session)
    gate.pause(session, SECTION, account(session, "conny"), "north", "as discussed")
    session.flush()
    column = {"room_version": "author", "room_approval": "account"}.get(table, "unit")
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(text(f"UPDATE {table} SET {column} = 'eve'"))
    session.rollback()


# The gate


def may(session, models=MODELS, unit="north", made=None, on=TODAY, study=None, app="mammo"):
    return gate.may_count(session, made or room(), unit, app, models, on, study)


def test_models_count_after_a_signed_validation_with_the_sites_minimum(session):
    assert may(session) == (PlanReason.NOT_VALIDATED,)
    sign(session)
    assert may(session) == ()
    assert may(session, on=TODAY - DAY) == (PlanReason.NOT_VALIDATED,)
    assert may(session, unit="south") == (PlanReason.NOT_VALIDATED,)
    assert gate.may_count(session, None, "north", "mammo", MODELS, TODAY) == (
        PlanReason.NOT_VALIDATED,
    )


@pytest.mark.parametrize(
    "other",
    [
        (MODELS[0].model_copy(update={"version": "1.0.1"}),),
        (MODELS[0].model_copy(update={"sha256": "b" * 64}),),
        (*MODELS, MODELS[0].model_copy(update={"id": "density"})),
    ],
)
def test_other_models_need_their_own_validation(session, other):
    sign(session)
    assert may(session, other) == (PlanReason.NOT_VALIDATED,)
    assert may(session, ()) == (PlanReason.NOT_VALIDATED, PlanReason.RESEARCH_MODEL)


@pytest.mark.parametrize(("exams", "cancers"), [(99, 5), (100, 4)])
def test_a_later_report_that_falls_short_closes_the_gate(session, exams, cancers):
    sign(session)
    sign(session, exams=exams, cancers=cancers)
    assert may(session) == (PlanReason.NOT_VALIDATED,)


def test_a_report_that_says_what_is_missing_opens_nothing(session):
    sign(session, report={"missing": [{"what": "outcomes_unknown"}]})
    assert may(session) == (PlanReason.NOT_VALIDATED,)
    sign(session, report={"missing": []})
    assert may(session) == ()


def test_a_research_card_counts_only_in_a_study(session):
    sign(session, models=RESEARCH)
    assert may(session, RESEARCH) == (PlanReason.RESEARCH_MODEL,)
    study = StudyMark(kind="approved_study", reference="Committee, number 7", until=TODAY)
    assert may(session, RESEARCH, study=study) == ()
    assert may(session, RESEARCH, unit="south", study=study) == ()
    over = study.model_copy(update={"until": TODAY - DAY})
    assert may(session, RESEARCH, study=over) == (PlanReason.RESEARCH_MODEL,)


def test_nodule_models_pass_the_same_gate_by_their_own_minimum(session):
    minimum = {"mammo": {"exams": 100, "cancers": 5}, "nodule": {"exams": 300, "cancers": 20}}
    made = Room.model_validate(room().document() | {"minimum": minimum})
    sign(session, application="nodule")
    assert may(session, made=made, app="nodule") == (PlanReason.NOT_VALIDATED,)
    sign(session, application="nodule", exams=300, cancers=20)
    assert may(session, made=made, app="nodule") == ()
    assert may(session, app="nodule") == (PlanReason.NOT_VALIDATED,)


def test_only_the_units_responsible_radiologist_signs(session):
    for name, unit in (("conny", "north"), ("svend", "north"), ("rasmus", "north")):
        refused(lambda n=name, u=unit: sign(session, n, u), PolicyRefusal.NOT_RESPONSIBLE)
    refused(lambda: sign(session, unit="west"), PolicyRefusal.UNKNOWN_UNIT)
    for values in ({"exams": 4, "cancers": 5}, {"exams": 0, "cancers": 0}, {"models": ()}):
        with pytest.raises(InvalidValueError):
            sign(session, **values)


@pytest.mark.parametrize("name", ["conny", "karen"])
def test_a_pause_is_immediate_and_ends_by_an_act(session, name):
    sign(session)
    who = account(session, name)
    row = gate.pause(session, SECTION, who, "north", "drift of the score")
    assert (row.actor, row.reason) == (name, "drift of the score")
    assert may(session) == (PlanReason.PAUSED,)
    assert gate.gate_of(session, room(), "north", "mammo", MODELS, TODAY).paused
    assert gate.pause(session, SECTION, who, "north", "once more") is None
    assert not gate.paused(session, "south")
    gate.resume(session, SECTION, who, "north", "checked")
    assert may(session) == ()
    assert gate.resume(session, SECTION, who, "north", "checked") is None


def test_who_may_not_pause(session):
    for name in ("svend", "rasmus"):
        refused(
            lambda n=name: gate.pause(session, SECTION, account(session, n), "north", "because"),
            PolicyRefusal.NOT_RESPONSIBLE,
        )
    with pytest.raises(InvalidValueError):
        gate.pause(session, SECTION, account(session, "conny"), "north", " ")
    assert not gate.paused(session, "north")


def test_a_unit_without_names_is_answered_for_by_whoever_has_the_role(session):
    section = ReadingSection(units=({"name": "west", "title": "West"},))
    assert answering.responsible(section, account(session, "svend"), "west")
    assert not answering.responsible(section, account(session, "conny"), "west")


def test_every_refusal_has_its_words():
    assert set(TEXTS) == set(PolicyRefusal)
    assert all(words["en"] != words["da"] for words in TEXTS.values())
