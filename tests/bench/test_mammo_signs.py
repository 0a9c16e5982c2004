"""How well shape and margin of a mass are told: the table of the bench."""

from __future__ import annotations

from bench.mammo.signs import MARGINS, Described, report
from mammo.marks.signs import SHAPES


def mass(number: int, readers: str, **signs: float) -> Described:
    likely = {name: signs.get(name, 0.1) for name in (*SHAPES, *MARGINS)}
    return Described(f"patient {number}", frozenset({readers}), likely)


def test_a_word_is_right_where_readers_said_it_too() -> None:
    masses = [mass(n, "spiculated", spiculated=0.9, round=0.6) for n in range(6)]
    masses += [mass(n, "round", spiculated=0.2 + 0.01 * n, round=0.7) for n in range(6, 10)]
    lines = {line.split()[0]: line.split() for line in report(masses)[1:]}
    assert lines["spiculated"][:3] == ["spiculated", "0.60", "1.00"]
    assert lines["spiculated"][6:8] == ["6", "1.00"]
    # Told of all ten, said by readers of four.
    assert lines["round"][6:8] == ["10", "0.40"]
    # Nobody said it: neither an area nor a share.
    assert lines["obscured"][1:] == ["0.00", "-", "0", "-"]
