"""Which destinations a report goes to: a pure function of what it is and of the site's rules.

A report goes to a destination where one of its rules holds, and to one without rules always. A
rule holds where everything that it gives holds: of a list, one of its values. What is not known
of a report holds nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gransk.core.exam_facts import Place, Where
from gransk.core.object_kinds import ObjectKind
from gransk.site.config_destinations import Destination, Origin, Outcome, Rule


@dataclass(frozen=True)
class ReportFacts:
    """What rules ask of a report.

    Parameters
    ----------
    application : str
        Its id.
    outcome : str, optional
        ``findings`` where one stands that no person rejected, else ``none``; None: not known.
    score : float, optional
        The exam's calibrated score, 1 to 10; None where there is none, or it is kept back.
    modalities : frozenset of str
        Of the images of the study.
    places : frozenset of Place
        Where its images come from.
    unit : str
        Whose exam it is; empty where that is not known.
    """

    application: str
    outcome: Outcome | None = None
    score: float | None = None
    modalities: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    unit: str = ""


def route(
    destinations: Sequence[Destination], facts: ReportFacts, earlier: Collection[str] = ()
) -> dict[str, tuple[ObjectKind, ...]]:
    """Where a report goes, and what of it.

    Parameters
    ----------
    destinations : sequence of Destination
        Of the configuration.
    facts : ReportFacts
    earlier : collection of str
        Destinations where an earlier report of the same study and application may be: what
        takes its place goes there too.
    """
    return {
        one.name: one.objects
        for one in destinations
        if not one.when or one.name in earlier or any(holds(rule, facts) for rule in one.when)
    }


def holds(rule: Rule, facts: ReportFacts) -> bool:
    """Does a rule hold for a report?"""
    modalities = {name.upper() for name in facts.modalities}
    return (
        (not rule.applications or facts.application in rule.applications)
        and (not rule.outcomes or facts.outcome in rule.outcomes)
        and _within(facts.score, rule.score_from, rule.score_to)
        and (not rule.modalities or any(name.upper() in modalities for name in rule.modalities))
        and (not rule.origins or any(_from(origin, facts) for origin in rule.origins))
    )


def asks_findings(destinations: Sequence[Destination]) -> bool:
    """Does any rule ask what a report says?"""
    rules = [rule for one in destinations for rule in one.when]
    return any(
        rule.outcomes or rule.score_from is not None or rule.score_to is not None for rule in rules
    )


def _within(score: float | None, low: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return score is not None and (low is None or low <= score) and (high is None or score <= high)


def _from(origin: Origin, facts: ReportFacts) -> bool:
    """Does the exam come from there? Attributes of images are those of one image."""
    if origin.unit is not None and origin.unit != facts.unit:
        return False
    parts = (origin.institution, origin.department, origin.station, origin.aet or "")
    return not any(part.strip() for part in parts) or any(map(Where(*parts).fits, facts.places))


Wanted = Mapping[str, Collection[ObjectKind]]
"""By destination, the kinds of object that it is sent."""
