"""Lets these tests use the images of the core's and the models of the nodule tests."""

import sys
from pathlib import Path

for folder in ("core", "nodule"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
