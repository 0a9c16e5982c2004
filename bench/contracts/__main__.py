"""Write the example models of the contracts, with their cards.

    python -m bench.contracts --out FOLDER [--only volume-boxes]

Each comes as ``FOLDER/<id>/card.yaml`` and ``model.onnx``: to try the registry, roles and
contracts with, and to copy a card from. They find what is bright and are no use on patients.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.contracts.cards import EXAMPLES, write


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the example models of the contracts.")
    parser.add_argument("--out", type=Path, required=True, help="Folder to write below.")
    parser.add_argument("--only", choices=sorted(EXAMPLES), help="One example; all by default.")
    options = parser.parse_args()
    for name in [options.only] if options.only else EXAMPLES:
        print(options.out / write(options.out, name))


if __name__ == "__main__":
    main()
