"""In the child: a study beside its neighbours, and what follows from it.

Nothing here stops the study's own report: a prior that cannot be fetched or compared is
told in the report with its reason.
"""

from __future__ import annotations

import datetime
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gransk.archive.fetch import fetch_study
from gransk.archive.orthanc import ArchiveUnavailableError, NotInArchiveError, Orthanc
from gransk.archive.tables import SeenStudy
from gransk.core.application import (
    Application,
    Context,
    Examined,
    FollowsUp,
    Picture,
    Place,
)
from gransk.core.errors import RefusalError, UnreadableInputError
from gransk.core.findings import Finding, Findings
from gransk.core.followup import Comparison, FollowUp, NotCompared, Outcome, renamed
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline import protocol
from gransk.pipeline.channel import Channel, place
from gransk.results.edits import Act, Signature, edited, report_part, signature, unmeasured
from gransk.results.pictures import pack_pictures, unpack_pictures
from gransk.site.config import Config

LANGUAGES = ("en", "da")
SAME_PLACE_MM = 5.0
"""Findings of one study by two versions are one lesion within this, or half its diameter."""
FAR = 1e9


@dataclass(frozen=True)
class Told:
    """What the report tells.

    Parameters
    ----------
    findings : Findings
        With the lesions' tracking UIDs and what people made of them.
    follow_up : FollowUp, optional
        None for an application that follows nothing up.
    pictures : list of Picture
        Both sides of compared lesions.
    created : datetime
        That the objects state.
    tracking : dict of str to str
        From the findings' UIDs to the lesions'.
    signature : Signature, optional
        Who signed what the report tells.
    extra : dict
        What enters the report key beside the analysis.
    """

    findings: Findings
    follow_up: FollowUp | None
    pictures: list[Picture]
    created: datetime.datetime
    tracking: dict[str, str] = field(default_factory=dict)
    signature: Signature | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Follower:
    """One study in the child.

    Parameters
    ----------
    study : Study
    findings : Findings
        As they were sealed.
    context : Context
        Of the study's own analysis.
    """

    job: protocol.Job
    config: Config
    channel: Channel
    application: Application
    study: Study
    findings: Findings
    context: Context

    def tell(self) -> Told:
        """Compare, name the lesions, assess."""
        neighbours = self.channel.ask(protocol.Beside(), protocol.Neighbours)
        pairs = [pair for one in neighbours.before for pair in self._as_before(one)]
        acts = self._measure(_carried(neighbours, pairs))
        mine = edited(self.findings, acts)
        comparisons, pictures, refused = self._compare(mine, neighbours.priors)
        pairs += [pair for one, kept in comparisons for pair in _pairs(one, kept)]
        tracks = self.channel.ask(
            protocol.Paired(uids=tuple(f.tracking_uid for f in mine.findings), pairs=tuple(pairs)),
            protocol.Tracks,
        )
        named = [_named(kept, tracks, one.analysis_key) for one, kept in comparisons]
        mine = renamed(mine, tracks.tracking)
        follow_up = self._follow_up(
            mine, named, (*neighbours.not_compared, *refused), neighbours.profile
        )
        extra = {
            "tracking": {k: v for k, v in tracks.tracking.items() if k != v},
            "follow_up": None if follow_up is None else _sha256(follow_up),
        }
        shown = named_pictures(pictures, tracks.tracking)
        same = neighbours.signed == (None if follow_up is None else _sha256(follow_up))
        signed = signature(acts, self.context.analysis_key, same)
        told = {k: v for k, v in extra.items() if v} | report_part(acts, signed)
        return Told(mine, follow_up, shown, neighbours.created, tracks.tracking, signed, told)

    def _measure(self, acts: Sequence[Act]) -> list[Act]:
        """Measure what people pointed at; where nothing can be outlined, that is kept."""
        application = self.application
        if not isinstance(application, FollowsUp):
            return list(acts)
        todo = {act.number for act in unmeasured(acts, self.context.analysis_key)}
        return [
            self._measure_one(application, act, act.place)
            if act.number in todo and act.place is not None
            else act
            for act in acts
        ]

    def _measure_one(self, application: FollowsUp, act: Act, at: Place) -> Act:
        self.channel.progress("measure", 0.9)
        key = self.context.analysis_key
        try:
            finding = application.measure(self.study, self.findings, at, self.context)
        except RefusalError as refusal:
            self.channel.send(protocol.Measured(act=act.number, refused=refusal.reason))
            return act.model_copy(update={"measured_in": key, "refused": refusal.reason})
        file = Path(self.job.output) / f"measured{act.number}.json"
        file.write_text(finding.model_dump_json(), encoding="utf-8")
        self.channel.send(protocol.Measured(act=act.number, file=str(file)))
        return act.model_copy(update={"measured_in": key, "finding": finding})

    def _as_before(self, before: protocol.Neighbour) -> list[protocol.Pair]:
        """Findings at places where an earlier version found something in the same images."""
        earlier = Findings.model_validate_json(Path(before.findings).read_bytes())
        return [
            protocol.Pair(uid=uid, other_analysis=before.analysis_key, other_uid=other)
            for uid, other in same_places(self.findings.findings, earlier.findings)
        ]

    def _compare(
        self, mine: Findings, priors: Sequence[protocol.Neighbour]
    ) -> tuple[list[tuple[protocol.Neighbour, Comparison]], list[Picture], list[NotCompared]]:
        """Compare with each prior; one that cannot be compared is told with its reason."""
        made: list[tuple[protocol.Neighbour, Comparison]] = []
        pictures: list[Picture] = []
        refused: list[NotCompared] = []
        if not isinstance(self.application, FollowsUp):
            return made, pictures, refused
        for number, prior in enumerate(priors):
            self.channel.progress("compare", 0.9)
            why, detail = None, ""
            try:
                comparison, shown = self._one(self.application, mine, prior, number)
            except RefusalError as refusal:
                why, detail = refusal.reason, refusal.detail
            except UnreadableInputError:
                why = Reason.UNREADABLE_FILE
            except NotInArchiveError:
                why = Reason.PRIOR_GONE
            except ArchiveUnavailableError:
                raise
            except MemoryError:
                why = Reason.MEMORY_LIMIT
            except Exception as error:  # noqa: BLE001 the study's own report goes on
                why, detail = Reason.INTERNAL_ERROR, place(error)
            if why is not None:
                date = prior.study_date
                refused.append(NotCompared(study_date=date, reason=why, detail=detail))
            else:
                made.append((prior, comparison))
                pictures += shown
        return made, pictures, refused

    def _one(
        self, application: FollowsUp, mine: Findings, prior: protocol.Neighbour, number: int
    ) -> tuple[Comparison, list[Picture]]:
        theirs = _without_rejected(
            edited(Findings.model_validate_json(Path(prior.findings).read_bytes()), prior.acts)
        )
        key = comparison_key(self.context.analysis_key, prior.analysis_key, mine, theirs)
        kept = self.channel.ask(protocol.AskedComparison(key=key), protocol.SealedComparison)
        if kept.comparison is not None and kept.pictures is not None:
            content = Path(kept.comparison).read_bytes()
            shown = unpack_pictures(Path(kept.pictures).read_bytes())
            return Comparison.model_validate_json(content).model_copy(update={"key": key}), shown
        if self.job.no_comparing is not None:
            raise RefusalError(self.job.no_comparing)
        folder = Path(self.job.output) / f"prior{number}"
        study = fetch(self.config, self.channel, prior, folder)
        self.channel.progress("compare", 0.9)
        try:
            current = Examined(self.study, mine)
            comparison = application.compare(current, Examined(study, theirs), self.context)
            shown = application.comparison_pictures(self.study, study, comparison)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._keep(key, prior, number, comparison, shown)
        return comparison.model_copy(update={"key": key}), shown

    def _keep(
        self,
        key: str,
        prior: protocol.Neighbour,
        number: int,
        comparison: Comparison,
        shown: Sequence[Picture],
    ) -> None:
        output = Path(self.job.output)
        told, drawn = output / f"comparison{number}.json", output / f"comparison{number}.npz"
        told.write_text(comparison.model_dump_json(), encoding="utf-8")
        drawn.write_bytes(pack_pictures(shown))
        self.channel.send(
            protocol.Compared(
                key=key,
                prior_analysis=prior.analysis_key,
                comparison=str(told),
                pictures=str(drawn),
            )
        )

    def _follow_up(
        self,
        mine: Findings,
        comparisons: Sequence[Comparison],
        not_compared: Sequence[NotCompared],
        profile: Mapping[str, Any] | None,
    ) -> FollowUp | None:
        if not isinstance(self.application, FollowsUp):
            return None
        self.channel.progress("assess", 0.91)
        application, settings = self.application, self.context.settings
        standing = _without_rejected(mine)
        assessment = application.assess(self.study, standing, comparisons, profile, settings)
        told = FollowUp(
            comparisons=tuple(comparisons),
            not_compared=tuple(not_compared),
            assessment=assessment,
            profile=None if profile is None else dict(profile),
        )
        text = {
            language: application.report_text(self.study, standing, told, language)
            for language in LANGUAGES
        }
        return told.model_copy(update={"text": text})


