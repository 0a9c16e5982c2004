"""The states of an exam as a picture: where it is, how it came there, where it may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gransk.reading.exam import State
from gransk.reading.machine import TABLE

PLACES: dict[State, tuple[int, int]] = {
    State.WAITING: (0, 1),
    State.FIRST_READ: (1, 1),
    State.SECOND_READ: (2, 1),
    State.AGREED_NORMAL: (3, 0),
    State.AGREED_RECALL: (3, 1),
    State.DISCORDANT: (3, 2),
    State.ARBITRATION: (4, 2),
    State.DECIDED: (5, 1),
    State.TECHNICAL_REPEAT: (4, 3),
    State.WITHDRAWN: (0, 3),
}
"""Column and row of each state."""
PITCH = (214.0, 76.0)
BOX = (190.0, 44.0)
BULGE = 46.0
"""How far an arrow that passes other boxes bends aside."""


@dataclass(frozen=True)
class Box:
    """A state; its top left corner."""

    state: State
    x: float
    y: float
    look: str
    """``now``, ``passed`` or empty."""


@dataclass(frozen=True)
class Arrow:
    """A way from one state to another, as SVG's path."""

    path: str
    passed: bool


@dataclass(frozen=True)
class Drawing:
    """The whole picture."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def drawing(path: Sequence[State]) -> Drawing:
    """The picture of an exam that went through these states, the last of which it is in."""
    now = path[-1] if path else None
    taken = dict.fromkeys(pairwise(path))
    possible = [(now, state) for state in _next(now) if (now, state) not in taken] if now else []
    boxes = tuple(
        Box(
            state,
            *_corner(state),
            "now" if state is now else "passed" if state in path else "",
        )
        for state in PLACES
    )
    arrows = [Arrow(_arrow(a, b), False) for a, b in possible if a is not None]
    arrows += [Arrow(_arrow(a, b), True) for a, b in taken]
    columns = 1 + max(column for column, _ in PLACES.values())
    rows = 1 + max(row for _, row in PLACES.values())
    return Drawing(
        columns * PITCH[0] - (PITCH[0] - BOX[0]) + 8,
        rows * PITCH[1] - (PITCH[1] - BOX[1]) + 8,
        boxes,
        tuple(arrows),
    )


def _next(state: State) -> list[State]:
    """Where an entry may lead from a state."""
    found = {
        target: None
        for states in TABLE.values()
        for target in states.get(state, ())
        if target is not state
    }
    return list(found)


def _corner(state: State) -> tuple[float, float]:
    column, row = PLACES[state]
    return 4 + column * PITCH[0], 4 + row * PITCH[1]


def _arrow(start: State, end: State) -> str:
    """From edge to edge, bent where it would pass under other boxes."""
    (x1, y1), (x2, y2) = _centre(start), _centre(end)
    columns = PLACES[end][0] - PLACES[start][0]
    down = 1 if PLACES[end][1] > PLACES[start][1] else -1
    if columns > 0:
        x1, x2 = x1 + BOX[0] / 2, x2 - BOX[0] / 2
        bend = (x1 + x2) / 2, (y1 + y2) / 2 - (BULGE if columns > 1 else 0)
    elif columns < 0:
        # Back: out of the left edge, and into the bottom or top.
        x1, y2 = x1 - BOX[0] / 2, y2 - down * BOX[1] / 2
        bend = x2, y1
    else:
        y1, y2 = y1 + down * BOX[1] / 2, y2 - down * BOX[1] / 2
        bend = x1 + (BULGE if abs(y2 - y1) > PITCH[1] else 0), (y1 + y2) / 2
    return f"M{x1:.0f} {y1:.0f}Q{bend[0]:.0f} {bend[1]:.0f} {x2:.0f} {y2:.0f}"


def _centre(state: State) -> tuple[float, float]:
    x, y = _corner(state)
    return x + BOX[0] / 2, y + BOX[1] / 2
