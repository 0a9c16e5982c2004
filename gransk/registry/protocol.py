"""What the process that admits a model and the child that checks it tell each other."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gransk.core.device import Device
from gransk.registry.checks import Check, Result


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(_Message):
    """What a child is to check.

    Parameters
    ----------
    source : str
        Folder or zip, as it arrived.
    folder : str
        An empty folder: what arrived is unpacked there.
    known : tuple of str
        Names ``id@version`` that are taken.
    """

    source: str
    folder: str
    max_mb: int
    known: tuple[str, ...]
    signers: tuple[str, ...]
    require_signature: bool
    threads: int
    device: Device


class Line(_Message):
    """One line of a child: the check that begins, or what one found."""

    doing: Check | None = None
    result: Result | None = None
