"""Lets these tests use images and sites of the core's, nodule application's and web's tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("core", "nodule", "web")]
