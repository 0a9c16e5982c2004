"""What an entry of the ledger says, in the words of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gransk.core import reasons
from gransk.core.reasons import Reason
from gransk.reading.entries import (
    Alert,
    Counted,
    Decision,
    Entry,
    Images,
    Judgement,
    Kind,
    Moved,
    Opening,
    Planned,
    Reading,
    Sealed,
    Task,
)
from gransk.reading.opening import STUDY_GONE
from gransk.reading.opinions import AiOpinion, Opinion, Suspect, Technical
from gransk.reading.pausing import REASON as AI_PAUSED
from gransk.reading.plan import Plan
from gransk.web.texts import instant, number, text

REASONS = (STUDY_GONE, AI_PAUSED)
"""Reasons that the suite itself gives, as codes."""
MARKS_SHOWN = 6


@dataclass(frozen=True)
class Words:
    """Words in one language, with people's names."""

    language: str
    names: Mapping[str, str]
    zone: Any = None

    def t(self, key: str, **values: Any) -> str:
        return text(key, self.language, **values)

    def who(self, account: str) -> str:
        """What a person is called."""
        return self.names.get(account, account) or self.t("board_nobody")

    def reason(self, entry: Entry) -> str:
        """Why an entry was made; empty where nobody had to say."""
        if entry.reason in REASONS:
            return self.t(f"entry_reason_{entry.reason}")
        return entry.reason

    def details(self, entry: Entry) -> list[str]:
        """What an entry holds, a line each."""
        for kind, tell in _TELL.items():
            if isinstance(entry.content, kind):
                return list(tell(self, entry.content))
        return []

    # Opinions

    def opinion(self, opinion: Opinion) -> Iterable[str]:
        yield self.verdict(opinion.verdict)
        yield from map(self.suspect, opinion.suspects)
        if opinion.technical is not None:
            yield self.technical(opinion.technical)
        if opinion.comment:
            yield self.t("entry_comment", comment=opinion.comment)

    def verdict(self, verdict: str) -> str:
        return self.t(f"exam_verdict_{verdict}")

    def suspect(self, suspect: Suspect) -> str:
        parts = [self.t(f"entry_breast_{suspect.breast}")]
        parts += [suspect.view.value] if suspect.view else []
        parts.append(self.t(f"entry_finding_{suspect.finding_type}"))
        if suspect.suspicion is not None:
            parts.append(self.t("entry_suspicion", suspicion=suspect.suspicion))
        return ", ".join(parts)

    def technical(self, technical: Technical) -> str:
        views = ", ".join(f"{breast.value} {view.value}" for breast, view in technical.views)
        return f"{views}: {self.t(f'entry_technical_{technical.reason}')}"

    def ai(self, opinion: AiOpinion) -> Iterable[str]:
        said = self.t(f"entry_ai_{opinion.said}")
        if opinion.reason:
            said += f": {self.code(opinion.reason)}"
        yield said
        if opinion.exam_score is not None:
            yield self.t("entry_score", score=number(opinion.exam_score, 0, self.language))
        marks = opinion.marks
        yield from map(self.suspect, marks[:MARKS_SHOWN])
        if len(marks) > MARKS_SHOWN:
            yield self.t("entry_more_marks", count=len(marks) - MARKS_SHOWN)
        if opinion.policy:
            yield self.t("entry_policy", policy=opinion.policy, version=opinion.policy_version)
        if opinion.research:
            yield self.t("entry_research")
        for name, digest in sorted(opinion.models.items()):
            yield self.t("entry_model", model=name, digest=digest[:12])

    def code(self, code: str) -> str:
        """Why the AI has no opinion."""
        if code in set(Reason):
            return reasons.text(Reason(code), self.language)
        return self.t(f"plan_reason_{code}")

    # Plans and tasks

    def plan(self, plan: Plan) -> Iterable[str]:
        name = plan.policy or self.t("entry_no_policy")
        kind = self.t(f"policy_kind_{plan.kind}")
        yield f"{self.t('entry_policy', policy=name, version=plan.version)}: {kind}"
        yield self.t("entry_reads_two" if plan.human_reads == 2 else "entry_reads_one")
        if plan.ai_counts:
            yield self.t("entry_ai_counts")
        if plan.shows_marks:
            yield self.t("entry_shows_marks")
        if plan.shows_ai_after:
            yield self.t("entry_shows_after")
        for reason in plan.reasons:
            yield self.t("entry_because", why=self.t(f"plan_reason_{reason}"))


def _sealed(words: Words, content: Sealed) -> Iterable[str]:
    yield from words.ai(content.opinion)
    yield words.t("entry_seal", seal=content.seal)


def _reading(words: Words, content: Reading) -> Iterable[str]:
    yield from words.opinion(content.opinion)
    if content.seconds is not None:
        yield words.t("entry_seconds", seconds=round(content.seconds))
    if content.via:
        yield words.t("entry_via", machine=content.via)


def _judgement(words: Words, content: Judgement) -> Iterable[str]:
    yield from words.opinion(content.opinion)
    yield words.t("entry_because", why=words.t(f"difference_{content.why}"))
    if content.participants:
        people = ", ".join(map(words.who, content.participants))
        yield words.t("entry_met", people=people)


def _decision(words: Words, content: Decision) -> Iterable[str]:
    yield words.verdict(content.verdict)
    yield from map(words.suspect, content.suspects)
    yield from map(words.technical, content.technical)


def _images(words: Words, content: Images) -> Iterable[str]:
    opens = instant(content.opens_at, words.language, words.zone)
    yield words.t("entry_opens", time=opens)
    yield words.t("entry_images", digest=content.images[:12])


def _task(words: Words, content: Task) -> Iterable[str]:
    yield f"{words.t(f'exam_task_{content.task}')}: {words.who(content.account)}"


def _moved(words: Words, content: Moved) -> Iterable[str]:
    task = words.t(f"exam_task_{content.task}")
    yield f"{task}: {words.who(content.giver)} → {words.who(content.taker)}"


def _opening(words: Words, content: Opening) -> Iterable[str]:
    yield words.t("entry_drawn", people=", ".join(map(words.who, content.drawn)) or "–")


def _counted(words: Words, content: Counted) -> Iterable[str]:
    yield words.t("entry_seal", seal=content.seal)


def _alert(words: Words, content: Alert) -> Iterable[str]:
    yield words.t(f"trouble_{content.code}")


def _planned(words: Words, content: Planned) -> Iterable[str]:
    return words.plan(content.plan)


_TELL: Mapping[type, Callable[[Words, Any], Iterable[str]]] = {
    Sealed: _sealed,
    Reading: _reading,
    Judgement: _judgement,
    Decision: _decision,
    Images: _images,
    Task: _task,
    Moved: _moved,
    Opening: _opening,
    Counted: _counted,
    Alert: _alert,
    Planned: _planned,
}
"""By type of content; an entry whose kind says it all holds nothing else."""

OWN = frozenset({Kind.READ, Kind.CORRECTED, Kind.TRAINEE_READ})
"""Entries of a person's own read."""
