"""A guideline's outcome as advice that reports tell, the most pressing first."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from gransk.core.followup import Advice
from nodule.guidelines.codes import Action, Status, text
from nodule.guidelines.engine import Outcome
from nodule.guidelines.report import name_of, option_text, outcome_json
from nodule.guidelines.rows import Option
from nodule.guidelines.situation import Situation
from nodule.guidelines.table import Guideline

LANGUAGES = ("en", "da")
NO_GUIDELINE = "no_guideline"
UNITS = {"mm": "mm", "mm3": "mm³"}
DIGITS = {"mm": 1, "mm3": 0}

WORK_UP = frozenset(
    {
        Action.PET_CT, Action.TISSUE_SAMPLING, Action.BIOPSY, Action.EXCISION,
        Action.NON_SURGICAL_TREATMENT, Action.HERDER, Action.HIGHLY_SUSPICIOUS,
        Action.FURTHER_WORK_UP, Action.MULTIDISCIPLINARY_TEAM,
    }
)  # fmt: skip
ENDS = frozenset({Action.NO_FOLLOW_UP, Action.END_OF_FOLLOW_UP, Action.DISCHARGE, Action.NEGATIVE})
WORK_UP_TIER, PERSON_TIER, CONTROL_TIER, END_TIER = range(4)

_WORDS: dict[str, tuple[str, str]] = {
    "person": ("A person must decide.", "En person skal tage stilling."),
    "not_applicable": (
        "The guideline is not for this patient: {why}",
        "Retningslinjen gælder ikke for patienten: {why}",
    ),
    "not_available": (
        "The guideline's table is not available until the site adds it.",
        "Retningslinjens tabel er ikke tilgængelig, før stedet tilføjer den.",
    ),
    "no_guideline": (
        "The site has chosen no guideline for this reason of the scan.",
        "Stedet har ikke valgt en retningslinje for denne årsag til skanningen.",
    ),
    "if": ("If {what}", "Hvis {what}"),
    "or": (" or ", " eller "),
    "no_nodule": ("no nodule", "ingen nodulus"),
    "unknown": ("unknown", "ukendt"),
    "texture": ("texture", "tekstur"),
    "new": ("new since an earlier scan", "ny siden en tidligere skanning"),
    "after": (
        "{months} months after the first scan ({date})",
        "{months} måneder efter første skanning ({date})",
    ),
    "category": ("earlier category", "tidligere kategori"),
    "morphology": ("morphology", "morfologi"),
    "other": (
        "the other measure would have chosen another row",
        "det andet mål ville have valgt en anden række",
    ),
}


def advice_of(
    outcome: Outcome, situation: Situation, tracking_uid: str | None, assumed: bool = False
) -> tuple[Advice, ...]:
    """The advice; where it rests on an unconfirmed morphology, that without it stands first.

    Parameters
    ----------
    outcome : Outcome
        The guideline's.
    situation : Situation
        What it was asked.
    tracking_uid : str or None
        The finding; None for the study.
    assumed : bool
        Whether the reason for the scan is unknown, so that the guideline is assumed.
    """
    found = [_advice(outcome, situation, tracking_uid, assumed)]
    if outcome.without is not None:
        found.insert(0, _advice(outcome.without, situation, tracking_uid, assumed))
    return tuple(found)


def without_guideline(setting: str) -> Advice:
    """What is told where the site chose no guideline."""
    return Advice(
        guideline=NO_GUIDELINE, version="", source_state="", status=NO_GUIDELINE,
        text={one: f"{_word('no_guideline', one)} {_word('person', one)}" for one in LANGUAGES},
        reason={
            one: f"{name_of('setting', one)}: {_setting(setting, one)}" for one in LANGUAGES
        },
    )  # fmt: skip


def pressing(advice: Iterable[Advice]) -> tuple[Advice, ...]:
    """Most pressing first: work-up, what a person must decide, controls by date, ends.

    A proposal comes after every advice that stands.
    """
    far = datetime.date.max

    def order(one: Advice) -> tuple[bool, int, datetime.date, datetime.date]:
        due = one.due or (far, far)
        return one.proposal, tier(one), due[0], due[1]

    return tuple(sorted(advice, key=order))


def tier(advice: Advice) -> int:
    """How pressing an advice is; of several possible rows the most pressing counts."""
    options = advice.detail.get("en", {}).get("options", ())
    if advice.status not in (Status.ADVICE, Status.OPEN) or not options:
        return PERSON_TIER
    return min(_tier(tuple(one["actions"])) for one in options)


def _tier(actions: tuple[str, ...]) -> int:
    if not actions:
        return PERSON_TIER
    if WORK_UP & set(actions):
        return WORK_UP_TIER
    return END_TIER if set(actions) <= ENDS else CONTROL_TIER


def _advice(
    outcome: Outcome, situation: Situation, tracking_uid: str | None, assumed: bool
) -> Advice:
    guideline, options = outcome.guideline, outcome.options
    actions = {one.step.actions[0].value if one.step else "" for one in options}
    due = {one.due for one in options}
    single = options[0].row if len(options) == 1 else None
    detail = {language: outcome_json(outcome, language) for language in LANGUAGES}
    return Advice(
        tracking_uid=tracking_uid,
        guideline=guideline.id,
        version=guideline.version,
        source_state=guideline.state,
        status=outcome.status.value,
        row=None if single is None else single.id,
        action=actions.pop() if len(actions) == 1 else "",
        due=due.pop() if len(due) == 1 else None,
        proposal=outcome.proposal,
        text={one: _text(outcome, one) for one in LANGUAGES},
        reason={one: _reason(outcome, situation, one) for one in LANGUAGES},
        detail={**detail, "assumed_setting": assumed},
    )


def _text(outcome: Outcome, language: str) -> str:
    if outcome.status is Status.NOT_AVAILABLE:
        return f"{_word('not_available', language)} {_word('person', language)}"
    if outcome.status is Status.NOT_APPLICABLE:
        why = " ".join(text(code, language) for code in outcome.excluded)
        told = _word("not_applicable", language).format(why=_lower(why))
        return f"{told} {_word('person', language)}"
    if len(outcome.options) == 1:
        told = option_text(outcome.options[0], language)
        silent = outcome.options[0].step is None
        return f"{told} {_word('person', language)}" if silent else told
    return " ".join(_conditional(one, language) for one in outcome.options)


def _conditional(option: Option, language: str) -> str:
    either = _word("or", language)
    given = [
        f"{name_of(name, language)}: {either.join(name_of(one, language) for one in values)}"
        for name, values in option.given.items()
    ]
    what = option_text(option, language)
    return f"{_word('if', language).format(what=', '.join(given))}: {what}" if given else what


def _reason(outcome: Outcome, situation: Situation, language: str) -> str:
    """The measurement and the answers that chose the row."""
    if not situation.looks:
        return _word("no_nodule", language)
    parts = []
    if outcome.measure is not None and outcome.size is not None:
        rounds = {str(name): digits for name, digits in outcome.guideline.decimals.items()}
        digits = rounds.get(outcome.measure, DIGITS[outcome.measure])
        shown = _number(outcome.size, digits, language)
        parts.append(f"{name_of(outcome.measure, language)} {shown} {UNITS[outcome.measure]}")
    known = situation.texture
    named = name_of(known.value, language) if known else _word("unknown", language)
    parts.append(f"{_word('texture', language)}: {named}")
    if situation.count is not None:
        many = "single" if situation.count == 1 else "multiple"
        parts.append(f"{name_of('count', language)}: {name_of(many, language)}")
    parts += _course(outcome, situation, language)
    if _asks(outcome.guideline, "risk"):
        risk = situation.profile.value("fleischner_risk")
        told = name_of(risk.value, language) if risk else _word("unknown", language)
        parts.append(f"{name_of('risk', language)}: {told}")
    rests = any(one.row is not None and one.row.rests_on_morphology for one in outcome.options)
    if rests:
        looks = name_of(situation.morphology.value, language)
        parts.append(f"{_word('morphology', language)}: {looks}")
    if outcome.other:
        parts.append(_word("other", language))
    return "; ".join(parts)


def _course(outcome: Outcome, situation: Situation, language: str) -> list[str]:
    memory = outcome.memory
    if memory is None:
        return []
    if not memory.controls:
        return [_word("new", language)] if situation.is_new else []
    either = _word("or", language)
    grown = either.join(name_of(one, language) for one in memory.growth)
    after = _word("after", language).format(
        months=memory.months, date=_day(memory.baseline, language)
    )
    told = [f"{grown}, {after}"]
    if situation.previous_category is not None:
        told.append(f"{_word('category', language)} {situation.previous_category}")
    return told


def _asks(guideline: Guideline, name: str) -> bool:
    return name in guideline.names()


def _word(key: str, language: str) -> str:
    return _WORDS[key][LANGUAGES.index(language)]


def _setting(setting: str, language: str) -> str:
    from nodule.risk.labels import ANSWERS

    return ANSWERS[setting][language]


def _number(value: float, digits: int, language: str) -> str:
    shown = f"{value:.{digits}f}"
    return shown.replace(".", ",") if language == "da" else shown


def _day(date: datetime.date, language: str) -> str:
    return date.strftime("%d.%m.%Y") if language == "da" else date.isoformat()


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
