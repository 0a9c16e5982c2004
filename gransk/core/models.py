"""ONNX models with their cards: what does not match its card is refused."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gransk.core.contracts import Contract
from gransk.core.device import Device, open_session
from gransk.core.errors import InferenceError, ModelError
from gransk.core.findings import ModelIdentity

DTYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "int64": "tensor(int64)",
    "int32": "tensor(int32)",
    "uint8": "tensor(uint8)",
}
WANT_OPERATING_POINT = ("image-boxes", "volume-boxes", "volume-false-positive")
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*(@\d+\.\d+\.\d+)?$")]
"""How settings name a model: its id, or its id and version as ``id@version``."""

CARD = "card.yaml"
AT = "@"
"""Between id and version in the name of a model that was admitted to the registry."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]*(@\d+\.\d+\.\d+)?")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(_Part):
    """One input or output: sizes are numbers, or names where they may vary."""

    name: str
    dtype: Literal["float32", "float16", "int64", "int32", "uint8"]
    shape: tuple[int | str, ...]
    unit: str = ""
    range: tuple[float, float] | None = None
    meaning: str = ""


class OperatingPoint(_Part):
    threshold: float = Field(ge=0, le=1)
    chosen_on: str


class TrainingData(_Part):
    name: str
    source: str
    licence: str
    patients: int
    attribution: str


class Performance(_Part):
    measure: str
    value: float
    interval: tuple[float, float] | None
    data: str
    cases: int
    command: str


class GoldenCase(_Part):
    """What the model makes of one input, so that each machine can see that it makes the same.

    Parameters
    ----------
    inputs, outputs : str
        Files beside the card, ``.npz`` with one array for each input and output by its name.
    inputs_sha256, outputs_sha256 : str
    absolute, relative : float
        An output may differ by ``absolute + relative * |expected|``.
    """

    inputs: str
    inputs_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    outputs: str
    outputs_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    absolute: float = Field(gt=0, allow_inf_nan=False)
    relative: float = Field(default=0.0, ge=0, le=0.1)


class Card(_Part):
    """``card.yaml``: what a model is, reads, gives, and how well.

    Unknown keys are refused, so that a misspelt limit is never silent.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", max_length=32)
    task: str
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    research: bool
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    operating_point: OperatingPoint | None = None
    training_data: tuple[TrainingData, ...]
    performance: tuple[Performance, ...]
    licence: str
    limits: tuple[str, ...] = Field(min_length=1)
    created: datetime.date
    golden: GoldenCase | None = None
    contract: Contract | None = None
    """How a model that is not ours is spoken to; None for ours."""

    @property
    def name(self) -> str:
        """``id@version``, as the configuration names a model that was admitted."""
        return f"{self.id}{AT}{self.version}"

    @model_validator(mode="after")
    def _check(self) -> Card:
        kind = None if self.contract is None else self.contract.kind
        if kind in WANT_OPERATING_POINT and self.operating_point is None:
            raise ValueError(f"contract {kind}: the card wants an operating point")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the model's findings.

        That of the weights; with a contract, of the weights, the contract and the operating point
        together: the same weights spoken to in another way are another model.
        """
        if self.contract is None:
            return self.sha256
        point = None if self.operating_point is None else self.operating_point.threshold
        parts = [self.sha256, self.contract.model_dump(mode="json"), point]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def threshold(self) -> float:
        """The threshold of the operating point.

        Raises
        ------
        ModelError
            Where there is none.
        """
        if self.operating_point is None:
            raise ModelError(f"model {self.id}: the card has no operating point")
        return self.operating_point.threshold


