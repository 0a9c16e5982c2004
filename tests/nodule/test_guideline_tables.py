"""Every cell of every guideline: cases typed from the sources, and what a change of a cell does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from guideline_cases import TABLES, Case, cases, written
from pydantic import ValidationError

from gransk.core.errors import ConfigurationError
from nodule.guidelines.codes import Action, Excluded, Lacks, Strength
from nodule.guidelines.engine import advise
from nodule.guidelines.table import FEATURES, FOLDER, NOT_DONE, Guideline, guidelines

AVAILABLE = sorted(path.stem for path in TABLES.glob("*.txt"))
EVERY = [case for name in AVAILABLE for case in cases(name)]
# Id, version, source, date and state, typed from the sources' list.
SOURCES = {
    "fleischner-2017": ("1", "MacMahon 2017, Radiology 284:228", "2017", "primary"),
    "bts-2015": ("1", "BTS 2015, Thorax 70 Suppl 2:ii1-ii54", "2015", "secondary"),
    "lung-rads-2022": ("1", "ACR Lung-RADS v2022", "2022-11", "primary"),
    "nelson": ("1", "NELSON trial", "2017", "secondary"),
    "eu-2017": (
        "1",
        "European position statement on lung cancer screening, 2017",
        "2017",
        "secondary",
    ),
    "dlcg": (
        "1",
        "Danish lung cancer group, Visitation, Diagnose, Stadie",
        None,
        "not_available",
    ),
    "esti-2025": (
        "1",
        "ESTI 2025, Eur Radiol, doi 10.1007/s00330-025-11648-4",
        "2025",
        "not_available",
    ),
}


@pytest.mark.parametrize("case", EVERY, ids=lambda case: f"{case.guideline} {case.line}")
def test_a_case_reaches_the_row_of_its_source(case):
    outcome = advise(guidelines()[case.guideline], case.situation, explain=False)
    assert written(outcome, "notes" in case.line.split()) == (case.row, case.advice)


def test_what_ships_is_what_is_listed():
    shipped = {
        one.id: (one.version, one.source, one.date, one.state) for one in guidelines().values()
    }
    assert shipped == SOURCES
    with_rows = {one.id for one in guidelines().values() if one.rows}
    assert set(AVAILABLE) == with_rows


def wrong(data: Any, ordered: list[Case]) -> bool:
    """Does a changed guideline fail to load, or any case of its table?"""
    try:
        guideline = Guideline.model_validate(data)
    except ValidationError:
        return True
    if (guideline.version, guideline.source, guideline.date, guideline.state) != SOURCES.get(
        guideline.id
    ):
        return True
    for case in ordered:
        try:
            if case.fails(guideline):
                return True
        except ConfigurationError:
            return True
    return False


def leaves(data: Any, path: tuple[Any, ...] = ()):
    """Path and value of every scalar."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, list):
        for key, value in enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path, data


VOCABULARY = {
    "actions": list(Action),
    "strength": list(Strength),
    "lacks": list(Lacks),
    "code": list(Excluded),
    "counts_from": ["baseline", "category", "this"],
    "compared_with": ["baseline", "previous"],
    "measure": ["diameter_mm", "volume_percent"],
    "measures": ["mm", "mm3"],
    "sizes": ["largest", "current"],
    "state": ["primary", "secondary"],
    "cancelled_by": ["spiculated", "fissure_displaced", "cancer_history", "growth"],
    "findings": ["suspicious", "spiculated"],
    "benign": list(FEATURES["morphology"]),
    "slow_growth": list(FEATURES["texture"]),
    "not_assessed": ["airway", "atypical_cyst"],
    "is": ["incidental", "screening", "known_cancer", "yes", "no"],
    "input": ["setting", "immunosuppressed", "known_primary_cancer", "emphysema"],
}


def others(data: dict, path: tuple[Any, ...], value: Any) -> list[Any]:
    """Other values that a cell might have had."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value - 1]
    key = next(part for part in reversed(path) if isinstance(part, str))
    bands = data.get("bands", {})
    if "when" in path or "defaults" in path:
        known = FEATURES.get(key) or (*bands.get(key, ()), NOT_DONE)
    elif key in ("category", "from", "to"):
        known = tuple(data["categories"])
    else:
        known = VOCABULARY.get(key, ())
    places = [str(one) for one in known]
    if value in places and len(places) > 1:
        at = places.index(value)
        return [*places[at + 1 :], *places[:at]][: 3 if len(places) < 5 else 1]
    return [f"{value}-changed"]


FLIPS = {"at_least": "above", "above": "at_least", "below": "at_most", "at_most": "below"}


def mutants(data: dict):
    """Every change of one cell: its value, its absence from a list, its side of a limit."""
    for path, value in leaves(data):
        for other in others(data, path, value):
            yield path, f"{value} -> {other}", _changed(data, path, other)
        if isinstance(path[-1], int) and len(_at(data, path[:-1])) > 1:
            yield path, f"without {value}", _without(data, path)
        if path[-1] in FLIPS:
            yield path, FLIPS[path[-1]], _flipped(data, path)


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def _changed(data: dict, path: tuple[Any, ...], value: Any) -> dict:
    made = copy.deepcopy(data)
    _at(made, path[:-1])[path[-1]] = value
    return made


def _without(data: dict, path: tuple[Any, ...]) -> dict:
    made = copy.deepcopy(data)
    del _at(made, path[:-1])[path[-1]]
    return made


def _flipped(data: dict, path: tuple[Any, ...]) -> dict:
    made = copy.deepcopy(data)
    place = _at(made, path[:-1])
    place[FLIPS[path[-1]]] = place.pop(path[-1])
    return made


def survivors(name: str, step: int) -> list[str]:
    """Changes of a guideline's YAML that no case notices, of every so-manieth."""
    data = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    table = cases(name)
    assert not wrong(data, table)
    alive = []
    for number, (path, what, made) in enumerate(mutants(data)):
        if number % step:
            continue
        near = ""
        if path[0] == "rows":
            near = data["rows"][path[1]]["id"]
        elif path[0] == "silent":
            near = data["silent"][path[1]]["lacks"]
        ordered = sorted(table, key=lambda case: near not in (case.row, case.advice.split()[-1]))
        if not wrong(made, ordered):
            alive.append(f"{'.'.join(map(str, path))}: {what}")
    return alive


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_sample_of_changes_is_noticed(name):
    assert survivors(name, 23) == []


@pytest.mark.full
@pytest.mark.parametrize("name", AVAILABLE)
def test_every_change_of_a_cell_is_noticed(name):
    assert survivors(name, 1) == []


def implied(row: dict) -> set[str]:
    """Cells of a row that follow from its others: leaving them out changes nothing."""
    when = row["when"]
    names = {"texture"} & set(when) if {"solid_size", "morphology"} & set(when) else set()
    names |= {"growth"} if "speed" in when and when.get("growth") == "growing" else set()
    return names | IMPLIED.get(row["id"], set())


# A juxtapleural nodule that grows is an ordinary one; no solid part is larger than its nodule.
IMPLIED = {
    "2-juxtapleural": {"growth"},
    "4b-part-solid": {"size"},
    "part-solid-single-solid-part-from-6": {"size"},
}


@pytest.mark.parametrize("name", AVAILABLE)
def test_no_cell_of_a_row_can_be_left_out_unnoticed(name):
    data = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    table = cases(name)
    alive = [
        f"{row['id']}: {cell}"
        for number, row in enumerate(data["rows"])
        for cell in row["when"]
        if cell not in implied(row)
        and not wrong(_without(data, ("rows", number, "when", cell)), table)
    ]
    assert alive == []
