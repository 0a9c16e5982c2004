"""What follows from comparisons, and the plain report: no risk model and no guideline is asked."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gransk.core import reasons
from gransk.core.dates import date_of
from gransk.core.findings import Finding, Findings, Measurement, Note
from gransk.core.followup import Assessment, Comparison, FollowUp, Lesion, Outcome
from gransk.core.study import Study
from mammo.presentation import details, number, summary
from mammo.texts import NAMES
from mammo.tracking.comparison import growth_in
from mammo.tracking.pictures import date_text
from mammo.tracking.texts import TEXTS

Tell = Callable[[Note, str], str]

PROFILE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}
"""Mammography asks no questions: a comparison needs no answers."""

TITLE = {"en": "Mammography", "da": "Mammografi"}
MARKS = {"en": "Marks:", "da": "Markeringer:"}
SAME_LESION = {"en": "same lesion as {names}", "da": "samme læsion som {names}"}
NO_MARKS = {"en": "No marks.", "da": "Ingen markeringer."}
RESEARCH = {
    "en": "Research: not for diagnosis.",
    "da": "Forskning: ikke til diagnostik.",
}
COMPARED = {"en": "Compared with {date}:", "da": "Sammenlignet med {date}:"}
NOTHING = {"en": "no marks on either study", "da": "ingen markeringer på nogen af undersøgelserne"}
NOT_COMPARED = {"en": "Not compared:", "da": "Ikke sammenlignet:"}
UNDATED = {"en": "without a date", "da": "uden dato"}
EARLIER_MARK = {"en": "mark of {date}", "da": "markering fra {date}"}


def assess(comparisons: Sequence[Comparison], study_date: datetime.date | None) -> Assessment:
    """Growth of each mark against the latest earlier exam that tells it; no risk, no advice.

    Parameters
    ----------
    comparisons : sequence of Comparison
        They name marks by the tracking UIDs of the current findings.
    study_date : date, optional
        Of the current exam; comparisons with later exams are left out of account.
    """
    growth: dict[str, str] = {}
    withheld: dict[str, tuple[Note, ...]] = {}
    told = [c for c in comparisons if c.refused is None]
    for comparison in sorted(told, key=lambda c: c.prior_date, reverse=True):
        if comparison.prior_date > (study_date or comparison.current_date):
            continue
        for lesion in comparison.lesions:
            uid = lesion.current_uid
            if uid is None or uid in growth or uid in withheld:
                continue
            said = growth_in(lesion)
            if said is not None:
                growth[uid] = said.value
            elif lesion.withheld:
                withheld[uid] = lesion.withheld
    notes = (Note(code="priors_beside_score"),) if told else ()
    return Assessment(growth=growth, withheld=withheld, notes=notes)


def report_text(
    study: Study, findings: Findings, follow_up: FollowUp, language: str, tell: Tell
) -> str:
    """A plain report, ready to paste.

    Parameters
    ----------
    study : Study
        Its headers alone are read.
    findings : Findings
        Under the tracking UIDs of ``follow_up``.
    follow_up : FollowUp
    language : str
        ``da`` or ``en``.
    tell : callable
        A note as a person reads it.
    """
    parts = [
        _head(study, findings, language),
        _marks(findings, language),
        *(_comparison(c, findings, language, tell) for c in follow_up.comparisons),
        _not_compared(follow_up, language),
        [tell(note, language) for note in findings.notes],
        [tell(note, language) for note in follow_up.assessment.notes]
        if follow_up.assessment
        else [],
        [RESEARCH[language]] if findings.research else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(study: Study, findings: Findings, language: str) -> list[str]:
    date = date_of(study)
    title = TITLE[language] + (f" {date_text(date, language)}" if date else "")
    return [title, *(f"{label}: {said}" for label, said in summary(findings, language))]


def _marks(findings: Findings, language: str) -> list[str]:
    standing = findings.standing
    if not standing:
        return [NO_MARKS[language]]
    # A length or a share tells nothing without its name.
    named = {NAMES[name][language] for name in ("nipple_distance_mm", "score_share")}
    lines = []
    for finding in standing:
        said = [
            f"{label[:1].lower()}{label[1:]} {value}" if label in named else value
            for label, value in details(finding, language)
        ]
        same = ", ".join(other.tracking_id for other in findings.same_lesion(finding))
        if same:
            said.append(SAME_LESION[language].format(names=same))
        lines.append(f"- {finding.tracking_id}: {', '.join(said)}")
    return [MARKS[language], *lines]


def _comparison(comparison: Comparison, findings: Findings, language: str, tell: Tell) -> list[str]:
    head = COMPARED[language].format(date=date_text(comparison.prior_date, language))
    if comparison.refused is not None:
        return [f"{head} {reasons.text(comparison.refused, language)}"]
    names = {f.tracking_uid: f for f in findings.standing}
    rejected = {f.tracking_uid for f in findings.rejected}
    lines = [
        _lesion(lesion, comparison, names.get(lesion.current_uid or ""), language, tell)
        for lesion in comparison.lesions
        if lesion.current_uid not in rejected
    ]
    notes = [tell(note, language) for note in comparison.notes]
    return [head, *(lines or [f"- {NOTHING[language]}"]), *notes]


def _lesion(
    lesion: Lesion, comparison: Comparison, finding: Finding | None, language: str, tell: Tell
) -> str:
    date = date_text(comparison.prior_date, language)
    name = finding.tracking_id if finding else EARLIER_MARK[language].format(date=date)
    look = lesion.current or lesion.prior
    if finding is None and look is not None and look.frame is not None:
        name = f"{name} ({look.frame.label})"
    said = TEXTS[f"outcome_{lesion.outcome}"][language]
    parts = [said]
    if lesion.outcome is Outcome.MATCHED:
        parts += [_change(one, language) for one in lesion.changes]
    notes = [tell(note, language) for note in (*lesion.withheld, *lesion.notes)]
    return " ".join([f"- {name}: {', '.join(parts)}.", *notes])


def _change(change: Measurement, language: str) -> str:
    label = TEXTS[change.name][language].lower()
    text = f"{label} {_signed(change.value, language)} mm"
    if change.interval is None or change.interval[1] is None:
        return text
    to = {"en": "to", "da": "til"}[language]
    low, high = (_signed(v, language) for v in (change.interval[0], change.interval[1]))
    return f"{text} ({low} {to} {high})"


def _signed(value: float, language: str) -> str:
    return ("+" if value > 0 else "") + number(value, 1, language)


def _not_compared(follow_up: FollowUp, language: str) -> list[str]:
    if not follow_up.not_compared:
        return []
    lines = []
    for one in follow_up.not_compared:
        date = date_text(one.study_date, language) if one.study_date else UNDATED[language]
        lines.append(f"- {date}: {reasons.text(one.reason, language)}")
    return [NOT_COMPARED[language], *lines]