class Model:
    """A loaded model.

    Parameters
    ----------
    card : Card
    session : onnxruntime.InferenceSession
    """

    def __init__(self, card: Card, session: onnxruntime.InferenceSession) -> None:
        self.card = card
        self._session = session

    @property
    def threshold(self) -> float:
        """The threshold of the card's operating point.

        Raises
        ------
        ModelError
            Where the card has none.
        """
        return self.card.threshold

    @property
    def identity(self) -> ModelIdentity:
        card = self.card
        return ModelIdentity(
            id=card.id, version=card.version, sha256=card.digest, research=card.research
        )

    def run(self, inputs: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Infer.

        Parameters
        ----------
        inputs : dict of ndarray
            By input name, shapes and types as in the card.

        Raises
        ------
        ModelError
            Where an input is missing or does not match the card.
        InferenceError
            Where the runtime fails.
        """
        for tensor in self.card.inputs:
            array = inputs.get(tensor.name)
            if array is None:
                raise ModelError(f"model {self.card.id}: input {tensor.name!r} is missing")
            if array.dtype != np.dtype(tensor.dtype) or not _fits(array.shape, tensor.shape):
                raise ModelError(
                    f"model {self.card.id}: input {tensor.name!r} got {array.dtype}"
                    f"{list(array.shape)}, wants {tensor.dtype}{list(tensor.shape)}"
                )
        names = [tensor.name for tensor in self.card.outputs]
        try:
            made = self._session.run(names, inputs)
        except (MemoryError, SystemError):
            raise
        except Exception as error:  # onnxruntime raises its own unrelated classes
            raise InferenceError(f"model {self.card.name} failed: {error}") from error
        return dict(zip(names, made, strict=True))


class ModelLibrary:
    """Models by name: those that ship with Gransk, and those that a site admitted.

    Parameters
    ----------
    folder : Path
        Of the shipped models: holds ``<id>/card.yaml`` and the file that the card names.
    threads : int
        Threads of one inference; 0 leaves it to the runtime.
    device : str
        ``cpu`` or ``cuda``.
    admitted : Path, optional
        Of the admitted models, whose name is ``id@version``: holds ``<id>@<version>/card.yaml``.
    cards : mapping of str to str, optional
        SHA-256 of the card of each admitted model by its name; another one is refused.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 0,
        device: Device = "cpu",
        admitted: Path | None = None,
        cards: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.admitted = admitted
        self.cards = cards
        self.threads = threads
        self.device = device
        self._loaded: dict[str, Model] = {}

    def ids(self) -> list[str]:
        """Ids of every shipped model: each subfolder, card or not."""
        if not self.folder.is_dir():
            raise ModelError(f"model folder {self.folder} does not exist; set models.folder")
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and p.name[0] != ".")

    def admitted_names(self) -> list[str]:
        """Names ``id@version`` of what lies in the folder of admitted models."""
        if self.admitted is None or not self.admitted.is_dir():
            return []
        names = (path.name for path in self.admitted.iterdir() if AT in path.name)
        return sorted(name for name in names if NAME.fullmatch(name))

    def folder_of(self, model_id: str) -> Path:
        """Where a model's card and file lie.

        Raises
        ------
        ModelError
            Where the name is no model's, or there is no folder of admitted models.
        """
        if not NAME.fullmatch(model_id):
            raise ModelError(f"{model_id!r} is no model's name; wants id or id@version")
        if AT not in model_id:
            return self.folder / model_id
        if self.admitted is None:
            raise ModelError(f"model {model_id!r} is of a site's registry; give its configuration")
        return self.admitted / model_id

    def card(self, model_id: str) -> Card:
        """Read one card.

        Raises
        ------
        ModelError
            Where it is missing, unreadable, of another model than its folder, or not the one
            that was admitted.
        """
        path = self.folder_of(model_id) / CARD
        try:
            content = path.read_bytes()
            self._check_admitted(model_id, content)
            card = read_card(content)
        except FileNotFoundError as error:
            raise ModelError(f"model {model_id!r} has no card.yaml in {path.parent}") from error
        except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
            raise ModelError(f"model {model_id!r}: its card is not valid: {error}") from error
        if model_id != (card.name if AT in model_id else card.id):
            raise ModelError(f"model folder {model_id!r} holds the card of {card.name!r}")
        return card

    def _check_admitted(self, model_id: str, content: bytes) -> None:
        if self.cards is None or AT not in model_id:
            return
        if model_id not in self.cards:
            raise ModelError(f"model {model_id!r} was never admitted: gransk models admit")
        if hashlib.sha256(content).hexdigest() != self.cards[model_id]:
            raise ModelError(
                f"model {model_id!r}: its card is not the one that was admitted; restore "
                f"{self.folder_of(model_id)} from a backup"
            )

    def digest(self, model_id: str) -> str:
        """SHA-256 of what decides the findings of a model, as its card states it."""
        return self.card(model_id).digest

    def load(self, model_id: str) -> Model:
        """Load a model once, after its bytes and contract were checked.

        Raises
        ------
        ModelError
            Where card, hash or contract are wrong.
        """
        if model_id not in self._loaded:
            self._loaded[model_id] = self._load(model_id)
        return self._loaded[model_id]

    def _load(self, model_id: str) -> Model:
        card = self.card(model_id)
        folder = self.folder_of(model_id).resolve()
        path = (folder / card.file).resolve()
        if path.parent != folder:
            raise ModelError(f"model {model_id!r}: its file must lie in its own folder")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"model {model_id!r}: {card.file} cannot be read: {error}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != card.sha256:
            raise ModelError(
                f"model {model_id!r}: {card.file} has SHA-256 {digest}, its card says "
                f"{card.sha256}; restore the file or the card"
            )
        session = open_session(model_id, content, self.threads, self.device)
        for fault in contract_faults(card, session):
            raise ModelError(f"model {card.id!r}: {fault}")
        return Model(card, session)


def read_card(content: bytes) -> Card:
    """The card that a ``card.yaml`` holds.

    Raises
    ------
    yaml.YAMLError, ValidationError, UnicodeDecodeError
    """
    return Card.model_validate(yaml.safe_load(content.decode("utf-8")))


def _fits(actual: tuple[Any, ...], wanted: tuple[int | str, ...]) -> bool:
    """Same rank, and equal wherever the card names a number."""
    return len(actual) == len(wanted) and all(
        isinstance(w, str) or a == w for a, w in zip(actual, wanted, strict=True)
    )


def contract_faults(card: Card, session: onnxruntime.InferenceSession) -> list[str]:
    """Where inputs and outputs of a loaded model are not what its card states."""
    faults = []
    for kind, stated, actual in (
        ("inputs", card.inputs, session.get_inputs()),
        ("outputs", card.outputs, session.get_outputs()),
    ):
        by_name = {node.name: node for node in actual}
        if kind == "inputs" and set(by_name) != {tensor.name for tensor in stated}:
            names = [tensor.name for tensor in stated]
            faults.append(f"its card states inputs {names}, the file has {sorted(by_name)}")
        for tensor in stated:
            node = by_name.get(tensor.name)
            if (
                node is None
                or node.type != DTYPES[tensor.dtype]
                or not _fits(tuple(node.shape), tensor.shape)
            ):
                has = f"{node.type}{node.shape}" if node else "nothing of that name"
                faults.append(
                    f"{kind} {tensor.name!r} is stated as "
                    f"{tensor.dtype}{list(tensor.shape)}, the file has {has}"
                )
    return faults
