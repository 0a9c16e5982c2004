"""The table from coded clinical data to the risk profile."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gransk.core.profile_codes import CodeTable
from nodule.rule_file import read_rules

TABLE = Path(__file__).with_name("profile_codes.yaml")


@cache
def profile_codes(path: Path = TABLE) -> CodeTable:
    """The table of a YAML file; the shipped one without it.

    Raises
    ------
    ConfigurationError
        Where the file cannot be read or is no such table.
    """
    return read_rules(CodeTable, path)
