"""A plain report of a study, ready to paste, in Danish and English."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gransk.core import reasons
from gransk.core.findings import Finding, Findings, Note
from gransk.core.followup import Advice, Assessment, Comparison, FollowUp, Lesion, Look, Outcome
from gransk.core.study import Study
from nodule.advising import NO_GUIDELINE
from nodule.answers import exam_date
from nodule.emphysema import NAME as BELOW_950
from nodule.presentation import number, value_text
from nodule.report_words import GROWTH, GUIDELINES, MODELS, Words, words
from nodule.risk.labels import ANSWERS, INPUTS, names

Tell = Callable[[Note, str], str]
MOST_CHANGES = 3
"""What would have changed an advice: so many are told."""
CHANGES_FIRST = ("size", "solid_size", "growth", "speed", "risk", "brock", "herder")
STUDY_WIDE = ("secondary", "airway_not_assessed", "atypical_cyst_not_assessed")
"""Notices that are true of every nodule and are told once."""
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


def report_text(
    study: Study, findings: Findings, follow_up: FollowUp, language: str, tell: Tell
) -> str:
    """The report.

    Parameters
    ----------
    study : Study
        Its headers alone are read.
    findings : Findings
        Under the tracking UIDs of ``follow_up``.
    follow_up : FollowUp
        What was compared, and what follows.
    language : str
        ``da`` or ``en``.
    tell : callable
        A note as a person reads it.
    """
    writer = _Writer(findings, follow_up, language, words(language), tell)
    exam = exam_date(study)
    parts = [
        writer.title(exam),
        writer.found(),
        writer.compared(exam),
        writer.risks(),
        writer.advised(),
        writer.reserve(),
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part) + "\n"
    return _ISO.sub(r"\3.\2.\1", text) if language == "da" else text


class _Writer:
    """Writes the parts of a report, each as lines."""

    def __init__(
        self, findings: Findings, follow_up: FollowUp, language: str, say: Words, tell: Tell
    ) -> None:
        self.findings, self.follow_up = findings, follow_up
        self.language, self.say, self.tell = language, say, tell
        self.kept = [one for one in findings.findings if not one.rejected]
        self.called = {one.tracking_uid: self._name(one) for one in findings.findings}

    # What was found

    def title(self, exam: datetime.date | None) -> list[str]:
        day = self.say("no_date") if exam is None else exam.isoformat()
        return [self.say("title", date=day)]

    def found(self) -> list[str]:
        lines = [self.say("findings")]
        lines += [self._finding(one) for one in self.kept] or [self.say("none_found")]
        rejected = len(self.findings.findings) - len(self.kept)
        if rejected:
            lines.append(self.say("rejected", count=rejected))
        share = self.findings.measured(BELOW_950)
        if share is not None:
            lines.append(self.say("below_950", share=self._number(share, 1)))
        lines += [self.tell(note, self.language) for note in self.findings.notes]
        return lines

    def _finding(self, finding: Finding) -> str:
        side = value_text(finding, "side", self.language)
        lobe = value_text(finding, "lobe", self.language)
        place = " ".join(filter(None, [side, self.say.lobe(lobe) if lobe else ""]))
        texture = value_text(finding, "texture", self.language) or self.say("texture_unknown")
        axes = [finding.measured(name) for name in ("long_axis_mm", "short_axis_mm")]
        told = [place, texture]
        if all(axis is not None for axis in axes):
            shown = " × ".join(self._number(axis or 0.0, 1) for axis in axes)
            mean = finding.measured("mean_diameter_mm")
            told.append(self.say("axes", axes=shown, mean=self._number(mean or 0.0, 1)))
        told += filter(None, [self._volume(finding), self._solid(finding)])
        told += self._looks(finding)
        if finding.origin == "person":
            told.append(self.say("by_person"))
        return f"{self.called[finding.tracking_uid]}: {', '.join(filter(None, told))}."

    def _volume(self, finding: Finding) -> str:
        found = next((m for m in finding.measurements if m.name == "volume_mm3"), None)
        if found is None:
            return ""
        told = f"{self.say('volume')} {self._number(found.value, 0)} mm³"
        if found.interval is None:
            return told
        return f"{told} ({self._range(found.interval, 0)} mm³)"

    def _solid(self, finding: Finding) -> str:
        mean = finding.measured("solid_part_mean_diameter_mm")
        return "" if mean is None else self.say("solid_part", mean=self._number(mean, 1))

    def _looks(self, finding: Finding) -> list[str]:
        """What bears on the advice: calcium, fat, and a place at a fissure or the pleura."""
        told = []
        for name, meant in (("calcification", None), ("fat", "present"),
                            ("perifissural", "yes"), ("juxtapleural", "yes")):  # fmt: skip
            shown = value_text(finding, name, self.language)
            code = finding.quality(name)
            if code is None or not shown:
                continue
            if meant is None and shown not in (self.say("calcium_none"), self.say("not_assessed")):
                told.append(self.say("calcium", pattern=shown))
            elif meant is not None and shown in self.say.yes:
                told.append(self.say(name))
        return told

    # What was compared

    def compared(self, exam: datetime.date | None) -> list[str]:
        lines = [self.say("comparison")]
        for one in self.follow_up.comparisons:
            lines += self._comparison(one, exam)
        for left_out in self.follow_up.not_compared:
            day = left_out.study_date
            lines.append(
                self.say(
                    "not_compared",
                    date=self.say("no_date") if day is None else day.isoformat(),
                    why=reasons.text(left_out.reason, self.language),
                )
            )
        return lines if len(lines) > 1 else [*lines, self.say("nothing_compared")]

    def _comparison(self, one: Comparison, exam: datetime.date | None) -> list[str]:
        date = one.prior_date.isoformat()
        if one.refused is not None:
            why = reasons.text(one.refused, self.language)
            return [self.say("not_compared", date=date, why=why)]
        days = ((exam or one.current_date) - one.prior_date).days
        key = "compared_with" if days >= 0 else "compared_with_later"
        lines = [self.say(key, date=date, days=abs(days))]
        lines += [self._lesion(lesion, one) for lesion in one.lesions if self._mine(lesion)]
        lines += self._gone(one)
        lines += [self.tell(note, self.language) for note in one.notes]
        return lines + self._lesion_notes(one)

    def _mine(self, lesion: Lesion) -> bool:
        return lesion.current_uid in {one.tracking_uid for one in self.kept}

    def _lesion(self, lesion: Lesion, one: Comparison) -> str:
        name = self.called[str(lesion.current_uid)]
        if lesion.outcome is not Outcome.MATCHED:
            return f"{name}: {self.say(f'outcome_{lesion.outcome.value}')}."
        told = [self.say("outcome_matched")]
        told += filter(None, [self._size_change(lesion), self._diameter_change(lesion)])
        told.append(self._doubling(lesion))
        growth = self._growth(lesion, one)
        return f"{name}: {'; '.join(filter(None, [*told, growth]))}."

    def _size_change(self, lesion: Lesion) -> str:
        before, now = _both(lesion, "volume_mm3")
        change = lesion.changed("volume_change_percent")
        if before is None or now is None or change is None:
            return ""
        told = f"{self.say('volume')} {self._number(before, 0)} → {self._number(now, 0)} mm³"
        return f"{told} ({self._signed(change.value, 0)} %)"

    def _diameter_change(self, lesion: Lesion) -> str:
        before, now = _both(lesion, "mean_diameter_mm")
        change = lesion.changed("diameter_change_mm")
        if before is None or now is None or change is None:
            return ""
        told = f"{self.say('mean')} {self._number(before, 1)} → {self._number(now, 1)} mm"
        return f"{told} ({self._signed(change.value, 1)} mm)"

    def _doubling(self, lesion: Lesion) -> str:
        if lesion.withheld:
            why = " ".join(self.tell(note, self.language) for note in lesion.withheld)
            return self.say("vdt_withheld", why=why.rstrip("."))
        found = lesion.changed("vdt_days")
        if found is None:
            return self.say("no_growth")
        days = self._number(found.value, 0)
        if found.interval is None:
            return self.say("vdt", days=days)
        return self.say("vdt_interval", days=days, range=self._range(found.interval, 0))

    def _growth(self, lesion: Lesion, one: Comparison) -> str:
        """The guideline's class, told once: with the comparison that comes first."""
        assessment = self.follow_up.assessment
        if assessment is None or one is not self.follow_up.comparisons[0]:
            return ""
        found = assessment.growth.get(str(lesion.current_uid))
        guideline = next((a.guideline for a in assessment.advice), "")
        if found is None or guideline in ("", NO_GUIDELINE):
            return ""
        by = GUIDELINES.get(guideline, guideline)
        return self.say("growth", by=by, what=GROWTH[found][self.language])

    def _gone(self, one: Comparison) -> list[str]:
        lines = []
        for outcome in (Outcome.RESOLVED, Outcome.NOT_COVERED, Outcome.UNCERTAIN):
            mine = [
                lesion for lesion in one.lesions
                if lesion.outcome is outcome and lesion.current_uid is None
            ]  # fmt: skip
            if mine:
                sizes = ", ".join(self._size(lesion.prior) for lesion in mine)
                lines.append(self.say(f"gone_{outcome.value}", count=len(mine), sizes=sizes))
        return lines

    def _size(self, look: Look | None) -> str:
        volume = None if look is None else look.measured("volume_mm3")
        return self.say("size_unknown") if volume is None else f"{self._number(volume, 0)} mm³"

    def _lesion_notes(self, one: Comparison) -> list[str]:
        """Notes on single nodules, those that several share told once."""
        told: dict[str, list[str]] = {}
        for lesion in one.lesions:
            for note in lesion.notes if self._mine(lesion) else ():
                if note.code != "no_growth":
                    name = self.called[str(lesion.current_uid)]
                    told.setdefault(self.tell(note, self.language), []).append(name)
        return [f"{', '.join(mine)}: {text}" for text, mine in told.items()]

    # Risk

    def risks(self) -> list[str]:
        assessment = self.follow_up.assessment
        if assessment is None or not assessment.risks:
            return []
        lines = [self.say("risk")]
        for finding in self.kept:
            told = [
                self._risk(risk)
                for risk in assessment.risks
                if risk.tracking_uid == finding.tracking_uid
            ]
            if told:
                lines.append(f"{self.called[finding.tracking_uid]}: {'; '.join(told)}.")
        lines += self._answers()
        if assessment.unknown:
            lines.append(self.say("unknown", names=names(assessment.unknown, self.language)))
        return lines

    def _risk(self, risk: Any) -> str:
        name = MODELS.get(risk.model, risk.model)
        if risk.probability is None:
            why = "" if risk.refused is None else self.tell(risk.refused, self.language)
            return f"{name}: {_lower(why).rstrip('.')}"
        low, high = (100 * end for end in risk.probability)
        shown = self._number(low, 1) if low == high else self._range((low, high), 1, plain=True)
        by = self.say("by_model", model=MODELS[risk.calculated_by]) if risk.calculated_by else ""
        return f"{name} {shown} %{by}"

    def _answers(self) -> list[str]:
        """The answers that a person, REST or FHIR gave."""
        patient = (self.follow_up.profile or {}).get("patient", {})
        told = []
        for name, answer in patient.items():
            if isinstance(answer, Mapping) and answer.get("value") is not None:
                value = answer["value"]
                word = {True: "yes", False: "no"}.get(value, str(value))
                shown = ANSWERS[word][self.language] if word in ANSWERS else f"{value:g}"
                told.append(f"{INPUTS[name][self.language]}: {shown} ({answer['date']})")
        return [self.say("answers", told="; ".join(told))] if told else []

    # Advice

    def advised(self) -> list[str]:
        assessment = self.follow_up.assessment
        if assessment is None:
            return []
        lines = [self.say("advice")]
        for one in assessment.advice:
            lines += self._advice(one)
        if not assessment.advice:
            lines.append(self.say("no_advice"))
        lines += self._study_wide(assessment)
        return lines + [self.tell(note, self.language) for note in assessment.notes]

    def _advice(self, advice: Advice) -> list[str]:
        who = self.called.get(advice.tracking_uid or "", self.say("whole_study"))
        key = "proposed" if advice.proposal else "advised"
        lines = [self.say(key, who=who, text=advice.text[self.language])]
        lines.append(f"  {self._ground(advice)}")
        detail = advice.detail.get(self.language, {})
        lines += [
            f"  {notice['text']}"
            for notice in detail.get("notices", ())
            if notice["code"] not in STUDY_WIDE
        ]
        told = advice.text[self.language]
        others = [one for one in detail.get("changed_by", ()) if one["advice"] != told]
        others.sort(key=lambda one: _place(one["input"]))
        changes = [self._change(one) for one in others[:MOST_CHANGES]]
        if changes and not advice.proposal:
            lines.append(f"  {self.say('changed_by', told='; '.join(changes))}")
        return lines

    def _ground(self, advice: Advice) -> str:
        """Which guideline, version and row, and what chose it."""
        why = advice.reason[self.language]
        if advice.guideline == NO_GUIDELINE:
            return f"{why}."
        by = GUIDELINES.get(advice.guideline, advice.guideline)
        rows = [option.get("row") for option in advice.detail.get("en", {}).get("options", ())]
        row = ", ".join(filter(None, rows)) or self.say("no_row")
        return self.say("ground", by=by, version=advice.version, row=row, why=why)

    def _change(self, change: Mapping[str, Any]) -> str:
        return f"{change['text']} → {_lower(change['advice']).rstrip('.')}"

    def _study_wide(self, assessment: Assessment) -> Iterable[str]:
        told = [
            notice["text"]
            for advice in assessment.advice
            for notice in advice.detail.get(self.language, {}).get("notices", ())
            if notice["code"] in STUDY_WIDE
        ]
        return dict.fromkeys(told)

    def reserve(self) -> list[str]:
        return [self.say("research")]

    # Words and numbers

    def _name(self, finding: Finding) -> str:
        """What people call a finding, in their language."""
        kind, _, rest = finding.tracking_id.partition(" ")
        return f"{self.say('nodule')} {rest}" if kind == "Nodule" and rest else finding.tracking_id

    def _number(self, value: float, digits: int) -> str:
        return number(value, digits, self.language)

    def _signed(self, value: float, digits: int) -> str:
        shown = self._number(abs(value), digits)
        sign = "±" if not any(c in "123456789" for c in shown) else "+" if value > 0 else "-"
        return f"{sign}{shown}"

    def _range(self, ends: Sequence[float | None], digits: int, plain: bool = False) -> str:
        low, high = ends
        first = self._number(low or 0.0, digits)
        if high is None:
            told = self.say("or_more", low=first)
        else:
            told = f"{first}-{self._number(high, digits)}"
        return told if plain else f"95 % {told}"


def _both(lesion: Lesion, name: str) -> tuple[float | None, float | None]:
    looks = (lesion.prior, lesion.current)
    before, now = (None if look is None else look.measured(name) for look in looks)
    return before, now


def _place(name: str) -> int:
    """Where a change stands among what would have changed an advice: measures first."""
    return CHANGES_FIRST.index(name) if name in CHANGES_FIRST else len(CHANGES_FIRST)


def _lower(sentence: str) -> str:
    """A sentence within another; abbreviations such as CT stay."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]
