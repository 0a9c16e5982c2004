"""An outcome as people and programs read it."""

from __future__ import annotations

from typing import Any

from nodule.guidelines.codes import Strength, text
from nodule.guidelines.engine import Outcome
from nodule.guidelines.rows import Option
from nodule.guidelines.table import Range

_NAMES: dict[str, tuple[str, str]] = {
    "texture": ("texture", "tekstur"),
    "count": ("number of nodules", "antal noduli"),
    "risk": ("risk", "risiko"),
    "morphology": ("morphology", "morfologi"),
    "growth": ("growth", "vækst"),
    "solid_growth": ("growth of the solid part", "vækst af den solide del"),
    "clear_growth": ("clear growth by eye", "tydelig vækst efter øjemål"),
    "measured_by": ("measured by", "målt ved"),
    "size": ("size", "størrelse"),
    "solid_size": ("size of the solid part", "størrelse af den solide del"),
    "speed": ("doubling time", "fordoblingstid"),
    "brock": ("Brock, %", "Brock, %"),
    "herder": ("Herder, %", "Herder, %"),
    "previous": ("earlier category", "tidligere kategori"),
    "airway": ("in an airway", "i en luftvej"),
    "proven_benign": ("proven benign", "bevist godartet"),
    "mm": ("mean diameter", "middeldiameter"),
    "mm3": ("volume", "volumen"),
    "age_years": ("age", "alder"),
    "known_primary_cancer": ("known primary cancer", "kendt primær kræft"),
    "immunosuppressed": ("immunosuppressed", "immunsupprimeret"),
    "setting": ("reason for the scan", "årsag til skanningen"),
    "spiculated": ("spiculated", "spikuleret"),
    "fissure_displaced": ("fissure displaced", "fissur forskudt"),
    "cancer_history": ("cancer history", "kræft i sygehistorien"),
}
_VALUES: dict[str, tuple[str, str]] = {
    "solid": ("solid", "solid"),
    "part_solid": ("part-solid", "delvist solid"),
    "ground_glass": ("ground glass", "matglas"),
    "single": ("one", "én"),
    "multiple": ("several", "flere"),
    "low": ("low", "lav"),
    "high": ("high", "høj"),
    "middle": ("middle", "mellem"),
    "ordinary": ("ordinary", "almindelig"),
    "perifissural": ("perifissural", "perifissural"),
    "juxtapleural": ("juxtapleural", "juxtapleural"),
    "calcified": ("benign calcification", "godartet forkalkning"),
    "fat": ("fat", "fedt"),
    "first": ("first scan", "første skanning"),
    "new": ("new", "ny"),
    "stable": ("stable", "stabil"),
    "growing": ("growing", "voksende"),
    "fast": ("short", "kort"),
    "slow": ("long", "lang"),
    "not_done": ("not done", "ikke beregnet"),
    "yes": ("yes", "ja"),
    "no": ("no", "nej"),
    "volume": ("volume", "volumen"),
    "diameter": ("diameter", "diameter"),
}
_WORDS: dict[str, tuple[str, str]] = {
    "or": ("or", "eller"),
    "named": ("category", "kategori"),
    "silent": (
        "The guideline is silent: its source lacks",
        "Retningslinjen er tavs: kilden mangler",
    ),
    "baseline": ("from the first scan", "fra første skanning"),
    "category": (
        "from the scan that gave the category",
        "fra skanningen, der gav kategorien",
    ),
    "this": ("from this scan", "fra denne skanning"),
    "months": ("months", "måneder"),
    "proposal": (
        "a proposal until a person confirms the morphology",
        "et forslag, indtil en person bekræfter morfologien",
    ),
    "size": ("size", "størrelse"),
}  # fmt: skip
_LANGUAGES = ("en", "da")


def name_of(key: str, language: str) -> str:
    """An input or a value as people call it; bands and others stay as they are."""
    pair = _NAMES.get(key) or _VALUES.get(key)
    return key if pair is None else pair[_LANGUAGES.index(language)]


