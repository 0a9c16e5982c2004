"""What gives an exam its score: code, weights and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gransk.core.errors import InvalidValueError

SCORES_SINCE = "0.1.0"
"""The first version of the application that gives every exam the score that it has today.

Whoever changes code so that the score of any exam changes raises it to the version that will ship:
sites calibrate again then. A version that changes no score leaves it, and their calibrations hold.
"""


@dataclass(frozen=True)
class ScoredBy:
    """What gives an exam its score.

    Parameters
    ----------
    version : str
        Of the application in use.
    since : str
        The first version whose scores are those of ``version``.
    models : mapping of str to str
        SHA-256, by id, of the models that can change the score.
    settings : mapping
        The settings that can change it, as JSON values.
    """

    version: str
    since: str
    models: Mapping[str, str]
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        if _numbers(self.since) > _numbers(self.version):
            raise InvalidValueError("ScoredBy.since", self.since, f"at most {self.version}")

    def same_code(self, version: str) -> bool:
        """Does another version of the application give every exam the same score?

        Of a later one than that in use nobody knows it.
        """
        try:
            numbers = _numbers(version)
        except InvalidValueError:
            return False
        return _numbers(self.since) <= numbers <= _numbers(self.version)


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if not all(part.isdecimal() for part in parts):
        raise InvalidValueError("version", version, "numbers with dots between")
    return tuple(int(part) for part in parts)
