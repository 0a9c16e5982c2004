"""One network of the shipped file, alone, says what it says among the others."""

from __future__ import annotations

import numpy as np

from bench.mammo.reading import Member
from gransk.core.application import model_folder
from gransk.core.models import ModelLibrary
from mammo.marks.detector import MODEL_IDS
from training.mammo.films import FOLDS


def test_each_network_alone_says_what_it_says_among_all() -> None:
    import onnx

    models = ModelLibrary(model_folder(), threads=1)
    name = MODEL_IDS[0]
    film = np.random.default_rng(1).random((1, 1, 96, 64), dtype=np.float32)
    every = models.load(name).run({"film": film})
    content = onnx.load(str(models.folder / name / models.card(name).file))
    for member in range(FOLDS):
        found = Member(content, member, 1).run({"film": film})
        assert set(found) == set(every)
        for output, maps in found.items():
            np.testing.assert_allclose(maps[0], every[output][member], rtol=1e-3, atol=1e-3)
    assert not np.allclose(every["mass"][0], every["mass"][1], atol=0.1)
