"""What Mammography and Chest CAD reports have in common (PS3.16 TID 4015 to 4019, 4021, 4108)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gransk.core.codes import PERCENT, Code
from gransk.core.findings import Finding, FrameRef, Measurement, centroid
from gransk.core.identity import MANUFACTURER
from gransk.results.dicom import cad_codes as terms
from gransk.results.dicom.cad_tree import (
    CONTAINS,
    HAS,
    INFERRED,
    MOD,
    OBS,
    Node,
    Relation,
    code,
    holder,
    number,
    place,
    text,
    uidref,
)
from gransk.results.dicom.common import Report
from gransk.results.dicom.regions import Points, drawn_regions
from gransk.results.dicom.sr import region_identity
from gransk.results.dicom.texts import LANGUAGES


@dataclass(frozen=True)
class Drawn:
    """A finding on one image; ``number`` counts its regions from 1."""

    finding: Finding
    frame: FrameRef
    points: Points
    number: int

    @property
    def tracking(self) -> tuple[str, str]:
        """What people call it, and its Tracking UID."""
        name, uid = self.finding.tracking_id, self.finding.tracking_uid
        if self.number == 1:
            return name, uid
        return f"{name} ({self.number})", region_identity(self.finding, self.number)


@dataclass(frozen=True)
class Lesion:
    """What is on the images of one lesion.

    Parameters
    ----------
    uid : str
        Tracking UID of the lesion as a whole.
    drawn : tuple of Drawn
    """

    uid: str
    drawn: tuple[Drawn, ...]

    @property
    def name(self) -> str:
        return ", ".join(dict.fromkeys(one.finding.tracking_id for one in self.drawn))


def lesions(report: Report) -> list[Lesion]:
    """What the analysis found and no person rejected, one lesion after the other.

    What a person added is no result of computer-aided detection: it is in the other objects.
    """
    by: dict[str, list[Drawn]] = {}
    for finding in report.findings.standing:
        if finding.origin == "person":
            continue
        regions = drawn_regions(report, finding)
        by.setdefault(finding.lesion_uid or finding.tracking_uid, []).extend(
            Drawn(finding, frame, points, n) for n, (frame, points) in enumerate(regions, start=1)
        )
    return [Lesion(uid, tuple(drawn)) for uid, drawn in by.items()]


def language(report: Report) -> Node:
    """TID 1204."""
    name = LANGUAGES.get(report.language, report.language)
    value = Code(value=report.language, scheme="RFC5646", meaning=name)
    return code(MOD, terms.LANGUAGE, value)


def algorithm(report: Report, relation: Relation, version: str = "") -> list[Node]:
    """TID 4019. Research models are called so: a chest report has no other place for words."""
    findings = report.findings
    models = (
        f"model={m.id} version={m.version} sha256={m.sha256}{' research' if m.research else ''}"
        for m in findings.models
    )
    return [
        text(relation, terms.ALGORITHM, f"{MANUFACTURER} {findings.application}"),
        text(relation, terms.ALGORITHM_VERSION, version or findings.application_version),
        text(relation, terms.ALGORITHM_MANUFACTURER, MANUFACTURER),
        *(text(relation, terms.ALGORITHM_PARAMETERS, model) for model in models),
    ]


def tracking(name: str, uid: str) -> list[Node]:
    """TID 4108."""
    return [text(OBS, terms.TRACKING_ID, name), uidref(OBS, terms.TRACKING_UID, uid)]


def intent(value: Code = terms.REQUIRED) -> Node:
    return code(MOD, terms.INTENT, value)


def percent(name: Code, share: float) -> Node:
    """A share from 0 to 1 as a property in percent."""
    return number(HAS, name, round(share * 100, 6), PERCENT)


def geometry(points: Points, on: Callable[[], Node]) -> list[Node]:
    """Centre, and outline where there is one; ``on()`` gives the image of each."""
    made = [place(terms.CENTER, [centroid(points)]).add(on())]
    if len(points) > 1:
        made.append(place(terms.OUTLINE, points).add(on()))
    return made


def first_of_each(measurements: Iterable[Measurement], names: int, units: int) -> list[Node]:
    """Numbers whose concept and unit are of context groups; the first of each concept.

    The templates have no place for how a number was measured, so a second one of the same
    concept, such as the long axis in another plane, would contradict the first.
    """
    made: dict[str, Node] = {}
    for one in measurements:
        name, unit = terms.known(one.concept, names), terms.known(one.unit, units)
        if name is not None and unit is not None and one.value > 0:
            made.setdefault(name.value, number(HAS, name, one.value, unit))
    return list(made.values())


@dataclass(frozen=True)
class Run:
    """One detection or analysis, and the images that it worked on.

    Parameters
    ----------
    what : Code
    on : callable
        Gives the images or series, as properties.
    failed : bool
    """

    what: Code
    on: Callable[[], Sequence[Node]]
    failed: bool = False


@dataclass(frozen=True)
class _Words:
    summary: Code
    good: Code
    bad: Code
    performed: Code


_DETECTIONS = _Words(
    terms.DETECTIONS, terms.GOOD_DETECTIONS, terms.FAILED_DETECTIONS, terms.DETECTION
)
_ANALYSES = _Words(terms.ANALYSES, terms.GOOD_ANALYSES, terms.FAILED_ANALYSES, terms.ANALYSIS)


def detections(report: Report, runs: Sequence[Run]) -> Node:
    """Summary of Detections with TID 4015 and 4017."""
    return _summary(report, _DETECTIONS, runs)


def analyses(report: Report, runs: Sequence[Run]) -> Node:
    """Summary of Analyses with TID 4016 and 4018."""
    return _summary(report, _ANALYSES, runs)


def outcome(runs: Sequence[Run], found: bool) -> Code:
    """What became of everything that was tried (CID 6047)."""
    if any(run.failed for run in runs):
        return terms.SOME_WITH if found else terms.SOME_WITHOUT
    return terms.ALL_WITH if found else terms.ALL_WITHOUT


def _summary(report: Report, words: _Words, runs: Sequence[Run]) -> Node:
    made = code(CONTAINS, words.summary, _status(runs))
    for name, failed in ((words.good, False), (words.bad, True)):
        mine = [run for run in runs if run.failed is failed]
        if mine:
            group = holder(INFERRED, name)
            for run in mine:
                performed = code(CONTAINS, words.performed, run.what)
                group.add(performed.add(*algorithm(report, HAS), *run.on()))
            made.add(group)
    return made


def _status(runs: Sequence[Run]) -> Code:
    if not runs:
        return terms.NOT_ATTEMPTED
    failed = {run.failed for run in runs}
    if failed == {False}:
        return terms.SUCCEEDED
    return terms.FAILED if failed == {True} else terms.PARTIALLY