def fetch(config: Config, channel: Channel, of: protocol.Neighbour | protocol.Job, folder: Path,
          reports: Path | None = None) -> Study:  # fmt: skip
    """Fetch a study's images from the archive into a folder of its own."""
    channel.progress("fetch", 0.0)
    seen = SeenStudy(
        key=of.study_key,
        archive=config.orthanc.name,
        orthanc_id=of.orthanc_id,
        study_instance_uid=of.study_instance_uid,
    )
    folder.mkdir()
    orthanc = Orthanc(config.orthanc)
    try:
        return fetch_study(orthanc, seen, folder, reports)
    finally:
        orthanc.close()


def comparison_key(current: str, prior: str, mine: Findings, theirs: Findings) -> str:
    """Key of a comparison: both analyses, and the findings of either side.

    The current analysis' key holds the application's version, models and settings.
    """
    uids = [sorted(f.tracking_uid for f in side.findings) for side in (mine, theirs)]
    return digest(["comparison", current, prior, uids])


def same_places(findings: Sequence[Finding], earlier: Sequence[Finding]) -> list[tuple[str, str]]:
    """Pairs of findings at one place of the same images, one to one."""
    ones = [f for f in findings if f.centre_lps_mm is not None]
    others = [f for f in earlier if f.centre_lps_mm is not None]
    if not ones or not others:
        return []
    centres = [np.array([f.centre_lps_mm for f in side]) for side in (ones, others)]
    distances = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    radii = [(one.measured("mean_diameter_mm") or 0) / 2 for one in ones]
    near = distances <= np.maximum(SAME_PLACE_MM, radii)[:, None]
    return [
        (ones[i].tracking_uid, others[j].tracking_uid) for i, j in pairs_within(distances, near)
    ]


