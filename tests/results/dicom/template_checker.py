"""Row by row: does the content tree of a structured report follow its template?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from template_rows import TEMPLATES, Row, Template

EXTENSIBLE = {29, 6000, 6004, 6006, 6014, 6016, 6022, 6043, 7021, 7470, 7472, 5000}
"""Context groups that may have further codes, of those that a code outside was seen for."""


@dataclass(frozen=True)
class Violation:
    """What is wrong, of which row, and where in the tree."""

    kind: str
    row: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.row} at {self.where}"


@dataclass(frozen=True)
class _Spec:
    """A row as it holds at one place of the tree, with the includes that brought it there."""

    row: Row
    relationship: str
    parameters: tuple[tuple[str, str], ...]
    includes: tuple[Row, ...]

    @property
    def chain(self) -> tuple[Row, ...]:
        return (*self.includes, self.row)

    @property
    def high(self) -> int | None:
        highs = [row.high for row in self.chain]
        if None in highs:
            return None
        product = 1
        for high in highs:
            product *= high or 1
        return product


@dataclass
class _Level:
    """The items below one item, and the rows that they are."""

    parent: Dataset
    matched: list[tuple[Dataset, _Spec]]

    def of(self, key: str) -> list[Dataset]:
        return [i for i, spec in self.matched if key in (row.key for row in spec.chain)]


class Checker:
    """Checks one document.

    Parameters
    ----------
    document : Dataset
    headers : mapping of SOP Instance UID to Dataset
        Of the images, for conditions that ask for their attributes.
    """

    def __init__(self, document: Dataset, headers: Mapping[str, Dataset] | None = None) -> None:
        self.document = document
        self.headers = headers or {}
        self.violations: list[Violation] = []
        self.extensions: list[Violation] = []
        self.rows: set[str] = set()
        """Rows that the document fills."""
        self._image = ""
        """The image that the walk is at or below."""

    def run(self) -> list[Violation]:
        named = self.document.get("ContentTemplateSequence")
        template = TEMPLATES[str(named[0].TemplateIdentifier) if named else "1500"]
        self._template = template.number
        (root,) = template.rows
        self.rows.add(root.name)
        if not _is_concept(self.document, root.concept):
            self._outside(root.concept, "concept", root.name, "1")
        self._below(self.document, root, (), "1")
        return self.violations

    # Matching

    def _below(
        self, item: Dataset, row: Row, parameters: tuple[tuple[str, str], ...], where: str
    ) -> None:
        if "ReferencedSOPSequence" in item:
            self._image = str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        template = TEMPLATES[row.template]
        specs = list(_expand(row.below, "", parameters, ()))
        level = _Level(item, [])
        last = -1
        for n, child in enumerate(item.get("ContentSequence") or [], start=1):
            here = f"{where}.{n}"
            spec = self._match(child, specs, level)
            if spec is None:
                self._unknown(child, specs, template, here)
                continue
            level.matched.append((child, spec))
            self.rows.add(spec.row.name)
            place = specs.index(spec)
            if template.ordered and place < last:
                self._tell("order", spec.row.name, here)
            last = max(last, place)
            self._values(child, spec, level, here)
            if not spec.row.refers:
                self._below(child, spec.row, spec.parameters, here)
        self._counts(level, specs, where)

    def _match(self, item: Dataset, specs: list[_Spec], level: _Level) -> _Spec | None:
        kind = self._value_type(item)
        fitting = [
            spec
            for spec in specs
            if spec.relationship == item.get("RelationshipType")
            and spec.row.refers is ("ReferencedContentItemIdentifier" in item)
            and spec.row.value_type == kind
            and (spec.row.refers or _is_concept(item, spec.row.concept))
            and _is_template(item, spec.row)
        ]
        if not fitting:
            return None
        fitting.sort(key=lambda spec: (_vagueness(spec.row.concept), specs.index(spec)))
        open_to = [s for s in fitting if all(self._may(row, level) for row in s.chain)]
        return (open_to or fitting)[0]

    def _value_type(self, item: Dataset) -> str:
        if "ReferencedContentItemIdentifier" in item:
            target = self._target(item)
            return "" if target is None else str(target.get("ValueType", ""))
        return str(item.get("ValueType", ""))

    def _target(self, item: Dataset) -> Dataset | None:
        found: Dataset | None = self.document
        first, *path = item.ReferencedContentItemIdentifier
        for place in path if first == 1 else [0]:
            below = [] if found is None else found.get("ContentSequence") or []
            found = below[place - 1] if 0 < place <= len(below) else None
        return found

    def _unknown(self, item: Dataset, specs: list[_Spec], template: Template, where: str) -> None:
        """Nearly a row, or no row at all."""
        for spec in specs:
            row = spec.row
            if row.refers or "CID" in row.concept or row.concept == "-":
                continue
            if _is_concept(item, row.concept) and _is_template(item, row):
                same = spec.relationship == item.get("RelationshipType")
                self._tell("value type" if same else "relationship", row.name, where)
                return
        if template.closed:
            self._tell("not in template", f"TID {template.number}", where)

    # Conditions

    def _may(self, row: Row, level: _Level) -> bool:
        """Does no condition on the parent's value forbid the row?"""
        value = _value(level.parent)
        for clause in row.when:
            word, _, rest = clause.partition(" value ")
            if word in ("only if", "iff") and rest and value not in rest.split():
                return False
            if word in ("only unless", "unless") and rest and value in rest.split():
                return False
            if clause == "chest" and self._template != "4100":
                return False
        return True

    def _must(self, row: Row, level: _Level) -> bool:
        """Is a conditional row mandatory here?"""
        return any(self._asks(clause, level, row) for clause in row.when)

    def _asks(self, clause: str, level: _Level, row: Row) -> bool:
        words = clause.split()
        if words[:2] in (["if", "value"], ["iff", "value"]):
            return _value(level.parent) in words[2:]
        if words[:2] == ["unless", "value"]:
            return _value(level.parent) not in words[2:]
        if words[:2] in (["if", "row"], ["iff", "row"]):
            items = level.of(_key(words[2], row))
            return any(not words[3:] or _value(item) in words[3:] for item in items)
        if words[0] == "with":
            return bool(level.of(_key(words[1], row)))
        if words[0] == "header":
            header = self.headers.get(self._image, Dataset())
            return any(_has(header, path) for path in words[1:])
        return False

    def _counts(self, level: _Level, specs: list[_Spec], where: str) -> None:
        told: set[str] = set()
        for spec in specs:
            for depth, row in enumerate(spec.chain):
                if row.key in told:
                    continue
                told.add(row.key)
                if all(self._active(one, level) for one in spec.chain[:depth]):
                    self._count(row, spec, level, where)

    def _active(self, include: Row, level: _Level) -> bool:
        """Do the mandatory rows of an included template hold?"""
        return bool(level.of(include.key))

    def _count(self, row: Row, spec: _Spec, level: _Level, where: str) -> None:
        items = level.of(row.key)
        needed = row.need == "M" or (row.need == "MC" and self._must(row, level))
        if needed and not items:
            self._tell("missing", row.name, where)
        elif items and row is spec.row and len(items) < row.low:
            self._tell("multiplicity", row.name, where)
        if row is spec.row and spec.high is not None and len(items) > spec.high:
            self._tell("multiplicity", row.name, where)
        if items and not self._may(row, level):
            self._tell("condition", row.name, where)
        for clause in row.when:
            self._groups(clause, row, bool(items), level, where)

    def _groups(self, clause: str, row: Row, there: bool, level: _Level, where: str) -> None:
        words = clause.split()
        many, rows = " ".join(words[:2]), [_key(number, row) for number in words[2:]]
        present = [key for key in rows if level.of(key)]
        if words[0] == "with" and there and not level.of(_key(words[1], row)):
            self._tell("condition", row.name, where)
        if words[:2] == ["iff", "row"] and there and not level.of(_key(words[2], row)):
            self._tell("condition", row.name, where)
        if words[:3] == ["only", "if", "row"] and there:
            siblings = level.of(_key(words[3], row))
            if not any(_value(item) in words[4:] for item in siblings):
                self._tell("condition", row.name, where)
        if words[:2] == ["only", "with"] and there and not present:
            self._tell("condition", row.name, where)
        if rows and row.key != rows[0]:
            return
        if many == "any of" and not present:
            self._tell("missing", f"{row.name} or another", where)
        if many == "one of" and len(present) != 1:
            self._tell("missing" if not present else "condition", f"{row.name} xor another", where)
        if many == "two of":
            firsts = [i for i, s in level.matched if any(r.key in rows for r in s.chain)]
            if len(firsts) < 2:
                self._tell("missing", f"{row.name} or another, two in all", where)

    # Values

    def _values(self, item: Dataset, spec: _Spec, level: _Level, where: str) -> None:
        parameters = dict(spec.parameters)
        for rule in spec.row.values:
            self._value(parameters.get(rule, rule), item, spec.row, level, where)

    def _value(self, rule: str, item: Dataset, row: Row, level: _Level, where: str) -> None:
        words = rule.split()
        if words[0] == "CID" and row.value_type == "CODE":
            if not any(_in_group(item.ConceptCodeSequence[0], int(n)) for n in words[1:]):
                self._outside(rule, "value", row.name, where)
        elif words[0] == "UNITS":
            self._units(words[1:], item, row, where)
        elif words[0].isdigit():
            if _value(item) not in words:
                self._tell("value", row.name, where)
        elif not self._holds(rule, item, row, level):
            self._tell("value", row.name, where)

    def _holds(self, rule: str, item: Dataset, row: Row, level: _Level) -> bool:
        if rule.startswith(("BCID", "TID", "$")):
            return True
        if rule in ("0-100", ">0"):
            number = float(item.MeasuredValueSequence[0].NumericValue)
            return 0 <= number <= 100 if rule == "0-100" else number > 0
        if rule == "library":
            library = _children(self.document, "111028")
            entries = library[0].get("ContentSequence") or [] if library else []
            return any(self._target(item) is entry for entry in entries)
        if rule == "same image":
            centres = _children(level.parent, "111010")
            return all(self._images(item) == self._images(centre) for centre in centres)
        if rule == "same units":
            targets = [self._target(one) for one in item.get("ContentSequence") or []]
            units = {_unit(one) for one in (item, *targets) if one is not None}
            names = {_concept(one) for one in targets if one is not None}
            return len(units) == 1 and len(names) <= 1
        if rule == "contralateral asymmetry":
            asymmetric = _value(level.parent) in ("129789007", "129790003")
            return not asymmetric or _value(item) == "111155"
        if rule.startswith("not "):
            return str(item.GraphicType) not in rule.split()[1:]
        return str(item.GraphicType) in rule.split()

    def _images(self, item: Dataset) -> list[str]:
        """Images that an item is selected from."""
        found = []
        for below in item.get("ContentSequence") or []:
            refers = "ReferencedContentItemIdentifier" in below
            image = self._target(below) if refers else below
            if image is not None and "ReferencedSOPSequence" in image:
                found.append(str(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))
        return found

    def _units(self, wanted: list[str], item: Dataset, row: Row, where: str) -> None:
        unit = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        if wanted[0] == "CID":
            good = _in_group(unit, int(wanted[1]))
        else:
            good = str(unit.CodeValue) in wanted
        if not good:
            self._tell("units", row.name, where)

    def _outside(self, group: str, kind: str, name: str, where: str) -> None:
        """A code outside its group: an extension where the group may be extended."""
        numbers = {int(word) for word in group.split() if word.isdigit()}
        if "CID" in group and numbers & EXTENSIBLE:
            self.extensions.append(Violation(kind, name, where))
        else:
            self._tell(kind, name, where)

    def _tell(self, kind: str, row: str, where: str) -> None:
        self.violations.append(Violation(kind, row, where))


