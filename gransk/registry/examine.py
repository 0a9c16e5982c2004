"""The checks of one model, one after the other; each tells what it found as soon as it knows.

It reads what anybody may have made, so it runs in a child process (`gransk.registry.child`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import yaml
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import ValidationError

from gransk.core.errors import ConfigurationError
from gransk.core.models import CARD, Card, Model, read_card
from gransk.registry import inference
from gransk.registry.checks import Check, Fault, FaultError, Found, Result
from gransk.registry.inference import Arrays
from gransk.registry.package import unpack
from gransk.registry.protocol import Job
from gransk.registry.signing import LENGTH, SIGNATURE, signer_of

CARD_BYTES = 256 * 1024
Tell = Callable[[Result], None]


@dataclass
class _Seen:
    """What earlier checks found, for later ones; None where they failed."""

    card: Card | None = None
    card_bytes: bytes = b""
    content: bytes | None = None
    proto: onnx.ModelProto | None = None
    model: Model | None = None
    inputs: Arrays | None = None
    """Of the golden case, once the model made of them what it should."""


def examine(job: Job, tell: Tell, doing: Callable[[Check], None]) -> None:
    """Make every check that can be made, and tell what each found.

    Parameters
    ----------
    job : Job
    tell : callable
        Told each `Result`, in the order of `Check`.
    doing : callable
        Told which check begins.
    """
    seen, folder = _Seen(), Path(job.folder)
    checks: list[tuple[Check, Callable[[], Found], Callable[[], bool]]] = [
        (Check.PACKAGE, lambda: _package(job, folder), lambda: True),
        (Check.CARD, lambda: _card(folder, seen), lambda: True),
        (Check.LICENCE, lambda: _licence(_of(seen.card)), lambda: seen.card is not None),
        (Check.NEW, lambda: _new(job, _of(seen.card)), lambda: seen.card is not None),
        (Check.SIGNATURE, lambda: _signature(job, folder, seen), lambda: bool(seen.card_bytes)),
        (Check.DIGEST, lambda: _digest(folder, seen), lambda: seen.card is not None),
        (Check.FORMAT, lambda: _format(seen), lambda: seen.content is not None),
        (
            Check.OPERATORS,
            lambda: inference.check_operators(_of(seen.proto)),
            lambda: seen.proto is not None,
        ),
        (Check.CONTRACT, lambda: _contract(job, seen), lambda: seen.proto is not None),
        (Check.GOLDEN, lambda: _golden(folder, seen), lambda: seen.card is not None),
        (
            Check.RESOURCES,
            lambda: inference.measure(_of(seen.model), _of(seen.inputs)),
            lambda: seen.inputs is not None,
        ),
    ]
    whole = True
    for check, make, possible in checks:
        if not whole or not possible():
            tell(Result(check=check, done=False))
            continue
        doing(check)
        try:
            detail, figures = make()
        except FaultError as error:
            tell(Result(check=check, fault=error.fault, detail=error.detail))
            # What could not be unpacked whole is not looked at.
            whole = check is not Check.PACKAGE
        else:
            tell(Result(check=check, detail=detail, figures=figures))


def _package(job: Job, folder: Path) -> Found:
    unpack(Path(job.source), folder, job.max_mb)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return "", {"files": sizes}


def _card(folder: Path, seen: _Seen) -> Found:
    path = folder / CARD
    if not path.is_file():
        raise FaultError(Fault.CARD_MISSING, CARD)
    if path.stat().st_size > CARD_BYTES:
        raise FaultError(Fault.CARD_NOT_VALID, f"more than {CARD_BYTES} bytes")
    seen.card_bytes = path.read_bytes()
    try:
        seen.card = read_card(seen.card_bytes)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in one['loc']) or CARD}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False)
        ]
        raise FaultError(Fault.CARD_NOT_VALID, "; ".join(lines)) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise FaultError(Fault.CARD_NOT_VALID, str(error)) from error
    return seen.card.name, {"card": seen.card.model_dump(mode="json")}


def _licence(card: Card) -> Found:
    try:
        known = canonicalize_license_expression(card.licence)
    except InvalidLicenseExpression as error:
        raise FaultError(Fault.LICENCE_UNKNOWN, card.licence) from error
    return known, {"research": card.research}


def _new(job: Job, card: Card) -> Found:
    if card.name in job.known:
        raise FaultError(Fault.KNOWN_ALREADY, card.name)
    return card.name, {}


def _signature(job: Job, folder: Path, seen: _Seen) -> Found:
    path = folder / SIGNATURE
    if not path.is_file():
        if job.require_signature:
            raise FaultError(Fault.SIGNATURE_MISSING, SIGNATURE)
        return "", {"signer": None}
    if path.stat().st_size != LENGTH:
        raise FaultError(Fault.SIGNATURE_WRONG, f"{SIGNATURE} is not of {LENGTH} bytes")
    try:
        signer = signer_of(seen.card_bytes, path.read_bytes(), [Path(one) for one in job.signers])
    except ConfigurationError as error:
        raise FaultError(Fault.SIGNER_UNREADABLE, str(error)) from error
    if signer is None:
        raise FaultError(Fault.SIGNATURE_WRONG, SIGNATURE)
    return signer, {"signer": signer}


def _digest(folder: Path, seen: _Seen) -> Found:
    card = _of(seen.card)
    wanted = [(card.file, card.sha256)]
    if card.golden is not None:
        wanted.append((card.golden.inputs, card.golden.inputs_sha256))
        wanted.append((card.golden.outputs, card.golden.outputs_sha256))
    wrong = []
    for name, sha256 in wanted:
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise FaultError(Fault.FILE_MISSING, name)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            wrong.append(name)
        elif name == card.file:
            seen.content = content
    if wrong:
        raise FaultError(Fault.DIGEST_WRONG, ", ".join(wrong))
    return card.sha256, {"bytes": len(_of(seen.content))}


def _format(seen: _Seen) -> Found:
    seen.proto = inference.read_onnx(_of(seen.content))
    figures = {"producer": seen.proto.producer_name[:100]}
    return f"IR {seen.proto.ir_version}", figures


def _contract(job: Job, seen: _Seen) -> Found:
    seen.model = inference.load(_of(seen.card), _of(seen.content), job.threads, job.device)
    return "", {}


def _golden(folder: Path, seen: _Seen) -> Found:
    golden = _of(seen.card).golden
    if golden is None:
        raise FaultError(Fault.GOLDEN_MISSING, "golden")
    inputs, outputs = (
        inference.read_arrays(folder / name) for name in (golden.inputs, golden.outputs)
    )
    if seen.model is None:
        # The files are good; what the model makes of them is not known.
        return "", {}
    found = inference.compare(seen.model, inputs, outputs, golden)
    seen.inputs = inputs
    return found


def _of(value: Any) -> Any:
    if value is None:
        raise RuntimeError("an earlier check gave nothing")
    return value
