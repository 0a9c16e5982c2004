"""The pages of the contracts say what the contracts are, and their cards are the examples'."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bench.contracts.cards import EXAMPLES
from gransk.core.contracts.boxes import BoxOutput
from gransk.core.contracts.image import ImageInput
from gransk.core.contracts.image_boxes import ImageBoxes
from gransk.core.contracts.mammo_exam import ExamOutput, MammoExam, ViewInput
from gransk.core.contracts.parts import Score
from gransk.core.contracts.scan import ScanInput
from gransk.core.contracts.volume_boxes import VolumeBoxes
from gransk.core.contracts.volume_false_positive import VolumeFalsePositive
from gransk.core.contracts.volume_segmenter import VolumeSegmenter
from gransk.core.models import Card, ModelLibrary

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    "mammo-exam-four-views": (MammoExam, ViewInput, ExamOutput, ImageInput),
    "image-boxes": (ImageBoxes,),
    "volume-boxes": (VolumeBoxes, ScanInput),
    "volume-segmenter": (VolumeSegmenter,),
    "volume-false-positive": (VolumeFalsePositive,),
}


def page(name: str) -> str:
    return (DOCS / "contracts" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_the_card_of_a_page_is_complete_and_the_examples(name: str) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", page(name), re.DOTALL)
    examples = [key for key in EXAMPLES if key.startswith(name)]
    assert len(blocks) == len(examples) >= 1
    for block, key in zip(blocks, examples, strict=True):
        values = yaml.safe_load(block)
        card = Card.model_validate(values)
        assert card.contract is not None
        assert card.contract.kind == name
        # The hash is that of a file, which another version of onnx may write otherwise.
        del values["sha256"]
        assert values == EXAMPLES[key].card


@pytest.mark.parametrize("name", PAGES)
def test_a_page_tells_every_key(name: str) -> None:
    told = page(name)
    for part in PAGES[name]:
        for field in _fields(part):
            assert f"`{field}`" in told, f"{name}: {part.__name__}.{field}"


def test_the_way_in_tells_every_contract_and_key_that_pages_share() -> None:
    told = (DOCS / "contracts.md").read_text(encoding="utf-8")
    for name in PAGES:
        assert f"contracts/{name}.md" in told
    for part in (BoxOutput, Score):
        for field in _fields(part):
            assert f"`{field}`" in told, field


def _fields(part: type[BaseModel]) -> list[str]:
    return [name for name in part.model_fields if name != "kind"]


def test_the_command_writes_models_that_load(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.contracts", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    library = ModelLibrary(tmp_path, threads=1)
    assert len(done.stdout.splitlines()) == len(library.ids()) == len(EXAMPLES)
    for name in library.ids():
        assert library.load(name).card.contract is not None
