"""Every structured report against its template, row by row; and what the check finds."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable

import pytest
from cad_samples import below, cad_of, chest, headers_of, items, name, report_of, sr_of
from dicom_samples import ct_headers, findings_of, nodule, study_of
from follow_up_samples import follow_up
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mammo_exam import COLUMNS, ROWS, MammoExam, drawn_exam
from pydicom import Dataset
from template_checker import Checker, check
from template_rows import TEMPLATES

from gransk.core import codes
from gransk.core.findings import Finding, Findings, Region, Review, ReviewState
from gransk.core.keys import uid
from gransk.results.acts import Signature
from mammo.coding import BREASTS, KINDS, PROPERTIES, measurement, quality
from mammo.view import STANDARD, Laterality

NOW = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)
SIGNED = Signature(person="A. Reader", role="radiologist", at=NOW)


@pytest.fixture(scope="module")
def exam(tmp_path_factory) -> MammoExam:
    return drawn_exam(tmp_path_factory.mktemp("exam"), calibrated=True)


@pytest.fixture(scope="module")
def mammo(exam) -> Dataset:
    return cad_of(report_of(exam.study, exam.findings))


@pytest.fixture(scope="module")
def lungs() -> Dataset:
    study, findings = chest()
    return cad_of(report_of(study, findings, follow_up=follow_up(findings)))


def reviewed(findings: Findings) -> Findings:
    """The first finding rejected, the last one added by a person, the others confirmed."""

    def said(finding: Finding, state: ReviewState) -> Finding:
        review = Review(state=state, by="A. Reader", at=NOW, role="radiologist")
        origin = "person" if state is ReviewState.ADDED else finding.origin
        return finding.model_copy(update={"reviews": (review,), "origin": origin})

    first, *others, last = findings.findings
    states = [(first, ReviewState.REJECTED), *((f, ReviewState.CONFIRMED) for f in others)]
    made = tuple(said(f, state) for f, state in (*states, (last, ReviewState.ADDED)))
    return findings.model_copy(update={"findings": made})


@pytest.mark.parametrize("of", ["mammo", "chest"])
def test_every_report_follows_its_template(exam, of):
    study, findings = (exam.study, exam.findings) if of == "mammo" else chest()
    none = findings.model_copy(update={"findings": ()})
    told = follow_up(findings) if of == "chest" else None
    headers = headers_of(study)
    for given_, changes in (
        (findings, {"language": "da", "incomplete": True}),
        (findings, {"follow_up": told, "text": "A plain report."}),
        (none, {}),
        (none, {"incomplete": True, "signature": SIGNED, "language": "da"}),
        (reviewed(findings), {"signature": SIGNED}),
    ):
        report = report_of(study, given_, **changes)
        assert check(cad_of(report), headers) == []
        checker = Checker(sr_of(report))
        assert told_of(checker) == []
        titled = {one.row for one in checker.extensions}
        assert titled <= {"TID 1500 row 1"}
        assert bool(titled) is not bool(given_.standing)


def told_of(checker: Checker) -> list[str]:
    """Violations of a measurement report, less the one that it has by design.

    What has no number, such as a further region of a finding or what a person added, tells its
    site and algorithm all the same: they extend TID 1410 there, since TID 1419 wants a number.
    """
    return [str(one) for one in checker.run() if one.row != "TID 1419 row 5"]


def test_codes_of_cad_reports_are_all_of_their_groups(mammo, lungs):
    for document in (mammo, lungs):
        checker = Checker(document)
        checker.run()
        assert checker.extensions == []


def test_the_rows_that_are_filled_are_many(mammo, lungs):
    """The check walks what it should: a tree that it does not reach would pass for nothing."""
    for document, template, rows in ((mammo, "TID 4000", 45), (lungs, "TID 4100", 50)):
        checker = Checker(document)
        checker.run()
        assert f"{template} row 1" in checker.rows
        assert len(checker.rows) >= rows


def test_every_included_template_has_its_table():
    for template in TEMPLATES.values():
        stack = list(template.rows)
        while stack:
            row = stack.pop()
            stack += row.below
            if row.value_type == "INCLUDE":
                assert row.concept.removeprefix("TID ") in TEMPLATES, row.name
            for rule in (*row.when, *row.values):
                assert rule == rule.strip()


# What the check finds: one planted violation each.


def drop(code: str) -> Callable[[Dataset], None]:
    """Take the first item of a concept out of the tree."""

    def plant(document: Dataset) -> None:
        parent, item = first(document, code)
        parent.ContentSequence = [one for one in parent.ContentSequence if one is not item]

    return plant


def twice(code: str) -> Callable[[Dataset], None]:
    def plant(document: Dataset) -> None:
        parent, item = first(document, code)
        place = next(n for n, one in enumerate(parent.ContentSequence) if one is item)
        parent.ContentSequence.insert(place, copy.deepcopy(item))

    return plant


def last(code: str) -> Callable[[Dataset], None]:
    """Move the first item of a concept to the end of its level."""

    def plant(document: Dataset) -> None:
        parent, item = first(document, code)
        others = [one for one in parent.ContentSequence if one is not item]
        parent.ContentSequence = [*others, item]

    return plant


def put(code: str, keyword: str, value: object) -> Callable[[Dataset], None]:
    def plant(document: Dataset) -> None:
        setattr(first(document, code)[1], keyword, value)

    return plant


def coded(code: str, value: str) -> Callable[[Dataset], None]:
    def plant(document: Dataset) -> None:
        first(document, code)[1].ConceptCodeSequence[0].CodeValue = value

    return plant


def measured(code: str, value: str = "", unit: str = "") -> Callable[[Dataset], None]:
    def plant(document: Dataset) -> None:
        item = first(document, code)[1].MeasuredValueSequence[0]
        if value:
            item.NumericValue = value
        if unit:
            item.MeasurementUnitsCodeSequence[0].CodeValue = unit

    return plant


def renamed(code: str, value: str) -> Callable[[Dataset], None]:
    def plant(document: Dataset) -> None:
        first(document, code)[1].ConceptNameCodeSequence[0].CodeValue = value

    return plant


def elsewhere(code: str, place: list[int]) -> Callable[[Dataset], None]:
    """Let what hangs below the first item of a concept refer to another place."""

    def plant(document: Dataset) -> None:
        item = first(document, code)[1].ContentSequence[0]
        item.ReferencedContentItemIdentifier = place

    return plant


def first(document: Dataset, code: str) -> tuple[Dataset, Dataset]:
    """The first item of a concept, and its parent."""
    stack = [document]
    while stack:
        parent = stack.pop(0)
        for item in parent.get("ContentSequence") or []:
            if name(item) == code:
                return parent, item
        stack += list(parent.get("ContentSequence") or [])
    raise LookupError(code)


MAMMO_PLANTED = {
    "mandatory item gone": (drop("121049"), "missing: TID 4000 row 2"),
    "mandatory include gone": (drop("111017"), "missing: TID 4000 row 5"),
    "nested mandatory item gone": (drop("111010"), "missing: TID 4021 row 1"),
    "algorithm without a version": (drop("111003"), "missing: TID 4019 row 2"),
    "feature without its type": (drop("111016"), "missing: TID 4005 row 1"),
    "feature with one finding": (
        lambda d: drop("111059")(first(d, "111015")[1]), "missing: TID 4004 row 5 or another",
    ),
    "status without its runs": (drop("111063"), "missing: TID 4000 row 7"),
    "image without its side": (drop("111027"), "missing: TID 4020 row 2"),
    "image without its spacing": (drop("111026"), "missing: TID 4020 row 11"),
    "impression without intent": (drop("111056"), "missing: TID 4003 row 2"),
    "runs without a status": (coded("111064", "111225"), "condition: TID 4000 row 7"),
    "failed yet succeeded": (coded("111064", "111224"), "condition: TID 4015 row 1"),
    "asymmetry that is not of both breasts": (
        coded("111015", "129790003"), "value: TID 4005 row 1",
    ),
    "cancer of a region": (coded("111059", "111099"), "condition: TID 4006 row 7"),
    "geometry of a composition": (coded("111059", "129715009"), "condition: TID 4006 row 8"),
    "value of no group": (coded("111056", "111149"), "value: TID 4003 row 2"),
    "kind of no group": (coded("111016", "1"), "value: TID 4005 row 1"),
    "wrong value type": (put("111033", "ValueType", "CODE"), "value type: TID 4002 row 5"),
    "wrong relationship": (
        put("111012", "RelationshipType", "CONTAINS"), "relationship: TID 4006 row 6",
    ),
    "another concept": (renamed("111012", "121071"), "not in template: TID 4006"),
    "another root": (
        lambda d: setattr(d.ConceptNameCodeSequence[0], "CodeValue", "112000"),
        "concept: TID 4000 row 1",
    ),
    "too many": (twice("111012"), "multiplicity: TID 4006 row 6"),
    "two libraries": (twice("111028"), "multiplicity: TID 4000 row 3"),
    "out of order": (last("111028"), "order: TID 4000 row 3"),
    "percent over a hundred": (measured("111012", "100.5"), "value: TID 4006 row 6"),
    "another unit": (measured("111012", unit="1"), "units: TID 4006 row 6"),
    "length in percent": (measured("103339001", unit="%"), "units: TID 1400 row 1"),
    "point that is a line": (put("111010", "GraphicType", "POLYLINE"), "value: TID 4021 row 1"),
    "outline on another image": (elsewhere("111041", [1, 2, 3]), "value: TID 4021 row 3"),
    "image outside the library": (elsewhere("111010", [1, 3]), "not in template: TID 4021"),
    "reference to nothing": (elsewhere("111010", [1, 2, 99]), "missing: TID 4021 row 2"),
}  # fmt: skip
CHEST_PLANTED = {
    "finding without its algorithm": (drop("111001"), "missing: TID 4019 row 1"),
    "no geometry": (
        lambda d: [drop(code)(d) for code in ("111010", "111041")], "missing: TID 4104 row 14",
    ),
    "time without time": (coded("111016", "111154"), "condition: TID 4103 row 9"),
    "difference in another unit": (measured("442714003", unit="mm"), "value: TID 4103 row 9"),
    "difference of one number": (
        lambda d: setattr(first(d, "442714003")[1], "ContentSequence",
                          first(d, "442714003")[1].ContentSequence[:1]),
        "multiplicity: TID 4103 row 10",
    ),
    "volume of nothing": (measured("118565006", "0"), "value: TID 1402 row 1"),
    "unknown item": (renamed("112024", "111021"), "not in template: TID 4104"),
    "region without words": (coded("111059", "111099"), "missing: TID 4104 row 13"),
    "position of two numbers": (drop("110903"), "missing: TID 4020 row 20"),
    "orientation without its beginning": (drop("110904"), "condition: TID 4020 row 22"),
    "series of no run": (drop("112002"), "missing: TID 4017 row 3 or another"),
}  # fmt: skip
REPORT_PLANTED = {
    "no observer": (drop("121012"), "missing: TID 1004 row 1"),
    "group without a region": (drop("111030"), "missing: TID 1410 row 5 xor another"),
    "region without an image": (
        lambda d: first(d, "111030")[1].pop("ContentSequence"), "missing: TID 1410 row 6",
    ),
    "nothing measured or said": (
        lambda d: [drop(code)(d) for code in ("126010", "C0034375")],
        "missing: TID 1500 row 6 or another",
    ),
    "finding twice": (twice("121071"), "multiplicity: TID 1410 row 3b"),
    "tracking as text": (put("112040", "ValueType", "TEXT"), "value type: TID 1410 row 3"),
    "tracking as content": (
        put("112040", "RelationshipType", "CONTAINS"), "relationship: TID 1410 row 3",
    ),
    "two languages": (twice("121049"), "multiplicity: TID 1204 row 1"),
    "region of scattered points": (
        put("111030", "GraphicType", "MULTIPOINT"), "value: TID 1410 row 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MAMMO_PLANTED)
def test_what_is_wrong_with_a_mammography_report_is_found(exam, mammo, what):
    plant, wanted = MAMMO_PLANTED[what]
    assert found(mammo, headers_of(exam.study), plant, wanted)


@pytest.mark.parametrize("what", CHEST_PLANTED)
def test_what_is_wrong_with_a_chest_report_is_found(lungs, what):
    plant, wanted = CHEST_PLANTED[what]
    assert found(lungs, headers_of(chest()[0]), plant, wanted)


@pytest.mark.parametrize("what", REPORT_PLANTED)
def test_what_is_wrong_with_a_measurement_report_is_found(what):
    plant, wanted = REPORT_PLANTED[what]
    study, findings = chest()
    assert found(sr_of(report_of(study, findings)), [], plant, wanted)


def found(document: Dataset, headers: list[Dataset], plant: Callable, wanted: str) -> bool:
    """Is a planted violation named? The document is left as it was."""
    planted = copy.deepcopy(document)
    plant(planted)
    told = check(planted, headers)
    assert any(one.startswith(wanted) for one in told), told
    return True


# Findings of every sort

_points = st.lists(
    st.tuples(
        st.floats(0, COLUMNS, allow_nan=False, width=32),
        st.floats(0, ROWS, allow_nan=False, width=32),
    ),
    min_size=3,
    max_size=8,
)
_choice = {key: st.sampled_from(sorted(PROPERTIES[key][1])) for key in (
    "quadrant", "depth", "shape", "margin",
)}  # fmt: skip


@st.composite
def marks(draw: st.DrawFn) -> list[dict]:
    return draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(list(KINDS.values())),
                    "view": st.sampled_from(STANDARD),
                    "regions": st.lists(_points, min_size=1, max_size=2),
                    "lesion": st.sampled_from(["", "one", "two"]),
                    "probability": st.floats(0, 1),
                    "malignancy": st.none() | st.floats(0, 1),
                    "rated": st.booleans(),
                    "size": st.none() | st.floats(0.1, 200),
                    "properties": st.fixed_dictionaries({}, optional=_choice),
                    "state": st.none() | st.sampled_from(list(ReviewState)),
                }
            ),
            max_size=6,
        )
    )


def as_finding(number: int, mark: dict, exam: MammoExam) -> Finding:
    side, view = mark["view"]
    image = exam.images[f"{side} {view}"]
    state = mark["state"]
    review = () if state is None else (Review(state=state, by="A. Reader", at=NOW),)
    return Finding(
        tracking_uid=uid("any", str(number)),
        tracking_id=f"Mark {number}",
        kind=mark["kind"],
        site=BREASTS[Laterality(side)],
        probability=mark["probability"],
        malignancy=mark["malignancy"],
        malignancy_concept=codes.SUSPICION if mark["rated"] else codes.PROBABILITY,
        measurements=() if mark["size"] is None else (measurement("size_mm", mark["size"]),),
        qualities=tuple(quality(key, of) for key, of in mark["properties"].items()),
        regions=tuple(
            Region(sop_instance_uid=image, points=tuple(points)) for points in mark["regions"]
        ),
        origin="person" if state is ReviewState.ADDED else "detector",
        reviews=review,
        lesion_uid=uid("any", "lesion", mark["lesion"]) if mark["lesion"] else "",
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=marks(), language=st.sampled_from(["en", "da"]), incomplete=st.booleans())
def test_whatever_is_found_follows_the_template(exam, drawn, language, incomplete):
    findings = exam.findings.model_copy(
        update={"findings": tuple(as_finding(n, mark, exam) for n, mark in enumerate(drawn, 1))}
    )
    report = report_of(exam.study, findings, language=language, incomplete=incomplete)
    document = cad_of(report)
    assert check(document, headers_of(exam.study)) == []
    told = [f for f in findings.standing if f.origin != "person"]
    places = sum(len(f.regions) for f in told)
    assert len(items(document, "111010")) == places
    assert bool(places) is (
        items(document, "111017")[0].ConceptCodeSequence[0].CodeValue == "111242"
    )


@settings(max_examples=8, deadline=None)
@given(
    places=st.lists(
        st.tuples(st.integers(5, 6), st.integers(12, 50), st.integers(12, 60)), max_size=3
    ),
    masked=st.booleans(),
    drawn=st.booleans(),
    compared=st.booleans(),
)
def test_whatever_nodules_are_found_follow_the_template(places, masked, drawn, compared):
    headers = ct_headers()
    found = []
    for n, place in enumerate(places, start=1):
        lesion = nodule(n, headers, place)
        lesion = lesion if masked else lesion.model_copy(update={"mask": None})
        found.append(lesion if drawn else lesion.model_copy(update={"regions": ()}))
    findings = findings_of(headers, *found)
    told = follow_up(findings) if compared and len(found) == 2 else None
    report = report_of(study_of(headers), findings, follow_up=told)
    document = cad_of(report)
    assert check(document, headers) == []
    assert told_of(Checker(sr_of(report))) == []
    assert len(below(items(document, "111017")[0], "111059")) <= len(found)
