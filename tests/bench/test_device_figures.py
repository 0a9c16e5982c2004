"""What a device makes of an analysis, beside the processor."""

from __future__ import annotations

import sys

import pytest
from nodule_synthetic import Ball, chest
from spot_model import write_models

from bench import device
from bench.apart import apart
from bench.nodule.speed import write_series
from gransk.core.errors import DeviceError
from gransk.core.models import ModelLibrary


def refuses(folder: str) -> None:
    raise DeviceError(f"no card beside {folder}")


def test_an_error_there_is_raised_here() -> None:
    with pytest.raises(DeviceError, match="no card beside a folder"):
        apart(1, refuses, "a folder")


@pytest.mark.timeout(300)
def test_the_processor_is_as_it_is(tmp_path, monkeypatch, capsys):
    """Both sides the processor: nothing differs, and each model's inputs are run again."""
    scan = chest([Ball((0.0, 10.0, 70.0), 14.0)], spacing=(5.0, 2.4, 2.4), noise_hu=10)
    folder = tmp_path / "scan"
    folder.mkdir()
    write_series(scan, folder)
    models = write_models(tmp_path / "models")
    arguments = ["--study", folder, "--models", models, "--device", "cpu", "--calls", "1"]
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    device.main()
    head, differs, one, other, *of_models = capsys.readouterr().out.splitlines()
    assert head.startswith("2 cores beside the device cpu")
    assert "probabilities up to 0 and measurements up to 0 of their value apart" in differs
    assert differs.endswith("qualities the same")
    assert [line[:7] for line in (one, other)] == ["  cpu: "] * 2
    told = {line.split(":")[0] for line in of_models}
    assert {"nodule-search", "nodule-detector"} <= told <= set(ModelLibrary(models).ids())
    assert all("outputs up to 0 apart" in line for line in of_models)