def pairs_within(distances: NDArray[np.float64], near: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pair rows and columns one to one: as many as are near, at the least distance together.

    Parameters
    ----------
    distances : ndarray of float, (n, m)
        May be infinite where they are not near.
    near : ndarray of bool, (n, m)
        Which may be pairs.
    """
    # What is out of reach is equally far: else a pair within reach is given up for two beyond.
    pairs = zip(*linear_sum_assignment(np.where(near, distances, FAR)), strict=True)
    return [(int(i), int(j)) for i, j in pairs if near[i, j]]


def _carried(neighbours: protocol.Neighbours, pairs: Sequence[protocol.Pair]) -> list[Act]:
    """Acts on findings of an earlier version, as acts on those at the same places now."""
    now = {pair.other_uid: pair.uid for pair in pairs}
    for before in neighbours.before:
        now |= {before.tracking.get(old, old): new for old, new in list(now.items())}
    return [
        act.model_copy(update={"finding_uid": now[named]})
        if (named := next((u for u in (act.lesion_uid, act.finding_uid) if u in now), None))
        else act
        for act in neighbours.acts
    ]


def _without_rejected(findings: Findings) -> Findings:
    standing = tuple(f for f in findings.findings if not f.rejected)
    return findings.model_copy(update={"findings": standing})


def _pairs(prior: protocol.Neighbour, comparison: Comparison) -> list[protocol.Pair]:
    """What was matched, most certain first."""
    matched = [one for one in comparison.lesions if one.outcome is Outcome.MATCHED]
    matched.sort(key=lambda one: -(one.certainty or 0.0))
    return [
        protocol.Pair(
            uid=one.current_uid, other_analysis=prior.analysis_key, other_uid=one.prior_uid
        )
        for one in matched
        if one.current_uid is not None and one.prior_uid is not None
    ]


def _named(comparison: Comparison, tracks: protocol.Tracks, prior: str) -> Comparison:
    """The same comparison under the lesions' own UIDs."""
    theirs = tracks.others.get(prior, {})
    lesions = tuple(
        one.model_copy(
            update={
                "current_uid": _of(tracks.tracking, one.current_uid),
                "prior_uid": _of(theirs, one.prior_uid),
                "candidates": tuple(theirs.get(uid, uid) for uid in one.candidates),
            }
        )
        for one in comparison.lesions
    )
    return comparison.model_copy(update={"lesions": lesions})


def _of(names: Mapping[str, str], uid: str | None) -> str | None:
    return None if uid is None else names.get(uid, uid)


def named_pictures(pictures: Sequence[Picture], names: Mapping[str, str]) -> list[Picture]:
    """Pictures under the lesions' own UIDs."""
    return [
        replace(one, tracking_uid=names.get(one.tracking_uid, one.tracking_uid)) for one in pictures
    ]


def told_bytes(follow_up: FollowUp) -> bytes:
    """What a report tells beside its findings, as it is kept."""
    return follow_up.model_dump_json().encode("utf-8")


def _sha256(follow_up: FollowUp) -> str:
    return hashlib.sha256(told_bytes(follow_up)).hexdigest()
