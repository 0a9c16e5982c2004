"""Findings as a Mammography CAD report: TID 4000 and what it includes (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gransk.core.cad import Cad
from gransk.core.codes import PROBABILITY, Code
from gransk.core.findings import Finding, FrameRef
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
    SELECTED,
    Node,
    Relation,
    code,
    holder,
    number,
    root,
    text,
)
from gransk.results.dicom.common import Report
from gransk.results.dicom.documents import images, remarks

LENGTHS, LENGTH_UNITS = 7470, 7460
SHAPES, MARGINS = 6004, 6006
_SHAPE = (terms.SHAPE, Code(value="300842002", scheme="SCT", meaning="Shape"))
_MARGIN = (terms.MARGIN, Code(value="111037", scheme="DCM", meaning="Margins"))


def tree(report: Report, cad: Cad) -> tuple[Node, tuple[FrameRef, ...]]:
    """The content tree, and the images of the study that it names beside the analysed ones."""
    analysed, failed = images(report), _failed(report, cad)
    library = Library(report, cad, (*report.findings.frames, *failed))
    found = lesions(report)
    looked = _detections(cad, library, analysed, failed)
    worked = _analyses(report, library, analysed)
    summary = code(CONTAINS, terms.SUMMARY, outcome([*looked, *worked], bool(found)))
    summary.add(text(HAS, terms.IMPRESSION, "\n".join(remarks(report))), *algorithm(report, HAS))
    summary.add(*(_individual(report, library, lesion) for lesion in found))
    if found:
        summary.add(_composition(report))
    made = root(terms.MAMMOGRAPHY_REPORT, "4000").add(
        language(report),
        library.node,
        summary,
        detections(report, looked),
        analyses(report, worked),
    )
    return made, failed


def on_one_image(kind: Code) -> Code:
    """What a kind of finding is called on a single image (CID 6014).

    Masses and asymmetries are terms of several views: on one it is a density.
    """
    if kind in (terms.MASS, *terms.ASYMMETRIES):
        return terms.DENSITY
    return terms.known(kind, 6014) or terms.SELECTED_REGION


def on_several_images(kind: Code) -> Code:
    """What a kind of finding is called on several views (CID 6016).

    Asymmetric tissue is left a density: its template wants the other breast for it.
    """
    if kind in terms.ASYMMETRIES:
        return terms.DENSITY
    return terms.known(kind, 6016) or terms.SELECTED_REGION


def _failed(report: Report, cad: Cad) -> tuple[FrameRef, ...]:
    analysed = {frame.sop_instance_uid for frame in report.findings.frames}
    there = (report.by_uid.get(uid) for uid in cad.failed(report.findings) if uid not in analysed)
    return tuple(
        FrameRef(
            sop_class_uid=one.sop_class_uid,
            sop_instance_uid=one.sop_instance_uid,
            series_instance_uid=one.series_instance_uid,
        )
        for one in there
        if one is not None
    )


def _detections(
    cad: Cad, library: Library, analysed: Sequence[FrameRef], failed: Sequence[FrameRef]
) -> list[Run]:
    """Every kind was looked for on every image; nothing was on those that could not be analysed."""
    kinds = list(dict.fromkeys(on_one_image(kind) for kind in cad.detects))
    runs = [_run(kind, library, analysed, False) for kind in kinds]
    return runs + [_run(kind, library, failed, True) for kind in kinds if failed]


def _analyses(report: Report, library: Library, analysed: Sequence[FrameRef]) -> list[Run]:
    """What was made of the images together."""
    findings = report.findings
    sides = [library.side(frame) for frame in analysed]
    both = [f for f, side in zip(analysed, sides, strict=True) if side and sides.count(side) > 1]
    runs = [_run(terms.COLLOCATION, library, both, False)] if both else []
    for comparison in report.follow_up.comparisons if report.follow_up else ():
        failed = comparison.refused is not None
        if not any(r.what == terms.TEMPORAL_CORRELATION and r.failed is failed for r in runs):
            runs.append(_run(terms.TEMPORAL_CORRELATION, library, analysed, failed))
    told = {m.concept for m in findings.measurements} | {q.concept for q in findings.qualities}
    if told & {terms.COMPOSITION, terms.PERCENT_TISSUE}:
        runs.append(_run(terms.COMPOSITION_ANALYSIS, library, analysed, False))
    if PROBABILITY in told:
        runs.append(_run(terms.OVERALL_ANALYSIS, library, analysed, False))
    return runs


def _run(what: Code, library: Library, on: Sequence[FrameRef], failed: bool) -> Run:
    return Run(what, lambda: [library.refer(HAS, frame) for frame in on], failed)


def _individual(report: Report, library: Library, lesion: Lesion) -> Node:
    """TID 4003: one lesion, as a mark on one image or a feature of several."""
    made = holder(INFERRED, terms.INDIVIDUAL).add(intent())
    if len(lesion.drawn) == 1:
        return made.add(_finding(report, library, CONTAINS, lesion.drawn[0]))
    return made.add(_feature(report, library, lesion))


def _feature(report: Report, library: Library, lesion: Lesion) -> Node:
    """TID 4004 and 4005: marks of one lesion, related in space."""
    finding = lesion.drawn[0].finding
    several = len({one.frame for one in lesion.drawn}) > 1
    scope = terms.ON_SEVERAL_IMAGES if several else terms.ON_ONE_IMAGE
    kind = on_several_images(finding.kind)
    return code(CONTAINS, terms.FEATURE, kind).add(
        intent(),
        *tracking(lesion.name[:64], lesion.uid),
        code(HAS, terms.FEATURE_TYPE, terms.SPATIAL),
        code(HAS, terms.FEATURE_SCOPE, scope),
        *algorithm(report, HAS),
        *_where([one.finding for one in lesion.drawn]),
        *(_looks(finding) if kind in (terms.MASS, terms.DENSITY) else ()),
        *(_finding(report, library, INFERRED, one) for one in lesion.drawn),
    )


def _finding(report: Report, library: Library, relation: Relation, drawn: Drawn) -> Node:
    """TID 4006: a mark on one image."""
    finding, kind = drawn.finding, on_one_image(drawn.finding.kind)
    cancer = finding.malignancy if finding.malignancy_concept == PROBABILITY else None
    if kind == terms.SELECTED_REGION:
        cancer = None
    return code(relation, terms.FINDING, kind).add(
        intent(),
        *tracking(*drawn.tracking),
        *algorithm(report, HAS),
        percent(terms.CERTAINTY, finding.probability),
        None if cancer is None else percent(terms.CANCER, cancer),
        *geometry(drawn.points, lambda: library.refer(SELECTED, drawn.frame)),
        *_detail(finding, kind),
    )


def _detail(finding: Finding, kind: Code) -> Iterator[Node]:
    """TID 4010, 4011 or 4013, each where its kind has it and there is something to tell."""
    lengths = first_of_each(finding.measurements, LENGTHS, LENGTH_UNITS)
    if kind == terms.CALCIFICATIONS:
        yield from lengths
    elif kind == terms.DENSITY:
        yield from _looks(finding)
        yield from lengths
    elif kind == terms.SELECTED_REGION:
        yield text(HAS, terms.REGION_DESCRIPTION, finding.kind.meaning)
        yield from lengths


def _looks(finding: Finding) -> Iterator[Node]:
    """Shape and margin, where their values are those of the standard."""
    for name, same, group in ((terms.SHAPE, _SHAPE, SHAPES), (terms.MARGIN, _MARGIN, MARGINS)):
        for quality in finding.qualities:
            value = terms.known(quality.value, group) if quality.concept in same else None
            if value is not None:
                yield code(HAS, name, value)


def _where(findings: Sequence[Finding]) -> Iterator[Node]:
    """Quadrant or region, and depth, where the marks agree on them."""
    for concept, names in (
        (terms.QUADRANT, ((terms.QUADRANT, 6020), (terms.CLOCKFACE, 6018))),
        (terms.DEPTH, ((terms.DEPTH, 6024),)),
    ):
        said = {q.value for f in findings for q in f.qualities if q.concept == concept}
        if len(said) != 1:
            continue
        (value,) = said
        for name, group in names:
            known = terms.known(value, group)
            if known is not None:
                yield code(HAS, name, known)
                break


def _composition(report: Report) -> Node | None:
    """Breast composition of the exam (TID 4007), to be shown as the workstation likes.

    In an exam without findings it is told in words: "without findings" stands over an empty tree.
    """
    findings = report.findings
    coded = next((q.value for q in findings.qualities if q.concept == terms.COMPOSITION), None)
    known = None if coded is None else terms.known(coded, 6000)
    share = next((m for m in findings.measurements if m.concept == terms.PERCENT_TISSUE), None)
    if known is None and share is None:
        return None
    finding = code(CONTAINS, terms.FINDING, terms.COMPOSITION).add(
        intent(terms.OPTIONAL),
        *algorithm(report, HAS),
        None if known is None else code(HAS, terms.COMPOSITION, known),
        None if share is None else number(HAS, terms.PERCENT_TISSUE, share.value, share.unit),
    )
    return holder(INFERRED, terms.INDIVIDUAL).add(intent(terms.OPTIONAL), finding)
