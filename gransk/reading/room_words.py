"""A room, and what another version changes, in the words of a coordinator."""

from __future__ import annotations

from collections.abc import Mapping

from gransk.core.exam_facts import FLAGS, Fact
from gransk.reading.policy import CATEGORY, KnownBy, Limit, Policy, Room, Rule, When

LANGUAGES = ("en", "da")
WORDS: dict[str, tuple[str, str]] = {
    "double_reading": ("two people read, without AI", "to personer gransker, uden AI"),
    "replace_reader": (
        "AI is one of two blinded reads, and recalls {recall_from}",
        "AI er den ene af to blindede granskninger og genindkalder {recall_from}",
    ),
    "triage": (
        "two people read {double_from}, one person below",
        "to personer gransker {double_from}, én person derunder",
    ),
    "safety_net": (
        "two people read; what both call normal is shown again where AI recalls {recall_from}",
        "to personer gransker; det, begge finder normalt, vises igen, hvor AI genindkalder "
        "{recall_from}",
    ),
    "decision_support": (
        "two people read and see the AI's marks {marks_from}",
        "to personer gransker og ser AI's markeringer {marks_from}",
    ),
    "shadow": (
        "two people read; the AI's result is kept and shown to nobody",
        "to personer gransker; AI's resultat gemmes og vises ikke for nogen",
    ),
    "marks": ("readers see marks {marks_from}", "granskerne ser markeringer {marks_from}"),
    "experienced": (
        "who reads alone is experienced",
        "den, der gransker alene, er erfaren",
    ),
    "single_recall": (
        "a recall by one person goes to arbitration",
        "en genindkaldelse fra én person går til arbitrering",
    ),
    "verdict": ("opinions differ by verdict", "uenighed afgøres af konklusionen"),
    "breast": (
        "recalls that share no breast differ too",
        "genindkaldelser uden fælles bryst er også uenighed",
    ),
    "lesion": (
        "recalls that share no lesion differ too",
        "genindkaldelser uden fælles læsion er også uenighed",
    ),
    "third_reader": ("a third reader decides", "en tredje gransker afgør"),
    "consensus": ("a consensus meeting decides", "en konsensuskonference afgør"),
    "waits": (
        "opens {waiting_minutes} minutes after the last image",
        "åbner {waiting_minutes} minutter efter sidste billede",
    ),
    "target": (
        "answer within {target_working_days} working days",
        "svar inden for {target_working_days} hverdage",
    ),
    "always": ("always", "altid"),
    "from_score": ("from score {limit} on", "fra score {limit}"),
    "by_category": ("where the score is high", "hvor scoren er høj"),
    "screening": ("screening", "screening"),
    "clinical": ("clinical", "klinisk"),
    "high_risk": ("high risk", "højrisiko"),
    "unknown": ("unknown programme", "ukendt program"),
    "units": ("unit {names}", "enhed {names}"),
    "ages": ("age {age_from} to {age_to}", "alder {age_from} til {age_to}"),
    "first": ("first round", "første runde"),
    "later": ("later round", "senere runde"),
    "treated_yes": ("treated earlier", "tidligere behandlet"),
    "treated_no": ("not treated earlier", "ikke tidligere behandlet"),
    "outside": ("outside of the reading room", "uden for granskningsrummet"),
    "simulation": (
        "simulation until {until}: {reference}",
        "simulering til og med {until}: {reference}",
    ),
    "approved_study": (
        "approved study until {until}: {reference}",
        "godkendt forsøg til og med {until}: {reference}",
    ),
    "rule": ("Rule {number}: {when} → {then}", "Regel {number}: {when} → {then}"),
    "policy": ("Policy {name}: {said}", "Granskningspolitik {name}: {said}"),
    "implant": ("No implant", "Intet implantat"),
    "treated": ("Not treated earlier", "Ikke tidligere behandlet"),
    "declines_ai": ("Does not decline AI", "Har ikke fravalgt AI"),
    "stated": ("stated of each exam", "oplyst for hver undersøgelse"),
    "images": ("as every image says ({because})", "som alle billeder oplyser ({because})"),
    "exceptions": (
        "unless the list or system that names the programme says so ({because})",
        "medmindre listen eller systemet, der angiver programmet, oplyser det ({because})",
    ),
    "minimum": (
        "Local validation of {application}: at least {exams} exams and {cancers} cancers, "
        "followed for {follow_up_months} months",
        "Lokal validering af {application}: mindst {exams} undersøgelser og {cancers} "
        "cancere, fulgt i {follow_up_months} måneder",
    ),
    "application": ("Exams of {application}", "Undersøgelser af {application}"),
    "added": ("New: {line}", "Ny: {line}"),
    "removed": ("Gone: {line}", "Udgår: {line}"),
    "order": ("The order of the rules changes.", "Reglernes rækkefølge ændres."),
    "none": ("Nothing changes.", "Intet ændres."),
}


