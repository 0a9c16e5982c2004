"""A device that cannot be used is an error, never a silent way to the processor."""

from __future__ import annotations

import subprocess
from pathlib import Path

import onnxruntime
import pytest
import yaml
from test_models import _write

from gransk.cli.processes import gransk_command
from gransk.core import device
from gransk.core.device import PROVIDERS, why_unusable
from gransk.core.errors import DeviceError, ModelError
from gransk.core.models import ModelLibrary

pytestmark = pytest.mark.skipif(
    PROVIDERS["cuda"] in onnxruntime.get_available_providers(), reason="a runtime with CUDA is here"
)


def test_the_processor_is_always_there() -> None:
    assert why_unusable("cpu") == ""


def test_a_runtime_without_cuda_says_so(tmp_path: Path) -> None:
    library = ModelLibrary(_write(tmp_path).folder, device="cuda")
    with pytest.raises(DeviceError, match="has no CUDAExecutionProvider"):
        library.load("double")
    assert "has no CUDAExecutionProvider" in why_unusable("cuda")


def test_a_runtime_that_goes_to_the_processor_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As onnxruntime-gpu does where CUDA, the driver or the card is missing."""
    both = [PROVIDERS["cuda"], PROVIDERS["cpu"]]
    monkeypatch.setattr(device.onnxruntime, "get_available_providers", lambda: both)
    library = ModelLibrary(_write(tmp_path).folder, device="cuda")
    with pytest.raises(DeviceError, match="cannot be used here: its libraries do not load"):
        library.load("double")


def test_an_error_of_the_card_is_no_model_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the runtime raises it where no card answers, and for a model that nothing takes."""
    both = [PROVIDERS["cuda"], PROVIDERS["cpu"]]
    made = onnxruntime.InferenceSession

    def raises(*given: object, **named: object) -> object:
        if PROVIDERS["cuda"] in str(named):
            raise RuntimeError("call.cc:154 CUDA failure 100: no CUDA-capable device ; GPU=-1")
        return made(*given, **named)

    monkeypatch.setattr(device.onnxruntime, "get_available_providers", lambda: both)
    monkeypatch.setattr(device.onnxruntime, "InferenceSession", raises)
    library = ModelLibrary(_write(tmp_path).folder, device="cuda")
    with pytest.raises(DeviceError, match="here: CUDA failure 100: no CUDA-capable device; see"):
        library.load("double")
    with pytest.raises(ModelError) as found:
        device.open_session("broken", b"no model", 1, "cuda")
    assert not isinstance(found.value, DeviceError)


def test_nothing_of_the_runtime_s_falls_back(tmp_path: Path) -> None:
    """Its sessions would also change to the processor in the middle of a study."""
    session = _write(tmp_path).load("double")._session
    assert session._enable_fallback is False


def test_a_try_without_an_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "TRY_SECONDS", 0.01)
    assert why_unusable("cuda") == "models.device: no answer from cuda within 0 s"


def test_a_worker_does_not_start_without_its_device(tmp_path: Path) -> None:
    config = tmp_path / "gransk.yaml"
    content = {"data_folder": str(tmp_path / "data"), "models": {"device": "cuda"}}
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    ended = subprocess.run(
        gransk_command("worker", "--config", str(config)),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "gransk worker: models.device: this onnxruntime has no CUDA" in ended.stderr
    assert not list((tmp_path / "data").rglob("*.db")), "nobody signed on"
