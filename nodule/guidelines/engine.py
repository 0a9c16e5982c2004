"""The one engine: from a situation to the row of a guideline, or to what it lacks."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass

from nodule.growth.dates import add_months
from nodule.guidelines.changing import Changing, changing_of
from nodule.guidelines.codes import Excluded, Lacks, Noticed, Status
from nodule.guidelines.features import GROWTHS, Features, features, growth, slow_growth
from nodule.guidelines.rows import Option, options_of
from nodule.guidelines.situation import Lungs, Morphology, Situation
from nodule.guidelines.table import Guideline, Row


@dataclass(frozen=True)
class Notice:
    """What a reader must know: a code, and what it is about."""

    code: Noticed
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Where in its course a nodule is.

    Parameters
    ----------
    baseline : date
        Of its first scan.
    controls : tuple of date
        The scans since.
    months : int
        Whole months from the baseline, a control that came a little early counted as in time.
    growth : tuple of str
        By the guideline's rule; several where it is unknown.
    """

    baseline: datetime.date
    controls: tuple[datetime.date, ...]
    months: int
    growth: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a guideline says of a nodule.

    Parameters
    ----------
    guideline : Guideline
        Which.
    status : Status
        ``advice`` (one row), ``open`` (several, by what is unknown), ``guideline_silent``,
        ``not_applicable`` or ``not_available``.
    options : tuple of Option
        One, or all that are possible.
    excluded : tuple of Excluded
        Why the guideline is not for the patient.
    measure, size : str, float
        What chose the row, and how large, rounded as the guideline rounds.
    memory : Memory or None
        The nodule's course; None without a nodule.
    other : tuple of Option
        What the other measure would have chosen, where it is known and disagrees.
    proposal : bool
        Whether the advice rests on a morphology that no person confirmed.
    without : Outcome or None
        The advice without that morphology.
    changing : tuple of Changing
        What would have changed it.
    notices : tuple of Notice
        What a reader must know.
    """

    guideline: Guideline
    status: Status
    options: tuple[Option, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    measure: str | None = None
    size: float | None = None
    memory: Memory | None = None
    other: tuple[Option, ...] = ()
    proposal: bool = False
    without: Outcome | None = None
    changing: tuple[Changing, ...] = ()
    notices: tuple[Notice, ...] = ()


def advise(guideline: Guideline, situation: Situation, explain: bool = True) -> Outcome:
    """Ask a guideline about a nodule.

    Parameters
    ----------
    guideline : Guideline
        Which.
    situation : Situation
        The nodule, its course and its patient.
    explain : bool
        Whether to tell what would have changed the advice.

    Raises
    ------
    ConfigurationError
        Where the guideline has two rows for one input.
    """
    if guideline.state == "not_available":
        return Outcome(guideline, Status.NOT_AVAILABLE)
    excluded, unknown = _excluded(guideline, situation)
    if excluded:
        return Outcome(guideline, Status.NOT_APPLICABLE, excluded=excluded)
    notices = [Notice(Noticed.SECONDARY)] if guideline.state == "secondary" else []
    notices += [Notice(Noticed.APPLICABILITY_UNKNOWN, unknown)] if unknown else []
    measures = _measures(guideline, situation)
    if not measures and situation.looks and situation.lungs is Lungs.EVALUABLE:
        lacking = Option(None, Lacks.VOLUME)
        return Outcome(guideline, Status.SILENT, (lacking,), notices=tuple(notices))
    measure = measures[0] if measures else guideline.measures[0]
    found = _features(guideline, situation, measure)
    options = options_of(guideline, situation, found)
    other = _other(guideline, situation, measures[1:], options)
    if other:
        notices.append(Notice(Noticed.MEASURES_DISAGREE, (measure,)))
    notices += _notices(guideline, situation, found, options)
    proposal = not situation.confirmed and any(
        option.row is not None and option.row.rests_on_morphology for option in options
    )
    without = None
    if proposal:
        plain = dataclasses.replace(situation, morphology=Morphology.ORDINARY)
        without = advise(guideline, plain, explain)
    return Outcome(
        guideline,
        _status(options),
        options,
        measure=measure if found.size is not None else None,
        size=found.size,
        memory=_memory(situation, found),
        other=other,
        proposal=proposal,
        without=without,
        changing=(changing_of(guideline, situation, found, measure, options) if explain else ()),
        notices=tuple(notices),
    )


def _memory(situation: Situation, found: Features) -> Memory | None:
    if not situation.looks:
        return None
    baseline, *controls = (look.date for look in situation.looks)
    growth_ = found.values["growth"]
    if controls:
        growth_ = tuple("stable" if value == "first" else value for value in growth_)
    return Memory(baseline, tuple(controls), found.months, growth_)


def _excluded(
    guideline: Guideline, situation: Situation
) -> tuple[tuple[Excluded, ...], tuple[str, ...]]:
    """Codes of exclusions, and the inputs whose exclusions are unknown."""
    codes: list[Excluded] = []
    unknown: list[str] = []
    for rule in guideline.excludes:
        value = situation.profile.value(rule.input)
        if value is None:
            unknown.append(rule.input)
        elif rule.below is not None:
            codes += [rule.code] if value < rule.below else []
        else:
            answer = {True: "yes", False: "no"}.get(value, str(value))
            codes += [rule.code] if answer in (rule.is_ or ()) else []
    return tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(unknown))


def _measures(guideline: Guideline, situation: Situation) -> list[str]:
    """The guideline's measures that the current look has, the one that chooses first."""
    if not situation.looks:
        return []
    return [one for one in guideline.measures if situation.looks[-1].measured(one) is not None]


