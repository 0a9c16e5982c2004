"""Lets these tests use the images of the core's and the nodule application's tests, and the web's sites."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("core", "nodule", "web")]
