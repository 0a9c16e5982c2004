"""Tables of cases typed from the guidelines, read into situations and expected advice.

A line is ``nodule | course | row | advice``. The course names the scans by months since
the first (``3-14d`` is 14 days less than 3 months) with mean diameter in mm, volume after
``v``, the solid part's diameter after ``s`` and its volume after ``w``: ``0:6.4 9:6.6v140``.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from risk_vectors import profile

from nodule.density import Texture
from nodule.growth.change import Sized
from nodule.growth.dates import add_months
from nodule.guidelines.engine import Outcome, advise
from nodule.guidelines.situation import Look, Lungs, Morphology, Situation
from nodule.guidelines.table import Guideline

TABLES = Path(__file__).with_name("guideline_tables")
BASELINE = datetime.date(2024, 1, 15)
PATIENT = {
    "age_years": 60,
    "known_primary_cancer": False,
    "immunosuppressed": False,
    "extrathoracic_cancer": None,
}
SETTINGS = {"lung-rads-2022": "screening", "nelson": "screening", "eu-2017": "screening"}
_SCAN = re.compile(r"^(\d+)(?:-(\d+)d)?:([\d.]+)?(?:v([\d.]+))?(?:s([\d.]+))?(?:w([\d.]+))?$")


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    guideline: str
    line: str
    situation: Situation
    row: str
    advice: str

    def fails(self, guideline: Guideline) -> bool:
        """Does a guideline say something else? The word "notes" asks for every notice."""
        outcome = advise(guideline, self.situation, explain=False)
        return written(outcome, "notes" in self.line.split()) != (self.row, self.advice)


def cases(name: str) -> list[Case]:
    """Every case of a table."""
    lines = (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        nodule, course, row, advice = (part.strip() for part in line.split("|"))
        found.append(Case(name, line, situation(name, nodule, course), row, advice))
    return found


def situation(name: str, nodule: str, course: str) -> Situation:
    """A case's situation."""
    words = nodule.split()
    texture = next((t for t in ("part_solid", "ground_glass", "solid") if t in words), None)
    patient: dict = {**PATIENT, "setting": SETTINGS.get(name, "incidental")}
    rest: dict = {"is_new": "new" in words}
    count = {"single": 1, "multiple": 2}
    for word in words:
        key, _, value = word.partition("=")
        if word in ("low", "high"):
            patient["fleischner_risk"] = word
        elif key in ("brock", "herder"):
            rest[key] = (float(value), float(value))
        elif key == "previous":
            rest["previous_category"] = value
        elif key == "clear":
            rest["clear_growth"] = value == "yes"
        elif word in ("suspicious", "airway", "spiculated", "fissure_displaced"):
            rest[word] = True
        elif word == "benign":
            rest["proven_benign"] = True
        elif word == "significant":
            rest["other_finding"] = True
        elif word == "confirmed":
            rest["confirmed"] = True
        elif key in patient:
            patient[key] = {"yes": True}.get(value, value)
            patient[key] = float(value) if key == "age_years" else patient[key]
        elif word in Morphology.__members__.values():
            rest["morphology"] = Morphology(word)
        elif word in Lungs.__members__.values():
            rest["lungs"] = Lungs(word)
        elif word in count:
            rest["count"] = count[word]
        elif word not in ("new", "notes", texture):
            raise ValueError(word)
    looks = tuple(look(scan) for scan in course.split())
    exam = looks[-1].date if looks else BASELINE
    kind = None if texture is None else Texture(texture)
    return Situation(exam, profile(**patient), looks, kind, **rest)


def look(scan: str) -> Look:
    """One scan of a course."""
    match = _SCAN.match(scan)
    if match is None:
        raise ValueError(scan)
    months, early, mm, mm3, solid, solid_mm3 = match.groups()
    date = add_months(BASELINE, int(months)) - datetime.timedelta(int(early or 0))
    sized = Sized(
        date,
        float(mm3) if mm3 else None,
        float(mm) if mm else None,
        thickness_mm=1.0,
        kernel="medium",
        contrast=False,
    )
    return Look(
        sized,
        float(solid) if solid else None,
        float(solid_mm3) if solid_mm3 else None,
    )


def said(guideline: Guideline, given: Situation) -> tuple[str, str]:
    """Row and advice, as a table writes them."""
    return written(advise(guideline, given, explain=False))


def written(outcome: Outcome, every: bool = False) -> tuple[str, str]:
    """Row and advice of an outcome, as a table writes them; every notice, or the main ones."""
    if outcome.excluded:
        return "-", f"not_applicable {' '.join(outcome.excluded)}"
    rows, told = [], []
    for option in outcome.options:
        rows.append("-" if option.row is None else option.row.id)
        words = []
        if option.step is None:
            words = [f"{outcome.status if len(outcome.options) == 1 else 'silent'} {option.lacks}"]
        else:
            words += [option.category] if option.category else []
            words += [option.step.strength] if option.step.strength != "recommended" else []
            words.append("+".join(option.step.actions))
        if option.due is not None:
            days = [_months(option.counted_from, day) for day in option.due]
            words.append("-".join(dict.fromkeys(days)))
            words.append(f"from {_when(option.counted_from)}")
        told.append(" ".join(words))
    words = [" / ".join(told)]
    words += ["(proposal)"] if outcome.proposal else []
    notices = [n for n in outcome.notices if every or n.code in NOTED]
    words += [f"[{n.code}]" for n in notices]
    return " / ".join(rows), " ".join(words)


NOTED = ("limit_crossed", "measures_disagree", "long_interval", "slow_growth",
         "morphology_cancelled")  # fmt: skip


def _months(start: datetime.date, end: datetime.date) -> str:
    months = 12 * (end.year - start.year) + end.month - start.month
    if add_months(start, months) != end:
        raise ValueError((start, end))
    return str(months)


def _when(day: datetime.date) -> str:
    months = 12 * (day.year - BASELINE.year) + day.month - BASELINE.month
    early = (add_months(BASELINE, months) - day).days
    return f"{months}" + (f"-{early}d" if early else "")


def with_measure(given: Situation, **sizes: float | None) -> Situation:
    """The same with other sizes on the last scan."""
    last = given.looks[-1]
    sized = dataclasses.replace(last.sized, **sizes)
    return dataclasses.replace(
        given, looks=(*given.looks[:-1], dataclasses.replace(last, sized=sized))
    )
