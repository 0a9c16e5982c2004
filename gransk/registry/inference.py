"""An ONNX file looked at, loaded, run on its golden case, and measured."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError, Message
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

from gransk.core.contracts import tensors_of
from gransk.core.device import Device, open_session
from gransk.core.errors import ModelError
from gransk.core.models import Card, GoldenCase, Model, contract_faults
from gransk.registry.checks import Fault, FaultError, Found
from gransk.site.child_process import MB, memory_bytes, no_memory

STANDARD = "ai.onnx"
"""Another name of the domain that is usually left empty."""
OF_RUNTIME = frozenset({"", "ai.onnx.ml", "com.microsoft"})
"""Domains whose operators the runtime brings itself."""
Arrays = dict[str, npt.NDArray[Any]]


def read_onnx(content: bytes) -> onnx.ModelProto:
    """Parse a model, all of whose weights lie in its one file.

    Raises
    ------
    FaultError
        ``NOT_ONNX``, ``EXTERNAL_DATA``.
    """
    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise FaultError(Fault.NOT_ONNX, str(error)) from error
    if not proto.HasField("graph") or not proto.opset_import:
        raise FaultError(Fault.NOT_ONNX, "no graph")
    outside = {
        entry.value
        for tensor in _parts(proto, onnx.TensorProto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if outside:
        raise FaultError(Fault.EXTERNAL_DATA, ", ".join(sorted(outside)))
    return proto


def check_operators(proto: onnx.ModelProto) -> Found:
    """See that the runtime knows the model's opsets and every operator.

    Functions that the model itself defines count as known.

    Raises
    ------
    FaultError
        ``OPSET_UNKNOWN``, ``CUSTOM_OPERATOR``, ``OPERATOR_UNKNOWN``.
    """
    opsets = {_domain(one.domain): one.version for one in proto.opset_import}
    own = {(_domain(one.domain), one.name) for one in proto.functions}
    newest = onnx.defs.onnx_opset_version()
    if not 1 <= opsets.get("", newest) <= newest:
        raise FaultError(Fault.OPSET_UNKNOWN, f"{opsets['']}; 1 to {newest} are known")
    used = {(_domain(node.domain), node.op_type) for node in _parts(proto, onnx.NodeProto)} - own
    custom = sorted(f"{domain}.{name}" for domain, name in used if domain not in OF_RUNTIME)
    if custom:
        raise FaultError(Fault.CUSTOM_OPERATOR, ", ".join(custom))
    since: dict[tuple[str, str], int] = {}
    for schema in get_all_operator_schema():
        key = (_domain(schema.domain), schema.name)
        since[key] = min(schema.since_version, since.get(key, schema.since_version))
    unknown = sorted(
        f"{domain}.{name}" if domain else name
        for domain, name in used
        if since.get((domain, name), newest + 1) > opsets.get(domain, newest)
    )
    if unknown:
        raise FaultError(Fault.OPERATOR_UNKNOWN, ", ".join(unknown))
    told = ", ".join(f"{domain or STANDARD} {version}" for domain, version in opsets.items())
    return told, {"opsets": {domain or STANDARD: v for domain, v in opsets.items()}}


def load(card: Card, content: bytes, threads: int, device: Device) -> Model:
    """Load a model, and see that its inputs and outputs are what the card states.

    Raises
    ------
    FaultError
        ``NOT_LOADED``, ``TOO_MUCH_MEMORY``, ``CONTRACT_BROKEN``.
    """
    try:
        session = open_session(card.name, content, threads, device)
    except ModelError as error:
        fault = Fault.TOO_MUCH_MEMORY if no_memory(error) else Fault.NOT_LOADED
        raise FaultError(fault, str(error)) from error
    faults = [*contract_faults(card, session), *_unnamed(card)]
    if faults:
        raise FaultError(Fault.CONTRACT_BROKEN, "; ".join(faults))
    return Model(card, session)


def _unnamed(card: Card) -> Iterator[str]:
    """Tensors that the card's contract and the card itself do not name alike."""
    if card.contract is None:
        return
    inputs, outputs = tensors_of(card.contract)
    stated = {one.name for one in card.inputs}
    if inputs != stated:
        yield f"its contract fills {sorted(inputs)}, its card states inputs {sorted(stated)}"
    missing = outputs - {one.name for one in card.outputs}
    if missing:
        yield f"its contract reads {sorted(missing)}, its card states no such output"


