"""One tree of errors: each names the thing, the cause and the remedy."""

from __future__ import annotations

import traceback
from pathlib import Path

from gransk.core.reasons import Reason


class GranskError(Exception):
    """Root of every error that Gransk raises on purpose."""


class InvalidValueError(GranskError, ValueError):
    """A domain object was given a value that it refuses.

    Parameters
    ----------
    name : str
        The field.
    got : object
        What it was given.
    wants : str
        What would be accepted.
    """

    def __init__(self, name: str, got: object, wants: str) -> None:
        super().__init__(f"{name}: got {got!r}, wants {wants}")
        self.name = name
        self.got = got
        self.wants = wants


class RefusalError(GranskError):
    """An input is not analysed, for a reason of the closed list.

    Parameters
    ----------
    reason : Reason
        The code that is stored and shown.
    detail : str
        Technical detail without any patient data.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class UnreadableInputError(GranskError):
    """The input holds nothing that can be read as DICOM."""


class ModelError(GranskError):
    """A model folder cannot be used: hash, contract or card."""


class InferenceError(GranskError):
    """The runtime failed while it ran a model; its own words follow."""


class DeviceError(ModelError):
    """The device that models shall be run on cannot be used here; it is no model's fault."""


class ConfigurationError(GranskError):
    """The configuration names a key that is wrong; the message says which."""


def place(error: BaseException) -> str:
    """Kind of a foreign fault and where it arose; its own words may repeat a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
