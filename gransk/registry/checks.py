"""What is checked of a model before it is admitted, and what each check may find: closed lists.

Texts (cause and remedy, in each language) stand in ``wording/models.yaml`` as
``model_fault_<fault>``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

Found = tuple[str, dict[str, Any]]
"""Detail and figures of a check that passed."""
LONGEST = 2000
"""Characters of a detail."""


class Check(StrEnum):
    """Every check, in order."""

    PACKAGE = "package"
    CARD = "card"
    LICENCE = "licence"
    NEW = "new"
    SIGNATURE = "signature"
    DIGEST = "digest"
    FORMAT = "format"
    OPERATORS = "operators"
    CONTRACT = "contract"
    GOLDEN = "golden"
    RESOURCES = "resources"


class Fault(StrEnum):
    """Why a model is refused."""

    UNREADABLE_PACKAGE = "unreadable_package"
    PACKAGE_TOO_LARGE = "package_too_large"
    UNSAFE_NAME = "unsafe_name"
    """A file that would lie elsewhere, a link, or a name that is not plain."""
    CARD_MISSING = "card_missing"
    CARD_NOT_VALID = "card_not_valid"
    LICENCE_UNKNOWN = "licence_unknown"
    KNOWN_ALREADY = "known_already"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_WRONG = "signature_wrong"
    SIGNER_UNREADABLE = "signer_unreadable"
    FILE_MISSING = "file_missing"
    DIGEST_WRONG = "digest_wrong"
    NOT_ONNX = "not_onnx"
    EXTERNAL_DATA = "external_data"
    OPSET_UNKNOWN = "opset_unknown"
    OPERATOR_UNKNOWN = "operator_unknown"
    CUSTOM_OPERATOR = "custom_operator"
    NOT_LOADED = "not_loaded"
    """The runtime refuses it."""
    CONTRACT_BROKEN = "contract_broken"
    GOLDEN_MISSING = "golden_missing"
    GOLDEN_UNREADABLE = "golden_unreadable"
    GOLDEN_DIFFERS = "golden_differs"
    NOT_RUN = "not_run"
    """Inference failed."""
    TOO_SLOW = "too_slow"
    TOO_MUCH_MEMORY = "too_much_memory"
    DIED = "died"
    """The process that checked it ended without a word."""


class Result(BaseModel):
    """What one check found.

    Parameters
    ----------
    check : Check
    fault : Fault, optional
        None: it passed, or could not be made because an earlier one failed.
    done : bool
        Whether it was made.
    detail : str
        What exactly; it may repeat texts of the card.
    figures : dict
        JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Check
    fault: Fault | None = None
    done: bool = True
    detail: str = ""
    figures: dict[str, Any] = {}

    @field_validator("detail")
    @classmethod
    def _plain(cls, detail: str) -> str:
        return plain(detail)[:LONGEST]

    @property
    def passed(self) -> bool:
        return self.done and self.fault is None


class FaultError(Exception):
    """One check found a fault; caught where the check is made.

    Parameters
    ----------
    fault : Fault
    detail : str
    """

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = plain(detail)[:LONGEST]


def plain(text: str) -> str:
    """A foreign text as it can be kept and shown: no control characters, no half letters."""
    kept = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else " " for letter in kept)
