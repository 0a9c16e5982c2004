"""ONNX models with their cards: what does not match its card is refused."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gransk.core.errors import ModelError
from gransk.core.findings import ModelIdentity

DTYPES = {"float32": "tensor(float)", "float16": "tensor(float16)", "int64": "tensor(int64)"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(_Part):
    """One input or output: sizes are numbers, or names where they may vary."""

    name: str
    dtype: Literal["float32", "float16", "int64"]
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


class Card(_Part):
    """``card.yaml``: what a model is, reads, gives, and how well.

    Unknown keys are refused, so that a misspelt limit is never silent.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
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
            id=card.id, version=card.version, sha256=card.sha256, research=card.research
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
        return dict(zip(names, self._session.run(names, inputs), strict=True))


class ModelLibrary:
    """A folder of models, one folder each.

    Parameters
    ----------
    folder : Path
        Holds ``<id>/card.yaml`` and the file that the card names.
    threads : int
        Threads of one inference; 0 leaves it to the runtime.
    device : str
        ``cpu`` or ``cuda``.
    """

    def __init__(
        self, folder: Path, threads: int = 0, device: Literal["cpu", "cuda"] = "cpu"
    ) -> None:
        self.folder = folder
        self.threads = threads
        self.device = device
        self._loaded: dict[str, Model] = {}

    def ids(self) -> list[str]:
        """Ids of every model in the folder: each subfolder, card or not."""
        if not self.folder.is_dir():
            raise ModelError(f"model folder {self.folder} does not exist; set models.folder")
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and p.name[0] != ".")

    def card(self, model_id: str) -> Card:
        """Read one card.

        Raises
        ------
        ModelError
            Where it is missing, unreadable or of another id than its folder.
        """
        path = self.folder / model_id / "card.yaml"
        try:
            card = Card.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise ModelError(f"model {model_id!r} has no card.yaml in {path.parent}") from error
        except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
            raise ModelError(f"model {model_id!r}: its card is not valid: {error}") from error
        if card.id != model_id:
            raise ModelError(f"model folder {model_id!r} holds the card of {card.id!r}")
        return card

    def digest(self, model_id: str) -> str:
        """SHA-256 that the card of a model states."""
        return self.card(model_id).sha256

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
        folder = (self.folder / model_id).resolve()
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
        model = Model(card, self._session(model_id, content))
        _check_contract(card, model._session)
        return model

    def _session(self, model_id: str, content: bytes) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        wanted = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[self.device]
        if wanted not in onnxruntime.get_available_providers():
            raise ModelError(f"device {self.device!r} needs onnxruntime's {wanted}, absent here")
        try:
            return onnxruntime.InferenceSession(content, options, providers=[wanted])
        except Exception as error:  # onnxruntime raises its own unrelated classes
            raise ModelError(f"model {model_id!r} cannot be loaded: {error}") from error


def _fits(actual: tuple[Any, ...], wanted: tuple[int | str, ...]) -> bool:
    """Same rank, and equal wherever the card names a number."""
    return len(actual) == len(wanted) and all(
        isinstance(w, str) or a == w for a, w in zip(actual, wanted, strict=True)
    )


def _check_contract(card: Card, session: onnxruntime.InferenceSession) -> None:
    for kind, stated, actual in (
        ("inputs", card.inputs, session.get_inputs()),
        ("outputs", card.outputs, session.get_outputs()),
    ):
        by_name = {node.name: node for node in actual}
        if kind == "inputs" and set(by_name) != {tensor.name for tensor in stated}:
            raise ModelError(
                f"model {card.id!r}: its card states inputs {[t.name for t in stated]}, "
                f"the file has {sorted(by_name)}"
            )
        for tensor in stated:
            node = by_name.get(tensor.name)
            if (
                node is None
                or node.type != DTYPES[tensor.dtype]
                or not _fits(tuple(node.shape), tensor.shape)
            ):
                has = f"{node.type}{node.shape}" if node else "nothing of that name"
                raise ModelError(
                    f"model {card.id!r}: {kind} {tensor.name!r} is stated as "
                    f"{tensor.dtype}{list(tensor.shape)}, the file has {has}"
                )
