"""Training films read by the shipped detector, each by the network that never saw its patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx.utils import Extractor

from gransk.core.models import ModelLibrary
from mammo.image.grid import Prepared
from mammo.marks.detector import MODEL_IDS, READ_AT_MM, Detector, Networks, Seen
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


class Member:
    """One network of a shipped file, without the cost of the others."""

    def __init__(self, content: onnx.ModelProto, member: int, threads: int) -> None:
        self._outputs = [output.name for output in content.graph.output]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            alone(content, member).SerializeToString(), options, ["CPUExecutionProvider"]
        )

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Its maps, as the file of all gives them."""
        maps = (np.asarray(one) for one in self._session.run(self._outputs, inputs))
        return dict(zip(self._outputs, maps, strict=True))


def alone(content: onnx.ModelProto, member: int) -> onnx.ModelProto:
    """The file with one network: its outputs join all of them, network first, as the last step."""
    one = onnx.ModelProto()
    one.CopyFrom(content)
    outputs = [output.name for output in one.graph.output]
    for node in one.graph.node:
        if node.output[0] in outputs:
            kept = node.input[member]
            del node.input[:]
            node.input.append(kept)
    for output in one.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    return Extractor(one).extract_model(["film"], outputs)


def members(models: ModelLibrary) -> list[Detector]:
    """The detector of each fold of patients."""
    files = {
        READ_AT_MM[name]: onnx.load(str(models.folder / name / models.card(name).file))
        for name in MODEL_IDS
    }
    return [
        Detector([Networks(Member(file, n, models.threads), mm) for mm, file in files.items()])
        for n in range(FOLDS)
    ]


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
