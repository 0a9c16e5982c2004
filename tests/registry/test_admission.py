"""What is admitted works; what is not is refused with every cause, and leaves nothing."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import made_models as made
import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper

from bench.contracts.cards import EXAMPLES, write
from gransk.registry.checking import run_checks
from gransk.registry.checks import Check, Fault, Result
from gransk.registry.examine import examine
from gransk.registry.protocol import Job
from gransk.registry.signing import fingerprint, read_key, signer_of
from gransk.registry.stages import one, registered
from gransk.registry.tables import Source, Stage
from gransk.site.events import EventKind
from gransk.site.model_library import library_of
from gransk.site.tables import Event


def looked_at(tmp_path: Path, source: Path, **changes: Any) -> dict[str, str | None]:
    """The fault of every check that is made of what arrived, in this process."""
    target = tmp_path / "unpacked"
    target.mkdir(parents=True)
    results: list[Result] = []
    examine(job(source, target, **changes), results.append, lambda check: None)
    assert [result.check for result in results] == list(Check)
    return told(results)


def in_child(tmp_path: Path, source: Path, memory_mb: int, seconds: float) -> dict[str, str | None]:
    """The same, in a child within limits."""
    target = tmp_path / "unpacked"
    target.mkdir()
    return told(run_checks(job(source, target), memory_mb, seconds))


def job(source: Path, target: Path, **changes: Any) -> Job:
    return Job(
        **{
            "source": str(source), "folder": str(target), "max_mb": 64, "known": (),
            "signers": (), "require_signature": False, "threads": 1, "device": "cpu",
        }
        | changes
    )  # fmt: skip


def told(results: list[Result]) -> dict[str, str | None]:
    return {one.check: one.fault for one in results if one.done}


def faults(found: dict[str, str | None]) -> set[str]:
    return {fault for fault in found.values() if fault is not None}


def test_a_whole_model_is_admitted_and_runs(tmp_path: Path) -> None:
    config, admission = made.site_of(tmp_path)
    folder = made.package(tmp_path / "arrived")
    attempt = admission.admit(folder, Source.SHELL, "shell:anna")
    assert attempt.admitted
    assert attempt.model == "double@1.0.0"
    assert [one["check"] for one in attempt.results] == list(Check)
    assert "card" not in attempt.results[1]["figures"]
    with admission.database.read() as session:
        (model,) = registered(session)
        kinds = set(session.query(Event.kind).filter(Event.subject == attempt.model))
    assert model.stage is Stage.CANDIDATE
    assert model.row.seconds > 0
    assert model.row.peak_mb > 10
    assert model.row.signer is None
    assert kinds == {(EventKind.MODEL_ADMITTED.value,)}
    library = library_of(config)
    found = library.load("double@1.0.0")
    np.testing.assert_array_equal(found.run({"x": made.INPUT})["y"], made.INPUT * 2)
    assert model.row.sha256 == library.digest("double@1.0.0")
    (config.admitted_folder / "double@1.0.0" / "model.onnx").write_bytes(b"x")
    with pytest.raises(Exception, match="SHA-256"):
        library_of(config).load("double@1.0.0")
    again = admission.admit(folder, Source.SHELL, "shell:anna")
    assert [one["fault"] for one in again.results if one["fault"]] == [Fault.KNOWN_ALREADY]
    admission.database.close()


@pytest.mark.parametrize("top", ["", "double-1.0.0/"])
def test_a_zip_is_admitted_as_its_folder_is(tmp_path: Path, top: str) -> None:
    folder = made.package(tmp_path / "arrived")
    found = looked_at(tmp_path, made.zipped(folder, tmp_path / "model.zip", top))
    assert found == dict.fromkeys(Check)


def _bad_opset() -> dict[str, Any]:
    return {"model": made.double(opset=999)}


def _truncated() -> dict[str, Any]:
    return {"model": made.double().SerializeToString()[:-7] + b"\xff" * 7}


def _external() -> dict[str, Any]:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [3], [1, 2, 3])
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    return {"model": made.of_nodes([helper.make_node("Add", ["x", "w"], ["y"])], [weights])}


CASES: dict[str, tuple[dict[str, Any], set[Fault]]] = {
    "card": ({"licens": "MIT"}, {Fault.CARD_NOT_VALID}),
    "card without limits": ({"limits": []}, {Fault.CARD_NOT_VALID}),
    "licence": ({"licence": "do what you like"}, {Fault.LICENCE_UNKNOWN}),
    "digest": ({"sha256": "0" * 64}, {Fault.DIGEST_WRONG}),
    "file outside": ({"file": "../model.onnx"}, {Fault.FILE_MISSING}),
    "no file": ({"file": "other.onnx"}, {Fault.FILE_MISSING}),
    "no onnx": ({"model": b"no model at all"}, {Fault.NOT_ONNX}),
    "truncated": (_truncated(), {Fault.NOT_ONNX}),
    "opset": (_bad_opset(), {Fault.OPSET_UNKNOWN, Fault.NOT_LOADED}),
    "operator": ({"model": made.double(operator="Doubble")},
                 {Fault.OPERATOR_UNKNOWN, Fault.NOT_LOADED}),
    "custom operator": ({"model": made.double(domain="com.example")},
                        {Fault.CUSTOM_OPERATOR, Fault.NOT_LOADED}),
    "external data": (_external(), {Fault.EXTERNAL_DATA}),
    "contract": ({"inputs": [{"name": "x", "dtype": "float32", "shape": ["n", 4]}]},
                 {Fault.CONTRACT_BROKEN}),
    "contract of outputs": ({"outputs": [{"name": "z", "dtype": "float32", "shape": ["n", 3]}]},
                            {Fault.CONTRACT_BROKEN}),
    "no golden case": ({"without": ["golden"]}, {Fault.GOLDEN_MISSING}),
    "other numbers": ({"outputs_file": made.npz(y=made.INPUT * 2.1)}, {Fault.GOLDEN_DIFFERS}),
    "other size": ({"outputs_file": made.npz(y=made.INPUT[:, :2])}, {Fault.GOLDEN_DIFFERS}),
    "other outputs": ({"outputs_file": made.npz(z=made.INPUT)}, {Fault.GOLDEN_UNREADABLE}),
    "other inputs": ({"inputs_file": made.npz(z=made.INPUT)}, {Fault.GOLDEN_UNREADABLE}),
    "no arrays": ({"inputs_file": b"text"}, {Fault.GOLDEN_UNREADABLE}),
    "pickled": ({"inputs_file": made.npz(x=np.array([{"a": 1}], object))},
                {Fault.GOLDEN_UNREADABLE}),
    "text for numbers": ({"outputs_file": made.npz(y=np.array([["a", "b", "c"]]))},
                         {Fault.GOLDEN_UNREADABLE}),
    "nothing to compare": ({"inputs_file": made.npz(x=made.INPUT[:0]),
                            "outputs_file": made.npz(y=made.INPUT[:0])},
                           {Fault.GOLDEN_UNREADABLE}),
    "several": (
        {"licence": "mine", "without": ["golden"], "model": made.double(domain="com.example")},
        {Fault.LICENCE_UNKNOWN, Fault.GOLDEN_MISSING, Fault.CUSTOM_OPERATOR, Fault.NOT_LOADED},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_contracts_are_whole(tmp_path: Path, name: str) -> None:
    folder = tmp_path / write(tmp_path, name)
    assert looked_at(tmp_path, folder) == dict.fromkeys(Check)
    card = yaml.safe_load((folder / "card.yaml").read_text())
    said = f'"name": "{card["inputs"][0]["name"]}"'
    text = json.dumps(card["contract"]).replace(said, '"name": "wrong"')
    card["contract"] = json.loads(text)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    found = looked_at(tmp_path / "wrong", folder)
    assert found[Check.CONTRACT] is Fault.CONTRACT_BROKEN


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_named(tmp_path: Path, name: str) -> None:
    changes, wanted = CASES[name]
    changes = dict(changes)
    folder = made.package(tmp_path / "arrived", changes.pop("model", None), **changes)
    assert faults(looked_at(tmp_path, folder)) == wanted


def test_no_card(tmp_path: Path) -> None:
    (tmp_path / "arrived").mkdir()
    found = looked_at(tmp_path, tmp_path / "arrived")
    assert faults(found) == {Fault.CARD_MISSING}


def test_a_shipped_model_is_known_already(tmp_path: Path) -> None:
    config, admission = made.site_of(tmp_path)
    card = library_of(config).card("nodule-detector")
    folder = made.package(tmp_path / "arrived", id=card.id, version=card.version)
    attempt = admission.admit(folder, Source.SHELL, "shell:anna")
    assert [one["fault"] for one in attempt.results if one["fault"]] == [Fault.KNOWN_ALREADY]
    assert attempt.model == card.name
    assert list(config.admitted_folder.iterdir()) == []
    admission.database.close()


# Zips


def _zip(path: Path, entries: dict[str, bytes], **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = attributes.get("attr", 0)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


BAD_ZIPS: dict[str, tuple[dict[str, bytes], int, Fault]] = {
    "above": ({"../evil.txt": b"x"}, 0, Fault.UNSAFE_NAME),
    "above, further in": ({"model/../../evil.txt": b"x"}, 0, Fault.UNSAFE_NAME),
    "absolute": ({"/tmp/evil.txt": b"x"}, 0, Fault.UNSAFE_NAME),
    "of another system": ({"..\\evil.txt": b"x"}, 0, Fault.UNSAFE_NAME),
    "drive": ({"C:evil.txt": b"x"}, 0, Fault.UNSAFE_NAME),
    "link": ({"card.yaml": b"/etc/passwd"}, (stat.S_IFLNK | 0o777) << 16, Fault.UNSAFE_NAME),
    "two folders": ({"a/card.yaml": b"x", "b/card.yaml": b"x"}, 0, Fault.UNSAFE_NAME),
    "deep": ({"a/b/card.yaml": b"x"}, 0, Fault.UNSAFE_NAME),
    "hidden": ({".card.yaml": b"x"}, 0, Fault.UNSAFE_NAME),
    "twice": ({"card.yaml": b"x", "CARD.yaml": b"y"}, 0, Fault.UNSAFE_NAME),
    "many": ({f"f{n}": b"x" for n in range(40)}, 0, Fault.PACKAGE_TOO_LARGE),
    "bomb": ({"model.onnx": bytes(4 << 20)}, 0, Fault.PACKAGE_TOO_LARGE),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_a_zip_that_would_write_elsewhere_or_much(tmp_path: Path, name: str) -> None:
    entries, attributes, fault = BAD_ZIPS[name]
    path = _zip(tmp_path / "model.zip", entries, attr=attributes)
    found = looked_at(tmp_path / "in" / "side", path, max_mb=2)
    assert found == {"package": fault}
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text"])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.zip").write_bytes(content)
    found = looked_at(tmp_path, tmp_path / "model.zip")
    assert found == {"package": Fault.UNREADABLE_PACKAGE}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.zip")
    found = looked_at(tmp_path, tmp_path / "model.zip")
    assert faults(found) == {Fault.UNSAFE_NAME}


def test_a_folder_with_links_is_refused(tmp_path: Path) -> None:
    folder = made.package(tmp_path / "arrived")
    (folder / "card.yaml").unlink()
    (folder / "card.yaml").symlink_to("/etc/passwd")
    found = looked_at(tmp_path, folder)
    assert found == {"package": Fault.UNSAFE_NAME}


# Signatures


def test_a_signed_model_names_its_signer(tmp_path: Path) -> None:
    private, public = made.key_pair(tmp_path)
    _, other = made.key_pair(tmp_path, "other")
    folder = made.package(tmp_path / "arrived")
    made.sign(folder, private)
    signers = (str(other), str(public))
    found = looked_at(tmp_path, folder, signers=signers, require_signature=True)
    assert found == dict.fromkeys(Check)
    card, signature = (folder / name for name in ("card.yaml", "card.yaml.sig"))
    signer = signer_of(card.read_bytes(), signature.read_bytes(), [other, public])
    assert signer == fingerprint(read_key(public))


def test_a_signature_of_somebody_else_or_of_another_card(tmp_path: Path) -> None:
    private, public = made.key_pair(tmp_path)
    stranger, _ = made.key_pair(tmp_path, "stranger")
    signers = {"signers": (str(public),)}
    folder = made.package(tmp_path / "arrived")
    made.sign(folder, stranger)
    found = looked_at(tmp_path / "1", folder, **signers)
    assert faults(found) == {Fault.SIGNATURE_WRONG}
    made.sign(folder, private)
    card = yaml.safe_load((folder / "card.yaml").read_text(encoding="utf-8"))
    (folder / "card.yaml").write_text(yaml.safe_dump(card | {"research": False}))
    found = looked_at(tmp_path / "2", folder, **signers)
    assert faults(found) == {Fault.SIGNATURE_WRONG}
    (folder / "card.yaml.sig").write_bytes(b"short")
    found = looked_at(tmp_path / "3", folder, **signers)
    assert faults(found) == {Fault.SIGNATURE_WRONG}
    (folder / "card.yaml.sig").unlink()
    found = looked_at(tmp_path / "4", folder, **signers, require_signature=True)
    assert faults(found) == {Fault.SIGNATURE_MISSING}
    made.sign(folder, private)
    public.write_text("no key")
    found = looked_at(tmp_path / "5", folder, **signers)
    assert faults(found) == {Fault.SIGNER_UNREADABLE}


# Hostile models


def test_a_model_that_asks_for_terabytes(tmp_path: Path) -> None:
    folder = made.package(tmp_path / "arrived", made.huge())
    found = in_child(tmp_path, folder, 1024, 60)
    assert faults(found) <= {Fault.TOO_MUCH_MEMORY, Fault.NOT_RUN, Fault.NOT_LOADED}
    assert faults(found)


def test_a_model_that_never_ends(tmp_path: Path) -> None:
    folder = made.package(tmp_path / "arrived", made.endless())
    found = in_child(tmp_path, folder, 1024, 5)
    assert faults(found) == {Fault.TOO_SLOW}
    assert list(found)[-1] in (Check.GOLDEN, Check.PACKAGE)


@pytest.mark.full
def test_a_model_that_takes_ever_more_memory(tmp_path: Path) -> None:
    folder = made.package(tmp_path / "arrived", made.greedy())
    found = in_child(tmp_path, folder, 512, 60)
    assert found["golden"] in (Fault.TOO_MUCH_MEMORY, Fault.NOT_RUN)


@pytest.mark.full
def test_a_golden_case_that_is_a_bomb(tmp_path: Path) -> None:
    much = _zip(tmp_path / "in.npz", {"x.npy": _npy((1 << 40, 3))}).read_bytes()
    folder = made.package(tmp_path / "arrived", inputs_file=much)
    found = in_child(tmp_path, folder, 512, 60)
    assert found["golden"] in (Fault.TOO_MUCH_MEMORY, Fault.GOLDEN_UNREADABLE)


def _npy(shape: tuple[int, ...]) -> bytes:
    header = str({"descr": "<f4", "fortran_order": False, "shape": shape}).encode() + b" \n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(1000)


def test_the_golden_case_is_named_by_its_digest(tmp_path: Path) -> None:
    folder = made.package(tmp_path / "arrived")
    (folder / "out.npz").write_bytes(made.npz(y=made.INPUT))
    found = looked_at(tmp_path, folder)
    assert Fault.DIGEST_WRONG in faults(found)


@pytest.mark.full
def test_an_attempt_on_each_database(tmp_path: Path, url: str) -> None:
    config, admission = made.site_of(tmp_path, url)
    name = made.admitted(admission, tmp_path / "good", task="Æ\u0000\\u0000 <b>")
    bad = made.package(tmp_path / "bad", licence="\u0000 mine", id="other")
    assert not admission.admit(bad, Source.SHELL, "shell:anna").admitted
    with admission.database.read() as session:
        assert one(session, name).card.task == "Æ\u0000\\u0000 <b>"
    assert library_of(config).card(name).id == "double"
    admission.database.close()
