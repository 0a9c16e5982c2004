"""The device that models are run on: a runtime's session there, and whether it can be used.

Without CUDA's libraries, its driver or a card, or where the card fails in the middle, onnxruntime
goes to the processor and says so in its log alone. Here that is an error.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from typing import Literal

import numpy as np
import onnxruntime

from gransk.core.errors import DeviceError, ModelError

Device = Literal["cpu", "cuda"]
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Of onnxruntime, by the device of the configuration."""
OPTIONS: dict[Device, dict[str, str]] = {
    "cpu": {},
    # Multiplied in float32 as on the processor, on which models are measured, and by the
    # algorithm that the shapes alone decide: the same study has the same findings twice.
    "cuda": {
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    },
}
REMEDY = "see docs/deployment.md, hosts with a GPU, or set it to cpu"
TRY_SECONDS = 120.0


def open_session(
    name: str, content: bytes, threads: int, device: Device
) -> onnxruntime.InferenceSession:
    """Have the runtime take in a model's bytes.

    Parameters
    ----------
    name : str
        Which model, for errors.
    content : bytes
        An ONNX file.
    threads : int
        Of one inference on the processor; 0 leaves it to the runtime.
    device : str

    Raises
    ------
    DeviceError
        Where the device cannot be used here.
    ModelError
        Where the model cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    wanted = PROVIDERS[device]
    if wanted not in onnxruntime.get_available_providers():
        raise DeviceError(f"models.device: this onnxruntime has no {wanted}; {REMEDY}")
    if device == "cuda":
        # What it says of libraries that it does not find is no output of ours.
        with contextlib.redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls()
    try:
        session = _session(content, options, device)
    except Exception as error:  # onnxruntime raises its own unrelated classes
        if device != "cpu" and _loads(content, options):
            raise _unusable(wanted, str(error)) from error
        raise ModelError(f"model {name!r} cannot be loaded: {error}") from error
    if wanted not in session.get_providers():
        raise _unusable(wanted, "its libraries do not load")
    return session


def _session(
    content: bytes, options: onnxruntime.SessionOptions, device: Device
) -> onnxruntime.InferenceSession:
    providers = [(PROVIDERS[device], OPTIONS[device])]
    return onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)


def _loads(content: bytes, options: onnxruntime.SessionOptions) -> bool:
    """Whether the processor takes what another device did not."""
    try:
        _session(content, options, "cpu")
    except Exception:  # noqa: BLE001 onnxruntime raises its own unrelated classes
        return False
    return True


def _unusable(provider: str, why: str) -> DeviceError:
    found = re.search(r"CUDA failure \d+: [^;]+", why)
    told = " ".join(found[0].split()) if found else why.partition("\n")[0][:200]
    return DeviceError(f"models.device: {provider} cannot be used here: {told}; {REMEDY}")


def why_unusable(device: Device) -> str:
    """Why models cannot be run on a device here, empty where they can.

    A process of its own tries it: one that used a card holds some of its memory to its end.
    """
    if device == "cpu":
        return ""
    try:
        tried = subprocess.run(
            [sys.executable, "-m", "gransk.core.device", device],
            capture_output=True, text=True, check=False, timeout=TRY_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"models.device: no answer from {device} within {TRY_SECONDS:.0f} s"
    if tried.returncode == 0:
        return ""
    said = tried.stderr.strip().splitlines()
    return said[-1] if said else f"models.device: the try on {device} ended as {tried.returncode}"


def _try(device: Device) -> None:
    """Run one convolution there."""
    from onnx import TensorProto, helper

    sides = [1, 1, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "one-convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 6, 6])],
        [helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 3, 3], [1.0] * 9)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = open_session("one-convolution", model.SerializeToString(), 1, device)
    (made,) = session.run(["y"], {"x": np.ones(sides, np.float32)})
    if not np.array_equal(made, np.full((1, 1, 6, 6), 9.0)):
        raise DeviceError("models.device: a convolution of ones came out wrong there")


if __name__ == "__main__":
    try:
        _try("cuda" if sys.argv[1] == "cuda" else "cpu")
    except ModelError as error:
        sys.exit(str(error))
