"""Print what ships of each guideline and where it is silent, as in ``docs/guidelines.md``."""

from __future__ import annotations

from nodule.guidelines.codes import Lacks, text
from nodule.guidelines.table import Guideline, Range, guidelines


def markdown() -> str:
    """The list of guidelines and their silent regions."""
    lines = ["| guideline | version | source | state | rows |", "|---|---|---|---|---|"]
    for one in guidelines().values():
        state = one.state.replace("_", " ")
        lines.append(f"| `{one.id}` | {one.version} | {one.source} | {state} | {len(one.rows)} |")
    for one in guidelines().values():
        if one.rows:
            lines += ["", f"**`{one.id}`**, where no row fits:", "", *_regions(one)]
    return "\n".join(lines) + "\n"


def _regions(guideline: Guideline) -> list[str]:
    lines = ["| inputs | its source lacks |", "|---|---|"]
    for region in guideline.silent:
        cells = "; ".join(f"{name} {_cell(cell)}" for name, cell in region.when.items())
        lines.append(f"| {cells} | {text(region.lacks, 'en')} |")
    if "mm" not in guideline.measures:
        lines.append(f"| no volume | {text(Lacks.VOLUME, 'en')} |")
    return lines


def _cell(cell: tuple[str, ...] | Range) -> str:
    if isinstance(cell, tuple):
        return " or ".join(cell)
    ends = [(cell.at_least, "from"), (cell.above, "over"), (cell.below, "under"),
            (cell.at_most, "to")]  # fmt: skip
    return " ".join(f"{word} {end:g}" for end, word in ends if end is not None)


if __name__ == "__main__":
    print(markdown(), end="")
