"""Who reads an exam: the AI counts nowhere that it must not, and two people read instead."""

import dataclasses
import datetime
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gransk.core.errors import InvalidValueError
from gransk.core.exam_facts import Fact, Round
from gransk.core.programme import Programme
from gransk.core.reasons import Reason
from gransk.reading.plan import COUNTING, PlanReason, PolicyKind, StudyKind
from gransk.reading.planning import (
    UNSAID,
    AiSaid,
    Gate,
    Known,
    Word,
    choose,
    plan,
    resolved,
    says,
    waiting,
)
from gransk.reading.policy import (
    Facts,
    Knowing,
    KnownBy,
    Minimum,
    Policy,
    Room,
    Rule,
    StudyMark,
    When,
)

AT = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)
EARLIER, LATER = AT - datetime.timedelta(minutes=1), AT + datetime.timedelta(minutes=1)
NO, YES = Word(False), Word(True)
POLICIES = (
    Policy(name="double", kind="double_reading", waiting_minutes=0),
    Policy(name="replace", kind="replace_reader", recall_from="category", experienced_alone=True),
    Policy(name="triage", kind="triage", double_from=10, marks_from=8),
    Policy(name="net", kind="safety_net", recall_from=9),
    Policy(name="support", kind="decision_support", marks_from=8),
    Policy(name="shadow", kind="shadow", recall_from=9),
)
STUDY = StudyMark(kind="simulation", reference="Run of the past year", until="2026-03-02")


def room(policy="replace", rules=None, study=None, **values):
    first = Rule(when=When(programmes=["screening"]), policy=policy, study=study)
    return Room(
        valid_from="2026-01-01",
        policies=POLICIES,
        rules=(first,) if rules is None else rules,
        minimum={"mammo": Minimum(exams=1000, cancers=10)},
        version=3,
        **values,
    )


def exam(**values):
    """A woman of whom everything was said, and nothing holds the AI back."""
    known = {
        "programme": Programme.SCREENING,
        "unit": "north",
        "age": 60,
        "round": Round.LATER,
        "treated": NO,
        "implant": NO,
        "declines_ai": NO,
    }
    return Known(**(known | values))


def ai(**values):
    known = {"sealed_at": EARLIER, "research": False, "score": 5, "category": "low"}
    return AiSaid(**(known | values))


OPEN = Gate(validated=True)


def decide(policy="replace", said=None, gate=OPEN, at=AT, study=None, room_values=None, **known):
    made = room(policy, study=study, **(room_values or {}))
    return plan(made, exam(**known), ai() if said is None else said, gate, at)


def test_ai_replaces_one_reader_when_nothing_holds_it_back():
    found = decide()
    assert (found.human_reads, found.ai_counts, found.experienced) == (1, True, True)
    assert (found.policy, found.version, found.reasons) == ("replace", 3, (PlanReason.POLICY,))
    assert (found.shows_marks, found.shows_ai_after) == (False, False)


@pytest.mark.parametrize(
    ("score", "alone", "marks", "reason"),
    [
        (1, True, False, PlanReason.SCORE_LOW),
        (7, True, False, PlanReason.SCORE_LOW),
        (8, True, True, PlanReason.SCORE_LOW),
        (9, True, True, PlanReason.SCORE_LOW),
        (10, False, True, PlanReason.SCORE_HIGH),
    ],
)
def test_triage_as_masai_reads(score, alone, marks, reason):
    found = decide("triage", ai(score=score))
    assert (found.human_reads == 1, found.shows_marks) == (alone, marks)
    assert found.reasons == (reason,)
    assert not found.ai_counts


HOLDS = [
    ({"programme": None}, PlanReason.PROGRAMME_UNKNOWN),
    ({"incomplete": True}, PlanReason.INCOMPLETE),
    ({"implant": YES}, PlanReason.IMPLANT),
    ({"implant": UNSAID}, PlanReason.IMPLANT_UNKNOWN),
    ({"implant": Word(False, by_images=True)}, PlanReason.IMPLANT_UNKNOWN),
    ({"treated": YES}, PlanReason.TREATED),
    ({"treated": UNSAID}, PlanReason.TREATED_UNKNOWN),
    ({"declines_ai": YES}, PlanReason.DECLINED),
    ({"declines_ai": UNSAID}, PlanReason.DECLINE_UNKNOWN),
    ({"returned": True}, PlanReason.RETURNED),
    ({"said": ai(refused=Reason.IMAGE_QUALITY)}, PlanReason.REFUSED),
    ({"said": ai(sealed_at=LATER)}, PlanReason.LATE),
    ({"said": ai(research=True)}, PlanReason.RESEARCH_MODEL),
    ({"said": ai(score=None, category=None)}, PlanReason.NOT_CALIBRATED),
    ({"gate": Gate()}, PlanReason.NOT_VALIDATED),
    ({"gate": Gate(validated=True, paused=True)}, PlanReason.PAUSED),
]


