"""The states of the reading room as the documents draw them, made from the one table.

python -m gransk.reading.diagram
"""

from __future__ import annotations

from collections.abc import Iterable

from gransk.reading.exam import State
from gransk.reading.machine import TABLE

FROM_ANYWHERE = 5
"""A kind that leads from so many states to one and the same is told in the table alone."""


def mermaid() -> str:
    """A Mermaid state diagram of every entry that changes the state."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for kind, states in TABLE.items():
        if len(states) >= FROM_ANYWHERE and len({targets for targets in states.values()}) == 1:
            continue
        for source, targets in states.items():
            for target in targets:
                if source is not target:
                    ends = ("[*]" if source is None else source.value, target.value)
                    arrows.setdefault(ends, []).append(kind.value)
    lines = [f"    {a} --> {b}: {', '.join(kinds)}" for (a, b), kinds in arrows.items()]
    return "\n".join(["stateDiagram-v2", *lines, f"    {State.DECIDED.value} --> [*]"])


def table() -> str:
    """A Markdown table of every entry: where it is possible, and where it leads."""
    lines = ["| entry | possible in | leads to |", "|---|---|---|"]
    for kind, states in TABLE.items():
        sources = _named("*nothing yet*" if s is None else s.value for s in states)
        stays = all(targets == (source,) for source, targets in states.items())
        targets = {target.value: None for each in states.values() for target in each}
        lines.append(f"| {kind.value} | {sources} | {'stays' if stays else _named(targets)} |")
    return "\n".join(lines)


def _named(values: Iterable[str]) -> str:
    return ", ".join(values)


if __name__ == "__main__":
    print(f"```mermaid\n{mermaid()}\n```\n\n{table()}")
