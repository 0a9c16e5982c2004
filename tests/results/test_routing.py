"""Which destinations a report goes to, by table and by properties that hold for any rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gransk.core.exam_facts import Place
from gransk.core.object_kinds import ObjectKind
from gransk.results.routing import ReportFacts, asks_findings, holds, route
from gransk.site.config_destinations import STANDARD, OrthancDestination, Rule

NORTH = Place("Hospital North", "Mammography", "MG1", "MAMBUS1")
SOUTH = Place("Hospital South", "Radiology", "CT2", "CTSTORE")
MAMMO = ReportFacts(
    application="mammo",
    outcome="findings",
    score=8.0,
    modalities=frozenset({"MG"}),
    places=frozenset({NORTH}),
    unit="north",
)
NODULE = ReportFacts(
    application="nodule",
    outcome="none",
    modalities=frozenset({"CT", "SR"}),
    places=frozenset({SOUTH}),
)
NOTHING = ReportFacts(application="mammo")


@pytest.mark.parametrize(
    ("rule", "mammo", "nodule", "nothing"),
    [
        ({"applications": ["mammo"]}, True, False, True),
        ({"applications": ["nodule", "mammo"]}, True, True, True),
        ({"outcomes": ["findings"]}, True, False, False),
        ({"outcomes": ["none"]}, False, True, False),
        ({"outcomes": ["findings", "none"]}, True, True, False),
        ({"score_from": 8}, True, False, False),
        ({"score_from": 8.5}, False, False, False),
        ({"score_to": 8}, True, False, False),
        ({"score_from": 1, "score_to": 10}, True, False, False),
        ({"score_to": 7}, False, False, False),
        ({"modalities": ["mg"]}, True, False, False),
        ({"modalities": ["CT"]}, False, True, False),
        ({"modalities": ["DX", "SR"]}, False, True, False),
        ({"origins": [{"institution": "hospital  NORTH "}]}, True, False, False),
        ({"origins": [{"institution": "Hospital"}]}, False, False, False),
        ({"origins": [{"station": "CT2"}, {"aet": "MAMBUS1"}]}, True, True, False),
        ({"origins": [{"station": "CT2", "aet": "MAMBUS1"}]}, False, False, False),
        ({"origins": [{"department": "Mammography", "unit": "north"}]}, True, False, False),
        ({"origins": [{"department": "Mammography", "unit": "south"}]}, False, False, False),
        ({"origins": [{"unit": "north"}]}, True, False, False),
        ({"applications": ["mammo"], "outcomes": ["none"]}, False, False, False),
        ({"applications": ["mammo"], "score_from": 8, "modalities": ["MG"]}, True, False, False),
    ],
)
def test_when_a_rule_holds(rule, mammo, nodule, nothing):
    made = Rule.model_validate(rule)
    assert [holds(made, facts) for facts in (MAMMO, NODULE, NOTHING)] == [mammo, nodule, nothing]


def test_attributes_of_two_images_make_no_origin():
    both = ReportFacts(application="x", places=frozenset({NORTH, SOUTH}))
    mixed = Rule.model_validate({"origins": [{"station": "CT2", "aet": "MAMBUS1"}]})
    assert not holds(mixed, both)
    for station in ("CT2", "MG1"):
        assert holds(Rule.model_validate({"origins": [{"station": station}]}), both)


def destination(name, *rules, objects=STANDARD):
    return OrthancDestination(
        name=name,
        kind="orthanc",
        objects=objects,
        when=tuple(Rule.model_validate(rule) for rule in rules),
    )


PACS = destination("pacs")
RECALLS = destination(
    "recalls", {"outcomes": ["findings"], "score_from": 9}, {"modalities": ["CT"]}
)
CAD = destination("cad", {"applications": ["mammo"]}, objects=(ObjectKind.CAD,))


def test_a_report_goes_where_one_of_the_rules_holds_and_where_there_is_none():
    every = (PACS, RECALLS, CAD)
    assert route(every, MAMMO) == {"pacs": STANDARD, "cad": (ObjectKind.CAD,)}
    assert route(every, NODULE) == {"pacs": STANDARD, "recalls": STANDARD}
    assert route((), MAMMO) == {}


def test_what_replaces_a_report_goes_where_that_went():
    assert route((RECALLS, CAD), MAMMO, {"recalls", "closed"}) == {
        "recalls": STANDARD,
        "cad": (ObjectKind.CAD,),
    }


@pytest.mark.parametrize(
    ("rules", "asks"),
    [
        ((), False),
        (({"applications": ["mammo"]}, {"modalities": ["MG"]}), False),
        (({"applications": ["mammo"]}, {"outcomes": ["none"]}), True),
        (({"score_to": 3},), True),
    ],
)
def test_findings_are_asked_for_where_a_rule_asks(rules, asks):
    assert asks_findings([destination("a", *rules)]) is asks


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"applications": []},
        {"score_from": 9, "score_to": 8},
        {"outcomes": ["recall"]},
        {"origins": [{}]},
        {"origins": [{"institution": " "}]},
        {"score_from": float("nan")},
        {"score": 5},
    ],
)
def test_rules_that_say_nothing_or_nonsense_are_refused(rule):
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


NAMES = st.sampled_from(["mammo", "nodule", "other"])
SCORES = st.one_of(st.none(), st.integers(1, 10))
PLACES = st.builds(
    Place,
    st.sampled_from(["", "N", "S"]),
    st.just(""),
    st.sampled_from(["", "A", "B"]),
    st.just(""),
)
FACTS = st.builds(
    ReportFacts,
    application=NAMES,
    outcome=st.sampled_from([None, "findings", "none"]),
    score=SCORES,
    modalities=st.frozensets(st.sampled_from(["MG", "CT"])),
    places=st.frozensets(PLACES, max_size=3),
    unit=st.sampled_from(["", "north", "south"]),
)
ORIGINS = st.sampled_from(
    [
        {"institution": "N"},
        {"station": "A"},
        {"institution": "S", "station": "B"},
        {"unit": "north"},
    ]
)


@st.composite
def rules(draw):
    values = {
        "applications": draw(st.lists(NAMES, max_size=2)),
        "outcomes": draw(st.lists(st.sampled_from(["findings", "none"]), max_size=2)),
        "modalities": draw(st.lists(st.sampled_from(["MG", "CT"]), max_size=2)),
        "origins": draw(st.lists(ORIGINS, max_size=2)),
    }
    low, high = draw(SCORES), draw(SCORES)
    if low is not None and (high is None or low <= high):
        values["score_from"] = low
    if high is not None and (low is None or low <= high):
        values["score_to"] = high
    if not any(values.values()):
        values["applications"] = [draw(NAMES)]
    return values


@given(FACTS, rules())
def test_a_rule_holds_where_each_of_its_keys_holds_alone(facts, rule):
    alone = [
        holds(Rule.model_validate({key: value}), facts) for key, value in rule.items() if value
    ]
    assert holds(Rule.model_validate(rule), facts) == all(alone)


@given(FACTS, rules(), rules(), st.sets(st.sampled_from(["a", "b"])))
def test_more_rules_and_earlier_reports_take_no_destination_away(facts, one, other, earlier):
    narrow = destination("a", one)
    wide = destination("a", one, other)
    if "a" in route([narrow], facts, earlier):
        assert "a" in route([wide], facts, earlier)
    assert set(route([narrow], facts)) <= set(route([narrow], facts, earlier))
    assert ("a" in earlier) <= ("a" in route([narrow], facts, earlier))


@given(FACTS, st.lists(rules(), min_size=1, max_size=3), st.sets(st.sampled_from(["a", "b", "c"])))
def test_destinations_do_not_mind_each_other(facts, of_each, earlier):
    made = [destination(name, rule) for name, rule in zip("abc", of_each, strict=False)]
    together = route(made, facts, earlier)
    alone = [route([one], facts, earlier) for one in made]
    assert together == {name: kinds for found in alone for name, kinds in found.items()}
