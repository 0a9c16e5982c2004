"""Sending DICOM files over a C-STORE association (PS3.4 Annex B)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.presentation import PresentationContext, build_context

from gransk.core.errors import GranskError

# An association proposes at most 128 presentation contexts (PS3.8 9.3.2.2).
CONTEXTS = 128


class SendingError(GranskError):
    """A C-STORE peer could not be reached, or refused an object."""


@dataclass(frozen=True)
class Peer:
    """A C-STORE service class provider."""

    aet: str
    host: str
    port: int


def send(
    files: Sequence[Path],
    peer: Peer,
    calling_aet: str = "GRANSK",
    progress: Callable[[int], None] = lambda count: None,
) -> None:
    """Store files at a peer, in their own transfer syntaxes.

    Parameters
    ----------
    files : sequence of Path
        DICOM files.
    peer : Peer
    calling_aet : str
        Our application entity title.
    progress : callable
        Told how many files the peer has taken.

    Raises
    ------
    SendingError
        Where the peer cannot be reached, accepts no suitable presentation
        context, or answers an object with a failure.
    """
    contexts: list[PresentationContext] = []
    for kind in sorted({_kind(path) for path in files}):
        contexts.append(build_context(*kind))
    if len(contexts) > CONTEXTS:
        raise SendingError(f"{len(contexts)} kinds of object; send fewer kinds at a time")
    ae = AE(ae_title=calling_aet)
    association = ae.associate(peer.host, peer.port, contexts=contexts, ae_title=peer.aet)
    if not association.is_established:
        raise SendingError(
            f"{peer.aet} at {peer.host}:{peer.port} accepts no association; is it running, and "
            f"does it know {calling_aet}?"
        )
    try:
        for count, path in enumerate(files, start=1):
            try:
                status = association.send_c_store(path)
            except (ValueError, RuntimeError) as error:
                raise SendingError(f"object {count}: {error}") from error
            _check(status, count)
            progress(count)
    finally:
        if association.is_established:
            association.release()


def _kind(path: Path) -> tuple[str, str]:
    meta = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _check(status: Dataset, count: int) -> None:
    if "Status" not in status:
        raise SendingError(f"object {count}: the peer ended the association without an answer")
    # 0xB000 to 0xBFFF are warnings: the object was stored (PS3.4 B.2.3).
    if status.Status != 0x0000 and status.Status & 0xF000 != 0xB000:
        raise SendingError(f"object {count}: the peer answered with status 0x{status.Status:04X}")
