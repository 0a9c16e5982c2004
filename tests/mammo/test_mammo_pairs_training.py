"""What makes two marks one lesion is learned from how true pairs differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mammo.marks.pairs import PairRules, Traits, pair_traits
from training.mammo.pairs import Breast, Seen, across, centred, fit, kept, within


def made(count: int = 120, look: bool = False) -> list[Breast]:
    """Masses keep their distance within 6 mm; other marks lie anywhere."""
    rng = np.random.default_rng(2)

    def traits(nipple_mm: float, who: float) -> Traits:
        seen = (float(np.cos(who)), float(np.sin(who))) if look else ()
        return Traits(nipple_mm, 12.0, 0.1, 0.1, 0.5, seen)

    found = []
    for n in range(count):
        place, who = rng.uniform(30, 110), rng.uniform(0, 2 * np.pi)
        sides = []
        for _ in range(2):
            true = Seen(traits(place + rng.normal(0, 6), who + rng.normal(0, 0.2)), True)
            others = [
                Seen(traits(rng.uniform(10, 120), rng.uniform(0, 2 * np.pi)), False)
                for _ in range(2)
            ]
            sides.append((true, *others))
        found.append(Breast(f"b{n}", f"p{n}", n % 4, sides[0], sides[1]))
    return found


def found_share(breasts: list[Breast], rules: PairRules) -> float:
    hits = [
        (0, 0) in {(i, j) for i, j, _ in pair_traits(
            [s.traits for s in b.cc], [s.traits for s in b.mlo], rules)}
        for b in breasts
    ]  # fmt: skip
    return float(np.mean(hits))


def test_distance_is_learned_and_size_that_tells_nothing_is_not() -> None:
    breasts = made()
    rules = fit(breasts, ("distance", "distance_squared", "size"))
    assert rules.weights["size"] == pytest.approx(0, abs=1e-3)
    assert rules.weights["distance"] * 2 + rules.weights["distance_squared"] * 4 < -1
    assert found_share(breasts, rules) > 0.35


def test_looks_are_learned_where_marks_have_them() -> None:
    breasts = made(look=True)
    names = ("distance", "distance_squared")
    without, rules = fit(breasts, names), fit(breasts, (*names, "look"))
    assert rules.weights["look"] < -1
    assert len(rules.look_mean) == 2
    assert found_share(breasts, rules) > found_share(breasts, without)


def test_looks_count_from_the_mean_of_their_own_networks() -> None:
    breasts = made(look=True)
    fold = {b.patient: n % 5 for n, b in enumerate(breasts)}
    found, means = centred(breasts, fold)
    assert len(means) == 5 * 2
    assert [b.fold for b in found] == sorted(fold[b.patient] for b in breasts)
    for number in range(5):
        looks = [s.traits.look for b in found if b.fold == number for s in (*b.cc, *b.mlo)]
        assert np.mean(looks, axis=0) == pytest.approx([0, 0], abs=1e-4)
    assert all(
        fold[one] == fold[other]
        for one, other in ((owner(found, a), owner(found, b)) for a, b, _ in across(found))
    )


def owner(found: list[Breast], traits: Traits) -> str:
    return next(b.patient for b in found for s in (*b.cc, *b.mlo) if s.traits is traits)


def test_wrong_pairs_are_of_other_patients_and_of_one_breast() -> None:
    breasts = made(20)
    assert len(within(breasts)) == 20 * (3 * 3 - 2 * 2)
    assert sum(true for _, _, true in within(breasts)) == 20
    assert not any(true for _, _, true in across(breasts))


def test_what_was_measured_is_kept_as_it_was(tmp_path: Path) -> None:
    import argparse
    from dataclasses import asdict

    breasts = made(3, look=True)
    path = tmp_path / "traits.jsonl"
    path.write_text("".join(json.dumps(asdict(b)) + "\n" for b in breasts))
    given = argparse.Namespace(traits=path, marks=None, films=tmp_path, breasts=None)
    assert kept(given) == breasts