@pytest.mark.parametrize("policy", ["replace", "triage"])
@pytest.mark.parametrize(("values", "reason"), HOLDS)
def test_each_case_goes_to_two_people_with_its_reason(policy, values, reason):
    found = decide(policy, **values)
    assert (found.human_reads, found.ai_counts, found.reasons) == (2, False, (reason,))
    assert not any((found.shows_marks, found.shows_ai_after, found.experienced))


@pytest.mark.parametrize("policy", ["replace", "triage"])
def test_every_reason_is_told(policy):
    found = decide(policy, ai(research=True), Gate(), implant=YES, treated=UNSAID, incomplete=True)
    assert found.reasons == (
        PlanReason.INCOMPLETE,
        PlanReason.IMPLANT,
        PlanReason.TREATED_UNKNOWN,
        PlanReason.NOT_VALIDATED,
        PlanReason.RESEARCH_MODEL,
    )


def test_nothing_sealed_when_the_exam_opens_is_late():
    found = plan(room(), exam(), None, OPEN, AT)
    assert (found.human_reads, found.reasons) == (2, (PlanReason.LATE,))


@pytest.mark.parametrize("programme", [Programme.CLINICAL, Programme.HIGH_RISK])
def test_other_programmes_are_outside_where_no_rule_names_them(programme):
    assert choose(room(), exam(programme=programme)) is None
    found = plan(room(), exam(programme=programme), ai(), OPEN, AT)
    assert (found.policy, found.human_reads) == ("", 2)
    assert found.reasons == (PlanReason.NO_POLICY,)


def test_a_study_lets_a_research_model_count_unvalidated_until_its_last_day():
    said = ai(research=True)
    found = decide(said=said, gate=Gate(), study=STUDY)
    assert (found.ai_counts, found.study) == (True, StudyKind.SIMULATION)
    after = decide(said=ai(research=True, sealed_at=AT), gate=Gate(), study=STUDY,
                   at=AT + datetime.timedelta(days=1))  # fmt: skip
    assert (after.human_reads, after.study) == (2, None)
    assert after.reasons == (PlanReason.NOT_VALIDATED, PlanReason.RESEARCH_MODEL)


@pytest.mark.parametrize(("values", "reason"), [h for h in HOLDS if h[1] not in (
    PlanReason.NOT_VALIDATED, PlanReason.RESEARCH_MODEL)])  # fmt: skip
def test_a_study_lifts_nothing_else(values, reason):
    assert decide(study=STUDY, **values).reasons == (reason,)


@pytest.mark.parametrize(
    ("policy", "said", "shown"),
    [
        ("net", ai(score=9), (False, True)),
        ("net", ai(score=8), (False, False)),
        ("net", ai(score=None), (False, False)),
        ("support", ai(score=8), (True, False)),
        ("support", ai(score=7), (False, False)),
        ("support", ai(score=8, research=True), (True, False)),
        ("double", ai(score=10), (False, False)),
        ("shadow", ai(score=10), (False, False)),
    ],
)
def test_what_is_shown_where_the_ai_does_not_count(policy, said, shown):
    found = decide(policy, said, Gate())
    assert (found.shows_marks, found.shows_ai_after) == shown
    assert (found.human_reads, found.ai_counts) == (2, False)


def test_marks_that_are_always_shown_need_no_score():
    always = Policy(name="support", kind="decision_support", marks_from=1)
    made = room("support").model_copy(update={"policies": (always,)})
    uncalibrated = ai(score=None, category=None)
    assert plan(made, exam(), uncalibrated, Gate(), AT).shows_marks
    assert not decide("support", uncalibrated, Gate()).shows_marks


@pytest.mark.parametrize("policy", ["double", "shadow"])
def test_where_the_ai_has_no_part_nothing_holds_it_back(policy):
    found = decide(policy, ai(refused=Reason.NO_BREAST), Gate(paused=True), declines_ai=YES)
    assert found.reasons == (PlanReason.POLICY,)


