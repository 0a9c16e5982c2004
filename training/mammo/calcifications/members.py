"""The networks of all folds, each fitted to the films of the other four."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from training.mammo.calcifications.fit import fit
from training.mammo.calcifications.network import Finder
from training.mammo.calcifications.samples import Example, examples
from training.mammo.films import Film, folds


def trained(
    films: Sequence[Film], count: int, steps: int, seed: int, work: Path | None
) -> list[Finder]:
    """Networks of the first ``count`` folds.

    Parameters
    ----------
    films : sequence of Film
    count : int
    steps : int
        Of each fit.
    seed : int
    work : Path, optional
        A folder that keeps each network as it is ready; those found there are not fitted again.
    """
    fold = folds(films, seed)
    made: dict[str, Example] = {}
    nets = []
    for number in range(count):
        kept = work / f"fold{number}_steps{steps}_seed{seed}.pt" if work else None
        if kept and kept.is_file():
            net = Finder()
            net.load_state_dict(torch.load(kept, weights_only=True))
            nets.append(net.eval())
            continue
        others = [film for film in films if fold[film.patient] != number]
        made |= examples((film for film in others if film.key not in made), seed)
        print(f"fold {number}: {len(others)} films with simulated clusters", flush=True)
        nets.append(fit([made[film.key] for film in others], steps, seed + number))
        print(f"fold {number} is fitted", flush=True)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(nets[-1].state_dict(), kept)
    return nets