def read_arrays(path: Path) -> Arrays:
    """The arrays of an ``.npz`` file; nothing in it is run.

    Raises
    ------
    FaultError
        ``GOLDEN_UNREADABLE``, ``FILE_MISSING``.
    """
    if not path.is_file():
        raise FaultError(Fault.FILE_MISSING, path.name)
    try:
        with np.load(path, allow_pickle=False) as loaded:
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise FaultError(Fault.GOLDEN_UNREADABLE, f"{path.name} is no .npz file")
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
        raise FaultError(Fault.GOLDEN_UNREADABLE, f"{path.name}: {error}") from error
    except MemoryError as error:
        raise FaultError(Fault.TOO_MUCH_MEMORY, path.name) from error


def compare(model: Model, inputs: Arrays, expected: Arrays, golden: GoldenCase) -> Found:
    """Run a golden case, and compare every output with what it should be.

    Raises
    ------
    FaultError
        ``GOLDEN_UNREADABLE``, ``GOLDEN_DIFFERS``, ``NOT_RUN``, ``TOO_MUCH_MEMORY``.
    """
    wanted = {tensor.name for tensor in model.card.outputs}
    if set(expected) != wanted:
        raise FaultError(
            Fault.GOLDEN_UNREADABLE,
            f"{golden.outputs} holds {sorted(expected)}, the card's outputs are {sorted(wanted)}",
        )
    if any(array.dtype.kind not in "biuf" for array in expected.values()):
        raise FaultError(Fault.GOLDEN_UNREADABLE, f"{golden.outputs} holds other than numbers")
    if not any(array.size for array in expected.values()):
        raise FaultError(Fault.GOLDEN_UNREADABLE, f"{golden.outputs} holds nothing to compare")
    made = _run(model, inputs)
    largest: dict[str, float] = {}
    differs = []
    for name, should in expected.items():
        got = made[name]
        if got.shape != should.shape:
            differs.append(f"{name}: {list(got.shape)} instead of {list(should.shape)}")
            continue
        off = np.abs(got.astype(np.float64) - should.astype(np.float64))
        off[(got == should) | (np.isnan(got) & np.isnan(should))] = 0.0
        largest[name] = float(off.max(initial=0.0))
        allowed = golden.absolute + golden.relative * np.abs(should.astype(np.float64))
        if not bool(np.all(off <= allowed)):
            differs.append(f"{name}: differs by up to {largest[name]:.6g}")
    if differs:
        raise FaultError(Fault.GOLDEN_DIFFERS, "; ".join(differs))
    return "", {"largest": largest}


def measure(model: Model, inputs: Arrays) -> Found:
    """Time of one inference, the first one over, and most memory that this process held."""
    started = time.perf_counter()
    _run(model, inputs)
    seconds = time.perf_counter() - started
    return "", {"seconds": round(seconds, 6), "peak_mb": _peak_mb()}


def _peak_mb() -> int:
    """Most memory that this process held (Linux); getrusage would count its parent's too."""
    return memory_bytes("VmHWM") // MB


def _run(model: Model, inputs: Arrays) -> Arrays:
    try:
        return model.run(inputs)
    except ModelError as error:
        raise FaultError(Fault.GOLDEN_UNREADABLE, str(error)) from error
    except Exception as error:  # onnxruntime raises its own unrelated classes
        fault = Fault.TOO_MUCH_MEMORY if no_memory(error) else Fault.NOT_RUN
        raise FaultError(fault, str(error)) from error


def _domain(domain: str) -> str:
    return "" if domain == STANDARD else domain


def _parts(message: Message, kind: type[Any]) -> Iterator[Any]:
    """Every part of one kind, however deep."""
    if isinstance(message, kind):
        yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for one in (value,) if isinstance(value, Message) else value:
                yield from _parts(one, kind)
