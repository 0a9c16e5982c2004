"""Sending DICOM files over a C-STORE association (PS3.4 Annex B), each as its bytes are."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from gransk.delivery.destination import DoubtedError, RefusedError, UnavailableError

# A file's own bytes are sent: encoded anew they might differ.
_config.STORE_SEND_CHUNKED_DATASET = True

CONTEXTS = 128
"""Most presentation contexts of an association (PS3.8 9.3.2.2)."""
VERIFICATION = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")
DUPLICATE = 0x0111
"""Duplicate SOP Instance (PS3.7 Annex C): it is there already."""

Kind = tuple[str, str]
"""SOP Class UID and Transfer Syntax UID."""
Handler = tuple[evt.InterventionEvent, Callable[[evt.Event], Any]]
"""What is called at an event of an association."""


class EndedError(DoubtedError):
    """The peer ended the association without an answer, maybe at what it was sent."""


@dataclass(frozen=True)
class Peer:
    """A C-STORE service class provider.

    Parameters
    ----------
    aet, host : str
    port : int
    calling_aet : str
        Our application entity title.
    tls : SSLContext, optional
        What the connection is made with (PS3.15 Annex B); None: plain.
    timeout_seconds : float
        Longest wait for a connection and for one answer.
    """

    aet: str
    host: str
    port: int
    calling_aet: str = "GRANSK"
    tls: ssl.SSLContext | None = None
    timeout_seconds: float = 30.0

    def __str__(self) -> str:
        return f"{self.aet} at {self.host}:{self.port}"


def send(
    files: Sequence[Path], peer: Peer, progress: Callable[[int], None] = lambda count: None
) -> None:
    """Store files at a peer, in their own transfer syntaxes.

    Parameters
    ----------
    files : sequence of Path
        DICOM files.
    peer : Peer
    progress : callable
        Told how many files the peer has taken.

    Raises
    ------
    UnavailableError
        Where the peer cannot be reached, or has no room.
    RefusedError
        Where it accepts no suitable presentation context, or answers with another failure.
    """
    association = associate(peer, {kind_of(path) for path in files})
    try:
        for count, path in enumerate(files, start=1):
            try:
                store(association, path, kind_of(path))
            except (UnavailableError, RefusedError) as error:
                raise type(error)(f"object {count}: {error}") from error
            progress(count)
    finally:
        if association.is_established:
            association.release()


def associate(peer: Peer, kinds: Iterable[Kind], handlers: Sequence[Handler] = ()) -> Association:
    """An association that proposes these kinds of object; some may not be accepted.

    ``handlers`` are pynetdicom's, by event.

    Raises
    ------
    UnavailableError
        Where the peer cannot be reached, or accepts no association now.
    RefusedError
        Where there are more kinds than an association has room for.
    """
    contexts = [build_context(*kind) for kind in sorted(kinds)]
    if len(contexts) > CONTEXTS:
        raise RefusedError(f"{len(contexts)} kinds of object; send fewer kinds at a time")
    ae = AE(ae_title=peer.calling_aet)
    ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = peer.timeout_seconds
    ae.network_timeout = None
    tls = None if peer.tls is None else (peer.tls, peer.host)
    association = ae.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.aet,
        tls_args=tls,
        evt_handlers=[*handlers],
    )
    if association.is_established:
        return association
    if association.is_rejected:
        told = association.acceptor.primitive
        why = "" if told is None else f" ({told.reason_str.lower()})"
        raise UnavailableError(
            f"{peer} rejects the association{why}; does it know {peer.calling_aet}?"
        )
    raise UnavailableError(f"{peer} does not answer: {_fault(peer)}")


def _fault(peer: Peer) -> str:
    """Why no association could be made: the connection is tried once more by itself."""
    try:
        with socket.create_connection((peer.host, peer.port), peer.timeout_seconds) as plain:
            if peer.tls is not None:
                _shake_hands(plain, peer.tls, peer.host)
    except (OSError, UnavailableError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "it takes the connection and makes no association"


def _shake_hands(plain: socket.socket, tls: ssl.SSLContext, host: str) -> None:
    try:
        tls.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        told = f"the certificate does not stand: {error.verify_message}"
        raise UnavailableError(f"TLS: {told}") from error
    except OSError as error:
        raise UnavailableError(f"TLS: {error.strerror or type(error).__name__}") from error


def store(association: Association, path: Path, kind: Kind) -> int:
    """Store one file by C-STORE.

    Returns
    -------
    int
        0, or the code of a warning: the object was stored (PS3.4 Table B.2-1).

    Raises
    ------
    EndedError
        Where the association ended without an answer.
    DoubtedError
        Where the peer is out of resources, A7xx.
    RefusedError
        Where it does not accept the kind of object, or answers with another failure.
    """
    if not takes(association, kind):
        raise RefusedError(f"the peer does not accept SOP class {kind[0]} as {kind[1]}")
    try:
        answer: Dataset = association.send_c_store(path)
    except RuntimeError as error:
        raise EndedError("the peer ended the association") from error
    if "Status" not in answer:
        raise EndedError("the peer ended the association, or gave no answer in time")
    status = int(answer.Status)
    if status & 0xFF00 == 0xA700:
        raise DoubtedError(f"the peer is out of resources (status 0x{status:04X})")
    if status in (0x0000, DUPLICATE) or status & 0xF000 == 0xB000:
        return status
    raise RefusedError(f"the peer answered with status 0x{status:04X}")


def echo(peer: Peer) -> None:
    """Ask whether a peer is there, by C-ECHO (PS3.4 Annex A).

    Raises
    ------
    UnavailableError
        Where it does not answer, or accepts no association.
    RefusedError
        Where it answers no C-ECHO, or with a failure.
    """
    association = associate(peer, [VERIFICATION])
    try:
        if not takes(association, VERIFICATION):
            raise RefusedError("the peer takes an association and no C-ECHO")
        status = association.send_c_echo().get("Status")
        if status != 0x0000:
            raise RefusedError("the peer did not answer C-ECHO with success")
    finally:
        if association.is_established:
            association.release()


def takes(association: Association, kind: Kind) -> bool:
    """Was a kind of object accepted when the association was made?"""
    return any(
        context.abstract_syntax == kind[0] and context.transfer_syntax[0] == kind[1]
        for context in association.accepted_contexts
    )


def kind_of(path: Path) -> Kind:
    """What a file's meta information says it is."""
    meta = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
