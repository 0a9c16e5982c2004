"""Who is given an exam to read: a fair draw that no opinion, no score and no read can change.

For every exam two readers are drawn, also where one will read: who is the first is the same
person either way. The pair is of those who were drawn least of late; which of them is the first
is drawn from the exam alone. Loads count draws, not reads: they tell nothing of how many people
an earlier exam was given to, nor how fast anybody reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gransk.core.keys import digest
from gransk.reading.exam import Qualification


def draw_readers(
    study_key: str, round_: int, candidates: Sequence[Qualification], load: Mapping[str, int],
    before: Iterable[str] = (), arbiters: Iterable[str] = (),
) -> tuple[str, ...]:  # fmt: skip
    """The readers of an exam, in order.

    Parameters
    ----------
    study_key : str
    round_ : int
        Of the exam: another round is another draw.
    candidates : sequence of Qualification
        Who may read it.
    load : mapping of str to int
        How often each was drawn of late, first or second.
    before : iterable of str
        Who read earlier images of it: drawn only where nobody else is there.
    arbiters : iterable of str
        Who may arbitrate in the unit.

    Returns
    -------
    tuple of str
        At most two accounts. The first is experienced where anybody is, and an arbiter is left
        for the third read where there is one to leave.
    """
    again = frozenset(before)

    def order(who: Qualification) -> tuple[bool, int, str]:
        tie = digest([study_key, round_, who.account])
        return (who.account in again, load.get(who.account, 0), tie)

    ordered = sorted(candidates, key=order)
    pair = _with_experience(ordered[:2], ordered[2:])
    pair = _leave_arbiter(pair, ordered, frozenset(arbiters))
    lots = sorted(pair, key=lambda who: digest(["first", study_key, round_, who.account]))
    return tuple(who.account for who in sorted(lots, key=lambda who: not who.experienced))


def draw_one(
    study_key: str, round_: int, purpose: str, accounts: Iterable[str], load: Mapping[str, int]
) -> str | None:
    """One person of several, the least loaded first; None where there is nobody."""
    return min(
        accounts,
        key=lambda name: (load.get(name, 0), digest([purpose, study_key, round_, name])),
        default=None,
    )


def _with_experience(
    pair: list[Qualification], others: Sequence[Qualification]
) -> list[Qualification]:
    """At least one experienced reader, where there is any."""
    if len(pair) < 2 or any(who.experienced for who in pair):
        return pair
    found = next((who for who in others if who.experienced), None)
    return pair if found is None else [pair[0], found]


def _leave_arbiter(
    pair: list[Qualification], ordered: Sequence[Qualification], arbiters: frozenset[str]
) -> list[Qualification]:
    """Not every arbiter reads first, where it can be helped."""
    if not arbiters or not arbiters <= {who.account for who in pair}:
        return pair
    others = [who for who in ordered if who not in pair]
    for leaving in reversed([who for who in pair if who.arbitrates]):
        stays = [who for who in pair if who is not leaving]
        for coming in others:
            new = [*stays, coming]
            if any(who.experienced for who in new) or not any(w.experienced for w in ordered):
                return new
    return pair
