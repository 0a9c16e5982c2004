"""Lets the tests of the core share their images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
