"""Training films read by the shipped detector, each by the network that never saw its patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from gransk.core.models import ModelLibrary
from mammo.image.grid import Prepared
from mammo.marks.detector import MODEL_IDS, Detector, Seen, shipped
from mammo.scores.score import ViewEvidence, score
from mammo.view import Laterality
from training.mammo.films import FOLDS, Film, folds
from training.mammo.measures import Marked, Read


def marked(film: Film, prepared: Prepared, seen: Seen) -> Read:
    """What was seen on a film, against its boxes: a mark hits where its centre lies in one."""
    boxes = film.boxes_on(prepared)
    marks = []
    for mark in seen.marks:
        x, y = mark.centre
        hit = [n for n, b in enumerate(boxes) if b[0] <= x <= b[2] and b[1] <= y <= b[3]]
        marks.append(Marked(mark.probability, mark.malignancy, hit[0] if hit else None))
    evidence = ViewEvidence(Laterality(film.side), tuple(mark.malignancy for mark in seen.marks))
    return Read(film, tuple(marks), score([evidence]).exam)


def members(models: ModelLibrary) -> list[Detector]:
    """The detector of each fold of patients."""
    networks = shipped([models.load(name) for name in MODEL_IDS])
    return [Detector(networks, member) for member in range(FOLDS)]


def read_unseen(models: ModelLibrary, films: Sequence[Film], threads: int = 2) -> list[Read]:
    """Every film by the networks of its own fold."""
    return [read for read, _, _ in seen_unseen(models, films, threads)]


def seen_unseen(
    models: ModelLibrary, films: Sequence[Film], threads: int = 2
) -> Iterator[tuple[Read, Prepared, Seen]]:
    """The same with the prepared image and all that the network said."""
    fold = folds(films)
    detectors = members(models)

    def one(film: Film) -> tuple[Read, Prepared, Seen]:
        prepared = film.prepared()
        seen = detectors[fold[film.patient]].detect(prepared, 0)
        return marked(film, prepared, seen), prepared, seen

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(one, films)
