"""What a draft of the settings would have changed of one study, without reading its images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydicom import Dataset
from sqlalchemy.orm import Session

from gransk.core.application import (
    Application,
    FollowsUp,
    Previewed,
    Previews,
    TakesImages,
)
from gransk.core.calibration import EXAM_SCORE
from gransk.core.errors import GranskError, InvalidValueError, ModelError
from gransk.core.exam_facts import unit_of
from gransk.core.findings import Findings
from gransk.core.followup import Assessment, FollowUp, renamed
from gransk.core.models import ModelLibrary
from gransk.core.programme import UNKNOWN, Programme, order_of, programmes_of
from gransk.core.study import Instance, Study
from gransk.core.urgent import hold
from gransk.reading.room_words import say
from gransk.reading.urgent import RANKS
from gransk.results import edits, tracks
from gransk.results.blobs import BlobStore
from gransk.results.exam_facts import said_unit
from gransk.results.origins import origin_of
from gransk.results.programmes import said_programme
from gransk.results.routing import ReportFacts, route
from gransk.results.store import read_findings, read_follow_up
from gransk.results.tables import ExamProgramme, ProgrammeSource, Workitem
from gransk.results.urgency import Level
from gransk.site.config import Config
from gransk.site.config_destinations import Outcome
from gransk.site.config_overrides import Override, checked_settings, choosing_keys
from gransk.site.overrides import StudyFacts, resolved
from gransk.site.site_keys import Content

Header = Callable[[str], Dataset | None]
"""The header of an image by its SOP Instance UID; None where the archive does not give it."""
ABOUT_IMAGES = ("institution", "station", "manufacturer", "model_name", "kernel", "age_from",
                "age_below")  # fmt: skip
"""What an override may ask that stands in the images alone."""


class Kind(StrEnum):
    """What of a study would have been otherwise."""

    FINDINGS = "findings"
    SCORE = "score"
    ADVICE = "advice"
    URGENT = "urgent"
    DESTINATIONS = "destinations"
    UNIT = "unit"
    PROGRAMME = "programme"


class Untold(StrEnum):
    """Why something of a study cannot be told."""

    SERIES = "series"
    MODELS = "models"
    UNMEASURED = "unmeasured"
    COMPARISON = "comparison"
    APPLICATION = "application"
    """Its application does not tell what other settings would have reported."""
    HEADERS = "headers"
    """The archive does not give its images."""
    PROGRAMME = "programme"
    """One image does not say what was read of its order."""
    FOLLOW_UP = "follow_up"
    """When it is on the follow-up list, or overdue there."""
    RELEASE = "release"
    """When its report is released."""
    DAMAGED = "damaged"
    """What was kept cannot be read."""


@dataclass(frozen=True)
class Change:
    """One thing that would have been otherwise, in words of each language."""

    kind: Kind
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True)
class Looked:
    """What is known of one study: changes, and what cannot be told."""

    changes: tuple[Change, ...] = ()
    untold: frozenset[Untold] = frozenset()


@dataclass(frozen=True)
class Side:
    """One state of a study's report: as it is, or as it would have been.

    Parameters
    ----------
    findings : Findings, optional
        As people left them; None where that takes the images.
    least, most : int, optional
        How many findings stand, as far as known.
    follow_up : FollowUp, optional
    unit : str
    programme : Programme, optional
    """

    findings: Findings | None
    least: int | None
    most: int | None
    follow_up: FollowUp | None
    unit: str
    programme: Programme | None


@dataclass(frozen=True)
class Viewer:
    """Looks at studies under the settings in force and under a draft.

    Parameters
    ----------
    now, then : Config
        In force, and as the draft would have it.
    applications : mapping of str to Application
    models : ModelLibrary
    blobs : BlobStore
    kept : callable
        The site keys of a version by its number; None where there is none.
    header : Header
    languages : sequence of str
    """

    now: Config
    then: Config
    applications: Mapping[str, Application]
    models: ModelLibrary
    blobs: BlobStore
    kept: Callable[[int], Content | None]
    header: Header
    languages: Sequence[str] = ("da", "en")

    def look(self, session: Session, item: Workitem) -> Looked:
        """What a draft would have changed of a study that is analysed."""
        application = self.applications.get(item.application)
        if application is None or item.analysis_key is None:
            return Looked()
        try:
            return _Study(self, session, item, application).looked()
        except (GranskError, KeyError, OSError, ValueError):
            return Looked(untold=frozenset({Untold.DAMAGED}))

    def chooses_otherwise(self, name: str) -> bool:
        """Does the draft choose images by other rules, so that a refused study may be read?"""
        application = self.applications.get(name)
        if application is None:
            return False
        keys = choosing_keys(application)
        now, then = (
            {key: config.applications.get(name, {}).get(key) for key in keys}
            for config in (self.now, self.then)
        )
        return now != then or any(
            key in override.settings
            for key in keys
            for override in self._differing()
            if override.application == name
        )

    def _differing(self) -> list[Override]:
        """Overrides that only one of both has, or that may hold for other studies."""
        now, then = self.now.overrides, self.then.overrides
        other = self.now.programme != self.then.programme
        return [
            one
            for one in (*now, *then)
            if one not in now or one not in then or (other and one.where.programme is not None)
        ]


class _Study:
    """One analysed study."""

    def __init__(
        self, viewer: Viewer, session: Session, item: Workitem, application: Application
    ) -> None:
        self.viewer, self.session, self.item, self.application = viewer, session, item, application
        self.sealed = read_findings(session, viewer.blobs, str(item.analysis_key))
        self.untold: set[Untold] = set()
        self._header: Dataset | None = None

    def looked(self) -> Looked:
        viewer = self.viewer
        self._what_is_not_calculated()
        sides = self._sides()
        if sides is None:
            return Looked(untold=frozenset(self.untold))
        was, would = sides
        changes = [
            *self._findings(was, would),
            *self._advice(was, would),
            *self._urgent(was, would),
            *self._routes(was, would),
        ]
        if was.unit != would.unit:
            both = (*viewer.now.reading.units, *viewer.then.reading.units)
            titles = {unit.name: unit.title for unit in both}
            changes.append(self._same(Kind.UNIT, *(titles.get(one.unit, "–") for one in sides)))
        if was.programme != would.programme:
            changes.append(Change(Kind.PROGRAMME, *map(self._programme_words, sides)))
        return Looked(tuple(changes), frozenset(self.untold))

    def _what_is_not_calculated(self) -> None:
        """Note what the draft changes of this study and the two sides do not hold."""
        now, then = self.viewer.now, self.viewer.then
        if now.priors != then.priors and isinstance(self.application, FollowsUp):
            self.untold.add(Untold.COMPARISON)
        if now.follow_up != then.follow_up:
            kept = self._kept_follow_up()
            if kept is not None and kept.assessment is not None and kept.assessment.advice:
                self.untold.add(Untold.FOLLOW_UP)
        if now.release != then.release:
            self.untold.add(Untold.RELEASE)

    # Both states

    def _sides(self) -> tuple[Side, Side] | None:
        viewer = self.viewer
        made = viewer.kept(self.item.settings_version)
        units = [self._unit(config) for config in (viewer.now, viewer.then)]
        programmes = self._programmes()
        if programmes is None:
            return None
        now, then = (
            self._settings(config.applications, config.overrides, unit, programme)
            for config, unit, programme in zip(
                (viewer.now, viewer.then), units, programmes, strict=True
            )
        )
        if now is None or then is None:
            return None
        under = now
        if made is not None:
            overrides = [Override.model_validate(one) for one in made.get("overrides", ())]
            under = self._settings(made["applications"], overrides, units[0], programmes[0]) or now
        if not isinstance(self.application, Previews):
            if now != then:
                self.untold.add(Untold.APPLICATION)
                return None
            known = [Previewed.known(self.sealed)] * 2
        elif now == then:
            known = [Previewed.known(self.sealed)] * 2
        else:
            known = [self._previewed(self.application, under, one) for one in (now, then)]
        for one in known:
            if one.why is not None and not (
                one.why is TakesImages.COMPARISON and not self._compared()
            ):
                self.untold.add(Untold(one.why.value))
        was, would = (
            self._side(found, settings, unit, programme)
            for found, settings, unit, programme in zip(
                known, (now, then), units, programmes, strict=True
            )
        )
        return was, would

    def _previewed(self, application: Previews, under: BaseModel, settings: BaseModel) -> Previewed:
        try:
            return application.preview(self.sealed, under, settings, self.viewer.models)
        except ModelError:
            # One that is not here made none of the findings; the draft's own check names it.
            return Previewed(None, why=TakesImages.MODELS)

    def _side(
        self, found: Previewed, settings: BaseModel, unit: str, programme: Programme | None
    ) -> Side:
        if found.findings is None:
            return Side(None, found.least, found.most, None, unit, programme)
        key = str(self.item.analysis_key)
        named = renamed(found.findings, tracks.tracking(self.session, key))
        acts = edits.acts(self.session, self.item.study_key, self.item.application, key)
        told = edits.edited(named, acts)
        count = len(told.standing)
        return Side(told, count, count, self._assessed(told, settings), unit, programme)

    def _settings(
        self,
        sections: Mapping[str, Mapping[str, Any]],
        overrides: Iterable[Override],
        unit: str,
        programme: Programme | None,
    ) -> BaseModel | None:
        """The application's settings for this study; None where that takes its images."""
        mine = [one for one in overrides if one.application == self.application.id]
        facts = StudyFacts(unit=unit or None, programme=programme)
        if any(getattr(one.where, name) is not None for one in mine for name in ABOUT_IMAGES):
            study = self._study()
            if study is None:
                self.untold.add(Untold.HEADERS)
                return None
            facts = StudyFacts.of_headers(study, facts.unit, facts.programme)
            facts = facts.of_images(study.instances)
        found = resolved(sections, mine, self.application.id, facts)
        return checked_settings(self.application, found.settings, self.application.id)

    def _unit(self, config: Config) -> str:
        """Whose exam it is: what somebody said, else what the images say under a configuration."""
        if said := said_unit(self.session, self.item.study_key):
            return said
        places, _ = origin_of(self.session, self.item.study_key)
        return unit_of(places, config.reading.matches) or config.reading.only_unit

    def _programmes(self) -> tuple[Programme | None, Programme | None] | None:
        """Its programme on both sides; None where the draft reads orders by another table and
        what this order says cannot be told."""
        now, then = self.viewer.now.programme, self.viewer.then.programme
        row = self.session.get(ExamProgramme, self.item.study_key)
        kept = None if row is None or row.programme is None else Programme(row.programme)
        if now == then or said_programme(self.session, self.item.study_key) is not None:
            return kept, kept
        study = self._study()
        if study is None:
            self.untold.add(Untold.HEADERS)
            return None
        order = order_of(study)
        was, would = (_only(programmes_of(order, one.by_code, one.by_text)) for one in (now, then))
        by_order = row is not None and row.source == ProgrammeSource.ORDER
        if by_order and was != kept:
            # Another image said more of the order, or an older table read it.
            self.untold.add(Untold.PROGRAMME)
            return None
        return was, would

    def _programme_words(self, side: Side) -> dict[str, str]:
        return {one: say(side.programme or UNKNOWN, one) for one in self.viewer.languages}

    def _study(self) -> Study | None:
        """One of the analysed images, its header alone."""
        if self._header is None:
            self._header = self.viewer.header(self.sealed.frames[0].sop_instance_uid)
        header = self._header
        if header is None:
            return None
        try:
            return Study.from_instances([Instance(header, lambda: header)])
        except InvalidValueError:
            return None

    def _kept_follow_up(self) -> FollowUp | None:
        if self.item.report_key is None:
            return None
        return read_follow_up(self.session, self.viewer.blobs, self.item.report_key)

    def _compared(self) -> bool:
        kept = self._kept_follow_up()
        return kept is not None and bool(kept.comparisons)

    def _assessed(self, told: Findings, settings: BaseModel) -> FollowUp | None:
        """What is told beside the findings, assessed by these settings."""
        kept = self._kept_follow_up()
        if kept is None or not isinstance(self.application, FollowsUp):
            return kept
        study = self._study()
        if study is None:
            self.untold.add(Untold.HEADERS)
            return None
        standing = told.model_copy(update={"findings": told.standing})
        assessment = self.application.assess(
            study, standing, kept.comparisons, kept.profile, settings
        )
        return kept.model_copy(update={"assessment": assessment})

    # What differs

    def _findings(self, was: Side, would: Side) -> Iterable[Change]:
        if was.findings is None or would.findings is None:
            if _apart(was, would):
                yield self._same(Kind.FINDINGS, _count(was), _count(would))
            return
        uids = [
            {one.tracking_uid for one in s.findings.standing} for s in (was, would) if s.findings
        ]
        if uids[0] != uids[1]:
            yield self._same(Kind.FINDINGS, _count(was), _count(would))
        lines = [self._summary(side.findings) for side in (was, would) if side.findings]
        if lines[0] != lines[1]:
            yield Change(Kind.SCORE, lines[0], lines[1])

    def _summary(self, findings: Findings) -> dict[str, str]:
        """What is said of the study as a whole, in a line of each language."""
        show = self.application.presentation.summary
        return {
            language: "; ".join(f"{label}: {value}" for label, value in show(findings, language))
            for language in self.viewer.languages
        }

    def _advice(self, was: Side, would: Side) -> Iterable[Change]:
        told = [_assessment(side) for side in (was, would)]
        if told[0] is None or told[1] is None:
            return
        first = [one.most_pressing for one in told if one is not None]
        codes = [None if one is None else (one.guideline, one.action, one.due) for one in first]
        if codes[0] != codes[1]:
            said = [{} if one is None else dict(one.text) for one in first]
            yield Change(Kind.ADVICE, said[0], said[1])

    def _urgent(self, was: Side, would: Side) -> Iterable[Change]:
        if was.findings is None or would.findings is None:
            return
        sizes = self.application.presentation.sizes
        told = []
        for side, config in ((was, self.viewer.now), (would, self.viewer.then)):
            rules = [
                rule
                for rule in config.priority.rules
                if rule.application == self.application.id
                and side.findings is not None
                and hold(rule.when, side.findings, side.follow_up, sizes)
            ]
            told.append(max(rules, key=lambda rule: RANKS[Level(rule.level)], default=None))
        names = [None if rule is None else (rule.name, rule.level) for rule in told]
        if names[0] != names[1]:
            words = [
                {one: "–" if rule is None else rule.words(one) for one in self.viewer.languages}
                for rule in told
            ]
            yield Change(Kind.URGENT, words[0], words[1])

    def _routes(self, was: Side, would: Side) -> Iterable[Change]:
        places, modalities = origin_of(self.session, self.item.study_key)
        found = []
        for side, config in ((was, self.viewer.now), (would, self.viewer.then)):
            outcome: Outcome | None = None
            if side.least is not None and (side.least > 0 or side.most == 0):
                outcome = "findings" if side.least > 0 else "none"
            facts = ReportFacts(
                application=self.application.id,
                outcome=outcome,
                score=None if side.findings is None else side.findings.measured(EXAM_SCORE),
                modalities=modalities,
                places=places,
                unit=side.unit,
            )
            found.append(route(config.destinations, facts))
        if found[0] != found[1]:
            said = [
                ", ".join(f"{name} ({' '.join(kinds)})" for name, kinds in one.items()) or "–"
                for one in found
            ]
            yield self._same(Kind.DESTINATIONS, said[0], said[1])

    def _same(self, kind: Kind, before: str, after: str) -> Change:
        """A change whose words are the same in every language."""
        words = self.viewer.languages
        return Change(kind, dict.fromkeys(words, before), dict.fromkeys(words, after))


def _only(found: Sequence[Programme]) -> Programme | None:
    """What an order says; one that contradicts itself says nothing."""
    return found[0] if len(found) == 1 else None


def _assessment(side: Side) -> Assessment | None:
    return None if side.follow_up is None else side.follow_up.assessment


def _apart(was: Side, would: Side) -> bool:
    """Do the numbers of findings differ, whatever the images hold?"""
    numbers = (was.least, was.most, would.least, would.most)
    if any(number is None for number in numbers):
        return False
    low, high, least, most = (int(number or 0) for number in numbers)
    return most < low or least > high


def _count(side: Side) -> str:
    if side.least == side.most:
        return str(side.least)
    return f"{side.least}–{side.most}"
