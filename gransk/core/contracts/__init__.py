"""Contracts: how Gransk speaks to models that are not its own, as a card states it.

Each contract is data: how an image becomes the model's input, and how its output becomes findings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gransk.core.contracts.image_boxes import ImageBoxes
from gransk.core.contracts.mammo_exam import MammoExam
from gransk.core.contracts.volume_boxes import VolumeBoxes
from gransk.core.contracts.volume_false_positive import VolumeFalsePositive
from gransk.core.contracts.volume_segmenter import VolumeSegmenter

Contract = Annotated[
    MammoExam | ImageBoxes | VolumeBoxes | VolumeSegmenter | VolumeFalsePositive,
    Field(discriminator="kind"),
]
"""``contract`` of a card, told apart by its ``kind``."""


def tensors_of(contract: Contract) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the inputs that a contract fills, and of the outputs that it reads."""
    if isinstance(contract, MammoExam):
        inputs = {one.image.name for one in contract.views}
        return frozenset(inputs), frozenset(one.name for one in contract.outputs)
    if isinstance(contract, VolumeFalsePositive):
        return frozenset(one.name for one in contract.inputs), frozenset({contract.output})
    if isinstance(contract, VolumeSegmenter):
        return frozenset({contract.input.name}), frozenset({contract.output})
    read = (contract.output.boxes, contract.output.scores, contract.output.labels)
    return frozenset({contract.input.name}), frozenset(filter(None, read))