def _features(guideline: Guideline, situation: Situation, measure: str) -> Features:
    """Features; a limit crossed without growth is classed as on a first scan."""
    found = features(guideline, situation, "mm3" if measure == "mm3" else "mm")
    if not guideline.reclassify_on_crossing or len(situation.looks) < 2:
        return found
    growths = {name: found.values[name] for name in GROWTHS}
    maybe = all("stable" in one and "new" not in one for one in growths.values())
    if not maybe or not _crossed(guideline, situation, found, measure):
        return found
    firsts = {
        name: tuple("first" if value == "stable" else value for value in one)
        for name, one in growths.items()
    }
    surely = all(one == ("stable",) for one in growths.values())
    return dataclasses.replace(found, values={**found.values, **firsts}, crossed=surely)


def _crossed(guideline: Guideline, situation: Situation, found: Features, measure: str) -> bool:
    """Does the size alone put it higher than on the scan before, and not lower than it stands?"""
    if situation.looks[-2].measured(measure) is None:
        return False
    before, now = (_rank(guideline, _as_first(situation, at), measure) for at in (-2, -1))
    if before is None or now is None or now <= before:
        return False
    stable = {**found.values, "growth": ("stable",), "solid_growth": ("stable",)}
    kept = _rank_of(guideline, situation, dataclasses.replace(found, values=stable))
    return kept is None or now >= kept


def _as_first(situation: Situation, at: int) -> Situation:
    """One look alone, as on a first scan."""
    look = situation.looks[at]
    return dataclasses.replace(
        situation, exam=look.date, looks=(look,), is_new=False, category_since=None
    )


def _rank(guideline: Guideline, situation: Situation, measure: str) -> int | None:
    """How high a look's size alone puts it among the categories; None where unknown."""
    found = features(guideline, situation, "mm3" if measure == "mm3" else "mm")
    return _rank_of(guideline, situation, found)


def _rank_of(guideline: Guideline, situation: Situation, found: Features) -> int | None:
    """How high features alone put a nodule; None where they leave more than one category."""
    names = {_category(option.row) for option in options_of(guideline, situation, found)}
    order = list(guideline.categories)
    name = names.pop()
    return None if names or name not in order else order.index(name)


def _category(row: Row | None) -> str:
    return "" if row is None or row.category is None else row.category


def _status(options: tuple[Option, ...]) -> Status:
    if len(options) > 1:
        return Status.OPEN
    return Status.SILENT if options[0].row is None else Status.ADVICE


def _other(
    guideline: Guideline, situation: Situation, measures: list[str], options: tuple[Option, ...]
) -> tuple[Option, ...]:
    """What another known measure chooses, where it disagrees."""
    for measure in measures:
        found = options_of(guideline, situation, _features(guideline, situation, measure))
        if [one.name for one in found] != [one.name for one in options]:
            return found
    return ()


def _notices(
    guideline: Guideline, situation: Situation, found: Features, options: tuple[Option, ...]
) -> list[Notice]:
    notices: list[Notice] = []
    if found.crossed:
        notices.append(Notice(Noticed.LIMIT_CROSSED))
    if found.cancelled:
        notices.append(Notice(Noticed.MORPHOLOGY_CANCELLED, found.cancelled))
    if found.unsure and any(one.row and one.row.rests_on_morphology for one in options):
        notices.append(Notice(Noticed.MORPHOLOGY_UNSURE, found.unsure))
    rule = guideline.growth
    if rule is not None and rule.warn_over_months is not None and len(situation.looks) > 1:
        earlier = situation.looks[0 if rule.compared_with == "baseline" else -2]
        if situation.exam > add_months(earlier.date, rule.warn_over_months):
            notices.append(Notice(Noticed.LONG_INTERVAL, (str(rule.warn_over_months),)))
    if situation.looks and slow_growth(guideline, situation, growth(guideline, situation)):
        notices.append(Notice(Noticed.SLOW_GROWTH))
    if "airway" in guideline.not_assessed and situation.airway is None:
        notices.append(Notice(Noticed.AIRWAY_NOT_ASSESSED))
    if "atypical_cyst" in guideline.not_assessed and situation.atypical_cyst is None:
        notices.append(Notice(Noticed.ATYPICAL_CYST_NOT_ASSESSED))
    open_to = guideline.upgrade.from_ if guideline.upgrade is not None else ()
    unjudged = situation.suspicious is None and not situation.spiculated
    if unjudged and any(one.row and one.row.category in open_to for one in options):
        notices.append(Notice(Noticed.SUSPICIOUS_NOT_ASSESSED))
    return notices
