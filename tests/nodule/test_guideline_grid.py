"""Every input reaches exactly one row, or a silence that names what the source lacks."""

from __future__ import annotations

import itertools
import random

import pytest
from guideline_cases import situation

from nodule.guidelines.codes import Lacks, Status
from nodule.guidelines.engine import advise
from nodule.guidelines.rows import find
from nodule.guidelines.table import MONTHS, Guideline, Range, Row, guidelines

AVAILABLE = sorted(name for name, one in guidelines().items() if one.rows)


def months_of(guideline: Guideline, name: str) -> list[int]:
    """Every limit of a range of months, and the month before it."""
    cells = [part.when[name] for part in guideline.regions() if name in part.when]
    ends = {0}
    for cell in cells:
        assert isinstance(cell, Range)
        for end in (cell.at_least, cell.below, cell.above, cell.at_most):
            ends |= {int(end), int(end) - 1} if end is not None else set()
    return sorted(end for end in ends if end >= 0)


def values_of(guideline: Guideline, name: str) -> tuple[str, ...]:
    """Values of an input; a morphology without rows is an ordinary one."""
    if name == "morphology":
        return ("ordinary", *guideline.benign)
    return guideline.values(name)


def grid(guideline: Guideline):
    """All values of all inputs that the guideline asks for, without what cannot be."""
    names = [name for name in guideline.names() if name not in MONTHS]
    numbers = [months_of(guideline, name) for name in MONTHS]
    for values in itertools.product(*(values_of(guideline, name) for name in names)):
        given = dict(zip(names, values, strict=True))
        first = {name: values_of(guideline, name)[0] for name in names}
        seen = given.get("lungs", "evaluable") == "evaluable"
        if not seen or given["nodule"] == "none":
            settled = {**first, "nodule": "none", "lungs": given.get("lungs", "")}
            if given != {name: settled[name] for name in names}:
                continue
        if given.get("texture") != "part_solid" and "solid_size" in given:
            if given["solid_size"] != first["solid_size"]:
                continue
            given["solid_size"] = ""
        for months, since in itertools.product(*numbers):
            yield given, months, since


def reaches_one(guideline: Guideline, given: dict[str, str], months: int, since: int) -> str:
    found = find(guideline, given, months, since)
    if isinstance(found, Row):
        return found.id
    assert found.lacks is not Lacks.ROW, (given, months, since)
    return f"silent {found.lacks}"


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_sample_of_inputs_reaches_exactly_one_row_or_a_named_silence(name):
    guideline = guidelines()[name]
    rng = random.Random(name)
    names = [one for one in guideline.names() if one not in MONTHS]
    for _ in range(4000):
        given = {one: rng.choice(values_of(guideline, one)) for one in names}
        if given.get("texture") != "part_solid" and "solid_size" in given:
            given["solid_size"] = ""
        months, since = (rng.choice(months_of(guideline, one)) for one in MONTHS)
        reaches_one(guideline, given, months, since)


@pytest.mark.full
@pytest.mark.parametrize("name", AVAILABLE)
def test_every_input_reaches_exactly_one_row_or_a_named_silence(name):
    guideline = guidelines()[name]
    reached = {reaches_one(guideline, *one) for one in grid(guideline)}
    every = {row.id for row in guideline.rows} | {f"silent {s.lacks}" for s in guideline.silent}
    assert reached == every


KINDS = ["solid", "ground_glass", "part_solid"]
PEOPLE = {
    "fleischner-2017": ["single low", "single high", "multiple low", "multiple high"],
    "bts-2015": ["", "brock=5", "brock=50", "brock=50 herder=50"],
    "lung-rads-2022": ["previous=2", "previous=3", "previous=4A", "previous=4B", "new"],
    "nelson": ["", "new"],
    "eu-2017": ["", "new"],
}


@pytest.mark.parametrize("name", AVAILABLE)
def test_nodules_of_all_sizes_end_in_one_row_or_a_named_silence(name):
    """The whole way from measured sizes, where nothing is unknown."""
    seen = set()
    for kind, person, tenths in itertools.product(KINDS, PEOPLE[name], range(30, 330, 13)):
        mm = tenths / 10
        volume = round(0.5236 * mm**3, 1)
        part = f"s{round(mm * 0.6, 1)}w{round(volume * 0.2, 1)}" if kind == "part_solid" else ""
        courses = [f"0:{mm}v{volume}{part}"]
        if "new" not in person:
            courses += [f"{courses[0]} {m}:{mm}v{volume}{part}" for m in (2, 6, 12, 60)]
        for course in courses:
            outcome = advise(
                guidelines()[name], situation(name, f"{kind} {person}", course), explain=False
            )
            assert outcome.status in (Status.ADVICE, Status.SILENT), (kind, person, course)
            assert len(outcome.options) == 1
            assert outcome.options[0].lacks is not Lacks.ROW
            seen.add(outcome.options[0].name)
    assert len(seen) >= 3
