"""A screening programme of 20,000 women through the reading room, by each kind of policy.

    python -m bench.programme [--seed 1] [--women 20000]

Where numbers come from, what is assumed, and what the figures say: docs/programme_simulation.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bench.programme.figures import changes, figures
from bench.programme.policies import ALL, DOUBLE
from bench.programme.printing import (
    print_changes,
    print_figures,
    print_model,
    print_notes,
    print_people,
    print_published,
    print_rounds,
    print_simulator,
)
from bench.programme.running import run
from bench.programme.sources import WOMEN
from bench.programme.women import programme


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--women", type=int, default=WOMEN)
    given = parser.parse_args(arguments)
    women = programme(given.women, given.seed)
    print(f"{women.women} women, {women.cancer.sum()} with cancer, seed {given.seed}")
    print_model()
    runs = {simulated.name: run(women, simulated) for simulated in ALL}
    double = runs[DOUBLE.name]
    found = {name: figures(one) for name, one in runs.items()}
    change = {name: changes(one, double) for name, one in runs.items() if one is not double}
    print_figures(found)
    print_changes(change)
    print_rounds(runs)
    print_people(runs)
    print_simulator(runs)
    print_published(found, change)
    print_notes(found, change)


if __name__ == "__main__":
    main()
