"""Small true models with their cards, as a maker would send them, and as one should not."""

from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from harness_orthanc import make_config
from onnx import TensorProto, helper
from sqlalchemy.orm import Session

from gransk.registry.admission import Admission
from gransk.registry.tables import ModelAttempt, ModelRow, ModelStep, Source, Stage
from gransk.site.config import Config
from gransk.site.database import utcnow
from gransk.site.migrate import open_database

INPUT = np.array([[1, 2, 3]], np.float32)


def double(opset: int = 17, domain: str = "", operator: str = "Add") -> onnx.ModelProto:
    """Doubles three numbers."""
    node = helper.make_node(operator, ["x", "x"], ["y"], domain=domain)
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return of_nodes([node], opset_imports=opsets)


def of_nodes(nodes: list[Any], initializers: Any = (), **more: Any) -> onnx.ModelProto:
    """From ``x``, n times 3, to ``y``."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        initializer=initializers,
    )
    more.setdefault("opset_imports", [helper.make_opsetid("", 17)])
    return helper.make_model(graph, ir_version=8, **more)


def huge() -> onnx.ModelProto:
    """Asks for a tensor of four terabytes on its way."""
    size = helper.make_tensor("size", TensorProto.INT64, [2], [1_000_000, 1_000_000])
    return of_nodes(
        [
            helper.make_node("ConstantOfShape", ["size"], ["much"]),
            helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"]),
        ],
        [size],
    )


def greedy() -> onnx.ModelProto:
    """Takes a little more memory with each round, and never ends by itself."""
    return _loop(
        [
            helper.make_node("Concat", ["carried", "carried"], ["next"], axis=0),
        ]
    )


def endless() -> onnx.ModelProto:
    """Goes round for ever."""
    return _loop([helper.make_node("Identity", ["carried"], ["next"])])


def _loop(nodes: list[Any]) -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), *nodes],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    return of_nodes(
        [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)],
        [helper.make_tensor("yes", TensorProto.BOOL, [], [True])],
    )


def npz(**arrays: Any) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def package(folder: Path, model: onnx.ModelProto | bytes | None = None, **changes: Any) -> Path:
    """Write a whole, admissible model into a folder; keys of its card may be changed.

    ``without`` names keys that are left out; ``inputs_file`` and ``outputs_file`` are the golden
    case's bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = model if isinstance(model, bytes) else (model or double()).SerializeToString()
    given = changes.pop("inputs_file", npz(x=INPUT))
    wanted = changes.pop("outputs_file", npz(y=INPUT * 2))
    without = changes.pop("without", ())
    files = {"model.onnx": content, "in.npz": given, "out.npz": wanted}
    for name, held in files.items():
        (folder / name).write_bytes(held)
    digests = {name: hashlib.sha256(held).hexdigest() for name, held in files.items()}
    card = {
        "id": "double",
        "version": "1.0.0",
        "task": "Doubles three numbers.",
        "file": "model.onnx",
        "sha256": digests["model.onnx"],
        "research": True,
        "inputs": [{"name": "x", "dtype": "float32", "shape": ["n", 3]}],
        "outputs": [{"name": "y", "dtype": "float32", "shape": ["n", 3]}],
        "training_data": [],
        "performance": [],
        "licence": "CC-BY-4.0",
        "limits": ["Knows nothing of medicine."],
        "created": "2026-01-01",
        "golden": {
            "inputs": "in.npz",
            "inputs_sha256": digests["in.npz"],
            "outputs": "out.npz",
            "outputs_sha256": digests["out.npz"],
            "absolute": 1e-5,
        },
    } | changes
    for key in without:
        del card[key]
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder


def zipped(folder: Path, path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{top}{file.name}")
    return path


def key_pair(folder: Path, name: str = "maker") -> tuple[Path, Path]:
    """A private and a public key, as OpenSSL makes them."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    _openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    _openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def sign(folder: Path, private: Path) -> None:
    """Sign a package's card, as docs/models.md says."""
    card = folder / "card.yaml"
    _openssl(
        "pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", card, "-out",
        folder / "card.yaml.sig",
    )  # fmt: skip


def _openssl(*arguments: Any) -> None:
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


def site_of(tmp_path: Path, url: str = "", **models: Any) -> tuple[Config, Admission]:
    """A site's configuration, and admission to it."""
    sections: dict[str, Any] = {"models": models}
    if url:
        sections["database"] = {"url": url}
    config = make_config(tmp_path, **sections)
    return config, Admission(config, open_database(config))


CARD: dict[str, Any] = {
    "id": "double", "version": "1.0.0", "task": "Doubles.", "file": "model.onnx",
    "sha256": "0" * 64, "research": False,
    "inputs": [{"name": "x", "dtype": "float32", "shape": [3]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [3]}],
    "training_data": [], "performance": [], "licence": "MIT", "limits": ["None."],
    "created": "2026-01-01",
}  # fmt: skip


def enter(session: Session, name: str, card_sha256: str = "1" * 64, **card: Any) -> None:
    """Put a candidate into the registry alone, for tests of what comes after its checks."""
    attempt = ModelAttempt(
        source=Source.SHELL, title="x", model=name, admitted=True, results=[],
        author="shell:anna", at=utcnow(),
    )  # fmt: skip
    session.add(attempt)
    session.flush()
    session.add(
        ModelRow(
            name=name, attempt=attempt.number, card=CARD | card, card_sha256=card_sha256,
            sha256="0" * 64, size=1, signer=None, seconds=0.1, peak_mb=10,
        )
    )  # fmt: skip
    session.flush()
    session.add(
        ModelStep(
            model=name, stage=Stage.CANDIDATE, wants_approval=False, author="shell:anna",
            reason="", at=utcnow(),
        )
    )  # fmt: skip


def admitted(admission: Admission, folder: Path, **changes: Any) -> str:
    """A model of a site, as a candidate; its name."""
    tried = admission.admit(package(folder, **changes), Source.SHELL, "shell:anna")
    assert tried.admitted, tried.results
    return tried.model
