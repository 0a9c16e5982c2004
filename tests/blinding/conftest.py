"""Runs of the blinding suite: each made once, its answers kept."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("reading", "web", "delivery")]