def check(document: Dataset, headers: Iterable[Dataset] = ()) -> list[str]:
    """Every violation of a document's template, as words."""
    known = {str(header.SOPInstanceUID): header for header in headers}
    return [str(one) for one in Checker(document, known).run()]


def _expand(
    rows: Iterable[Row],
    relationship: str,
    parameters: tuple[tuple[str, str], ...],
    includes: tuple[Row, ...],
) -> Iterator[_Spec]:
    for row in rows:
        said = row.relationship or relationship
        if row.value_type != "INCLUDE":
            yield _Spec(row, said, parameters, includes)
            continue
        included = TEMPLATES[row.concept.removeprefix("TID ")]
        given = _given(row, dict(parameters))
        yield from _expand(included.rows, said, given, (*includes, row))


def _given(row: Row, outer: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Parameters that an include passes on."""
    pairs = (value.split(" = ") for value in row.values if value.startswith("$"))
    return tuple((name, outer.get(value, value)) for name, value in pairs)


def _key(number: str, row: Row) -> str:
    return number if number.startswith("TID-") else f"TID-{row.template}-{number}"


def _vagueness(concept: str) -> int:
    return 2 if concept == "-" else 1 if concept.startswith("CID") else 0


def _concept(item: Dataset) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence")
    if not names:
        return "", ""
    return _code(names[0])


def _code(item: Dataset) -> tuple[str, str]:
    value = item.get("CodeValue") or item.get("LongCodeValue") or ""
    return str(value), str(item.get("CodingSchemeDesignator", ""))


def _is_concept(item: Dataset, concept: str) -> bool:
    if concept == "-":
        return True
    names = item.get("ConceptNameCodeSequence")
    if not names:
        return False
    if concept.startswith("CID"):
        return _in_group(names[0], int(concept.split()[1]))
    return _code(names[0]) == tuple(concept.split())


def _is_template(item: Dataset, row: Row) -> bool:
    """Is an item that names its template named after this one?"""
    wanted = [value for value in row.values if value.startswith("TID ")]
    named = item.get("ContentTemplateSequence")
    if not wanted or not named:
        return True
    return f"TID {named[0].TemplateIdentifier}" in wanted


def _in_group(item: Dataset, group: int) -> bool:
    value, scheme = _code(item)
    if group == 5000:
        return scheme in ("RFC5646", "ISO639_2")
    known: Any = getattr(codes, f"cid{group}")
    return Code(value, scheme, "") in known.concepts.values()


def _value(item: Dataset) -> str:
    coded = item.get("ConceptCodeSequence")
    return _code(coded[0])[0] if coded else ""


def _unit(item: Dataset) -> str:
    measured = item.get("MeasuredValueSequence")
    return str(measured[0].MeasurementUnitsCodeSequence[0].CodeValue) if measured else ""


def _children(item: Dataset, value: str) -> list[Dataset]:
    return [c for c in item.get("ContentSequence") or [] if _concept(c)[0] == value]


def _has(header: Dataset, path: str) -> bool:
    """Does a header hold a value, at the end of a path through sequences?"""
    first, _, rest = path.partition("/")
    value = header.get(first)
    if not rest:
        return value is not None and (not isinstance(value, Sized) or len(value) > 0)
    return any(_has(item, rest) for item in value or [])