def say(key: str, language: str, **values: object) -> str:
    """One of the words above."""
    return WORDS[key][LANGUAGES.index(language)].format(**values)


def limit_words(limit: Limit | None, language: str) -> str:
    """From which score on; empty where there is no limit."""
    if limit is None:
        return ""
    if limit == CATEGORY:
        return say("by_category", language)
    return say("always" if limit == 1 else "from_score", language, limit=limit)


def policy_words(policy: Policy, language: str) -> str:
    """What a policy says, in one line."""
    values: Mapping[str, object] = policy.model_dump() | {
        name: limit_words(getattr(policy, name), language)
        for name in ("recall_from", "double_from", "marks_from")
    }
    keys = [policy.kind.value]
    keys += ["marks"] if policy.marks_from is not None and policy.counts else []
    keys += ["experienced"] if policy.experienced_alone else []
    keys += ["single_recall"] if policy.arbitrates_single_recall else []
    keys += [policy.differing.value, policy.arbitration.value, "waits", "target"]
    said = "; ".join(say(key, language, **values) for key in keys)
    return say("policy", language, name=policy.name, said=said)


def rule_words(number: int, rule: Rule, language: str) -> str:
    """What a rule says, in one line."""
    then = rule.policy or say("outside", language)
    if rule.study is not None:
        until = rule.study.until
        day = f"{until:%d.%m.%Y}" if language == "da" else until.isoformat()
        values = rule.study.model_dump() | {"until": day}
        then += f" ({say(rule.study.kind.value, language, **values)})"
    when = when_words(rule.when, language)
    return say("rule", language, number=number, when=when, then=then)


def when_words(when: When, language: str) -> str:
    """Which exams a rule is for."""
    parts = [", ".join(say(str(one), language) for one in when.programmes)]
    if when.units:
        parts.append(say("units", language, names=", ".join(when.units)))
    if (when.age_from, when.age_to) != (None, None):
        low, high = ("…" if age is None else age for age in (when.age_from, when.age_to))
        parts.append(say("ages", language, age_from=low, age_to=high))
    parts += [say(one.value, language) for one in when.rounds]
    if when.treated is not None:
        parts.append(say("treated_yes" if when.treated else "treated_no", language))
    return "; ".join(parts)


def room_words(room: Room, language: str) -> list[str]:
    """A whole room, a line for each thing that it says."""
    rules = [rule_words(n, rule, language) for n, rule in enumerate(room.rules, start=1)]
    return [*rules, *_without_rules(room, language)]


def differences(before: Room | None, after: Room, language: str) -> list[str]:
    """What another version changes, a line for each thing that goes or comes.

    The first day is no difference; what only moves among the rules is told once.
    """
    if before is None:
        return [say("added", language, line=line) for line in room_words(after, language)]
    old, new = _without_rules(before, language), _without_rules(after, language)
    old_rules, new_rules = (
        [(r, rule_words(n, r, language)) for n, r in enumerate(room.rules, start=1)]
        for room in (before, after)
    )
    gone = [line for rule, line in old_rules if rule not in after.rules]
    come = [line for rule, line in new_rules if rule not in before.rules]
    gone += [line for line in old if line not in new]
    come += [line for line in new if line not in old]
    told = [say("removed", language, line=line) for line in gone]
    told += [say("added", language, line=line) for line in come]
    stay = [rule for rule in before.rules if rule in after.rules]
    if stay != [rule for rule in after.rules if rule in before.rules]:
        told.append(say("order", language))
    return told or [say("none", language)]


def _without_rules(room: Room, language: str) -> list[str]:
    facts = [
        f"{say(fact.value, language)}: {_known(room, fact, language)}"
        for fact in Fact
        if fact in FLAGS
    ]
    minimum = [
        say("minimum", language, application=name, **one.model_dump())
        for name, one in sorted(room.minimum.items())
    ]
    about = say("application", language, application=room.application)
    return [*(policy_words(p, language) for p in room.policies), *facts, *minimum, about]


def _known(room: Room, fact: Fact, language: str) -> str:
    knowing = room.facts.of(fact)
    by: KnownBy = knowing.by
    return say(by.value, language, because=knowing.because)
