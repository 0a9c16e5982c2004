"""The part of the configuration that says where models lie, how they run, and who signs them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gransk.core.application import model_folder
from gransk.site.config_types import Number, Section, SitePath, Whole


class ModelsSection(Section):
    """The ONNX models, how they run, and what is asked of one before it is admitted.

    Parameters
    ----------
    folder : Path
        Of the shipped models.
    threads : int
        Of one inference; 0 leaves it to the runtime.
    device : ``cpu`` or ``cuda``
    signers : tuple of Path
        Public keys (PEM, Ed25519) by which the card of a model may be signed.
    require_signature : bool
        Whether a model without a signature of theirs is refused.
    check_seconds : float
        That the checks of one model may last.
    max_mb : int
        Of one model with its files, packed and unpacked.
    """

    folder: SitePath = Field(default_factory=model_folder)
    threads: Whole = Field(default=0, ge=0, le=256)
    device: Literal["cpu", "cuda"] = "cpu"
    signers: tuple[SitePath, ...] = ()
    require_signature: bool = False
    check_seconds: Number = Field(default=120, gt=0, le=3600)
    max_mb: Whole = Field(default=2048, ge=1, le=8192)

    @model_validator(mode="after")
    def _signed_by_whom(self) -> ModelsSection:
        if self.require_signature and not self.signers:
            raise PydanticCustomError("signers", "models.signers, where a signature is required")
        return self
