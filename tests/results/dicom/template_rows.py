"""Template tables as text, read into rows.

How the columns are written:

- concept: ``111056 DCM`` is that code, ``CID 7470`` any of a context group, ``-`` any at all.
- requirement: M, MC, U, UC.
- condition, clauses parted by ``;``: ``if``, ``iff``, ``unless``, ``only if`` and ``only unless``
  ask for the ``value`` of the parent item or for that of another ``row``; ``any of``, ``one of``
  and ``two of`` count rows; ``with`` wants a row exactly where another one is; ``header`` asks for
  an attribute of the image; ``chest`` holds in a Chest CAD report; ``other report`` is for what is
  taken over from another report, which nobody can see in the tree.
- value set, parted by ``;``: ``CID``, ``BCID`` (a baseline group, where other codes are welcome),
  codes, ``UNITS``, ranges, graphic types, and rules that `template_checker` names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

TABLES = Path(__file__).parent / "templates"

RELATIONSHIPS = {
    "", "CONTAINS", "HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS PROPERTIES",
    "INFERRED FROM", "SELECTED FROM",
}  # fmt: skip
VALUE_TYPES = {
    "CONTAINER", "INCLUDE", "CODE", "TEXT", "NUM", "DATE", "TIME", "UIDREF", "PNAME", "IMAGE",
    "COMPOSITE", "SCOORD", "SCOORD3D",
}  # fmt: skip


@dataclass(eq=False)
class Row:
    """One row, with those that hang below it."""

    template: str
    number: str
    relationship: str
    refers: bool
    value_type: str
    concept: str
    low: int
    high: int | None
    need: str
    when: tuple[str, ...]
    values: tuple[str, ...]
    below: list[Row] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"TID-{self.template}-{self.number}"

    @property
    def name(self) -> str:
        return f"TID {self.template} row {self.number}"


@dataclass(frozen=True)
class Template:
    """A template; a closed one (Non-Extensible) takes nothing that it does not name."""

    number: str
    title: str
    closed: bool
    ordered: bool
    rows: tuple[Row, ...]


def read(text: str) -> dict[str, Template]:
    """Templates of a text, by their number."""
    found = {}
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in told.strip().split("\n\n"):
        head, *lines = block.splitlines()
        name, extension, order = (part.strip() for part in head.split(";"))
        number, _, title = name.removeprefix("TID ").partition(" ")
        assert extension in ("closed", "open"), head
        assert order in ("ordered", "free"), head
        rows = _rows(number, lines)
        found[number] = Template(
            number, title, extension == "closed", order == "ordered", tuple(rows)
        )
    return found


def _rows(template: str, lines: list[str]) -> list[Row]:
    top: list[Row] = []
    open_at: list[Row] = []
    for line in lines:
        number, relationship, value_type, concept, multiplicity, need, when, values = (
            part.strip() for part in line.split("|")
        )
        level = number.count(">")
        low, _, high = multiplicity.partition("-")
        row = Row(
            template=template,
            number=number.lstrip(">").strip(),
            relationship=relationship.removeprefix("R-"),
            refers=relationship.startswith("R-"),
            value_type=value_type,
            concept=concept,
            low=int(low),
            high=None if high == "n" else int(high or low),
            need=need,
            when=_parts(when),
            values=_parts(values),
        )
        assert row.relationship in RELATIONSHIPS, line
        assert row.value_type in VALUE_TYPES, line
        assert row.need in ("M", "MC", "U", "UC"), line
        del open_at[level:]
        (open_at[-1].below if open_at else top).append(row)
        open_at.append(row)
    return top


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


TEMPLATES = {
    number: template
    for path in sorted(TABLES.glob("*.txt"))
    for number, template in read(path.read_text(encoding="utf-8")).items()
}