def option_text(option: Option, language: str) -> str:
    """What one row advises, in a sentence, with its dates."""

    def word(key: str) -> str:
        return _WORDS[key][_LANGUAGES.index(language)]

    if option.step is None:
        lacks = "" if option.lacks is None else text(option.lacks, language)
        return f"{word('silent')} {lacks}."
    actions = [text(action, language) for action in option.step.actions]
    last = f" {word('or')} ".join(filter(None, [", ".join(actions[:-1]), actions[-1]]))
    told = text(option.step.strength, language, what=last)
    if option.category is not None:
        told = f"{word('named')} {option.category}: {told}"
    if option.due is not None and option.step.due is not None:
        due = option.step.due
        months = f"{due.from_}" if due.from_ == due.to else f"{due.from_}-{due.to}"
        written = "%d.%m.%Y" if language == "da" else "%Y-%m-%d"
        days = " - ".join(dict.fromkeys(day.strftime(written) for day in option.due))
        told += f", {days} ({months} {word('months')} {word(due.counts_from)})"
    return told[0].upper() + told[1:] + "."


def outcome_json(outcome: Outcome, language: str = "en") -> dict[str, Any]:
    """The keys of a study's JSON that tell one guideline's advice."""
    guideline, memory = outcome.guideline, outcome.memory
    proposal = _WORDS["proposal"][_LANGUAGES.index(language)] if outcome.proposal else None
    return {
        "guideline": guideline.id,
        "version": guideline.version,
        "source": guideline.source,
        "source_state": guideline.state,
        "status": outcome.status.value,
        "excluded": [
            {"code": code.value, "text": text(code, language)} for code in outcome.excluded
        ],
        "chosen_by": None if outcome.measure is None else {
            "measure": outcome.measure,
            "text": name_of(outcome.measure, language),
            "value": outcome.size,
        },
        "memory": None if memory is None else {
            "baseline": memory.baseline.isoformat(),
            "controls": [day.isoformat() for day in memory.controls],
            "months": memory.months,
            "growth": list(memory.growth),
        },
        "options": [_option_json(option, language) for option in outcome.options],
        "other_measure": [_option_json(option, language) for option in outcome.other],
        "proposal": proposal,
        "without_morphology": (
            None if outcome.without is None else outcome_json(outcome.without, language)
        ),
        "changed_by": [
            {
                "input": change.input,
                "value": change.value,
                "text": f"{name_of(change.input, language)}: {name_of(change.value, language)}",
                "limit": None if change.limit is None else _range_json(change.limit),
                "row": change.to.name,
                "advice": option_text(change.to, language),
            }
            for change in outcome.changing
        ],
        "notices": [
            {
                "code": notice.code.value,
                "about": list(notice.about),
                "text": text(
                    notice.code,
                    language,
                    about=", ".join(name_of(one, language) for one in notice.about),
                ),
            }
            for notice in outcome.notices
        ],
    }  # fmt: skip


def _option_json(option: Option, language: str) -> dict[str, Any]:
    step = option.step
    return {
        "row": None if option.row is None else option.row.id,
        "lacks": None if option.lacks is None else option.lacks.value,
        "given": {name: list(values) for name, values in option.given.items()},
        "category": option.category,
        "actions": [] if step is None else [action.value for action in step.actions],
        "strength": None if step is None else Strength(step.strength).value,
        "due": None if option.due is None else [day.isoformat() for day in option.due],
        "counts_from": None if step is None or step.due is None else step.due.counts_from,
        "category_since": None if option.since is None else option.since.isoformat(),
        "counted_from": None if option.counted_from is None else option.counted_from.isoformat(),
        "text": option_text(option, language),
    }


def _range_json(limit: Range) -> dict[str, float]:
    return {name: value for name, value in limit.model_dump().items() if value is not None}
