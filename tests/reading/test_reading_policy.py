"""A room refuses what contradicts itself, is told in words, and reads back as it was written."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gransk.core.errors import ConfigurationError
from gransk.reading.plan import Arbitration, Differing, PolicyKind
from gransk.reading.policy import Minimum, Policy, Room, Rule, When
from gransk.reading.room_file import read_room, write_room
from gransk.reading.room_words import WORDS, differences, room_words

EXAMPLE = Path(__file__).parents[2] / "orthanc_config" / "policies.yaml"
SHADOW = {"name": "shadow", "kind": "shadow"}
REPLACE = {"name": "replace", "kind": "replace_reader", "recall_from": 10}


def room(policies=(SHADOW,), rules=None, **values):
    given = {"programmes": ["screening"]}
    rules = [{"when": given, "policy": policies[-1]["name"]}] if rules is None else rules
    return Room(valid_from="2026-01-01", policies=policies, rules=rules, **values)


def test_the_example_shows_each_kind_and_reads_back_as_it_is_written():
    example = read_room(EXAMPLE.read_text(encoding="utf-8"), "policies.yaml")
    assert {policy.kind for policy in example.policies} == set(PolicyKind)
    written = write_room(example)
    assert read_room(written, "again") == example
    assert write_room(read_room(written, "again")) == written


names = st.from_regex(r"[a-z0-9_-]{1,8}", fullmatch=True)
limits = st.integers(2, 10) | st.just("category")


def policies(draw_name):
    common = {
        "name": draw_name,
        "waiting_minutes": st.integers(0, 10080),
        "differing": st.sampled_from(Differing),
        "arbitration": st.sampled_from(Arbitration),
        "target_working_days": st.integers(1, 100),
    }
    build = lambda **values: st.builds(Policy, **common, **values)  # noqa: E731
    return st.one_of(
        build(kind=st.just("double_reading")),
        build(kind=st.just("replace_reader"), recall_from=limits, experienced_alone=st.booleans()),
        build(
            kind=st.just("triage"),
            double_from=limits,
            marks_from=st.none() | limits,
            arbitrates_single_recall=st.booleans(),
        ),
        build(kind=st.just("safety_net"), recall_from=limits),
        build(kind=st.just("decision_support"), marks_from=limits | st.just(1)),
        build(kind=st.just("shadow"), recall_from=st.none() | limits),
    )


@st.composite
def rooms(draw):
    found = draw(st.lists(policies(names), min_size=1, max_size=3, unique_by=lambda p: p.name))
    whens = st.builds(
        When,
        programmes=st.just(("screening",)),
        units=st.lists(names, max_size=2).map(tuple),
        age_from=st.none() | st.integers(40, 50),
        age_to=st.none() | st.integers(51, 80),
        rounds=st.sampled_from([(), ("first",), ("later", "first")]),
        treated=st.sampled_from([None, True, False]),
    )
    study = {"kind": "simulation", "reference": "Året før: æøå", "until": "2027-12-31"}
    rules = draw(
        st.lists(
            st.builds(
                Rule,
                when=whens,
                policy=st.sampled_from([p.name for p in found]),
                study=st.sampled_from([None, study]),
            ),
            min_size=1,
            max_size=3,
        )
    )
    return Room(
        valid_from=draw(st.dates(datetime.date(2026, 1, 1), datetime.date(2040, 1, 1))),
        policies=found,
        rules=rules,
        facts={"treated": {"by": "exceptions", "because": "Bookingen markerer det: ja"}},
        minimum={"mammo": Minimum(exams=2000, cancers=draw(st.integers(1, 99)))},
    )


@settings(max_examples=30, deadline=None)
@given(rooms())
def test_every_room_reads_back_as_it_was_written_and_can_be_told(made):
    assert read_room(write_room(made), "room") == made
    assert Room.model_validate(made.document()) == made
    for language in ("en", "da"):
        assert all("{" not in line for line in room_words(made, language))


@pytest.mark.parametrize(
    "policy",
    [
        {"name": "a", "kind": "replace_reader"},
        {"name": "a", "kind": "replace_reader", "recall_from": 9, "marks_from": 9},
        {"name": "a", "kind": "replace_reader", "recall_from": 0},
        {"name": "a", "kind": "replace_reader", "recall_from": "high"},
        {"name": "a", "kind": "triage"},
        {"name": "a", "kind": "triage", "double_from": 10, "recall_from": 9},
        {"name": "a", "kind": "triage", "double_from": 11},
        {"name": "a", "kind": "safety_net"},
        {"name": "a", "kind": "decision_support"},
        {"name": "a", "kind": "shadow", "marks_from": 3},
        {"name": "a", "kind": "double_reading", "recall_from": 3},
        {"name": "a", "kind": "double_reading", "experienced_alone": True},
        {"name": "a", "kind": "shadow", "waiting_minutes": -1},
        REPLACE | {"arbitrates_single_recall": True},
        {"name": "A b", "kind": "shadow"},
        {"name": "a", "kind": "other"},
    ],
)
def test_a_policy_that_its_kind_does_not_allow_is_refused(policy):
    with pytest.raises(ValidationError):
        Policy.model_validate(policy)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("policies: []", "policies: got [], wants at least 1"),
        (
            "rules: [{when: {programmes: [screening]}, policy: b}]",
            "a policy of the list for rule 1",
        ),
        ("rules: [{when: {programmes: []}, policy: a}]", "rules[0].when.programmes"),
        ("rules: [{when: {programmes: [screening], age: 3}, policy: a}]", "unknown key"),
        ("facts: {implant: {by: images}}", "because: on what the site relies"),
        ("facts: {treated: {by: images, because: as they say}}", "no images for treated"),
        ("version: 3", "version: unknown key"),
        ("policies: [{name: a, kind: shadow}, {name: a, kind: double_reading}]", "names differ"),
        (
            "rules: [{when: {programmes: [screening], age_from: 60, age_to: 50}, policy: a}]",
            "age_from no higher than age_to",
        ),
        (
            "policies: [{name: a, kind: triage, double_from: 10}]\n"
            "rules: [{when: {programmes: [screening, clinical]}, policy: a}]",
            "screening alone for rule 1",
        ),
        ("policies: [{name: a, kind: triage, double_from: 10}]", "minimum.mammo for rule 1"),
        ("minimum: {mammo: {exams: 0, cancers: 1}}", "minimum.mammo.exams"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(text, told):
    rest = {
        "valid_from": "2026-01-01",
        "policies": "[{name: a, kind: shadow}]",
        "rules": "[{when: {programmes: [screening]}, policy: a}]",
    }
    lines = [f"{key}: {value}" for key, value in rest.items() if f"{key}:" not in text]
    with pytest.raises(ConfigurationError) as error:
        read_room("\n".join([*lines, text]), "FILE")
    assert told in str(error.value)
    assert str(error.value).startswith("FILE")


def test_a_study_needs_no_minimum():
    study = {"kind": "simulation", "reference": "The past year", "until": "2027-01-01"}
    when = {"programmes": ["screening"]}
    made = room((REPLACE,), [{"when": when, "policy": "replace", "study": study}])
    assert made.minimum == {}
    assert "(simulation until 2027-01-01: The past year)" in room_words(made, "en")[0]
    assert "(simulering til og med 01.01.2027: The past year)" in room_words(made, "da")[0]


def test_what_changes_is_told_in_words():
    before = room((SHADOW, REPLACE), minimum={"mammo": {"exams": 100, "cancers": 5}})
    limit = before.model_copy(
        update={"policies": (before.policies[0], Policy(**(REPLACE | {"recall_from": 9})))}
    )
    assert differences(before, before, "en") == ["Nothing changes."]
    told = differences(before, limit, "da")
    assert len(told) == 2
    assert told[0].startswith("Udgår: Granskningspolitik replace: AI er den ene af to blindede")
    assert "genindkalder fra score 10;" in told[0]
    assert "genindkalder fra score 9;" in told[1]
    later = before.model_copy(update={"valid_from": datetime.date(2030, 1, 1)})
    assert differences(before, later, "en") == ["Nothing changes."]


def test_rules_that_come_go_and_move_are_told():
    first = {"when": {"programmes": ["screening"], "age_to": 54}, "policy": "shadow"}
    second = {"when": {"programmes": ["high_risk"], "units": ["north"]}, "policy": None}
    both = room(rules=[first, second])
    assert differences(both, room(rules=[second, first]), "en") == [
        "The order of the rules changes."
    ]
    assert differences(both, room(rules=[second]), "en") == [
        "Gone: Rule 1: screening; age … to 54 → shadow"
    ]
    assert differences(room(rules=[first]), both, "da") == [
        "Ny: Regel 2: højrisiko; enhed north → uden for granskningsrummet"
    ]
    assert any("Rule 1" in line for line in differences(None, both, "en"))


def test_every_kind_and_value_has_its_words():
    for values in (PolicyKind, Differing, Arbitration):
        assert all(value.value in WORDS for value in values)
    assert all(english != danish or key == "screening" for key, (english, danish) in WORDS.items())
