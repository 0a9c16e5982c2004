"""Lets these tests use the small CT images of the core's tests, and the search that ships."""

import sys
from pathlib import Path

import pytest

from gransk.core.models import ModelLibrary
from nodule.search import MODEL_ID, Search

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))


@pytest.fixture(scope="session")
def search():
    models = Path(__file__).parents[2] / "onnx_models"
    return Search(ModelLibrary(models, threads=2).load(MODEL_ID))