@pytest.mark.parametrize("policy", ["replace", "triage"])
@pytest.mark.parametrize("programme", [Programme.CLINICAL, Programme.HIGH_RISK])
def test_the_ai_counts_for_screening_alone_whatever_a_rule_says(policy, programme):
    """A rule with other programmes is refused when it is read; and each exam is checked again."""
    wrong = Rule(when=When(programmes=[programme]), policy=policy)
    made = room(policy).model_copy(update={"rules": (wrong,)})
    found = plan(made, exam(programme=programme), ai(), OPEN, AT)
    assert (found.human_reads, found.reasons) == (2, (PlanReason.NOT_SCREENING,))


@pytest.mark.parametrize("policy", ["net", "support"])
@pytest.mark.parametrize(
    "values",
    [
        {"declines_ai": YES},
        {"programme": None},
        {"returned": True},
        {"gate": Gate(paused=True)},
        {"said": ai(score=10, sealed_at=LATER)},
        {"said": ai(score=10, refused=Reason.NO_BREAST)},
    ],
)
def test_who_may_not_see_the_ai_sees_nothing_of_it(policy, values):
    found = decide(policy, **({"said": ai(score=10)} | values))
    assert (found.shows_marks, found.shows_ai_after) == (False, False)


# What nobody said


def rule(policy, **when):
    return Rule(when=When(**({"programmes": ["screening"]} | when)), policy=policy)


@pytest.mark.parametrize(
    ("when", "unknown"),
    [
        ({"age_to": 54}, {"age": None}),
        ({"units": ["south"]}, {"unit": ""}),
        ({"rounds": ["first"]}, {"round": None}),
        ({"treated": True}, {"treated": UNSAID}),
    ],
)
def test_an_unknown_fact_does_not_let_an_exam_past_a_rule(when, unknown):
    made = room(rules=(rule("double", **when), rule("replace")))
    assert plan(made, exam(), ai(), OPEN, AT).ai_counts
    found = plan(made, exam(**unknown), ai(), OPEN, AT)
    assert (found.human_reads, found.policy) == (2, "double")
    assert PlanReason.RULE_UNKNOWN in found.reasons
    same = room(rules=(rule("replace", **when), rule("replace")))
    if "treated" not in unknown:
        assert plan(same, exam(**unknown), ai(), OPEN, AT).ai_counts
    alone = room(rules=(rule("replace", **when),))
    found = plan(alone, exam(**unknown), ai(), OPEN, AT)
    assert found.human_reads == 2
    assert PlanReason.RULE_UNKNOWN in found.reasons


def test_an_exam_of_unknown_programme_stays_in_the_room_unless_a_rule_leaves_it_outside():
    assert choose(room("support"), exam(programme=None)) is not None
    outside = rule(None, programmes=["unknown"])
    made = room(rules=(outside, rule("support")))
    assert choose(made, exam(programme=None)) is None
    assert choose(made, exam()) is not None
    shown = room(rules=(rule("support", programmes=["screening", "unknown"]),))
    assert plan(shown, exam(programme=None), ai(score=9), OPEN, AT).shows_marks


def facts(**by):
    return Facts(**{k: Knowing(by=v, because="as the booking system does") for k, v in by.items()})


def test_a_site_may_rely_on_images_for_implants():
    made = room(facts=facts(implant=KnownBy.IMAGES))
    by_images = exam(implant=Word(False, by_images=True))
    assert plan(made, by_images, ai(), OPEN, AT).ai_counts
    assert plan(made, exam(implant=UNSAID), ai(), OPEN, AT).reasons == (PlanReason.IMPLANT_UNKNOWN,)
    assert plan(made, exam(implant=Word(True, by_images=True)), ai(), OPEN, AT).human_reads == 2


def test_a_site_may_rely_on_a_list_that_tells_exceptions():
    made = room(facts=facts(treated=KnownBy.EXCEPTIONS, declines_ai=KnownBy.EXCEPTIONS))
    silent = {"treated": UNSAID, "declines_ai": UNSAID}
    assert plan(made, exam(listed=True, **silent), ai(), OPEN, AT).ai_counts
    alone = plan(made, exam(listed=False, **silent), ai(), OPEN, AT)
    assert alone.reasons == (PlanReason.TREATED_UNKNOWN, PlanReason.DECLINE_UNKNOWN)
    for fact in silent:
        said = exam(listed=True, **(silent | {fact: YES}))
        assert plan(made, said, ai(), OPEN, AT).human_reads == 2


