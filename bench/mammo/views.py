"""How often breast and view are read right from the image alone.

``python -m bench.mammo.views FOLDER``: images whose names hold side and view, such as
``A_0002_1.RIGHT_CC.LJPEG.1_highpass.jpg`` (the 2,306 small DDSM normals of the GitHub repository
aws-samples/mammography-classification-workshop, folder ``mammography-images/raw-jpg``). Films of
one case count together in the intervals, which are a bootstrap over cases. Names that hold
neither are left out. ``--most N`` takes at most N images, evenly spread.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.mammo.pictures import all_prepared, files_of, spread
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from gransk.core.statistics.bootstrap import interval
from mammo.exam.choice import Look
from mammo.exam.recognise import MODEL_ID, Recogniser

_NAME = re.compile(r"(?P<side>LEFT|RIGHT)[_-](?P<view>CC|MLO)")
CERTAIN = 0.9


@dataclass(frozen=True)
class Read:
    """One image: what its name says and what was seen."""

    case: str
    scanner: str
    side: str
    view: str
    look: Look | None
    strange: bool


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--models", type=Path, default=model_folder())
    options = parser.parse_args()
    recogniser = Recogniser(ModelLibrary(options.models, threads=1).load(MODEL_ID))
    rows = read(options.folder, recogniser, options.most)
    seen = [row for row in rows if row.look is not None]
    print(f"{len(rows)} images of {len({r.case for r in rows})} cases, breast found in {len(seen)}")
    _line("view", seen, lambda r: (r.look.mlo >= 0.5) == (r.view == "MLO"))  # type: ignore[union-attr]
    certain = [r for r in seen if r.look and max(r.look.mlo, 1 - r.look.mlo) >= CERTAIN]
    _line(f"view, at least {CERTAIN} certain", certain,
          lambda r: (r.look.mlo >= 0.5) == (r.view == "MLO"))  # type: ignore[union-attr]  # fmt: skip
    for scanner in ("", *sorted({r.scanner for r in seen})):
        group = [r for r in seen if scanner in ("", r.scanner)]
        name = f"breast, scanner {scanner}" if scanner else "breast"
        _line(name, group, lambda r: (r.look.right >= 0.5) == (r.side == "RIGHT"))  # type: ignore[union-attr]
    _line("refused as strange", seen, lambda r: r.strange)


def read(folder: Path, recogniser: Recogniser, most: int = 0) -> list[Read]:
    """Look at images whose names tell side and view."""
    telling = [path for path in files_of(folder) if _NAME.search(path.name)]
    named = [(p, match) for p in spread(telling, most) if (match := _NAME.search(p.name))]
    rows = []
    for (path, match), (_, image) in zip(
        named, all_prepared([path for path, _ in named]), strict=True
    ):
        look = recogniser.look(image) if image else None
        strange = bool(image and recogniser.strangeness(image) > recogniser.limit)
        case = path.name[: match.start()].rstrip("._")
        rows.append(Read(case, path.name[0], match["side"], match["view"], look, strange))
    return rows


def _line(name: str, rows: list[Read], right: Callable[[Read], bool]) -> None:
    if not rows:
        return
    good = np.array([right(row) for row in rows], dtype=float)
    low, high = interval([row.case for row in rows], lambda drawn: float(good[drawn].mean()))
    print(f"{name}: {good.mean():.4f} ({low:.4f} to {high:.4f}), {int(good.sum())} of {len(rows)}")


if __name__ == "__main__":
    main()
