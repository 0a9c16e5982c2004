"""Findings as a Chest CAD report: TID 4100 and what it includes (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gransk.core.cad import Cad
from gransk.core.codes import Code
from gransk.core.findings import Finding, FrameRef, Measurement
from gransk.core.followup import Comparison, Look
from gransk.results.dicom import cad_codes as terms
from gransk.results.dicom.cad_library import Library
from gransk.results.dicom.cad_parts import (
    Drawn,
    Lesion,
    Run,
    algorithm,
    analyses,
    detections,
    first_of_each,
    geometry,
    intent,
    language,
    lesions,
    outcome,
    percent,
    tracking,
)
from gransk.results.dicom.cad_tree import (
    CONTAINS,
    HAS,
    INFERRED,
    MOD,
    OBS,
    SELECTED,
    Node,
    code,
    image,
    number,
    refer,
    root,
    text,
    uidref,
)
from gransk.results.dicom.common import Report

LENGTHS, LENGTH_UNITS = 7470, 7460
VOLUMES, VOLUME_UNITS = 7472, 7462
OPACITIES, ATTENUATIONS = 6104, 6141
HOUNSFIELD = "[hnsf'U]"


def tree(report: Report, cad: Cad) -> tuple[Node, tuple[FrameRef, ...]]:
    """The content tree. Analysed slices are named by their series, marked ones in the library."""
    found = lesions(report)
    marked = [one.frame for lesion in found for one in lesion.drawn]
    library = Library(report, cad, marked)
    looked = [
        Run(kind, lambda: _series(report.findings.series_instance_uids)) for kind in _kinds(cad)
    ]
    worked = _analyses(report)
    summary = code(CONTAINS, terms.SUMMARY, outcome([*looked, *worked], bool(found)))
    nodes = [_lesion(report, library, lesion) for lesion in found]
    features = [node for node in nodes if _is_feature(node)]
    summary.add(*features, *(node for node in nodes if not _is_feature(node)))
    made = root(terms.CHEST_REPORT, "4100").add(
        language(report),
        library.node if marked else None,
        summary,
        detections(report, looked),
        analyses(report, worked),
    )
    return made, ()


def _kinds(cad: Cad) -> list[Code]:
    """What is looked for: a modifier of a finding, or the finding itself (CID 6102, 6101)."""
    known = (terms.known(kind, 6102) or terms.known(kind, 6101) for kind in cad.detects)
    return list(dict.fromkeys(kind or terms.SELECTED_REGION for kind in known))


def _series(uids: Sequence[str]) -> list[Node]:
    return [uidref(HAS, terms.SERIES, uid) for uid in uids]


def _analyses(report: Report) -> list[Run]:
    """Every comparison with an earlier study."""
    comparisons = report.follow_up.comparisons if report.follow_up else ()
    return [_compared(report, comparison) for comparison in comparisons]


def _compared(report: Report, comparison: Comparison) -> Run:
    both = [uid for uid in (comparison.current_series, comparison.prior_series) if uid]
    on = both or report.findings.series_instance_uids
    failed = comparison.refused is not None
    return Run(terms.TEMPORAL_CORRELATION, lambda: _series(on), failed)


def _is_feature(node: Node) -> bool:
    return str(node.item.ConceptNameCodeSequence[0].CodeValue) == terms.FEATURE.value


def _lesion(report: Report, library: Library, lesion: Lesion) -> Node:
    """A mark, marks of earlier studies with it, or several marks of one lesion."""
    marks = [_mark(report, library, one) for one in lesion.drawn]
    if len(marks) == 1:
        return marks[0]
    several = len({one.frame for one in lesion.drawn}) > 1
    scope = terms.ON_SEVERAL_IMAGES if several else terms.ON_ONE_IMAGE
    finding = lesion.drawn[0].finding
    feature = _feature(report, finding, lesion.name[:64], lesion.uid, terms.SPATIAL, scope)
    return feature.add(*_order(marks))


def _order(nodes: Sequence[Node]) -> list[Node]:
    """Features before findings, as the rows stand in the template."""
    return sorted(nodes, key=lambda node: not _is_feature(node))


def _mark(report: Report, library: Library, drawn: Drawn) -> Node:
    """A finding on one slice; with its earlier selves a feature in time."""
    finding, volumes = _finding(report, library, drawn)
    earlier = _earlier(report, drawn.finding) if drawn.number == 1 else []
    if not earlier:
        return finding
    now = drawn.finding
    feature = _feature(
        report, now, now.tracking_id, now.tracking_uid, terms.TEMPORAL, terms.ON_SEVERAL_IMAGES
    )
    before = [_before(report, now, comparison, look) for comparison, look in earlier]
    for (_, look), (_, numbers) in zip(earlier, before, strict=True):
        feature.add(_difference(now, look, volumes, numbers))
    return feature.add(finding, *(node for node, _ in before))


def _feature(report: Report, finding: Finding, name: str, uid: str, how: Code, scope: Code) -> Node:
    """TID 4102 and the beginning of 4103."""
    value, modifier = _named(finding)
    return code(INFERRED, terms.FEATURE, value).add(
        None if modifier is None else code(MOD, terms.FEATURE_MODIFIER, modifier),
        intent(),
        *tracking(name, uid),
        *algorithm(report, OBS),
        code(HAS, terms.FEATURE_TYPE, how),
        code(HAS, terms.FEATURE_SCOPE, scope),
    )


def _finding(report: Report, library: Library, drawn: Drawn) -> tuple[Node, dict[str, Node]]:
    """TID 4104, and its volumes by their concept."""
    finding = drawn.finding
    value, modifier = _named(finding)
    sizes = finding.measurements if drawn.number == 1 else ()
    volumes = first_of_each(sizes, VOLUMES, VOLUME_UNITS)
    made = code(INFERRED, terms.FINDING, value).add(
        None if modifier is None else code(MOD, terms.FINDING_MODIFIER, modifier),
        intent(),
        *tracking(*drawn.tracking),
        *algorithm(report, OBS),
        percent(terms.CERTAINTY, finding.probability),
        text(HAS, terms.REGION_DESCRIPTION, finding.kind.meaning)
        if value == terms.SELECTED_REGION
        else None,
        *geometry(drawn.points, lambda: library.refer(SELECTED, drawn.frame)),
        *first_of_each(sizes, LENGTHS, LENGTH_UNITS),
        *volumes,
        *(_descriptors(finding) if drawn.number == 1 else ()),
    )
    return made, _by_concept(volumes)


def _named(finding: Finding) -> tuple[Code, Code | None]:
    """An opacity with what kind it is of (CID 6104), else a region with a description."""
    modifier = terms.known(finding.kind, OPACITIES)
    return (terms.SELECTED_REGION, None) if modifier is None else (terms.OPACITY, modifier)


def _descriptors(finding: Finding) -> Iterator[Node]:
    """TID 4105, where the values are those of the standard."""
    for name, group in (
        (terms.LOCATION, 6124),
        (terms.LATERALITY, 244),
        (terms.CALCIFICATION, 6132),
    ):
        for quality in finding.qualities:
            value = terms.known(quality.value, group)
            if value is not None and (name != terms.LATERALITY or quality.concept == name):
                yield code(HAS, name, value)
                break
    for one in finding.measurements:
        known = terms.known(one.concept, ATTENUATIONS)
        if known is not None and one.unit.value == HOUNSFIELD:
            yield number(HAS, known, one.value, one.unit)


def _earlier(report: Report, finding: Finding) -> list[tuple[Comparison, Look]]:
    """Looks at a finding on earlier studies that say where it is, newest first."""
    found = []
    for comparison in report.follow_up.comparisons if report.follow_up else ():
        lesion = comparison.of(finding.tracking_uid)
        look = None if lesion is None or lesion.prior_uid is None else lesion.prior
        if look is not None and look.frame is not None and look.region is not None:
            found.append((comparison, look))
    return sorted(found, key=lambda pair: pair[0].prior_date, reverse=True)


def _before(
    report: Report, finding: Finding, comparison: Comparison, look: Look
) -> tuple[Node, dict[str, Node]]:
    """A finding as it was on an earlier study (TID 4104), measured by the comparison.

    Its image is not in the library, whose attributes are not known here.
    """
    value, modifier = _named(finding)
    frame, region = look.frame, look.region
    if frame is None or region is None:
        raise ValueError("a look without a place")
    volumes = first_of_each(look.measurements, VOLUMES, VOLUME_UNITS)
    made = code(INFERRED, terms.FINDING, value).add(
        None if modifier is None else code(MOD, terms.FINDING_MODIFIER, modifier),
        intent(terms.OPTIONAL),
        *tracking(finding.tracking_id, finding.tracking_uid),
        *algorithm(report, OBS, comparison.application_version),
        text(HAS, terms.REGION_DESCRIPTION, finding.kind.meaning)
        if value == terms.SELECTED_REGION
        else None,
        *geometry(region.points, lambda: image(SELECTED, frame)),
        *first_of_each(look.measurements, LENGTHS, LENGTH_UNITS),
        *volumes,
    )
    return made, _by_concept(volumes)


def _by_concept(nodes: Sequence[Node]) -> dict[str, Node]:
    return {str(node.item.ConceptNameCodeSequence[0].CodeValue): node for node in nodes}


def _difference(
    now: Finding, then: Look, here: dict[str, Node], there: dict[str, Node]
) -> Node | None:
    """Today's volume less the earlier one, with both by reference."""
    for measured in now.measurements:
        concept = terms.known(measured.concept, VOLUMES)
        earlier = _same(measured, then)
        if concept is None or earlier is None or not {concept.value} <= here.keys() & there.keys():
            continue
        value = round(measured.value - earlier.value, 6)
        return number(HAS, terms.SIZE_DIFFERENCE, value, measured.unit).add(
            refer(INFERRED, here[concept.value]), refer(INFERRED, there[concept.value])
        )
    return None


def _same(measured: Measurement, look: Look) -> Measurement | None:
    """The same number of an earlier look, in the same unit."""
    wanted = (measured.concept, measured.unit)
    return next((m for m in look.measurements if (m.concept, m.unit) == wanted), None)
