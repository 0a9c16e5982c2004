"""The form of a version of the policies: from a room to fields, and from fields to a document.

What a person typed is kept as typed, so that a form with a fault comes back as it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gransk.core.exam_facts import FLAGS, Fact
from gransk.core.programme import Programme
from gransk.reading.plan import Arbitration, Differing, PolicyKind
from gransk.reading.policy import CATEGORY, LIMITS, KnownBy, Policy, Room, Rule
from gransk.web.texts import catalogue, text

OUTSIDE = "-"
"""Instead of a policy: exams of the rule stay outside of the reading room."""
FACTS = tuple(fact.value for fact in Fact if fact in FLAGS)
ALONE = ("experienced_alone", "arbitrates_single_recall")
MOST = 30
"""Policies, and rules, of one form; more are written as text."""
CHOICES: dict[str, Sequence[str]] = {
    "kind": [kind.value for kind in PolicyKind],
    "limit": ["", CATEGORY, *(str(score) for score in range(1, 11))],
    "differing": [one.value for one in Differing],
    "arbitration": [one.value for one in Arbitration],
    "programmes": [*(one.value for one in Programme), "unknown"],
    "rounds": ["first", "later"],
    "treated": ["", "yes", "no"],
    "study_kind": ["", "simulation", "approved_study"],
    "known_by": [one.value for one in KnownBy],
}


class Sent(Protocol):
    """A form as it was sent: several values may have one name."""

    def get(self, key: str) -> Any: ...
    def getlist(self, key: Any) -> Sequence[Any]: ...


@dataclass
class PolicyFields:
    """One policy as typed; an empty name: none."""

    name: str = ""
    kind: str = PolicyKind.DOUBLE_READING.value
    recall_from: str = ""
    double_from: str = ""
    marks_from: str = ""
    waiting_minutes: str = "60"
    experienced_alone: str = ""
    arbitrates_single_recall: str = ""
    differing: str = Differing.VERDICT.value
    arbitration: str = Arbitration.THIRD_READER.value
    target_working_days: str = "10"


@dataclass
class RuleFields:
    """One rule as typed; an empty place: none."""

    place: str = ""
    programmes: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    age_from: str = ""
    age_to: str = ""
    rounds: list[str] = field(default_factory=list)
    treated: str = ""
    policy: str = ""
    study_kind: str = ""
    study_reference: str = ""
    study_until: str = ""


@dataclass
class RoomFields:
    """A whole version as typed."""

    valid_from: str = ""
    application: str = "mammo"
    policies: list[PolicyFields] = field(default_factory=list)
    rules: list[RuleFields] = field(default_factory=list)
    known_by: dict[str, str] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)
    exams: str = ""
    cancers: str = ""
    follow_up_months: str = "24"
    minimum: dict[str, Any] = field(default_factory=dict)
    """Of other applications: not on the form, and kept."""


def fields_of(room: Room, valid_from: str) -> RoomFields:
    """A room as the form shows it."""
    minimum = room.minimum.get(room.application)
    found = RoomFields(
        valid_from=valid_from,
        application=room.application,
        policies=[_policy_fields(policy) for policy in room.policies],
        rules=[_rule_fields(n, rule) for n, rule in enumerate(room.rules, start=1)],
        known_by={fact: room.facts.of(Fact(fact)).by.value for fact in FACTS},
        because={fact: room.facts.of(Fact(fact)).because for fact in FACTS},
        minimum={
            name: one.model_dump() for name, one in room.minimum.items() if name != room.application
        },
    )
    if minimum is not None:
        found.exams, found.cancers = str(minimum.exams), str(minimum.cancers)
        found.follow_up_months = str(minimum.follow_up_months)
    return found


def sent(form: Sent, kept: Mapping[str, Any]) -> RoomFields:
    """What a form says.

    Parameters
    ----------
    form : Sent
    kept : mapping of str to dict
        Minimums of other applications, which the form does not show.
    """
    found = RoomFields(minimum=dict(kept))
    for name in ("valid_from", "application", "exams", "cancers", "follow_up_months"):
        setattr(found, name, _one(form, name))
    for fact in FACTS:
        found.known_by[fact] = _one(form, f"known_by.{fact}")
        found.because[fact] = _one(form, f"because.{fact}")
    for n in range(MOST + 1):
        if form.get(f"policy.{n}.kind") is not None:
            found.policies.append(_sent(PolicyFields(), form, f"policy.{n}"))
        if form.get(f"rule.{n}.place") is not None:
            found.rules.append(_sent(RuleFields(), form, f"rule.{n}"))
    found.policies = [one for one in found.policies if one.name]
    found.rules = [one for one in found.rules if one.place]
    found.rules.sort(key=_order)
    return found


def document(typed: RoomFields) -> dict[str, Any]:
    """The document that typed fields mean, for `Room` to check."""
    minimum = dict(typed.minimum)
    if typed.exams or typed.cancers:
        minimum[typed.application] = _filled(
            exams=_number(typed.exams),
            cancers=_number(typed.cancers),
            follow_up_months=_number(typed.follow_up_months),
        )
    return {
        "valid_from": typed.valid_from,
        "application": typed.application,
        "policies": [_policy(one) for one in typed.policies],
        "rules": [_rule(one) for one in typed.rules],
        "facts": {
            fact: _filled(by=typed.known_by[fact], because=typed.because[fact]) for fact in FACTS
        },
        "minimum": minimum,
    }


def faults(error: ValidationError, typed: RoomFields, language: str) -> list[str]:
    """What is wrong with a form, each with its place, in words."""
    every = error.errors()
    # A list whose only member is wrong is called too short beside.
    about = {detail["loc"][:1] for detail in every if len(detail["loc"]) > 1}
    return [_fault(one, typed, language) for one in every if one["loc"] not in about]


def _fault(detail: ErrorDetails, typed: RoomFields, language: str) -> str:
    place = [part for part in detail["loc"] if part not in ("int", "literal['category']")]
    message = detail["msg"]
    key = f"policy_fault_{detail['type']}"
    if message.startswith("no "):
        key += "_none"
    if key not in catalogue():
        key = "policy_fault_value"
    named = next((name for name in (*LIMITS, *ALONE) if name in message), "")
    values = {
        "wanted": message.removeprefix("Input should be "),
        "field": text(f"policy_field_{named}", language) if named else "",
    }
    said = text(key, language, **values)
    where = _where(place, typed, language) or _named_rule(message, typed, language)
    return f"{where}: {said}" if where else said


def _named_rule(message: str, typed: RoomFields, language: str) -> str:
    """The rule that a fault of the whole room names by its number."""
    found = re.search(r"rule (\d+)", message)
    if found is None:
        return ""
    return text("policy_place_rule", language, place=typed.rules[int(found[1]) - 1].place)


def _where(place: list[int | str], typed: RoomFields, language: str) -> str:
    """The field that an error is about, as the form calls it."""
    told: list[str] = []
    if len(place) > 1 and isinstance(place[1], int):
        number = place[1]
        if place[0] == "policies":
            told.append(text("policy_place_policy", language, name=typed.policies[number].name))
        if place[0] == "rules":
            told.append(text("policy_place_rule", language, place=typed.rules[number].place))
    for part in reversed(place):
        if f"policy_field_{part}" in catalogue():
            told.append(text(f"policy_field_{part}", language))
            break
    return ", ".join(told)


def _policy_fields(policy: Policy) -> PolicyFields:
    return PolicyFields(
        name=policy.name,
        kind=policy.kind.value,
        **{name: str(policy.limits.get(name, "")) for name in LIMITS},
        waiting_minutes=str(policy.waiting_minutes),
        experienced_alone="yes" if policy.experienced_alone else "",
        arbitrates_single_recall="yes" if policy.arbitrates_single_recall else "",
        differing=policy.differing.value,
        arbitration=policy.arbitration.value,
        target_working_days=str(policy.target_working_days),
    )


def _rule_fields(place: int, rule: Rule) -> RuleFields:
    when, study = rule.when, rule.study
    return RuleFields(
        place=str(place),
        programmes=[str(one) for one in when.programmes],
        units=list(when.units),
        age_from="" if when.age_from is None else str(when.age_from),
        age_to="" if when.age_to is None else str(when.age_to),
        rounds=[one.value for one in when.rounds],
        treated={None: "", True: "yes", False: "no"}[when.treated],
        policy=rule.policy or OUTSIDE,
        study_kind=study.kind.value if study else "",
        study_reference=study.reference if study else "",
        study_until=study.until.isoformat() if study else "",
    )


def _sent(empty: Any, form: Sent, prefix: str) -> Any:
    for one in fields(empty):
        name = f"{prefix}.{one.name}"
        if isinstance(getattr(empty, one.name), list):
            setattr(empty, one.name, [str(value) for value in form.getlist(name)])
        else:
            setattr(empty, one.name, _one(form, name))
    return empty


def _one(form: Sent, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _order(rule: RuleFields) -> float:
    try:
        return float(rule.place.replace(",", "."))
    except ValueError:
        return float("inf")


def _policy(typed: PolicyFields) -> dict[str, Any]:
    values = _filled(
        name=typed.name,
        kind=typed.kind,
        **{name: _limit(getattr(typed, name)) for name in LIMITS},
        waiting_minutes=_number(typed.waiting_minutes),
        differing=typed.differing,
        arbitration=typed.arbitration,
        target_working_days=_number(typed.target_working_days),
    )
    for name in ALONE:
        if getattr(typed, name):
            values[name] = True
    return values


def _rule(typed: RuleFields) -> dict[str, Any]:
    when = _filled(
        age_from=_number(typed.age_from),
        age_to=_number(typed.age_to),
        treated={"yes": True, "no": False}.get(typed.treated),
    )
    when |= {"programmes": typed.programmes, "units": typed.units, "rounds": typed.rounds}
    rule: dict[str, Any] = {"when": when, "policy": typed.policy}
    if typed.policy == OUTSIDE:
        rule["policy"] = None
    if typed.study_kind:
        rule["study"] = {
            "kind": typed.study_kind,
            "reference": typed.study_reference,
            "until": typed.study_until,
        }
    return rule


def _limit(typed: str) -> int | str | None:
    return _number(typed) if typed != CATEGORY else typed


def _number(typed: str) -> int | str | None:
    """A whole number where it is one, nothing where nothing is typed, else what was typed."""
    if not typed:
        return None
    return int(typed) if typed.isdecimal() else typed


def _filled(**values: Any) -> dict[str, Any]:
    """Without what was left empty."""
    return {name: value for name, value in values.items() if value is not None}