def test_waiting_is_that_of_the_rules_policy():
    made = room(rules=(rule("double", age_to=54), rule("replace")))
    assert waiting(made, exam(age=50)) == datetime.timedelta(0)
    assert waiting(made, exam(age=60)) == datetime.timedelta(minutes=60)
    assert waiting(made, exam(programme=Programme.CLINICAL)) is None


def test_what_the_ai_says():
    by_category, by_score = POLICIES[1], POLICIES[3]
    assert says(by_category, ai(category="high", score=1)) == "recall"
    assert says(by_category, ai(category="low", score=10)) == "normal"
    assert says(by_category, ai(category=None, score=10)) is None
    assert [says(by_score, ai(score=n)) for n in (8, 9)] == ["normal", "recall"]
    assert says(by_score, ai(score=10, refused=Reason.SPECIMEN)) is None
    assert [says(POLICIES[2], ai(category=c)) for c in ("high", "low", None)] == [
        "recall", "normal", None,
    ]  # fmt: skip


def test_a_single_readers_recall_may_be_looked_at_again():
    policy = Policy(name="triage", kind="triage", double_from=10, arbitrates_single_recall=True)
    made = room("triage").model_copy(update={"policies": (policy,)})
    found = [plan(made, exam(), ai(score=score), OPEN, AT) for score in (9, 10)]
    assert [one.arbitrates_single_recall for one in found] == [True, False]


def test_instants_need_a_time_zone():
    with pytest.raises(InvalidValueError):
        plan(room(), exam(), ai(), OPEN, AT.replace(tzinfo=None))
    with pytest.raises(InvalidValueError):
        ai(sealed_at=AT.replace(tzinfo=None))
    with pytest.raises(InvalidValueError):
        ai(score=11)


# No combination lets the AI count where it must not

IMAGE_NO, IMAGE_YES = Word(False, by_images=True), Word(True, by_images=True)
SPOILS = (
    *(("exam", "programme", value) for value in (None, Programme.CLINICAL, Programme.HIGH_RISK)),
    *(("exam", "unit", value) for value in ("", "south")),
    *(("exam", "age", value) for value in (None, 49, 70)),
    *(("exam", "round", value) for value in (None, Round.FIRST)),
    *(
        ("exam", fact, word)
        for fact in ("treated", "implant", "declines_ai")
        for word in (UNSAID, YES, IMAGE_NO, IMAGE_YES)
    ),
    *(("exam", flag, True) for flag in ("incomplete", "returned", "listed")),
    *(("ai", "sealed_at", value) for value in (LATER, AT, None)),
    *(("ai", "score", value) for value in (None, 1, 8, 10)),
    *(("ai", "category", value) for value in (None, "high")),
    ("ai", "research", True),
    ("ai", "refused", Reason.IMAGE_QUALITY),
    ("gate", "validated", False),
    ("gate", "paused", True),
)
"""What differs from an exam in which nothing holds the AI back."""


def spoiled(spoils):
    values = {"exam": {}, "ai": {}, "gate": {"validated": True}}
    for part, name, value in spoils:
        values[part][name] = value
    said = None if values["ai"].get("sealed_at", AT) is None else ai(**values["ai"])
    return exam(**values["exam"]), said, Gate(**values["gate"])


NOTHING_SAID = {
    "programme": None,
    "unit": "",
    "age": None,
    "round": None,
    "treated": UNSAID,
    "implant": UNSAID,
    "declines_ai": UNSAID,
}
cases = st.lists(st.sampled_from(SPOILS), max_size=4).map(spoiled)


def rules_of(policies, programmes):
    when = st.builds(
        When,
        programmes=programmes,
        units=st.sampled_from([(), (), ("north",), ("south",)]),
        age_from=st.sampled_from([None, None, 50]),
        age_to=st.sampled_from([None, None, 69]),
        rounds=st.sampled_from([(), (), (Round.LATER,)]),
        treated=st.sampled_from([None, None, False, True]),
    )
    over = STUDY.model_copy(update={"until": datetime.date(2026, 3, 1)})
    study = st.sampled_from([None, None, STUDY, over])
    return st.builds(Rule, when=when, policy=policies, study=study)


counting = rules_of(st.sampled_from(["replace", "triage"]), st.just(("screening",)))
others = rules_of(
    st.sampled_from(["double", "net", "support", "shadow"]),
    st.sampled_from([("screening",), ("clinical", "high_risk"), ("unknown",)]),
)
knowing = st.sampled_from([KnownBy.STATED, KnownBy.EXCEPTIONS])
rooms = st.builds(
    lambda rules, implant, treated, declines: room(
        rules=tuple(rules), facts=facts(implant=implant, treated=treated, declines_ai=declines)
    ),
    st.lists(counting | counting | others, min_size=1, max_size=2),
    st.sampled_from(KnownBy),
    knowing,
    knowing,
)


