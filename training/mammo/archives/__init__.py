"""Readers of research archives as they ship, so that whoever has them trains with more films.

What each may teach the detector of masses:

=================  ======================  ==================  ==================
archive            places (heat maps)      malignancy of film  shape and margin
=================  ======================  ==================  ==================
CBIS-DDSM mass     boxes and outlines      pathology           as readers said
CBIS-DDSM calc     no mass there           pathology           no
CMMD               no: not marked          pathology           no
VinDr-Mammo        boxes, no outlines      BI-RADS 1, 2 and 5  no
=================  ======================  ==================  ==================
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mammo.marks.mark import Kind
from training.mammo.archives.cbis import cbis_ddsm
from training.mammo.archives.cmmd import cmmd
from training.mammo.archives.vindr import vindr_mammo
from training.mammo.films import Film, folds

__all__ = [
    "add_arguments", "assigned", "cbis_ddsm", "cmmd", "from_arguments", "of_kinds", "vindr_mammo",
]  # fmt: skip

MASSES = (Kind.MASS, Kind.DISTORTION, Kind.ASYMMETRY)


def of_kinds(films: Iterable[Film], kinds: tuple[Kind, ...] = MASSES) -> list[Film]:
    """The same films with boxes of these kinds alone.

    A film that keeps no box still tells of malignancy, and, where it is marked, of a place where
    there is no lesion of these kinds. Its outlines go where they are of another kind too.
    """
    kept = []
    for film in films:
        own = film.kinds or (str(Kind.MASS),) * len(film.boxes)
        chosen = [n for n in range(len(film.boxes)) if own[n] in kinds]
        whole = len(chosen) == len(film.boxes)
        kept.append(
            replace(
                film,
                boxes=tuple(film.boxes[n] for n in chosen),
                kinds=tuple(own[n] for n in chosen) if film.boxes else film.kinds,
                outlines=film.outlines if whole else None,
            )
        )
    return kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that name archives to train with as well."""
    parser.add_argument("--cbis-ddsm", type=Path, help="folder of CBIS-DDSM as it ships")
    parser.add_argument("--cmmd", type=Path, help="folder of CMMD as it ships")
    parser.add_argument("--cmmd-spacing-mm", type=float, help="of images that do not tell")
    parser.add_argument("--vindr", type=Path, help="folder of VinDr-Mammo as it ships")
    parser.add_argument("--outlines", type=Path, help="where outlines of CBIS-DDSM are kept")


def from_arguments(arguments: argparse.Namespace, base: Sequence[Film]) -> list[Film]:
    """The base films and those of the named archives, with boxes of masses alone.

    A film of the base that CBIS-DDSM holds at full resolution is taken from there.
    """
    more: list[Film] = []
    if arguments.cbis_ddsm:
        more += cbis_ddsm(arguments.cbis_ddsm, outlines=arguments.outlines)
    keys = {film.key for film in more}
    if arguments.cmmd:
        more += cmmd(arguments.cmmd, arguments.cmmd_spacing_mm)
    if arguments.vindr:
        more += vindr_mammo(arguments.vindr)
    return [film for film in base if film.key not in keys] + of_kinds(more)


def assigned(films: Iterable[Film], base: Sequence[Film]) -> dict[str, int]:
    """Fold of each patient: of the base's patients as ever, so that its figures stay unseen."""
    known = folds(base)
    return {**folds(film for film in films if film.patient not in known), **known}