def said_no(known, made, fact):
    """No, by a person or system, by images or by silence, as far as the site relies on them."""
    word, by = getattr(known, fact), made.facts.of(fact).by
    if word.value is not None and not (word.value is False and word.by_images):
        return word.value is False
    if word.by_images and by is KnownBy.IMAGES:
        return True
    return by is KnownBy.EXCEPTIONS and known.listed


def surely(when, known, made):
    """Whether a rule fits whatever is true of what nobody said."""
    return (
        (known.programme or "unknown") in when.programmes
        and (not when.units or known.unit in when.units)
        and (when.age_from is None or (known.age is not None and known.age >= when.age_from))
        and (when.age_to is None or (known.age is not None and known.age <= when.age_to))
        and (not when.rounds or known.round in when.rounds)
        and (when.treated is None or resolved(made, known, Fact.TREATED) is when.treated)
    )


def check_counted(found, made, known, said, gate):
    """Where the AI's opinion is a reading, or spares one, everything lets it."""
    if not found.ai_counts and found.human_reads == 2:
        return
    assert found.kind in COUNTING
    assert known.programme is Programme.SCREENING
    assert not any((known.incomplete, known.returned, gate.paused))
    for fact in (Fact.IMPLANT, Fact.TREATED, Fact.DECLINES_AI):
        assert said_no(known, made, fact)
    assert said is not None
    assert (said.refused, said.sealed_at <= AT) == (None, True)
    assert (said.category if found.kind is PolicyKind.REPLACE_READER else said.score) is not None
    chosen = next(rule for rule in made.rules if surely(rule.when, known, made))
    assert chosen.policy == found.policy
    if not (chosen.study and AT.date() <= chosen.study.until):
        assert (gate.validated, said.research, found.study) == (True, False, None)
    if found.kind is PolicyKind.TRIAGE:
        assert (said.score < 10, found.ai_counts) == (True, False)


def check_shown(found, made, known, said, gate):
    """Where readers see anything of the AI, the policy shows it and nothing forbids it."""
    if found.kind in (PolicyKind.DOUBLE_READING, PolicyKind.REPLACE_READER, PolicyKind.SHADOW):
        assert (found.shows_marks, found.shows_ai_after) == (False, False)
    if found.shows_marks or found.shows_ai_after:
        assert said is not None
        assert (said.refused, said.sealed_at <= AT, gate.paused) == (None, True, False)
        assert (known.declines_ai.value, known.returned) in ((False, False), (None, False))
        assert known.programme is not None or any(
            "unknown" in rule.when.programmes for rule in made.rules
        )


@settings(max_examples=400, deadline=None)
@given(made=rooms, case=cases)
def test_the_ai_counts_only_where_it_may(made, case):
    check_counted(plan(made, *case, AT), made, *case)


@settings(max_examples=200, deadline=None)
@given(made=rooms, case=cases)
def test_nothing_is_shown_to_readers_unless_the_policy_shows_it(made, case):
    check_shown(plan(made, *case, AT), made, *case)


OVER = STUDY.model_copy(update={"until": datetime.date(2026, 3, 1)})


@pytest.mark.parametrize("study", [None, STUDY, OVER], ids=["none", "study", "over"])
@pytest.mark.parametrize("policy", [policy.name for policy in POLICIES])
def test_each_pair_of_what_differs_from_a_plain_exam(policy, study):
    """Not by chance: everything that may hold the AI back, alone and with each other thing."""
    made = room(policy, study=study)
    for one, other in itertools.combinations_with_replacement(SPOILS, 2):
        case = spoiled((one, other))
        if choose(made, case[0]) is None:
            continue
        found = plan(made, *case, AT)
        check_counted(found, made, *case)
        check_shown(found, made, *case)


@settings(max_examples=200, deadline=None)
@given(made=rooms, case=cases)
def test_knowing_less_never_lets_the_ai_count(made, case):
    """Of the same exam with a fact that nobody said, no fewer people read."""
    known, said, gate = case
    if plan(made, known, said, gate, AT).human_reads == 1:
        return
    for fact, unknown in NOTHING_SAID.items():
        if known.listed and unknown is UNSAID:
            continue  # silence is a word where the site relies on it
        fewer = dataclasses.replace(known, **{fact: unknown})
        assert plan(made, fewer, said, gate, AT).human_reads == 2
